//! INCREX: a counter with bounds and an expiry, in one step. Options of Redis 8.8, and NX and XX of Valkey 9.2.
//!
//! A result that is out of bounds changes nothing, unless SATURATE takes the bound instead. The reply is the value and
//! what was really added.

use config::Events;
use ds::entry::{EntryRef, Kind, Value};
use ds::num::{IntText, LongDouble};
use resp::writer::Writer;

use super::condition::bytes_of;
use super::expiry::{Expiry, delete_past};
use super::incr::integer;
use crate::args::{Args, int};
use crate::cx::Cx;
use crate::error::{CommandError, NOT_A_FLOAT, Result, SYNTAX};

const BOUNDS_CROSS: CommandError = CommandError::fixed("ERR LBOUND can't be greater than UBOUND");
const ENX_ALONE: CommandError = CommandError::fixed("ERR ENX flag requires an expiration");

/// An amount, before it is known whether the command counts in integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Increment<'a> {
    One,
    Int(&'a [u8]),
    Float(&'a [u8]),
}

#[derive(Debug)]
struct Options<'a> {
    increment: Increment<'a>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturate: bool,
    /// Whether the key must be there (XX), or must not (NX).
    presence: Option<bool>,
    expiry: Expiry<'a>,
    /// Only a key without an expiry gets one.
    only_without_expiry: bool,
}

impl<'a> Options<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Options<'a>> {
        let mut args = Args::new(argv, 2);
        let mut options = Options {
            increment: Increment::One,
            lower: None,
            upper: None,
            saturate: false,
            presence: None,
            expiry: Expiry::default(),
            only_without_expiry: false,
        };
        while !args.is_empty() {
            options.take(&mut args)?;
        }
        if options.only_without_expiry {
            match options.expiry {
                expiry if expiry.persists() => return Err(SYNTAX),
                expiry if !expiry.is_given() => return Err(ENX_ALONE),
                _ => {}
            }
        }
        Ok(options)
    }

    fn take(&mut self, args: &mut Args<'a>) -> Result {
        let first_amount = self.increment == Increment::One;
        if first_amount && args.take_with("BYINT", 1) {
            self.increment = Increment::Int(args.arg()?);
        } else if first_amount && args.take_with("BYFLOAT", 1) {
            self.increment = Increment::Float(args.arg()?);
        } else if args.take_with("LBOUND", 1) {
            self.lower = Some(args.arg()?);
        } else if args.take_with("UBOUND", 1) {
            self.upper = Some(args.arg()?);
        } else if args.take("SATURATE") {
            self.saturate = true;
        } else if args.take("ENX") {
            self.only_without_expiry = true;
        } else if self.presence != Some(true) && args.take("NX") {
            self.presence = Some(false);
        } else if self.presence != Some(false) && args.take("XX") {
            self.presence = Some(true);
        } else if !self.expiry.take(args)? && !self.expiry.take_persist(args) {
            return Err(SYNTAX);
        }
        Ok(())
    }
}

/// What the command counts in.
trait Number: Copy + PartialOrd {
    const EVENT: &'static str;
    fn parse(arg: &[u8]) -> Result<Self>;
    fn of(entry: Option<EntryRef<'_>>) -> Result<Self>;
    /// The sum, and the bound of the type if it does not hold the sum.
    fn add(self, other: Self) -> (Self, bool);
    /// What was added to get from `old` to here.
    fn since(self, old: Self) -> Self;
    fn zero() -> Self;
    fn text(self) -> String;
    fn reply(self, out: &mut Writer);
}

impl Number for i64 {
    const EVENT: &'static str = "incrby";

    fn parse(arg: &[u8]) -> Result<i64> {
        int(arg)
    }

    fn of(entry: Option<EntryRef<'_>>) -> Result<i64> {
        entry.map_or(Ok(0), integer)
    }

    fn add(self, other: i64) -> (i64, bool) {
        (self.saturating_add(other), self.checked_add(other).is_none())
    }

    fn since(self, old: i64) -> i64 {
        self.saturating_sub(old)
    }

    fn zero() -> i64 {
        0
    }

    fn text(self) -> String {
        self.to_string()
    }

    fn reply(self, out: &mut Writer) {
        out.int(self);
    }
}

impl Number for LongDouble {
    const EVENT: &'static str = "incrbyfloat";

    fn parse(arg: &[u8]) -> Result<LongDouble> {
        LongDouble::parse(arg).filter(|number| !number.is_nan_or_inf()).ok_or(NOT_A_FLOAT)
    }

    fn of(entry: Option<EntryRef<'_>>) -> Result<LongDouble> {
        match entry {
            Some(entry) => Number::parse(bytes_of(entry, &mut IntText::new())),
            None => Ok(Number::zero()),
        }
    }

    /// A sum beyond all numbers leaves the old one: there is no text for the type's own bound that a client could use.
    fn add(self, other: LongDouble) -> (LongDouble, bool) {
        let sum = self + other;
        if sum.is_nan_or_inf() { (self, true) } else { (sum, false) }
    }

    fn since(self, old: LongDouble) -> LongDouble {
        self - old
    }

    fn zero() -> LongDouble {
        LongDouble::from_i64(0)
    }

    fn text(self) -> String {
        self.format()
    }

