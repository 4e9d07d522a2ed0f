//! A vector set from the parts of a file, checked: links must be such as the graph's invariants ask for.

use std::collections::HashMap;
use std::hash::BuildHasher;

use super::code::Encoded;
use super::graph::{Levels, Links};
use super::{M_RANGE, MOST_DIM, MOST_MATRIX, Node, Projection, Shape, Slot, VectorSet};

/// Ids of the neighbours on one level, and place and distance of the farthest if they are known.
pub type LoadedLevel = (Vec<u64>, Option<(u32, f32)>);

/// One element of a file.
pub struct LoadedNode {
    pub name: Vec<u8>,
    pub attribute: Option<Vec<u8>>,
    pub vector: Encoded,
    /// Unique in the set, not 0.
    pub id: u64,
    /// Neighbours by level, the lowest first.
    pub levels: Vec<LoadedLevel>,
}

/// A set while its elements arrive.
pub struct Parts {
    set: VectorSet,
    slots: HashMap<u64, Slot>,
    /// Ids of neighbours, by slot and level.
    links: Vec<Vec<Vec<u64>>>,
}

impl Parts {
    /// A set without elements; `None` if the shape is out of the limits.
    pub fn new(shape: Shape) -> Option<Parts> {
        let projection = |projection: &Projection| {
            (shape.dim..=MOST_DIM).contains(&projection.input())
                && projection.input() * shape.dim <= MOST_MATRIX
        };
        let good = (1..=MOST_DIM).contains(&shape.dim)
            && M_RANGE.contains(&shape.m)
            && shape.projection.as_ref().is_none_or(projection);
        good.then(|| Parts { set: VectorSet::new(shape), slots: HashMap::new(), links: Vec::new() })
    }

    /// Takes an element, whose vector has the form of the set. False if its name or id is there already, or a level is
    /// missing.
    pub fn push(&mut self, node: LoadedNode) -> bool {
        if node.id == 0 || node.levels.is_empty() || self.slots.contains_key(&node.id) {
            return false;
        }
        if self.set.find(&node.name).is_some() {
            return false;
        }
        let mut levels = Levels::new();
        let mut links = Vec::with_capacity(node.levels.len());
        for (to, worst) in node.levels {
            let known = worst.filter(|worst| (worst.0 as usize) < to.len() || to.is_empty());
            let (worst, worst_distance) = known.unwrap_or((u32::MAX, 0.0));
            levels.push(Links { to: Vec::new(), worst, worst_distance });
            links.push(to);
        }
        let slot = self.set.place(Node {
            id: node.id,
            name: node.name.into(),
            attribute: None,
            norm: node.vector.norm,
            range: node.vector.range,
            levels,
        });
        self.set.codes.set(slot.at(), &node.vector.code);
        // An empty attribute is none, as in Redis.
        self.set.set_attribute(slot, node.attribute.as_deref().filter(|text| !text.is_empty()));
        self.set.last_id = self.set.last_id.max(node.id);
        self.slots.insert(node.id, slot);
        self.links.push(links);
        true
    }

    /// The set, once all elements have arrived; `None` if a link leads nowhere, to its own node, twice to the same one, or is
    /// missing at its other end.
    pub fn finish(mut self) -> Option<VectorSet> {
        for at in 0..self.links.len() {
            for (level, ids) in std::mem::take(&mut self.links[at]).into_iter().enumerate() {
                let to = ids.iter().map(|id| self.slots.get(id).copied()).collect::<Option<Vec<Slot>>>()?;
                let links = &mut self.set.node_mut(Slot(at as u32)).levels[level];
                links.to = to;
                if links.worst == u32::MAX {
                    self.set.find_worst(Slot(at as u32), level);
                }
            }
        }
        if !self.set.is_mutual() {
            return None;
        }
        let levels = |slot: &Slot| self.set.node(*slot).levels.len();
        self.set.entry = self.set.slots().max_by_key(levels);
        Some(self.set)
    }
}

impl VectorSet {
    /// Whether each link stands at both of its ends, once, and never at one node alone: then, and with no chance worth naming
    /// else, the hashes of all ends cancel each other out.
    fn is_mutual(&self) -> bool {
        let hashes = std::hash::RandomState::new();
        let mut sum = 0u64;
        let mut sorted = Vec::new();
        for slot in self.slots() {
            for (level, links) in self.node(slot).levels.iter().enumerate() {
                sorted.clone_from(&links.to);
                sorted.sort_unstable();
                if sorted.binary_search(&slot).is_ok() || sorted.windows(2).any(|pair| pair[0] == pair[1]) {
                    return false;
                }
                for to in &sorted {
                    sum ^= hashes.hash_one((level, slot.min(*to), slot.max(*to)));
                }
            }
        }
        sum == 0
    }
}
