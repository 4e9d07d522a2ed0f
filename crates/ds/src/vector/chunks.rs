//! Long arrays that are cheap to pin: chunks behind shared pointers.
//!
//! ```text
//! Items -> Arc[ Arc[item; 32], Arc[item; 32], ... ]
//! Rows  -> Arc[ Arc[row, row, ...], ... ]              a row is `stride` numbers, side by side
//! ```
//!
//! Cloning is O(1) and gives a frozen view. A writer copies what it touches and is shared: the directory once per pin
//! (one pointer per chunk), and each chunk once. Invariant: all chunks but the last are full; positions never move.
//! Called by the vector set alone.

use std::sync::Arc;

const ITEMS_SHIFT: u32 = 5;
const ITEMS: usize = 1 << ITEMS_SHIFT;
/// Bytes of a chunk of rows, about: what the first write under a pin copies.
const ROWS_BYTES: usize = 32 << 10;
/// Most rows in a chunk.
const MOST_ROWS: usize = 256;

/// An array of items.
#[derive(Clone)]
pub(super) struct Items<T> {
    chunks: Arc<Vec<Arc<Vec<T>>>>,
    len: usize,
}

impl<T: Clone> Items<T> {
    pub(super) fn new() -> Items<T> {
        Items { chunks: Arc::default(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> &T {
        &self.chunks[at >> ITEMS_SHIFT][at & (ITEMS - 1)]
    }

    pub(super) fn get_mut(&mut self, at: usize) -> &mut T {
        let chunk = &mut Arc::make_mut(&mut self.chunks)[at >> ITEMS_SHIFT];
        &mut Arc::make_mut(chunk)[at & (ITEMS - 1)]
    }

    pub(super) fn push(&mut self, item: T) {
        let chunks = Arc::make_mut(&mut self.chunks);
        if self.len.is_multiple_of(ITEMS) {
            chunks.push(Arc::default());
        }
        let last = chunks.last_mut().expect("invariant: a chunk with room was just made sure of");
        Arc::make_mut(last).push(item);
        self.len += 1;
    }

    /// Bytes of the structure itself, without what items own on the heap.
    pub(super) fn overhead_bytes(&self) -> usize {
        let items: usize = self.chunks.last().map_or(0, |last| last.capacity());
        let full = self.chunks.len().saturating_sub(1) * ITEMS;
        (full + items) * size_of::<T>() + self.chunks.len() * (size_of::<Vec<T>>() + 24)
    }
}

/// An array of rows of equal length.
#[derive(Clone)]
pub(super) struct Rows<T> {
    chunks: Arc<Vec<Arc<Vec<T>>>>,
    stride: usize,
    /// Rows of a chunk: two to this power.
    shift: u32,
}

impl<T: Copy + Default> Rows<T> {
    /// Rows of `stride` numbers, at least one.
    pub(super) fn new(stride: usize) -> Rows<T> {
        let fitting = (ROWS_BYTES / (stride * size_of::<T>())).clamp(1, MOST_ROWS);
        Rows { chunks: Arc::default(), stride, shift: fitting.ilog2() }
    }

    #[inline]
    pub(super) fn row(&self, at: usize) -> &[T] {
        let from = (at & ((1 << self.shift) - 1)) * self.stride;
        &self.chunks[at >> self.shift][from..from + self.stride]
    }

    /// Sets a row: one that is there, or the one behind the last.
    pub(super) fn set(&mut self, at: usize, row: &[T]) {
        let (chunk, place) = (at >> self.shift, at & ((1 << self.shift) - 1));
        let chunks = Arc::make_mut(&mut self.chunks);
        if chunk == chunks.len() {
            chunks.push(Arc::default());
        }
        let (stride, most) = (self.stride, self.stride << self.shift);
        let chunk = Arc::make_mut(&mut chunks[chunk]);
        let from = place * stride;
        if chunk.len() == from {
            if chunk.capacity() < from + stride {
                // Doubles, up to the exact size of a full chunk.
                chunk.reserve_exact(stride.max(from.min(most - from)));
            }
            chunk.extend_from_slice(row);
        } else {
            chunk[from..from + stride].copy_from_slice(row);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let numbers: usize = self.chunks.iter().map(|chunk| chunk.capacity()).sum();
        numbers * size_of::<T>() + self.chunks.len() * (size_of::<Vec<T>>() + 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_saw() {
        let (mut items, mut rows) = (Items::new(), Rows::new(3));
        for i in 0..1000u32 {
            items.push(i);
            rows.set(i as usize, &[i, i + 1, i + 2]);
        }
        let pin = (items.clone(), rows.clone());
        for i in (0..1000).step_by(7) {
            *items.get_mut(i) = 0;
            rows.set(i, &[9, 9, 9]);
        }
        items.push(5);
        rows.set(1000, &[1, 1, 1]);
        assert!((0..1000).all(|i| *pin.0.get(i) == i as u32) && pin.0.len() == 1000 && items.len() == 1001);
        for i in 0..1000u32 {
            assert_eq!(pin.1.row(i as usize), [i, i + 1, i + 2]);
            assert_eq!(*items.get(i as usize), if i % 7 == 0 { 0 } else { i });
            assert_eq!(rows.row(i as usize)[0], if i % 7 == 0 { 9 } else { i });
        }
    }

    #[test]
    fn long_rows_take_no_more_than_their_bytes() {
        let mut rows = Rows::new(65_536);
        rows.set(0, &vec![1.0f32; 65_536]);
        assert!(rows.memory_bytes() < 4 * 65_536 + 200);
    }
}
