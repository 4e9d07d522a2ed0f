//! The two layouts of the bytes of a listpack, and the ways from one to the other.
//!
//! All that reads or changes a listpack is written once, for any layout; what differs between them are constants, so that
//! each layout gets code of its own. What walks backwards exists for [`Framed`] alone: a [`Flat`] one has nothing to
//! walk along.

use std::fmt::Debug;

use super::encode::{Back, entry_len};
use super::{COUNT_UNKNOWN, END, FlatPack, FlatRef, Listpack, LpPos, LpRef};

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Framed {}
    impl Sealed for super::Flat {}
}

/// How the entries stand in the bytes; drawn in the file comment of [`super`].
pub trait Layout: sealed::Sealed + Copy + Eq + Debug {
    /// Whether total size and end mark stand around the entries, and a back length behind each.
    const FRAMED: bool;
    /// Bytes before the first entry; the last two of them are the count.
    const HEADER: usize = if Self::FRAMED { 6 } else { 2 };
    /// Bytes after the last entry.
    const END: usize = Self::FRAMED as usize;
    /// The bytes of a listpack without elements.
    const EMPTY: &'static [u8];

    /// See [`LpRef::seek`].
    fn seek(pack: LpRef<'_, Self>, index: i64) -> Option<LpPos>;
}

/// The bytes of RDB files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed;

/// Count and entries alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flat;

impl Layout for Framed {
    const FRAMED: bool = true;
    const EMPTY: &'static [u8] = &[7, 0, 0, 0, 0, 0, END];

    fn seek(pack: LpRef<'_>, index: i64) -> Option<LpPos> {
        let count = pack.header_count();
        let (forward, steps) =
            if index >= 0 { (true, index as u64) } else { (false, (index + 1).unsigned_abs()) };
        if count == COUNT_UNKNOWN {
            let steps = usize::try_from(steps).ok()?;
            return if forward {
                pack.positions_from(pack.first()).nth(steps)
            } else {
                pack.positions_back_from(pack.last()).nth(steps)
            };
        }
        let count = u64::from(count);
        if steps >= count {
            return None;
        }
        // Walk from the nearer end.
        let from_front = if forward { steps } else { count - 1 - steps };
        if from_front <= count / 2 {
            pack.positions_from(pack.first()).nth(from_front as usize)
        } else {
            pack.positions_back_from(pack.last()).nth((count - 1 - from_front) as usize)
        }
    }
}

impl Layout for Flat {
    const FRAMED: bool = false;
    const EMPTY: &'static [u8] = &[0, 0];

    fn seek(pack: FlatRef<'_>, index: i64) -> Option<LpPos> {
        let steps = match u64::try_from(index) {
            Ok(steps) => usize::try_from(steps).ok()?,
            Err(_) => pack.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
        };
        let mut reader = super::Reader::new(pack, pack.first()?);
        reader.pass(steps)?;
        reader.pos()
    }
}

impl FlatRef<'_> {
    /// Appends the same elements as the listpack that RDB files have.
    pub fn write_framed(self, out: &mut Vec<u8>) {
        let (flat, begin) = (self.0, out.len());
        // What stands behind an entry is never longer than the entry.
        out.resize(begin + 2 * flat.len() + Framed::HEADER + Framed::END, 0);
        let framed = &mut out[begin..];
        framed[Framed::HEADER - 2..Framed::HEADER].copy_from_slice(&flat[..Flat::HEADER]);
        let (mut rest, mut to) = (&flat[Flat::HEADER..], Framed::HEADER);
        while !rest.is_empty() {
            let size = entry_len::<Flat>(rest, 0);
            to += put_entry(&mut framed[to..], rest, size);
            rest = &rest[size..];
        }
        framed[to] = END;
        out.truncate(begin + to + Framed::END);
        super::edit::set_total(&mut out[begin..]);
    }

    /// As [`FlatRef::write_framed`], on its own.
    pub fn to_framed(self) -> Listpack {
        let mut bytes = Vec::new();
        self.write_framed(&mut bytes);
        Listpack::over(bytes)
    }
}

/// Nearly all entries have fewer bytes, and so many are copied in two instructions.
const SHORT: usize = 16;

/// Puts the entry of `size` bytes at the front of `rest` and its back length at the front of `target`; gives the number of bytes. A
/// short one takes bytes behind it along, which the next one is written over: that is cheaper than a call that copies
/// some few bytes.
#[inline(always)]
fn put_entry(target: &mut [u8], rest: &[u8], size: usize) -> usize {
    if size < SHORT
        && let (Some(target), Some(entry)) = (target.first_chunk_mut::<SHORT>(), rest.first_chunk::<SHORT>())
    {
        *target = *entry;
        target[size] = size as u8;
        return size + 1;
    }
    put_long_entry(target, &rest[..size])
}

fn put_long_entry(target: &mut [u8], entry: &[u8]) -> usize {
    let (place, behind) = target.split_at_mut(entry.len());
    place.copy_from_slice(entry);
    if entry.len() < 128 {
        behind[0] = entry.len() as u8;
        return entry.len() + 1;
    }
    let back = Back::of(entry.len());
    behind[..back.bytes().len()].copy_from_slice(back.bytes());
    entry.len() + back.bytes().len()
}

impl Listpack {
    /// The same elements without what frames them. Nothing is allocated.
    pub fn into_flat(self) -> FlatPack {
        let mut bytes = self.0;
        let end = bytes.len() - Framed::END;
        bytes.copy_within(Framed::HEADER - 2..Framed::HEADER, Flat::HEADER - 2);
        let (mut from, mut to) = (Framed::HEADER, Flat::HEADER);
        while from < end {
            let (whole, size) = (entry_len::<Framed>(&bytes, from), entry_len::<Flat>(&bytes, from));
            move_entry(&mut bytes, (from, whole), (to, size));
            (from, to) = (from + whole, to + size);
        }
        bytes.truncate(to);
        FlatPack::over(bytes)
    }
}

/// Moves an entry of `size` bytes, `whole` with its back length, towards the front. A short one takes bytes behind it along if
/// these end before the next entry; see [`put_entry`].
#[inline(always)]
fn move_entry(bytes: &mut [u8], (from, whole): (usize, usize), (to, size): (usize, usize)) {
    if size == 1 {
        bytes[to] = bytes[from];
    } else if size <= SHORT
        && to + SHORT <= from + whole
        && let Some(short) = bytes[from..].first_chunk::<SHORT>().copied()
    {
        bytes[to..to + SHORT].copy_from_slice(&short);
    } else {
        bytes.copy_within(from..from + size, to);
    }
}
