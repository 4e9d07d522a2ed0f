//! LPUSH, RPUSH, LPUSHX, RPUSHX.

use config::Events;
use ds::entry::Kind;
use resp::writer::Writer;

use super::{Side, store};
use crate::cx::Cx;
use crate::error::Result;

fn push(cx: &mut Cx<'_>, argv: &[&[u8]], side: Side, only_existing: bool, out: &mut Writer) -> Result {
    let (key, elements) = (argv[1], &argv[2..]);
    let fill = store::fill(cx);
    let len = match cx.find_mut_kind(key, Kind::List)? {
        Some(mut slot) => store::push(&mut slot, elements, side, fill),
        None if only_existing => {
            out.int(0);
            return Ok(());
        }
        None => {
            store::create(cx, key, elements, side);
            elements.len()
        }
    };
    cx.changed(key);
    cx.effects.dirty += elements.len() as u64 - 1;
    cx.notify(Events::LIST, side.push_event(), key);
    out.int(len as i64);
    Ok(())
}

pub(super) fn lpush(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    push(cx, argv, Side::Left, false, out)
}

pub(super) fn rpush(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    push(cx, argv, Side::Right, false, out)
}

pub(super) fn lpushx(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    push(cx, argv, Side::Left, true, out)
}

pub(super) fn rpushx(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    push(cx, argv, Side::Right, true, out)
}
