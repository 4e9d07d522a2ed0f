//! HGETEX and HSETEX: values together with expiries.

use std::collections::HashSet;

use config::{Events, Family};
use resp::writer::Writer;

use super::edit;
use super::expire::{delete_past, note_overwritten, outdated_event, prepare, set_expiry};
use super::redis_options::Told;
use super::view::find_to_change;
use super::write::put;
use super::{fields, reply_text};
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{Result, SYNTAX};
use crate::string::expiry::Expiry;

fn get_as_valkey<'a>(cx: &mut Cx<'_>, argv: &'a [&'a [u8]]) -> Result<Told<'a>> {
    let (before, names) = fields::split(argv, 2, 1)?;
    let (mut args, mut expiry) = (Args::new(before, 2), Expiry::default());
    while !args.is_empty() {
        if !expiry.take(&mut args)? && !expiry.take_persist(&mut args) {
            return Err(SYNTAX);
        }
    }
    let fields = names?;
    find_to_change(cx, argv[1])?;
    let at = expiry.at_ms_from(cx, 0, "hgetex")?;
    Ok(Told { at, stays: expiry.persists(), fields, ..Told::default() })
}

/// HGETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST] FIELDS count field [field ...]
pub(super) fn hgetex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let Told { at, stays: persists, fields: names, .. } = match cx.family() {
        Family::Redis => {
            find_to_change(cx, key)?;
            Told::parse(cx, argv, "PERSIST", false, "hgetex")?
        }
        Family::Valkey => get_as_valkey(cx, argv)?,
    };
    if at.is_some() || persists {
        prepare(cx, key, &[])?;
    }
    let deletes = at.is_some_and(|at| at <= cx.now_ms as i64) && cx.may_delete_past();
    let view = find_to_change(cx, key)?;
    out.array(names.len());
    let (mut chosen, mut deleted): (Vec<&[u8]>, HashSet<&[u8]>) = Default::default();
    for name in names {
        // What the first mention of a field deletes is gone for the second one.
        match view.and_then(|view| view.get(name)).filter(|_| !deletes || deleted.insert(name)) {
            Some(field) => {
                reply_text(field.value, out);
                if at.is_some() || (persists && field.expire_ms.is_some()) {
                    chosen.push(name);
                }
            }
            None => out.null(),
        }
    }
    match at {
        _ if chosen.is_empty() => Ok(()),
        Some(_) if deletes => delete_past(cx, key, &chosen),
        at => set_expiry(cx, key, &chosen, at.map(|at| at as u64)),
    }
}

/// Takes one of two words, of which the second means true; the other one must not have been given.
fn choose(args: &mut Args<'_>, words: [&str; 2], choice: &mut Option<bool>) -> bool {
    for (value, word) in [(false, words[0]), (true, words[1])] {
        if *choice != Some(!value) && args.take(word) {
            *choice = Some(value);
            return true;
        }
    }
    false
}

/// None if the hash is not there, or is, against NX or XX: then nothing more is looked at.
fn set_as_valkey<'a>(cx: &mut Cx<'_>, argv: &'a [&'a [u8]]) -> Result<Option<Told<'a>>> {
    let (before, pairs) = fields::split(argv, 2, 2)?;
    let (mut told, mut expiry) = (Told::default(), Expiry::default());
    let mut args = Args::new(before, 2);
    while !args.is_empty() {
        let taken = choose(&mut args, ["NX", "XX"], &mut told.key)
            || choose(&mut args, ["FNX", "FXX"], &mut told.present)
            || expiry.take(&mut args)?
            || expiry.take_keep(&mut args);
        if !taken {
            return Err(SYNTAX);
        }
    }
    told.fields = pairs?;
    let existed = find_to_change(cx, argv[1])?.is_some();
    if told.key.is_some_and(|wanted| existed != wanted) {
        return Ok(None);
    }
    told.stays = expiry.keeps();
    told.at = expiry.at_ms_from(cx, 0, "hsetex")?;
    Ok(Some(told))
}

