//! Arguments for generated commands: mostly sensible, often at an edge, sometimes wrong.
//!
//! Invariant: no value makes a server reserve more than some megabytes, and no time to live ends while a
//! run lasts, so that both sides stay comparable. Callers: `random::generate`.

use testkit::rng::Rng;

use super::grammar::{Argument, Command};

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "5",
    "10",
    "-2",
    "100",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "4294967296",
    "18446744073709551616",
    "abc",
    "1.5",
    "",
    "01",
    " 1",
    "+1",
];
const SMALL: &[&str] = &["0", "1", "2", "3", "4", "5", "7", "-1", "-2", "-3", "10"];
const OFFSETS: &[&str] = &["0", "1", "2", "7", "8", "9", "31", "100", "-1", "-8", "4294967296", "x"];
const DOUBLES: &[&str] = &[
    "0",
    "1",
    "-1",
    "1.5",
    "-2.25",
    "3.0e2",
    "1e-5",
    "0.1",
    "inf",
    "-inf",
    "+inf",
    "nan",
    "1e308",
    "-1e308",
    "abc",
    "",
    "0x10",
    "1e",
    "(1",
    "123456789012345678",
    "3.141592653589793",
];
const TIMES: &[&str] =
    &["-1", "0", "100000", "1000000", "99999999999999", "9223372036854775807", "abc", "1.5"];
const MOMENTS: &[&str] = &["1", "-1", "0", "9999999999", "99999999999999", "9223372036854775807", "abc"];
const STRINGS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "foo",
    "bar",
    "hello world",
    "",
    "1",
    "2",
    "10",
    "-5",
    "3.5",
    "\u{e4}\u{f6}",
    "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789",
    "xx",
];
const PATTERNS: &[&str] = &["*", "s*", "?", "[a-c]", "[^a]*", "a\\*", "", "*1", "lst?", "h[s-t]h*"];
const IDS: &[&str] = &[
    "0",
    "0-0",
    "0-1",
    "1-1",
    "2-0",
    "5",
    "5-5",
    "10-3",
    "-",
    "+",
    "$",
    ">",
    "(1-1",
    "(5",
    "bad",
    "5-*",
    "18446744073709551615-18446744073709551615",
    "1-18446744073709551615",
    "-1",
];
const SCORES: &[&str] = &["-inf", "+inf", "0", "1", "(1", "2", "(2.5", "5", "-3", "100", "nan", "(", "x"];
const LEXES: &[&str] = &["-", "+", "[a", "(a", "[c", "(f", "[zzz", "a", ""];
const PLACES: &[&str] =
    &["13.361389", "15.087269", "38.115556", "37.502669", "-180", "180", "85.05112878", "-85.1", "0", "200"];
const ENCODINGS: &[&str] = &["u8", "i16", "u63", "i64", "u64", "i5", "u1", "i0", "x8", "8"];

/// Keys of a group: the prefix says what usually lives there.
fn key_prefix(group: &str) -> &'static str {
    match group {
        "string" => "str",
        "list" => "lst",
        "hash" => "hsh",
        "set" => "set",
        "sorted-set" => "zst",
        "stream" => "stm",
        "hyperloglog" => "hll",
        "geo" => "geo",
        "bitmap" => "bit",
        _ => "any",
    }
}

const PREFIXES: &[&str] = &["str", "lst", "hsh", "set", "zst", "stm", "hll", "geo", "bit"];

/// A key that suits the command, or now and then one of another type.
pub fn key(group: &str, rng: &mut Rng) -> String {
    let own = key_prefix(group);
    let prefix = if own == "any" || rng.one_in(12) { *rng.pick(PREFIXES) } else { own };
    format!("{prefix}{}", rng.below(3))
}

/// A value for an argument that is no key, block or choice.
pub fn value(command: &Command, argument: &Argument, rng: &mut Rng) -> String {
    let name = argument.name.to_ascii_lowercase();
    let group = command.group.as_str();
    let word = command.words[0].as_str();
    let pool = match argument.kind.as_str() {
        "integer" if name.contains("second") || name.contains("ttl") => TIMES,
        "integer" if name.contains("offset") => OFFSETS,
        "integer" if !rng.one_in(6) => SMALL,
        "integer" => INTEGERS,
        "unix-time" => MOMENTS,
        "double" if group == "geo" => PLACES,
        "double" if name.contains("timeout") => &["0.01"],
        "double" => DOUBLES,
        "pattern" => PATTERNS,
        _ if group == "stream" && is_id(&name) => IDS,
        _ if name.contains("encoding") => ENCODINGS,
        _ if name == "min"
            || name == "max"
            || ((name == "start" || name == "stop") && word.starts_with('z')) =>
        {
            match (word.contains("lex"), rng.below(3)) {
                (true, _) => LEXES,
                (false, 0) => LEXES,
                (false, 1) => SMALL,
                _ => SCORES,
            }
        }
        _ if name.contains("second") || name.contains("milli") => TIMES,
        _ if rng.one_in(10) => INTEGERS,
        _ => STRINGS,
    };
    (*rng.pick(pool)).to_string()
}

fn is_id(name: &str) -> bool {
    name.ends_with("id") || ["start", "end", "threshold"].contains(&name)
}

/// Something that does not belong where it is put.
pub fn odd(rng: &mut Rng) -> String {
    let pool = rng.pick(&[INTEGERS, DOUBLES, STRINGS, IDS, PATTERNS]);
    (*rng.pick(pool)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_integer_makes_a_huge_string() {
        // SETBIT takes offsets below 2^32, SETRANGE those below 512 MB: nothing between a megabyte and those.
        let huge = |text: &str| text.trim().parse::<i128>().is_ok_and(|n| (8_000_000..1 << 32).contains(&n));
        for text in INTEGERS.iter().chain(OFFSETS).chain(TIMES).chain(IDS).chain(DOUBLES) {
            assert!(!huge(text), "{text}");
        }
    }
}
