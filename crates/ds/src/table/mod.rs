//! The hash table of the keyspace, of large sets and hashes, and of a sorted set's members.
//!
//! An extendible directory ([`directory`]) names segments ([`segment`]) of 64-byte lines ([`line`]). Growth
//! touches one segment at a time, at most 448 items: there is no pause and no second table. A key's place
//! depends on its hash alone and lines follow the hash inside a segment, so a SCAN cursor is a hash prefix, and
//! growing or shrinking between two steps neither loses nor repeats an item.
//!
//! A snapshot marks each home line once it is saved. Everything that writes passes [`Table::save_home`] first,
//! so that the line's items are handed to the snapshot before they change: that is the only hook.
//!
//! The table owns its items as thin pointers; see [`Item`]. A table can be frozen for a reader on another thread
//! while it goes on being written: see [`freeze`].

mod directory;
mod freeze;
mod hints;
mod line;
mod scan;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use directory::Directory;
use freeze::Pins;
pub use freeze::{Frozen, Items};
use hints::Retired;
pub use hints::{Hint, Hints};
pub use scan::Position;
use segment::{CLASSES, Place, Reach, SegmentRef};
use sys::work::{Begun, HOOKS};

/// What a table can hold: an owned value of pointer size.
///
/// # Safety
/// `into_raw` and `from_raw` must be inverse to each other, the pointer must have its top 16 bits clear, and
/// `borrow` must give a view that is valid while the item is neither changed nor dropped.
pub unsafe trait Item: Sized {
    /// A borrowed view of the item.
    type Ref<'a>: Copy
    where
        Self: 'a;

    fn into_raw(self) -> NonNull<u8>;
    /// # Safety
    /// `raw` must come from `into_raw`, and this must be its only use from now on.
    unsafe fn from_raw(raw: NonNull<u8>) -> Self;
    /// # Safety
    /// `raw` must come from `into_raw` and not be given back to `from_raw` during `'a`.
    unsafe fn borrow<'a>(raw: NonNull<u8>) -> Self::Ref<'a>;
    fn key<'a>(item: Self::Ref<'a>) -> &'a [u8]
    where
        Self: 'a;
    /// Deepest directory, at most [`MOST_DEPTH`]: 2^depth words. A table of some 300 items for each of these words
    /// is full; more of them go to the overflow map, as do items with equal hashes.
    const MAX_DEPTH: u32 = 14;

    /// The hash that places a key.
    fn hash(key: &[u8]) -> u64 {
        crate::hash::of(key)
    }
}

/// Bound of [`Item::MAX_DEPTH`], so that a scan's position fits in 46 bits.
pub const MOST_DEPTH: u32 = 22;

/// Where the items of a table go before a write changes them while a snapshot runs.
pub trait SaveHook<I: Item>: Send + Sync {
    /// The items of one home line. Called with whatever lock guards the table.
    fn save<'a>(&self, items: &mut dyn Iterator<Item = I::Ref<'a>>)
    where
        I: 'a;
    /// The number by which the snapshot knows the table, wherever it is moved meanwhile.
    fn number(&self) -> usize;
}

/// See the module's text. What each look-up reads stands first.
#[repr(C)]
pub struct Table<I: Item> {
    directory: Option<NonNull<Directory>>,
    hook: Option<Arc<dyn SaveHook<I>>>,
    /// What few tables have; apart, so that the rest of the table fits in a line or two.
    rare: OnceLock<Box<Rare<I>>>,
    len: usize,
    /// The mark that means "saved" while `hook` is set, and the mark of all lines while it is not.
    mark: bool,
    hints: Option<(Arc<Hints>, usize)>,
    _items: PhantomData<I>,
}

/// Items by their hash.
type Overflow = BTreeMap<u64, Vec<NonNull<u8>>>;

/// See [`Table`].
struct Rare<I: Item> {
    /// Items whose hash is equal to that of too many others in all bits that place an item.
    overflow: Overflow,
    pins: Pins<I>,
}

impl<I: Item> Default for Rare<I> {
    fn default() -> Self {
        Rare { overflow: BTreeMap::new(), pins: Pins::default() }
    }
}

// SAFETY: the table owns its items and blocks; moving it to another thread moves them.
unsafe impl<I: Item + Send> Send for Table<I> {}
// SAFETY: shared access only reads items, through `I::Ref`.
unsafe impl<I: Item + Send + Sync> Sync for Table<I> {}

