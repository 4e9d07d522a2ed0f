//! Listpack: a sequence of strings and integers in one run of bytes, in one of two layouts.
//!
//! ```text
//! framed, byte for byte as Redis keeps it in RDB files:
//! | total bytes u32 LE | entries u16 LE | entry, back length ... | 0xFF |
//! flat, in memory only, where its size is known and nobody walks backwards:
//! | entries u16 LE | entry ... |
//!
//! entry   = encoding byte + data
//! 0xxxxxxx                     integer 0..=127
//! 10llllll                     string of up to 63 bytes
//! 110vvvvv vvvvvvvv            integer of 13 bits
//! 1110llll llllllll            string of up to 4095 bytes
//! 11110000 l32                 longer string
//! 11110001 / 10 / 11 / 100     integer of 16 / 24 / 32 / 64 bits, little endian
//! back length = size of the entry, 7 bits a byte, most significant first; read from its end backwards
//! ```
//!
//! Invariant: the bytes inside [`Pack`] and [`LpRef`] are well formed. What came from outside passes
//! [`validate`] first. A string that is the canonical text of an `i64` is stored as integer. 65535 in the
//! entry count means "count them". Small lists, stream blocks and list chunks are framed, small hashes, sets and sorted
//! sets flat.

mod edit;
mod encode;
mod layout;
mod validate;

use std::marker::PhantomData;

use crate::num::{IntText, decimal_len, format_i64, parse_f64, parse_i64};
pub use edit::{FlatPack, Listpack, Pack, Room};
pub use encode::{MOST_AROUND, encoded_len};
pub use layout::{Flat, Framed, Layout};
pub use validate::{LpError, validate};

/// The byte after the last entry of a framed listpack.
const END: u8 = 0xff;
/// Entry count that means "not known".
const COUNT_UNKNOWN: u16 = u16::MAX;
/// Callers convert to another encoding, or refuse, before a listpack would exceed this. A flat one may be framed at twice its
/// size, which the total still holds.
pub const MAX_BYTES: usize = 1 << 30;

/// Where an entry begins: an offset from the start of the listpack. Valid until the next edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LpPos(pub(crate) usize);

/// One element, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LpValue<'a> {
    Int(i64),
    Str(&'a [u8]),
}

impl<'a> LpValue<'a> {
    /// The value that a byte string is stored as.
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        parse_i64(bytes).map_or(LpValue::Str(bytes), LpValue::Int)
    }

    /// Length in bytes of the element as a string.
    pub fn text_len(&self) -> usize {
        match self {
            LpValue::Int(n) => decimal_len(*n),
            LpValue::Str(s) => s.len(),
        }
    }

    /// Appends the element as a string.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            LpValue::Int(n) => format_i64(*n, out),
            LpValue::Str(s) => out.extend_from_slice(s),
        }
    }

    /// The element as an owned string.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text_len());
        self.write_to(&mut out);
        out
    }

    /// Lends the element as a string; `scratch` holds the text of an integer.
    pub fn text<'b>(&'b self, scratch: &'b mut IntText) -> &'b [u8] {
        match self {
            LpValue::Int(n) => scratch.format(*n),
            LpValue::Str(s) => s,
        }
    }

    /// Whether the element is the string `bytes`, which is stored as `wanted` (see [`LpValue::from_bytes`]).
    #[inline]
    pub fn is(&self, wanted: LpValue<'_>, bytes: &[u8]) -> bool {
        match self {
            LpValue::Int(_) => *self == wanted,
            // Foreign listpacks may hold a number as text.
            LpValue::Str(s) => *s == bytes,
        }
    }

    /// Whether the element is this string.
    pub fn eq_bytes(&self, bytes: &[u8]) -> bool {
        match self {
            LpValue::Int(n) => parse_i64(bytes) == Some(*n),
            LpValue::Str(s) => *s == bytes,
        }
    }

    /// The element as an integer, also when its string form is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            LpValue::Int(n) => Some(*n),
            LpValue::Str(s) => parse_i64(s),
        }
    }

    /// The element as a score.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            LpValue::Int(n) => Some(*n as f64),
            LpValue::Str(s) => parse_f64(s),
        }
    }
}

