//! A directive's value: from the words of a line or a CONFIG SET argument, and back to text.
//!
//! Error texts are the real server's. Called by `store`, `load` and `rewrite`.

use std::sync::Arc;

use crate::directive::{Family, Kind, Row, Special, Status, Unit};
use crate::special::{self, Events, OutputLimits, SavePoint};

/// A value as it is stored. Numbers, flags, choices and event classes also stand in `number` (the bits of an
/// `i64`, or of a `u64` where the directive is unsigned); what is text by nature stands in `text`, `save` and event classes in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) number: u64,
    pub(crate) text: Arc<[u8]>,
}

impl Value {
    fn number(number: u64) -> Self {
        Self { number, text: Arc::default() }
    }

    fn text(text: impl Into<Arc<[u8]>>) -> Self {
        Self { number: 0, text: text.into() }
    }
}

/// The default of a row. `bind` listens everywhere; `dir` is the caller's to fill in.
pub(crate) fn default_of(row: &Row) -> Value {
    match row.kind {
        Kind::Bool { default } => Value::number(u64::from(default)),
        Kind::Choice { default, .. } => Value::number(default as u64),
        Kind::Choices { .. } => Value::number(0),
        Kind::Number { default, .. } => Value::number(default as u64),
        Kind::Text { default, .. } => Value::text(default.as_bytes()),
        Kind::Special(Special::Save) => {
            let points = [(3600, 1), (300, 100), (60, 10000)];
            save_value(&points.map(|(seconds, changes)| SavePoint { seconds, changes }))
        }
        Kind::Special(special) => Value::text(
            match special {
                Special::OutputLimits => OutputLimits::default().text(),
                Special::OomScores => "0 200 800".to_owned(),
                Special::Bind => "* -::*".to_owned(),
                Special::Percentiles => "50 99 99.9".to_owned(),
                Special::Events | Special::RdmaBind | Special::ReplicaOf => String::new(),
                Special::Save | Special::Dir => String::new(),
            }
            .into_bytes(),
        ),
    }
}

/// Reads the words of a line. `current` is what a directive that is set piece by piece starts from: the
/// output limits keep the classes that are not named, and a file's `save` lines add up. Errors are in the words of
/// `family`.
pub(crate) fn parse(row: &Row, words: &[&[u8]], current: &Value, family: Family) -> Result<Value, String> {
    let single = || match words {
        [word] => Ok(*word),
        _ => Err("wrong number of arguments".to_owned()),
    };
    let value = match row.kind {
        Kind::Bool { .. } => parse_bool(single()?)?,
        Kind::Choice { names, .. } => {
            Value::number(index_of(names, single()?).ok_or_else(|| one_of(row, names, family))? as u64)
        }
        Kind::Choices { names } => Value::number(parse_choices(row, names, words, family)?),
        Kind::Number { unit, min, max, .. } => {
            let max = row.max_in_redis.filter(|_| family == Family::Redis).unwrap_or(max);
            let number = parse_number(unit, min, max, single()?)?;
            // Who has bounds of this kind is never unsigned.
            Value::number(row.clamp.map_or(number, |(least, most)| (number as i64).clamp(least, most) as u64))
        }
        Kind::Text { check, .. } => {
            let word = single()?;
            check(word, family)?;
            Value::text(word)
        }
        Kind::Special(special) => parse_special(special, words, current, family)?,
    };
    match row.status {
        Status::Refused(what) if value != default_of(row) => {
            let default = shown(row, &default_of(row));
            let default = String::from_utf8_lossy(&default);
            Err(format!("not supported yet: {what} ('{}' can only be '{default}')", row.name))
        }
        _ => Ok(value),
    }
}

const BOOL: [&str; 2] = ["no", "yes"];
const NOT_BOOL: &str = "argument must be 'yes' or 'no'";

fn parse_bool(word: &[u8]) -> Result<Value, String> {
    let choice = index_of(&BOOL, word).ok_or(NOT_BOOL)?;
    Ok(Value::number(choice as u64))
}

fn index_of(names: &[&str], word: &[u8]) -> Option<usize> {
    names.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(word))
}

/// The error of a word that is none of them, with those that the family has.
fn one_of(row: &Row, names: &[&str], family: Family) -> String {
    let [redis, valkey] = row.only;
    let foreign = match family {
        Family::Redis => valkey,
        Family::Valkey => redis,
    };
    let own: Vec<&str> = names.iter().copied().filter(|name| !foreign.contains(name)).collect();
    if own == BOOL {
        return NOT_BOOL.to_owned();
    }
    format!("argument(s) must be one of the following: {}", own.join(", "))
}

