//! Values with a grammar of their own: each has a struct, its parser with the real server's error texts, and its
//! canonical text (what CONFIG GET shows). `parse(text(x)) == x`.
//!
//! Called by `value` with the words of a line, and by `store` to hand out structs.

use crate::directive::Family;
use crate::value::parse_memory;

/// After `seconds` with at least `changes` a snapshot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// At least 1.
    pub seconds: u64,
    /// At least 0.
    pub changes: u64,
}

/// Parses pairs of seconds and changes; a single empty word means no save point.
pub fn parse_save(words: &[&[u8]]) -> Result<Vec<SavePoint>, &'static str> {
    const INVALID: &str = "Invalid save parameters";
    if matches!(words, [word] if word.is_empty()) {
        return Ok(Vec::new());
    }
    if !words.len().is_multiple_of(2) {
        return Err(INVALID);
    }
    words
        .chunks_exact(2)
        .map(|pair| match (c_number(pair[0]), c_number(pair[1])) {
            (Some(seconds), Some(changes)) if seconds >= 1 => Ok(SavePoint { seconds, changes }),
            _ => Err(INVALID),
        })
        .collect()
}

/// A number that is not negative as C's strtoll reads it: blanks before it, a sign, as near as 64 bits come; nothing is 0.
fn c_number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return Some(0);
    }
    let text = std::str::from_utf8(word).ok()?.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse::<i64>().unwrap_or(i64::MAX) as u64;
    (number == 0 || !text.starts_with('-')).then_some(number)
}

/// `900 1 300 10`
pub fn save_text(points: &[SavePoint]) -> String {
    let pairs: Vec<_> = points.iter().map(|p| format!("{} {}", p.seconds, p.changes)).collect();
    pairs.join(" ")
}

/// What an output buffer may hold; 0 turns a limit off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Over this the client is closed at once.
    pub hard_bytes: u64,
    /// Over this for `soft_seconds` the client is closed.
    pub soft_bytes: u64,
    /// Patience with `soft_bytes`.
    pub soft_seconds: u64,
}

/// Limits by class of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// Ordinary clients, MONITOR included.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Clients that subscribe.
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> Self {
        let mb = 1024 * 1024;
        Self {
            normal: OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
            replica: OutputLimit { hard_bytes: 256 * mb, soft_bytes: 64 * mb, soft_seconds: 60 },
            pubsub: OutputLimit { hard_bytes: 32 * mb, soft_bytes: 8 * mb, soft_seconds: 60 },
        }
    }
}

impl OutputLimits {
    /// Changes the classes that the words name, in groups of class, hard, soft, seconds. All or none.
    pub fn update(mut self, words: &[&[u8]]) -> Result<Self, &'static str> {
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.");
        }
        for group in words.chunks_exact(4) {
            let class = match group[0].to_ascii_lowercase().as_slice() {
                b"normal" => &mut self.normal,
                b"slave" | b"replica" => &mut self.replica,
                b"pubsub" => &mut self.pubsub,
                _ => return Err("Invalid client class specified in buffer limit configuration."),
            };
            let seconds = std::str::from_utf8(group[3]).ok().and_then(|t| t.parse::<i32>().ok());
            let seconds = seconds.and_then(|n| u32::try_from(n).ok());
            let limits = (parse_memory(group[1]), parse_memory(group[2]), seconds);
            let (Some(hard_bytes), Some(soft_bytes), Some(seconds)) = limits else {
                return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
            };
            *class = OutputLimit { hard_bytes, soft_bytes, soft_seconds: u64::from(seconds) };
        }
        Ok(self)
    }

    /// The classes with their names, in the order of CONFIG GET.
    pub fn classes(&self) -> [(&'static str, OutputLimit); 3] {
        [("normal", self.normal), ("slave", self.replica), ("pubsub", self.pubsub)]
    }

    /// `normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60`
    pub fn text(&self) -> String {
        self.classes()
            .map(|(name, l)| format!("{name} {} {} {}", l.hard_bytes, l.soft_bytes, l.soft_seconds))
            .join(" ")
    }
}

