//! A B+tree of (score, member) with the number of slots below every node.
//!
//! Nodes are reference counted: a clone of the tree is O(1), and a writer copies the nodes on its path that a
//! clone still shares. Leaves grow by allocator size classes, so a leaf that is half full costs little more than its slots.
//! Invariant: slots rise by (score, name); no node is empty; each entry of an inner node repeats the first slot
//! and the count of its child, so a removed member leaves no pointer behind in the tree it was removed from.
//!
//! Safety: whoever owns a tree keeps the members that its slots name alive (see `super::Zset` and `super::Pin`).
//! That is why the functions here may look at names without being `unsafe` themselves: the type is private to `zset`.

use std::cmp::Ordering;
use std::sync::Arc;

use super::member::MemberPtr;

/// Most slots in a leaf, and most children of an inner node.
const LEAF_SLOTS: usize = 128;
const CHILDREN: usize = 64;

/// One member at its place.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub score: f64,
    pub member: MemberPtr,
}

impl Slot {
    pub(super) fn name(&self) -> &[u8] {
        // SAFETY: the owner of the tree keeps the member alive as long as the slot can be reached.
        unsafe { self.member.name() }
    }

    /// The order of sorted sets; -0 equals 0.
    pub(super) fn order(&self, score: f64, name: &[u8]) -> Ordering {
        self.score.partial_cmp(&score).unwrap_or(Ordering::Equal).then_with(|| self.name().cmp(name))
    }
}

#[derive(Clone)]
enum Node {
    Leaf(Arc<Vec<Slot>>),
    Inner(Arc<Vec<Child>>),
}

#[derive(Clone)]
struct Child {
    first: Slot,
    count: usize,
    node: Node,
}

/// See the file comment.
#[derive(Clone, Default)]
pub(super) struct Tree {
    root: Option<Node>,
    len: usize,
}

/// Whether a node lies on the left or right edge of the tree: there, growing in order fills nodes completely.
#[derive(Clone, Copy)]
struct Edge {
    left: bool,
    right: bool,
}

impl Node {
    /// The entry for this node in its parent.
    fn into_child(self) -> Child {
        let (first, count) = match &self {
            Node::Leaf(slots) => (slots[0], slots.len()),
            Node::Inner(children) => (children[0].first, children.iter().map(|c| c.count).sum()),
        };
        Child { first, count, node: self }
    }

    fn len(&self) -> usize {
        match self {
            Node::Leaf(slots) => slots.len(),
            Node::Inner(children) => children.len(),
        }
    }

    /// Adds a slot; gives the new right neighbour if the node had to split.
    fn insert(&mut self, slot: Slot, edge: Edge) -> Option<Node> {
        match self {
            Node::Leaf(slots) => {
                let slots = own(slots);
                let at = slots.partition_point(|s| s.order(slot.score, slot.name()).is_lt());
                add(slots, at, slot, LEAF_SLOTS, edge).map(|right| Node::Leaf(Arc::new(right)))
            }
            Node::Inner(children) => {
                let children = own(children);
                let after = children.partition_point(|c| c.first.order(slot.score, slot.name()).is_lt());
                let at = after.saturating_sub(1);
                let edge = Edge { left: edge.left && at == 0, right: edge.right && at + 1 == children.len() };
                let split = children[at].node.insert(slot, edge);
                refresh(&mut children[at]);
                let right = add(children, at + 1, split?.into_child(), CHILDREN, edge)?;
                Some(Node::Inner(Arc::new(right)))
            }
        }
    }

    /// Removes the slot with this rank, which exists.
    fn remove(&mut self, mut rank: usize) -> Slot {
        match self {
            Node::Leaf(slots) => {
                let slots = own(slots);
                let slot = slots.remove(rank);
                give_back(slots);
                slot
            }
            Node::Inner(children) => {
                let children = own(children);
                let at = locate(children, &mut rank);
                let slot = children[at].node.remove(rank);
                match children[at].node.len() {
                    0 => _ = children.remove(at),
                    len => {
                        refresh(&mut children[at]);
                        if len < LEAF_SLOTS / 4 {
                            merge(children, at);
                        }
                    }
                }
                give_back(children);
                slot
            }
        }
    }
}

