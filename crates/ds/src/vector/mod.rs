//! Vector sets: names with a vector and perhaps an attribute each, and a graph that finds the vectors next to another.
//!
//! ```text
//! VectorSet  nodes   [ name, attribute, length, links by level ]   by slot
//!            codes   [ numbers of the vector ]                     by slot
//!            order   slots in the order of their names
//! ```
//!
//! `chunks` are the arrays, `code` and `distance` the stored forms of vectors, `projection` makes them shorter, `graph`
//! is the search structure, `load` builds a set from a file's parts, `filter` are expressions over attributes. Cloning
//! is O(1): a clone is a snapshot. Slots of removed nodes are used again. Randomness is handed in.

mod chunks;
mod code;
mod distance;
pub mod filter;
mod graph;
mod load;
mod projection;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use code::{Encoded, Quant};
pub use load::{LoadedLevel, LoadedNode, Parts};
pub use projection::Projection;

use self::chunks::Items;
use self::code::Codes;
use self::graph::{Effort, Levels, Links, Near};
use crate::cowseq::{CowSeq, Cursor, Weight};

/// Most numbers of a vector.
pub const MOST_DIM: usize = 65_536;
/// Least and most links of a node on upper levels.
pub const M_RANGE: std::ops::RangeInclusive<usize> = 4..=4096;
/// Elements of the largest projection: it becomes four bytes for each in a file.
pub const MOST_MATRIX: usize = 1 << 26;

/// The place of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(u32);

impl Slot {
    fn at(self) -> usize {
        self.0 as usize
    }
}

impl Weight for Slot {
    fn weight(&self) -> usize {
        1
    }
}

/// One element.
#[derive(Clone)]
struct Node {
    /// Counts up with each vector that is added to the set; 0 for a free slot.
    id: u64,
    name: Box<[u8]>,
    attribute: Option<Box<[u8]>>,
    norm: f32,
    range: f32,
    levels: Levels,
}

/// What all vectors of a set have in common.
#[derive(Clone)]
pub struct Shape {
    /// Numbers of a vector, after projection.
    pub dim: usize,
    pub quant: Quant,
    /// Links of a node on upper levels; twice as many on the lowest.
    pub m: usize,
    pub projection: Option<Projection>,
}

/// See the module's text.
#[derive(Clone)]
pub struct VectorSet {
    dim: usize,
    m: usize,
    projection: Option<Projection>,
    nodes: Items<Node>,
    codes: Codes,
    order: CowSeq<Slot>,
    entry: Option<Slot>,
    len: usize,
    /// Free slots are chained: this is the first, `norm`'s bits name the next.
    free: Option<Slot>,
    last_id: u64,
    with_attribute: usize,
    uid: u64,
}

impl std::fmt::Debug for VectorSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VectorSet of {} vectors of {} {}", self.len, self.dim, self.quant().name())
    }
}

/// An element, for reading.
#[derive(Clone, Copy)]
pub struct Element<'a> {
    pub id: u64,
    pub name: &'a [u8],
    pub attribute: Option<&'a [u8]>,
    /// Length of the vector as it was given.
    pub norm: f32,
    /// Largest number of the vector of length one, if it is kept in 8 bits.
    pub range: f32,
    levels: &'a [Links],
}

impl<'a> Element<'a> {
    /// Neighbours by level, the lowest first.
    pub fn levels(self) -> impl DoubleEndedIterator<Item = &'a [Slot]> + ExactSizeIterator {
        self.levels.iter().map(|links| &links.to[..])
    }

    /// Place and distance of the farthest neighbour of a level.
    pub fn worst(self, level: usize) -> (u32, f32) {
        self.levels.get(level).map_or((0, 0.0), |links| (links.worst, links.worst_distance))
    }
}

/// What a search asks for.
pub struct Search<'a> {
    pub count: usize,
    /// Nodes that are kept on the way, at least `count`.
    pub ef: usize,
    /// Nodes that are looked at when there is a filter.
    pub most_looked_at: usize,
    /// Which elements may be found.
    pub accept: Option<&'a mut dyn FnMut(Element<'_>) -> bool>,
}

/// Sets that were ever made in this process.
static SETS: AtomicU64 = AtomicU64::new(0);

