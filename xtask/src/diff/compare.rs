//! What "the same reply" means: the classes in which order, time or randomness is free.
//!
//! Invariant: the default is byte equality; a class frees exactly what its name says, and even then types
//! and errors must agree. Callers: script runner, random runner, keyspace comparison.

use anyhow::{Context, Result, bail};
use testkit::reply::Reply;

/// How two replies are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// The same bytes.
    Exact,
    /// Elements in any order, at every level.
    Unordered,
    /// Flat name-value pairs (or a map) in any order.
    Pairs,
    /// The same type byte; errors of the same text.
    Type,
    /// The same tree of types and lengths; leaves are free.
    Shape,
    /// Numbers may differ by so much, everywhere; the rest is equal.
    Near(i64),
    /// Both errors with the same first word, or both the same bytes.
    ErrorCode,
    /// DUMP payloads: equal but for the version and checksum at the end.
    Dump,
    /// These fields of a text of `name:value` lines are equal.
    Fields(Vec<String>),
    /// These names of a list of pairs are equal in value (nested ones too).
    Names(Vec<String>),
    /// Nothing is compared but that there is a reply.
    Skip,
}

impl Class {
    /// Parses a class word; some take the first word of the command as a parameter.
    pub fn parse<'a>(name: &str, rest: &'a str) -> Result<(Class, &'a str)> {
        let parameter = || rest.split_once(' ').context("the class needs a parameter and a command");
        let list = |text: &str| text.split(',').map(String::from).collect();
        Ok(match name {
            "exact" => (Class::Exact, rest),
            "unordered" => (Class::Unordered, rest),
            "pairs" => (Class::Pairs, rest),
            "type" => (Class::Type, rest),
            "shape" => (Class::Shape, rest),
            "error" => (Class::ErrorCode, rest),
            "dump" => (Class::Dump, rest),
            "skip" => (Class::Skip, rest),
            "near" => {
                let (by, rest) = parameter()?;
                (Class::Near(by.parse().context("@near NUMBER")?), rest)
            }
            "fields" => parameter().map(|(names, rest)| (Class::Fields(list(names)), rest))?,
            "names" => parameter().map(|(names, rest)| (Class::Names(list(names)), rest))?,
            other => bail!("unknown class @{other}"),
        })
    }

    /// The class as it stands in a script, with a blank after it; empty for the default.
    pub fn prefix(&self) -> String {
        match self {
            Class::Exact => String::new(),
            Class::Unordered => "@unordered ".into(),
            Class::Pairs => "@pairs ".into(),
            Class::Type => "@type ".into(),
            Class::Shape => "@shape ".into(),
            Class::Near(by) => format!("@near {by} "),
            Class::ErrorCode => "@error ".into(),
            Class::Dump => "@dump ".into(),
            Class::Fields(names) => format!("@fields {} ", names.join(",")),
            Class::Names(names) => format!("@names {} ", names.join(",")),
            Class::Skip => "@skip ".into(),
        }
    }

    /// True when the two frames are the same in this class.
    pub fn same(&self, ours: &[u8], theirs: &[u8]) -> bool {
        if ours == theirs || *self == Class::Skip {
            return true;
        }
        let (Ok(a), Ok(b)) = (Reply::parse(ours), Reply::parse(theirs)) else { return false };
        if *self == Class::ErrorCode && a.is_error() && b.is_error() {
            let code = |r: &Reply| r.text().split(' ').next().map(String::from);
            return code(&a) == code(&b);
        }
        if a.is_error() || b.is_error() {
            return a == b;
        }
        match self {
            Class::Exact | Class::ErrorCode | Class::Skip => false,
            Class::Unordered => sorted(&a) == sorted(&b),
            Class::Pairs => pairs(&a) == pairs(&b),
            Class::Type => ours.first() == theirs.first() && is_null(&a) == is_null(&b),
            Class::Shape => shape(&a, &b),
            Class::Near(by) => near(&a, &b, *by),
            Class::Dump => dump_body(&a).is_some() && dump_body(&a) == dump_body(&b),
            Class::Fields(names) => fields(&a, names) == fields(&b, names),
            Class::Names(names) => named(&a, names) == named(&b, names),
        }
    }
}

fn is_null(reply: &Reply) -> bool {
    matches!(reply, Reply::Null | Reply::NullBulk | Reply::NullArray)
}

fn sorted(reply: &Reply) -> Reply {
    let list = |items: &[Reply]| {
        let mut items: Vec<Reply> = items.iter().map(sorted).collect();
        items.sort();
        items
    };
    match reply {
        Reply::Array(items) => Reply::Array(list(items)),
        Reply::Set(items) => Reply::Set(list(items)),
        Reply::Push(items) => Reply::Push(list(items)),
        Reply::Map(entries) => {
            let mut entries: Vec<(Reply, Reply)> =
                entries.iter().map(|(k, v)| (sorted(k), sorted(v))).collect();
            entries.sort();
            Reply::Map(entries)
        }
        other => other.clone(),
    }
}

fn pairs(reply: &Reply) -> Reply {
    match reply {
        Reply::Array(items) if items.len() % 2 == 0 => {
            let mut pairs: Vec<&[Reply]> = items.chunks(2).collect();
            pairs.sort();
            Reply::Array(pairs.concat())
        }
        // A cursor and its page, as HSCAN and ZSCAN answer.
        Reply::Array(items) => Reply::Array(items.iter().map(pairs).collect()),
        other => sorted(other),
    }
}

