//! INFO: one function for each section, all of them in one table.
//!
//! Without arguments the sections that are cheap and generally wanted; `all` and `everything` give the rest.

mod clients;
mod commands;
mod data;
mod locks;
mod memory;
mod replication;
mod server;
mod stats;

use std::fmt::Write;
use std::sync::Arc;

use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::Result;

pub(super) use commands::distribution;
pub(crate) use locks::reset as reset_locks;
pub(super) use memory::{Usage, percent, ratio};

/// What can stand behind a name. The usual kinds take no detour through a formatter, which would be half of INFO's time.
trait FieldValue {
    fn write_to(self, text: &mut String);
}

impl FieldValue for &str {
    fn write_to(self, text: &mut String) {
        text.push_str(self);
    }
}

impl FieldValue for String {
    fn write_to(self, text: &mut String) {
        text.push_str(&self);
    }
}

impl FieldValue for &String {
    fn write_to(self, text: &mut String) {
        text.push_str(self);
    }
}

impl FieldValue for Arc<str> {
    fn write_to(self, text: &mut String) {
        text.push_str(&self);
    }
}

impl FieldValue for std::fmt::Arguments<'_> {
    fn write_to(self, text: &mut String) {
        // Writing to a string cannot fail.
        let _ = text.write_fmt(self);
    }
}

macro_rules! integers {
    ($($kind:ty)*) => {$(
        impl FieldValue for $kind {
            fn write_to(self, text: &mut String) {
                text.push_str(itoa::Buffer::new().format(self));
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 usize i32 i64 u128);

/// The growing text.
pub(super) struct Text(String);

impl Text {
    /// One line `name:value`.
    fn field(&mut self, name: &str, value: impl FieldValue) {
        self.0.push_str(name);
        self.0.push(':');
        value.write_to(&mut self.0);
        self.0.push_str("\r\n");
    }

    /// A number of bytes, and the same for people to read.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.0.push_str(name);
        self.field("_human", human(bytes));
    }
}

/// Bytes with a unit, as in `1.50M`.
pub(super) fn human(bytes: u64) -> String {
    const UNITS: [(&str, u32); 5] = [("P", 50), ("T", 40), ("G", 30), ("M", 20), ("K", 10)];
    match UNITS.iter().find(|(_, power)| bytes >= 1 << power) {
        Some((unit, power)) => format!("{:.2}{unit}", bytes as f64 / (1u64 << power) as f64),
        None => format!("{bytes}B"),
    }
}

type Fill = for<'a, 'b> fn(&'b mut Cx<'a>, &'b mut Text);

/// When a section is shown that nobody asked for by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    Default,
    All,
    Everything,
    /// Only by its name.
    Named,
}

struct Section {
    name: &'static str,
    title: &'static str,
    shown: Shown,
    fill: Fill,
}

const fn section(name: &'static str, title: &'static str, shown: Shown, fill: Fill) -> Section {
    Section { name, title, shown, fill }
}

const SECTIONS: &[Section] = &[
    section("server", "Server", Shown::Default, server::server),
    section("clients", "Clients", Shown::Default, clients::clients),
    section("memory", "Memory", Shown::Default, memory::memory),
    section("persistence", "Persistence", Shown::Default, data::persistence),
    section("threads", "Threads", Shown::Default, server::threads),
    section("stats", "Stats", Shown::Default, stats::stats),
    section("replication", "Replication", Shown::Default, replication::replication),
    section("cpu", "CPU", Shown::Default, server::cpu),
    section("hotkeys", "Hotkeys", Shown::Default, stats::hot_keys),
    section("modules", "Modules", Shown::Default, |_, _| ()),
    section("commandstats", "Commandstats", Shown::All, commands::commandstats),
    section("errorstats", "Errorstats", Shown::Default, commands::errorstats),
    section("latencystats", "Latencystats", Shown::All, commands::latencystats),
    section("cluster", "Cluster", Shown::Default, data::cluster),
    section("keyspace", "Keyspace", Shown::Default, data::keyspace),
    section("locks", "Locks", Shown::Named, locks::locks),
    section("debug", "Debug", Shown::Named, stats::debug),
];

/// Whether the words name the section. No words are `default`.
fn wanted(section: &Section, words: &[&[u8]]) -> bool {
    let names = |word: &[u8]| {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        is(section.name)
            || (is("everything") && section.shown != Shown::Named)
            || (is("all") && section.shown < Shown::Everything && section.name != "modules")
            || (is("default") && section.shown == Shown::Default)
    };
    match words {
        [] => section.shown == Shown::Default,
        words => words.iter().any(|word| names(word)),
    }
}

pub(super) fn info(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    // It grows as it must: what it reserved would show in `used_memory`.
    let mut text = Text(String::new());
    for section in SECTIONS.iter().filter(|section| wanted(section, &argv[1..])) {
        if !text.0.is_empty() {
            text.0.push_str("\r\n");
        }
        text.0.push_str(&format!("# {}\r\n", section.title));
        (section.fill)(cx, &mut text);
    }
    out.verbatim("txt", text.0.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_chosen_by_name_and_by_group() {
        let chosen = |words: &[&[u8]]| -> Vec<&str> {
            SECTIONS.iter().filter(|section| wanted(section, words)).map(|section| section.name).collect()
        };
        assert_eq!(chosen(&[b"CPU", b"nosuch", b"keyspace"]), ["cpu", "keyspace"]);
        assert_eq!(chosen(&[]), chosen(&[b"default"]));
        assert!(!chosen(&[]).contains(&"commandstats") && chosen(&[b"all"]).contains(&"commandstats"));
        assert!(!chosen(&[b"all"]).contains(&"modules"));
        let open = SECTIONS.iter().filter(|section| section.shown != Shown::Named).count();
        assert_eq!(chosen(&[b"everything"]).len(), open);
    }

    #[test]
    fn bytes_for_people() {
        for (bytes, text) in [(0, "0B"), (1023, "1023B"), (1536, "1.50K"), (23 << 30, "23.00G")] {
            assert_eq!(human(bytes), text);
        }
    }
}
