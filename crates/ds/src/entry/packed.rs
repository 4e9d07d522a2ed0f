//! Small collections as they stand in their entries: which layout a run of bytes has follows from the encoding, here and
//! nowhere else.

use super::{Encoding, Entry};
use crate::intset::IntsetRef;
use crate::listpack::{Flat, FlatRef, LpRef, Pack, Room};
use crate::packed_hash::Form;

/// A small collection.
#[derive(Clone, Copy, Debug)]
pub enum PackedRef<'a> {
    List(LpRef<'a>),
    Intset(IntsetRef<'a>),
    Set(FlatRef<'a>),
    Hash(FlatRef<'a>, Form),
    Zset(FlatRef<'a>),
}

impl<'a> PackedRef<'a> {
    /// The collection in the run of an entry with this encoding, which is a packed one.
    #[inline]
    pub(super) fn of_run(encoding: Encoding, bytes: &'a [u8]) -> Self {
        match encoding {
            Encoding::ListPacked => PackedRef::List(LpRef::new(bytes)),
            Encoding::SetIntset => PackedRef::Intset(IntsetRef::new(bytes)),
            Encoding::SetPacked => PackedRef::Set(LpRef::new(bytes)),
            Encoding::HashPacked => PackedRef::Hash(LpRef::new(bytes), Form::Pairs),
            Encoding::HashPackedTtl => PackedRef::Hash(LpRef::new(bytes), Form::Triples),
            Encoding::ZsetPacked => PackedRef::Zset(LpRef::new(bytes)),
            _ => unreachable!("invariant: other encodings are no collections in a run"),
        }
    }

    /// How it is stored.
    pub fn encoding(self) -> Encoding {
        match self {
            PackedRef::List(_) => Encoding::ListPacked,
            PackedRef::Intset(_) => Encoding::SetIntset,
            PackedRef::Set(_) => Encoding::SetPacked,
            PackedRef::Hash(_, Form::Pairs) => Encoding::HashPacked,
            PackedRef::Hash(_, Form::Triples) => Encoding::HashPackedTtl,
            PackedRef::Zset(_) => Encoding::ZsetPacked,
        }
    }

    /// The bytes in the entry.
    pub(super) fn as_bytes(self) -> &'a [u8] {
        match self {
            PackedRef::List(pack) => pack.as_bytes(),
            PackedRef::Intset(ints) => ints.as_bytes(),
            PackedRef::Set(pack) | PackedRef::Hash(pack, _) | PackedRef::Zset(pack) => pack.as_bytes(),
        }
    }
}

/// A small collection outside any entry.
pub struct OwnedPacked(Encoding, Vec<u8>);

impl OwnedPacked {
    pub(super) fn of(packed: PackedRef<'_>) -> Self {
        Self(packed.encoding(), packed.as_bytes().to_vec())
    }

    /// For reading.
    pub fn view(&self) -> PackedRef<'_> {
        PackedRef::of_run(self.0, &self.1)
    }
}

/// The bytes of a packed collection inside its entry; see [`Entry::list_mut`] and [`Entry::held_pack`].
pub struct Packed<'a>(&'a mut Entry);

impl Room for Packed<'_> {
    fn bytes(&self) -> &[u8] {
        self.0.run()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.run_mut()
    }

    fn splice(&mut self, at: usize, old: usize, parts: [&[u8]; 3]) {
        self.0.splice_run(at, old, parts);
    }
}

impl Entry {
    /// A small list, for changing it where it stands; `None` if the value is none.
    pub fn list_mut(&mut self) -> Option<Pack<Packed<'_>>> {
        (self.view().encoding() == Encoding::ListPacked).then_some(Pack::over(Packed(self)))
    }

    /// A small set, hash or sorted set, for changing it where it stands; `None` if the value is none.
    pub(super) fn flat_mut(&mut self) -> Option<Pack<Packed<'_>, Flat>> {
        let encoding = self.view().encoding();
        let flat = matches!(
            encoding,
            Encoding::SetPacked | Encoding::HashPacked | Encoding::HashPackedTtl | Encoding::ZsetPacked
        );
        flat.then_some(Pack::over(Packed(self)))
    }
}
