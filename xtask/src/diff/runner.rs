//! Runs scripts against two sides and reports what differs.
//!
//! Invariant: servers are shared by the scripts of one protocol and emptied between them; a script with
//! arguments of its own has servers of its own. Callers: `diff::run`.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::Setup;
use super::compare::Class;
use super::keyspace;
use super::script::{Action, Reference, Script, Step};
use super::session::{Got, Side};
use crate::peers::{self, Peer, workspace};

const SCRIPTS: &str = "tests/diff";
const KNOWN: &str = "tests/diff.known";
/// Differences shown per script unless all are asked for.
const SHOWN: usize = 3;

/// Ours, under the name of the real server that it is compared with, and that one.
struct Stage {
    ours: Side,
    theirs: Side,
    reference: Reference,
}

#[derive(Default)]
struct Tally {
    same: usize,
    different: usize,
    /// Scripts that differ and stand in [`KNOWN`].
    known: BTreeSet<String>,
    absent: Vec<String>,
    /// Scripts that no reference could judge, as long as none has.
    unjudged: BTreeSet<String>,
    steps: usize,
}

/// The scripts that are known to differ, each line with its reason behind a blank. The file only shrinks.
fn known_to_differ() -> Result<BTreeSet<String>> {
    let path = workspace().join(KNOWN);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {KNOWN}"))?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    Ok(lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// Runs the scripts that `wanted` names (families, files or commands); all when empty.
pub fn run(setup: &Setup, wanted: &[String]) -> Result<()> {
    let scripts = load(wanted)?;
    ensure!(!scripts.is_empty(), "no script matches {wanted:?} in {SCRIPTS}");
    let mut tally = Tally::default();
    let mut shared: HashMap<&'static str, Stage> = HashMap::new();
    for script in &scripts {
        let before = tally.runs();
        for peer in setup.references().into_iter().filter(|peer| script.reference.is(*peer)) {
            run_with(setup, script, peer, &mut shared, &mut tally)?;
        }
        if tally.runs() == before && setup.only.is_none() {
            tally.unjudged.insert(script.name.clone());
        }
    }
    tally.absent.dedup();
    if !tally.absent.is_empty() {
        println!("not there yet ({}): {}", tally.absent.len(), tally.absent.join(", "));
    }
    if !tally.unjudged.is_empty() {
        let names: Vec<_> = tally.unjudged.into_iter().collect();
        println!("in neither reference ({}): {}", names.len(), names.join(", "));
    }
    println!(
        "diff: {} runs of {} scripts the same, {} different, {} scripts known to differ, {} steps",
        tally.same,
        scripts.len(),
        tally.different,
        tally.known.len(),
        tally.steps
    );
    ensure!(tally.different == 0, "{} script runs differ", tally.different);
    if wanted.is_empty() && setup.ours.is_some() {
        let mended: Vec<_> = known_to_differ()?.difference(&tally.known).cloned().collect();
        ensure!(mended.is_empty(), "these differ no more, take them out of {KNOWN}: {}", mended.join(", "));
    }
    Ok(())
}

impl Tally {
    fn runs(&self) -> usize {
        self.same + self.different + self.known.len() + self.absent.len()
    }
}

impl Reference {
    /// Whether this is what `peer` is for.
    fn is(self, peer: Peer) -> bool {
        match self {
            Reference::Either => true,
            Reference::Valkey => peer == peers::VALKEY,
            Reference::Redis => peer == peers::REDIS,
        }
    }

    fn of(peer: Peer) -> Reference {
        if peer == peers::REDIS { Reference::Redis } else { Reference::Valkey }
    }
}

fn run_with(
    setup: &Setup,
    script: &Script,
    peer: Peer,
    shared: &mut HashMap<&'static str, Stage>,
    tally: &mut Tally,
) -> Result<()> {
    let mut own = None;
    for &protocol in &script.protocols {
        let stage = match &script.args {
            Some(args) => own.insert(start(setup, peer, args)?),
            None => match shared.entry(peer.name) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => entry.insert(start(setup, peer, "")?),
            },
        };
        match command_of(stage, script)? {
            Has::Both => {}
            Has::Ours => return Ok(()),
            Has::Theirs if setup.ours.is_none() || setup.all => {}
            Has::Theirs => {
                tally.absent.push(script.name.clone());
                return Ok(());
            }
        }
        let found = match run_script(stage, script, protocol, setup.all)? {
            Ran::Compared(found) => found,
            Ran::Needs(command) => {
                tally.absent.push(format!("{} (needs {command})", script.name));
                return Ok(());
            }
        };
        tally.steps += script.steps.len();
        if found.is_empty() {
            tally.same += 1;
        } else {
            // Only ours may be known to differ: the yardstick itself never.
            if setup.ours.is_some() && known_to_differ()?.contains(&script.name) {
                tally.known.insert(script.name.clone());
            } else {
                tally.different += 1;
            }
            report(script, protocol, peer, &found, setup.verbose);
            // A dead or confused server must not spoil the next script.
            shared.remove(peer.name);
        }
    }
    Ok(())
}

