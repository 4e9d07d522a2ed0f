//! A segment: some lines that hold all items of one hash prefix, in the order of the hash.
//!
//! ```text
//!   hash   |<- origin ->|<------- 24 stored bits ------->|  rest  |
//!          |<--- depth bits --->|
//!             which segment      home line = (stored bits behind depth) * homes, scaled
//!
//!   lines  | home 0 | home 1 | ... | home n-1 | stash 0 | ... | stash s-1 |
//! ```
//!
//! An item stands in its home line, or, while that line is full, in one of two stash lines that the home's
//! index names, the emptier one. Where both are full, an item of another home moves to its other stash line. Homes that share
//! one of their stash lines rarely share the other, so a segment takes items until some 89 % of its slots are taken. Invariant:
//! an item stands in the stash only while its home line is full; so a look-up reads one line, and two more only after a full one.
//!
//! A segment grows through [`CLASSES`], each a seventh to a half larger; at the end it splits. Both need only the stored
//! bits: the halves keep those that they have, with one less to tell their items apart, until after [`MOST_STALE`] splits they are made
//! anew from the keys.
//!
//! All segments of a table are about equally full, and so they change their class at about the same time; what the allocator
//! puts into one slab with others is then kept for long by the last of them. A large table goes only through the classes from
//! 256 lines on, whole pages that share nothing: a split of the largest leaves two that fill the smallest of these to four fifths.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use sys::os::prefetch;

use super::line::{Line, SLOTS, Word};

/// Lines per segment, by class: multiples of 64 bytes that the allocator has as size classes, and from 1,280 bytes on only
/// those of which it puts few into one slab.
pub(super) const CLASSES: [u16; 27] = [
    1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64, 80, 96, 112, 160, 192, 224, 256, 320, 384,
    448,
];
/// Splits until the stored bits are made anew: few enough that those which are left tell the items of a line apart.
const MOST_STALE: u32 = 5;
/// Items that may move to make room for another.
const MOST_MOVES: usize = 2;
/// Home lines and stash lines of each class.
const PARTS: [(u16, u16); CLASSES.len()] = {
    let mut parts = [(0, 0); CLASSES.len()];
    let mut class = 0;
    while class < CLASSES.len() {
        let stash = (CLASSES[class] + 3) / 5;
        parts[class] = (CLASSES[class] - stash, stash);
        class += 1;
    }
    parts
};
/// Bits of the hash that a slot stores.
pub(super) const STORED_BITS: u32 = 24;

const ADDRESS_MASK: u64 = 0x0000_ffff_ffff_ffc0;
const DEPTH_MASK: u64 = 0x3f;
const CLASS_MASK: u64 = 0x1f;
const CLASS_SHIFT: u32 = 48;
const ORIGIN_SHIFT: u32 = 53;
const FROZEN: u64 = 1 << 63;

/// Which hashes a segment holds, and which bits of them its slots store.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// Bits that all hashes of the segment have in common.
    pub depth: u32,
    /// The first of the stored bits; not behind `depth`.
    pub origin: u32,
}

impl Reach {
    /// All hashes.
    pub const ALL: Reach = Reach { depth: 0, origin: 0 };

    /// The stored bits of `hash`.
    #[inline]
    pub fn bits_of(self, hash: u64) -> u32 {
        ((hash << self.origin) >> (64 - STORED_BITS)) as u32
    }

    /// How many of the stored bits all items have in common.
    #[inline]
    fn stale(self) -> u32 {
        self.depth - self.origin
    }

    /// What the halves hold after a split, if the stored bits stay. `None` if that has been done too often.
    pub fn half(self) -> Option<Reach> {
        let half = Reach { depth: self.depth + 1, ..self };
        (half.stale() <= MOST_STALE).then_some(half)
    }

    /// As [`Reach::half`], when the stored bits are made anew.
    pub fn fresh_half(self) -> Reach {
        Reach { depth: self.depth + 1, origin: self.depth }
    }

