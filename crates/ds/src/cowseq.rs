//! A long ordered sequence that is cheap to pin: the shape under lists, streams and pending-entry lists.
//!
//! ```text
//! CowSeq -> Arc[ Arc<Leaf>, Arc<Leaf>, ... ]      Leaf = up to 256 items + the sum of their weights
//! ```
//!
//! Cloning is O(1) and gives a frozen view. A writer copies what it touches and is shared: the directory once
//! per pin (one pointer per leaf), and each leaf once. Items are small or hold an `Arc` themselves.
//! Invariant: no leaf is empty; a leaf's weight is the sum of its items' weights.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cow::make_mut;

/// Most items in a leaf; a full leaf splits in two halves, or opens a new one at the ends.
const LEAF_ITEMS: usize = 256;

/// What an item counts for when the sequence is indexed by weight (elements of a chunk, entries of a block).
pub(crate) trait Weight {
    /// The weight; it must not change except inside [`CowSeq::modify`].
    fn weight(&self) -> usize;
}

#[derive(Clone, Debug)]
struct Leaf<T> {
    items: VecDeque<T>,
    weight: usize,
}

/// See the file comment.
#[derive(Clone, Debug)]
pub(crate) struct CowSeq<T> {
    leaves: Arc<VecDeque<Arc<Leaf<T>>>>,
}

/// Place of an item. Valid until the next insertion or removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    leaf: usize,
    item: usize,
}

impl<T> Default for CowSeq<T> {
    fn default() -> Self {
        Self { leaves: Arc::default() }
    }
}

