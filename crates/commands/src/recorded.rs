//! Facts about commands as the real servers' COMMAND tells them (Redis 8.6.3; Valkey 9.1.2 for what only it has),
//! and the test that a table agrees with them. Only for tests.
//!
//! One line per command: full name, server, arity, flags, legacy range, ACL categories, key specs.

use config::Family;

use crate::row::{Begin, Find, KeySpec, Row, key};

const RECORDED: &str = include_str!("../data/recorded.tsv");

/// Asserts that every row, subcommands included, says what the real server says, and that no subcommand is
/// missing, but for containers in `partial`.
pub(crate) fn check<H: Copy + 'static>(table: &[&'static Row<H>], partial: &[&str]) {
    for row in table {
        check_row(row.name, row);
        for sub in row.subs {
            check_row(&format!("{}|{}", row.name, sub.name), sub);
        }
        let prefix = format!("{}|", row.name);
        let missing = RECORDED
            .lines()
            .filter_map(|line| line.split('\t').next()?.strip_prefix(&prefix))
            .find(|name| row.sub(name.as_bytes()).is_none());
        if !partial.contains(&row.name) {
            assert_eq!(missing, None, "subcommand of {}", row.name);
        }
    }
}

fn check_row<H: Copy + 'static>(name: &str, row: &Row<H>) {
    let prefix = format!("{}\t", name.to_ascii_lowercase());
    let line = RECORDED.lines().find(|line| line.starts_with(&prefix));
    // What no server has is ours alone, and there is nothing to compare.
    let Some(line) = line else { return };
    let mut fields = line.split('\t').skip(1);
    let family = if fields.next() == Some("valkey") { Family::Valkey } else { Family::Redis };
    let mut recorded = || fields.next().expect("a field");
    assert_eq!(row.arity.to_string(), recorded(), "arity of {name}");
    assert_eq!(row.flags.names(family).collect::<Vec<_>>().join(","), recorded(), "flags of {name}");
    let legacy = row.legacy;
    assert_eq!(format!("{} {} {}", legacy.first, legacy.last, legacy.step), recorded(), "range of {name}");
    assert_eq!(
        row.acl.categories().map(|category| &category[1..]).collect::<Vec<_>>().join(","),
        recorded(),
        "categories of {name}"
    );
    assert_eq!(row.keys.iter().map(spec).collect::<Vec<_>>().join(" | "), recorded(), "key specs of {name}");
}

fn spec(spec: &KeySpec) -> String {
    let flags = key::NAMES.iter().enumerate().filter(|(bit, _)| spec.flags & 1 << bit != 0);
    let flags: Vec<_> = flags.map(|(_, name)| *name).collect();
    let begin = match spec.begin {
        Begin::Index(at) => format!("index {at}"),
        Begin::Keyword { word, from } => format!("keyword {word} {from}"),
        Begin::Unknown => "unknown".to_owned(),
    };
    let find = match spec.find {
        Find::Range { last, step, limit } => format!("range {last} {step} {limit}"),
        Find::KeyNum { idx, first, step } => format!("keynum {idx} {first} {step}"),
        Find::Unknown => "unknown".to_owned(),
    };
    format!("{}: {begin}; {find}", flags.join(","))
}

#[test]
fn the_table_says_what_the_real_servers_say() {
    let rows: Vec<_> = crate::table::table().commands().collect();
    check(&rows, &[]);
}
