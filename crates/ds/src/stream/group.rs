//! Consumer groups: who has read what, and what is delivered but not acknowledged.
//!
//! Invariant: each pending entry of a group is in the list of exactly one consumer, the one that it names.
//! Everything is behind `Arc`s: a clone is O(1), a writer copies what it touches while a clone lives.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::id::StreamId;
use crate::cow::make_mut;
use crate::cowseq::{CowSeq, Weight};

/// A group's name.
pub type GroupName = Box<[u8]>;

/// A consumer inside its group; stays the same until the consumer is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsumerId(u32);

/// A delivery that waits for its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// Last delivery, Unix milliseconds.
    pub delivery_ms: i64,
    /// How often it was delivered.
    pub deliveries: u64,
    /// To whom.
    pub consumer: ConsumerId,
}

/// A pending entry with its ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PelEntry {
    pub id: StreamId,
    pub nack: Nack,
}

impl Weight for PelEntry {
    fn weight(&self) -> usize {
        1
    }
}

impl Weight for StreamId {
    fn weight(&self) -> usize {
        1
    }
}

/// One consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Arc<[u8]>,
    /// Last command that named it, Unix milliseconds.
    pub seen_ms: i64,
    /// Last successful read or claim, Unix milliseconds; -1 before the first.
    pub active_ms: i64,
    pending: CowSeq<StreamId>,
}

impl Consumer {
    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Number of its pending entries.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The greatest ID of its pending entries.
    pub fn pending_last(&self) -> Option<StreamId> {
        self.pending.last().map(|at| *self.pending.get(at))
    }

    /// IDs of its pending entries from `from` on.
    pub fn pending_from(&self, from: StreamId) -> impl Iterator<Item = StreamId> + '_ {
        self.pending.iter_from(self.pending.partition_point(|id| *id < from)).copied()
    }
}

#[derive(Clone, Debug, Default)]
struct Consumers {
    by_name: BTreeMap<Arc<[u8]>, u32>,
    slots: Vec<Option<Consumer>>,
}

/// One group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Everything up to this ID was delivered.
    pub last_id: StreamId,
    /// How many entries were delivered, if that is known.
    pub entries_read: Option<u64>,
    pel: CowSeq<PelEntry>,
    consumers: Arc<Consumers>,
}

/// The position of a group, copied out of it.
pub(super) struct Position {
    pub last_id: StreamId,
    pub entries_read: Option<u64>,
}

