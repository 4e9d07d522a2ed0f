//! A block: some dozens of consecutive entries in one listpack, exactly as RDB files hold it.
//!
//! ```text
//! master entry:  live | deleted | fields N | field 1 .. field N | 0
//! entry:         flags | ms - master.ms | seq - master.seq | [N] | fields and values | elements before this one
//! ```
//! With the flag SAMEFIELDS the entry has the master's fields and holds values only (and no N); else N and
//! field, value pairs. A deleted entry keeps its place and has the flag DELETED.
//! Invariant: IDs rise, the counts are right, none is below the master's ID.

use super::id::StreamId;
use super::pack::Shared;
use crate::cowseq::Weight;
use crate::listpack::{Listpack, LpPos, LpRef, LpValue, Reader};

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
    /// The counts of the master entry, which stand in the listpack too.
    counts: Counts,
    pack: Shared,
}

/// How many entries there are. A block is far smaller than 2^32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    live: u32,
    dead: u32,
}

const _: () = assert!(size_of::<Block>() == 48, "a block costs little beside its bytes");

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
        let counts = check(master, pack.view())?;
        Ok(Self { master, counts, pack: Shared::sealed(pack.as_bytes()) })
    }

    /// A block whose first entry, with the ID `master`, has these fields and values.
    pub(super) fn new(master: StreamId, argv: &[&[u8]]) -> Self {
        let number = |number: usize| std::iter::once(LpValue::Int(number as i64));
        let fields = argv.iter().step_by(2).map(|field| LpValue::from_bytes(field));
        let mut pack = Listpack::new();
        pack.push_values(
            number(0).chain(number(0)).chain(number(argv.len() / 2)).chain(fields).chain(number(0)),
        );
        let mut block = Self { master, counts: Counts::default(), pack: Shared::open(pack) };
        block.append(master, argv);
        block
    }

    /// ID of the first entry that the block ever had: its key in RDB files.
    pub fn master(&self) -> StreamId {
        self.master
    }

    /// The listpack, as it goes into RDB files.
    pub fn as_bytes(&self) -> &[u8] {
        self.pack.view().as_bytes()
    }

    /// Heap bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.pack.heap_bytes()
    }

    /// Entries that are not deleted.
    pub fn live(&self) -> usize {
        self.counts.live as usize
    }

    /// Entries that are deleted but still take room.
    pub(super) fn dead(&self) -> usize {
        self.counts.dead as usize
    }

    /// Appends an entry; its ID is greater than all others.
    pub(super) fn append(&mut self, id: StreamId, argv: &[&[u8]]) {
        let same = self.has_same_fields(argv);
        let pairs = argv.len() / 2;
        let head = [
            if same { SAME_FIELDS } else { 0 },
            id.ms.wrapping_sub(self.master.ms) as i64,
            id.seq.wrapping_sub(self.master.seq) as i64,
        ];
        let count = ENTRY_HEAD + if same { pairs } else { 1 + argv.len() };
        let pair_count = (!same).then_some(pairs as i64);
        let (from, step) = if same { (1, 2) } else { (0, 1) };
        let parts = argv[from..].iter().step_by(step).map(|part| LpValue::from_bytes(part));
        let ints = head.into_iter().chain(pair_count).map(LpValue::Int);
        let pack = self.pack.make_mut();
        pack.reserve_ahead(argv.iter().map(|part| part.len() + 2).sum::<usize>() + ENTRY_BYTES);
        pack.push_values(ints.chain(parts).chain([LpValue::Int(count as i64)]));
        self.set_counts(Counts { live: self.counts.live + 1, ..self.counts });
    }

    /// Nothing will be appended any more.
    pub(super) fn seal(&mut self) {
        self.pack.seal();
    }

    /// The listpack as it is shared.
    pub(super) fn pack(&self) -> &Shared {
        &self.pack
    }

    /// Puts the same bytes at another place.
    pub(super) fn move_to(&mut self, pack: Shared) {
        debug_assert_eq!(pack.view().as_bytes(), self.as_bytes());
        self.pack = pack;
    }

    fn has_same_fields(&self, argv: &[&[u8]]) -> bool {
        let pack = self.pack.view();
        let Some(pos) = self.dead_pos().and_then(|pos| pack.next(pos)) else { return false };
        let count = int(pack, pos).unwrap_or(0);
        count == (argv.len() / 2) as i64
            && pack.next(pos).is_some_and(|pos| pack.reads(pos, argv.iter().step_by(2).copied()))
    }

    /// Where the count of deleted entries stands; that of live ones is the first element.
    fn dead_pos(&self) -> Option<LpPos> {
        let pack = self.pack.view();
        pack.first().and_then(|pos| pack.next(pos))
    }

    /// Notes the counts, here and in the master entry.
    fn set_counts(&mut self, counts: Counts) {
        let old = std::mem::replace(&mut self.counts, counts);
        let pack = self.pack.make_mut();
        if old.live != counts.live
            && let Some(pos) = pack.view().first()
        {
            pack.replace_int(pos, i64::from(counts.live));
        }
        if old.dead != counts.dead
            && let Some(pos) = self.dead_pos()
        {
            self.pack.make_mut().replace_int(pos, i64::from(counts.dead));
        }
    }

    /// Bytes of the listpack.
    pub(super) fn bytes(&self) -> usize {
        self.as_bytes().len()
    }

    /// Marks the entry with this ID deleted; false if it is not here or already deleted.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        match self.entries_from(id).next() {
            Some(found) if found.entry.id == id && !found.deleted => self.delete_at(&[found.flags]),
            _ => return false,
        }
        true
    }

    /// Marks live entries deleted, whose flags are at these places.
    pub(super) fn delete_at(&mut self, places: &[LpPos]) {
        let pack = self.pack.make_mut();
        for &flags in places {
            let old = pack.view().value(flags).as_i64().unwrap_or(0);
            // Flags are always one byte, so no position moves.
            pack.replace_int(flags, old | DELETED);
        }
        let count = places.len() as u32;
        self.set_counts(Counts { live: self.counts.live - count, dead: self.counts.dead + count });
    }

    fn layout(&self) -> Layout<'_> {
        Layout::of(self.master, self.pack.view()).expect("invariant: blocks have a master entry")
    }

    /// All entries in order, deleted ones included.
    pub(super) fn entries(&self) -> Entries<'_> {
        self.entries_from(StreamId::MIN)
    }

    /// The entries from an ID on, deleted ones included.
    pub(super) fn entries_from(&self, from: StreamId) -> Entries<'_> {
        let layout = self.layout();
        Entries { layout, next: layout.first.and_then(|pos| layout.seek(pos, from)) }
    }

    /// All entries, last first.
    pub(super) fn entries_rev(&self) -> EntriesRev<'_> {
        let layout = self.layout();
        EntriesRev { layout, end: layout.first.and_then(|_| layout.pack.last()) }
    }

    /// ID of the last entry, deleted or not.
    pub(super) fn last_id(&self) -> StreamId {
        self.entries_rev().next().map_or(self.master, |found| found.entry.id)
    }
}