/// A borrowed listpack: all reading happens here.
#[derive(Clone, Copy, Debug)]
pub struct LpRef<'a, L = Framed>(&'a [u8], PhantomData<L>);

/// A borrowed flat listpack.
pub type FlatRef<'a> = LpRef<'a, Flat>;

impl<'a, L: Layout> LpRef<'a, L> {
    /// Wraps bytes that came out of a [`Pack`] of this layout or, framed, that [`validate`] has accepted.
    pub fn new(bytes: &'a [u8]) -> Self {
        debug_assert!(bytes.len() >= L::HEADER + L::END && (!L::FRAMED || bytes.last() == Some(&END)));
        Self(bytes, PhantomData)
    }

    /// The whole listpack, header and end included.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    #[inline]
    fn end(self) -> usize {
        self.0.len() - L::END
    }

    #[inline]
    fn header_count(self) -> u16 {
        u16::from_le_bytes([self.0[L::HEADER - 2], self.0[L::HEADER - 1]])
    }

    /// Number of elements; O(1) below 65535.
    pub fn len(self) -> usize {
        match self.header_count() {
            COUNT_UNKNOWN => self.positions_from(self.first()).count(),
            count => usize::from(count),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(self) -> bool {
        self.end() == L::HEADER
    }

    /// The first element.
    pub fn first(self) -> Option<LpPos> {
        (!self.is_empty()).then_some(LpPos(L::HEADER))
    }

    /// The element after `pos`.
    pub fn next(self, pos: LpPos) -> Option<LpPos> {
        let next = pos.0 + encode::entry_len::<L>(self.0, pos.0);
        (next < self.end()).then_some(LpPos(next))
    }

    /// The element at `pos`.
    pub fn value(self, pos: LpPos) -> LpValue<'a> {
        encode::decode(&self.0[pos.0..])
    }

    /// Position of the element with this index; negative counts from the end, -1 is the last.
    pub fn seek(self, index: i64) -> Option<LpPos> {
        L::seek(self, index)
    }

    /// The element with this index; negative counts from the end.
    pub fn get(self, index: i64) -> Option<LpValue<'a>> {
        self.seek(index).map(|pos| self.value(pos))
    }

    /// All elements in order.
    pub fn iter(self) -> LpIter<'a, L> {
        LpIter { pack: self, at: L::HEADER }
    }

    /// The elements from `pos` on, in order.
    pub fn iter_from(self, pos: Option<LpPos>) -> LpIter<'a, L> {
        LpIter { pack: self, at: pos.map_or(self.end(), |pos| pos.0) }
    }

    /// Positions from `pos` on.
    pub fn positions_from(self, pos: Option<LpPos>) -> impl Iterator<Item = LpPos> + use<'a, L> {
        std::iter::successors(pos, move |pos| self.next(*pos))
    }

    /// Whether the elements from `pos` on are these strings.
    pub fn reads<'t>(self, pos: LpPos, texts: impl Iterator<Item = &'t [u8]>) -> bool {
        let (mut at, end) = (pos.0, self.end());
        for text in texts {
            if at >= end || !encode::is(&self.0[at..], text, parse_i64(text)) {
                return false;
            }
            at += encode::entry_len::<L>(self.0, at);
        }
        true
    }

    /// The first element equal to `needle` from `start` on, passing `skip` elements after each one compared
    /// (1 compares the fields of field-value pairs only).
    pub fn find(self, start: Option<LpPos>, needle: &[u8], skip: usize) -> Option<LpPos> {
        let wanted = parse_i64(needle);
        let (mut at, end, mut pass) = (start?.0, self.end(), 0);
        while at < end {
            let entry = &self.0[at..];
            if pass == 0 {
                if encode::is(entry, needle, wanted) {
                    return Some(LpPos(at));
                }
                pass = skip;
            } else {
                pass -= 1;
            }
            at += encode::entry_len::<L>(self.0, at);
        }
        None
    }
}

