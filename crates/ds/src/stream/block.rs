//! A block: some dozens of consecutive entries in one listpack, exactly as RDB files hold it.
//!
//! ```text
//! master entry:  live | deleted | fields N | field 1 .. field N | 0
//! entry:         flags | ms - master.ms | seq - master.seq | [N] | fields and values | elements before this one
//! ```
//! With the flag SAMEFIELDS the entry has the master's fields and holds values only (and no N); else N and
//! field, value pairs. A deleted entry keeps its place and has the flag DELETED.
//! Invariant: IDs rise, the counts are right, none is below the master's ID.

use std::sync::Arc;

use smallvec::SmallVec;

use super::id::StreamId;
use crate::cowseq::Weight;
use crate::listpack::{Listpack, LpPos, LpRef, LpValue};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
/// Elements of an entry around its fields and values: flags, two differences.
const ENTRY_HEAD: usize = 3;
/// What they, and the count behind them, usually take.
const ENTRY_BYTES: usize = 14;

/// See the file comment. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Block {
    master: StreamId,
    pack: Arc<Listpack>,
}

impl Weight for Block {
    fn weight(&self) -> usize {
        self.live()
    }
}

/// An entry that is being read.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    id: StreamId,
    pack: LpRef<'a>,
    pairs: usize,
    /// The first field in the master entry, if the entry shares the master's fields.
    shared: Option<LpPos>,
    /// The first value, or the first field if those are not shared.
    first: Option<LpPos>,
}

impl<'a> Entry<'a> {
    /// The entry's ID.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Number of field-value pairs.
    pub fn len(&self) -> usize {
        self.pairs
    }

    /// Whether there is no pair (XADD refuses that, but an RDB file may hold it).
    pub fn is_empty(&self) -> bool {
        self.pairs == 0
    }

    /// The pairs in order.
    pub fn fields(&self) -> impl Iterator<Item = (LpValue<'a>, LpValue<'a>)> + use<'a> {
        let pack = self.pack;
        let mut values = pack.iter_from(self.first);
        let mut shared = self.shared.map(|pos| pack.iter_from(Some(pos)));
        (0..self.pairs).map_while(move |_| match &mut shared {
            Some(fields) => fields.next().zip(values.next()),
            None => values.next().and_then(|field| values.next().map(|value| (field, value))),
        })
    }
}

/// An entry with its place, deleted or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub entry: Entry<'a>,
    pub deleted: bool,
    /// Position of the flags.
    pub flags: LpPos,
    /// Position of the next entry.
    pub next: Option<LpPos>,
}

/// What is wrong with the bytes of a block from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// The master entry is incomplete or a number in it is negative.
    Master,
    /// An entry is incomplete, or the number behind it is wrong.
    Entry,
    /// IDs do not rise.
    Order,
    /// The master's counts are not those of the entries.
    Count,
}

impl Block {
    /// Takes over a listpack from an RDB file after checking it as a block.
    pub fn from_listpack(master: StreamId, pack: Listpack) -> Result<Self, BlockError> {
        check(master, pack.view())?;
        Ok(Self { master, pack: Arc::new(pack) })
    }

    /// A block whose first entry, with the ID `master`, has these fields and values.
    pub(super) fn new(master: StreamId, argv: &[&[u8]]) -> Self {
        let mut pack = Listpack::new();
        pack.push_int(0);
        pack.push_int(0);
        pack.push_int((argv.len() / 2) as i64);
        for field in argv.iter().step_by(2) {
            pack.push_back(field);
        }
        pack.push_int(0);
        let mut block = Self { master, pack: Arc::new(pack) };
        block.append(master, argv);
        block
    }

    /// ID of the first entry that the block ever had: its key in RDB files.
    pub fn master(&self) -> StreamId {
        self.master
    }

    /// The listpack, as it goes into RDB files.
    pub fn as_bytes(&self) -> &[u8] {
        self.pack.as_bytes()
    }

