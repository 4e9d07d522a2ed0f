//! Frozen views of a table, made without copying it, for a reader on another thread.
//!
//! [`Table::freeze`] copies the directory and marks each of its words as frozen; lines and items are shared from
//! then on. A writer that reaches a frozen segment copies its lines first (28 KB at most) and leaves the old ones
//! to the *graveyard*, where items that leave the table and, if need be, the whole table go too. The last view
//! frees what lies there. When no view lives, a frozen mark means nothing and is taken off.
//!
//! Invariants: a frozen segment is never written while a view lives, and an item that a view can see is neither
//! changed nor freed. The table keeps the first; its owner keeps the second by giving items up through
//! [`Table::release`] and by replacing instead of changing them. Tables with hints or hooks are never frozen.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::directory::Directory;
use super::hints::Retired;
use super::line::Line;
use super::segment::SegmentRef;
use super::{Item, Table};

/// What left a table while a view could still see it.
struct Graveyard<I: Item>(Mutex<Dead<I>>);

struct Dead<I: Item> {
    items: Vec<I>,
    segments: Vec<SegmentRef>,
    tables: Vec<Table<I>>,
}

impl<I: Item> Graveyard<I> {
    fn bury(&self, add: impl FnOnce(&mut Dead<I>)) {
        // Pushing cannot leave the vectors half changed, so a poisoned lock is still good.
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<I: Item> Drop for Dead<I> {
    fn drop(&mut self) {
        for segment in self.segments.drain(..) {
            // SAFETY: the table unlinked it, and no view is left.
            unsafe { segment.free() }
        }
    }
}

/// The graveyard of the views that live, if any does.
pub(super) struct Pins<I: Item>(Mutex<Weak<Graveyard<I>>>);

impl<I: Item> Default for Pins<I> {
    fn default() -> Self {
        Pins(Mutex::new(Weak::new()))
    }
}

impl<I: Item> Pins<I> {
    fn graveyard(&self) -> Option<Arc<Graveyard<I>>> {
        let graveyard = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        if graveyard.is_none() {
            // Pairs with the release in the last view's drop: its reads come before our writes and frees.
            fence(Ordering::Acquire);
        }
        graveyard
    }

    fn graveyard_for_view(&self) -> Arc<Graveyard<I>> {
        let mut pins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pins.upgrade().unwrap_or_else(|| {
            let dead = Dead { items: Vec::new(), segments: Vec::new(), tables: Vec::new() };
            let graveyard = Arc::new(Graveyard(Mutex::new(dead)));
            *pins = Arc::downgrade(&graveyard);
            graveyard
        })
    }
}

/// A table as it was when [`Table::freeze`] was called.
pub struct Frozen<I: Item> {
    directory: Option<Directory>,
    overflow: Vec<NonNull<u8>>,
    len: usize,
    /// Keeps alive what has left the table since.
    _graveyard: Arc<Graveyard<I>>,
    _items: PhantomData<I>,
}

// SAFETY: a view only reads items, and the last one frees those in the graveyard, which are then its own.
unsafe impl<I: Item + Send + Sync> Send for Frozen<I> {}
// SAFETY: as above.
unsafe impl<I: Item + Send + Sync> Sync for Frozen<I> {}

impl<I: Item> Frozen<I> {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All items, in the order of the hash.
    pub fn iter(&self) -> Items<'_, I> {
        Items { view: self, word: 0, lines: &[], left: 0, overflow: 0 }
    }
}

/// The items of a frozen view.
pub struct Items<'a, I: Item> {
    view: &'a Frozen<I>,
    /// The directory's word behind those of the present segment.
    word: usize,
    /// The present segment's lines, the one that is being read first.
    lines: &'a [Line],
    /// Slots of that line that are to come, as bits.
    left: u8,
    /// Number of overflowing items given.
    overflow: usize,
}

impl<'a, I: Item> Iterator for Items<'a, I> {
    type Item = I::Ref<'a>;

