//! Streams: an append-only log of field-value entries in blocks, with consumer groups.
//!
//! Invariant: blocks are ordered by ID and none is without a live entry; `length` is the number of live entries;
//! `first_id` is the first of them (0-0 if none); `last_id` is at least every ID. Cloning is O(1) and
//! gives a frozen stream: a snapshot saves it while writers go on. Handlers of the X commands and the RDB codec call it.

mod block;
mod group;
mod id;
mod idempotence;
mod pack;
mod radix;
mod range;

use std::sync::OnceLock;

use crate::cowseq::{CowSeq, Cursor};
use crate::listpack::LpPos;
pub use block::{Block, BlockError, Entry};
pub use group::{Consumer, ConsumerId, Group, GroupName, Groups, Nack, PelEntry};
pub use id::{AddId, IdText, StreamId};
pub use idempotence::{Idempotence, Producer};
use radix::Radix;
pub use range::{Finder, Range, RangeRev};

/// When an append opens a new block; 0 means no limit (of bytes: 1 GiB).
#[derive(Clone, Copy, Debug)]
pub struct BlockLimits {
    /// `stream-node-max-bytes`
    pub bytes: usize,
    /// `stream-node-max-entries`
    pub entries: usize,
}

/// From so many blocks on they are bundled. A trim frees a bundle only with its last block, which a shorter stream that is
/// trimmed all the time would feel more than what bundles save.
const BUNDLE_FROM_BLOCKS: usize = 128;

/// Most bytes of a block, whatever the configuration says.
const MAX_BLOCK_BYTES: usize = 1 << 30;

/// What a trim removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// All but this many of the newest entries.
    MaxLen(u64),
    /// Entries with smaller IDs.
    MinId(StreamId),
}

/// What happens to references from consumer groups when entries go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefPolicy {
    /// Pending entries keep their reference to an entry that is gone.
    #[default]
    Keep,
    /// References go with the entry.
    Delete,
    /// Only entries that every group has read and acknowledged go.
    Acked,
}

/// Whose rules say when a group's lag is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LagRule {
    /// A group that is before the first entry has read what is gone; an empty stream has no lag.
    Redis,
    /// What was trimmed still counts as not read; before a deleted entry nothing is known but at the very start.
    Valkey,
}

/// Outcome of a deletion of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    NotFound,
    Deleted,
    /// [`RefPolicy::Acked`] forbids it.
    StillReferenced,
}

/// What a trim did to a block.
struct Trimmed {
    /// Entries that were removed.
    gone: u64,
    /// The next block.
    next: Option<Cursor>,
    /// The first entry that the trim does not reach, if it lies in the block and nothing is left before it.
    first: Option<StreamId>,
}

/// See the file comment.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    blocks: CowSeq<Block>,
    /// Known since somebody has asked for it, and until a block goes.
    radix: OnceLock<Radix>,
    length: u64,
    last_id: StreamId,
    first_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    groups: Groups,
    idempotence: Idempotence,
}

/// The counters of a stream as RDB files hold them.
#[derive(Clone, Copy, Debug)]
pub struct StreamMeta {
    pub length: u64,
    pub last_id: StreamId,
    pub first_id: StreamId,
    pub max_deleted_id: StreamId,
    pub entries_added: u64,
}

impl Stream {
    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds a stream from checked blocks. None if the blocks are out of order or the counters contradict them.
    /// `meta.first_id` is derived, not taken.
    pub fn from_parts(blocks: Vec<Block>, meta: StreamMeta, groups: Groups) -> Option<Self> {
        let mut stream = Self {
            length: meta.length,
            last_id: meta.last_id,
            max_deleted_id: meta.max_deleted_id,
            entries_added: meta.entries_added,
            groups,
            ..Self::default()
        };
        let (mut live, mut last) = (0u64, None);
        for block in blocks {
            if last.is_some_and(|last| block.master() <= last) {
                return None;
            }
            last = Some(block.last_id());
            live += block.live() as u64;
            // Redis may keep a block whose entries were all trimmed; we never do.
            if block.live() > 0 {
                stream.push_block(block);
            }
        }
        if live != meta.length || last.is_some_and(|last| last > meta.last_id) {
            return None;
        }
        stream.refresh_first_id();
        Some(stream)
    }