/// Parses the three OOM scores (primary, replica, saving).
pub fn parse_oom_scores(words: &[&[u8]]) -> Result<[i32; 3], &'static str> {
    let [a, b, c] = words else { return Err("wrong number of arguments") };
    let score = |word: &[u8]| {
        let number = std::str::from_utf8(word).ok().and_then(|t| t.parse::<i32>().ok());
        number
            .filter(|n| (-2000..=2000).contains(n))
            .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
    };
    Ok([score(a)?, score(b)?, score(c)?])
}

/// Which keyspace events are published, and on which channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Events(pub u32);

impl Events {
    /// `g`: commands that are not tied to a type.
    pub const GENERIC: u32 = 1 << 0;
    /// `$`
    pub const STRING: u32 = 1 << 1;
    /// `l`
    pub const LIST: u32 = 1 << 2;
    /// `s`
    pub const SET: u32 = 1 << 3;
    /// `h`
    pub const HASH: u32 = 1 << 4;
    /// `z`
    pub const ZSET: u32 = 1 << 5;
    /// `x`: a key expired.
    pub const EXPIRED: u32 = 1 << 6;
    /// `e`: a key was evicted.
    pub const EVICTED: u32 = 1 << 7;
    /// `t`
    pub const STREAM: u32 = 1 << 8;
    /// `d`: types of modules.
    pub const MODULE: u32 = 1 << 9;
    /// `n`: a key came into being. Not part of `A`.
    pub const NEW: u32 = 1 << 10;
    /// `K`: publish on `__keyspace@db__:key`.
    pub const KEYSPACE: u32 = 1 << 11;
    /// `E`: publish on `__keyevent@db__:event`.
    pub const KEYEVENT: u32 = 1 << 12;
    /// `m`: a key was looked up in vain. Not part of `A`.
    pub const KEY_MISS: u32 = 1 << 13;
    /// `o`, Redis' alone: a value took the place of another. Not part of `A`.
    pub const OVERWRITTEN: u32 = 1 << 14;
    /// `c`, Redis' alone: a value took the place of one of another type. Not part of `A`.
    pub const TYPE_CHANGED: u32 = 1 << 15;
    /// `A`
    pub const ALL: u32 = (1 << 10) - 1;

    const LETTERS: [(u8, u32); 16] = [
        (b'g', Self::GENERIC),
        (b'$', Self::STRING),
        (b'l', Self::LIST),
        (b's', Self::SET),
        (b'h', Self::HASH),
        (b'z', Self::ZSET),
        (b'x', Self::EXPIRED),
        (b'e', Self::EVICTED),
        (b't', Self::STREAM),
        (b'd', Self::MODULE),
        (b'o', Self::OVERWRITTEN),
        (b'c', Self::TYPE_CHANGED),
        (b'n', Self::NEW),
        (b'K', Self::KEYSPACE),
        (b'E', Self::KEYEVENT),
        (b'm', Self::KEY_MISS),
    ];

    /// True when any of `bits` is set.
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    /// Reads class letters.
    pub fn parse(letters: &[u8], family: Family) -> Result<Self, &'static str> {
        let absent = if family == Family::Redis { 0 } else { Self::OVERWRITTEN | Self::TYPE_CHANGED };
        letters.iter().try_fold(Self(0), |Self(bits), letter| {
            let known = Self::LETTERS.iter().find(|&&(l, bit)| l == *letter && bit & absent == 0);
            let known = known.map(|(_, bit)| *bit);
            let bit = known.or((*letter == b'A').then_some(Self::ALL));
            bit.map(|bit| Self(bits | bit)).ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        })
    }

    /// The letters. `A` stands for all of its classes, and in the real servers' texts hides those that are not part of it.
    pub fn text(self) -> String {
        let all = self.0 & Self::ALL == Self::ALL;
        let mut out = if all { "A".to_owned() } else { String::new() };
        let shown = if all { self.0 & (Self::KEYSPACE | Self::KEYEVENT | Self::KEY_MISS) } else { self.0 };
        out.extend(Self::LETTERS.iter().filter(|(_, bit)| shown & bit != 0).map(|(l, _)| char::from(*l)));
        out
    }
}

