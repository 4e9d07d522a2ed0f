//! HINCRBY and HINCRBYFLOAT. The field keeps its expiry.

use config::Events;
use ds::num::{IntText, LongDouble};
use resp::writer::Writer;

use super::edit::Expiry;
use super::expire::note_overwritten;
use super::view::find_to_change;
use super::write::put;
use crate::args::int;
use crate::cx::Cx;
use crate::error::{CommandError, NOT_A_FLOAT, Result};

/// Stores a sum in a field whose expiry is `kept`. The journal gets the result if `exactly`, or where a replica might see
/// the field otherwise: with an expiry, or after one.
fn store(
    cx: &mut Cx<'_>,
    argv: &[&[u8]],
    sum: &[u8],
    kept: Option<u64>,
    event: &'static str,
    exactly: bool,
) -> Result {
    let (key, name) = (argv[1], argv[2]);
    let found = put(cx, key, &[name, sum], Expiry::Keep)?;
    note_overwritten(cx, key, found.over_expired);
    cx.changed(key);
    cx.notify(Events::HASH, event, key);
    match kept {
        Some(at) => {
            let at = at.to_string();
            cx.propagate(&[b"HSETEX", key, b"PXAT", at.as_bytes(), b"FIELDS", b"1", name, sum]);
        }
        None if exactly || found.over_expired > 0 => cx.propagate(&[b"HSET", key, name, sum]),
        None => {}
    }
    Ok(())
}

pub(super) fn hincrby(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let delta = int(argv[3])?;
    let (old, kept) = match find_to_change(cx, argv[1])?.and_then(|view| view.get(argv[2])) {
        Some(field) => {
            let invalid = CommandError::fixed("ERR hash value is not an integer");
            (field.value.as_i64().ok_or(invalid)?, field.expire_ms)
        }
        None => (0, None),
    };
    let overflow = CommandError::fixed("ERR increment or decrement would overflow");
    let sum = old.checked_add(delta).ok_or(overflow)?;
    store(cx, argv, IntText::new().format(sum), kept, "hincrby", false)?;
    out.int(sum);
    Ok(())
}

pub(super) fn hincrbyfloat(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let delta = LongDouble::parse(argv[3]).ok_or(NOT_A_FLOAT)?;
    if delta.is_nan_or_inf() {
        return Err(CommandError::fixed("ERR value is NaN or Infinity"));
    }
    let (old, kept) = match find_to_change(cx, argv[1])?.and_then(|view| view.get(argv[2])) {
        Some(field) => {
            let invalid = CommandError::fixed("ERR hash value is not a float");
            let old = LongDouble::parse(field.value.text(&mut IntText::new())).ok_or(invalid)?;
            (old, field.expire_ms)
        }
        None => (LongDouble::from_i64(0), None),
    };
    let sum = old + delta;
    if sum.is_nan_or_inf() {
        return Err(CommandError::fixed("ERR increment would produce NaN or Infinity"));
    }
    let text = sum.format();
    store(cx, argv, text.as_bytes(), kept, "hincrbyfloat", true)?;
    out.bulk(text.as_bytes());
    Ok(())
}