fn shape(a: &Reply, b: &Reply) -> bool {
    let (x, y) = (a.items(), b.items());
    std::mem::discriminant(a) == std::mem::discriminant(b)
        && x.len() == y.len()
        && x.iter().zip(&y).all(|(p, q)| shape(p, q))
}

fn near(a: &Reply, b: &Reply, by: i64) -> bool {
    if let (Some(x), Some(y)) = (number(a), number(b)) {
        return std::mem::discriminant(a) == std::mem::discriminant(b) && (x - y).abs() <= by as f64;
    }
    let (x, y) = (a.items(), b.items());
    if x.is_empty() && y.is_empty() {
        return a == b;
    }
    std::mem::discriminant(a) == std::mem::discriminant(b)
        && x.len() == y.len()
        && x.iter().zip(&y).all(|(p, q)| near(p, q, by))
}

fn number(reply: &Reply) -> Option<f64> {
    match reply {
        Reply::Int(n) => Some(*n as f64),
        other => std::str::from_utf8(other.bytes()?).ok()?.parse().ok(),
    }
}

/// A DUMP payload without its version (2 bytes) and checksum (8 bytes).
fn dump_body(reply: &Reply) -> Option<&[u8]> {
    let bytes = reply.bytes()?;
    bytes.get(..bytes.len().checked_sub(10)?)
}

fn fields<'a>(reply: &Reply, names: &'a [String]) -> Vec<(&'a str, Option<String>)> {
    let text = reply.text();
    let value = |name: &str| {
        let entry = text.split(['\n', ' ']).map(|l| l.trim_end_matches('\r'));
        entry.filter_map(|l| l.split_once([':', '='])).find(|(n, _)| *n == name).map(|(_, v)| v.to_string())
    };
    names.iter().map(|name| (name.as_str(), value(name))).collect()
}

fn named<'a>(reply: &Reply, names: &'a [String]) -> Vec<(&'a str, Vec<Reply>)> {
    names
        .iter()
        .map(|name| {
            let mut found = Vec::new();
            collect_named(reply, name, &mut found);
            (name.as_str(), found)
        })
        .collect()
}

fn collect_named(reply: &Reply, name: &str, found: &mut Vec<Reply>) {
    let items = reply.items();
    for (index, item) in items.iter().enumerate() {
        if index % 2 == 0 && item.bytes() == Some(name.as_bytes()) {
            found.extend(items.get(index + 1).map(|value| (*value).clone()));
        } else {
            collect_named(item, name, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_free_what_they_say_and_no_more() {
        let two = |a: &str, b: &str| format!("*2\r\n+{a}\r\n+{b}\r\n");
        let cases = [
            ("exact", "+a\r\n".to_string(), "+a\r\n".to_string(), true),
            ("exact", "+a\r\n".into(), "+b\r\n".into(), false),
            ("unordered", two("a", "b"), two("b", "a"), true),
            ("unordered", two("a", "b"), two("a", "c"), false),
            ("pairs", "*4\r\n+a\r\n:1\r\n+b\r\n:2\r\n".into(), "*4\r\n+b\r\n:2\r\n+a\r\n:1\r\n".into(), true),
            (
                "pairs",
                "*4\r\n+a\r\n:1\r\n+b\r\n:2\r\n".into(),
                "*4\r\n+b\r\n:1\r\n+a\r\n:2\r\n".into(),
                false,
            ),
            ("type", ":1\r\n".into(), ":2\r\n".into(), true),
            ("type", "$-1\r\n".into(), "$1\r\na\r\n".into(), false),
            ("type", "-ERR a\r\n".into(), "-ERR b\r\n".into(), false),
            ("shape", two("a", "b"), two("x", "y"), true),
            ("shape", two("a", "b"), "*1\r\n+a\r\n".into(), false),
            ("error", "-ERR a\r\n".into(), "-ERR b\r\n".into(), true),
            ("error", "-ERR a\r\n".into(), "-WRONGTYPE b\r\n".into(), false),
            ("skip", "-ERR a\r\n".into(), "+OK\r\n".into(), true),
        ];
        for (name, a, b, expected) in cases {
            let (class, _) = Class::parse(name, "").expect(name);
            assert_eq!(class.same(a.as_bytes(), b.as_bytes()), expected, "{name} {a:?} {b:?}");
        }
    }

    #[test]
    fn parameters_of_classes() {
        let (near, rest) = Class::parse("near", "5 PTTL k").expect("near");
        assert_eq!(rest, "PTTL k");
        assert!(near.same(b":100\r\n", b":104\r\n") && !near.same(b":100\r\n", b":106\r\n"));
        assert!(!near.same(b":100\r\n", b"$3\r\n100\r\n"));
        let (fields, _) = Class::parse("fields", "role,x INFO").expect("fields");
        assert!(fields.same(b"$13\r\nrole:a\r\nage:1\r\n", b"$13\r\nage:2\r\nrole:a\r\n"));
        assert!(!fields.same(b"$6\r\nrole:a\r\n", b"$6\r\nrole:b\r\n"));
        let (names, _) = Class::parse("names", "length XINFO").expect("names");
        assert!(names.same(b"*2\r\n+length\r\n:1\r\n", b"*4\r\n+x\r\n:2\r\n+length\r\n:1\r\n"));
    }

    #[test]
    fn dumps_differ_only_at_their_end() {
        let (dump, _) = Class::parse("dump", "").expect("dump");
        assert!(dump.same(b"$12\r\nab0123456789\r\n", b"$12\r\nab9876543210\r\n"));
        assert!(!dump.same(b"$12\r\nab0123456789\r\n", b"$12\r\nac0123456789\r\n"));
    }
}