/// Owned access to a node's vector, copying it with its exact size class if it is shared.
fn own<T: Clone>(node: &mut Arc<Vec<T>>) -> &mut Vec<T> {
    if Arc::get_mut(node).is_none() {
        let mut copy = Vec::new();
        reserve(&mut copy, node.len());
        copy.extend_from_slice(node);
        *node = Arc::new(copy);
    }
    Arc::get_mut(node).expect("invariant: the node was just made unique")
}

/// Makes room up to the next allocator size class: sixteen bytes a slot, four classes per power of two.
fn reserve<T>(items: &mut Vec<T>, count: usize) {
    if count > items.capacity() {
        let bytes = (count * size_of::<T>()).max(64);
        let spacing = 1usize << ((bytes - 1).ilog2() - 2);
        let capacity = bytes.next_multiple_of(spacing) / size_of::<T>();
        items.reserve_exact(capacity - items.len());
    }
}

/// Gives memory back when more than a third is unused.
fn give_back<T>(items: &mut Vec<T>) {
    if items.capacity() > items.len() + items.len() / 2 + 8 {
        items.shrink_to(items.len() + items.len() / 8);
    }
}

/// Inserts into a node's vector; gives the right half if it was full. At an edge of the tree the new item alone
/// becomes the neighbour, for members often arrive in order.
fn add<T>(items: &mut Vec<T>, at: usize, item: T, most: usize, edge: Edge) -> Option<Vec<T>> {
    if items.len() < most {
        reserve(items, items.len() + 1);
        items.insert(at, item);
        return None;
    }
    if edge.right && at == items.len() {
        return Some(vec![item]);
    }
    let cut = if edge.left && at <= 1 { 1 } else { most / 2 };
    let mut right = Vec::new();
    reserve(&mut right, most - cut + 1);
    right.extend(items.drain(cut..));
    if at <= cut && cut > 1 || at == 0 {
        items.insert(at, item);
    } else {
        right.insert(at - cut, item);
    }
    items.shrink_to(items.len() + 8);
    Some(right)
}

fn refresh(child: &mut Child) {
    match &child.node {
        Node::Leaf(slots) => (child.first, child.count) = (slots[0], slots.len()),
        Node::Inner(children) => {
            (child.first, child.count) = (children[0].first, children.iter().map(|c| c.count).sum());
        }
    }
}

/// The child that holds `rank`; `rank` becomes the rank inside it.
fn locate(children: &[Child], rank: &mut usize) -> usize {
    for (at, child) in children.iter().enumerate() {
        if *rank < child.count {
            return at;
        }
        *rank -= child.count;
    }
    unreachable!("callers check the rank against the count")
}

/// Joins a small node with a neighbour if both together are at most three quarters full.
fn merge(children: &mut Vec<Child>, at: usize) {
    for left in [at, at.wrapping_sub(1)] {
        let Some([_, _]) = left.checked_add(2).and_then(|end| children.get(left..end)) else { continue };
        let most = match children[left].node {
            Node::Leaf(_) => LEAF_SLOTS,
            Node::Inner(_) => CHILDREN,
        };
        if children[left].node.len() + children[left + 1].node.len() > most * 3 / 4 {
            continue;
        }
        let right = children.remove(left + 1);
        match (&mut children[left].node, right.node) {
            (Node::Leaf(a), Node::Leaf(b)) => join(own(a), &b),
            (Node::Inner(a), Node::Inner(b)) => join(own(a), &b),
            _ => unreachable!("all leaves have the same depth"),
        }
        refresh(&mut children[left]);
        return;
    }
}

fn join<T: Clone>(items: &mut Vec<T>, more: &[T]) {
    reserve(items, items.len() + more.len());
    items.extend_from_slice(more);
}

impl Tree {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// A tree of slots that are in order, with full nodes.
    pub(super) fn from_sorted(mut slots: impl ExactSizeIterator<Item = Slot>) -> Tree {
        let len = slots.len();
        let mut nodes = Vec::with_capacity(len.div_ceil(LEAF_SLOTS));
        while slots.len() > 0 {
            let mut leaf = Vec::new();
            reserve(&mut leaf, slots.len().min(LEAF_SLOTS));
            leaf.extend(slots.by_ref().take(LEAF_SLOTS));
            nodes.push(Node::Leaf(Arc::new(leaf)));
        }
        while nodes.len() > 1 {
            let mut below = nodes.into_iter();
            let mut level = Vec::with_capacity(below.len().div_ceil(CHILDREN));
            while below.len() > 0 {
                let mut children = Vec::new();
                reserve(&mut children, below.len().min(CHILDREN));
                children.extend(below.by_ref().take(CHILDREN).map(Node::into_child));
                level.push(Node::Inner(Arc::new(children)));
            }
            nodes = level;
        }
        Tree { root: nodes.pop(), len }
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        self.len += 1;
        let Some(root) = &mut self.root else {
            self.root = Some(Node::Leaf(Arc::new(vec![slot])));
            return;
        };
        if let Some(right) = root.insert(slot, Edge { left: true, right: true }) {
            let left = root.clone().into_child();
            *root = Node::Inner(Arc::new(vec![left, right.into_child()]));
        }
    }