/// Parses addresses to listen on; a single empty word means none.
pub fn parse_bind(words: &[&[u8]]) -> Result<Vec<u8>, &'static str> {
    const MOST: usize = 16;
    if words.len() > MOST {
        return Err("Too many bind addresses specified.");
    }
    Ok(words.join(&b' '))
}

/// Parses `host port`; `no one` means a primary.
pub fn parse_replicaof(words: &[&[u8]], family: Family) -> Result<Vec<u8>, String> {
    let [host, port] = words else { return Err("wrong number of arguments".to_owned()) };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(Vec::new());
    }
    let valid = std::str::from_utf8(port).ok().is_some_and(|text| text.parse::<u16>().is_ok());
    if valid { Ok([*host, *port].join(&b' ')) } else { Err(format!("Invalid {} port", family.primary())) }
}

/// Parses percentiles; a single empty word means none. Redis knows hexadecimal ones.
pub fn parse_percentiles(words: &[&[u8]], family: Family) -> Result<Vec<f64>, &'static str> {
    if matches!(words, [word] if word.is_empty()) {
        return Ok(Vec::new());
    }
    let percentile = |word: &&[u8]| {
        let text = std::str::from_utf8(word).unwrap_or_default();
        let number = match family {
            Family::Redis => hexadecimal(text).or_else(|| decimal(text)),
            Family::Valkey => decimal(text),
        };
        match number.filter(|n| !n.is_nan()) {
            None => Err("Invalid latency-tracking-info-percentiles parameters"),
            Some(n) if !(0.0..=100.0).contains(&n) => {
                Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
            }
            Some(n) => Ok(n),
        }
    };
    words.iter().map(percentile).collect()
}

/// A decimal number that is not too small for an `f64`.
fn decimal(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let vanished = number.abs() < f64::MIN_POSITIVE && mantissa.contains(|c: char| matches!(c, '1'..='9'));
    (!vanished).then_some(number)
}

