//! HEXPIRE and its kin with NX, XX, GT and LT; HPERSIST; and what happens to fields whose time is past.

use std::collections::HashSet;

use config::{Events, Family};
use ds::entry::Kind;
use ds::packed_hash::Form;
use resp::writer::Writer;

use super::edit::{Limits, edit};
use super::redis_options::Expire;
use super::view::{Stored, View, find_to_change};
use super::{delete_empty, fields};
use crate::args::{TimeUnit, expiry_ms, int};
use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::generic::Condition;
use crate::stats::Counter;

/// Reports that fields were set over expired ones.
pub(super) fn note_overwritten(cx: &mut Cx<'_>, key: &[u8], fields: usize) {
    if fields > 0 {
        cx.stats.add(Counter::ExpiredFields, fields as u64);
        cx.notify(Events::HASH, "hexpired", key);
    }
}

/// The event of fields that were given a time that is past: to Redis that is a deletion.
pub(super) fn outdated_event(family: Family) -> &'static str {
    match family {
        Family::Redis => "hdel",
        Family::Valkey => "hexpired",
    }
}

/// Fields that are there got an expiry that is past: they go, and the journal gets their deletion.
pub(super) fn delete_past(cx: &mut Cx<'_>, key: &[u8], names: &[&[u8]]) -> Result {
    let now_ms = cx.field_clock();
    let Some(mut slot) = cx.find_mut_kind(key, Kind::Hash)? else { return Ok(()) };
    let left = slot.update(|entry| {
        edit(entry, now_ms, |editor| {
            for name in names {
                editor.remove(name, now_ms);
            }
            editor.len()
        })
    });
    cx.stats.add(Counter::ExpiredFields, names.len() as u64);
    cx.effects.dirty += names.len() as u64 - 1;
    cx.notify(Events::HASH, outdated_event(cx.family()), key);
    let mut words: Vec<&[u8]> = vec![b"HDEL", key];
    words.extend(names);
    cx.propagate(&words);
    if left == 0 {
        delete_empty(cx, key);
    } else {
        cx.changed(key);
    }
    Ok(())
}

/// Sets or removes the expiry of fields that are there, with all effects.
pub(super) fn set_expiry(cx: &mut Cx<'_>, key: &[u8], names: &[&[u8]], expire_ms: Option<u64>) -> Result {
    let now_ms = cx.field_clock();
    let Some(mut slot) = cx.find_mut_kind(key, Kind::Hash)? else { return Ok(()) };
    slot.update(|entry| {
        edit(entry, now_ms, |editor| names.iter().for_each(|name| editor.set_expiry(name, expire_ms)));
    });
    cx.effects.dirty += names.len() as u64 - 1;
    cx.changed(key);
    cx.notify(Events::HASH, if expire_ms.is_some() { "hexpire" } else { "hpersist" }, key);
    let (count, at) = (names.len().to_string(), expire_ms.map(|at| at.to_string()));
    let mut words: Vec<&[u8]> = match &at {
        Some(at) => vec![b"HPEXPIREAT", key, at.as_bytes()],
        None => vec![b"HPERSIST", key],
    };
    words.extend([b"FIELDS", count.as_bytes()]);
    words.extend(names);
    cx.propagate(&words);
    Ok(())
}

/// Deletes up to `most` fields of a hash whose time is past, with all that follows from it, and the hash with its last
/// field. As with expired keys, this does not count as a change by a command. The hash stays off the shard's file
/// ([`keyspace::Shard::with_expired_fields`]). Answers how many went.
pub fn expire_fields(cx: &mut Cx<'_>, key: &[u8], hash: u64, most: usize) -> usize {
    let (db, now_ms) = (cx.db, cx.now_ms);
    let shard = cx.access.shard(keyspace::shard_of(hash));
    let Some(mut slot) = shard.find_mut(db, hash, key, now_ms).filter(|slot| slot.get().kind() == Kind::Hash)
    else {
        return 0;
    };
    let (names, left) =
        slot.update(|entry| edit(entry, now_ms, |editor| (editor.take_expired(now_ms, most), editor.len())));
    if left == 0 {
        let entry = slot.remove();
        cx.server.discard(entry, cx.server.config.flag(config::Directive::LazyfreeLazyExpire));
    }
    if names.is_empty() {
        return 0;
    }
    cx.stats.add(Counter::ExpiredFields, names.len() as u64);
    cx.note_touched(key, hash);
    let mut words: Vec<&[u8]> = vec![b"HDEL", key];
    words.extend(names.iter().map(Vec::as_slice));
    cx.propagate_also(&words);
    cx.notify(Events::HASH, "hexpired", key);
    if left == 0 {
        cx.notify(Events::GENERIC, "del", key);
    }
    names.len()
}

/// What HEXPIRE does to one field.
const NO_FIELD: i64 = -2;
const NOT_MET: i64 = 0;
const SET: i64 = 1;
const DELETED: i64 = 2;

