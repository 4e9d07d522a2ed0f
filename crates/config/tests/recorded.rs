//! Names and defaults against what CONFIG GET * of both real servers said (freshly started; `dir` is /data, the
//! rest untouched). A name that one of them knows and we do not, or another default, fails.

use russet_config::{Directive, Environment, Family, Store};

/// Defaults that are ours on purpose.
const OWN: [(&str, &str); 2] = [
    // Huge pages are wanted unless this says otherwise; nothing forks here.
    ("disable-thp", "no"),
    // One worker per core.
    ("io-threads", "4"),
];

fn compare(recorded: &str, family: Family) {
    let store = Store::new(&Environment { cores: 4, dir: b"/data".to_vec(), family });
    for line in recorded.lines() {
        let (name, value) = line.split_once('\t').expect("name and value");
        let directive = Directive::find(name.as_bytes()).unwrap_or_else(|| panic!("{name} is missing"));
        let expected = OWN.iter().find(|(own, _)| *own == name).map_or(value, |(_, value)| value);
        assert_eq!(String::from_utf8_lossy(&store.shown(directive)), expected, "{name}");
        // The real server shows it, so it is not one of the hidden.
        assert_eq!(store.get(&[b"*"], |_, n| n == name.as_bytes()).len(), 1, "{name}");
    }
}

#[test]
fn redis() {
    compare(include_str!("../data/redis-8.6.3.tsv"), Family::Redis);
}

#[test]
fn valkey() {
    compare(include_str!("../data/valkey-9.1.2.tsv"), Family::Valkey);
}