/// `0x1.8p3`; digits behind the 13th fraction digit are beyond what a percentile can tell.
fn hexadecimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let body = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"))?;
    let (digits, power) = match body.split_once(['p', 'P']) {
        Some((digits, power)) => (digits, power.parse::<i32>().ok()?),
        None => (body, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut number = 0.0;
    for digit in whole.chars() {
        number = number * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let mut unit = 1.0;
    for digit in fraction.chars() {
        unit /= 16.0;
        number += f64::from(digit.to_digit(16)?) * unit;
    }
    let number = number * f64::powi(2.0, power);
    Some(if text.starts_with('-') { -number } else { number })
}

/// `50 99 99.9`
pub fn percentiles_text(percentiles: &[f64]) -> String {
    percentiles.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    #[test]
    fn save_points() {
        let point = |seconds, changes| SavePoint { seconds, changes };
        assert_eq!(parse_save(&words("900 1 300 10")), Ok(vec![point(900, 1), point(300, 10)]));
        // As in both real servers: what is missing is a zero.
        assert_eq!(parse_save(&words("1 ")), Ok(vec![point(1, 0)]));
        assert_eq!(parse_save(&words("\t1 -0")), Ok(vec![point(1, 0)]));
        assert_eq!(parse_save(&words("1  2 3")), Ok(vec![point(1, 0), point(2, 3)]));
        assert_eq!(parse_save(&words("99999999999999999999 +1")), Ok(vec![point(i64::MAX as u64, 1)]));
        assert_eq!(parse_save(&words("")), Ok(vec![]));
        assert_eq!(parse_save(&[]), Ok(vec![]));
        for bad in ["900", "0 1", "a b", "1 -1", "900 1 300", "1 +", "1 2\t", " 1"] {
            assert_eq!(parse_save(&words(bad)), Err("Invalid save parameters"), "{bad}");
        }
    }

    #[test]
    fn output_limits() {
        let limits = OutputLimits::default();
        assert_eq!(limits.text(), "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
        let changed = limits.update(&words("replica 1mb 2k 3 PUBSUB 1 2 3")).expect("valid");
        assert_eq!(changed.text(), "normal 0 0 0 slave 1048576 2000 3 pubsub 1 2 3");
        let cases = [
            ("normal 1 2", "Wrong number of arguments in buffer limit configuration."),
            ("master 1 2 3", "Invalid client class specified in buffer limit configuration."),
            ("normal -1 0 0", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
            ("normal 0 0 -1", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ];
        for (line, error) in cases {
            assert_eq!(limits.update(&words(line)), Err(error), "{line}");
        }
    }

    #[test]
    fn event_letters() {
        let cases = [
            ("KEA", "AKE"),
            ("Kg$", "g$K"),
            ("g$lshzxetd", "A"),
            ("nKE", "nKE"),
            ("KEmd", "dKEm"),
            ("", ""),
            ("KEAm", "AKEm"),
            ("KEAnoc", "AKE"),
            ("cKo", "ocK"),
        ];
        for (letters, text) in cases {
            assert_eq!(
                Events::parse(letters.as_bytes(), Family::Redis).map(Events::text),
                Ok(text.to_owned()),
                "{letters}"
            );
        }
        assert!(Events::parse(b"y", Family::Redis).is_err() && Events::parse(b"o", Family::Valkey).is_err());
    }

    #[test]
    fn oom_scores_bind_and_replicaof() {
        assert_eq!(parse_oom_scores(&words("0 200 800")), Ok([0, 200, 800]));
        assert!(parse_oom_scores(&words("0 200")).is_err());
        assert!(parse_oom_scores(&words("0 200 2001")).is_err());
        assert_eq!(parse_bind(&words("127.0.0.1 -::1")), Ok(b"127.0.0.1 -::1".to_vec()));
        assert!(parse_bind(&[b"a".as_slice(); 17]).is_err());
        assert_eq!(parse_replicaof(&words("NO one"), Family::Redis), Ok(vec![]));
        assert_eq!(parse_replicaof(&words("h 1"), Family::Redis), Ok(b"h 1".to_vec()));
        assert_eq!(parse_replicaof(&words("h x"), Family::Redis), Err("Invalid master port".to_owned()));
        assert_eq!(parse_replicaof(&words("h x"), Family::Valkey), Err("Invalid primary port".to_owned()));
    }

    #[test]
    fn percentiles() {
        let text_as =
            |line: &str, family| parse_percentiles(&words(line), family).map(|p| percentiles_text(&p));
        let text = |line: &str| text_as(line, Family::Valkey);
        for (word, shown) in
            [("0x10", "16"), ("0X.8", "0.5"), ("0x1.8p1", "3"), ("0x1p+2", "4"), ("0x64", "100")]
        {
            assert_eq!(text_as(word, Family::Redis), Ok(shown.to_owned()), "{word}");
            assert!(text(word).is_err(), "{word}");
        }
        for word in ["0x", "0xg", "0x1p", "0x65", "1e-400", "nan"] {
            assert!(text_as(word, Family::Redis).is_err(), "{word}");
        }
        assert_eq!(text("50.5 1e1 99.9"), Ok("50.5 10 99.9".to_owned()));
        assert_eq!(text(""), Ok(String::new()));
        assert!(text("101").is_err_and(|e| e.ends_with("[0.0,100.0]")));
        assert!(text("nan").is_err_and(|e| e.starts_with("Invalid")));
    }

    proptest! {
        #[test]
        fn events_round_trip(bits in 0..1u32 << 16) {
            let hidden = match bits & Events::ALL == Events::ALL {
                true => Events::NEW | Events::OVERWRITTEN | Events::TYPE_CHANGED,
                false => 0,
            };
            prop_assert_eq!(Events::parse(Events(bits).text().as_bytes(), Family::Redis), Ok(Events(bits & !hidden)));
        }
    }
}