    /// The counters.
    pub fn meta(&self) -> StreamMeta {
        StreamMeta {
            length: self.length,
            last_id: self.last_id,
            first_id: self.first_id,
            max_deleted_id: self.max_deleted_id,
            entries_added: self.entries_added,
        }
    }

    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The greatest ID ever given, or set by XSETID.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// ID of the first entry, 0-0 if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// Number of blocks (XINFO's radix-tree-keys).
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// Nodes of the tree in which the peers would keep the blocks (XINFO's radix-tree-nodes).
    pub fn radix_nodes(&self) -> u64 {
        self.radix.get_or_init(|| Radix::of(self.blocks().map(Block::master))).nodes()
    }

    /// The blocks in order, for saving.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    /// The consumer groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The consumer groups, to change them.
    pub fn groups_mut(&mut self) -> &mut Groups {
        &mut self.groups
    }

    /// The entries, to look them up, and the consumer groups, to change them meanwhile.
    pub fn finder_and_groups(&mut self) -> (Finder<'_>, &mut Groups) {
        (Finder::new(&self.blocks), &mut self.groups)
    }

    /// What producers have sent lately (XADD IDMP).
    pub fn idempotence(&self) -> &Idempotence {
        &self.idempotence
    }

    /// The same, to change it.
    pub fn idempotence_mut(&mut self) -> &mut Idempotence {
        &mut self.idempotence
    }

    /// Heap bytes, estimated.
    pub fn memory_bytes(&self) -> usize {
        // A sample of blocks stands for all: counting millions of them would stall a MEMORY USAGE.
        const SAMPLE: usize = 64;
        let count = self.blocks.len();
        let sampled: usize = self.blocks.iter().take(SAMPLE).map(Block::memory_bytes).sum();
        let blocks = if count > SAMPLE { sampled / SAMPLE * count } else { sampled };
        let beside = self.groups.memory_bytes() + self.idempotence.memory_bytes();
        size_of::<Self>() + self.blocks.overhead_bytes() + blocks + beside
    }

    /// The ID that an append with this form gets; None if it is not above `last_id` or the IDs are exhausted.
    pub fn resolve_id(&self, form: AddId, now_ms: u64) -> Option<StreamId> {
        let id = match form {
            AddId::Exact(id) => id,
            AddId::Auto if now_ms > self.last_id.ms => StreamId::new(now_ms, 0),
            AddId::Auto => self.last_id.next()?,
            AddId::AutoSeq(ms) if ms == self.last_id.ms => {
                StreamId::new(ms, self.last_id.seq.checked_add(1)?)
            }
            AddId::AutoSeq(ms) => StreamId::new(ms, 0),
        };
        (id > self.last_id).then_some(id)
    }

    /// Appends an entry. `argv` is field, value, field, value...; false if the ID is not above `last_id`, or the entry
    /// is too big for a block (1 GiB).
    pub fn append(&mut self, id: StreamId, argv: &[&[u8]], limits: BlockLimits) -> bool {
        // Every element costs at most 10 bytes beyond its own; fields are written twice at worst.
        let own: usize = argv.iter().map(|part| part.len()).sum();
        let cost = argv.iter().map(|part| part.len().saturating_add(10)).sum::<usize>().saturating_mul(2);
        if id <= self.last_id || cost.saturating_add(100) > MAX_BLOCK_BYTES {
            return false;
        }
        match self.blocks.last() {
            Some(at) if has_room(self.blocks.get(at), own, limits) => {
                self.blocks.modify(at, |block| block.append(id, argv));
            }
            _ => self.push_block(Block::new(id, argv)),
        }
        self.last_id = id;
        self.entries_added += 1;
        self.length += 1;
        if self.length == 1 {
            self.first_id = id;
        }
        true
    }

    /// Adds a block; nothing is appended to the ones before it any more.
    fn push_block(&mut self, block: Block) {
        if let Some(last) = self.blocks.last() {
            self.blocks.modify(last, Block::seal);
            if self.blocks.is_longer_than(BUNDLE_FROM_BLOCKS) {
                self.bundle();
            }
        }
        if let Some(radix) = self.radix.get_mut() {
            radix.push(self.blocks.last().map(|at| self.blocks.get(at).master()), block.master());
        }
        self.blocks.push_back(block);
    }

    /// Removes a block; gives the next one.
    fn remove_block(&mut self, at: Cursor) -> Option<Cursor> {
        self.radix = OnceLock::new();
        self.blocks.remove(at)
    }

