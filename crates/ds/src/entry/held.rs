//! The bytes of a small collection while it is changed: in its entry, where they are edited in place, or outside of any.
//!
//! Callers: the editors of hashes, sets and sorted sets, which begin in the entry and leave it when the form changes.

use super::{Entry, Packed};
use crate::listpack::{Flat, FlatPack, Pack, Room};

/// See the file comment.
pub enum Held<'a> {
    Outside(Vec<u8>),
    InEntry(Packed<'a>),
}

impl Room for Held<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Held::Outside(bytes) => bytes,
            Held::InEntry(packed) => packed.bytes(),
        }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Held::Outside(bytes) => bytes,
            Held::InEntry(packed) => packed.bytes_mut(),
        }
    }

    #[inline]
    fn splice(&mut self, at: usize, old: usize, parts: [&[u8]; 3]) {
        match self {
            Held::Outside(bytes) => Room::splice(bytes, at, old, parts),
            Held::InEntry(packed) => packed.splice(at, old, parts),
        }
    }
}

impl From<FlatPack> for Pack<Held<'_>, Flat> {
    fn from(pack: FlatPack) -> Self {
        Pack::over(Held::Outside(pack.into_bytes()))
    }
}

impl<'a> Pack<Held<'a>, Flat> {
    /// The bytes, unless they stand in their entry.
    pub fn outside(self) -> Option<FlatPack> {
        match self.0 {
            Held::Outside(bytes) => Some(Pack::over(bytes)),
            Held::InEntry(_) => None,
        }
    }
}

impl Entry {
    /// A small set, hash or sorted set, for changing it where it stands, or taking it out on the way; `None` if the value is
    /// none.
    pub fn held_pack(&mut self) -> Option<Pack<Held<'_>, Flat>> {
        self.flat_mut().map(|pack| Pack::over(Held::InEntry(pack.0)))
    }
}
