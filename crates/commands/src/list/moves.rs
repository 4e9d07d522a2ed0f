//! LMOVE and RPOPLPUSH, and what their blocking forms share with them.

use config::Events;
use ds::entry::Kind;
use resp::writer::Writer;

use super::Side;
use super::store::{self, ListRef};
use crate::cx::Cx;
use crate::error::{Result, WRONG_TYPE};

/// Moves one element and writes it. False, with nothing written, if the source is empty.
pub(super) fn move_one(
    cx: &mut Cx<'_>,
    (source, from): (&[u8], Side),
    (target, to): (&[u8], Side),
    out: &mut Writer,
) -> Result<bool> {
    let Some(list) = ListRef::find(cx, source)? else { return Ok(false) };
    let len = list.len();
    let index = if from == Side::Left { 0 } else { len - 1 };
    let Some(element) = list.get(index).map(|value| value.to_vec()) else { return Ok(false) };
    let fill = store::fill(cx);
    let same = source == target;
    if let Some(mut slot) = cx.find_mut(target) {
        if slot.get().kind() != Kind::List {
            return Err(WRONG_TYPE);
        }
        if same {
            // Both at once, so that a list of one element is never empty in between.
            store::edit(&mut slot, fill, &[], |list| {
                list.remove_range(index, 1);
                match to {
                    Side::Left => list.push_front(&element, fill),
                    Side::Right => list.push_back(&element, fill),
                }
            });
        } else {
            store::push(&mut slot, &[&element], to, fill);
        }
    } else {
        store::create(cx, target, &[&element], to);
    }
    cx.notify(Events::LIST, to.push_event(), target);
    if same {
        cx.notify(Events::LIST, from.pop_event(), source);
        cx.changed(source);
    } else {
        let hash = cx.hash(target);
        cx.note_touched(target, hash);
        if len > 1
            && let Some(mut slot) = cx.find_mut(source)
        {
            store::remove(&mut slot, index, 1);
            store::shrink(&mut slot, fill);
        }
        store::removed(cx, source, len - 1, 1, from.pop_event());
    }
    out.bulk(&element);
    Ok(true)
}

pub(super) fn lmove(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (from, to) = (Side::parse(argv[3])?, Side::parse(argv[4])?);
    if !move_one(cx, (argv[1], from), (argv[2], to), out)? {
        out.null();
    }
    Ok(())
}

pub(super) fn rpoplpush(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if !move_one(cx, (argv[1], Side::Right), (argv[2], Side::Left), out)? {
        out.null();
    }
    Ok(())
}
