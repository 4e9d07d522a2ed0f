//! `cargo xtask tidy`: the rules of the house that a tool can check.
//!
//! Invariant: a rule has no exception but those in `EXCEPTIONS`, each with its reason; an exception that is
//! no longer needed is an error itself. Callers: `.ci/run`, and people before a commit.

mod lexer;
mod rules;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub use lexer::{Source, split};
pub use rules::{functions, unsafe_lines};
pub use table::row_names;

use crate::peers::workspace;

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the rule.
    pub rule: &'static str,
    /// Path below the repository's root.
    pub path: String,
    /// Line from 1; 0 for the whole file.
    pub line: usize,
    pub text: String,
}

/// A case that may break a rule: (rule, path, part of the finding's text, reason).
pub const EXCEPTIONS: &[(&str, &str, &str, &str)] = &[];

/// A Rust file of the repository.
pub struct File {
    pub path: String,
    pub text: String,
    pub source: Source,
}

impl File {
    /// The crate's folder, such as `crates/ds` or `xtask`.
    pub fn home(&self) -> &str {
        let mut parts = self.path.match_indices('/');
        let nth = if self.path.starts_with("crates/") { parts.nth(1) } else { parts.next() };
        nth.map_or("", |(at, _)| &self.path[..at])
    }

    /// True for files that hold only tests or benches.
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || self.path.starts_with("fuzz/")
            || name == "tests.rs"
            || name.ends_with("_tests.rs")
    }
}

/// `cargo xtask tidy`
pub fn run() -> Result<()> {
    let paths = tracked()?;
    let files = rust_files(&paths)?;
    let mut findings = Vec::new();
    files.iter().for_each(|file| rules::check_file(file, &mut findings));
    rules::check_places(&paths, &mut findings)?;
    table::check(&files, &paths, &mut findings)?;
    let (left, unused) = without_exceptions(findings, EXCEPTIONS);
    for finding in &left {
        println!("{}:{}: {}: {}", finding.path, finding.line, finding.rule, finding.text);
    }
    unused.iter().for_each(|e| println!("exception no longer needed: {} {} {}", e.0, e.1, e.2));
    let long = rules::long_functions(&files);
    println!(
        "tidy: {} Rust files, {} findings, {long} functions of 70 lines or more",
        files.len(),
        left.len()
    );
    ensure!(left.is_empty() && unused.is_empty(), "{} findings", left.len() + unused.len());
    Ok(())
}

type Exception = (&'static str, &'static str, &'static str, &'static str);

fn without_exceptions(findings: Vec<Finding>, exceptions: &[Exception]) -> (Vec<Finding>, Vec<Exception>) {
    let excused = |f: &Finding, e: &Exception| f.rule == e.0 && f.path == e.1 && f.text.contains(e.2);
    let unused = exceptions.iter().filter(|e| !findings.iter().any(|f| excused(f, e))).copied().collect();
    let left = findings.into_iter().filter(|f| !exceptions.iter().any(|e| excused(f, e))).collect();
    (left, unused)
}

/// Files that git knows or would add, below the root.
pub fn tracked() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace())
        .output()
        .context("git is missing: apt-get install git")?;
    ensure!(output.status.success(), "git ls-files failed");
    let mut paths: Vec<String> = String::from_utf8(output.stdout)?.lines().map(String::from).collect();
    paths.retain(|path| workspace().join(path).is_file());
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// The Rust sources among `paths`, taken apart.
pub fn rust_files(paths: &[String]) -> Result<Vec<File>> {
    let root: PathBuf = workspace();
    paths
        .iter()
        .filter(|path| Path::new(path).extension().is_some_and(|ext| ext == "rs"))
        .map(|path| {
            let text = fs::read_to_string(root.join(path)).with_context(|| path.clone())?;
            Ok(File { path: path.clone(), source: split(&text), text })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_excuse_and_are_missed_when_unused() {
        let finding = |text: &str| Finding { rule: "size", path: "a.rs".into(), line: 1, text: text.into() };
        let exceptions = [("size", "a.rs", "main", "why"), ("size", "b.rs", "x", "why")];
        let (left, unused) = without_exceptions(vec![finding("fn main"), finding("fn other")], &exceptions);
        assert_eq!(left, [finding("fn other")]);
        assert_eq!(unused, [exceptions[1]]);
    }
}
