//! LPOP, RPOP, LMPOP, and what the blocking pops share with them.

use ds::entry::Kind;
use ds::listpack::LpValue;
use resp::writer::Writer;

use super::Side;
use super::store::{self, ListRef};
use crate::args::int_or;
use crate::cx::Cx;
use crate::error::{CommandError, MUST_BE_POSITIVE, Result, SYNTAX, wrong_arity};

/// Writes an element as a bulk reply.
pub(super) fn reply_element(value: LpValue<'_>, out: &mut Writer) {
    match value {
        LpValue::Int(number) => out.bulk_int(number),
        LpValue::Str(bytes) => out.bulk(bytes),
    }
}

/// Pops up to `count` elements and writes them, as an array if `many`. Answers how many; 0, with nothing written, if
/// there is no such key.
pub(super) fn pop(
    cx: &mut Cx<'_>,
    key: &[u8],
    side: Side,
    count: usize,
    many: bool,
    out: &mut Writer,
) -> Result<usize> {
    let fill = store::fill(cx);
    let Some(mut slot) = cx.find_mut_kind(key, Kind::List)? else { return Ok(0) };
    let Some(list) = ListRef::of(slot.get()) else { return Ok(0) };
    let len = list.len();
    let count = count.min(len);
    if many {
        out.array(count);
    }
    let (from, index) = match side {
        Side::Left => (0, 0),
        Side::Right => (len - 1, len - count),
    };
    let mut wanted = count;
    list.visit(from, side == Side::Left, |value| {
        reply_element(value, out);
        wanted -= 1;
        wanted > 0
    });
    if count < len {
        store::remove(&mut slot, index, count);
        store::shrink(&mut slot, fill);
    }
    store::removed(cx, key, len - count, count, side.pop_event());
    Ok(count)
}

fn pop_command(cx: &mut Cx<'_>, argv: &[&[u8]], side: Side, name: &str, out: &mut Writer) -> Result {
    if argv.len() > 3 {
        return Err(wrong_arity(name));
    }
    let Some(count) = argv.get(2) else {
        if pop(cx, argv[1], side, 1, false, out)? == 0 {
            out.null();
        }
        return Ok(());
    };
    let count = int_or(count, MUST_BE_POSITIVE)?;
    let count = usize::try_from(count).map_err(|_| MUST_BE_POSITIVE)?;
    if count == 0 {
        match ListRef::find(cx, argv[1])? {
            Some(_) => out.array(0),
            None => out.null_array(),
        }
    } else if pop(cx, argv[1], side, count, true, out)? == 0 {
        out.null_array();
    }
    Ok(())
}

pub(super) fn lpop(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    pop_command(cx, argv, Side::Left, "lpop", out)
}

pub(super) fn rpop(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    pop_command(cx, argv, Side::Right, "rpop", out)
}

/// The arguments of LMPOP and BLMPOP from the number of keys on.
pub(super) struct Many<'a> {
    pub keys: &'a [&'a [u8]],
    pub side: Side,
    pub count: usize,
}

impl<'a> Many<'a> {
    pub(super) fn parse(argv: &'a [&'a [u8]], at: usize) -> Result<Many<'a>> {
        const NUMKEYS: CommandError = CommandError::fixed("ERR numkeys should be greater than 0");
        const COUNT: CommandError = CommandError::fixed("ERR count should be greater than 0");
        let numkeys = int_or(argv[at], NUMKEYS)?;
        let numkeys = usize::try_from(numkeys).ok().filter(|&number| number > 0).ok_or(NUMKEYS)?;
        let (keys, rest) = argv[at + 1..].split_at_checked(numkeys).ok_or(SYNTAX)?;
        let (side, mut options) = rest.split_first().ok_or(SYNTAX)?;
        let side = Side::parse(side)?;
        let mut count = None;
        while let Some((word, rest)) = options.split_first() {
            let (value, rest) = rest.split_first().ok_or(SYNTAX)?;
            if count.is_some() || !word.eq_ignore_ascii_case(b"count") {
                return Err(SYNTAX);
            }
            let number = int_or(value, COUNT)?;
            count = Some(usize::try_from(number).ok().filter(|&number| number > 0).ok_or(COUNT)?);
            options = rest;
        }
        Ok(Many { keys, side, count: count.unwrap_or(1) })
    }

    /// Pops from the first key that has something, writing key and elements. False if none has.
    pub(super) fn pop_first(&self, cx: &mut Cx<'_>, out: &mut Writer) -> Result<bool> {
        for key in self.keys {
            if ListRef::find(cx, key)?.is_none() {
                continue;
            }
            out.array(2);
            out.bulk(key);
            let popped = pop(cx, key, self.side, self.count, true, out)?;
            cx.propagate(&[self.side.pop_command(), key, popped.to_string().as_bytes()]);
            return Ok(true);
        }
        Ok(false)
    }
}

pub(super) fn lmpop(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let many = Many::parse(argv, 1)?;
    if !many.pop_first(cx, out)? {
        out.null_array();
    }
    Ok(())
}
