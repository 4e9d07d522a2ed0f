//! Listpacks that can be changed, and their edits.
//!
//! The edits know the bytes only through [`Room`]: an owned listpack keeps them in a vector, a small collection has them in
//! its key's entry and is changed right there.

use std::marker::PhantomData;

use super::encode::{Encoded, entry_len};
use super::validate::{LpError, validate};
use super::{COUNT_UNKNOWN, END, Flat, Framed, Layout, LpIter, LpPos, LpRef, LpValue, MAX_BYTES};
use sys::alloc::size_class;

/// Where the bytes of a listpack stand. They are changed through nothing else.
pub trait Room {
    fn bytes(&self) -> &[u8];

    fn bytes_mut(&mut self) -> &mut [u8];

    /// Puts `parts`, one after the other, in the place of the `old` bytes at `at`.
    fn splice(&mut self, at: usize, old: usize, parts: [&[u8]; 3]);
}

impl Room for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }

    fn splice(&mut self, at: usize, old: usize, parts: [&[u8]; 3]) {
        let (before, new) = (self.len(), parts.iter().map(|part| part.len()).sum::<usize>());
        if new > old {
            grow(self, new - old);
            self.resize(before + new - old, 0);
        }
        if new != old {
            self.copy_within(at + old..before, at + new);
            self.truncate(before + new - old);
        }
        let mut to = at;
        for part in parts {
            self[to..to + part.len()].copy_from_slice(part);
            to += part.len();
        }
        if new < old {
            shrink(self);
        }
    }
}

/// Reserves room up to the next allocator size class, so that growth wastes an eighth at most.
fn grow(bytes: &mut Vec<u8>, extra: usize) {
    let need = bytes.len() + extra;
    if need > bytes.capacity() {
        bytes.reserve_exact(size_class(need) - bytes.len());
    }
}

/// Gives memory back once a quarter or more is unused.
fn shrink(bytes: &mut Vec<u8>) {
    let class = size_class(bytes.len());
    if bytes.capacity() - bytes.capacity() / 4 >= class {
        bytes.shrink_to(class);
    }
}

/// A listpack whose bytes are in `R`. Reading goes through [`Pack::view`].
#[derive(Clone, PartialEq, Eq)]
pub struct Pack<R, L = Framed>(pub(crate) R, PhantomData<L>);

/// An owned listpack.
pub type Listpack = Pack<Vec<u8>>;

/// An owned flat listpack.
pub type FlatPack = Pack<Vec<u8>, Flat>;

impl<L: Layout> Default for Pack<Vec<u8>, L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Room, L: Layout> std::fmt::Debug for Pack<R, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.view().iter()).finish()
    }
}

impl<L: Layout> Pack<Vec<u8>, L> {
    /// An empty listpack.
    pub fn new() -> Self {
        Self::over(L::EMPTY.to_vec())
    }

    /// The bytes; framed, as they go into an RDB file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives the bytes up.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Heap bytes reserved.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// All elements in order.
    pub fn iter(&self) -> LpIter<'_, L> {
        self.view().iter()
    }
}

impl Listpack {
    /// Takes over bytes from outside after checking them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, LpError> {
        validate(&bytes)?;
        Ok(Self::over(bytes))
    }

    /// Takes over bytes that came out of a listpack or passed [`validate`].
    pub fn from_valid(bytes: Vec<u8>) -> Self {
        debug_assert!(validate(&bytes).is_ok());
        Self::over(bytes)
    }

    /// Makes room for `extra` more bytes and as much again as there is, so that a listpack which is appended to all the time
    /// rarely moves.
    pub fn reserve_ahead(&mut self, extra: usize) {
        let (len, need) = (self.0.len(), self.0.len() + extra);
        if need > self.0.capacity() {
            self.0.reserve_exact(size_class(need.max(2 * len)) - len);
        }
    }

    /// Appends several elements at once.
    pub fn push_values<'v>(&mut self, values: impl Iterator<Item = LpValue<'v>>) {
        self.0.pop();
        let mut count = 0;
        for value in values {
            super::encode::push(&mut self.0, value);
            count += 1;
        }
        self.0.push(END);
        self.set_total();
        self.add_count(count);
    }

    /// Cuts the elements from `pos` on off and gives them as a listpack of their own.
    pub fn split_off(&mut self, pos: LpPos) -> Listpack {
        let mut tail = Vec::with_capacity(Framed::HEADER + self.0.len() - pos.0);
        tail.extend_from_slice(&[0; Framed::HEADER]);
        tail.extend_from_slice(&self.0[pos.0..]);
        let mut tail = Listpack::over(tail);
        tail.set_total();
        tail.recount();
        self.0.truncate(pos.0);
        self.0.push(END);
        self.set_total();
        shrink(&mut self.0);
        self.recount();
        tail
    }

    /// Appends all elements of another listpack.
    pub fn append(&mut self, other: LpRef<'_>) {
        let count = self.len() + other.len();
        self.0.pop();
        grow(&mut self.0, other.0.len() - Framed::HEADER);
        self.0.extend_from_slice(&other.0[Framed::HEADER..]);
        self.set_total();
        self.set_count(count);
    }
}

impl<R: Room, L: Layout> Pack<R, L> {
    /// The listpack that these bytes are.
    pub(crate) fn over(bytes: R) -> Self {
        Self(bytes, PhantomData)
    }