/// Entries of a block in order.
pub(super) struct Entries<'a> {
    layout: Layout<'a>,
    next: Option<LpPos>,
}

impl<'a> Entries<'a> {
    /// The entry with this ID, if it lies ahead; the ones before it, or those below the ID, are passed.
    pub(super) fn seek(&mut self, id: StreamId) -> Option<Found<'a>> {
        self.next = self.layout.seek(self.next?, id);
        let found = self.layout.read(self.next?).filter(|found| found.entry.id == id)?;
        self.next = found.next;
        Some(found)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let found = self.layout.read(self.next?)?;
        self.next = found.next;
        Some(found)
    }
}

/// Entries of a block, last first.
pub(super) struct EntriesRev<'a> {
    layout: Layout<'a>,
    /// The last element of the next one.
    end: Option<LpPos>,
}

impl<'a> Iterator for EntriesRev<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let found = self.layout.read(self.layout.before(self.end)?)?;
        let is_first = Some(found.flags) == self.layout.first;
        self.end = if is_first { None } else { self.layout.pack.prev(found.flags) };
        Some(found)
    }
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
        let mut reader = Reader::new(pack, pack.first()?);
        reader.pass(2)?;
        let field_count = usize::try_from(reader.int()?).ok()?;
        let fields = reader.pos();
        reader.pass(field_count)?;
        if reader.int()? != 0 {
            return None;
        }
        Some(Self { pack, master, fields, field_count, first: reader.pos() })
    }

    /// Flags and ID, which begin each entry.
    #[inline]
    fn head(&self, reader: &mut Reader<'a>) -> Option<(i64, StreamId)> {
        let bits = reader.int()?;
        let ms = self.master.ms.wrapping_add(reader.int()? as u64);
        let seq = self.master.seq.wrapping_add(reader.int()? as u64);
        Some((bits, StreamId { ms, seq }))
    }

    /// The number of pairs of an entry whose head was read, and of the elements that hold them.
    #[inline]
    fn extent(&self, bits: i64, reader: &mut Reader<'a>) -> Option<(usize, usize)> {
        if bits & SAME_FIELDS != 0 {
            return Some((self.field_count, self.field_count));
        }
        let pairs = usize::try_from(reader.int()?).ok()?;
        Some((pairs, pairs.checked_mul(2)?))
    }

    /// The first entry at or after `pos` whose ID is not below `from`. What lies before it is passed, not read.
    fn seek(&self, pos: LpPos, from: StreamId) -> Option<LpPos> {
        if from <= self.master {
            return Some(pos);
        }
        let mut reader = Reader::new(self.pack, pos);
        loop {
            let flags = reader.pos()?;
            let (bits, id) = self.head(&mut reader)?;
            if id >= from {
                return Some(flags);
            }
            let (_, elements) = self.extent(bits, &mut reader)?;
            reader.pass(elements.checked_add(1)?)?;
        }
    }

    /// Reads the entry whose flags are at `flags`.
    fn read(&self, flags: LpPos) -> Option<Found<'a>> {
        let mut reader = Reader::new(self.pack, flags);
        let (bits, id) = self.head(&mut reader)?;
        let (pairs, elements) = self.extent(bits, &mut reader)?;
        let first = reader.pos();
        reader.pass(elements)?;
        let same = bits & SAME_FIELDS != 0;
        let before = elements + ENTRY_HEAD + usize::from(!same);
        if reader.int()? != before as i64 {
            return None;
        }
        let shared = if same { self.fields } else { None };
        let entry = Entry { id, pack: self.pack, pairs, shared, first };
        Some(Found { entry, deleted: bits & DELETED != 0, flags, next: reader.pos() })
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

/// The counts of a block whose bytes are right.
fn check(master: StreamId, pack: LpRef<'_>) -> Result<Counts, BlockError> {
    let layout = Layout::of(master, pack).ok_or(BlockError::Master)?;
    let mut counts = Counts::default();
    let mut last: Option<StreamId> = None;
    let mut next = layout.first;
    while let Some(pos) = next {
        let found = layout.read(pos).ok_or(BlockError::Entry)?;
        let id = found.entry.id;
        if id < master || last.is_some_and(|last| id <= last) {
            return Err(BlockError::Order);
        }
        last = Some(id);
        *(if found.deleted { &mut counts.dead } else { &mut counts.live }) += 1;
        next = found.next;
    }
    let declared = |index, count: u32| pack.get(index) == Some(LpValue::Int(i64::from(count)));
    if !declared(0, counts.live) || !declared(1, counts.dead) {
        return Err(BlockError::Count);
    }
    Ok(counts)
}