    /// Whether an item with these bits belongs to the upper one of two halves that have this reach.
    pub fn is_upper(self, bits: u32) -> bool {
        bits >> (STORED_BITS - self.stale()) & 1 == 1
    }

    /// Bits stored by a segment of reach `from`, whose hashes begin as `hash` does, as this one stores them: it begins to store no
    /// later.
    pub fn convert(self, bits: u32, from: Reach, hash: u64) -> u32 {
        let earlier = from.origin - self.origin;
        let known = self.bits_of(hash) >> (STORED_BITS - earlier) << (STORED_BITS - earlier);
        known | bits >> earlier
    }
}

/// A segment's address, class, reach, and whether it is frozen, in one word, as the directory stores it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentRef(u64);

/// Where an item stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub line: usize,
    pub slot: usize,
}

impl SegmentRef {
    /// A new empty segment whose marks all equal `mark`.
    pub fn allocate(class: usize, reach: Reach, mark: bool) -> SegmentRef {
        let layout = Self::layout_of(class);
        // SAFETY: the layout is not empty. All-zero bytes are valid lines (atomics of 0).
        let pointer = unsafe { alloc_zeroed(layout) };
        if pointer.is_null() {
            handle_alloc_error(layout);
        }
        let address = pointer.expose_provenance() as u64;
        let (depth, origin) = (u64::from(reach.depth), u64::from(reach.origin));
        let segment = SegmentRef(address | depth | (class as u64) << CLASS_SHIFT | origin << ORIGIN_SHIFT);
        if mark {
            segment.lines().iter().for_each(|line| line.set_mark(true));
        }
        segment
    }

    pub fn from_word(word: u64) -> SegmentRef {
        SegmentRef(word)
    }

    pub fn word(self) -> u64 {
        self.0
    }

    fn layout_of(class: usize) -> Layout {
        Layout::array::<Line>(usize::from(CLASSES[class])).expect("invariant: a segment has 28 KB at most")
    }

    /// Frees the lines, not the items.
    ///
    /// # Safety
    /// Nobody, prefetch passes included, may use this segment afterwards.
    pub unsafe fn free(self) {
        // SAFETY: the lines were allocated by `allocate` with the layout of this class.
        unsafe { dealloc(self.base().as_ptr().cast(), Self::layout_of(self.class())) }
    }

    #[inline]
    pub fn class(self) -> usize {
        (self.0 >> CLASS_SHIFT & CLASS_MASK) as usize
    }

    /// Whether a pin may see this segment, so that it must not be written.
    #[inline]
    pub fn is_frozen(self) -> bool {
        self.0 & FROZEN != 0
    }

    pub fn frozen(self) -> SegmentRef {
        SegmentRef(self.0 | FROZEN)
    }

    /// The same segment, for when no pin sees it any more.
    pub fn thawed(self) -> SegmentRef {
        SegmentRef(self.0 & !FROZEN)
    }

    /// A copy with the same items at the same places, not frozen.
    pub fn duplicate(self) -> SegmentRef {
        let copy = SegmentRef::allocate(self.class(), self.reach(), false);
        copy.lines().iter().zip(self.lines()).for_each(|(to, from)| to.copy_from(from));
        copy
    }

    #[inline]
    pub fn depth(self) -> u32 {
        (self.0 & DEPTH_MASK) as u32
    }

    #[inline]
    pub fn reach(self) -> Reach {
        Reach { depth: self.depth(), origin: (self.0 >> ORIGIN_SHIFT & DEPTH_MASK) as u32 }
    }

    #[inline]
    pub fn base(self) -> NonNull<Line> {
        let address = (self.0 & ADDRESS_MASK) as usize;
        NonNull::new(std::ptr::with_exposed_provenance_mut(address))
            .expect("invariant: a segment has an address")
    }

    /// The address of a line.
    #[inline]
    pub fn line(self, at: usize) -> *const Line {
        self.base().as_ptr().wrapping_add(at)
    }