impl<I: Item> Default for Table<I> {
    fn default() -> Self {
        Table {
            directory: None,
            len: 0,
            mark: false,
            hook: None,
            hints: None,
            rare: OnceLock::new(),
            _items: PhantomData,
        }
    }
}

/// Equality of keys; those of usual lengths are compared in two overlapping words, without a call.
#[inline]
fn same_key(a: &[u8], b: &[u8]) -> bool {
    fn ends<const N: usize>(key: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
        Some((key.first_chunk()?, key.last_chunk()?))
    }
    a.len() == b.len()
        && match a.len() {
            8..=16 => ends::<8>(a) == ends(b),
            17..=32 => ends::<16>(a) == ends(b),
            _ => a == b,
        }
}

/// An item that is in the table, for changing or removing it.
pub struct Slot<'a, I: Item> {
    table: &'a mut Table<I>,
    hash: u64,
    at: At,
    pointer: NonNull<u8>,
}

#[derive(Clone, Copy)]
enum At {
    Segment(SegmentRef, Place),
    Overflow(usize),
}

impl<I: Item> Table<I> {
    /// A table that the prefetch passes can see as number `index` of `hints`.
    pub fn with_hints(hints: Arc<Hints>, index: usize) -> Self {
        hints.publish(index, None);
        let mut table = Table::default();
        table.hints = Some((hints, index));
        table
    }

    /// A table that takes so many items without growing, but for a segment or two that gets more than its share. It is about
    /// as full then as one that has grown.
    pub fn with_room(items: usize) -> Self {
        let mut table = Table::default();
        if items > 0 {
            let share = |depth: &u32| SegmentRef::class_for(items.div_ceil(1 << depth));
            let depth = (0..I::MAX_DEPTH).find(|depth| share(depth).is_some()).unwrap_or(I::MAX_DEPTH);
            let class = share(&depth).unwrap_or(CLASSES.len() - 1);
            let reach = Reach { depth, origin: depth };
            table.set_directory(Directory::filled(depth, || SegmentRef::allocate(class, reach, false)));
        }
        table
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn set_len(&mut self, len: usize) {
        self.len = len;
        if let Some((hints, index)) = &self.hints {
            hints.publish_len(*index, len);
        }
    }

    fn directory(&self) -> Option<&Directory> {
        // SAFETY: the directory is owned by this table and replaced only through `&mut self`.
        self.directory.map(|directory| unsafe { directory.as_ref() })
    }

    /// The overflow map, unless it is empty.
    #[inline]
    fn overflow(&self) -> Option<&Overflow> {
        self.rare.get().map(|rare| &rare.overflow).filter(|overflow| !overflow.is_empty())
    }

    fn overflow_mut(&mut self) -> &mut Overflow {
        self.rare.get_or_init(Box::default);
        &mut self.rare.get_mut().expect("invariant: it was made just now").overflow
    }

    fn take_overflow(&mut self) -> Overflow {
        self.rare.get_mut().map(|rare| std::mem::take(&mut rare.overflow)).unwrap_or_default()
    }

    #[inline]
    fn locate(&self, hash: u64, key: &[u8]) -> Option<(At, NonNull<u8>)> {
        let segment = self.directory()?.segment(hash);
        let bits = segment.bits_of(hash);
        // SAFETY: pointers in a segment are live items of this table.
        let matches = |pointer| same_key(I::key(unsafe { I::borrow(pointer) }), key);
        if let Some((place, pointer)) = segment.find(bits, matches) {
            return Some((At::Segment(segment, place), pointer));
        }
        let chain = self.overflow()?.get(&hash)?;
        let index = chain.iter().position(|&pointer| matches(pointer))?;
        Some((At::Overflow(index), chain[index]))
    }

    /// The item with this key.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<I::Ref<'_>> {
        // SAFETY: the item stays unchanged while `self` is borrowed.
        self.locate(hash, key).map(|(_, pointer)| unsafe { I::borrow(pointer) })
    }