    /// Removes by rank.
    pub(super) fn remove(&mut self, rank: usize) -> Option<Slot> {
        if rank >= self.len {
            return None;
        }
        let slot = self.root.as_mut()?.remove(rank);
        self.len -= 1;
        if self.len == 0 {
            self.root = None;
        }
        while let Some(Node::Inner(children)) = &self.root
            && let [only] = &children[..]
        {
            let node = only.node.clone();
            self.root = Some(node);
        }
        Some(slot)
    }

    /// How many slots fulfil `before`, which is true for a beginning of the order and false for the rest.
    pub(super) fn count_before(&self, before: impl Fn(&Slot) -> bool) -> usize {
        let (leaf, at, end) = self.seek(before);
        end - leaf.len() + at
    }

    /// The first slot that does not fulfil `before` (see [`Tree::count_before`]): a leaf, the index in it, which may be one
    /// too far, and the rank of what follows the leaf.
    pub(super) fn seek(&self, before: impl Fn(&Slot) -> bool) -> (&[Slot], usize, usize) {
        let mut rank = 0;
        let mut node = self.root.as_ref();
        while let Some(Node::Inner(children)) = node {
            // The border lies in the last child whose first slot is still before it.
            let at = children.partition_point(|child| before(&child.first)).saturating_sub(1);
            rank += children[..at].iter().map(|child| child.count).sum::<usize>();
            node = Some(&children[at].node);
        }
        match node {
            Some(Node::Leaf(slots)) => (slots, slots.partition_point(before), rank + slots.len()),
            _ => (&[], 0, 0),
        }
    }

    /// The leaf that holds `rank`, and the index in it.
    pub(super) fn leaf(&self, mut rank: usize) -> Option<(&[Slot], usize)> {
        if rank >= self.len {
            return None;
        }
        let mut node = self.root.as_ref()?;
        loop {
            match node {
                Node::Leaf(slots) => return Some((slots, rank)),
                Node::Inner(children) => {
                    let at = locate(children, &mut rank);
                    node = &children[at].node;
                }
            }
        }
    }

    /// Bytes of the nodes.
    pub(super) fn node_bytes(&self) -> usize {
        fn bytes(node: &Node) -> usize {
            const HEAD: usize = 16 + size_of::<Vec<Slot>>();
            match node {
                Node::Leaf(slots) => HEAD + slots.capacity() * size_of::<Slot>(),
                Node::Inner(children) => {
                    // Leaves are alike: the first child stands for its siblings.
                    let below = children.first().map_or(0, |child| bytes(&child.node));
                    HEAD + children.capacity() * size_of::<Child>() + below * children.len()
                }
            }
        }
        self.root.as_ref().map_or(0, bytes)
    }

    /// Panics if the invariant of the file comment does not hold.
    #[cfg(test)]
    pub(super) fn check(&self) {
        fn walk(node: &Node, depth: usize, leaf_depth: &mut Option<usize>) -> usize {
            assert!(node.len() > 0);
            match node {
                Node::Leaf(slots) => {
                    assert!(slots.len() <= LEAF_SLOTS);
                    assert!(slots.windows(2).all(|w| w[0].order(w[1].score, w[1].name()).is_lt()));
                    assert_eq!(*leaf_depth.get_or_insert(depth), depth);
                    slots.len()
                }
                Node::Inner(children) => {
                    assert!(children.len() <= CHILDREN);
                    children
                        .iter()
                        .map(|child| {
                            let first = child.node.clone().into_child();
                            assert!(first.first.member == child.first.member && first.count == child.count);
                            assert_eq!(walk(&child.node, depth + 1, leaf_depth), child.count);
                            child.count
                        })
                        .sum()
                }
            }
        }
        assert_eq!(self.root.as_ref().map_or(0, |root| walk(root, 0, &mut None)), self.len);
    }
}
