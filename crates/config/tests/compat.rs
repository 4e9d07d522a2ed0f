//! The part of the compatibility page that lists directives is generated; this test compares it. With
//! `UPDATE_DOCS=1` in the environment it is written instead.

use std::fs;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compat.md");
const BEGIN: &str = "<!-- generated from crates/config: begin -->\n";
const END: &str = "<!-- generated from crates/config: end -->\n";

#[test]
fn the_page_lists_the_table() {
    let page = fs::read_to_string(PAGE).expect("docs/compat.md");
    let (before, rest) = page.split_once(BEGIN).expect("the begin mark");
    let (listed, after) = rest.split_once(END).expect("the end mark");
    let wanted = russet_config::compat::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, format!("{before}{BEGIN}{wanted}{END}{after}")).expect("docs/compat.md is writable");
    } else {
        assert_eq!(listed, wanted, "run the test with UPDATE_DOCS=1");
    }
}