fn set_as_redis<'a>(cx: &mut Cx<'_>, argv: &'a [&'a [u8]]) -> Result<Option<Told<'a>>> {
    let told = Told::parse(cx, argv, "KEEPTTL", true, "hsetex")?;
    let existed = find_to_change(cx, argv[1])?.is_some();
    Ok(Some(told).filter(|told| told.key.is_none_or(|wanted| existed == wanted)))
}

/// HSETEX key [NX | XX] [FNX | FXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] FIELDS count field value [...]
pub(super) fn hsetex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let told = match cx.family() {
        Family::Redis => set_as_redis(cx, argv)?,
        Family::Valkey => set_as_valkey(cx, argv)?,
    };
    let Some(told) = told else {
        out.int(0);
        return Ok(());
    };
    let view = find_to_change(cx, key)?;
    let there = |pair: &[&[u8]]| view.is_some_and(|view| view.get(pair[0]).is_some());
    if told.present.is_some_and(|wanted| told.fields.chunks_exact(2).any(|pair| there(pair) != wanted)) {
        out.int(0);
        return Ok(());
    }
    if told.at.is_some() {
        prepare(cx, key, told.fields)?;
    }
    match told.at {
        Some(at) if at <= cx.now_ms as i64 && cx.may_delete_past() => set_past(cx, key, told.fields)?,
        _ => set(cx, key, &told)?,
    }
    out.int(1);
    Ok(())
}

fn set(cx: &mut Cx<'_>, key: &[u8], told: &Told<'_>) -> Result {
    let Told { at, stays: keeps, fields: pairs, .. } = *told;
    let expiry = if keeps { edit::Expiry::Keep } else { edit::Expiry::Set(at.map(|at| at.max(0) as u64)) };
    if keeps {
        forget_expired(cx, key, pairs)?;
    }
    let found = put(cx, key, pairs, expiry)?;
    note_overwritten(cx, key, found.over_expired);
    cx.effects.dirty += (pairs.len() / 2) as u64 - 1;
    cx.changed(key);
    cx.notify(Events::HASH, "hset", key);
    if at.is_some() {
        cx.notify(Events::HASH, "hexpire", key);
    }
    let (at, count) = (at.map(|at| at.to_string()), (pairs.len() / 2).to_string());
    let mut words: Vec<&[u8]> = vec![b"HSETEX", key];
    match &at {
        Some(at) => words.extend([b"PXAT", at.as_bytes()]),
        None if keeps => words.push(b"KEEPTTL"),
        None => {}
    }
    words.extend([b"FIELDS", count.as_bytes()]);
    words.extend(pairs);
    cx.propagate(&words);
    Ok(())
}

/// With KEEPTTL a replica, to which expired fields are still there, would keep their expiry: it is told to delete them
/// first.
fn forget_expired(cx: &mut Cx<'_>, key: &[u8], pairs: &[&[u8]]) -> Result {
    let Some(view) = find_to_change(cx, key)? else { return Ok(()) };
    let mut words: Vec<&[u8]> = vec![b"HDEL", key];
    let names = pairs.chunks_exact(2).map(|pair| pair[0]);
    words.extend(names.filter(|name| view.stored.get(name).is_some() && view.get(name).is_none()));
    if words.len() > 2 {
        cx.propagate_also(&words);
    }
    Ok(())
}

/// The expiry is past: what was there goes, and what would have come is not stored.
fn set_past(cx: &mut Cx<'_>, key: &[u8], pairs: &[&[u8]]) -> Result {
    let view = find_to_change(cx, key)?;
    let existed = view.is_some();
    let mut there: Vec<&[u8]> = pairs.chunks_exact(2).map(|pair| pair[0]).collect();
    there.sort_unstable();
    there.dedup();
    let count = there.len();
    there.retain(|name| view.is_some_and(|view| view.get(name).is_some()));
    cx.notify(Events::HASH, "hset", key);
    if cx.family() == Family::Valkey {
        cx.notify(Events::HASH, "hexpire", key);
    }
    cx.stats.add(crate::stats::Counter::ExpiredFields, (count - there.len()) as u64);
    if !there.is_empty() {
        return delete_past(cx, key, &there);
    }
    cx.notify(Events::HASH, outdated_event(cx.family()), key);
    if !existed {
        cx.notify(Events::GENERIC, "del", key);
    }
    cx.propagate_nothing();
    Ok(())
}
