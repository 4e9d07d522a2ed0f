//! HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME.

use config::Family;
use resp::writer::Writer;

use super::fields;
use super::view::is_live;
use crate::cx::Cx;
use crate::error::{Result, SYNTAX, WRONG_TYPE};

/// Replies for each field -2 if it is not there, -1 if it has no expiry, else what `answer` makes of expiry and now.
fn ask(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer, answer: impl Fn(u64, u64) -> u64) -> Result {
    let (now_ms, clock, family) = (cx.now_ms, cx.field_clock(), cx.family());
    let entry = cx.find_untouched(argv[1]);
    let is_other = entry.is_some_and(|entry| entry.kind() != ds::entry::Kind::Hash);
    // Redis looks at the key first.
    if is_other && family == Family::Redis {
        return Err(WRONG_TYPE);
    }
    let names = fields::only(argv, family, SYNTAX)?;
    if is_other {
        return Err(WRONG_TYPE);
    }
    let view = entry.map(super::view::Stored::of);
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

/// What is added before milliseconds are cut to seconds: Redis rounds the time of a field up, Valkey to the nearest second,
/// as both do with that of a key.
fn rounding_ms(family: Family) -> u64 {
    match family {
        Family::Redis => 999,
        Family::Valkey => 500,
    }
}

pub(super) fn httl(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let round = rounding_ms(cx.family());
    ask(cx, argv, out, |at, now| at.saturating_sub(now).saturating_add(round) / 1000)
}

pub(super) fn hpttl(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv, out, |at, now| at.saturating_sub(now))
}

pub(super) fn hexpiretime(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let round = rounding_ms(cx.family());
    ask(cx, argv, out, |at, _| at.saturating_add(round) / 1000)
}

pub(super) fn hpexpiretime(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv, out, |at, _| at)
}
