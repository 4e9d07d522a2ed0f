//! Runs scripts against two sides and reports what differs.
//!
//! Invariant: servers are shared by the scripts of one protocol and emptied between them; a script with
//! arguments of its own has servers of its own. Callers: `diff::run`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::Setup;
use super::compare::Class;
use super::keyspace;
use super::script::{Reference, Script, Step};
use super::session::{Got, Side};
use crate::peers::{self, Peer, workspace};

const SCRIPTS: &str = "tests/diff";
/// Differences shown per script unless all are asked for.
const SHOWN: usize = 3;

/// Ours and theirs.
struct Pair {
    ours: Side,
    theirs: Side,
}

#[derive(Default)]
struct Tally {
    same: usize,
    different: usize,
    absent: Vec<String>,
    steps: usize,
}

/// Runs the scripts that `wanted` names (families, files or commands); all when empty.
pub fn run(setup: &Setup, wanted: &[String]) -> Result<()> {
    let scripts = load(wanted)?;
    ensure!(!scripts.is_empty(), "no script matches {wanted:?} in {SCRIPTS}");
    let mut tally = Tally::default();
    let mut shared: HashMap<&'static str, Pair> = HashMap::new();
    for script in &scripts {
        for peer in references(setup, script) {
            run_with(setup, script, peer, &mut shared, &mut tally)?;
        }
    }
    tally.absent.dedup();
    if !tally.absent.is_empty() {
        println!("not there yet ({}): {}", tally.absent.len(), tally.absent.join(" "));
    }
    println!(
        "diff: {} runs of {} scripts the same, {} different, {} steps",
        tally.same,
        scripts.len(),
        tally.different,
        tally.steps
    );
    ensure!(tally.different == 0, "{} script runs differ", tally.different);
    Ok(())
}

fn references(setup: &Setup, script: &Script) -> Vec<Peer> {
    match (setup.forced, script.reference) {
        (Some(peer), _) => vec![peer],
        (None, Reference::Valkey) => vec![peers::VALKEY],
        (None, Reference::Redis) => vec![peers::REDIS],
        (None, Reference::Both) => vec![peers::VALKEY, peers::REDIS],
    }
}

fn run_with(
    setup: &Setup,
    script: &Script,
    peer: Peer,
    shared: &mut HashMap<&'static str, Pair>,
    tally: &mut Tally,
) -> Result<()> {
    let mut own = None;
    for &protocol in &script.protocols {
        let pair = match &script.args {
            Some(args) => own.insert(start(setup, peer, args)?),
            None => match shared.entry(peer.name) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => entry.insert(start(setup, peer, "")?),
            },
        };
        if setup.ours.is_some() && !setup.all && !has_command(pair, script)? {
            tally.absent.push(script.name.clone());
            return Ok(());
        }
        let found = run_script(pair, script, protocol)?;
        tally.steps += script.steps.len();
        if found.is_empty() {
            tally.same += 1;
        } else {
            tally.different += 1;
            report(script, protocol, peer, &found, setup.verbose);
            // A dead or confused server must not spoil the next script.
            shared.remove(peer.name);
        }
    }
    Ok(())
}

fn start(setup: &Setup, peer: Peer, args: &str) -> Result<Pair> {
    let (ours, theirs) = setup.binaries(peer)?;
    Ok(Pair { ours: Side::start(&ours, args)?, theirs: Side::start(&theirs, args)? })
}

/// Whether ours has the command that the script is named after. Scripts about no single command have a name
/// that the reference does not know either, and always run.
fn has_command(pair: &mut Pair, script: &Script) -> Result<bool> {
    let file =
        Path::new(&script.name).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let command = file.split('-').next().unwrap_or_default().to_string();
    pair.theirs.reset(2)?;
    pair.ours.reset(2)?;
    let known = |side: &mut Side| -> Result<bool> {
        let reply = side.ask(&[b"COMMAND", b"INFO", command.as_bytes()])?;
        Ok(reply.items().first().is_some_and(|item| !item.items().is_empty()))
    };
    Ok(!known(&mut pair.theirs)? || known(&mut pair.ours)?)
}

/// Runs one script; the differences as text.
fn run_script(pair: &mut Pair, script: &Script, protocol: u8) -> Result<Vec<String>> {
    if let Err(error) = pair.ours.reset(protocol) {
        return Ok(vec![format!("ours cannot start the script: {error:#}")]);
    }
    pair.theirs.reset(protocol).context("the reference")?;
    let mut found = Vec::new();
    for step in &script.steps {
        let (a, b) = (pair.ours.step(step), pair.theirs.step(step));
        if !same(&step.class, &a, &b) {
            found.push(difference(step, &a, &b));
        }
        if !pair.ours.alive() {
            found.push(format!("line {}: our server has ended\n{}", step.line, pair.ours.log()));
            return Ok(found);
        }
    }
    if script.keyspace && found.is_empty() {
        // Connections may be in MULTI or subscribed: the comparison needs fresh ones.
        found.extend(keyspace_after(pair)?);
    }
    Ok(found)
}

fn keyspace_after(pair: &mut Pair) -> Result<Vec<String>> {
    pair.ours.reconnect();
    pair.theirs.reconnect();
    keyspace::differences(&mut pair.ours, &mut pair.theirs)
}

/// True when both sides got the same; two sides that broke are not the same as success, but agree.
pub fn same(class: &Class, ours: &Got, theirs: &Got) -> bool {
    match (ours, theirs) {
        (Got::Frame(a), Got::Frame(b)) => class.same(a, b),
        (Got::Nothing, Got::Nothing) => true,
        (Got::Broken(a), Got::Broken(b)) => a == b,
        _ => false,
    }
}

fn difference(step: &Step, ours: &Got, theirs: &Got) -> String {
    format!("line {}: {}\n    ours   {}\n    theirs {}", step.line, step.text, ours.shown(), theirs.shown())
}

fn report(script: &Script, protocol: u8, peer: Peer, found: &[String], verbose: bool) {
    println!("{} (RESP{protocol}, against {}): {} differences", script.name, peer.name, found.len());
    let shown = if verbose { found.len() } else { SHOWN };
    found.iter().take(shown).for_each(|text| println!("  {text}"));
    if found.len() > shown {
        println!("  ...");
    }
}

/// All scripts whose path contains one of the wanted words as a folder or name.
fn load(wanted: &[String]) -> Result<Vec<Script>> {
    let root = workspace().join(SCRIPTS);
    let mut paths = Vec::new();
    collect(&root, &mut paths)?;
    paths.extend(wanted.iter().map(PathBuf::from).filter(|p| p.is_file()));
    paths.sort();
    paths
        .iter()
        .filter(|path| wanted.is_empty() || wanted.iter().any(|word| matches(path, word)))
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned();
            Script::parse(&name, &fs::read_to_string(path)?)
        })
        .collect()
}

fn matches(path: &Path, word: &str) -> bool {
    path == Path::new(word)
        || path.to_string_lossy().ends_with(word)
        || path.file_stem().is_some_and(|stem| stem == word)
        || path.parent().and_then(Path::file_name).is_some_and(|family| family == word)
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|ext| ext == "txt") {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_of_the_repository_parses() {
        let scripts = load(&[]).expect("scripts parse");
        assert!(scripts.iter().all(|s| !s.steps.is_empty()));
    }
}
