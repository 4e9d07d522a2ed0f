//! `cargo xtask report`: one page on where the project stands.
//!
//! Invariant: it measures nothing itself; it prints what the other commands have left behind and what can be
//! counted in the sources. Callers: people.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;

use crate::fuzz;
use crate::peers::workspace;
use crate::tidy;

#[derive(Default)]
struct Crate {
    files: usize,
    code_lines: usize,
    test_lines: usize,
    unsafe_lines: usize,
    longest: usize,
}

/// `cargo xtask report`
pub fn run() -> Result<()> {
    let paths = tidy::tracked()?;
    let files = tidy::rust_files(&paths)?;
    println!("# Where Russet stands\n");
    println!("upstream suite: {}", last_line("docs/upstream.md", "In all"));
    let scripts = paths.iter().filter(|p| p.starts_with("tests/diff/") && p.ends_with(".txt")).count();
    let rows = tidy::row_names(&files).len();
    println!("differential scripts: {scripts}; rows of the command table: {rows}");
    println!("fuzzing on this machine: {} s", fuzz::spent_seconds());
    let seeds = paths.iter().filter(|p| p.starts_with("fuzz/seeds/")).count();
    println!("fuzz seeds: {seeds}\n");
    print_crates(&files);
    print_ratios();
    Ok(())
}

fn last_line(path: &str, start: &str) -> String {
    let text = fs::read_to_string(workspace().join(path)).unwrap_or_default();
    let line = text.lines().rev().find(|line| line.starts_with(start));
    line.unwrap_or("not run yet").to_string()
}

fn print_crates(files: &[tidy::File]) {
    let mut crates: BTreeMap<String, Crate> = BTreeMap::new();
    for file in files {
        let entry = crates.entry(file.home().to_string()).or_default();
        entry.files += 1;
        for (line, code) in file.source.code.iter().enumerate() {
            if code.trim().is_empty() {
                continue;
            }
            if file.is_test() || file.source.in_tests[line] {
                entry.test_lines += 1;
            } else {
                entry.code_lines += 1;
            }
        }
        entry.unsafe_lines += tidy::unsafe_lines(file);
        let longest = tidy::functions(file).into_iter().map(|(_, _, length)| length).max().unwrap_or(0);
        entry.longest = entry.longest.max(longest);
    }
    println!("| crate | files | lines of code | lines of tests | unsafe lines | longest function |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, c) in &crates {
        println!(
            "| {name} | {} | {} | {} | {} | {} |",
            c.files, c.code_lines, c.test_lines, c.unsafe_lines, c.longest
        );
    }
}

/// The rows of our server in the last benchmark.
fn print_ratios() {
    let text = fs::read_to_string(workspace().join("target/bench/workloads.md")).unwrap_or_default();
    println!("\nlast benchmark (CPU ratio, then rate ratio, to the best real server):");
    let ours: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells.get(3) == Some(&"russet") && cells.len() > 11)
        .collect();
    if ours.is_empty() {
        println!("  not run yet: cargo xtask bench");
    }
    for cells in ours {
        println!("  {:12} P={:4} {:>6} {:>6}", cells[1], cells[2], cells[10], cells[11]);
    }
}