impl<T: Clone + Weight> CowSeq<T> {
    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Number of items, counted leaf by leaf.
    pub fn len(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.items.len()).sum()
    }

    /// Whether there are more than `count` items; leaves are counted until that is known.
    pub fn is_longer_than(&self, count: usize) -> bool {
        let mut seen = 0;
        self.leaves.iter().any(|leaf| {
            seen += leaf.items.len();
            seen > count
        })
    }

    /// Bytes of the structure itself, without what items own on the heap.
    pub fn overhead_bytes(&self) -> usize {
        let leaf = size_of::<Leaf<T>>() + 16 + size_of::<Arc<Leaf<T>>>();
        self.leaves.iter().map(|l| leaf + l.items.capacity() * size_of::<T>()).sum()
    }

    /// The first item.
    pub fn first(&self) -> Option<Cursor> {
        (!self.is_empty()).then_some(Cursor { leaf: 0, item: 0 })
    }

    /// The last item.
    pub fn last(&self) -> Option<Cursor> {
        let leaf = self.leaves.len().checked_sub(1)?;
        Some(Cursor { leaf, item: self.leaves[leaf].items.len() - 1 })
    }

    /// The item after this one.
    pub fn next(&self, at: Cursor) -> Option<Cursor> {
        if at.item + 1 < self.leaves[at.leaf].items.len() {
            return Some(Cursor { item: at.item + 1, ..at });
        }
        (at.leaf + 1 < self.leaves.len()).then_some(Cursor { leaf: at.leaf + 1, item: 0 })
    }

    /// The item before this one.
    pub fn prev(&self, at: Cursor) -> Option<Cursor> {
        if at.item > 0 {
            return Some(Cursor { item: at.item - 1, ..at });
        }
        let leaf = at.leaf.checked_sub(1)?;
        Some(Cursor { leaf, item: self.leaves[leaf].items.len() - 1 })
    }

    /// The item at a cursor.
    pub fn get(&self, at: Cursor) -> &T {
        &self.leaves[at.leaf].items[at.item]
    }

    /// Items from a cursor on, in order.
    pub fn iter_from(&self, at: Option<Cursor>) -> impl Iterator<Item = &T> {
        std::iter::successors(at, |at| self.next(*at)).map(|at| self.get(at))
    }

    /// All items in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.leaves.iter().flat_map(|leaf| &leaf.items)
    }

    /// The item that holds the `index`-th unit of weight, and the index inside that item.
    pub fn seek(&self, mut index: usize) -> Option<(Cursor, usize)> {
        let leaf = self.leaves.iter().position(|leaf| {
            let here = index < leaf.weight;
            index -= if here { 0 } else { leaf.weight };
            here
        })?;
        let item = self.leaves[leaf].items.iter().position(|item| {
            let here = index < item.weight();
            index -= if here { 0 } else { item.weight() };
            here
        })?;
        Some((Cursor { leaf, item }, index))
    }

    /// The first item for which `before` is false; items are partitioned by it.
    pub fn partition_point(&self, before: impl Fn(&T) -> bool) -> Option<Cursor> {
        let leaf = self.leaves.partition_point(|leaf| leaf.items.back().is_some_and(&before));
        let items = &self.leaves.get(leaf)?.items;
        Some(Cursor { leaf, item: items.partition_point(before) })
    }

    /// Changes an item in place.
    pub fn modify<R>(&mut self, at: Cursor, change: impl FnOnce(&mut T) -> R) -> R {
        let leaf = make_mut(&mut make_mut(&mut self.leaves)[at.leaf]);
        let item = &mut leaf.items[at.item];
        let before = item.weight();
        let result = change(item);
        leaf.weight = leaf.weight - before + item.weight();
        result
    }

    /// Appends an item.
    pub fn push_back(&mut self, item: T) {
        self.push(item, true);
    }

    /// Puts an item first.
    pub fn push_front(&mut self, item: T) {
        self.push(item, false);
    }

    fn push(&mut self, item: T, back: bool) {
        let leaves = make_mut(&mut self.leaves);
        let end = if back { leaves.back_mut() } else { leaves.front_mut() };
        if let Some(leaf) = end.filter(|leaf| leaf.items.len() < LEAF_ITEMS) {
            let leaf = make_mut(leaf);
            leaf.weight += item.weight();
            return if back { leaf.items.push_back(item) } else { leaf.items.push_front(item) };
        }
        let leaf = Arc::new(Leaf { weight: item.weight(), items: VecDeque::from([item]) });
        if back { leaves.push_back(leaf) } else { leaves.push_front(leaf) }
    }

    /// Inserts before a cursor, or at the end; gives the cursor of the new item.
    pub fn insert(&mut self, at: Option<Cursor>, item: T) -> Cursor {
        let Some(mut at) = at else {
            self.push_back(item);
            return self.last().expect("invariant: an item was just added");
        };
        let leaves = make_mut(&mut self.leaves);
        if leaves[at.leaf].items.len() >= LEAF_ITEMS {
            let leaf = make_mut(&mut leaves[at.leaf]);
            let tail = leaf.items.split_off(LEAF_ITEMS / 2);
            let weight = tail.iter().map(T::weight).sum();
            leaf.weight -= weight;
            leaves.insert(at.leaf + 1, Arc::new(Leaf { items: tail, weight }));
            if at.item > LEAF_ITEMS / 2 {
                at = Cursor { leaf: at.leaf + 1, item: at.item - LEAF_ITEMS / 2 };
            }
        }
        let leaf = make_mut(&mut leaves[at.leaf]);
        leaf.weight += item.weight();
        leaf.items.insert(at.item, item);
        at
    }

    /// Removes an item; gives the cursor of the one that follows.
    pub fn remove(&mut self, at: Cursor) -> Option<Cursor> {
        let leaves = make_mut(&mut self.leaves);
        let leaf = make_mut(&mut leaves[at.leaf]);
        if let Some(item) = leaf.items.remove(at.item) {
            leaf.weight -= item.weight();
        }
        let left = leaf.items.len();
        if left == 0 {
            leaves.remove(at.leaf);
            return (at.leaf < leaves.len()).then_some(Cursor { leaf: at.leaf, item: 0 });
        }
        // Two neighbours that fit half a leaf become one, so that removals do not leave many tiny leaves.
        if left < LEAF_ITEMS / 4 && at.leaf + 1 < leaves.len() {
            let next_len = leaves[at.leaf + 1].items.len();
            if left + next_len <= LEAF_ITEMS / 2
                && let Some(next) = leaves.remove(at.leaf + 1)
            {
                let leaf = make_mut(&mut leaves[at.leaf]);
                leaf.weight += next.weight;
                leaf.items.extend(next.items.iter().cloned());
            }
        }
        if at.item < leaves[at.leaf].items.len() {
            return Some(at);
        }
        (at.leaf + 1 < leaves.len()).then_some(Cursor { leaf: at.leaf + 1, item: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Weight for u16 {
        fn weight(&self) -> usize {
            usize::from(*self)
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Insert(usize, u16),
        Push(bool, u16),
        Modify(usize, u16),
        Remove(usize),
        Pin,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            30 => (any::<usize>(), 1u16..9).prop_map(|(i, v)| Op::Insert(i, v)),
            10 => (any::<bool>(), 1u16..9).prop_map(|(b, v)| Op::Push(b, v)),
            10 => (any::<usize>(), 1u16..9).prop_map(|(i, v)| Op::Modify(i, v)),
            20 => any::<usize>().prop_map(Op::Remove),
            1 => Just(Op::Pin),
        ]
    }

    fn nth(seq: &CowSeq<u16>, index: usize) -> Option<Cursor> {
        std::iter::successors(seq.first(), |at| seq.next(*at)).nth(index)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn behaves_like_a_vector(start in 0usize..900, ops in proptest::collection::vec(op(), 0..600)) {
            let (mut seq, mut model) = (CowSeq::default(), Vec::new());
            let mut pins = Vec::new();
            for i in 0..start {
                seq.push_back((i % 7) as u16 + 1);
                model.push((i % 7) as u16 + 1);
            }
            for op in ops {
                match op {
                    Op::Insert(i, v) => {
                        let i = i % (model.len() + 1);
                        let at = seq.insert(nth(&seq, i), v);
                        prop_assert_eq!(*seq.get(at), v);
                        model.insert(i, v);
                    }
                    Op::Push(true, v) => { seq.push_back(v); model.push(v); }
                    Op::Push(false, v) => { seq.push_front(v); model.insert(0, v); }
                    Op::Modify(i, v) if !model.is_empty() => {
                        let i = i % model.len();
                        seq.modify(nth(&seq, i).expect("in range"), |item| *item = v);
                        model[i] = v;
                    }
                    Op::Remove(i) if !model.is_empty() => {
                        let i = i % model.len();
                        let next = seq.remove(nth(&seq, i).expect("in range"));
                        model.remove(i);
                        prop_assert_eq!(next.map(|at| *seq.get(at)), model.get(i).copied());
                    }
                    Op::Pin => pins.push((seq.clone(), model.clone())),
                    _ => {}
                }
            }
            pins.push((seq, model));
            for (seq, model) in pins {
                prop_assert_eq!(seq.iter().copied().collect::<Vec<_>>(), model.clone());
                prop_assert_eq!(seq.len(), model.len());
                let total: usize = model.iter().map(|v| usize::from(*v)).sum();
                prop_assert!(seq.seek(total).is_none());
                let mut index = 0;
                for (i, v) in model.iter().enumerate() {
                    let (at, offset) = seq.seek(index + usize::from(*v) - 1).expect("in range");
                    prop_assert_eq!((Some(at), offset), (nth(&seq, i), usize::from(*v) - 1));
                    index += usize::from(*v);
                }
                let mut back: Vec<u16> =
                    std::iter::successors(seq.last(), |at| seq.prev(*at)).map(|at| *seq.get(at)).collect();
                back.reverse();
                prop_assert_eq!(back, model);
            }
        }
    }
}
