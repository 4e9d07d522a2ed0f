//! `cargo xtask fuzz SECONDS [TARGET...]`: all fuzz targets for so long in all, on stable Rust.
//!
//! Invariant: the corpus stays under `fuzz/corpus` (not in git); a crash is copied to `fuzz/seeds/<target>`,
//! where the tests of `russet-fuzzing` replay it for ever. Callers: people; `report` reads the time spent.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::args::Args;
use crate::peers::workspace;

/// `cargo xtask fuzz`
pub fn run(argv: Vec<String>) -> Result<()> {
    let mut words = Args::new(argv).words()?.into_iter();
    let seconds: u64 =
        words.next().context("cargo xtask fuzz SECONDS [TARGET...]")?.parse().context("SECONDS")?;
    let wanted: Vec<String> = words.collect();
    let installed = Command::new(env!("CARGO"))
        .args(["fuzz", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ensure!(installed.is_ok_and(|s| s.success()), "cargo-fuzz is missing: cargo install cargo-fuzz");
    let all = targets()?;
    let chosen: Vec<&String> = all.iter().filter(|t| wanted.is_empty() || wanted.contains(t)).collect();
    ensure!(!chosen.is_empty(), "no such target; there are {all:?}");
    let each = (seconds / chosen.len() as u64).max(1);
    let mut crashed = Vec::new();
    for target in &chosen {
        println!("== {target} for {each} s");
        if !fuzz_one(target, each)? {
            crashed.push(target.as_str());
        }
    }
    note_time(each * chosen.len() as u64)?;
    ensure!(crashed.is_empty(), "crashes in {}: see fuzz/seeds", crashed.join(", "));
    println!("fuzz: {} targets, {each} s each, no crash", chosen.len());
    Ok(())
}

/// Names of the binaries.
fn targets() -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(workspace().join("fuzz/fuzz_targets"))?
        .flatten()
        .filter_map(|e| e.path().file_stem().map(|s| s.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Runs one target; false when it crashed.
fn fuzz_one(target: &str, seconds: u64) -> Result<bool> {
    let fuzz = workspace().join("fuzz");
    for dir in ["corpus", "artifacts"] {
        fs::create_dir_all(fuzz.join(dir).join(target))?;
    }
    // Without a sanitizer the coverage passes work on stable Rust.
    let status = Command::new(env!("CARGO"))
        .args(["fuzz", "run", "--sanitizer", "none", target])
        .arg(fuzz.join("corpus").join(target))
        .arg(fuzz.join("seeds").join(target))
        .args([
            "--",
            &format!("-max_total_time={seconds}"),
            "-print_final_stats=1",
            "-rss_limit_mb=4096",
            "-timeout=10",
        ])
        .current_dir(workspace())
        .status()?;
    keep_crashes(&fuzz, target)?;
    Ok(status.success())
}

/// Copies what crashed among the seeds.
fn keep_crashes(fuzz: &Path, target: &str) -> Result<()> {
    for entry in fs::read_dir(fuzz.join("artifacts").join(target))?.flatten() {
        let name = entry.file_name();
        fs::copy(entry.path(), fuzz.join("seeds").join(target).join(&name))?;
        println!("kept fuzz/seeds/{target}/{}", name.to_string_lossy());
    }
    Ok(())
}

/// Adds to the seconds that were spent on this machine.
fn note_time(seconds: u64) -> Result<()> {
    let path = workspace().join("target/fuzz-seconds");
    fs::write(path, (spent_seconds() + seconds).to_string())?;
    Ok(())
}

/// Seconds of fuzzing on this machine so far.
pub fn spent_seconds() -> u64 {
    let text = fs::read_to_string(workspace().join("target/fuzz-seconds")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}
