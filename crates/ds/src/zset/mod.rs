//! Large sorted sets: a B+tree in the order of (score, member), and an index from member to score.
//!
//! Small ones are listpacks, see [`packed`]. A [`Pin`] is an O(1) frozen view for snapshots and long replies, usable on another
//! thread. Invariant: tree and index hold the same members. While a pin of the present generation lives, removed members
//! go to its graveyard and are freed with the last pin.

mod member;
pub mod packed;
mod tree;

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::hash;
use crate::table::{Position, Table};
use member::Member;
pub use member::MemberRef;
use tree::{Slot, Tree};

/// Members that left a zset while a pin could still see them.
#[derive(Default)]
struct Graveyard(Mutex<Dead>);

#[derive(Default)]
struct Dead {
    members: Vec<Member>,
    indexes: Vec<Table<Member>>,
}

impl Graveyard {
    fn bury(&self, add: impl FnOnce(&mut Dead)) {
        // Pushing cannot leave the vectors half changed, so a poisoned lock is still good.
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// See the file comment.
#[derive(Default)]
pub struct Zset {
    tree: Tree,
    index: Table<Member>,
    pins: Mutex<Weak<Graveyard>>,
}

/// What [`Zset::insert`] did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inserted {
    /// The member is new.
    Added,
    /// The member was there with this score; it has the new one now.
    Updated(f64),
    /// The member was there with an equal score.
    Same,
}

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreBound {
    Including(f64),
    Excluding(f64),
}

/// One end of a range of members that all have the same score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// `-`
    Least,
    /// `+`
    Greatest,
    /// `[name`
    Including(&'a [u8]),
    /// `(name`
    Excluding(&'a [u8]),
}

impl ScoreBound {
    /// Whether a score lies below a range that begins here.
    pub fn is_below_start(self, score: f64) -> bool {
        match self {
            ScoreBound::Including(start) => score < start,
            ScoreBound::Excluding(start) => score <= start,
        }
    }

    /// Whether a score does not lie above a range that ends here.
    pub fn is_within_end(self, score: f64) -> bool {
        match self {
            ScoreBound::Including(end) => score <= end,
            ScoreBound::Excluding(end) => score < end,
        }
    }
}

impl LexBound<'_> {
    /// Whether a name lies below a range that begins here.
    pub fn is_below_start(self, name: &[u8]) -> bool {
        match self {
            LexBound::Least => false,
            LexBound::Greatest => true,
            LexBound::Including(start) => name < start,
            LexBound::Excluding(start) => name <= start,
        }
    }

    /// Whether a name does not lie above a range that ends here.
    pub fn is_within_end(self, name: &[u8]) -> bool {
        match self {
            LexBound::Least => false,
            LexBound::Greatest => true,
            LexBound::Including(end) => name <= end,
            LexBound::Excluding(end) => name < end,
        }
    }
}

impl Zset {
    /// An empty zset.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty zset to which so many members will be added.
    pub fn with_room(members: usize) -> Self {
        Zset { tree: Tree::default(), index: Table::with_room(members), pins: Mutex::default() }
    }

