//! The graph of a vector set: "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
//! Small World graphs" (Malkov and Yashunin), with links in both directions and real deletion.
//!
//! ```text
//! level 2   .           .            few nodes, long links
//! level 1   .     .     .      .     a quarter of the nodes of the level below
//! level 0   .  .  .  .  .  .  .  .   all nodes
//! ```
//!
//! 1. A search walks from the entry to the nearest node of each upper level, then explores level 0 (or the levels of a new
//!    node) with a list of the `ef` best.
//! 2. A new node links to the best candidates that are not nearer to each other than to it, then to the rest, up to M. A full
//!    node gives up its farthest link for a nearer one, if that leaves no node cut off: its ends have a neighbour
//!    in common, or the new node takes the lost end over.
//! 3. A removed node's neighbours are linked to each other: near ones first, then whatever its absence has cut apart.
//!
//! Invariants: a link is listed at both of its ends, once; the entry is a node of the highest level; a graph that was
//! connected stays connected at each level. So a search with an `ef` of all nodes finds all of them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use smallvec::SmallVec;

use super::code::Encoded;
use super::{Slot, VectorSet};

/// Most levels above the lowest.
pub(super) const MOST_LEVEL: usize = 16;
/// Neighbours of a removed node that are compared pair by pair.
const MOST_PAIRED: usize = 64;

/// The links of a node on one level.
#[derive(Clone, Default, Debug)]
pub(super) struct Links {
    pub(super) to: Vec<Slot>,
    /// Place of the farthest, and how far it is.
    pub(super) worst: u32,
    pub(super) worst_distance: f32,
}

/// Links by level, the lowest first.
pub(super) type Levels = SmallVec<[Links; 1]>;

/// A distance and a node, ordered as numbers: distances that are no numbers come last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Near(u64);

impl Near {
    #[inline]
    pub(super) fn new(distance: f32, slot: Slot) -> Near {
        let bits = if distance.is_nan() { f32::NAN.abs().to_bits() } else { distance.to_bits() };
        let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        Near(u64::from(ordered) << 32 | u64::from(slot.0))
    }

    #[inline]
    pub(super) fn distance(self) -> f32 {
        let ordered = (self.0 >> 32) as u32;
        f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
    }

    #[inline]
    pub(super) fn slot(self) -> Slot {
        Slot(self.0 as u32)
    }
}

/// A set of slots, a bit for each.
struct Visited(Vec<u64>);

impl Visited {
    fn new(slots: usize) -> Visited {
        Visited(vec![0; slots.div_ceil(64)])
    }

