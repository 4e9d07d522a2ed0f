//! Walking a table in the order of the hash, in steps that survive its growth.
//!
//! A [`Position`] is the first 46 bits of a hash. Home lines begin at units of the 24 bits that their segment
//! stores, which begin at bit 22 at most, so each line begins at a position exactly. Tables of the usual
//! depth, 14, have positions whose last 8 bits are zero.

use std::ptr::NonNull;

use super::line::Line;
use super::segment::{CLASSES, Place, STORED_BITS, SegmentRef};
use super::{Item, MOST_DEPTH, Table};

const POSITION_BITS: u32 = MOST_DEPTH + STORED_BITS;

/// A place between two hashes: the first 46 bits of the next hash to visit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Position(u64);

impl Position {
    /// Bits that a position needs in a table of the usual depth.
    pub const BITS: u32 = POSITION_BITS - Self::WIDE;
    const WIDE: u32 = MOST_DEPTH - 14;

    /// From the outside; `None` if it is out of range.
    pub fn from_bits(bits: u64) -> Option<Position> {
        (bits < 1 << Self::BITS).then_some(Position(bits << Self::WIDE))
    }

    /// The bits of a position in a table of the usual depth.
    pub fn to_bits(self) -> u64 {
        debug_assert!(self.0.trailing_zeros() >= Self::WIDE, "only for tables of the usual depth");
        self.0 >> Self::WIDE
    }

    /// As [`Position::from_bits`], for a table of any depth: 46 bits.
    pub fn from_wide_bits(bits: u64) -> Option<Position> {
        (bits < 1 << POSITION_BITS).then_some(Position(bits))
    }

    /// The bits of a position in a table of any depth.
    pub fn to_wide_bits(self) -> u64 {
        self.0
    }

    /// The place before a hash, as far as a position tells hashes apart.
    pub(super) fn of(hash: u64) -> Position {
        Position(hash >> (64 - POSITION_BITS))
    }

    fn first_hash(self) -> u64 {
        self.0 << (64 - POSITION_BITS)
    }
}

/// The smallest hash whose home in `segment` (the one of `hash`) is `home`.
pub(super) fn hash_of(hash: u64, segment: SegmentRef, home: usize) -> u64 {
    prefix_of(hash, segment) + segment.first_hash(home)
}

/// The largest hash whose home in `segment` is `home`.
pub(super) fn last_hash_of(hash: u64, segment: SegmentRef, home: usize) -> u64 {
    prefix_of(hash, segment).wrapping_add(segment.first_hash(home + 1)).wrapping_sub(1)
}

fn prefix_of(hash: u64, segment: SegmentRef) -> u64 {
    match segment.depth() {
        0 => 0,
        depth => hash >> (64 - depth) << (64 - depth),
    }
}