    /// A zset of members that are in order, each once.
    pub fn from_sorted<'a>(members: impl ExactSizeIterator<Item = (&'a [u8], f64)>) -> Self {
        let mut index = Table::with_room(members.len());
        let slots = members.map(|(name, score)| {
            let member = Member::new(name, score);
            let slot = Slot { score, member: member.pointer() };
            index.insert(hash::of(name), member);
            slot
        });
        Zset { tree: Tree::from_sorted(slots), index, pins: Mutex::default() }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    pub fn score(&self, name: &[u8]) -> Option<f64> {
        self.index.find(hash::of(name), name).map(MemberRef::score)
    }

    /// Adds a member or changes its score. The score is not NaN.
    pub fn insert(&mut self, name: &[u8], score: f64) -> Inserted {
        debug_assert!(!score.is_nan());
        let hash = hash::of(name);
        let Some(mut slot) = self.index.find_mut(hash, name) else {
            let member = Member::new(name, score);
            self.tree.insert(Slot { score, member: member.pointer() });
            self.index.insert(hash, member);
            return Inserted::Added;
        };
        let old = slot.get().score();
        let member = slot.get().pointer();
        if old == score {
            return Inserted::Same;
        }
        slot.update(|member| member.set_score(score));
        let rank = self.tree.count_before(|slot| slot.order(old, name).is_lt());
        self.tree.remove(rank);
        self.tree.insert(Slot { score, member });
        Inserted::Updated(old)
    }

    /// Removes a member; gives its score.
    pub fn remove(&mut self, name: &[u8]) -> Option<f64> {
        let slot = self.index.find_mut(hash::of(name), name)?;
        let score = slot.get().score();
        let member = slot.remove();
        let rank = self.tree.count_before(|slot| slot.order(score, name).is_lt());
        self.tree.remove(rank);
        self.release(member);
        Some(score)
    }

    /// Removes the members with ranks `from..to`, giving each to `visit` before it goes.
    pub fn remove_ranks(&mut self, from: usize, to: usize, mut visit: impl FnMut(&[u8], f64)) {
        for _ in from..to.min(self.len()) {
            let Some(slot) = self.tree.remove(from) else { return };
            // The index still owns the member.
            visit(slot.name(), slot.score);
            if let Some(found) = self.index.find_mut(hash::of(slot.name()), slot.name()) {
                let member = found.remove();
                self.release(member);
            }
        }
    }

    /// Frees a member that is in neither tree nor index, or leaves it to the pins.
    fn release(&self, member: Member) {
        match self.pins.lock().unwrap_or_else(PoisonError::into_inner).upgrade() {
            Some(graveyard) => graveyard.bury(|dead| dead.members.push(member)),
            None => {
                // Pairs with the release in the last pin's drop: its reads come before our free.
                fence(Ordering::Acquire);
                drop(member);
            }
        }
    }

    /// Number of members before this one in the order.
    pub fn rank(&self, name: &[u8]) -> Option<usize> {
        let score = self.score(name)?;
        Some(self.tree.count_before(|slot| slot.order(score, name).is_lt()))
    }

    /// The member at a rank.
    pub fn at(&self, rank: usize) -> Option<(&[u8], f64)> {
        at(&self.tree, rank)
    }

    /// Rank of the first member in a range of scores that begins with `start`; `len()` if there is none.
    pub fn rank_of_score(&self, start: ScoreBound) -> usize {
        self.tree.count_before(|slot| start.is_below_start(slot.score))
    }

    /// Rank just after the last member in a range of scores that ends with `end`.
    pub fn rank_after_score(&self, end: ScoreBound) -> usize {
        self.tree.count_before(|slot| end.is_within_end(slot.score))
    }

    /// Rank of the first member in a range of names; all scores are equal.
    pub fn rank_of_lex(&self, start: LexBound<'_>) -> usize {
        self.tree.count_before(|slot| start.is_below_start(slot.name()))
    }

    /// Rank just after the last member in a range of names; all scores are equal.
    pub fn rank_after_lex(&self, end: LexBound<'_>) -> usize {
        self.tree.count_before(|slot| end.is_within_end(slot.name()))
    }

    /// Members from `rank` on.
    pub fn iter_from(&self, rank: usize) -> Iter<'_> {
        Iter { tree: &self.tree, rank, leaf: &[], at: 0 }
    }

    /// Members from the first on in a range of scores that begins with `start`.
    pub fn iter_from_score(&self, start: ScoreBound) -> Iter<'_> {
        let (leaf, at, rank) = self.tree.seek(|slot| start.is_below_start(slot.score));
        Iter { tree: &self.tree, rank, leaf, at }
    }

    /// All members in order.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(0)
    }

    /// Members from `rank` backwards; from the last if `rank` is beyond it.
    pub fn iter_rev_from(&self, rank: usize) -> IterRev<'_> {
        IterRev { tree: &self.tree, left: self.len().min(rank.saturating_add(1)), leaf: &[], at: 0 }
    }

    /// One step of ZSCAN: visits some members; gives where to go on, None at the end. Positions are wide
    /// ([`Position::to_wide_bits`]).
    pub fn scan(&self, from: Position, visit: impl FnMut(MemberRef<'_>)) -> Option<Position> {
        self.index.scan(from, visit)
    }

    /// Heap bytes, estimated from the first members.
    pub fn memory_bytes(&self) -> usize {
        const SAMPLE: usize = 32;
        let sampled: usize =
            self.iter().take(SAMPLE).map(|(name, _)| member::allocation_bytes(name.len())).sum();
        let members = sampled * self.len() / self.len().clamp(1, SAMPLE);
        size_of::<Self>() + self.tree.node_bytes() + self.index.index_bytes() + members
    }

    /// A frozen view of the zset as it is now. O(1).
    pub fn pin(&self) -> Pin {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        let graveyard = pins.upgrade().unwrap_or_else(|| {
            let graveyard = Arc::new(Graveyard::default());
            *pins = Arc::downgrade(&graveyard);
            graveyard
        });
        Pin { tree: self.tree.clone(), _graveyard: graveyard }
    }
}

