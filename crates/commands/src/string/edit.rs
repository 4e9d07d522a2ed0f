//! Changing a string in place: APPEND and SETRANGE, and what bitmaps and HyperLogLogs need.

use config::{Directive, Events};
use ds::entry::{Entry, Kind, StringBytes, Value, ValueRef};
use ds::num::IntText;
use resp::writer::Writer;

use super::condition::bytes_of;
use super::set::stored;
use crate::args::int;
use crate::cx::Cx;
use crate::error::{CommandError, OUT_OF_MEMORY, Result, STRING_TOO_LONG};

/// An error if a string of `at + more` bytes would be too long.
fn check_length(cx: &Cx<'_>, at: usize, more: usize) -> Result<usize> {
    let most = cx.server.config.int(Directive::ProtoMaxBulkLen).max(0) as usize;
    at.checked_add(more).filter(|&length| length <= most || cx.session.is_primary_link).ok_or(STRING_TOO_LONG)
}

pub(super) fn append(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, tail) = (argv[1], argv[2]);
    let old =
        cx.find_mut_kind(key, Kind::String)?.map(|slot| bytes_of(slot.get(), &mut IntText::new()).len());
    let length = match old {
        Some(old) => {
            let length = check_length(cx, old, tail.len())?;
            write_at(cx, key, old, tail)?;
            length
        }
        None => {
            cx.put(key, stored(tail), None);
            tail.len()
        }
    };
    cx.changed(key);
    cx.notify(Events::STRING, "append", key);
    out.int(length as i64);
    Ok(())
}

pub(super) fn setrange(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, part) = (argv[1], argv[3]);
    let offset =
        usize::try_from(int(argv[2])?).map_err(|_| CommandError::fixed("ERR offset is out of range"))?;
    let old =
        cx.find_mut_kind(key, Kind::String)?.map(|slot| bytes_of(slot.get(), &mut IntText::new()).len());
    if part.is_empty() {
        out.int(old.unwrap_or(0) as i64);
        return Ok(());
    }
    let end = check_length(cx, offset, part.len())?;
    if old.is_none() {
        let mut value = reserved(end)?;
        value.resize(offset, 0);
        value.extend_from_slice(part);
        cx.put(key, Value::Bytes(b""), None);
        replace(cx, key, value);
    } else {
        write_at(cx, key, offset, part)?;
    }
    cx.changed(key);
    cx.notify(Events::STRING, "setrange", key);
    out.int(end.max(old.unwrap_or(0)) as i64);
    Ok(())
}

fn reserved(length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| OUT_OF_MEMORY)?;
    Ok(bytes)
}

/// Puts a value that was made by changing another in its place.
pub(crate) fn replace(cx: &mut Cx<'_>, key: &[u8], value: Vec<u8>) {
    if let Some(mut slot) = cx.find_mut(key) {
        slot.update(|entry| set_changed(entry, value));
    }
}

fn set_changed(entry: &mut Entry, value: Vec<u8>) {
    entry.set_value(if value.len() > ds::entry::INLINE_BYTES {
        Value::Blob(ds::blob::Blob::from_vec(value))
    } else {
        Value::Bytes(&value)
    });
    entry.set_raw();
}

/// Overwrites a string from `offset` on; the gap in front, if there is one, becomes zeros. A long string is changed in
/// place unless a reply or a snapshot shares it.
fn write_at(cx: &mut Cx<'_>, key: &[u8], offset: usize, part: &[u8]) -> Result {
    let Some(mut slot) = cx.find_mut(key) else { return Ok(()) };
    if matches!(slot.get().value(), ValueRef::Blob(_)) {
        return slot.update(|entry: &mut Entry| {
            entry.update_blob(|blob| overwrite(blob.to_mut(), offset, part)).unwrap_or(Ok(()))
        });
    }
    let mut text = IntText::new();
    let old = bytes_of(slot.get(), &mut text);
    let mut value = reserved(old.len().max(offset + part.len()))?;
    value.extend_from_slice(old);
    overwrite(&mut value, offset, part)?;
    replace(cx, key, value);
    Ok(())
}

fn overwrite(bytes: &mut Vec<u8>, offset: usize, part: &[u8]) -> Result {
    let end = offset + part.len();
    let missing = end.saturating_sub(bytes.len());
    if missing > 0 {
        bytes.try_reserve(missing).map_err(|_| OUT_OF_MEMORY)?;
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(part);
    Ok(())
}

/// A copy of a string with at least `length` bytes, filled up with zeros.
fn made_longer(old: &[u8], length: usize) -> Result<Vec<u8>> {
    let mut value = reserved(old.len().max(length))?;
    value.extend_from_slice(old);
    if value.len() < length {
        value.resize(length, 0);
    }
    Ok(value)
}

/// Changes the bytes of a string in place, whose key is made and whose end is filled up with zeros if it has less than
/// `length`. `change` gets the bytes and whether they have become more.
pub(crate) fn change_bytes<R>(
    cx: &mut Cx<'_>,
    key: &[u8],
    length: usize,
    change: impl FnOnce(&mut [u8], bool) -> R,
) -> Result<R> {
    let Some(mut slot) = cx.find_mut_kind(key, Kind::String)? else {
        let mut value = made_longer(b"", length)?;
        let result = change(&mut value, true);
        cx.put(key, Value::Bytes(b""), None);
        replace(cx, key, value);
        return Ok(result);
    };
    let mut text = IntText::new();
    let old = bytes_of(slot.get(), &mut text);
    let grows = old.len() < length;
    let in_place = match slot.get().value() {
        ValueRef::Blob(_) => true,
        ValueRef::Bytes(_) => !grows,
        _ => false,
    };
    if !in_place {
        let mut value = made_longer(old, length)?;
        let result = change(&mut value, grows);
        slot.update(|entry| set_changed(entry, value));
        return Ok(result);
    }
    slot.update(|entry| {
        if grows {
            entry.update_blob(|blob| overwrite(blob.to_mut(), length, b"")).unwrap_or(Ok(()))?;
        }
        entry.set_raw();
        // Neither an integer nor another type, as found above.
        Ok(entry
            .update_bytes(|bytes| change(bytes, grows))
            .expect("invariant: the value is a string of bytes"))
    })
}

/// Changes a string that passes `check` where it stands, unless a reply or a snapshot shares it; what `change` does before
/// it fails may stay. `None` if there is no such key. No integer passes `check`.
pub(crate) fn change_string<R>(
    cx: &mut Cx<'_>,
    key: &[u8],
    check: impl FnOnce(&[u8]) -> Result,
    change: impl FnOnce(&mut StringBytes<'_>) -> Result<R>,
) -> Result<Option<R>> {
    let Some(mut slot) = cx.find_mut_kind(key, Kind::String)? else { return Ok(None) };
    check(bytes_of(slot.get(), &mut IntText::new()))?;
    slot.update(|entry| {
        entry.set_raw();
        entry.update_string(change).transpose()
    })
}

#[cfg(test)]
mod tests {
    use super::overwrite;

    #[test]
    fn overwrites_and_fills_gaps() {
        for (old, offset, part, new) in [
            (&b"hello"[..], 0, &b"J"[..], &b"Jello"[..]),
            (b"hello", 4, b"xy", b"hellxy"),
            (b"hello", 7, b"!", b"hello\0\0!"),
            (b"", 2, b"a", b"\0\0a"),
            (b"ab", 2, b"", b"ab"),
        ] {
            let mut bytes = old.to_vec();
            overwrite(&mut bytes, offset, part).expect("room");
            assert_eq!(bytes, new);
        }
    }
}
