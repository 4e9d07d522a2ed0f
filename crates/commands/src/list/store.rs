//! A list as its handlers see it, whichever way it is stored.
//!
//! Invariant: a list that is one listpack within `list-max-listpack-size` and never was larger stands in its entry; a
//! large one returns there once it is one chunk of at most half the limit, as the peers do it. No list is empty once
//! its command is done: whoever takes the last element deletes the key.

use config::{Directive, Events};
use ds::entry::{Entry, EntryRef, Kind, PackedRef, Value, ValueRef};
use ds::list::{Fill, List};
use ds::listpack::{Listpack, LpRef, LpValue, Pack, Room};
use ds::object::Object;
use keyspace::EntrySlot;

use super::Side;
use crate::cx::Cx;
use crate::error::Result;

/// A list that is being read.
#[derive(Clone, Copy)]
pub(crate) enum ListRef<'a> {
    Packed(LpRef<'a>),
    Large(&'a List),
}

impl<'a> ListRef<'a> {
    /// The list of an entry; `None` if it holds something else.
    pub(crate) fn of(entry: EntryRef<'a>) -> Option<ListRef<'a>> {
        match entry.value() {
            ValueRef::Packed(PackedRef::List(pack)) => Some(ListRef::Packed(pack)),
            ValueRef::Object(Object::List(list)) => Some(ListRef::Large(list)),
            _ => None,
        }
    }

    /// The list at a key, for reading.
    pub(super) fn find<'c>(cx: &'c mut Cx<'_>, key: &[u8]) -> Result<Option<ListRef<'c>>> {
        Ok(cx.find_kind(key, Kind::List)?.and_then(ListRef::of))
    }

    pub(crate) fn len(self) -> usize {
        match self {
            ListRef::Packed(pack) => pack.len(),
            ListRef::Large(list) => list.len(),
        }
    }

    pub(super) fn get(self, index: usize) -> Option<LpValue<'a>> {
        match self {
            ListRef::Packed(pack) => pack.get(i64::try_from(index).ok()?),
            ListRef::Large(list) => list.get(index),
        }
    }

    /// Hands elements to `visit` from an index on, forward or backward, until it says stop.
    pub(crate) fn visit(self, from: usize, forward: bool, mut visit: impl FnMut(LpValue<'a>) -> bool) {
        match (self, forward) {
            (ListRef::Packed(pack), true) => {
                pack.iter_from(pack.seek(from as i64)).all(visit);
            }
            (ListRef::Packed(pack), false) => {
                let mut at = pack.seek(from as i64);
                while let Some(pos) = at
                    && visit(pack.value(pos))
                {
                    at = pack.prev(pos);
                }
            }
            (ListRef::Large(list), true) => {
                list.iter_from(from).all(visit);
            }
            (ListRef::Large(list), false) => {
                list.iter_rev_from(from).all(visit);
            }
        }
    }

    /// Index of an element, counted from the end if negative; `None` if it is out of range.
    pub(super) fn index(self, given: i64) -> Option<usize> {
        let len = self.len() as i64;
        let index = if given < 0 { given.checked_add(len)? } else { given };
        (0..len).contains(&index).then_some(index as usize)
    }
}

/// The limits of small lists and of chunks.
pub(super) fn fill(cx: &Cx<'_>) -> Fill {
    Fill::from_config(cx.server.config.int(Directive::ListMaxListpackSize))
}

/// Whether a small list stays small when these elements are added.
fn stays_small(bytes: usize, len: usize, added: &[&[u8]], fill: Fill) -> bool {
    let extra: usize = added.iter().map(|element| element.len()).sum();
    fill.allows(bytes.saturating_add(extra), len + added.len())
}

/// Adds elements one after the other at an end of the list in `slot`.
pub(super) fn push(slot: &mut EntrySlot<'_>, elements: &[&[u8]], side: Side, fill: Fill) -> usize {
    slot.update(|entry| {
        if let Some(Object::List(list)) = entry.object_mut() {
            push_large(list, elements, side, fill);
            return list.len();
        }
        let ValueRef::Packed(PackedRef::List(pack)) = entry.view().value() else { return 0 };
        if !stays_small(pack.as_bytes().len(), pack.len(), elements, fill) {
            let mut list = List::from_pack(Listpack::from_valid(pack.as_bytes().to_vec()));
            push_large(&mut list, elements, side, fill);
            let len = list.len();
            entry.set_value(Value::Object(Box::new(Object::List(list))));
            return len;
        }
        let Some(mut pack) = entry.list_mut() else { return 0 };
        push_packed(&mut pack, elements, side);
        pack.len()
    })
}

fn push_large(list: &mut List, elements: &[&[u8]], side: Side, fill: Fill) {
    for element in elements {
        match side {
            Side::Left => list.push_front(element, fill),
            Side::Right => list.push_back(element, fill),
        }
    }
}

fn push_packed<R: Room>(pack: &mut Pack<R>, elements: &[&[u8]], side: Side) {
    for element in elements {
        match side {
            Side::Left => pack.push_front(element),
            Side::Right => pack.push_back(element),
        }
    }
}

/// Makes a new key with these elements, each pushed at `side`.
pub(crate) fn create(cx: &mut Cx<'_>, key: &[u8], elements: &[&[u8]], side: Side) {
    let fill = fill(cx);
    if stays_small(Listpack::new().as_bytes().len(), 0, elements, fill) {
        let mut pack = Listpack::new();
        push_packed(&mut pack, elements, side);
        cx.put(key, Value::Packed(PackedRef::List(pack.view())), None);
    } else {
        let mut list = List::new();
        push_large(&mut list, elements, side, fill);
        cx.put(key, Value::Object(Box::new(Object::List(list))), None);
    }
}

/// Changes the list in `slot`. `added` are elements that the change may bring in: they decide whether a small list
/// stays small.
pub(super) fn edit<R>(
    slot: &mut EntrySlot<'_>,
    fill: Fill,
    added: &[&[u8]],
    change: impl FnOnce(&mut List) -> R,
) -> R {
    slot.update(|entry| {
        if let Some(Object::List(list)) = entry.object_mut() {
            return change(list);
        }
        let ValueRef::Packed(PackedRef::List(pack)) = entry.view().value() else {
            unreachable!("invariant: a list is a listpack or chunks of them")
        };
        let small = stays_small(pack.as_bytes().len(), pack.len(), added, fill);
        let mut list = List::from_pack(Listpack::from_valid(pack.as_bytes().to_vec()));
        let result = change(&mut list);
        store(entry, list, small);
        result
    })
}

/// Puts a changed list back; an empty one is left to be deleted.
fn store(entry: &mut Entry, list: List, small: bool) {
    if list.is_empty() {
        return;
    }
    match list.as_small(Fill::from_config(i64::from(i32::MIN))).filter(|_| small) {
        Some(pack) => entry.set_value(Value::Packed(PackedRef::List(pack.view()))),
        None => entry.set_value(Value::Object(Box::new(Object::List(list)))),
    }
}

/// Removes `count` elements from an index on (at most those that are there).
pub(super) fn remove(slot: &mut EntrySlot<'_>, index: usize, count: usize) {
    slot.update(|entry| {
        if let Some(Object::List(list)) = entry.object_mut() {
            list.remove_range(index, count);
            return;
        }
        if let Some(mut pack) = entry.list_mut() {
            pack.remove_range(index as i64, count);
        }
    });
}

/// Lets a large list be a small one again once it has shrunk to half the limit.
pub(super) fn shrink(slot: &mut EntrySlot<'_>, fill: Fill) {
    let ValueRef::Object(Object::List(list)) = slot.get().value() else { return };
    if list.chunk_count() != 1 || list.as_small(fill.half()).is_none() {
        return;
    }
    slot.update(|entry| {
        let pack = match entry.view().value() {
            ValueRef::Object(Object::List(list)) => list.as_small(fill.half()).cloned(),
            _ => None,
        };
        if let Some(pack) = pack {
            entry.set_value(Value::Packed(PackedRef::List(pack.view())));
        }
    });
}

/// Reports that `count` elements left the list at `key`; deletes the key if none is left.
pub(super) fn removed(cx: &mut Cx<'_>, key: &[u8], left: usize, count: usize, event: &'static str) {
    cx.notify(Events::LIST, event, key);
    if left == 0 {
        cx.delete(key, false);
        cx.notify(Events::GENERIC, "del", key);
    } else {
        cx.changed(key);
    }
    cx.effects.dirty += (count as u64).saturating_sub(1);
}