    fn next(&mut self) -> Option<I::Ref<'a>> {
        while self.left == 0 {
            self.lines = self.lines.get(1..).unwrap_or(&[]);
            if self.lines.is_empty() {
                let Some((words, segment)) = self.view.directory.as_ref().and_then(|d| d.at(self.word))
                else {
                    let pointer = *self.view.overflow.get(self.overflow)?;
                    self.overflow += 1;
                    // SAFETY: the item is in the table still or in the graveyard.
                    return Some(unsafe { I::borrow(pointer) });
                };
                self.word += words;
                self.lines = segment.lines();
            }
            self.left = self.lines[0].presence();
        }
        let slot = self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        // SAFETY: as above.
        Some(unsafe { I::borrow(self.lines[0].word(slot).pointer()) })
    }
}

impl<I: Item> Table<I> {
    /// A frozen view of the table as it is now; costs a copy of the directory.
    pub(crate) fn freeze(&self) -> Frozen<I> {
        debug_assert!(self.hints.is_none() && self.hook.is_none(), "a table of the keyspace is not frozen");
        let graveyard = self.rare.get_or_init(Box::default).pins.graveyard_for_view();
        Frozen {
            directory: self.directory().map(Directory::frozen),
            overflow: self.overflow().into_iter().flat_map(|all| all.values().flatten().copied()).collect(),
            len: self.len,
            _graveyard: graveyard,
            _items: PhantomData,
        }
    }

    fn graveyard(&self) -> Option<Arc<Graveyard<I>>> {
        self.rare.get()?.pins.graveyard()
    }

    /// Whether a view may live, so that items must be replaced instead of changed.
    pub(crate) fn is_pinned(&self) -> bool {
        self.graveyard().is_some()
    }

    /// Frees an item that is not in the table any more, or leaves it to the views.
    pub(crate) fn release(&self, item: I) {
        match self.graveyard() {
            Some(graveyard) => graveyard.bury(|dead| dead.items.push(item)),
            None => drop(item),
        }
    }

    /// The segment of `hash`, which is `segment`, in a state that may be written.
    #[inline]
    pub(super) fn thaw(&self, hash: u64, segment: SegmentRef) -> SegmentRef {
        if segment.is_frozen() { self.thaw_slowly(hash, segment) } else { segment }
    }

    #[cold]
    fn thaw_slowly(&self, hash: u64, segment: SegmentRef) -> SegmentRef {
        let Some(directory) = self.directory() else { return segment };
        let new = match self.graveyard() {
            Some(graveyard) => {
                graveyard.bury(|dead| dead.segments.push(segment));
                segment.duplicate()
            }
            None => segment.thawed(),
        };
        directory.set(hash, new);
        new
    }

    /// Makes every segment fit for writing.
    pub(super) fn thaw_all(&mut self) {
        let segments: Vec<_> = self.directory().into_iter().flat_map(Directory::segments).collect();
        for (hash, segment) in segments {
            self.thaw(hash, segment);
        }
    }

    /// Frees a block that this table has unlinked and no prefetch pass knows, or leaves it to the views.
    pub(super) fn free_unlinked(&self, block: Retired) {
        if let Retired::Segment(segment) = block
            && segment.is_frozen()
            && let Some(graveyard) = self.graveyard()
        {
            return graveyard.bury(|dead| dead.segments.push(segment));
        }
        // SAFETY: only this table knew the block, and it has unlinked it; directories are not shared with views.
        unsafe { block.free() }
    }

    /// Leaves everything to the views when the table goes away; false if there is none.
    pub(super) fn leave_to_pins(&mut self) -> bool {
        let Some(graveyard) = self.graveyard() else { return false };
        let mut all = Table::default();
        (all.directory, all.len) = (self.directory.take(), self.len);
        let overflow = self.take_overflow();
        if !overflow.is_empty() {
            *all.overflow_mut() = overflow;
        }
        graveyard.bury(|dead| dead.tables.push(all));
        true
    }
}
