//! Strings as numbers.

use config::Events;
use ds::entry::{EntryRef, Kind, Value, ValueRef};
use ds::num;
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, NOT_AN_INTEGER, Result};

/// The integer that a string holds.
fn integer(entry: EntryRef<'_>) -> Result<i64> {
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