impl VectorSet {
    /// An empty set. The shape is within the limits above.
    pub fn new(shape: Shape) -> VectorSet {
        VectorSet {
            dim: shape.dim,
            m: shape.m,
            codes: Codes::new(shape.quant, shape.dim),
            projection: shape.projection,
            nodes: Items::new(),
            order: CowSeq::default(),
            entry: None,
            len: 0,
            free: None,
            last_id: 0,
            with_attribute: 0,
            uid: SETS.fetch_add(1, Relaxed) + 1,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Numbers of a stored vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Links of a node on upper levels.
    pub fn m(&self) -> usize {
        self.m
    }

    pub fn quant(&self) -> Quant {
        self.codes.quant()
    }

    pub fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    /// The number of this set among all that the process has made.
    pub fn uid(&self) -> u64 {
        self.uid
    }

    /// The id of the newest element.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    /// Elements with an attribute.
    pub fn attribute_count(&self) -> usize {
        self.with_attribute
    }

    /// The highest level of any node.
    pub fn max_level(&self) -> usize {
        self.entry.map_or(0, |entry| self.node(entry).levels.len() - 1)
    }

    fn node(&self, slot: Slot) -> &Node {
        self.nodes.get(slot.at())
    }

    fn node_mut(&mut self, slot: Slot) -> &mut Node {
        self.nodes.get_mut(slot.at())
    }

    /// The element at a slot.
    pub fn element(&self, slot: Slot) -> Element<'_> {
        let node = self.node(slot);
        Element {
            id: node.id,
            name: &node.name,
            attribute: node.attribute.as_deref(),
            norm: node.norm,
            range: node.range,
            levels: &node.levels,
        }
    }

    /// The first place in the order of names whose name is not before `name`.
    fn seek(&self, name: &[u8]) -> Option<Cursor> {
        self.order.partition_point(|slot| *self.node(*slot).name < *name)
    }

    /// The slot of a name.
    pub fn find(&self, name: &[u8]) -> Option<Slot> {
        let slot = *self.order.get(self.seek(name)?);
        (*self.node(slot).name == *name).then_some(slot)
    }

    /// The slot with this rank among all names.
    pub fn by_rank(&self, rank: usize) -> Option<Slot> {
        self.order.seek(rank).map(|(at, _)| *self.order.get(at))
    }

    /// Slots in the order of their names, from the first that is not before `name` on.
    pub fn from_name(&self, name: &[u8]) -> impl Iterator<Item = Slot> + '_ {
        self.order.iter_from(self.seek(name)).copied()
    }