    /// Heap bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Listpack>() + 16 + self.pack.capacity()
    }

    /// The place of one of the two counts, of live or of deleted entries.
    fn count_pos(&self, which: Count) -> LpPos {
        let pack = self.pack.view();
        let live = pack.first();
        match which {
            Count::Live => live,
            Count::Dead => live.and_then(|pos| pack.next(pos)),
        }
        .expect("invariant: blocks have a master entry")
    }

    fn count(&self, which: Count) -> i64 {
        int(self.pack.view(), self.count_pos(which)).unwrap_or(0)
    }

    /// Entries that are not deleted.
    pub fn live(&self) -> usize {
        self.count(Count::Live) as usize
    }

    /// Entries that are deleted but still take room.
    pub(super) fn dead(&self) -> usize {
        self.count(Count::Dead) as usize
    }

    /// Appends an entry; its ID is greater than all others.
    pub(super) fn append(&mut self, id: StreamId, argv: &[&[u8]]) {
        let same = self.has_same_fields(argv);
        let fields = argv.len() / 2;
        let count = ENTRY_HEAD + if same { fields } else { 1 + argv.len() };
        let mut entry: SmallVec<[LpValue<'_>; 16]> = SmallVec::new();
        entry.push(LpValue::Int(if same { SAME_FIELDS } else { 0 }));
        entry.push(LpValue::Int(id.ms.wrapping_sub(self.master.ms) as i64));
        entry.push(LpValue::Int(id.seq.wrapping_sub(self.master.seq) as i64));
        if same {
            entry.extend(argv.iter().skip(1).step_by(2).map(|value| LpValue::from_bytes(value)));
        } else {
            entry.push(LpValue::Int(fields as i64));
            entry.extend(argv.iter().map(|part| LpValue::from_bytes(part)));
        }
        entry.push(LpValue::Int(count as i64));
        let pack = Arc::make_mut(&mut self.pack);
        pack.reserve_ahead(argv.iter().map(|part| part.len() + 2).sum::<usize>() + ENTRY_BYTES);
        pack.push_values(&entry);
        self.add_to_count(Count::Live, 1);
    }

    /// Nothing will be appended any more.
    pub(super) fn seal(&mut self) {
        Arc::make_mut(&mut self.pack).seal();
    }

    fn has_same_fields(&self, argv: &[&[u8]]) -> bool {
        let pack = self.pack.view();
        let mut elements = pack.iter().skip(2);
        let count = elements.next().and_then(|v| v.as_i64()).unwrap_or(0);
        count == (argv.len() / 2) as i64 && argv.iter().step_by(2).zip(elements).all(|(f, e)| e.eq_bytes(f))
    }

    fn add_to_count(&mut self, which: Count, change: i64) {
        let value = self.count(which) + change;
        let pos = self.count_pos(which);
        Arc::make_mut(&mut self.pack).replace(pos, LpValue::Int(value));
    }

    /// Bytes of the listpack.
    pub(super) fn bytes(&self) -> usize {
        self.pack.as_bytes().len()
    }

    /// Marks the entry with this ID deleted; false if it is not here or already deleted.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some(found) = self.entries().find(|found| found.entry.id >= id) else { return false };
        if found.entry.id != id || found.deleted {
            return false;
        }
        let flags = found.flags;
        let pack = Arc::make_mut(&mut self.pack);
        let old = pack.view().value(flags).as_i64().unwrap_or(0);
        // Flags are always one byte, so no position moves.
        pack.replace(flags, LpValue::Int(old | DELETED));
        self.add_to_count(Count::Live, -1);
        self.add_to_count(Count::Dead, 1);
        true
    }

    fn layout(&self) -> Layout<'_> {
        Layout::of(self.master, self.pack.view()).expect("invariant: blocks have a master entry")
    }

    /// All entries in order, deleted ones included.
    pub(super) fn entries(&self) -> impl Iterator<Item = Found<'_>> {
        let layout = self.layout();
        std::iter::successors(layout.first.and_then(|pos| layout.read(pos)), move |found| {
            found.next.and_then(|pos| layout.read(pos))
        })
    }

    /// All entries, last first.
    pub(super) fn entries_rev(&self) -> impl Iterator<Item = Found<'_>> {
        let layout = self.layout();
        let pack = layout.pack;
        let before = move |end: Option<LpPos>| layout.before(end).and_then(|pos| layout.read(pos));
        let first = if layout.first.is_some() { before(pack.last()) } else { None };
        std::iter::successors(first, move |found| {
            if Some(found.flags) == layout.first { None } else { before(pack.prev(found.flags)) }
        })
    }

    /// ID of the last entry, deleted or not.
    pub(super) fn last_id(&self) -> StreamId {
        self.entries_rev().next().map_or(self.master, |found| found.entry.id)
    }
}