impl Drop for Zset {
    fn drop(&mut self) {
        match self.pins.get_mut().unwrap_or_else(PoisonError::into_inner).upgrade() {
            Some(graveyard) => {
                let index = std::mem::take(&mut self.index);
                graveyard.bury(|dead| dead.indexes.push(index));
            }
            // As in `release`.
            None => fence(Ordering::Acquire),
        }
    }
}

impl Clone for Zset {
    /// A deep copy with its own members (COPY).
    fn clone(&self) -> Self {
        Zset::from_sorted(self.iter())
    }
}

impl<'a> FromIterator<(&'a [u8], f64)> for Zset {
    fn from_iter<I: IntoIterator<Item = (&'a [u8], f64)>>(members: I) -> Self {
        let mut zset = Zset::new();
        for (name, score) in members {
            zset.insert(name, score);
        }
        zset
    }
}

impl std::fmt::Debug for Zset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A zset as it was when [`Zset::pin`] was called.
pub struct Pin {
    tree: Tree,
    /// Keeps the members alive that have left the zset since.
    _graveyard: Arc<Graveyard>,
}

impl Pin {
    /// Number of members.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The member at a rank.
    pub fn at(&self, rank: usize) -> Option<(&[u8], f64)> {
        at(&self.tree, rank)
    }

    /// Members from `rank` on.
    pub fn iter_from(&self, rank: usize) -> Iter<'_> {
        Iter { tree: &self.tree, rank, leaf: &[], at: 0 }
    }

    /// Members from `rank` backwards; from the last if `rank` is beyond it.
    pub fn iter_rev_from(&self, rank: usize) -> IterRev<'_> {
        IterRev { tree: &self.tree, left: self.len().min(rank.saturating_add(1)), leaf: &[], at: 0 }
    }
}

fn at(tree: &Tree, rank: usize) -> Option<(&[u8], f64)> {
    tree.leaf(rank).map(|(slots, at)| (slots[at].name(), slots[at].score))
}

/// Members in order, with their scores.
#[derive(Clone)]
pub struct Iter<'a> {
    tree: &'a Tree,
    /// Rank of the first member behind `leaf`.
    rank: usize,
    leaf: &'a [Slot],
    at: usize,
}

impl ExactSizeIterator for Iter<'_> {
    fn len(&self) -> usize {
        self.tree.len().saturating_sub(self.rank) + self.leaf.len() - self.at
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], f64);

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.leaf.len() {
            let (leaf, at) = self.tree.leaf(self.rank)?;
            self.rank += leaf.len() - at;
            (self.leaf, self.at) = (leaf, at);
        }
        let slot = &self.leaf[self.at];
        self.at += 1;
        Some((slot.name(), slot.score))
    }
}

/// Members in reverse order, with their scores.
#[derive(Clone)]
pub struct IterRev<'a> {
    tree: &'a Tree,
    /// Number of members before those of `leaf`.
    left: usize,
    leaf: &'a [Slot],
    /// Number of slots of `leaf` not given yet.
    at: usize,
}

impl<'a> Iterator for IterRev<'a> {
    type Item = (&'a [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == 0 {
            let (leaf, at) = self.tree.leaf(self.left.checked_sub(1)?)?;
            self.left -= at + 1;
            (self.leaf, self.at) = (leaf, at + 1);
        }
        self.at -= 1;
        let slot = &self.leaf[self.at];
        Some((slot.name(), slot.score))
    }
}

#[cfg(test)]
mod tests;
