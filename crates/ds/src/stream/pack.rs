//! Where the listpack of a block stands.
//!
//! ```text
//! Open     counts | Vec -> bytes             the last block of a stream, and those that were changed since
//! Sealed   counts | bytes                    one allocation
//! Sealed   counts | bytes | bytes | bytes    one allocation for several: a bundle
//! ```
//! Size classes are a fifth apart where blocks have their sizes, so that one block wastes a tenth of its own on average; a
//! bundle is made of as many as fill theirs. It is freed with the last of its blocks. [`super::Stream`] bundles.

use std::sync::Arc;

use sys::alloc::size_class;

use crate::cow::make_mut;
use crate::listpack::{Listpack, LpRef};

/// What an allocation that is shared holds beside the bytes: its two reference counts.
const COUNTS: usize = 2 * size_of::<usize>();
/// Most bytes of a bundle: the greatest class of which several objects share a slab.
const BUNDLE_BYTES: usize = 14 << 10;
/// A bundle takes at least one of so many parts less than its blocks do.
const LEAST_GAIN: usize = 32;

/// See the file comment. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub(super) enum Shared {
    /// A listpack that may grow.
    Open(Arc<Listpack>),
    /// The `len` bytes at `at` do not change.
    Sealed { bytes: Arc<[u8]>, at: u32, len: u32 },
}

impl Shared {
    pub(super) fn open(pack: Listpack) -> Self {
        Shared::Open(Arc::new(pack))
    }

    /// `bytes` are those of a listpack.
    pub(super) fn sealed(bytes: &[u8]) -> Self {
        Shared::Sealed { bytes: Arc::from(bytes), at: 0, len: offset(bytes.len()) }
    }

    pub(super) fn view(&self) -> LpRef<'_> {
        match self {
            Shared::Open(pack) => pack.view(),
            Shared::Sealed { bytes, at, len } => LpRef::new(&bytes[*at as usize..][..*len as usize]),
        }
    }

    /// The listpack, for changing it: from now on an open one that nobody else sees.
    pub(super) fn make_mut(&mut self) -> &mut Listpack {
        if let Shared::Sealed { .. } = self {
            *self = Self::open(Listpack::from_valid(self.view().as_bytes().to_vec()));
        }
        match self {
            Shared::Open(pack) => make_mut(pack),
            Shared::Sealed { .. } => unreachable!("it was opened just now"),
        }
    }

    pub(super) fn seal(&mut self) {
        if let Shared::Open(pack) = self {
            *self = Self::sealed(pack.as_bytes());
        }
    }

    /// Its bytes, if it is sealed in an allocation of its own.
    pub(super) fn alone(&self) -> Option<&[u8]> {
        match self {
            Shared::Sealed { bytes, len, .. } if bytes.len() == *len as usize => Some(bytes),
            _ => None,
        }
    }

    /// The number of its bytes and the allocation in which they are, if it is sealed.
    #[cfg(test)]
    pub(super) fn allocation(&self) -> Option<(usize, &[u8])> {
        match self {
            Shared::Sealed { bytes, len, .. } => Some((*len as usize, bytes)),
            Shared::Open(_) => None,
        }
    }

    /// Heap bytes; of a bundle the part that is this one's.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Shared::Open(pack) => COUNTS + size_of::<Listpack>() + pack.capacity(),
            Shared::Sealed { at: 0, len, .. } => COUNTS + *len as usize,
            Shared::Sealed { len, .. } => *len as usize,
        }
    }
}

/// A block is at most 1 GiB.
fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("invariant: a block has less than 2^32 bytes")
}

/// How many of these blocks, which are sealed alone, are to be bundled: the fewest with which memory is saved.
pub(super) fn worth_bundling<'a>(alone: impl Iterator<Item = &'a [u8]>) -> Option<usize> {
    let (mut apart, mut together) = (0, COUNTS);
    for (index, bytes) in alone.enumerate() {
        apart += size_class(COUNTS + bytes.len());
        together += bytes.len();
        if together > BUNDLE_BYTES {
            return None;
        }
        if size_class(together) + apart / LEAST_GAIN < apart {
            return Some(index + 1);
        }
    }
    None
}

/// One allocation for the bytes of all these, and where they are in it.
pub(super) fn bundle(parts: &[&[u8]]) -> Vec<Shared> {
    let bytes: Arc<[u8]> = parts.concat().into();
    let mut at = 0;
    let place = |part: &&[u8]| {
        let len = offset(part.len());
        at += len;
        Shared::Sealed { bytes: bytes.clone(), at: at - len, len }
    };
    parts.iter().map(place).collect()
}