    /// The item with this key, to be written: its home line is saved first if a snapshot waits for it.
    #[inline]
    pub fn find_mut(&mut self, hash: u64, key: &[u8]) -> Option<Slot<'_, I>> {
        self.save_home(hash);
        let (mut at, pointer) = self.locate(hash, key)?;
        if let At::Segment(segment, place) = at {
            // The copy of a frozen segment has each item at the same place.
            at = At::Segment(self.thaw(hash, segment), place);
        }
        Some(Slot { table: self, hash, at, pointer })
    }

    /// Adds an item whose key is not in the table.
    pub fn insert(&mut self, hash: u64, item: I) {
        debug_assert!(self.find(hash, I::key(view_of(&item))).is_none(), "the key is in the table already");
        self.save_home(hash);
        let pointer = item.into_raw();
        if self.directory.is_none() {
            self.set_directory(Directory::filled(0, || SegmentRef::allocate(0, Reach::ALL, self.mark)));
        }
        self.set_len(self.len + 1);
        loop {
            let Some(directory) = self.directory() else { return };
            let segment = self.thaw(hash, directory.segment(hash));
            if segment.push(pointer, segment.bits_of(hash)) {
                return;
            }
            if !self.make_room(hash, segment) {
                self.overflow_mut().entry(hash).or_default().push(pointer);
                return;
            }
        }
    }

    /// Saves the items of `hash`'s home line for the snapshot, unless that has been done.
    #[inline]
    pub fn save_home(&self, hash: u64) {
        if self.hook.is_some() {
            self.save_home_slowly(hash);
        }
    }

    #[cold]
    fn save_home_slowly(&self, hash: u64) {
        if let Some(directory) = self.directory() {
            let segment = directory.segment(hash);
            self.save_lines(hash, segment, std::iter::once(segment.home(segment.bits_of(hash))));
        }
    }

    /// Hands the unsaved items of some home lines of a segment to the hook.
    fn save_lines(&self, hash: u64, segment: SegmentRef, homes: impl Iterator<Item = usize>) {
        let Some(hook) = &self.hook else { return };
        let mut begun = None;
        for home in homes {
            if let Some(mut items) = self.unsaved(hash, segment, home) {
                begun.get_or_insert_with(Begun::now);
                hook.save(&mut items);
            }
        }
        begun.iter().for_each(|begun| HOOKS.record(begun));
    }

    /// The items of a home line that the running snapshot has not seen; from now on it counts as saved.
    fn unsaved(
        &self,
        hash: u64,
        segment: SegmentRef,
        home: usize,
    ) -> Option<impl Iterator<Item = I::Ref<'_>>> {
        let line = &segment.lines()[home];
        if self.hook.is_none() || line.mark() == self.mark {
            return None;
        }
        line.set_mark(self.mark);
        let pointer = move |at: Place| segment.lines()[at.line].word(at.slot).pointer();
        // Their misses are served side by side.
        segment.places_of(home).for_each(|at| sys::os::prefetch(pointer(at).as_ptr()));
        let pointers = segment.places_of(home).map(pointer).chain(self.overflow_of(hash, segment, home));
        // SAFETY: live items of this table, which is borrowed.
        Some(pointers.map(|pointer| unsafe { I::borrow(pointer) }))
    }

    /// Items in the overflow map whose home is this line.
    fn overflow_of(&self, hash: u64, segment: SegmentRef, home: usize) -> impl Iterator<Item = NonNull<u8>> {
        let range = self.overflow().map(|overflow| {
            let (from, to) = (scan::hash_of(hash, segment, home), scan::last_hash_of(hash, segment, home));
            overflow.range(from..=to)
        });
        range.into_iter().flatten().flat_map(|(_, chain)| chain.iter().copied())
    }

    fn save_segment(&self, hash: u64, segment: SegmentRef) {
        self.save_lines(hash, segment, 0..segment.homes());
    }

    /// Gives the segment of `hash` more room; false if it cannot have more.
    fn make_room(&mut self, hash: u64, segment: SegmentRef) -> bool {
        self.save_segment(hash, segment);
        if self.rebuild(hash, segment, segment.class() + 1) {
            return true;
        }
        if segment.depth() == I::MAX_DEPTH {
            return false;
        }
        self.split(hash, segment);
        true
    }

    /// Moves a segment's items to a new one of at least `class` (larger if they do not fit); false if they fit
    /// in none.
    fn rebuild(&mut self, hash: u64, segment: SegmentRef, class: usize) -> bool {
        for class in class..CLASSES.len() {
            let new = SegmentRef::allocate(class, segment.reach(), self.mark);
            if segment.items().all(|(pointer, bits)| new.push(pointer, bits)) {
                self.replace(&[segment], &[(hash, new)]);
                return true;
            }
            // SAFETY: `new` was never published.
            unsafe { new.free() }
        }
        false
    }

    /// Splits a segment by one more bit of the hash.
    fn split(&mut self, hash: u64, segment: SegmentRef) {
        let depth = segment.depth() + 1;
        if self.directory().is_some_and(|directory| directory.depth < depth) {
            let doubled = self.directory().map(Directory::doubled);
            doubled.into_iter().for_each(|directory| self.set_directory(directory));
        }
        let (half, items): (_, Vec<_>) = match segment.reach().half() {
            Some(half) => (half, segment.items().collect()),
            None => {
                let half = segment.reach().fresh_half();
                // SAFETY: live items of this table.
                let bits = |pointer| half.bits_of(unsafe { Self::hash_of(pointer) });
                (half, segment.fetched().map(|pointer| (pointer, bits(pointer))).collect())
            }
        };
        let bit = 1u64 << (64 - depth);
        let (lower, upper): (Vec<_>, Vec<_>) = items.into_iter().partition(|&(_, bits)| !half.is_upper(bits));
        let halves = [(hash & !bit, lower), (hash | bit, upper)]
            .map(|(prefix, items)| (prefix, self.fill(half, &items)));
        self.replace(&[segment], &halves);
    }

    /// The hash of an item.
    ///
    /// # Safety
    /// It is a live item of this table.
    unsafe fn hash_of(pointer: NonNull<u8>) -> u64 {
        // SAFETY: the caller's.
        I::hash(I::key(unsafe { I::borrow(pointer) }))
    }

    /// A new segment with these items and their stored bits; what fits in no class goes to the overflow map.
    fn fill(&mut self, reach: Reach, items: &[(NonNull<u8>, u32)]) -> SegmentRef {
        let last = CLASSES.len() - 1;
        for class in SegmentRef::class_for(items.len()).unwrap_or(last)..=last {
            let new = SegmentRef::allocate(class, reach, self.mark);
            let rest: Vec<_> = items
                .iter()
                .filter(|&&(pointer, bits)| !new.push(pointer, bits))
                .map(|item| item.0)
                .collect();
            if rest.is_empty() || class == last {
                for pointer in rest {
                    // SAFETY: a live item of this table.
                    let hash = unsafe { Self::hash_of(pointer) };
                    self.overflow_mut().entry(hash).or_default().push(pointer);
                }
                return new;
            }
            // SAFETY: `new` was never published.
            unsafe { new.free() }
        }
        unreachable!("the last class takes everything")
    }

    /// After a removal that left a home line empty: makes a sparse segment smaller, and merges it with its
    /// buddy when both are.
    fn make_smaller(&mut self, hash: u64) {
        let Some(segment) = self.directory().map(|directory| directory.segment(hash)) else { return };
        let (len, lines) = (segment.len(), segment.lines().len());
        if segment.class() == 0 || len * 4 > lines * line::SLOTS || self.overflow().is_some() {
            return;
        }
        self.save_segment(hash, segment);
        let class = SegmentRef::class_for(len.max(1)).unwrap_or(CLASSES.len() - 1);
        if segment.depth() > 0 && self.merge(hash, segment, len) {
            return;
        }
        if class < segment.class() {
            self.rebuild(hash, segment, class);
        }
    }

    fn merge(&mut self, hash: u64, segment: SegmentRef, len: usize) -> bool {
        let bit = 1u64 << (64 - segment.depth());
        let Some(buddy) = self.directory().map(|directory| directory.segment(hash ^ bit)) else {
            return false;
        };
        if buddy.depth() != segment.depth()
            || (len + buddy.len()) * 2 > usize::from(CLASSES[CLASSES.len() - 1]) * line::SLOTS
        {
            return false;
        }
        self.save_segment(hash ^ bit, buddy);
        let Some(class) = SegmentRef::class_for((len + buddy.len()).max(1)) else { return false };
        let depth = segment.depth() - 1;
        let origin = segment.reach().origin.min(buddy.reach().origin).min(depth);
        let reach = Reach { depth, origin };
        let parts = [(hash, segment), (hash ^ bit, buddy)];
        let items: Vec<_> = (parts.iter())
            .flat_map(|&(hash, part)| {
                let convert = move |(pointer, bits)| (pointer, reach.convert(bits, part.reach(), hash));
                part.items().map(convert)
            })
            .collect();
        let new = SegmentRef::allocate(class, reach, self.mark);
        if !items.iter().all(|&(pointer, bits)| new.push(pointer, bits)) {
            // SAFETY: `new` was never published.
            unsafe { new.free() }
            return false;
        }
        self.replace(&[segment, buddy], &[(hash, new)]);
        self.halve_directory();
        true
    }

    fn halve_directory(&mut self) {
        let Some(directory) = self.directory() else { return };
        if directory.depth > 0 && directory.segments().all(|(_, segment)| segment.depth() < directory.depth) {
            let halved = directory.halved();
            self.set_directory(halved);
        }
    }

    /// Publishes new segments in the place of old ones.
    fn replace(&mut self, old: &[SegmentRef], new: &[(u64, SegmentRef)]) {
        if let Some(directory) = self.directory() {
            new.iter().for_each(|&(prefix, segment)| directory.set(prefix, segment));
        }
        self.retire(old.iter().map(|&segment| Retired::Segment(segment)));
    }

    fn set_directory(&mut self, directory: Directory) {
        let new = NonNull::from(Box::leak(Box::new(directory)));
        let old = self.directory.replace(new);
        self.publish();
        self.retire(old.map(Retired::Directory));
    }

    /// Gives the memory of a table without items back; the next item brings it again.
    pub fn release_if_empty(&mut self) {
        if self.len > 0 || self.overflow().is_some() {
            return;
        }
        let Some(pointer) = self.directory else { return };
        // Lines that a running snapshot has not seen are empty: there is nothing to save.
        let segments: Vec<Retired> = (self.directory().into_iter())
            .flat_map(|directory| directory.segments().map(|(_, segment)| Retired::Segment(segment)))
            .collect();
        self.directory = None;
        self.publish();
        self.retire(segments.into_iter().chain([Retired::Directory(pointer)]));
    }

    fn publish(&self) {
        if let Some((hints, index)) = &self.hints {
            hints.publish(*index, self.directory);
            hints.publish_len(*index, self.len);
        }
    }

    fn retire(&self, blocks: impl IntoIterator<Item = Retired>) {
        match &self.hints {
            Some((hints, _)) => hints.retire(blocks),
            None => blocks.into_iter().for_each(|block| self.free_unlinked(block)),
        }
    }

    /// Exchanges the contents of two tables, snapshot state included; each keeps its place in its hints.
    pub fn swap(&mut self, other: &mut Table<I>) {
        std::mem::swap(self, other);
        std::mem::swap(&mut self.hints, &mut other.hints);
        self.publish();
        other.publish();
    }

    /// Takes all items out as a table of its own, without hints; a running snapshot's hook goes with it, and what
    /// is inserted here from now on is younger than that snapshot.
    ///
    /// The caller must be alone (behind the gate): the taken table frees its blocks at once.
    pub fn take(&mut self) -> Table<I> {
        let mut taken = Table::default();
        (taken.mark, taken.hook) = (self.mark, self.hook.clone());
        self.swap(&mut taken);
        taken
    }

    /// Begins a snapshot: from now on each home line goes to `hook` once, before its first change or by
    /// [`Table::save_some`].
    pub fn begin_snapshot(&mut self, hook: Arc<dyn SaveHook<I>>) {
        debug_assert!(self.hook.is_none(), "one snapshot at a time");
        self.mark = !self.mark;
        self.hook = Some(hook);
    }

    /// Ends a snapshot that has saved every line.
    pub fn end_snapshot(&mut self) {
        self.hook = None;
    }

    /// Bytes of directory and segments, without items.
    pub fn index_bytes(&self) -> usize {
        let Some(directory) = self.directory() else { return 0 };
        let segments: usize = directory.segments().map(|(_, segment)| segment.lines().len() * 64).sum();
        segments + (8 << directory.depth)
    }
}