    /// The reading side.
    pub fn view(&self) -> LpRef<'_, L> {
        LpRef(self.0.bytes(), PhantomData)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// Whether `extra` more bytes keep the listpack below 1 GiB. Ask before adding anything that a client sent.
    pub fn fits(&self, extra: usize) -> bool {
        self.0.bytes().len().saturating_add(extra) <= MAX_BYTES
    }

    /// Appends an element, as an integer if it is the text of one.
    pub fn push_back(&mut self, element: &[u8]) {
        self.push_value(LpValue::from_bytes(element));
    }

    /// Appends an integer.
    pub fn push_int(&mut self, element: i64) {
        self.push_value(LpValue::Int(element));
    }

    /// Appends an element as it is.
    pub fn push_value(&mut self, value: LpValue<'_>) {
        self.splice(self.view().end(), 0, value);
        self.add_count(1);
    }

    /// Puts an element first.
    pub fn push_front(&mut self, element: &[u8]) {
        self.splice(L::HEADER, 0, LpValue::from_bytes(element));
        self.add_count(1);
    }

    /// Inserts before `pos`, or at the end; gives the position of the new element.
    pub fn insert_before(&mut self, pos: Option<LpPos>, value: LpValue<'_>) -> LpPos {
        let at = pos.map_or(self.view().end(), |pos| pos.0);
        self.splice(at, 0, value);
        self.add_count(1);
        LpPos(at)
    }

    /// Inserts after `pos`; gives the position of the new element.
    pub fn insert_after(&mut self, pos: LpPos, value: LpValue<'_>) -> LpPos {
        let next = self.view().next(pos);
        self.insert_before(next, value)
    }

    /// Puts another element in the place of the one at `pos`, which stays valid.
    pub fn replace(&mut self, pos: LpPos, value: LpValue<'_>) {
        let old = self.entry_end(pos) - pos.0;
        self.splice(pos.0, old, value);
    }

    /// As [`Pack::replace`] for an integer. One that takes as many bytes as the old element is written over it.
    pub fn replace_int(&mut self, pos: LpPos, number: i64) {
        let encoded = Encoded::new::<L>(LpValue::Int(number));
        let (head, old) = (encoded.head(), self.entry_end(pos) - pos.0);
        if old == head.len() + usize::from(L::FRAMED) {
            // The byte behind it, if there is one, which tells how long it is, stays.
            self.0.bytes_mut()[pos.0..][..head.len()].copy_from_slice(head);
        } else {
            self.replace(pos, LpValue::Int(number));
        }
    }

    /// Removes the element at `pos`; gives the position of the one that follows.
    pub fn remove(&mut self, pos: LpPos) -> Option<LpPos> {
        self.remove_span(pos, 1)
    }

    /// Removes up to `count` elements from `pos` on; gives the position of the one that follows.
    pub fn remove_span(&mut self, pos: LpPos, count: usize) -> Option<LpPos> {
        let pack = self.view();
        let (mut end, mut removed) = (pos.0, 0);
        while removed < count && end < pack.end() {
            end = self.entry_end(LpPos(end));
            removed += 1;
        }
        let unknown = pack.header_count() == COUNT_UNKNOWN;
        self.0.splice(pos.0, end - pos.0, [&[]; 3]);
        self.set_total();
        if unknown {
            self.recount()
        } else {
            self.sub_count(removed)
        }
        (pos.0 < self.view().end()).then_some(pos)
    }

    /// Removes up to `count` elements from the index `start` on; negative counts from the end.
    pub fn remove_range(&mut self, start: i64, count: usize) {
        if let Some(pos) = self.view().seek(start) {
            self.remove_span(pos, count);
        }
    }

    fn entry_end(&self, pos: LpPos) -> usize {
        pos.0 + entry_len::<L>(self.0.bytes(), pos.0)
    }

    /// Puts the entry of `value` in the place of `old` bytes at `at`.
    fn splice(&mut self, at: usize, old: usize, value: LpValue<'_>) {
        let encoded = Encoded::new::<L>(value);
        let body = match value {
            LpValue::Int(_) => &[][..],
            LpValue::Str(s) => s,
        };
        self.0.splice(at, old, [encoded.head(), body, encoded.back()]);
        self.set_total();
    }

    fn set_total(&mut self) {
        if L::FRAMED {
            set_total(self.0.bytes_mut());
        }
    }

    fn set_count(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
        self.0.bytes_mut()[L::HEADER - 2..L::HEADER].copy_from_slice(&count.to_le_bytes());
    }

    fn recount(&mut self) {
        let count = self.view().positions_from(self.view().first()).count();
        self.set_count(count);
    }

    fn add_count(&mut self, added: usize) {
        let count = self.view().header_count();
        if count != COUNT_UNKNOWN {
            self.set_count(usize::from(count) + added);
        }
    }

    fn sub_count(&mut self, removed: usize) {
        let count = usize::from(self.view().header_count());
        self.set_count(count - removed);
    }
}

/// Writes the size of a framed listpack into its header.
pub(super) fn set_total(bytes: &mut [u8]) {
    let total = u32::try_from(bytes.len()).expect("invariant: callers keep listpacks below 1 GiB");
    bytes[..4].copy_from_slice(&total.to_le_bytes());
}

impl<'a, L: Layout> FromIterator<&'a [u8]> for Pack<Vec<u8>, L> {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(elements: I) -> Self {
        let mut pack = Self::new();
        for element in elements {
            pack.push_back(element);
        }
        pack
    }
}
