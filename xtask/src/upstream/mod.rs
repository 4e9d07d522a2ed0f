//! `cargo xtask upstream [UNIT...]`: Valkey's own test suite, unmodified, with our server in place of theirs.
//!
//! ```text
//! source tree (peers) -> target/upstream/<worker>/{runtest,tests,utils,...}   one copy per worker
//!                        target/upstream/bin/valkey-server -> ours            VALKEY_BIN_DIR
//! units -> workers -> ./runtest --single UNIT -> counts -> docs/upstream.md
//! ```
//!
//! Invariant: each unit is a run of its own, so that a crash in one hides nothing of the others; the suite's
//! files are copied, never edited. With the real Valkey in our place (`--self`) nothing fails.

mod record;
mod suite;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::args::Args;
use crate::bench::{build, build_ours};
use crate::peers::{VALKEY, workspace};
use record::Record;
use suite::{Counts, Suite};

const ALLOW: &str = "tests/upstream.allow";
const SKIP: &str = "tests/upstream.skip";

const HELP: &str = "\
cargo xtask upstream [UNIT...] [options]
  --allowed         the units of tests/upstream.allow, which must pass completely
  --client          our client against the real Valkey; everything must pass
  --self            the real Valkey in our place; records how many tests each unit has
  --ours PATH       our server (default: built now)
  --profile release how it is built: `dev` takes less time, and looks at its own assertions
  --our-cli PATH    our client in place of valkey-cli (default: built now, profile dev; with --ours, the one beside
                    that server, if any; with --self, only when given)
  --workers 2       units at a time        --limit 600    seconds per unit
  --no-doc          leave docs/upstream.md as it is";

/// With more units than these at fault, it is not the machine's.
const MOST_AGAIN: usize = 4;

/// What hears of each unit that ended.
type Note<'a> = &'a (dyn Fn(&str, &Counts) -> Result<()> + Sync);

/// Everything a run needs to know.
struct Plan {
    units: Vec<String>,
    skips: BTreeMap<String, Vec<String>>,
    workers: usize,
    limit: Duration,
}

/// `cargo xtask upstream`
pub fn run(argv: Vec<String>) -> Result<()> {
    if argv.iter().any(|a| a == "--help") {
        println!("{HELP}");
        return Ok(());
    }
    let mut args = Args::new(argv);
    let client = args.flag("--client");
    let real = args.flag("--self") || client;
    let allowed_only = args.flag("--allowed");
    // What our client brings about says nothing about servers.
    let write = !args.flag("--no-doc") && !client;
    let workers = args.value("--workers")?.unwrap_or(2).max(1);
    let limit = Duration::from_secs(args.value("--limit")?.unwrap_or(600));
    let ours: Option<PathBuf> = args.path("--ours")?;
    let profile: String = args.value("--profile")?.unwrap_or_else(|| "release".into());
    let our_cli: Option<PathBuf> = args.path("--our-cli")?;
    let words = args.words()?;
    let theirs = VALKEY.need()?;
    let our_cli = match (our_cli, real, &ours) {
        (Some(path), ..) => Some(path),
        (None, true, _) if client => Some(build("russet-cli", "dev")?),
        (None, true, _) => None,
        (None, false, Some(server)) => {
            Some(server.with_file_name("russet-cli")).filter(|path| path.is_file())
        }
        (None, false, None) => Some(build("russet-cli", "dev")?),
    };
    let server = match (real, ours) {
        (true, _) => theirs,
        (false, Some(path)) => path,
        (false, None) => build_ours(&profile)?,
    };
    let suite =
        Suite::prepare(&VALKEY.tree().context("the Valkey source tree")?, &server, our_cli.as_deref())?;
    let all = suite.units()?;
    let units = chosen(&all, &words, allowed_only)?;
    // Tests that ours cannot pass yet are no business of the real one.
    let skips = if real { BTreeMap::new() } else { read_skips()? };
    let plan = Plan { units, skips, workers, limit };
    // A run of the whole suite takes hours: each unit is noted as it ends.
    let record = Mutex::new(Record::read(&all)?);
    let note = |unit: &str, counts: &Counts| -> Result<()> {
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        record.update(unit, counts, real);
        if write { record.write() } else { Ok(()) }
    };
    let must_pass = allowed_only || real;
    let mut results = run_units(&suite, &plan, &note)?;
    if must_pass {
        run_again(&suite, plan, &note, &mut results)?;
    }
    finish(&results, must_pass)
}