/// What walks backwards, along the back lengths.
impl<'a> LpRef<'a> {
    /// The last element.
    pub fn last(self) -> Option<LpPos> {
        self.before(self.end())
    }

    /// The element before `pos`.
    pub fn prev(self, pos: LpPos) -> Option<LpPos> {
        self.before(pos.0)
    }

    fn before(self, offset: usize) -> Option<LpPos> {
        if offset <= Framed::HEADER {
            return None;
        }
        let size = encode::read_back_len(&self.0[..offset])?;
        Some(LpPos(offset - size - encode::back_len_size(size)))
    }

    /// All elements, last first.
    pub fn iter_rev(self) -> impl Iterator<Item = LpValue<'a>> {
        self.positions_back_from(self.last()).map(move |pos| self.value(pos))
    }

    /// Positions from `pos` backwards.
    pub fn positions_back_from(self, pos: Option<LpPos>) -> impl Iterator<Item = LpPos> + use<'a> {
        std::iter::successors(pos, move |pos| self.prev(*pos))
    }
}

/// Steps over the elements of a listpack. Unlike [`LpIter`] it can pass elements without looking at them. Its steps are a few
/// instructions each, in loops over all elements, where a call would double them.
pub(crate) struct Reader<'a, L = Framed> {
    pack: LpRef<'a, L>,
    at: usize,
}

impl<'a, L: Layout> Reader<'a, L> {
    pub(crate) fn new(pack: LpRef<'a, L>, from: LpPos) -> Self {
        Self { pack, at: from.0 }
    }

    /// The element that comes next, if there is one.
    #[inline(always)]
    pub(crate) fn pos(&self) -> Option<LpPos> {
        (self.at < self.pack.end()).then_some(LpPos(self.at))
    }

    /// Whether the next element is this string, whose value as an integer, if it is one, is `wanted`.
    #[inline(always)]
    pub(crate) fn is(&self, needle: &[u8], wanted: Option<i64>) -> bool {
        self.pos().is_some_and(|pos| encode::is(&self.pack.0[pos.0..], needle, wanted))
    }

    /// The next element.
    #[inline(always)]
    pub(crate) fn element(&mut self) -> Option<LpValue<'a>> {
        let (value, size) = encode::read::<L>(self.pack.0, self.pos()?.0);
        self.at += size;
        Some(value)
    }

    /// The next element as a score.
    #[inline(always)]
    pub(crate) fn score(&mut self) -> Option<f64> {
        self.element()?.as_f64()
    }

    /// The next element, if it is an integer.
    #[inline(always)]
    pub(crate) fn int(&mut self) -> Option<i64> {
        match encode::read::<L>(self.pack.0, self.pos()?.0) {
            (LpValue::Int(number), size) => {
                self.at += size;
                Some(number)
            }
            (LpValue::Str(_), _) => None,
        }
    }

    /// Passes an element; nothing at the end.
    #[inline(always)]
    pub(crate) fn pass_one(&mut self) {
        if self.at < self.pack.end() {
            self.at += encode::entry_len::<L>(self.pack.0, self.at);
        }
    }

    /// Passes `count` elements; `None` if there are fewer.
    #[inline(always)]
    pub(crate) fn pass(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.at += encode::entry_len::<L>(self.pack.0, self.pos()?.0);
        }
        Some(())
    }
}

/// Elements of a listpack in order.
#[derive(Clone, Debug)]
pub struct LpIter<'a, L = Framed> {
    pack: LpRef<'a, L>,
    at: usize,
}

impl<'a, L: Layout> Iterator for LpIter<'a, L> {
    type Item = LpValue<'a>;

    #[inline]
    fn next(&mut self) -> Option<LpValue<'a>> {
        if self.at >= self.pack.end() {
            return None;
        }
        let (value, size) = encode::read::<L>(self.pack.0, self.at);
        self.at += size;
        Some(value)
    }
}

#[cfg(test)]
mod tests;
