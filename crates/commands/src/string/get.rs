//! Reading strings, and reading them for the last time or with a new expiry: GET, MGET, GETDEL, GETEX, GETSET, GETRANGE,
//! STRLEN.

use config::{Directive, Events, Family};
use ds::entry::{EntryRef, Kind};
use ds::num::IntText;
use resp::writer::Writer;

use super::condition::bytes_of;
use super::expiry::{Expiry, set_expiry};
use super::reply_string;
use super::set::stored;
use crate::args::{Args, int};
use crate::cx::Cx;
use crate::error::{Result, SYNTAX};

pub(super) fn get(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    match cx.find_kind(argv[1], Kind::String)? {
        Some(entry) => reply_string(entry, out),
        None => out.null(),
    }
    Ok(())
}

pub(super) fn mget(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    out.array(argv.len() - 1);
    for key in &argv[1..] {
        match cx.find(key) {
            Some(entry) if entry.kind() == Kind::String => reply_string(entry, out),
            _ => out.null(),
        }
    }
    Ok(())
}

/// Replies the value as GET does; answers whether there is one.
fn reply_old(cx: &mut Cx<'_>, key: &[u8], out: &mut Writer) -> Result<bool> {
    let found = cx.find_kind(key, Kind::String)?;
    match found {
        Some(entry) => reply_string(entry, out),
        None => out.null(),
    }
    Ok(found.is_some())
}

pub(super) fn getdel(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    if reply_old(cx, key, out)? && cx.delete(key, cx.server.config.flag(Directive::LazyfreeLazyUserDel)) {
        cx.notify(Events::GENERIC, "del", key);
        cx.propagate(&[b"DEL", key]);
    }
    Ok(())
}

pub(super) fn getset(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, value) = (argv[1], argv[2]);
    reply_old(cx, key, out)?;
    cx.put(key, stored(value), None);
    cx.changed(key);
    cx.notify(Events::STRING, "set", key);
    cx.propagate(&[b"SET", key, value]);
    Ok(())
}

pub(super) fn getex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let (mut args, mut expiry) = (Args::new(argv, 2), Expiry::default());
    while !args.is_empty() {
        if !expiry.take(&mut args)? && !expiry.take_persist(&mut args) {
            return Err(SYNTAX);
        }
    }
    // Redis reads the time only where there is something that it is for.
    let early = if cx.family() == Family::Valkey { expiry.at_ms(cx, "getex")? } else { None };
    if !reply_old(cx, key, out)? {
        return Ok(());
    }
    let at = early.map_or_else(|| expiry.at_ms(cx, "getex"), |at| Ok(Some(at)))?;
    match at {
        Some(at) => set_expiry(cx, key, at),
        None if expiry.persists() => {
            let Some(mut slot) = cx.find_mut(key) else { return Ok(()) };
            if slot.get().expire_ms().is_some() {
                slot.set_expire_ms(None);
                cx.changed(key);
                cx.notify(Events::GENERIC, "persist", key);
                cx.propagate(&[b"PERSIST", key]);
            }
        }
        None => {}
    }
    Ok(())
}

pub(super) fn strlen(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let found = cx.find_kind(argv[1], Kind::String)?;
    out.int(found.map_or(0, |entry| bytes_of(entry, &mut IntText::new()).len() as i64));
    Ok(())
}

/// The part of `len` bytes from `start` to `end`, both included and counted from the end when negative.
fn range(len: usize, start: i64, end: i64) -> std::ops::Range<usize> {
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from = |at: i64| if at < 0 { (len as i64).saturating_add(at).max(0) } else { at };
    let (start, end) = (from(start), from(end).min(len as i64 - 1));
    if start > end || len == 0 { 0..0 } else { start as usize..end as usize + 1 }
}

pub(super) fn getrange(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (start, end) = (int(argv[2])?, int(argv[3])?);
    match cx.find_kind(argv[1], Kind::String)? {
        Some(entry) => reply_range(entry, start, end, out),
        None => out.bulk(b""),
    }
    Ok(())
}

fn reply_range(entry: EntryRef<'_>, start: i64, end: i64, out: &mut Writer) {
    let mut text = IntText::new();
    let bytes = bytes_of(entry, &mut text);
    out.bulk(&bytes[range(bytes.len(), start, end)]);
}

#[cfg(test)]
mod tests {
    use super::range;

    /// As a real server cuts `Hello World`.
    #[test]
    fn ranges() {
        for (start, end, from, to) in [
            (0, -1, 0, 11),
            (-3, -1, 8, 11),
            (-1, -3, 0, 0),
            (-100, -90, 0, 1),
            (-100, 3, 0, 4),
            (5, 3, 0, 0),
            (20, 30, 0, 0),
            (0, 100, 0, 11),
            (i64::MIN, i64::MAX, 0, 11),
            (-5, -100, 0, 0),
            (-100, -100, 0, 1),
            (0, -12, 0, 1),
        ] {
            assert_eq!(range(11, start, end), from..to, "{start} {end}");
        }
        for (start, end) in [(0, 0), (-1, -1), (0, -1), (i64::MIN, i64::MAX), (3, 5)] {
            assert!(range(0, start, end).is_empty());
        }
    }
}