fn start(setup: &Setup, peer: Peer, args: &str) -> Result<Stage> {
    let (ours, theirs) = setup.binaries(peer)?;
    Ok(Stage {
        ours: Side::start(&ours, args)?,
        theirs: Side::start(&theirs, args)?,
        reference: Reference::of(peer),
    })
}

/// Which side has the command that a script is named after.
enum Has {
    /// Both, or neither: scripts about no single command have a name that nobody knows.
    Both,
    Ours,
    Theirs,
}

fn command_of(stage: &mut Stage, script: &Script) -> Result<Has> {
    let file =
        Path::new(&script.name).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let command = file.split('-').next().unwrap_or_default().to_string();
    let known = |side: &mut Side| -> Result<bool> {
        side.reset(2)?;
        let reply = side.ask(&[b"COMMAND", b"INFO", command.as_bytes()])?;
        Ok(reply.items().first().is_some_and(|item| !item.items().is_empty()))
    };
    Ok(match (known(&mut stage.ours)?, known(&mut stage.theirs)?) {
        (true, false) => Has::Ours,
        (false, true) => Has::Theirs,
        _ => Has::Both,
    })
}

/// How a run of a script ended.
enum Ran {
    /// With these differences.
    Compared(Vec<String>),
    /// At a command that ours does not have yet.
    Needs(String),
}

/// Runs one script. With `all`, a command that ours lacks is a difference like any other.
fn run_script(stage: &mut Stage, script: &Script, protocol: u8, all: bool) -> Result<Ran> {
    if let Err(error) = stage.ours.reset(protocol) {
        return Ok(Ran::Compared(vec![format!("ours cannot start the script: {error:#}")]));
    }
    stage.theirs.reset(protocol).context("the reference")?;
    let mut found = Vec::new();
    let reference = stage.reference;
    for step in script.steps.iter().filter(|step| step.only.is_none_or(|only| only == reference)) {
        let ours = stage.ours.step(step);
        let theirs = stage.theirs.step(step);
        if !same(&step.class, &ours, &theirs) {
            if let Some(command) = ours.unknown_command().filter(|_| !all) {
                return Ok(Ran::Needs(command));
            }
            found.push(difference(step, &ours, &theirs));
        }
        if matches!(&ours, Got::Broken(why) if why.starts_with("no reply")) || step_waits_in_vain(step, &ours)
        {
            found.push("the script ends here: nothing after a missing reply can be compared".into());
            return Ok(Ran::Compared(found));
        }
        if !stage.ours.alive() {
            found.push(format!("line {}: our server has ended\n{}", step.line, stage.ours.log()));
            return Ok(Ran::Compared(found));
        }
    }
    if script.keyspace && found.is_empty() {
        found = keyspace_after(stage)?;
    }
    Ok(Ran::Compared(found))
}

fn step_waits_in_vain(step: &Step, ours: &Got) -> bool {
    matches!((&step.action, ours), (Action::Blocked(_), Got::Broken(_)))
}

/// Connections may be in MULTI or subscribed: the comparison needs fresh ones.
fn keyspace_after(stage: &mut Stage) -> Result<Vec<String>> {
    stage.ours.reconnect();
    stage.theirs.reconnect();
    keyspace::differences(&mut stage.ours, &mut stage.theirs)
}

/// True when both sides got the same; two sides that broke in the same way agree.
pub fn same(class: &Class, ours: &Got, theirs: &Got) -> bool {
    match (ours, theirs) {
        (Got::Frame(a), Got::Frame(b)) => class.same(a, b),
        (Got::Nothing, Got::Nothing) => true,
        // Silence on both sides means a script that waits for what never comes.
        (Got::Broken(a), Got::Broken(b)) => a == b && !a.starts_with("no reply"),
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