impl Group {
    /// A group that has read up to `last_id`.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Self { last_id, entries_read, ..Self::default() }
    }

    pub(super) fn clone_position(&self) -> Position {
        Position { last_id: self.last_id, entries_read: self.entries_read }
    }

    /// Number of consumers.
    pub fn consumer_count(&self) -> usize {
        self.consumers.by_name.len()
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = (ConsumerId, &Consumer)> {
        let slots = &self.consumers.slots;
        self.consumers
            .by_name
            .values()
            .filter_map(move |at| slots[*at as usize].as_ref().map(|consumer| (ConsumerId(*at), consumer)))
    }

    /// A consumer by name.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.consumers.by_name.get(name).copied().map(ConsumerId)
    }

    /// A consumer of this group.
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        self.consumers.slots[id.0 as usize].as_ref().expect("invariant: a consumer id outlives no consumer")
    }

    /// A consumer of this group, to set its times.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        let slots = &mut make_mut(&mut self.consumers).slots;
        slots[id.0 as usize].as_mut().expect("invariant: a consumer id outlives no consumer")
    }

    /// Adds a consumer; None if the name is taken.
    pub fn create_consumer(&mut self, name: &[u8], now_ms: i64) -> Option<ConsumerId> {
        if self.consumers.by_name.contains_key(name) {
            return None;
        }
        let consumers = make_mut(&mut self.consumers);
        let name: Arc<[u8]> = name.into();
        let consumer =
            Consumer { name: name.clone(), seen_ms: now_ms, active_ms: -1, pending: CowSeq::default() };
        let slot = consumers.slots.iter().position(Option::is_none).unwrap_or(consumers.slots.len());
        let id = u32::try_from(slot).ok()?;
        match consumers.slots.get_mut(slot) {
            Some(free) => *free = Some(consumer),
            None => consumers.slots.push(Some(consumer)),
        }
        consumers.by_name.insert(name, id);
        Some(ConsumerId(id))
    }

    /// Removes a consumer with its pending entries; gives how many those were.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.find_consumer(name)?;
        let pending: Vec<StreamId> = self.consumer(id).pending_from(StreamId::MIN).collect();
        for id in &pending {
            self.pel_remove(*id);
        }
        let consumers = make_mut(&mut self.consumers);
        consumers.by_name.remove(name);
        consumers.slots[id.0 as usize] = None;
        Some(pending.len())
    }

    /// Number of pending entries.
    pub fn pending_len(&self) -> usize {
        self.pel.len()
    }

    /// Pending entries from `from` on, in the order of their IDs.
    pub fn pending_from(&self, from: StreamId) -> impl Iterator<Item = &PelEntry> {
        self.pel.iter_from(self.pel.partition_point(|entry| entry.id < from))
    }

    /// The pending entry with this ID.
    pub fn pending(&self, id: StreamId) -> Option<&Nack> {
        self.pending_from(id).next().filter(|entry| entry.id == id).map(|entry| &entry.nack)
    }

    /// Makes an entry pending, or changes its delivery, moving it to the consumer that `nack` names.
    pub fn set_pending(&mut self, id: StreamId, nack: Nack) {
        // New entries come behind all others, and are not searched for.
        let at = match self.pel.last().is_some_and(|last| self.pel.get(last).id >= id) {
            true => self.pel.partition_point(|entry| entry.id < id),
            false => None,
        };
        match at.filter(|at| self.pel.get(*at).id == id) {
            Some(at) => {
                let old = self.pel.modify(at, |entry| std::mem::replace(&mut entry.nack, nack));
                if old.consumer == nack.consumer {
                    return;
                }
                self.unlink(old.consumer, id);
            }
            None => {
                self.pel.insert(at, PelEntry { id, nack });
            }
        }
        let list = &mut self.consumer_mut(nack.consumer).pending;
        let at = match list.last().is_some_and(|last| *list.get(last) >= id) {
            true => list.partition_point(|other| *other < id),
            false => None,
        };
        list.insert(at, id);
    }

    /// Removes a pending entry: acknowledged, or its entry is gone.
    pub fn remove_pending(&mut self, id: StreamId) -> Option<Nack> {
        let nack = self.pel_remove(id)?;
        self.unlink(nack.consumer, id);
        Some(nack)
    }

    fn pel_remove(&mut self, id: StreamId) -> Option<Nack> {
        let at = self.pel.partition_point(|entry| entry.id < id)?;
        let entry = *self.pel.get(at);
        if entry.id != id {
            return None;
        }
        self.pel.remove(at);
        Some(entry.nack)
    }

    fn unlink(&mut self, consumer: ConsumerId, id: StreamId) {
        let list = &mut self.consumer_mut(consumer).pending;
        if let Some(at) = list.partition_point(|other| *other < id).filter(|at| *list.get(*at) == id) {
            list.remove(at);
        }
    }

    fn memory_bytes(&self) -> usize {
        let consumers = self.consumers().map(|(_, c)| 120 + 2 * c.name.len() + c.pending.overhead_bytes());
        size_of::<Self>() + self.pel.overhead_bytes() + consumers.sum::<usize>()
    }
}

/// The groups of a stream, ordered by name.
#[derive(Clone, Debug, Default)]
pub struct Groups(Arc<BTreeMap<GroupName, Group>>);

impl Groups {
    /// Number of groups.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A group by name.
    pub fn get(&self, name: &[u8]) -> Option<&Group> {
        self.0.get(name)
    }

    /// A group by name, to change it.
    pub fn get_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        make_mut(&mut self.0).get_mut(name)
    }

    /// The groups in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.0.iter().map(|(name, group)| (&**name, group))
    }

    /// Adds a group; false if the name is taken.
    pub fn insert(&mut self, name: &[u8], group: Group) -> bool {
        if self.0.contains_key(name) {
            return false;
        }
        make_mut(&mut self.0).insert(name.into(), group);
        true
    }

    /// Removes a group.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.0.contains_key(name) && make_mut(&mut self.0).remove(name).is_some()
    }

    /// Whether a group has yet to read or to acknowledge the entry.
    pub fn references(&self, id: StreamId) -> bool {
        self.0.values().any(|group| group.last_id < id || group.pending(id).is_some())
    }

    /// Drops the entry from every group's pending list.
    pub fn forget(&mut self, id: StreamId) {
        if self.0.values().any(|group| group.pending(id).is_some()) {
            for group in make_mut(&mut self.0).values_mut() {
                group.remove_pending(id);
            }
        }
    }

    fn names_bytes(&self) -> usize {
        self.0.keys().map(|name| name.len()).sum()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.names_bytes() + self.0.values().map(Group::memory_bytes).sum::<usize>()
    }
}
