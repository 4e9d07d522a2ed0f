//! The part of the compatibility page that lists commands is generated from the table; this test compares it. With
//! `UPDATE_DOCS=1` in the environment it is written instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use config::Family;
use russet_commands::docs::doc;
use russet_commands::table::table;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compat.md");
/// One line per command of Redis or Valkey; the first field is its full name.
const RECORDED: &str = include_str!("../data/recorded.tsv");
const BEGIN: &str = "<!-- generated from crates/commands: begin -->\n";
const END: &str = "<!-- generated from crates/commands: end -->\n";

/// Names of one group of the real servers' documentation.
#[derive(Default)]
struct Group {
    here: BTreeSet<String>,
    missing: BTreeSet<String>,
}

#[test]
fn the_page_lists_the_table() {
    let page = fs::read_to_string(PAGE).expect("docs/compat.md");
    let (before, rest) = page.split_once(BEGIN).expect("the begin mark");
    let (listed, after) = rest.split_once(END).expect("the end mark");
    let wanted = markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, format!("{before}{BEGIN}{wanted}{END}{after}")).expect("docs/compat.md is writable");
    } else {
        assert_eq!(listed, wanted, "run the test with UPDATE_DOCS=1");
    }
}

fn markdown() -> String {
    let names: Vec<String> =
        table().rows().iter().map(|known| known.full_name.to_ascii_lowercase()).collect();
    let here: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let recorded: BTreeSet<&str> = RECORDED.lines().filter_map(|line| line.split('\t').next()).collect();
    let is_command = |name: &&&str| !name.contains('|');
    let present = recorded.iter().filter(is_command).filter(|name| here.contains(**name)).count();
    let all = recorded.iter().filter(is_command).count();
    let mut out = format!(
        "{present} of the {all} commands that Redis or Valkey have, without modules. A command that is missing answers \
         `ERR unknown command`.\n\n| group | here | missing |\n|---|---|---|\n"
    );
    for (name, group) in groups(&here, &recorded) {
        line(&mut out, &format!("| {name} | {} | {} |", words(&group.here), words(&group.missing)));
    }
    out.push_str("\nSubcommands that are missing in commands that are here:\n\n");
    let mut none = true;
    for container in table().commands().filter(|row| !row.subs.is_empty()) {
        let prefix = format!("{}|", container.name);
        let missing: BTreeSet<String> = recorded
            .iter()
            .filter(|name| !here.contains(**name))
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(str::to_uppercase)
            .collect();
        if !missing.is_empty() {
            none = false;
            line(&mut out, &format!("- {}: {}", container.name.to_uppercase(), words(&missing)));
        }
    }
    if none {
        out.push_str("- none\n");
    }
    out
}

fn groups(here: &BTreeSet<&str>, recorded: &BTreeSet<&str>) -> BTreeMap<&'static str, Group> {
    let mut groups: BTreeMap<&'static str, Group> = BTreeMap::new();
    for name in here.union(recorded).filter(|name| !name.contains('|')) {
        let group = groups.entry(doc(name, Family::Redis).map_or("other", |doc| doc.group)).or_default();
        let names = if here.contains(name) { &mut group.here } else { &mut group.missing };
        names.insert(name.to_uppercase());
    }
    groups
}

fn words(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("invariant: writing to a string does not fail");
}