    /// All lines, homes first. The lifetime is the caller's to keep within the segment's.
    #[inline]
    pub fn lines<'a>(self) -> &'a [Line] {
        // SAFETY: `allocate` made that many lines here; the table frees a segment only when no reader is left
        // (`free`), and every use of this slice is inside one call of the table.
        unsafe { std::slice::from_raw_parts(self.base().as_ptr(), usize::from(CLASSES[self.class()])) }
    }

    #[inline]
    fn stash_lines(self) -> usize {
        usize::from(PARTS[self.class()].1)
    }

    /// Number of home lines.
    #[inline]
    pub fn homes(self) -> usize {
        usize::from(PARTS[self.class()].0)
    }

    /// The bits of `hash` that a slot stores.
    #[inline]
    pub fn bits_of(self, hash: u64) -> u32 {
        self.reach().bits_of(hash)
    }

    #[inline]
    pub fn home(self, bits: u32) -> usize {
        // Those in common leave the word at its upper end.
        let own = bits << (32 - STORED_BITS + self.reach().stale());
        ((u64::from(own) * self.homes() as u64) >> 32) as usize
    }

    /// The first hash whose home is `home`, less the segment's first; for the home past the last, the number of the segment's
    /// hashes (2^64 as 0).
    pub fn first_hash(self, home: usize) -> u64 {
        let reach = self.reach();
        let bits = (home << (STORED_BITS - reach.stale())).div_ceil(self.homes()) as u64;
        bits << (64 - STORED_BITS - reach.origin)
    }

    /// The stash lines in which items of `home` may stand: two, unless there are fewer.
    #[inline]
    pub fn stash_of(self, home: usize) -> impl Iterator<Item = usize> {
        const APART: usize = 5;
        let (stash, homes) = (self.stash_lines(), self.homes());
        let first = home % stash.max(1);
        let second = first + 1 + home * APART % stash.saturating_sub(1).max(1);
        let second = if second < stash { second } else { second.wrapping_sub(stash) };
        [first, second].into_iter().take(stash).map(move |line| homes + line)
    }

    /// Finds an item with these bits for which `matches` says yes.
    #[inline]
    pub fn find(self, bits: u32, matches: impl Fn(NonNull<u8>) -> bool) -> Option<(Place, NonNull<u8>)> {
        let home = self.home(bits);
        let line = &self.lines()[home];
        for (slot, pointer) in line.candidates(bits) {
            if matches(pointer) {
                return Some((Place { line: home, slot }, pointer));
            }
        }
        if line.is_full() { self.find_in_stash(home, bits, matches) } else { None }
    }

    /// Apart, so that the usual look-up stays short.
    #[inline(never)]
    fn find_in_stash(
        self,
        home: usize,
        bits: u32,
        matches: impl Fn(NonNull<u8>) -> bool,
    ) -> Option<(Place, NonNull<u8>)> {
        self.stash_of(home).find_map(|line| {
            let mut candidates = self.lines()[line].candidates(bits);
            let (slot, pointer) = candidates.find(|&(_, pointer)| matches(pointer))?;
            Some((Place { line, slot }, pointer))
        })
    }

    /// Puts an item where it belongs; false if there is no room.
    pub fn push(self, pointer: NonNull<u8>, bits: u32) -> bool {
        let lines = self.lines();
        let home = self.home(bits);
        let word = Word::new(pointer, bits);
        lines[home].push(word, bits) || self.push_to_stash(home, word, bits)
    }

    /// Puts an item into the emptier of its home's stash lines, where need be after one of another home has made room.
    #[inline(never)]
    fn push_to_stash(self, home: usize, word: Word, bits: u32) -> bool {
        let lines = self.lines();
        let emptier = self.stash_of(home).min_by_key(|&line| lines[line].len());
        let Some(line) = emptier else { return false };
        lines[line].push(word, bits) || self.make_way(home) && self.push_to_stash(home, word, bits)
    }

