//! What only reads: HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS.

use resp::writer::Writer;

use super::reply_text;
use super::view::{View, find};
use crate::cx::Cx;
use crate::error::Result;

fn reply_value(view: Option<View<'_>>, name: &[u8], out: &mut Writer) {
    match view.and_then(|view| view.get(name)) {
        Some(field) => reply_text(field.value, out),
        None => out.null(),
    }
}

pub(super) fn hget(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    reply_value(find(cx, argv[1])?, argv[2], out);
    Ok(())
}

pub(super) fn hmget(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let view = find(cx, argv[1])?;
    out.array(argv.len() - 2);
    argv[2..].iter().for_each(|name| reply_value(view, name, out));
    Ok(())
}

pub(super) fn hgetall(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let view = find(cx, argv[1])?;
    out.map(view.map_or(0, View::len));
    if let Some(view) = view {
        view.visit(|field| {
            reply_text(field.name, out);
            reply_text(field.value, out);
        });
    }
    Ok(())
}

pub(super) fn hkeys(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let view = find(cx, argv[1])?;
    out.array(view.map_or(0, View::len));
    if let Some(view) = view {
        view.visit(|field| reply_text(field.name, out));
    }
    Ok(())
}

pub(super) fn hvals(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let view = find(cx, argv[1])?;
    out.array(view.map_or(0, View::len));
    if let Some(view) = view {
        view.visit(|field| reply_text(field.value, out));
    }
    Ok(())
}

/// Counts what is stored: a field that has expired counts until it is deleted.
pub(super) fn hlen(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let len = find(cx, argv[1])?.map_or(0, |view| view.stored.len());
    out.int(len as i64);
    Ok(())
}

pub(super) fn hstrlen(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let found = find(cx, argv[1])?.and_then(|view| view.get(argv[2]));
    out.int(found.map_or(0, |field| field.value.text_len()) as i64);
    Ok(())
}

pub(super) fn hexists(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let there = find(cx, argv[1])?.is_some_and(|view| view.get(argv[2]).is_some());
    out.int(i64::from(there));
    Ok(())
}