    /// Puts the last blocks into one allocation, if that saves memory.
    fn bundle(&mut self) {
        let back = || std::iter::successors(self.blocks.last(), |at| self.blocks.prev(*at));
        let alone = back().map_while(|at| self.blocks.get(at).pack().alone());
        let Some(count) = pack::worth_bundling(alone) else { return };
        let places: Vec<Cursor> = back().take(count).collect();
        let parts: Vec<&[u8]> = places.iter().map(|at| self.blocks.get(*at).as_bytes()).collect();
        for (at, pack) in places.iter().zip(pack::bundle(&parts)) {
            self.blocks.modify(*at, |block| block.move_to(pack));
        }
    }

    /// Whether the entry exists.
    pub fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    /// The entry with this ID.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// Entries with `from <= id <= to`, in order.
    pub fn range(&self, from: StreamId, to: StreamId) -> Range<'_> {
        Range::new(&self.blocks, block_of(&self.blocks, from).or_else(|| self.blocks.first()), from, to)
    }

    /// Entries with `from <= id <= to`, greatest first.
    pub fn range_rev(&self, from: StreamId, to: StreamId) -> RangeRev<'_> {
        RangeRev::new(&self.blocks, block_of(&self.blocks, to), from, to)
    }

    /// Deletes an entry. Groups keep their references; see [`Stream::delete_with`].
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some(at) = block_of(&self.blocks, id) else { return false };
        // Look before touching: a miss must not copy a block that a snapshot shares.
        if !self.contains(id) {
            return false;
        }
        if self.blocks.get(at).live() == 1 {
            self.remove_block(at);
        } else {
            self.blocks.modify(at, |block| block.delete(id));
        }
        self.length -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id || self.length == 0 {
            self.refresh_first_id();
        }
        true
    }

    /// Deletes an entry under a reference policy (XDELEX). With [`RefPolicy::Delete`] the references go even if the
    /// entry is already gone.
    pub fn delete_with(&mut self, id: StreamId, policy: RefPolicy) -> Deletion {
        if policy == RefPolicy::Acked && self.contains(id) && self.groups.references(id) {
            return Deletion::StillReferenced;
        }
        if policy == RefPolicy::Delete {
            self.groups.forget(id);
        }
        if self.delete(id) { Deletion::Deleted } else { Deletion::NotFound }
    }

    /// Finds the first entry, which is not before the one that was the first.
    fn refresh_first_id(&mut self) {
        let first = self.range(self.first_id, StreamId::MAX).next().map(|entry| entry.id());
        self.first_id = first.unwrap_or(StreamId::MIN);
    }

    /// Removes old entries; gives how many. An approximate trim removes whole blocks only, at most `limit` entries
    /// (None: no limit).
    pub fn trim(&mut self, to: TrimTo, approximate: bool, limit: Option<u64>, policy: RefPolicy) -> u64 {
        let (mut removed, mut first) = (0, None);
        let mut at = self.blocks.first();
        while let Some(cursor) = at {
            let block = self.blocks.get(cursor);
            let live = block.live() as u64;
            let whole = match to {
                TrimTo::MaxLen(keep) if self.length <= keep => break,
                TrimTo::MaxLen(keep) => self.length - live >= keep,
                TrimTo::MinId(min) if block.master() >= min => break,
                TrimTo::MinId(min) => block.last_id() < min,
            };
            if limit.is_some_and(|limit| removed + live > limit) || approximate && !whole {
                break;
            }
            if whole && policy == RefPolicy::Keep {
                removed += live;
                self.length -= live;
                at = self.remove_block(cursor);
                continue;
            }
            let trimmed = self.trim_block(cursor, to, policy);
            removed += trimmed.gone;
            at = trimmed.next;
            if !whole {
                first = trimmed.first;
                break;
            }
        }
        match first {
            Some(id) => self.first_id = id,
            None if removed > 0 => self.refresh_first_id(),
            None => {}
        }
        removed
    }

    /// Removes the entries of one block that the trim reaches and the policy allows.
    fn trim_block(&mut self, at: Cursor, to: TrimTo, policy: RefPolicy) -> Trimmed {
        let block = self.blocks.get(at);
        let live = block.live();
        let (reach, min) = match to {
            TrimTo::MaxLen(keep) => ((self.length - keep).min(live as u64) as usize, None),
            TrimTo::MinId(min) => (live, Some(min)),
        };
        let (mut reached, mut first): (Vec<(StreamId, LpPos)>, _) = (Vec::new(), None);
        // What is before the first entry of all is deleted.
        for found in block.entries_from(self.first_id).filter(|found| !found.deleted) {
            let id = found.entry.id();
            if reached.len() == reach || min.is_some_and(|min| id >= min) {
                first = Some(id);
                break;
            }
            reached.push((id, found.flags));
        }
        match policy {
            RefPolicy::Keep => {}
            RefPolicy::Delete => reached.iter().for_each(|(id, _)| self.groups.forget(*id)),
            RefPolicy::Acked => {
                reached.retain(|(id, _)| !self.groups.references(*id));
                first = None;
            }
        }
        let gone = reached.len();
        self.length -= gone as u64;
        let next = if gone == live {
            self.remove_block(at)
        } else {
            if gone > 0 {
                let places: Vec<LpPos> = reached.into_iter().map(|(_, flags)| flags).collect();
                self.blocks.modify(at, |block| block.delete_at(&places));
            }
            self.blocks.next(at)
        };
        Trimmed { gone: gone as u64, next, first }
    }

    /// XSETID: the caller has checked that `last_id` is not below the last entry.
    pub fn set_id(
        &mut self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) {
        self.last_id = last_id;
        self.entries_added = entries_added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    /// Whether an entry at or after `from` may have been deleted.
    fn has_tombstone_from(&self, from: StreamId) -> bool {
        self.length > 0 && self.max_deleted_id != StreamId::MIN && from <= self.max_deleted_id
    }

    /// How many entries were ever added up to `id`, as far as that can be told without counting.
    pub fn distance_from_start(&self, id: StreamId, rule: LagRule) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.length == 0 && id <= self.last_id || id == self.last_id {
            return Some(self.entries_added);
        }
        if rule == LagRule::Valkey && id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        let compact = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id;
        if id > self.last_id || !compact || id > self.first_id {
            return None;
        }
        let before_first = self.entries_added.checked_sub(self.length)?;
        Some(before_first + u64::from(id == self.first_id))
    }

    /// Entries that a group has not read yet (XINFO's lag), if that is known; below 0 for a group that was told to have read
    /// more than there ever was.
    pub fn lag(&self, group: &Group, rule: LagRule) -> Option<i64> {
        if self.entries_added == 0 || self.length == 0 && rule == LagRule::Redis {
            return Some(0);
        }
        let counts = rule == LagRule::Valkey || group.last_id >= self.first_id;
        let read = match group.entries_read {
            Some(read) if counts && !self.has_tombstone_from(group.last_id) => read,
            _ => self.distance_from_start(group.last_id, rule)?,
        };
        Some(self.entries_added.wrapping_sub(read) as i64)
    }

    /// XREADGROUP with `>`: gives up to `count` entries after the group's last ID to `visit`, moves the group on, and unless
    /// `noack` makes them pending for the consumer. None if the group does not exist.
    pub fn read_new(
        &mut self,
        group: &[u8],
        consumer: Option<ConsumerId>,
        count: Option<u64>,
        now_ms: i64,
        mut visit: impl FnMut(Entry<'_>),
    ) -> Option<u64> {
        let mut state = self.groups.get(group)?.clone_position();
        let Some(from) = state.last_id.next() else { return Some(0) };
        let mut ids = Vec::new();
        let limit = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        for entry in self.range(from, StreamId::MAX).take(limit) {
            let id = entry.id();
            state.entries_read = match state.entries_read {
                Some(read) if state.last_id >= self.first_id && !self.has_tombstone_from(state.last_id) => {
                    Some(read.saturating_add(1))
                }
                // The rules agree about entries that are there.
                _ => self.distance_from_start(id, LagRule::Redis),
            };
            state.last_id = id;
            visit(entry);
            ids.push(id);
        }
        if !ids.is_empty() {
            let group = self.groups.get_mut(group)?;
            (group.last_id, group.entries_read) = (state.last_id, state.entries_read);
            if let Some(consumer) = consumer {
                for id in &ids {
                    group.set_pending(*id, Nack { delivery_ms: now_ms, deliveries: 1, consumer });
                }
            }
        }
        Some(ids.len() as u64)
    }
}

/// The block that may hold `id`.
fn block_of(blocks: &CowSeq<Block>, id: StreamId) -> Option<Cursor> {
    match blocks.partition_point(|block| block.master() <= id) {
        Some(at) => blocks.prev(at),
        None => blocks.last(),
    }
}

fn has_room(block: &Block, extra: usize, limits: BlockLimits) -> bool {
    let most = if limits.bytes == 0 { MAX_BLOCK_BYTES } else { limits.bytes.min(MAX_BLOCK_BYTES) };
    block.bytes().saturating_add(extra) < most
        && (limits.entries == 0 || block.live() + block.dead() < limits.entries)
}

#[cfg(test)]
mod tests;
