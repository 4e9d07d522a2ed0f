//! Rules about the command table: names are compared nowhere else, and every row has a differential script.
//!
//! Invariant: the names come from the rows themselves (`Row::new("name"` and kin in `crates/commands`), so a
//! new command is under the rules at once. Callers: `tidy::run`, `report`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::{File, Finding};
use crate::peers::workspace;

/// Crates that meet command names only through the table.
const NAME_FREE: &[&str] =
    &["crates/engine", "crates/server", "crates/keyspace", "crates/journal", "crates/repl"];
/// What stands before the name in a row.
const ROW_STARTS: &[&str] = &["Row::new(", "Row::container(", "Row::sub(", " row(", "(row("];
/// Words that are command names and also ordinary words of replies, options or INFO.
const ALSO_WORDS: &[&str] = &["role", "info", "type", "time", "sort", "save", "sync", "keys", "monitor"];
/// Folder of the differential scripts.
pub const SCRIPTS: &str = "tests/diff";

/// Names of all rows, in lower case, subcommands included.
pub fn row_names(files: &[File]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files.iter().filter(|f| f.home() == "crates/commands" && !f.is_test()) {
        for (line, text, before) in &file.source.strings {
            let before = if before.trim().is_empty() {
                line.checked_sub(1).map_or("", |i| file.source.code[i].as_str())
            } else {
                before
            };
            let padded = format!(" {}", before.trim_end());
            if !file.source.in_tests[*line] && ROW_STARTS.iter().any(|start| padded.ends_with(start)) {
                names.insert(text.to_ascii_lowercase());
            }
        }
    }
    names
}

/// Checks both rules.
pub fn check(files: &[File], paths: &[String], findings: &mut Vec<Finding>) -> Result<()> {
    let names = row_names(files);
    for file in files.iter().filter(|f| NAME_FREE.contains(&f.home()) && !f.is_test()) {
        check_names(file, &names, findings);
    }
    let used = words_in_scripts(paths)?;
    for name in names.difference(&used) {
        let text = format!("the row {name:?} has no differential script");
        findings.push(Finding { rule: "script", path: SCRIPTS.into(), line: 0, text });
    }
    Ok(())
}

/// A literal that equals a command name and is compared with something.
fn check_names(file: &File, names: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    for (line, text, before) in &file.source.strings {
        let lower = text.to_ascii_lowercase();
        if file.source.in_tests[*line] || !names.contains(&lower) || ALSO_WORDS.contains(&lower.as_str()) {
            continue;
        }
        let before = before.trim_end().trim_end_matches('b').trim_end();
        let code = &file.source.code[*line];
        let compared =
            ["==", "!=", "eq_ignore_ascii_case(", "starts_with("].iter().any(|op| before.ends_with(op));
        let arm =
            code.contains("=>") && (before.is_empty() || before.ends_with('|') || before.ends_with('('));
        if compared || arm {
            let text = format!("the command name {text:?} is compared outside the table");
            findings.push(Finding { rule: "names", path: file.path.clone(), line: line + 1, text });
        }
    }
}

/// First and second words of all command lines of all scripts, in lower case.
fn words_in_scripts(paths: &[String]) -> Result<BTreeSet<String>> {
    let mut words = BTreeSet::new();
    for path in paths.iter().filter(|p| p.starts_with(SCRIPTS) && p.ends_with(".txt")) {
        let text = fs::read_to_string(workspace().join(path)).with_context(|| path.clone())?;
        for line in text.lines().filter(|line| !line.starts_with(['#', '!'])) {
            let line = line.split_once("> ").map_or(line, |(_, command)| command);
            // A class or a kept reply stands before the command.
            let before = if line.starts_with(['@', '$']) { 3 } else { 0 };
            words.extend(
                line.split_whitespace().take(2 + before).map(|w| w.trim_matches('"').to_ascii_lowercase()),
            );
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::super::split;
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into(), source: split(text) }
    }

    #[test]
    fn names_come_from_rows() {
        let text = "const A: Row = Row::new(\"getex\", -2, WRITE);\nconst B: Row = Row::new(\n    \"SET\", 1);\nlet x = other(\"no\");";
        let names = row_names(&[file("crates/commands/src/a.rs", text)]);
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["getex", "set"]);
    }

    #[test]
    fn comparisons_outside_the_table_are_found() {
        let names = BTreeSet::from(["getex".to_string()]);
        let cases = [
            ("if name == b\"GETEX\" {}", 1),
            ("if name.eq_ignore_ascii_case(\"getex\") {}", 1),
            ("match name { b\"getex\" => 1 }", 0),
            ("    b\"getex\" => 1,", 1),
            ("log(\"getex\");", 0),
            ("if name == \"other\" {}", 0),
        ];
        for (text, expected) in cases {
            let mut findings = Vec::new();
            check_names(&file("crates/engine/src/a.rs", text), &names, &mut findings);
            assert_eq!(findings.len(), expected, "{text}");
        }
    }
}