/// The counts in the master entry.
#[derive(Clone, Copy)]
enum Count {
    Live,
    Dead,
}

/// The master entry, parsed.
#[derive(Clone, Copy)]
struct Layout<'a> {
    pack: LpRef<'a>,
    master: StreamId,
    fields: Option<LpPos>,
    field_count: usize,
    first: Option<LpPos>,
}

impl<'a> Layout<'a> {
    fn of(master: StreamId, pack: LpRef<'a>) -> Option<Self> {
        let pos = pack.next(pack.next(pack.first()?)?)?;
        let field_count = usize::try_from(int(pack, pos)?).ok()?;
        let fields = pack.next(pos)?;
        let end = pack.positions_from(Some(fields)).nth(field_count)?;
        if int(pack, end)? != 0 {
            return None;
        }
        Some(Self { pack, master, fields: Some(fields), field_count, first: pack.next(end) })
    }

    /// Reads the entry whose flags are at `flags`.
    fn read(&self, flags: LpPos) -> Option<Found<'a>> {
        let pack = self.pack;
        let bits = int(pack, flags)?;
        let ms = pack.next(flags)?;
        let seq = pack.next(ms)?;
        let mut first = pack.next(seq)?;
        let same = bits & SAME_FIELDS != 0;
        let pairs = if same {
            self.field_count
        } else {
            let count = usize::try_from(int(pack, first)?).ok()?;
            first = pack.next(first)?;
            count
        };
        let elements = if same { pairs } else { pairs.checked_mul(2)? };
        let count_pos = pack.positions_from(Some(first)).nth(elements)?;
        let before = elements + ENTRY_HEAD + usize::from(!same);
        if int(pack, count_pos)? != before as i64 {
            return None;
        }
        let id = StreamId {
            ms: self.master.ms.wrapping_add(int(pack, ms)? as u64),
            seq: self.master.seq.wrapping_add(int(pack, seq)? as u64),
        };
        let shared = if same { self.fields } else { None };
        let entry = Entry { id, pack, pairs, shared, first: Some(first) };
        Some(Found { entry, deleted: bits & DELETED != 0, flags, next: pack.next(count_pos) })
    }

    /// The flags of the entry whose last element is at `count_pos`.
    fn before(&self, count_pos: Option<LpPos>) -> Option<LpPos> {
        let count_pos = count_pos?;
        let elements = usize::try_from(int(self.pack, count_pos)?).ok()?;
        self.pack.positions_back_from(Some(count_pos)).nth(elements)
    }
}

fn int(pack: LpRef<'_>, pos: LpPos) -> Option<i64> {
    match pack.value(pos) {
        LpValue::Int(n) => Some(n),
        LpValue::Str(_) => None,
    }
}

fn check(master: StreamId, pack: LpRef<'_>) -> Result<(), BlockError> {
    let layout = Layout::of(master, pack).ok_or(BlockError::Master)?;
    let mut counts = [0i64; 2];
    let mut last: Option<StreamId> = None;
    let mut next = layout.first;
    while let Some(pos) = next {
        let found = layout.read(pos).ok_or(BlockError::Entry)?;
        let id = found.entry.id;
        if id < master || last.is_some_and(|last| id <= last) {
            return Err(BlockError::Order);
        }
        last = Some(id);
        counts[usize::from(found.deleted)] += 1;
        next = found.next;
    }
    let declared =
        |index| pack.get(index).map(|value| matches!(value, LpValue::Int(n) if n == counts[index as usize]));
    if declared(0) != Some(true) || declared(1) != Some(true) {
        return Err(BlockError::Count);
    }
    Ok(())
}
