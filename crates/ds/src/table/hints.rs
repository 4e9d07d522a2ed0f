//! What the prefetch passes may see of many tables without any lock, and the freeing of what they may still see.
//!
//! Pass 1 prefetches a table's directory; pass 2 reads it and prefetches the line of a hash; pass 3 reads that line's
//! fingerprints and prefetches the items that may match. Where the line is full and none matches, it asks for the stash
//! lines, and pass 4 does for these what pass 3 did. None follows a pointer to an item. Directories and segments that a
//! table replaces are *retired* here, and freed after every thread has left the batch it was in.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use sys::gate::{BatchGuard, Gate};
use sys::limbo::Limbo;
use sys::os::prefetch;

use super::directory::Directory;
use super::line::Line;
use super::segment::SegmentRef;

/// The published directories of a set of tables, by index.
pub struct Hints {
    tables: Box<[Published]>,
    /// The number of each table's items, apart from what the passes read, for writers change it all the time.
    lens: Box<[AtomicUsize]>,
    gate: Arc<Gate>,
    limbo: Limbo<Retired>,
}

/// What a prefetch pass knows of a table.
#[derive(Default)]
struct Published {
    directory: AtomicPtr<Directory>,
    /// Where the table itself stands, 0 if it is not told; only ever prefetched.
    home: AtomicUsize,
}

/// A block that is out of the table but may still be read by a prefetch pass.
pub(super) enum Retired {
    Directory(NonNull<Directory>),
    Segment(SegmentRef),
}

// SAFETY: retired blocks are owned by the limbo alone and hold only atomics.
unsafe impl Send for Retired {}

/// The line that pass 2 found, for the others; lives no longer than the batch.
#[derive(Clone, Copy)]
pub struct Hint<'batch>(Option<(&'batch Line, SegmentRef, u32)>);

impl Hints {
    /// Room for `tables` tables whose readers enter batches at `gate`.
    pub fn new(tables: usize, gate: Arc<Gate>) -> Arc<Hints> {
        let lens = (0..tables).map(|_| AtomicUsize::new(0)).collect();
        let tables = (0..tables).map(|_| Published::default()).collect();
        Arc::new(Hints { tables, lens, gate, limbo: Limbo::default() })
    }

    /// Items of these tables, all together. What the calling thread, or one that it has heard from, has added or removed
    /// is counted; what others do meanwhile may be.
    pub fn items(&self, tables: std::ops::Range<usize>) -> usize {
        self.lens[tables].iter().map(|len| len.load(Ordering::Relaxed)).sum()
    }

    /// Says where a table has come to stand, so that pass 1 can ask for it too.
    pub fn set_home<T>(&self, index: usize, home: &T) {
        self.tables[index].home.store(std::ptr::from_ref(home).addr(), Ordering::Relaxed);
    }

    /// Pass 1: prefetches what pass 2 reads of table `index`, and the table.
    #[inline]
    pub fn prefetch_table(&self, index: usize) {
        let table = &self.tables[index];
        let home = table.home.load(Ordering::Relaxed);
        if home != 0 {
            prefetch(std::ptr::without_provenance(home));
            prefetch(std::ptr::without_provenance(home.wrapping_add(64)));
        }
        prefetch(table.directory.load(Ordering::Relaxed).cast());
    }

    /// Pass 2: prefetches the home line of `hash` in table `index`.
    #[inline]
    pub fn prefetch_line<'batch>(
        &self,
        _batch: &'batch BatchGuard<'_>,
        index: usize,
        hash: u64,
    ) -> Hint<'batch> {
        // SeqCst, as the gate wants it of what is freed by its epoch.
        let directory = NonNull::new(self.tables[index].directory.load(Ordering::SeqCst));
        let Some(directory) = directory else {
            return Hint(None);
        };
        // SAFETY: a published directory is freed only after every batch that may have seen it has ended, and
        // the caller is inside one (`_batch`).
        let segment = unsafe { directory.as_ref() }.segment(hash);
        let bits = segment.bits_of(hash);
        // Nor can the segment be freed before that batch ends.
        let line: &'batch Line = &segment.lines()[segment.home(bits)];
        prefetch(std::ptr::from_ref(line).cast());
        Hint(Some((line, segment, bits)))
    }

    /// Pass 3: prefetches the items that may be the one. Answers whether it may be in the stash instead, for pass 4.
    #[inline]
    pub fn prefetch_item(&self, hint: Hint<'_>) -> bool {
        let Hint(Some((line, segment, bits))) = hint else { return false };
        if prefetch_candidates(line, bits) || !line.is_full() {
            return false;
        }
        segment.stash_of(segment.home(bits)).for_each(|at| prefetch(segment.line(at).cast()));
        true
    }

    /// Pass 4: prefetches the items in the stash that may be the one.
    #[inline]
    pub fn prefetch_stashed(&self, hint: Hint<'_>) {
        let Hint(Some((_, segment, bits))) = hint else { return };
        for at in segment.stash_of(segment.home(bits)) {
            prefetch_candidates(&segment.lines()[at], bits);
        }
    }

    pub(super) fn publish(&self, index: usize, directory: Option<NonNull<Directory>>) {
        let pointer = directory.map_or(std::ptr::null_mut(), NonNull::as_ptr);
        self.tables[index].directory.store(pointer, Ordering::SeqCst);
    }

    #[inline]
    pub(super) fn publish_len(&self, index: usize, len: usize) {
        self.lens[index].store(len, Ordering::Relaxed);
    }

    /// Takes blocks that the caller has just unlinked.
    pub(super) fn retire(&self, blocks: impl IntoIterator<Item = Retired>) {
        for block in self.limbo.retire(&self.gate, blocks) {
            // SAFETY: no batch sees it any more.
            unsafe { block.free() }
        }
    }

    /// Frees what can be freed; to be called now and then when nothing retires.
    pub fn reclaim(&self) {
        self.retire([]);
    }
}

/// Whether there are any.
#[inline]
fn prefetch_candidates(line: &Line, bits: u32) -> bool {
    let mut any = false;
    for (_, pointer) in line.candidates(bits) {
        prefetch(pointer.as_ptr());
        prefetch(pointer.as_ptr().wrapping_add(64));
        any = true;
    }
    any
}

impl Retired {
    /// # Safety
    /// Nobody may use the block afterwards.
    pub(super) unsafe fn free(self) {
        match self {
            // SAFETY: directories are made by `Box` and retired once.
            Retired::Directory(directory) => drop(unsafe { Box::from_raw(directory.as_ptr()) }),
            // SAFETY: passed on to the caller.
            Retired::Segment(segment) => unsafe { segment.free() },
        }
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        for block in self.limbo.take_all() {
            // SAFETY: nobody shares these hints any more, so no prefetch pass is running.
            unsafe { block.free() }
        }
    }
}