    /// Adds a slot; false if it was there.
    #[inline]
    fn add(&mut self, slot: Slot) -> bool {
        let (word, bit) = (&mut self.0[slot.at() / 64], 1 << (slot.at() % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// The level of a new node: a quarter of those of one level reach the next.
pub(super) fn level_of(random: u64) -> usize {
    (random.trailing_zeros() as usize / 2).min(MOST_LEVEL)
}

/// How far a search goes.
pub(super) struct Effort<'a> {
    /// Best nodes that are kept.
    pub(super) ef: usize,
    /// Nodes that are looked at.
    pub(super) most_looked_at: usize,
    /// Which nodes may be in the result; the others only show the way.
    pub(super) accept: &'a mut dyn FnMut(Slot) -> bool,
}

impl VectorSet {
    fn links(&self, slot: Slot, level: usize) -> &[Slot] {
        self.node(slot).levels.get(level).map_or(&[], |links| &links.to)
    }

    fn levels_of(&self, slot: Slot) -> usize {
        self.node(slot).levels.len()
    }

    /// Most links of a node.
    fn most_links(&self, level: usize) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }

    /// The node of a level that no neighbour of its is nearer than, walking from `from`.
    fn descend(&self, query: &Encoded, from: Slot, level: usize) -> Slot {
        let mut best = Near::new(self.distance_to(query, from), from);
        loop {
            let nearer = self.links(best.slot(), level).iter();
            let nearest = nearer.map(|slot| Near::new(self.distance_to(query, *slot), *slot)).min();
            match nearest {
                Some(nearest) if nearest < best => best = nearest,
                _ => return best.slot(),
            }
        }
    }

    /// The best nodes of a level, nearest first.
    fn explore(&self, query: &Encoded, from: Slot, level: usize, effort: Effort<'_>) -> Vec<Near> {
        let mut visited = Visited::new(self.nodes.len());
        let first = Near::new(self.distance_to(query, from), from);
        visited.add(from);
        let mut open = BinaryHeap::from([Reverse(first)]);
        let mut best = BinaryHeap::new();
        if (effort.accept)(from) {
            best.push(first);
        }
        let mut looked_at = 1;
        while let Some(Reverse(near)) = open.pop() {
            let full = best.len() >= effort.ef;
            if full && best.peek().is_some_and(|worst| near > *worst) {
                break;
            }
            for slot in self.links(near.slot(), level) {
                if looked_at >= effort.most_looked_at || !visited.add(*slot) {
                    continue;
                }
                looked_at += 1;
                let found = Near::new(self.distance_to(query, *slot), *slot);
                if best.len() >= effort.ef && best.peek().is_some_and(|worst| found > *worst) {
                    continue;
                }
                open.push(Reverse(found));
                if (effort.accept)(*slot) {
                    best.push(found);
                    if best.len() > effort.ef {
                        best.pop();
                    }
                }
            }
        }
        best.into_sorted_vec()
    }

    /// The best nodes, nearest first.
    pub(super) fn nearest(&self, query: &Encoded, effort: Effort<'_>) -> Vec<Near> {
        let Some(mut from) = self.entry else { return Vec::new() };
        for level in (1..self.levels_of(from)).rev() {
            from = self.descend(query, from, level);
        }
        self.explore(query, from, 0, effort)
    }

    /// Links a new node, which has empty lists for its levels.
    pub(super) fn connect(&mut self, slot: Slot, encoded: &Encoded, ef: usize) {
        let top = self.levels_of(slot) - 1;
        let Some(mut from) = self.entry else {
            self.entry = Some(slot);
            return;
        };
        let entry_top = self.levels_of(from) - 1;
        for level in (top + 1..=entry_top).rev() {
            from = self.descend(encoded, from, level);
        }
        for level in (0..=top.min(entry_top)).rev() {
            let effort = Effort { ef, most_looked_at: usize::MAX, accept: &mut |_| true };
            let candidates = self.explore(encoded, from, level, effort);
            self.link_best(slot, level, &candidates);
            from = candidates.first().map_or(from, |near| near.slot());
        }
        if top > entry_top {
            self.entry = Some(slot);
        }
    }

    /// Links a new node to the best of its candidates.
    fn link_best(&mut self, slot: Slot, level: usize, candidates: &[Near]) {
        let mut chosen: Vec<Slot> = Vec::new();
        let mut left = Vec::new();
        for near in candidates {
            if chosen.len() >= self.m {
                break;
            }
            // Who is nearer to a chosen one than to the new node is reached through it.
            let apart = |other: &Slot| self.distance(*other, near.slot()) >= near.distance();
            if chosen.iter().all(apart) && self.offer(slot, *near, level) {
                chosen.push(near.slot());
            } else {
                left.push(*near);
            }
        }
        for near in left {
            if self.links(slot, level).len() >= self.m {
                break;
            }
            self.offer(slot, near, level);
        }
    }

    /// Offers a link to a node; a full one takes it for its farthest, if that cuts nothing off.
    fn offer(&mut self, slot: Slot, near: Near, level: usize) -> bool {
        let (other, distance) = (near.slot(), near.distance());
        if self.links(slot, level).contains(&other) {
            // It was taken over from another node.
            return false;
        }
        let most = self.most_links(level);
        let links = &self.node(other).levels[level];
        if links.to.len() < most {
            self.link(slot, other, level, distance);
            return true;
        }
        // Only the first link of a node must not be refused.
        let lonely = self.links(slot, level).is_empty();
        if distance >= links.worst_distance && !lonely {
            return false;
        }
        let lost = links.to[links.worst as usize];
        let others = self.links(lost, level);
        let shared = links.to.iter().any(|slot| others.contains(slot));
        let adopted =
            !shared && self.links(slot, level).len() + 2 <= most && !self.links(slot, level).contains(&lost);
        if !shared && !adopted {
            return false;
        }
        self.unlink(other, lost, level);
        self.link(slot, other, level, distance);
        if adopted {
            self.link(slot, lost, level, self.distance(slot, lost));
        }
        true
    }

    /// Lists a link at both ends.
    pub(super) fn link(&mut self, a: Slot, b: Slot, level: usize, distance: f32) {
        for (from, to) in [(a, b), (b, a)] {
            let links = &mut self.node_mut(from).levels[level];
            if links.to.is_empty() || distance > links.worst_distance {
                (links.worst, links.worst_distance) = (links.to.len() as u32, distance);
            }
            if links.to.len() == links.to.capacity() {
                links.to.reserve_exact((links.to.len() / 2).max(4));
            }
            links.to.push(to);
        }
    }

    fn unlink(&mut self, a: Slot, b: Slot, level: usize) {
        self.drop_link(a, b, level);
        self.drop_link(b, a, level);
    }

    /// Takes a link from one end's list.
    fn drop_link(&mut self, from: Slot, to: Slot, level: usize) {
        let links = &mut self.node_mut(from).levels[level];
        let Some(at) = links.to.iter().position(|slot| *slot == to) else { return };
        links.to.swap_remove(at);
        let (worst, last) = (links.worst as usize, links.to.len());
        if worst == last && at != last {
            // The last one, which was the farthest, stands in the gap now.
            links.worst = at as u32;
        } else if worst == at {
            self.find_worst(from, level);
        }
    }

    /// Looks for the farthest link anew.
    pub(super) fn find_worst(&mut self, slot: Slot, level: usize) {
        let distances = self.links(slot, level).iter().map(|other| self.distance(slot, *other));
        let worst = distances.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
        let links = &mut self.node_mut(slot).levels[level];
        (links.worst, links.worst_distance) = (worst.0 as u32, worst.1);
    }

    /// Takes a node out of the graph; its lists are empty then.
    pub(super) fn disconnect(&mut self, slot: Slot) {
        let levels = std::mem::take(&mut self.node_mut(slot).levels);
        for (level, links) in levels.iter().enumerate().rev() {
            for other in &links.to {
                self.drop_link(*other, slot, level);
            }
            self.pair_up(&links.to, level);
            self.join_parts(&links.to, level);
        }
        if self.entry == Some(slot) {
            // On its highest level with others, one of them is a neighbour.
            let next = levels.iter().rev().find_map(|links| links.to.first().copied());
            self.entry = next.or_else(|| self.first_slot(slot));
        }
    }

    /// Gives each of the nodes that have lost a neighbour another one of them, near pairs first.
    fn pair_up(&mut self, nodes: &[Slot], level: usize) {
        let nodes = &nodes[..nodes.len().min(MOST_PAIRED)];
        let mut pairs = Vec::new();
        for (i, a) in nodes.iter().enumerate() {
            let others = nodes[i + 1..].iter().filter(|b| !self.links(*a, level).contains(b));
            pairs.extend(others.map(|b| (Near::new(self.distance(*a, *b), *b), *a)));
        }
        pairs.sort_unstable();
        let mut served: Vec<Slot> = Vec::new();
        for (near, a) in pairs {
            let b = near.slot();
            let free = |slot: &Slot| {
                !served.contains(slot) && self.links(*slot, level).len() < self.most_links(level)
            };
            if free(&a) && free(&b) {
                self.link(a, b, level, near.distance());
                served.extend([a, b]);
            }
        }
    }

    /// Joins nodes that have no way to each other by two links at most. What they get here may exceed a node's limit; the
    /// next nearer neighbour that is offered takes such a link's place.
    fn join_parts(&mut self, nodes: &[Slot], level: usize) {
        let mut parts = Parts::default();
        for node in nodes {
            for other in self.links(*node, level) {
                parts.join(*node, *other);
            }
        }
        let mut joined: Vec<Slot> = nodes.iter().take(1).copied().collect();
        for node in nodes.iter().skip(1) {
            if !parts.same(*node, joined[0]) {
                let nearest =
                    joined.iter().map(|other| Near::new(self.distance(*node, *other), *other)).min();
                if let Some(near) = nearest {
                    self.link(*node, near.slot(), level, near.distance());
                    parts.join(*node, near.slot());
                }
            }
            if joined.len() < MOST_PAIRED {
                joined.push(*node);
            }
        }
    }
}

/// Disjoint sets of nodes.
#[derive(Default)]
struct Parts(HashMap<Slot, Slot>);

impl Parts {
    fn root(&mut self, mut slot: Slot) -> Slot {
        while let Some(up) = self.0.get(&slot).copied().filter(|up| *up != slot) {
            // Half of the way is cut short for the next who asks.
            let above = self.0.get(&up).copied().unwrap_or(up);
            self.0.insert(slot, above);
            slot = up;
        }
        slot
    }

    fn join(&mut self, a: Slot, b: Slot) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.0.insert(a, b);
        }
    }

    fn same(&mut self, a: Slot, b: Slot) -> bool {
        self.root(a) == self.root(b)
    }
}