/// Bits of the words behind the first; the first word is no bit.
fn parse_choices(row: &Row, names: &[&str], words: &[&[u8]], family: Family) -> Result<u64, String> {
    if words.is_empty() {
        return Err(one_of(row, names, family));
    }
    let bits = words.iter().try_fold(0u64, |bits, word| {
        let index = index_of(names, word).ok_or_else(|| one_of(row, names, family))?;
        Ok::<_, String>(if index == 0 { bits } else { bits | 1 << (index - 1) })
    })?;
    // `yes` among other words means all of them.
    let yes = index_of(names, b"yes").map_or(0, |i| 1u64 << (i - 1));
    if bits & yes != 0 || yes != 0 && bits | yes == (1 << (names.len() - 1)) - 1 {
        return Ok(yes);
    }
    let bit = |name: &str| index_of(names, name.as_bytes()).map_or(0, |i| 1u64 << (i - 1));
    if bits & bit("save") != 0 && bits & bit("nosave") != 0 {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
    }
    Ok(bits)
}

fn parse_number(unit: Unit, min: i64, max: u64, word: &[u8]) -> Result<u64, String> {
    let value: i128 = match unit {
        Unit::Plain => parse_int(word)
            .filter(|value| *value <= i128::from(max.max(i64::MAX as u64)))
            .ok_or("argument couldn't be parsed into an integer")?,
        Unit::Octal => parse_octal(word).ok_or("argument couldn't be parsed as an octal number")?,
        Unit::Memory => parse_memory(word).ok_or("argument must be a memory value")?.into(),
        Unit::SignedMemory => match word.strip_prefix(b"-") {
            Some(word) => -i128::from(parse_memory(word).ok_or("argument must be a memory value")?),
            None => parse_memory(word).ok_or("argument must be a memory value")?.into(),
        },
        Unit::MemoryOrPercent => match word.strip_suffix(b"%") {
            Some(digits) => {
                let percent = parse_int(digits).filter(|n| *n >= 0);
                let percent = percent.ok_or("argument must be a memory or percent value")?;
                if percent > -i128::from(min) {
                    return Err(format!("percentage argument must be less or equal to {}", -i128::from(min)));
                }
                -percent
            }
            None => parse_memory(word).ok_or("argument must be a memory or percent value")?.into(),
        },
    };
    if value < i128::from(min) || value > i128::from(max) {
        return Err(match unit {
            Unit::Octal => format!("argument must be between {min:o} and {max:o} inclusive"),
            _ => format!("argument must be between {min} and {max} inclusive"),
        });
    }
    Ok(value as u64)
}

/// A whole decimal number that fits 64 bits, signed or not; no plus sign, blank or leading zero.
fn parse_int(word: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(word).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = digits.bytes().all(|c| c.is_ascii_digit())
        && (digits == "0" && text == "0" || !digits.starts_with('0') && !digits.is_empty());
    let value: i128 = if canonical { text.parse().ok()? } else { return None };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
}

fn parse_octal(word: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(word).ok().filter(|text| text.bytes().all(|c| c.is_ascii_digit()))?;
    u32::from_str_radix(text, 8).ok().map(i128::from)
}

/// Bytes, with an optional unit: `k` is 1000, `kb` is 1024, and so on for `m` and `g`. No digits are a zero, as in the real
/// servers.
pub fn parse_memory(word: &[u8]) -> Option<u64> {
    let end = word.iter().position(|c| !c.is_ascii_digit()).unwrap_or(word.len());
    let (digits, unit) = word.split_at(end);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    if digits.is_empty() {
        return Some(0);
    }
    std::str::from_utf8(digits).ok()?.parse::<u64>().ok()?.checked_mul(factor)
}

fn parse_special(
    special: Special,
    words: &[&[u8]],
    current: &Value,
    family: Family,
) -> Result<Value, String> {
    Ok(match special {
        Special::Save => save_value(&special::parse_save(words)?),
        Special::OutputLimits => Value::text(output_limits(&current.text).update(words)?.text().into_bytes()),
        Special::OomScores => {
            let scores = special::parse_oom_scores(words)?.map(|score| score.to_string());
            Value::text(scores.join(" ").into_bytes())
        }
        Special::Events => {
            let events = Events::parse(words.first().ok_or("wrong number of arguments")?, family)?;
            Value { number: u64::from(events.0), text: events.text().into_bytes().into() }
        }
        Special::Bind | Special::RdmaBind => Value::text(special::parse_bind(words)?),
        Special::ReplicaOf => Value::text(special::parse_replicaof(words, family)?),
        Special::Percentiles => {
            let percentiles = special::parse_percentiles(words, family)?;
            Value::text(special::percentiles_text(&percentiles).into_bytes())
        }
        Special::Dir => match words {
            [dir] if dir.is_empty() && family == Family::Valkey => {
                return Err("dir can't be empty".to_owned());
            }
            [dir] => Value::text(*dir),
            _ => return Err("wrong number of arguments".to_owned()),
        },
    })
}

