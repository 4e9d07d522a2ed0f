//! HSET, HMSET, HSETNX, HDEL, HGETDEL.

use config::Events;
use ds::entry::Kind;
use resp::writer::Writer;

use super::edit::{Editor, Expiry, Limits, Put, edit};
use super::expire::note_overwritten;
use super::view::find_to_change;
use super::{delete_empty, fields};
use crate::cx::Cx;
use crate::error::{Result, wrong_arity};

/// What setting fields found.
#[derive(Default, Clone, Copy)]
pub(super) struct Found {
    /// Fields that are new to the client.
    pub added: usize,
    /// Of these, those whose predecessor had expired.
    pub over_expired: usize,
}

/// Sets fields, given as name, value, name, value...; makes the hash if it is not there. The caller reports the change.
pub(super) fn put(cx: &mut Cx<'_>, key: &[u8], pairs: &[&[u8]], expiry: Expiry) -> Result<Found> {
    let (limits, now_ms) = (Limits::of(&cx.server.config), cx.field_clock());
    let put_all = |editor: &mut Editor<'_>| {
        let mut found = Found::default();
        for pair in pairs.chunks_exact(2) {
            let done = editor.put(pair[0], pair[1], expiry, limits, now_ms);
            found.added += usize::from(done != Put::Replaced);
            found.over_expired += usize::from(done == Put::OverExpired);
        }
        found
    };
    if let Some(mut slot) = cx.find_mut_kind(key, Kind::Hash)? {
        return Ok(slot.update(|entry| edit(entry, now_ms, put_all)));
    }
    let longest = pairs.iter().map(|text| text.len()).max().unwrap_or(0);
    let mut editor = Editor::new(limits, pairs.len() / 2, longest);
    let found = put_all(&mut editor);
    editor.finish(|value| cx.put(key, value, None));
    Ok(found)
}

fn set(cx: &mut Cx<'_>, argv: &[&[u8]]) -> Result<Found> {
    let (key, pairs) = (argv[1], &argv[2..]);
    let found = put(cx, key, pairs, Expiry::Set(None))?;
    note_overwritten(cx, key, found.over_expired);
    cx.effects.dirty += (pairs.len() / 2) as u64 - 1;
    cx.changed(key);
    cx.notify(Events::HASH, "hset", key);
    Ok(found)
}

pub(super) fn hset(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if !argv.len().is_multiple_of(2) {
        return Err(wrong_arity("hset"));
    }
    let found = set(cx, argv)?;
    out.int(found.added as i64);
    Ok(())
}

pub(super) fn hmset(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if !argv.len().is_multiple_of(2) {
        return Err(wrong_arity("hmset"));
    }
    set(cx, argv)?;
    out.ok();
    Ok(())
}

pub(super) fn hsetnx(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if find_to_change(cx, argv[1])?.is_some_and(|view| view.get(argv[2]).is_some()) {
        out.int(0);
        return Ok(());
    }
    let found = set(cx, argv)?;
    if found.over_expired > 0 {
        // On a replica the expired field may still be there.
        cx.propagate(&[b"HSET", argv[1], argv[2], argv[3]]);
    }
    out.int(1);
    Ok(())
}

/// Removes fields; those that have expired are not there. Answers which of `names` were removed; their values, or
/// `None` for those that were not there, go to `values`.
fn remove(
    cx: &mut Cx<'_>,
    key: &[u8],
    names: &[&[u8]],
    mut values: Option<&mut Vec<Option<Vec<u8>>>>,
) -> Result<Vec<usize>> {
    let now_ms = cx.field_clock();
    let Some(mut slot) = cx.find_mut_kind(key, Kind::Hash)? else {
        if let Some(values) = values {
            values.resize(names.len(), None);
        }
        return Ok(Vec::new());
    };
    let (removed, left) = slot.update(|entry| {
        edit(entry, now_ms, |editor| {
            let mut removed = Vec::new();
            for (at, name) in names.iter().enumerate() {
                if let Some(values) = &mut values {
                    values.push(editor.get(name, now_ms).map(|field| field.value.to_vec()));
                }
                if editor.remove(name, now_ms) {
                    removed.push(at);
                }
            }
            (removed, editor.len())
        })
    });
    if !removed.is_empty() {
        cx.effects.dirty += removed.len() as u64 - 1;
        cx.notify(Events::HASH, "hdel", key);
        if left == 0 {
            delete_empty(cx, key);
        } else {
            cx.changed(key);
        }
    }
    Ok(removed)
}

pub(super) fn hdel(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let removed = remove(cx, argv[1], &argv[2..], None)?;
    out.int(removed.len() as i64);
    Ok(())
}

/// HGETDEL key FIELDS count field [field ...]
pub(super) fn hgetdel(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let names = fields::of_hash(cx, argv)?;
    let mut values = Vec::with_capacity(names.len());
    let removed = remove(cx, key, names, Some(&mut values))?;
    out.array(values.len());
    for value in &values {
        match value {
            Some(value) => out.bulk(value),
            None => out.null(),
        }
    }
    if !removed.is_empty() {
        let mut words: Vec<&[u8]> = vec![b"HDEL", key];
        words.extend(removed.into_iter().map(|at| names[at]));
        cx.propagate(&words);
    }
    Ok(())
}
