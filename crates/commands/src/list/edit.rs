//! LSET, LINSERT, LREM, LTRIM: changes inside a list.

use config::Events;
use ds::entry::Kind;
use ds::listpack::LpValue;
use resp::writer::Writer;

use super::read::span;
use super::store::{self, ListRef};
use crate::args::int;
use crate::cx::Cx;
use crate::error::{CommandError, INDEX_OUT_OF_RANGE, NO_SUCH_KEY, Result, SYNTAX};

pub(super) fn lset(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, element) = (argv[1], argv[3]);
    let fill = store::fill(cx);
    let mut slot = cx.find_mut_kind(key, Kind::List)?.ok_or(NO_SUCH_KEY)?;
    let list = ListRef::of(slot.get()).ok_or(NO_SUCH_KEY)?;
    let index = list.index(int(argv[2])?).ok_or(INDEX_OUT_OF_RANGE)?;
    store::edit(&mut slot, fill, &[element], |list| list.set(index, element, fill));
    store::shrink(&mut slot, fill);
    cx.changed(key);
    cx.notify(Events::LIST, "lset", key);
    out.ok();
    Ok(())
}

pub(super) fn linsert(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, pivot, element) = (argv[1], argv[3], argv[4]);
    let behind = match argv[2] {
        word if word.eq_ignore_ascii_case(b"after") => 1,
        word if word.eq_ignore_ascii_case(b"before") => 0,
        _ => return Err(SYNTAX),
    };
    let fill = store::fill(cx);
    let Some(mut slot) = cx.find_mut_kind(key, Kind::List)? else {
        out.int(0);
        return Ok(());
    };
    let Some(list) = ListRef::of(slot.get()) else { return Ok(()) };
    let (mut index, mut found) = (0, false);
    let wanted = LpValue::from_bytes(pivot);
    list.visit(0, true, |value| {
        found = value.is(wanted, pivot);
        index += usize::from(!found);
        !found
    });
    if !found {
        out.int(-1);
        return Ok(());
    }
    let len = store::edit(&mut slot, fill, &[element], |list| {
        list.insert(index + behind, element, fill);
        list.len()
    });
    cx.changed(key);
    cx.notify(Events::LIST, "linsert", key);
    out.int(len as i64);
    Ok(())
}

pub(super) fn lrem(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, element) = (argv[1], argv[3]);
    let given = int(argv[2])?;
    if given == i64::MIN {
        return Err(CommandError::new(format!(
            "ERR value is out of range, value must between {} and {}",
            -i64::MAX,
            i64::MAX
        )));
    }
    let limit = if given == 0 { usize::MAX } else { given.unsigned_abs() as usize };
    let fill = store::fill(cx);
    let Some(mut slot) = cx.find_mut_kind(key, Kind::List)? else {
        out.int(0);
        return Ok(());
    };
    let (count, left) = store::edit(&mut slot, fill, &[], |list| {
        let count = list.remove_equal(element, limit, given < 0);
        (count, list.len())
    });
    if count > 0 {
        if left > 0 {
            store::shrink(&mut slot, fill);
        }
        store::removed(cx, key, left, count, "lrem");
    }
    out.int(count as i64);
    Ok(())
}

pub(super) fn ltrim(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let (start, end) = (int(argv[2])?, int(argv[3])?);
    let fill = store::fill(cx);
    let Some(mut slot) = cx.find_mut_kind(key, Kind::List)? else {
        out.ok();
        return Ok(());
    };
    let Some(list) = ListRef::of(slot.get()) else { return Ok(()) };
    let len = list.len();
    let keep = span(start, end, len);
    let left = keep.len();
    if left > 0 && left < len {
        store::edit(&mut slot, fill, &[], |list| list.trim(keep.start, keep.end));
        store::shrink(&mut slot, fill);
    }
    if left < len {
        store::removed(cx, key, left, len - left, "ltrim");
    } else {
        let hash = cx.hash(key);
        cx.note_touched(key, hash);
        cx.notify(Events::LIST, "ltrim", key);
    }
    out.ok();
    Ok(())
}