/// A view of an item that is not in a table yet.
fn view_of<I: Item>(item: &I) -> I::Ref<'_> {
    // SAFETY: an `Item` is of pointer size and its raw form is a copy of it; the copy is not used as an owner,
    // and the view's lifetime is that of the borrowed item.
    unsafe {
        let copy: std::mem::ManuallyDrop<I> = std::mem::ManuallyDrop::new(std::ptr::read(item));
        I::borrow(std::mem::ManuallyDrop::into_inner(copy).into_raw())
    }
}

impl<I: Item> Drop for Table<I> {
    fn drop(&mut self) {
        if self.leave_to_pins() {
            return;
        }
        let Some(pointer) = self.directory.take() else { return };
        self.publish();
        // SAFETY: the directory is this table's own and alive until it is retired below.
        let directory = unsafe { pointer.as_ref() };
        let mut blocks = vec![Retired::Directory(pointer)];
        for (_, segment) in directory.segments() {
            // SAFETY: the items belong to this table, which is going away.
            segment.fetched().for_each(|item| drop(unsafe { I::from_raw(item) }));
            blocks.push(Retired::Segment(segment));
        }
        for item in self.take_overflow().into_values().flatten() {
            // SAFETY: as above.
            drop(unsafe { I::from_raw(item) });
        }
        self.retire(blocks);
    }
}