/// What is to become of each field. A second mention of one finds what the first has made of it.
fn judge(view: View<'_>, names: &[&[u8]], condition: Condition, at: i64, deletes: bool) -> Vec<i64> {
    let mut done: HashSet<&[u8]> = HashSet::new();
    let judge = |name| {
        let Some(field) = view.get(name) else { return NO_FIELD };
        let again = done.contains(name);
        if again && deletes {
            return NO_FIELD;
        }
        let expire_ms = if again { Some(at.max(0) as u64) } else { field.expire_ms };
        if !condition.holds(expire_ms, at) {
            return NOT_MET;
        }
        done.insert(name);
        if deletes { DELETED } else { SET }
    };
    names.iter().copied().map(judge).collect()
}

fn told_by_valkey<'a>(
    cx: &Cx<'_>,
    argv: &'a [&'a [u8]],
    unit: TimeUnit,
    relative: bool,
    name: &str,
) -> Result<Expire<'a>> {
    let (before, names) = fields::split(argv, 3, 1)?;
    let condition = Condition::parse(&before[3..])?;
    let names = names?;
    let given = int(argv[2])?;
    if given < 0 {
        return Err(CommandError::new(format!("ERR invalid expire time in '{name}' command")));
    }
    let at = expiry_ms(given, unit, relative.then_some(cx.now_ms), name)?;
    Ok(Expire { at, condition, fields: names })
}

/// Redis makes room for expiries, and for the fields and values `to_come`, before it knows whether there will be any,
/// which OBJECT ENCODING shows.
pub(super) fn prepare(cx: &mut Cx<'_>, key: &[u8], to_come: &[&[u8]]) -> Result {
    if cx.family() == Family::Valkey {
        return Ok(());
    }
    let (limits, now_ms) = (Limits::of(&cx.server.config), cx.field_clock());
    let view = find_to_change(cx, key)?;
    let longest = to_come.iter().map(|text| text.len()).max().unwrap_or(0);
    let fits = limits.allow(to_come.len() / 2, longest);
    let lacks_room =
        |view: View<'_>| matches!(view.stored, Stored::Packed(_, form) if form == Form::Pairs || !fits);
    if view.is_some_and(lacks_room)
        && let Some(mut slot) = cx.find_mut_kind(key, Kind::Hash)?
    {
        slot.update(|entry| edit(entry, now_ms, |editor| editor.make_room(fits)));
    }
    Ok(())
}

/// HEXPIRE key time [NX | XX | GT | LT] FIELDS count field [field ...]
fn expire(
    cx: &mut Cx<'_>,
    argv: &[&[u8]],
    unit: TimeUnit,
    relative: bool,
    name: &str,
    out: &mut Writer,
) -> Result {
    let key = argv[1];
    let Expire { at, condition, fields: names } = match cx.family() {
        Family::Redis => {
            find_to_change(cx, key)?;
            Expire::parse(cx, argv, unit, relative, name)?
        }
        Family::Valkey => told_by_valkey(cx, argv, unit, relative, name)?,
    };
    prepare(cx, key, &[])?;
    let deletes = at <= cx.now_ms as i64 && cx.may_delete_past();
    let verdicts = match find_to_change(cx, key)? {
        Some(view) => judge(view, names, condition, at, deletes),
        None => vec![NO_FIELD; names.len()],
    };
    let chosen: Vec<&[u8]> = names
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| **verdict > NOT_MET)
        .map(|(name, _)| *name)
        .collect();
    if !chosen.is_empty() {
        if deletes {
            delete_past(cx, key, &chosen)?;
        } else {
            set_expiry(cx, key, &chosen, Some(at as u64))?;
        }
    }
    out.array(verdicts.len());
    verdicts.into_iter().for_each(|verdict| out.int(verdict));
    Ok(())
}

pub(super) fn hexpire(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    expire(cx, argv, TimeUnit::Seconds, true, "hexpire", out)
}

pub(super) fn hpexpire(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    expire(cx, argv, TimeUnit::Milliseconds, true, "hpexpire", out)
}

pub(super) fn hexpireat(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    expire(cx, argv, TimeUnit::Seconds, false, "hexpireat", out)
}

pub(super) fn hpexpireat(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    expire(cx, argv, TimeUnit::Milliseconds, false, "hpexpireat", out)
}

/// HPERSIST key FIELDS count field [field ...]
pub(super) fn hpersist(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let names = fields::of_hash(cx, argv)?;
    let view = find_to_change(cx, key)?;
    let mut chosen: HashSet<&[u8]> = HashSet::new();
    let mut verdict = |name| match view.and_then(|view| view.get(name)).map(|field| field.expire_ms) {
        None => -2,
        // The second mention of a field finds what the first has made of it.
        Some(Some(_)) if chosen.insert(name) => 1,
        Some(_) => -1,
    };
    let verdicts: Vec<i64> = names.iter().map(|name| verdict(name)).collect();
    if !chosen.is_empty() {
        let chosen: Vec<&[u8]> = chosen.into_iter().collect();
        set_expiry(cx, key, &chosen, None)?;
    }
    out.array(verdicts.len());
    verdicts.into_iter().for_each(|verdict| out.int(verdict));
    Ok(())
}