    /// Makes a free slot in one of the stash lines of `home`, which are full; false if that would take too many moves.
    fn make_way(self, home: usize) -> bool {
        (1..=MOST_MOVES).any(|moves| self.stash_of(home).any(|line| self.make_way_in(line, moves)))
    }

    /// Makes a free slot in a full stash line with so many moves of items to their other lines.
    fn make_way_in(self, line: usize, moves: usize) -> bool {
        let lines = self.lines();
        for slot in lines[line].taken() {
            let bits = lines[line].bits(slot);
            let Some(other) = self.stash_of(self.home(bits)).find(|&other| other != line) else { continue };
            let full = lines[other].is_full();
            if full == (moves > 1) && (!full || self.make_way_in(other, moves - 1)) {
                return lines[other].push(lines[line].clear(slot), bits);
            }
        }
        false
    }

    /// Takes an item out and, if its home line was full, fetches one of the home's items back from the stash.
    /// False if the home has now a free slot that nothing from the stash could fill.
    pub fn remove(self, place: Place) -> bool {
        let lines = self.lines();
        let home = self.home(lines[place.line].bits(place.slot));
        let was_full = lines[home].is_full();
        lines[place.line].clear(place.slot);
        if place.line != home || !was_full {
            return true;
        }
        let Some(stashed) = self.stashed(home).next() else { return false };
        let bits = lines[stashed.line].bits(stashed.slot);
        let word = lines[stashed.line].clear(stashed.slot);
        lines[home].push(word, bits)
    }

    /// The places in the stash of items whose home is `home`.
    fn stashed(self, home: usize) -> impl Iterator<Item = Place> {
        let lines = self.lines();
        let places = move |line: usize| lines[line].taken().map(move |slot| Place { line, slot });
        self.stash_of(home).flat_map(places).filter(move |at| self.home(lines[at.line].bits(at.slot)) == home)
    }

    /// All places of items whose home is `home`.
    pub fn places_of(self, home: usize) -> impl Iterator<Item = Place> {
        let here = self.lines()[home].taken().map(move |slot| Place { line: home, slot });
        let stash = self.lines()[home].is_full().then(|| self.stashed(home));
        here.chain(stash.into_iter().flatten())
    }

    /// Everything in the segment: (pointer, stored bits).
    pub fn items(self) -> impl Iterator<Item = (NonNull<u8>, u32)> {
        self.lines()
            .iter()
            .flat_map(|line| line.taken().map(move |slot| (line.word(slot).pointer(), line.bits(slot))))
    }

    /// The pointers to everything in the segment. Whoever follows them misses the cache at each, so those of the next line
    /// are asked for beforehand.
    pub fn fetched(self) -> impl Iterator<Item = NonNull<u8>> {
        self.lines().iter().enumerate().flat_map(move |(at, line)| {
            self.prefetch_items(at + 1);
            line.taken().map(move |slot| line.word(slot).pointer())
        })
    }

    /// Asks for the items of a line if there is one.
    #[inline]
    pub fn prefetch_items(self, line: usize) {
        if let Some(line) = self.lines().get(line) {
            line.taken().for_each(|slot| prefetch(line.word(slot).pointer().as_ptr()));
        }
    }

    /// Whether the segment is looked at, all of it, when this home has become empty: it may have grown sparse. In a large one
    /// that is often enough for one home out of eight, or where all eight are empty.
    pub fn is_looked_at(self, home: usize) -> bool {
        const SMALL: usize = 16;
        const GROUP: usize = 8;
        let group = || self.lines()[..self.homes()].iter().skip(home / GROUP * GROUP).take(GROUP);
        self.homes() <= SMALL || home.is_multiple_of(GROUP) || group().all(|line| line.presence() == 0)
    }

    pub fn len(self) -> usize {
        self.lines().iter().map(Line::len).sum()
    }

    /// The class for `items` items at about four fifths of the slots; `None` if they need more than one segment.
    pub fn class_for(items: usize) -> Option<usize> {
        CLASSES.iter().position(|&lines| usize::from(lines) * SLOTS * 4 >= items * 5)
    }
}