    fn reply(self, out: &mut Writer) {
        out.double(self.format().as_bytes());
    }
}

/// The value after the increment; `None` if it must stay as it is.
fn step<N: Number>(old: N, by: N, lower: Option<N>, upper: Option<N>, saturate: bool) -> Option<N> {
    let (sum, overflows) = old.add(by);
    let bound = match (lower, upper) {
        (Some(lower), _) if sum < lower => Some(lower),
        (_, Some(upper)) if sum > upper => Some(upper),
        _ => overflows.then_some(sum),
    };
    match bound {
        Some(_) if !saturate => None,
        Some(bound) => Some(bound),
        None => Some(sum),
    }
}

pub(super) fn increx(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let options = Options::parse(argv)?;
    match options.increment {
        Increment::One => count(cx, argv[1], &options, 1i64, out),
        Increment::Int(by) => count(cx, argv[1], &options, int(by)?, out),
        Increment::Float(by) => count::<LongDouble>(cx, argv[1], &options, Number::parse(by)?, out),
    }
}

fn count<N: Number>(cx: &mut Cx<'_>, key: &[u8], options: &Options<'_>, by: N, out: &mut Writer) -> Result {
    let lower = options.lower.map(N::parse).transpose()?;
    let upper = options.upper.map(N::parse).transpose()?;
    if let (Some(lower), Some(upper)) = (lower, upper)
        && lower > upper
    {
        return Err(BOUNDS_CROSS);
    }
    let at = options.expiry.at_ms(cx, "increx")?;
    let found = cx.find_mut_kind(key, Kind::String)?.map(|slot| slot.into_ref());
    let (there, old_expiry) = (found.is_some(), found.and_then(EntryRef::expire_ms));
    let old = N::of(found)?;
    let refused = options.presence.is_some_and(|wanted| wanted != there);
    let new = if refused { None } else { step(old, by, lower, upper, options.saturate) };
    out.array(2);
    let Some(new) = new else {
        if refused && !there {
            out.null()
        } else {
            old.reply(out)
        }
        N::zero().reply(out);
        return Ok(());
    };
    new.reply(out);
    new.since(old).reply(out);
    let at = at.filter(|_| !(options.only_without_expiry && old_expiry.is_some()));
    if at.is_some_and(|at| at as u64 <= cx.now_ms) && cx.may_delete_past() {
        if there {
            delete_past(cx, key);
        }
        return Ok(());
    }
    let expire_ms = match at {
        Some(at) => Some(at as u64),
        None => old_expiry.filter(|_| !options.expiry.persists()),
    };
    store::<N>(cx, key, &new.text(), old_expiry, expire_ms);
    Ok(())
}

/// Stores the value with its expiry. Copies get both as they are: they must expire at the same moment.
fn store<N: Number>(
    cx: &mut Cx<'_>,
    key: &[u8],
    text: &str,
    old_expiry: Option<u64>,
    expire_ms: Option<u64>,
) {
    let text = text.as_bytes();
    let value = ds::num::parse_i64(text).map_or(Value::Bytes(text), Value::Int);
    cx.store(key, value, expire_ms);
    cx.changed(key);
    cx.notify(Events::STRING, N::EVENT, key);
    match expire_ms {
        Some(at) => {
            if old_expiry != expire_ms {
                cx.notify(Events::GENERIC, "expire", key);
            }
            cx.propagate(&[b"SET", key, text, b"PXAT", at.to_string().as_bytes()]);
        }
        None => {
            if old_expiry.is_some() {
                cx.notify(Events::GENERIC, "persist", key);
            }
            cx.propagate(&[b"SET", key, text]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_refuse_or_hold() {
        for (old, by, lower, upper, refused, saturated) in [
            (5i64, 1, None, None, Some(6), 6),
            (5, 10, None, Some(10), None, 10),
            (5, -10, Some(0), Some(10), None, 0),
            (5, 5, Some(0), Some(10), Some(10), 10),
            (50, 1, None, Some(10), None, 10),
            (i64::MAX, 1, None, None, None, i64::MAX),
            (i64::MIN, -1, None, None, None, i64::MIN),
            (i64::MAX, 1, None, Some(7), None, 7),
        ] {
            assert_eq!(step(old, by, lower, upper, false), refused, "{old} {by}");
            assert_eq!(step(old, by, lower, upper, true), Some(saturated), "{old} {by}");
        }
        let float = |text: &str| LongDouble::parse(text.as_bytes()).expect("a number");
        let held = step(float("1.5"), float("1"), None, Some(float("2.25")), true);
        assert_eq!(
            held.map(|held| (held.format(), held.since(float("1.5")).format())),
            Some(("2.25".into(), "0.75".into()))
        );
        assert_eq!(step(float("1.5"), float("-2"), Some(float("0")), None, false), None);
    }

    #[test]
    fn options_that_exclude_each_other() {
        for (text, valid) in [
            ("", true),
            ("BYINT 1 LBOUND 0 UBOUND 5 SATURATE EX 5 ENX", true),
            ("ubound 5 byfloat 1.5 PERSIST XX", true),
            ("BYINT 1 BYFLOAT 1", false),
            ("NX XX", false),
            ("EX 1 PX 1", false),
            ("EX 1 PERSIST", false),
            ("ENX", false),
            ("PERSIST ENX", false),
            ("LBOUND", false),
            ("KEEPTTL", false),
        ] {
            let argv: Vec<&[u8]> =
                ["INCREX", "k"].into_iter().chain(text.split_whitespace()).map(str::as_bytes).collect();
            assert_eq!(Options::parse(&argv).is_ok(), valid, "{text}");
        }
    }
}
