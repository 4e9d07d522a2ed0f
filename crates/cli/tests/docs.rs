//! The list of flags in docs/cli.md is generated from the table of flags; this test compares it. With
//! `UPDATE_DOCS=1` in the environment it is written instead.

use std::fmt::Write;
use std::fs;

use russet_cli::face::Face;
use russet_cli::flags::{help, table};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
const BEGIN: &str = "<!-- generated from crates/cli/src/flags: begin -->\n";
const END: &str = "<!-- generated from crates/cli/src/flags: end -->\n";

#[test]
fn the_page_lists_the_flags() {
    let page = fs::read_to_string(PAGE).expect("docs/cli.md");
    let (before, rest) = page.split_once(BEGIN).expect("the begin mark");
    let (listed, after) = rest.split_once(END).expect("the end mark");
    let wanted = markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, format!("{before}{BEGIN}{wanted}{END}{after}")).expect("docs/cli.md is writable");
    } else {
        assert_eq!(listed, wanted, "run the test with UPDATE_DOCS=1");
    }
}

/// A row per flag, with the words of our own help page; then the names of those that only `--cluster` reads.
fn markdown() -> String {
    let mut out = String::from("| flag | what it does |\n|---|---|\n");
    for entry in table().filter_map(|flag| help::entry(flag, Face::Russet)) {
        let text = entry.text.replace('|', "\\|").replace('<', "&lt;");
        writeln!(out, "| `{}` | {text} |", entry.head.replace('|', "\\|")).expect("a string takes all");
    }
    let names = table().flat_map(|flag| flag.names).filter(|name| name.starts_with("--cluster-"));
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    writeln!(
        out,
        "\nWith `--cluster` (`--cluster help` says which subcommand takes which): {}.",
        names.join(", ")
    )
    .expect("a string takes all");
    out
}

#[test]
fn every_listed_flag_is_documented_in_one_line() {
    for flag in table() {
        if let Some(entry) = help::entry(flag, Face::Russet) {
            assert!(!entry.text.is_empty(), "{} says nothing", entry.head);
            assert!(!entry.head.contains('\n') && !entry.text.contains('\n'), "{}", entry.head);
            let bare = entry.head.matches('<').count() == entry.head.matches('>').count();
            assert!(bare && !entry.text.starts_with(' '), "{}", entry.head);
            for name in flag.names {
                assert!(entry.head.contains(name), "{name} is missing in {}", entry.head);
            }
        }
    }
}
