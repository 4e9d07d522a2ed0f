//! Strings as numbers.

use config::Events;
use ds::entry::{EntryRef, Kind, Value, ValueRef};
use ds::num::{self, IntText, LongDouble};
use resp::writer::Writer;

use super::condition::bytes_of;
use crate::args::int;
use crate::cx::Cx;
use crate::error::{CommandError, NOT_A_FLOAT, NOT_AN_INTEGER, Result};

/// The integer that a string holds.
pub(super) fn integer(entry: EntryRef<'_>) -> Result<i64> {
    match entry.value() {
        ValueRef::Int(number) => Ok(number),
        ValueRef::Bytes(bytes) => num::parse_i64(bytes).ok_or(NOT_AN_INTEGER),
        _ => Err(NOT_AN_INTEGER),
    }
}

fn add(cx: &mut Cx<'_>, key: &[u8], delta: i64, out: &mut Writer) -> Result {
    let overflow = CommandError::fixed("ERR increment or decrement would overflow");
    let sum = match cx.find_mut_kind(key, Kind::String)? {
        Some(mut slot) => {
            let sum = integer(slot.get())?.checked_add(delta).ok_or(overflow)?;
            slot.update(|entry| entry.set_value(Value::Int(sum)));
            sum
        }
        None => {
            cx.put(key, Value::Int(delta), None);
            delta
        }
    };
    cx.changed(key);
    cx.notify(Events::STRING, "incrby", key);
    out.int(sum);
    Ok(())
}

pub(super) fn incr(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    add(cx, argv[1], 1, out)
}

pub(super) fn decr(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    add(cx, argv[1], -1, out)
}

pub(super) fn incrby(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    add(cx, argv[1], int(argv[2])?, out)
}

pub(super) fn decrby(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let delta = int(argv[2])?.checked_neg().ok_or(CommandError::fixed("ERR decrement would overflow"))?;
    add(cx, argv[1], delta, out)
}

pub(super) fn incrbyfloat(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let old = match cx.find_mut_kind(key, Kind::String)? {
        Some(slot) => LongDouble::parse(bytes_of(slot.get(), &mut IntText::new())).ok_or(NOT_A_FLOAT)?,
        None => LongDouble::from_i64(0),
    };
    let sum = old + LongDouble::parse(argv[2]).ok_or(NOT_A_FLOAT)?;
    if sum.is_nan_or_inf() {
        return Err(CommandError::fixed("ERR increment would produce NaN or Infinity"));
    }
    let text = sum.format();
    match cx.find_mut(key) {
        Some(mut slot) => slot.update(|entry| entry.set_value(Value::Bytes(text.as_bytes()))),
        None => {
            cx.put(key, Value::Bytes(text.as_bytes()), None);
        }
    }
    cx.changed(key);
    cx.notify(Events::STRING, "incrbyfloat", key);
    // Replicas get the result: floating point differs between machines.
    cx.propagate(&[b"SET", key, text.as_bytes(), b"KEEPTTL"]);
    out.bulk(text.as_bytes());
    Ok(())
}