/// The number of save points stands in `number`.
pub(crate) fn save_value(points: &[SavePoint]) -> Value {
    Value { number: points.len() as u64, text: special::save_text(points).into_bytes().into() }
}

/// The limits behind their canonical text.
pub(crate) fn output_limits(text: &[u8]) -> OutputLimits {
    OutputLimits::default().update(&words_of(text)).expect("invariant: a stored text is canonical")
}

/// The words of a canonical text or of a CONFIG SET argument; none of an empty one.
pub(crate) fn words_of(text: &[u8]) -> Vec<&[u8]> {
    if text.is_empty() { Vec::new() } else { text.split(|c| *c == b' ').collect() }
}

/// As CONFIG GET shows it.
pub(crate) fn shown(row: &Row, value: &Value) -> Vec<u8> {
    match row.kind {
        Kind::Bool { .. } => if value.number == 0 { "no" } else { "yes" }.into(),
        Kind::Choice { names, .. } => names.get(value.number as usize).copied().unwrap_or_default().into(),
        Kind::Choices { names } => choices_text(names, value.number).into_bytes(),
        Kind::Number { unit: Unit::Octal, .. } => format!("{:o}", value.number).into_bytes(),
        Kind::Number { unit: Unit::MemoryOrPercent, .. } if (value.number as i64) < 0 => {
            format!("{}%", (value.number as i64).unsigned_abs()).into_bytes()
        }
        Kind::Number { max, .. } if max > i64::MAX as u64 => value.number.to_string().into_bytes(),
        Kind::Number { .. } => (value.number as i64).to_string().into_bytes(),
        Kind::Text { .. } | Kind::Special(_) => value.text.to_vec(),
    }
}

