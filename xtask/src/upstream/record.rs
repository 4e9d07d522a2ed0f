//! `docs/upstream.md`: how far we are in Valkey's own suite, unit by unit.
//!
//! Invariant: the document is the record; a run of some units changes their rows and leaves the others.
//! Callers: `upstream::run`; `report` reads the last line.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;

use super::suite::Counts;
use crate::peers::{VALKEY, workspace};

const PATH: &str = "docs/upstream.md";

/// Why units cannot be run yet, by the beginning of their names.
const NOT_YET: &[(&str, &str)] = &[
    ("unit/cluster/", "cluster mode comes later"),
    ("unit/acl", "ACL users come later"),
    ("unit/functions", "functions come later"),
    ("unit/scripting", "scripting comes later"),
    ("unit/tracking", "client tracking comes later"),
    ("unit/aofrw", "the append-only file comes later"),
    ("integration/aof", "the append-only file comes later"),
    ("unit/tls", "TLS comes later"),
    ("unit/mptcp", "not on this system"),
    ("integration/dual-channel", "dual-channel sync comes later"),
    ("integration/failover", "FAILOVER comes later"),
];

/// One row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Row {
    /// Tests that the real Valkey passes.
    tests: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
    ran: bool,
    note: String,
}

/// The whole document.
pub struct Record {
    rows: BTreeMap<String, Row>,
}

impl Record {
    /// Reads the document; units that it does not name yet are added.
    pub fn read(units: &[String]) -> Result<Record> {
        let text = fs::read_to_string(workspace().join(PATH)).unwrap_or_default();
        let mut rows: BTreeMap<String, Row> = text.lines().filter_map(parse_row).collect();
        for unit in units {
            rows.entry(unit.clone()).or_default();
        }
        rows.retain(|unit, _| units.contains(unit));
        Ok(Record { rows })
    }

    /// Enters the result of a unit: the real server's into the column of totals, ours into the others.
    pub fn update(&mut self, unit: &str, counts: &Counts, real: bool) {
        let row = self.rows.entry(unit.to_string()).or_default();
        if real {
            row.tests = counts.passed;
            return;
        }
        row.ran = true;
        row.passed = counts.passed;
        row.failed = counts.failed;
        row.skipped = counts.skipped;
        row.note = counts.broken.clone().unwrap_or_default().replace('|', "/");
    }

    /// Writes the document.
    pub fn write(&self) -> Result<()> {
        fs::create_dir_all(workspace().join("docs"))?;
        Ok(fs::write(workspace().join(PATH), self.text())?)
    }

    fn text(&self) -> String {
        let mut out = format!(
            "# Valkey's own test suite\n\n\
             The suite of Valkey {}, unmodified, run by `cargo xtask upstream` with russet-server in place of \
             valkey-server. `tests` is what the real Valkey passes on the same machine; `not run` counts what did \
             not come to its turn: skipped by `tests/upstream.skip`, or after the unit ended early.\n\n\
             | unit | tests | passed | failed | not run | note |\n| --- | --- | --- | --- | --- | --- |\n",
            VALKEY.version
        );
        let (mut tests, mut passed, mut failed) = (0, 0, 0);
        for (unit, row) in &self.rows {
            let rest = row.tests.saturating_sub(row.passed + row.failed);
            let note = if row.ran { row.note.clone() } else { not_yet(unit) };
            out +=
                &format!("| {unit} | {} | {} | {} | {rest} | {note} |\n", row.tests, row.passed, row.failed);
            tests += row.tests;
            passed += row.passed;
            failed += row.failed;
        }
        let rest = tests.saturating_sub(passed + failed);
        out + &format!(
            "\nIn all {} units, {tests} tests: {passed} passed, {failed} failed, {rest} not run.\n",
            self.rows.len()
        )
    }
}

fn not_yet(unit: &str) -> String {
    let reason = NOT_YET.iter().find(|(start, _)| unit.starts_with(start)).map(|(_, why)| *why);
    reason.unwrap_or("not tried yet").to_string()
}

fn parse_row(line: &str) -> Option<(String, Row)> {
    let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
    let [unit, tests, passed, failed, _, note, ..] = cells.as_slice() else { return None };
    let note = note.to_string();
    let ran = !NOT_YET.iter().any(|(_, why)| *why == note) && note != "not tried yet";
    let row = Row {
        tests: tests.parse().ok()?,
        passed: passed.parse().ok()?,
        failed: failed.parse().ok()?,
        skipped: 0,
        ran,
        note,
    };
    Some((unit.to_string(), row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_and_updated() {
        let row = Row { tests: 10, ..Row::default() };
        let mut record = Record { rows: BTreeMap::from([("unit/a".to_string(), row)]) };
        assert!(record.text().contains("| unit/a | 10 | 0 | 0 | 10 | not tried yet |"));
        let counts = Counts { passed: 7, failed: 1, broken: Some("boom".into()), ..Counts::default() };
        record.update("unit/a", &counts, false);
        let text = record.text();
        assert!(text.contains("| unit/a | 10 | 7 | 1 | 2 | boom |"), "{text}");
        let again: BTreeMap<String, Row> = text.lines().filter_map(parse_row).collect();
        assert_eq!(again["unit/a"].passed, 7);
        assert!(again["unit/a"].ran);
        assert!(text.ends_with("In all 1 units, 10 tests: 7 passed, 1 failed, 2 not run.\n"));
    }
}