/// Many of the suite's tests wait for a fixed time, which a busy machine exceeds: a unit that must pass and did not
/// is run once more, alone. What the first run said stays in the output.
fn run_again(
    suite: &Suite,
    plan: Plan,
    note: Note<'_>,
    results: &mut BTreeMap<String, Counts>,
) -> Result<()> {
    let units: Vec<String> =
        results.iter().filter(|(_, counts)| !counts.clean()).map(|(unit, _)| unit.clone()).collect();
    if units.is_empty() || units.len() > MOST_AGAIN {
        return Ok(());
    }
    println!("once more, alone: {}", units.join(" "));
    results.extend(run_units(suite, &Plan { units, workers: 1, ..plan }, note)?);
    Ok(())
}

/// Units that a word names by its end or by a folder; all, or the allowed ones, without words.
fn chosen(all: &[String], words: &[String], allowed_only: bool) -> Result<Vec<String>> {
    if allowed_only {
        let allowed = read_lines(ALLOW)?;
        let unknown: Vec<&String> = allowed.iter().filter(|unit| !all.contains(unit)).collect();
        ensure!(unknown.is_empty(), "{ALLOW} names units that do not exist: {unknown:?}");
        return Ok(allowed);
    }
    if words.is_empty() {
        return Ok(all.to_vec());
    }
    let mut units = BTreeSet::new();
    for word in words {
        let folder = format!("{}/", word.trim_end_matches('/'));
        let found: Vec<&String> = all
            .iter()
            .filter(|u| *u == word || u.starts_with(&folder) || u.ends_with(&format!("/{word}")))
            .collect();
        ensure!(!found.is_empty(), "no unit {word}");
        units.extend(found.into_iter().cloned());
    }
    Ok(units.into_iter().collect())
}

/// Runs all units of the plan on its workers; `note` hears of each unit that ended.
fn run_units(suite: &Suite, plan: &Plan, note: Note<'_>) -> Result<BTreeMap<String, Counts>> {
    let queue: Mutex<VecDeque<&String>> = Mutex::new(plan.units.iter().collect());
    let results = Mutex::new(BTreeMap::new());
    let begun = Instant::now();
    let work = |worker: usize| -> Result<()> {
        let tree = suite.worker_tree(worker)?;
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(unit) = next else { return Ok(()) };
            let skips = plan.skips.get(unit).cloned().unwrap_or_default();
            let counts = suite.run_unit(&tree, worker, unit, &skips, plan.limit)?;
            note(unit, &counts)?;
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.insert(unit.clone(), counts.clone());
            let (done, all) = (results.len(), plan.units.len());
            println!("[{done}/{all} {:4.0} s] {unit}: {}", begun.elapsed().as_secs_f64(), counts.line());
            counts.words.iter().for_each(|line| println!("    {line}"));
        }
    };
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..plan.workers).map(|worker| scope.spawn(move || work(worker))).collect();
        for handle in running {
            handle.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        }
        anyhow::Ok(())
    })?;
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn finish(results: &BTreeMap<String, Counts>, must_pass: bool) -> Result<()> {
    let mut total = Counts::default();
    results.values().for_each(|c| total.add(c));
    println!("upstream: {} units, {}", results.len(), total.line());
    for (unit, counts) in results {
        counts.failures.iter().for_each(|name| println!("  {unit}: {name}"));
    }
    let bad = results.values().filter(|c| !c.clean()).count();
    ensure!(!must_pass || bad == 0, "{bad} units that must pass do not");
    Ok(())
}

/// `unit<TAB>test<TAB>reason` per line.
fn read_skips() -> Result<BTreeMap<String, Vec<String>>> {
    let mut skips: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in read_lines(SKIP)? {
        let parts: Vec<&str> = line.split('\t').collect();
        ensure!(parts.len() == 3 && !parts[2].trim().is_empty(), "{SKIP}: unit, test and reason: {line:?}");
        skips.entry(parts[0].to_string()).or_default().push(parts[1].to_string());
    }
    Ok(skips)
}

/// Lines of a file that are not empty and no comments; a file that is missing has none.
fn read_lines(path: &str) -> Result<Vec<String>> {
    let path = workspace().join(path);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path)?;
    Ok(text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')).map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_chosen_by_name_and_folder() {
        let all: Vec<String> = ["unit/a", "unit/type/b", "unit/type/c"].map(String::from).to_vec();
        let pick = |word: &str| chosen(&all, &[word.to_string()], false);
        assert_eq!(pick("b").expect("name"), ["unit/type/b"]);
        assert_eq!(pick("unit/type").expect("folder").len(), 2);
        assert_eq!(pick("unit/a").expect("whole"), ["unit/a"]);
        assert!(pick("nope").is_err());
        assert_eq!(chosen(&all, &[], false).expect("all"), all);
    }

    #[test]
    fn the_lists_of_the_repository_are_well_formed() {
        read_skips().expect("skip file");
        read_lines(ALLOW).expect("allow list");
    }
}
