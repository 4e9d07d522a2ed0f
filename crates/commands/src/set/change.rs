//! SADD, SREM and SMOVE.

use config::Events;
use ds::entry::Kind;
use resp::writer::Writer;

use super::edit::{Editor, Limits, edit};
use super::view::SetRef;
use crate::cx::Cx;
use crate::error::{Result, WRONG_TYPE};

/// Adds members to the set at a key, which may be absent; answers how many are new. Reports nothing.
fn add(cx: &mut Cx<'_>, key: &[u8], names: &[&[u8]]) -> Result<usize> {
    let limits = Limits::of_server(cx.server);
    let add_all = |editor: &mut Editor<'_>| names.iter().filter(|name| editor.add(name, limits)).count();
    if let Some(mut slot) = cx.find_mut_kind(key, Kind::Set)? {
        return Ok(slot.update(|entry| {
            edit(entry, |editor| {
                editor.expect(names.len(), limits);
                let added = add_all(editor);
                // `expect` may have made it a table even if nothing is new.
                (added, added > 0 || matches!(editor, Editor::Own(_)))
            })
        }));
    }
    let mut editor = Editor::new(names[0], names.len(), limits);
    let added = add_all(&mut editor);
    editor.finish(|value| cx.put(key, value, None));
    Ok(added)
}

pub(super) fn sadd(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let added = add(cx, argv[1], &argv[2..])?;
    if added > 0 {
        cx.changed(argv[1]);
        cx.effects.dirty += added as u64 - 1;
        cx.notify(Events::SET, "sadd", argv[1]);
    }
    out.int(added as i64);
    Ok(())
}

/// Reports that members left the set at a key; deletes it if none is left.
pub(super) fn removed(cx: &mut Cx<'_>, key: &[u8], count: usize, left: usize, event: &'static str) {
    if count == 0 {
        return;
    }
    cx.effects.dirty += count as u64 - 1;
    cx.notify(Events::SET, event, key);
    if left == 0 {
        cx.delete(key, false);
        cx.notify(Events::GENERIC, "del", key);
    } else {
        cx.changed(key);
    }
}

/// Removes members, with all effects; answers how many there were.
fn remove(cx: &mut Cx<'_>, key: &[u8], names: &[&[u8]]) -> Result<usize> {
    let Some(mut slot) = cx.find_mut_kind(key, Kind::Set)? else { return Ok(0) };
    let (count, left) = slot.update(|entry| {
        edit(entry, |editor| {
            let count = names.iter().filter(|name| editor.remove(name)).count();
            ((count, editor.len()), count > 0)
        })
    });
    removed(cx, key, count, left, "srem");
    Ok(count)
}

pub(super) fn srem(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let count = remove(cx, argv[1], &argv[2..])?;
    out.int(count as i64);
    Ok(())
}

pub(super) fn smove(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (source, destination, name) = (argv[1], argv[2], argv[3]);
    let Some(found) = cx.find_mut(source) else {
        out.int(0);
        return Ok(());
    };
    let set = SetRef::of(found.get()).ok_or(WRONG_TYPE)?;
    let is_there = set.contains(name);
    cx.find_mut_kind(destination, Kind::Set)?;
    if !is_there || source == destination {
        out.int(i64::from(is_there));
        return Ok(());
    }
    remove(cx, source, &[name])?;
    let added = add(cx, destination, &[name])?;
    if added > 0 {
        cx.changed(destination);
        cx.notify(Events::SET, "sadd", destination);
    }
    out.int(1);
    Ok(())
}