    /// All slots, in no order that means anything.
    pub fn slots(&self) -> impl DoubleEndedIterator<Item = Slot> + '_ {
        let used = |(at, node): (usize, &Node)| (node.id != 0).then_some(Slot(at as u32));
        (0..self.nodes.len()).map(|at| (at, self.nodes.get(at))).filter_map(used)
    }

    fn first_slot(&self, but: Slot) -> Option<Slot> {
        self.slots().find(|slot| *slot != but)
    }

    /// The distance of two elements, from 0 to 2.
    pub fn distance(&self, a: Slot, b: Slot) -> f32 {
        let (range_a, range_b) = (self.node(a).range, self.node(b).range);
        self.codes.between((a.at(), range_a), (b.at(), range_b), self.dim)
    }

    #[inline]
    fn distance_to(&self, query: &Encoded, slot: Slot) -> f32 {
        self.codes.distance(query, slot.at(), self.node(slot).range, self.dim)
    }

    /// The vector of an element, as near to what was given as its form allows.
    pub fn vector(&self, slot: Slot) -> Vec<f32> {
        let node = self.node(slot);
        self.codes.decode(slot.at(), node.norm, node.range, self.dim)
    }

    /// The stored bytes of an element's vector.
    pub fn raw(&self, slot: Slot) -> Vec<u8> {
        self.codes.raw(slot.at())
    }

    /// The stored form of a vector of [`VectorSet::dim`] numbers.
    pub fn encode(&self, vector: &[f32]) -> Encoded {
        Encoded::new(self.quant(), vector)
    }

    /// Adds an element, or gives it another vector (its attribute stays); answers its slot and whether it is new. `random`
    /// decides on its level.
    pub fn insert(&mut self, name: &[u8], vector: &[f32], ef: usize, random: u64) -> (Slot, bool) {
        let encoded = self.encode(vector);
        let known = self.find(name);
        if let Some(slot) = known {
            self.disconnect(slot);
        }
        self.last_id += 1;
        let levels: Levels = (0..=graph::level_of(random)).map(|_| Links::default()).collect();
        let slot = match known {
            Some(slot) => {
                let id = self.last_id;
                let node = self.node_mut(slot);
                (node.id, node.norm, node.range, node.levels) = (id, encoded.norm, encoded.range, levels);
                slot
            }
            None => self.place(Node {
                id: self.last_id,
                name: name.into(),
                attribute: None,
                norm: encoded.norm,
                range: encoded.range,
                levels,
            }),
        };
        self.codes.set(slot.at(), &encoded.code);
        self.connect(slot, &encoded, ef);
        (slot, known.is_none())
    }

    /// Puts a node into a free slot and its name in order; the name is not there yet.
    fn place(&mut self, node: Node) -> Slot {
        let at = self.seek(&node.name);
        let slot = match self.free {
            Some(slot) => {
                let next = self.node(slot).norm.to_bits();
                self.free = (next != u32::MAX).then_some(Slot(next));
                *self.node_mut(slot) = node;
                slot
            }
            None => {
                self.nodes.push(node);
                Slot((self.nodes.len() - 1) as u32)
            }
        };
        self.order.insert(at, slot);
        self.len += 1;
        slot
    }

    /// Removes an element; false if there is none of that name.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(at) = self.seek(name) else { return false };
        let slot = *self.order.get(at);
        if *self.node(slot).name != *name {
            return false;
        }
        self.disconnect(slot);
        self.order.remove(at);
        self.set_attribute(slot, None);
        let next = self.free.map_or(u32::MAX, |slot| slot.0);
        *self.node_mut(slot) = Node {
            id: 0,
            name: Box::default(),
            attribute: None,
            norm: f32::from_bits(next),
            range: 0.0,
            levels: Levels::new(),
        };
        self.free = Some(slot);
        self.len -= 1;
        true
    }

    /// Sets or removes the attribute of an element.
    pub fn set_attribute(&mut self, slot: Slot, attribute: Option<&[u8]>) {
        let had = self.node(slot).attribute.is_some();
        self.with_attribute = self.with_attribute + usize::from(attribute.is_some()) - usize::from(had);
        if had || attribute.is_some() {
            self.node_mut(slot).attribute = attribute.map(Box::from);
        }
    }

    /// The elements nearest to a vector with their distances, nearest first, as the graph finds them.
    pub fn search(&self, query: &Encoded, search: Search<'_>) -> Vec<(Slot, f32)> {
        let (ef, most_looked_at) = (search.ef.max(search.count), search.most_looked_at);
        let mut found = match search.accept {
            Some(accept) => {
                let mut accept = |slot| accept(self.element(slot));
                self.nearest(query, Effort { ef, most_looked_at, accept: &mut accept })
            }
            None => self.nearest(query, Effort { ef, most_looked_at: usize::MAX, accept: &mut |_| true }),
        };
        found.truncate(search.count);
        found.into_iter().map(|near| (near.slot(), near.distance())).collect()
    }

    /// As [`VectorSet::search`], by looking at every element.
    pub fn search_all(&self, query: &Encoded, search: Search<'_>) -> Vec<(Slot, f32)> {
        let mut best = std::collections::BinaryHeap::new();
        let mut all = |_: Element<'_>| true;
        let accept = search.accept.unwrap_or(&mut all);
        for slot in self.slots().filter(|slot| accept(self.element(*slot))) {
            best.push(Near::new(self.distance_to(query, slot), slot));
            if best.len() > search.count {
                best.pop();
            }
        }
        best.into_sorted_vec().into_iter().map(|near| (near.slot(), near.distance())).collect()
    }

    /// Bytes of memory; names and links are estimated from some of the nodes.
    pub fn memory_bytes(&self) -> usize {
        const SAMPLES: usize = 64;
        let heap = |node: &Node| {
            let links: usize = node.levels.iter().map(|links| links.to.capacity() * size_of::<Slot>()).sum();
            let upper = if node.levels.spilled() { node.levels.capacity() * size_of::<Links>() } else { 0 };
            node.name.len() + node.attribute.as_ref().map_or(0, |attribute| attribute.len()) + links + upper
        };
        let sampled = self.nodes.len().min(SAMPLES);
        let step = self.nodes.len().div_ceil(SAMPLES).max(1);
        let bytes: usize = (0..sampled).map(|i| heap(self.nodes.get(i * step % self.nodes.len()))).sum();
        size_of::<VectorSet>()
            + bytes * self.nodes.len() / sampled.max(1)
            + self.nodes.overhead_bytes()
            + self.codes.memory_bytes()
            + self.order.overhead_bytes()
            + self.projection.as_ref().map_or(0, Projection::memory_bytes)
    }
}
