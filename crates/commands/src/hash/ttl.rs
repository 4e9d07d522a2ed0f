//! HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME.

use resp::writer::Writer;

use super::fields;
use super::view::is_live;
use crate::cx::Cx;
use crate::error::{Result, SYNTAX, WRONG_TYPE};

/// Replies for each field -2 if it is not there, -1 if it has no expiry, else what `answer` makes of expiry and now.
fn ask(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer, answer: fn(u64, u64) -> u64) -> Result {
    let names = fields::behind(argv, 2, 1, SYNTAX)?;
    let (now_ms, clock) = (cx.now_ms, cx.field_clock());
    let view = match cx.find_untouched(argv[1]) {
        Some(entry) if entry.kind() != ds::entry::Kind::Hash => return Err(WRONG_TYPE),
        found => found.map(super::view::Stored::of),
    };
    out.array(names.len());
    for name in names {
        let found = view.and_then(|view| view.get(name)).filter(|field| is_live(field.expire_ms, clock));
        out.int(match found.map(|field| field.expire_ms) {
            None => -2,
            Some(None) => -1,
            Some(Some(at)) => answer(at, now_ms) as i64,
        });
    }
    Ok(())
}

pub(super) fn httl(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv, out, |at, now| at.saturating_sub(now).saturating_add(500) / 1000)
}

pub(super) fn hpttl(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv, out, |at, now| at.saturating_sub(now))
}

pub(super) fn hexpiretime(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv, out, |at, _| at.saturating_add(500) / 1000)
}

pub(super) fn hpexpiretime(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv, out, |at, _| at)
}