impl<I: Item> Table<I> {
    /// Visits the items from `from` to the end of its home line; answers where to go on, `None` at the end.
    pub fn scan(&self, from: Position, mut visit: impl FnMut(I::Ref<'_>)) -> Option<Position> {
        let hash = from.first_hash();
        let segment = self.directory()?.segment(hash);
        let bits = segment.bits_of(hash);
        let home = segment.home(bits);
        // Most walks come to the next line at once.
        segment.prefetch_items(home + 1);
        // A position inside a unit of the stored bits appears only after a merge; the hash itself then decides.
        let exact = hash << (segment.reach().origin + STORED_BITS) != 0;
        let lines = segment.lines();
        let mut show = |line: &Line, slot, stored: u32| {
            // SAFETY: a live item of this table, which is borrowed.
            let item = unsafe { I::borrow(line.word(slot).pointer()) };
            let before = stored < bits || (exact && stored == bits && I::hash(I::key(item)) < hash);
            if !before {
                visit(item);
            }
        };
        let own = &lines[home];
        own.taken().for_each(|slot| show(own, slot, own.bits(slot)));
        if own.is_full() {
            for stash in segment.stash_of(home) {
                let line = &lines[stash];
                for slot in line.taken() {
                    let stored = line.bits(slot);
                    if segment.home(stored) == home {
                        show(line, slot, stored);
                    }
                }
            }
        }
        if let Some(overflow) = self.overflow() {
            overflow.range(hash..=last_hash_of(hash, segment, home)).flat_map(|(_, chain)| chain).for_each(
                // SAFETY: as above.
                |&pointer| visit(unsafe { I::borrow(pointer) }),
            );
        }
        Self::next(hash, segment, home)
    }

    fn next(hash: u64, segment: SegmentRef, home: usize) -> Option<Position> {
        let last = last_hash_of(hash, segment, home);
        (last != u64::MAX).then(|| Position::of(last + 1))
    }

    /// Shows the items of one home line that the running snapshot has not seen, with the number by which it knows the
    /// table; answers where to go on, `None` at the end.
    pub fn save_some(&self, from: Position, visit: &mut impl FnMut(usize, I::Ref<'_>)) -> Option<Position> {
        let number = self.hook.as_ref()?.number();
        let hash = from.first_hash();
        let segment = self.directory()?.segment(hash);
        let home = segment.home(segment.bits_of(hash));
        // The walk comes to the next line at once.
        segment.prefetch_items(home + 1);
        self.unsaved(hash, segment, home).into_iter().flatten().for_each(|item| visit(number, item));
        Self::next(hash, segment, home)
    }

    /// All items, in the order of the hash.
    pub fn iter(&self) -> impl Iterator<Item = I::Ref<'_>> {
        let segments = self.directory().into_iter().flat_map(|directory| directory.segments());
        let pointers = segments.flat_map(|(_, segment)| segment.fetched());
        let rest = self.overflow().into_iter().flat_map(|overflow| overflow.values().flatten().copied());
        // SAFETY: live items of this table, which is borrowed.
        pointers.chain(rest).map(|pointer| unsafe { I::borrow(pointer) })
    }

    /// One item, each with the same probability; `random` gives uniform 64-bit numbers.
    pub fn random(&self, mut random: impl FnMut() -> u64) -> Option<I::Ref<'_>> {
        const FEW_WORDS: u32 = 4;
        let directory = self.directory().filter(|_| self.len > 0)?;
        if self.overflow().is_some() {
            // Only a flood of equal hashes comes here.
            return self.iter().nth(((u128::from(random()) * self.len as u128) >> 64) as usize);
        }
        let largest = match directory.depth {
            0..=FEW_WORDS => directory.segments().map(|(_, segment)| segment.lines().len()).max()?,
            _ => usize::from(CLASSES[CLASSES.len() - 1]),
        };
        // Rejection: every segment, and every slot of every line of the largest possible shape, is drawn equally
        // often, wide segments by one of their words only.
        for _ in 0..4096 {
            let (word, draw) = (random(), random());
            let index = if directory.depth == 0 { 0 } else { (word >> (64 - directory.depth)) as usize };
            let line = ((draw >> 32) as usize * largest) >> 32;
            let slot = (draw as u32 as usize * super::line::SLOTS) >> 32;
            let line = directory.first_word(index).and_then(|segment| segment.lines().get(line));
            if let Some(line) = line.filter(|line| line.presence() >> slot & 1 == 1) {
                // SAFETY: a live item of this table, which is borrowed.
                return Some(unsafe { I::borrow(line.word(slot).pointer()) });
            }
        }
        self.iter().next()
    }

    /// Some items that stand together, from a random place on: for samples where speed counts more than fairness.
    pub fn sample(&self, hash: u64, mut visit: impl FnMut(I::Ref<'_>) -> bool) {
        let mut position = Some(Position::of(hash));
        let mut more = true;
        while let (Some(at), true) = (position, more) {
            position = self.scan(at, |item| more = more && visit(item));
        }
    }

    /// Visits every item for changing or removing it; the items are collected by place first, so that `visit`
    /// may restructure the table.
    pub fn drain(&mut self) -> Vec<I> {
        assert!(!self.is_pinned(), "a frozen table is not drained");
        self.thaw_all();
        let pointers: Vec<NonNull<u8>> = {
            let directory = self.directory();
            let segments = directory.into_iter().flat_map(|directory| directory.segments());
            let all = segments.flat_map(|(_, segment)| {
                let places: Vec<Place> = (0..segment.lines().len())
                    .flat_map(|line| segment.lines()[line].taken().map(move |slot| Place { line, slot }))
                    .collect();
                places.into_iter().map(move |at| segment.lines()[at.line].clear(at.slot).pointer())
            });
            let rest = self.overflow().into_iter().flat_map(|overflow| overflow.values().flatten().copied());
            all.chain(rest).collect()
        };
        self.take_overflow();
        self.set_len(0);
        // SAFETY: each item has left its slot just now.
        pointers.into_iter().map(|pointer| unsafe { I::from_raw(pointer) }).collect()
    }
}
