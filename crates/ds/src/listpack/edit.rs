//! The owned listpack and its edits.

use super::encode::Encoded;
use super::validate::{LpError, validate};
use super::{COUNT_UNKNOWN, END, HEADER, LpIter, LpPos, LpRef, LpValue, MAX_BYTES};

/// An owned listpack. Reading goes through [`Listpack::view`].
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack(Vec<u8>);

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Listpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Listpack {
    /// An empty listpack.
    pub fn new() -> Self {
        Self(vec![HEADER as u8 + 1, 0, 0, 0, 0, 0, END])
    }

    /// Takes over bytes from outside after checking them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, LpError> {
        validate(&bytes)?;
        Ok(Self(bytes))
    }

    /// Takes over bytes that came out of a listpack or passed [`validate`].
    pub fn from_valid(bytes: Vec<u8>) -> Self {
        debug_assert!(validate(&bytes).is_ok());
        Self(bytes)
    }

    /// The bytes, as they go into an RDB file.
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

    /// The reading side.
    pub fn view(&self) -> LpRef<'_> {
        LpRef(&self.0)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// All elements in order.
    pub fn iter(&self) -> LpIter<'_> {
        self.view().iter()
    }

    /// Whether `extra` more bytes keep the listpack below 1 GiB. Ask before adding anything that a client sent.
    pub fn fits(&self, extra: usize) -> bool {
        self.0.len().saturating_add(extra) <= MAX_BYTES
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
        self.splice(self.0.len() - 1, 0, value);
        self.add_count(1);
    }

    /// Puts an element first.
    pub fn push_front(&mut self, element: &[u8]) {
        self.splice(HEADER, 0, LpValue::from_bytes(element));
        self.add_count(1);
    }

    /// Inserts before `pos`, or at the end; gives the position of the new element.
    pub fn insert_before(&mut self, pos: Option<LpPos>, value: LpValue<'_>) -> LpPos {
        let at = pos.map_or(self.0.len() - 1, |pos| pos.0);
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

    /// Removes the element at `pos`; gives the position of the one that follows.
    pub fn remove(&mut self, pos: LpPos) -> Option<LpPos> {
        self.remove_span(pos, 1)
    }

    /// Removes up to `count` elements from `pos` on; gives the position of the one that follows.
    pub fn remove_span(&mut self, pos: LpPos, count: usize) -> Option<LpPos> {
        let pack = self.view();
        let (mut end, mut removed) = (pos.0, 0);
        for pos in pack.positions_from(Some(pos)).take(count) {
            end = self.entry_end(pos);
            removed += 1;
        }
        let unknown = pack.header_count() == COUNT_UNKNOWN;
        self.0.drain(pos.0..end);
        self.set_total();
        self.shrink();
        if unknown {
            self.recount()
        } else {
            self.sub_count(removed)
        }
        (pos.0 < self.0.len() - 1).then_some(pos)
    }

    /// Removes up to `count` elements from the index `start` on; negative counts from the end.
    pub fn remove_range(&mut self, start: i64, count: usize) {
        if let Some(pos) = self.view().seek(start) {
            self.remove_span(pos, count);
        }
    }

    /// Cuts the elements from `pos` on off and gives them as a listpack of their own.
    pub fn split_off(&mut self, pos: LpPos) -> Listpack {
        let mut tail = Vec::with_capacity(HEADER + self.0.len() - pos.0);
        tail.extend_from_slice(&[0; HEADER]);
        tail.extend_from_slice(&self.0[pos.0..]);
        let mut tail = Listpack(tail);
        tail.set_total();
        tail.recount();
        self.0.truncate(pos.0);
        self.0.push(END);
        self.set_total();
        self.shrink();
        self.recount();
        tail
    }

    /// Appends all elements of another listpack.
    pub fn append(&mut self, other: LpRef<'_>) {
        let count = self.len() + other.len();
        self.0.pop();
        self.grow(other.0.len() - HEADER);
        self.0.extend_from_slice(&other.0[HEADER..]);
        self.set_total();
        self.set_count(count);
    }

    fn entry_end(&self, pos: LpPos) -> usize {
        pos.0 + super::encode::entry_len(&self.0[pos.0..])
    }

    /// Puts the entry of `value` in the place of `old` bytes at `at`.
    fn splice(&mut self, at: usize, old: usize, value: LpValue<'_>) {
        let encoded = Encoded::new(value);
        let body = match value {
            LpValue::Int(_) => &[][..],
            LpValue::Str(s) => s,
        };
        let (head, back) = (encoded.head(), encoded.back());
        let new = head.len() + body.len() + back.len();
        let before = self.0.len();
        if new > old {
            self.grow(new - old);
            self.0.resize(before + new - old, 0);
        }
        if new != old {
            self.0.copy_within(at + old..before, at + new);
            self.0.truncate(before + new - old);
        }
        let (to_head, rest) = self.0[at..at + new].split_at_mut(head.len());
        to_head.copy_from_slice(head);
        let (to_body, to_back) = rest.split_at_mut(body.len());
        to_body.copy_from_slice(body);
        to_back.copy_from_slice(back);
        self.set_total();
    }

    /// Reserves room up to the next allocator size class, so that growth wastes an eighth at most.
    fn grow(&mut self, extra: usize) {
        let need = self.0.len() + extra;
        if need > self.0.capacity() {
            self.0.reserve_exact(size_class(need) - self.0.len());
        }
    }

    /// Gives memory back once a quarter or more is unused.
    fn shrink(&mut self) {
        let class = size_class(self.0.len());
        if self.0.capacity() - self.0.capacity() / 4 >= class {
            self.0.shrink_to(class);
        }
    }

    fn set_total(&mut self) {
        let total = u32::try_from(self.0.len()).expect("invariant: callers keep listpacks below 1 GiB");
        self.0[..4].copy_from_slice(&total.to_le_bytes());
    }

    fn set_count(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
        self.0[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }

    fn recount(&mut self) {
        let count = self.view().positions_from(self.view().first()).count();
        self.set_count(count);
    }

    fn add_count(&mut self, added: u16) {
        let count = self.view().header_count();
        if count != COUNT_UNKNOWN {
            self.set_count(usize::from(count) + usize::from(added));
        }
    }

    fn sub_count(&mut self, removed: usize) {
        let count = usize::from(self.view().header_count());
        self.set_count(count - removed);
    }
}

impl<'a> FromIterator<&'a [u8]> for Listpack {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(elements: I) -> Self {
        let mut pack = Self::new();
        for element in elements {
            pack.push_back(element);
        }
        pack
    }
}

/// The allocation size that holds `bytes`: four classes per power of two, multiples of 8.
fn size_class(bytes: usize) -> usize {
    let spacing = (bytes.max(2) - 1).ilog2().saturating_sub(2).max(3);
    bytes.next_multiple_of(1 << spacing)
}