fn choices_text(names: &[&str], bits: u64) -> String {
    let set = names.iter().skip(1).enumerate().filter(|(i, _)| bits & 1 << i != 0).map(|(_, name)| *name);
    let words: Vec<_> = set.collect();
    if words.is_empty() { names.first().copied().unwrap_or_default().to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Directive, ROWS};

    /// The value as CONFIG GET shows it, or the error, of Redis.
    fn check(name: &str, word: &str) -> String {
        check_as(Family::Redis, name, word)
    }

    fn check_as(family: Family, name: &str, word: &str) -> String {
        let row = Directive::find(name.as_bytes()).expect("a directive").row();
        let row = &Row { status: Status::Works, ..*row };
        let words = words_of(word.as_bytes());
        match parse(row, &words, &default_of(row), family) {
            Ok(value) => String::from_utf8(shown(row, &value)).expect("text"),
            Err(error) => format!("error: {error}"),
        }
    }

    /// Recorded from Redis 8.6.3.
    #[test]
    fn values_and_errors() {
        let cases = [
            ("hz", "20", "20"),
            ("hz", "abc", "error: argument couldn't be parsed into an integer"),
            ("min-replicas-to-write", "01", "error: argument couldn't be parsed into an integer"),
            ("list-max-listpack-size", "1.5", "error: argument couldn't be parsed into an integer"),
            ("list-max-listpack-size", "-0", "error: argument couldn't be parsed into an integer"),
            ("list-max-listpack-size", "-2", "-2"),
            (
                "set-max-listpack-value",
                "9223372036854775808",
                "error: argument couldn't be parsed into an integer",
            ),
            (
                "cluster-blacklist-ttl",
                "9223372036854775808",
                "error: argument couldn't be parsed into an integer",
            ),
            ("port", "99999", "error: argument must be between 0 and 65535 inclusive"),
            ("timeout", "2147483648", "error: argument must be between 0 and 2147483647 inclusive"),
            ("maxclients", "0", "error: argument must be between 1 and 4294967295 inclusive"),
            ("maxmemory", "1kb", "1024"),
            ("maxmemory", "1gB", "1073741824"),
            ("maxmemory", "3k", "3000"),
            ("maxmemory", "10x", "error: argument must be a memory value"),
            ("maxmemory", "-1", "error: argument must be a memory value"),
            ("maxmemory", "18446744073709551615", "18446744073709551615"),
            ("maxmemory", "18446744073709551616", "error: argument must be a memory value"),
            ("maxmemory-clients", "5%", "5%"),
            ("maxmemory-clients", "200%", "error: percentage argument must be less or equal to 100"),
            ("maxmemory-clients", "-5", "error: argument must be a memory or percent value"),
            (
                "proto-max-bulk-len",
                "1",
                "error: argument must be between 1048576 and 9223372036854775807 inclusive",
            ),
            ("unixsocketperm", "700", "700"),
            ("unixsocketperm", "999", "error: argument couldn't be parsed as an octal number"),
            ("unixsocketperm", "7777", "error: argument must be between 0 and 777 inclusive"),
            ("slot-migration-max-failover-repl-bytes", "-1", "-1"),
            ("appendonly", "YES", "yes"),
            ("appendonly", "maybe", "error: argument must be 'yes' or 'no'"),
            ("loglevel", "NOTICE", "notice"),
            (
                "loglevel",
                "loud",
                "error: argument(s) must be one of the following: debug, verbose, notice, warning, nothing",
            ),
            ("shutdown-on-sigint", "save now", "save now"),
            ("shutdown-on-sigint", "default", "default"),
            (
                "shutdown-on-sigint",
                "save nosave",
                "error: shutdown options SAVE and NOSAVE can't be used simultaneously",
            ),
            (
                "shutdown-on-sigint",
                "",
                "error: argument(s) must be one of the following: default, save, nosave, now, force",
            ),
            ("dbfilename", "a/b", "error: dbfilename can't be a path, just a filename"),
            (
                "client-output-buffer-limit",
                "",
                "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
            ),
            ("oom-score-adj-values", "1 2", "error: wrong number of arguments"),
            ("hz", "0", "1"),
            ("hz", "501", "500"),
            ("repl-backlog-size", "1kb", "16384"),
            ("maxmemory", "kb", "0"),
            ("io-threads", "129", "error: argument must be between 1 and 128 inclusive"),
            ("cluster-announce-ip", "a", "error: Cluster announce IP must be a valid IPv4 or IPv6 address"),
            ("cluster-slot-stats-enabled", "net cpu", "cpu net"),
            ("cluster-slot-stats-enabled", "net mem cpu", "yes"),
            ("cluster-slot-stats-enabled", "yes cpu", "yes"),
            (
                "cluster-slot-stats-enabled",
                "x",
                "error: argument(s) must be one of the following: no, yes, cpu, net, mem",
            ),
            (
                "repl-diskless-load",
                "x",
                "error: argument(s) must be one of the following: disabled, on-empty-db, swapdb, flushdb",
            ),
            ("notify-keyspace-events", "KEA", "AKE"),
        ];
        for (name, word, expected) in cases {
            assert_eq!(check(name, word), expected, "{name} {word}");
        }
    }

    /// Recorded from Valkey 9.1.2, where Redis says something else.
    #[test]
    fn values_and_errors_of_valkey() {
        let cases = [
            ("io-threads", "129", "129"),
            ("io-threads", "257", "error: argument must be between 1 and 256 inclusive"),
            ("cluster-announce-ip", "a", "a"),
            ("cluster-announce-ip", "a+b", "error: cluster-announce-ip contains invalid character"),
            ("cluster-slot-stats-enabled", "x", "error: argument must be 'yes' or 'no'"),
            (
                "repl-diskless-load",
                "x",
                "error: argument(s) must be one of the following: disabled, on-empty-db, swapdb, flush-before-load",
            ),
            ("shutdown-on-sigterm", "failover safe", "safe failover"),
            (
                "shutdown-on-sigterm",
                "x",
                "error: argument(s) must be one of the following: default, save, nosave, now, force, safe, failover",
            ),
        ];
        for (name, word, expected) in cases {
            assert_eq!(check_as(Family::Valkey, name, word), expected, "{name} {word}");
        }
    }

    #[test]
    fn defaults_are_read_back() {
        for row in
            ROWS.iter().filter(|row| !matches!(row.kind, Kind::Special(Special::Dir | Special::ReplicaOf)))
        {
            let default = default_of(row);
            let text = shown(row, &default);
            let words = if row.has(crate::directive::traits::MULTI) {
                words_of(&text)
            } else {
                vec![text.as_slice()]
            };
            assert_eq!(parse(row, &words, &default, Family::Redis), Ok(default.clone()), "{}", row.name);
        }
    }

    #[test]
    fn what_we_cannot_do_is_refused() {
        let row = Directive::Appendonly.row();
        let words: [&[u8]; 1] = [b"yes"];
        if let Status::Refused(_) = row.status {
            assert!(
                parse(row, &words, &default_of(row), Family::Redis)
                    .is_err_and(|e| e.contains("not supported yet"))
            );
        }
    }
}