impl<'a, I: Item> Slot<'a, I> {
    /// The item as it is.
    #[inline]
    pub fn get(&self) -> I::Ref<'_> {
        // SAFETY: the item is in the table, which this slot borrows exclusively.
        unsafe { I::borrow(self.pointer) }
    }

    /// The item as it is, for as long as the table is borrowed.
    pub fn into_ref(self) -> I::Ref<'a> {
        // SAFETY: as in `get`; the slot is consumed, so nothing can change the item during 'a.
        unsafe { I::borrow(self.pointer) }
    }

    /// Changes the item; its key must stay the same, its address need not. A panic inside aborts the process.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut I) -> R) -> R {
        let bomb = AbortOnUnwind;
        // SAFETY: the item is taken from its slot and put back below; nothing can look at the slot between.
        let mut item = unsafe { I::from_raw(self.pointer) };
        let result = change(&mut item);
        let pointer = item.into_raw();
        if pointer != self.pointer {
            match self.at {
                At::Segment(segment, at) => segment.lines()[at.line].replace(at.slot, pointer),
                At::Overflow(index) => {
                    if let Some(chain) = self.table.overflow_mut().get_mut(&self.hash) {
                        chain[index] = pointer;
                    }
                }
            }
            self.pointer = pointer;
        }
        std::mem::forget(bomb);
        result
    }

    /// Takes the item out of the table.
    pub fn remove(self) -> I {
        // SAFETY: the item leaves its slot below and is owned by the caller from now on.
        let item = unsafe { I::from_raw(self.pointer) };
        self.table.set_len(self.table.len - 1);
        match self.at {
            At::Segment(segment, at) => {
                let home = segment.home(segment.bits_of(self.hash));
                if !segment.remove(at) && self.table.overflow().is_some() {
                    self.table.refill(self.hash, segment, home);
                }
                if segment.lines()[home].presence() == 0 && segment.is_looked_at(home) {
                    self.table.make_smaller(self.hash);
                }
            }
            At::Overflow(index) => self.table.remove_overflow(self.hash, index),
        }
        item
    }
}

impl<I: Item> Table<I> {
    fn remove_overflow(&mut self, hash: u64, index: usize) {
        let overflow = self.overflow_mut();
        if let Some(chain) = overflow.get_mut(&hash) {
            chain.swap_remove(index);
            if chain.is_empty() {
                overflow.remove(&hash);
            }
        }
    }

    /// Fetches an item of a home line that has a free slot again back from the overflow map.
    fn refill(&mut self, hash: u64, segment: SegmentRef, home: usize) {
        let (from, to) = (scan::hash_of(hash, segment, home), scan::last_hash_of(hash, segment, home));
        let first = self.overflow().and_then(|overflow| overflow.range(from..=to).next());
        let first = first.map(|(&hash, chain)| (hash, chain[0]));
        if let Some((hash, pointer)) = first {
            self.remove_overflow(hash, 0);
            segment.push(pointer, segment.bits_of(hash));
        }
    }
}

/// Aborts the process if dropped by a panic: the slot would hold an item that somebody else owns.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        std::process::abort();
    }
}
