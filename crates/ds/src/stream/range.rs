//! Iterators over the live entries of a stream between two IDs, and look-ups of many entries.

use std::marker::PhantomData;

use super::block::{Block, Entries, EntriesRev, Entry, Found};
use super::id::StreamId;
use crate::cowseq::{CowSeq, Cursor};

/// Entries in order.
pub struct Range<'a>(Walk<'a, Forward>);

/// Entries, greatest ID first.
pub struct RangeRev<'a>(Walk<'a, Backward>);

/// Looks entries up one after the other. Where the IDs rise, as those of pending entries do, a look-up in the same block goes on
/// where the one before ended.
pub struct Finder<'a> {
    blocks: &'a CowSeq<Block>,
    last: Option<Last<'a>>,
}

/// Where the last look-up ended: all that is left of its block is above `id`.
struct Last<'a> {
    at: Cursor,
    id: StreamId,
    entries: Entries<'a>,
}

/// What differs between the directions.
trait Direction {
    type Entries<'a>: Iterator<Item = Found<'a>>;
    /// Entries of a block: of those before the range some, at most.
    fn entries(block: &Block, from: StreamId) -> Self::Entries<'_>;
    fn step(blocks: &CowSeq<Block>, at: Cursor) -> Option<Cursor>;
    /// Whether the walk has passed the range.
    fn passed(id: StreamId, from: StreamId, to: StreamId) -> bool;
}

struct Forward;
struct Backward;

impl Direction for Forward {
    type Entries<'a> = Entries<'a>;
    fn entries(block: &Block, from: StreamId) -> Entries<'_> {
        block.entries_from(from)
    }
    fn step(blocks: &CowSeq<Block>, at: Cursor) -> Option<Cursor> {
        blocks.next(at)
    }
    fn passed(id: StreamId, _: StreamId, to: StreamId) -> bool {
        id > to
    }
}

impl Direction for Backward {
    type Entries<'a> = EntriesRev<'a>;
    fn entries(block: &Block, _: StreamId) -> EntriesRev<'_> {
        block.entries_rev()
    }
    fn step(blocks: &CowSeq<Block>, at: Cursor) -> Option<Cursor> {
        blocks.prev(at)
    }
    fn passed(id: StreamId, from: StreamId, _: StreamId) -> bool {
        id < from
    }
}

struct Walk<'a, D: Direction> {
    blocks: &'a CowSeq<Block>,
    at: Option<Cursor>,
    entries: Option<D::Entries<'a>>,
    from: StreamId,
    to: StreamId,
    direction: PhantomData<D>,
}

impl<'a, D: Direction> Walk<'a, D> {
    fn new(blocks: &'a CowSeq<Block>, at: Option<Cursor>, from: StreamId, to: StreamId) -> Self {
        let at = if from <= to { at } else { None };
        Self { blocks, at, entries: None, from, to, direction: PhantomData }
    }

    fn advance(&mut self) -> Option<Entry<'a>> {
        loop {
            let at = self.at?;
            let blocks = self.blocks;
            let entries = self.entries.get_or_insert_with(|| D::entries(blocks.get(at), self.from));
            let found = entries.find(|found| {
                let id = found.entry.id();
                D::passed(id, self.from, self.to) || !found.deleted && self.from <= id && id <= self.to
            });
            match found {
                Some(found) if D::passed(found.entry.id(), self.from, self.to) => self.at = None,
                Some(found) => return Some(found.entry),
                None => {
                    self.entries = None;
                    self.at = D::step(blocks, at);
                }
            }
        }
    }
}

impl<'a> Range<'a> {
    pub(super) fn new(blocks: &'a CowSeq<Block>, at: Option<Cursor>, from: StreamId, to: StreamId) -> Self {
        Self(Walk::new(blocks, at, from, to))
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.0.advance()
    }
}

impl<'a> RangeRev<'a> {
    pub(super) fn new(blocks: &'a CowSeq<Block>, at: Option<Cursor>, from: StreamId, to: StreamId) -> Self {
        Self(Walk::new(blocks, at, from, to))
    }
}

impl<'a> Iterator for RangeRev<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.0.advance()
    }
}

impl<'a> Finder<'a> {
    pub(super) fn new(blocks: &'a CowSeq<Block>) -> Self {
        Self { blocks, last: None }
    }

    /// The entry with this ID.
    pub fn get(&mut self, id: StreamId) -> Option<Entry<'a>> {
        let at = super::block_of(self.blocks, id)?;
        let mut entries = match self.last.take() {
            Some(last) if last.at == at && last.id < id => last.entries,
            _ => self.blocks.get(at).entries(),
        };
        let found = entries.seek(id);
        self.last = Some(Last { at, id, entries });
        found.filter(|found| !found.deleted).map(|found| found.entry)
    }
}
