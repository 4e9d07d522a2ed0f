//! One shard: its part of every database, and who waits for or watches its keys.

use std::sync::Arc;

use ds::entry::{Entry, EntryRef};
use ds::table::{Hints, Position, SaveHook, Slot, Table};
use ds::ttl::TtlIndex;

use crate::figures::{Figures, Volatile};
use crate::snapshot::Walker;
use crate::wait::{WaitQueues, Waiter, WatchMark, Watches};

/// Records of expiry times that one call of [`Shard::expired`] looks at.
const EXPIRE_STEP: usize = 64;

/// See the module's text. In this order a command that reads a key of the first database touches the line of the shard's
/// lock and no other, and one that writes two more.
#[repr(C)]
pub struct Shard {
    index: u16,
    /// Whether the earliest time at which something is due may be another than was published.
    due_stale: bool,
    /// Database 0, the only one that most servers use. It stands here because a block for each shard would lie at addresses
    /// that differ in their upper bits only, and a cache has few places for such.
    first: Db,
    /// Clients that wait for keys of this shard.
    pub queues: WaitQueues,
    /// Keys of this shard that a transaction watches.
    pub watches: Watches,
    /// The other databases that were written to here, and are not known to be empty since.
    others: Vec<(usize, Box<Db>)>,
    hints: Arc<Hints>,
    figures: Arc<Figures>,
}

#[repr(C)]
struct Db {
    ttl: TtlIndex,
    table: Table<Entry>,
    /// Hashes with fields that expire, each filed under its earliest one.
    fields: TtlIndex,
}

/// An entry of a shard, for changing or removing it; keeps the index of expiry times in step.
pub struct EntrySlot<'a> {
    slot: Slot<'a, Entry>,
    ttl: &'a mut TtlIndex,
    due_stale: &'a mut bool,
    fields: &'a mut TtlIndex,
    hash: u64,
    now_ms: u64,
}

impl Db {
    fn new(hints: &Arc<Hints>, place: usize) -> Db {
        let table = Table::with_hints(hints.clone(), place);
        Db { table, ttl: TtlIndex::default(), fields: TtlIndex::default() }
    }

    /// Exchanges the contents, but not the places.
    fn swap(&mut self, other: &mut Db) {
        self.table.swap(&mut other.table);
        std::mem::swap(&mut self.ttl, &mut other.ttl);
        std::mem::swap(&mut self.fields, &mut other.fields);
    }
}

impl Shard {
    /// A shard of databases whose tables have their places in `hints`.
    pub(crate) fn new(index: usize, hints: &Arc<Hints>, figures: &Arc<Figures>) -> Shard {
        figures.made(0);
        Shard {
            index: index as u16,
            due_stale: false,
            // Its home is not told: it moves with the shard, whose lines the prefetch pass knows.
            first: Db::new(hints, index),
            others: Vec::new(),
            hints: hints.clone(),
            figures: figures.clone(),
            queues: WaitQueues::default(),
            watches: Watches::default(),
        }
    }

    /// A database, if anything was written to it here.
    #[inline]
    fn db(&self, db: usize) -> Option<&Db> {
        if db == 0 {
            return Some(&self.first);
        }
        self.others.iter().find(|(number, _)| *number == db).map(|(_, db)| &**db)
    }

    /// The databases that may have something here.
    pub fn present(&self) -> impl Iterator<Item = usize> {
        std::iter::once(0).chain(self.others.iter().map(|(number, _)| *number))
    }

    /// As [`Shard::db`], to change it.
    #[inline]
    fn db_mut(&mut self, db: usize) -> Option<&mut Db> {
        pick(&mut self.first, &mut self.others, db)
    }

    /// A database, made if it is not here yet.
    #[inline]
    fn made(&mut self, db: usize) -> &mut Db {
        if db == 0 {
            return &mut self.first;
        }
        let at = match self.others.iter().position(|(number, _)| *number == db) {
            Some(at) => at,
            None => self.make(db),
        };
        &mut self.others[at].1
    }

    #[cold]
    fn make(&mut self, db: usize) -> usize {
        let place = db * crate::SHARDS + usize::from(self.index);
        let new = Box::new(Db::new(&self.hints, place));
        self.hints.set_home(place, &new.table);
        self.figures.made(db);
        self.others.reserve_exact(1);
        self.others.push((db, new));
        self.others.len() - 1
    }

    /// All databases that are here, with their numbers.
    fn all(&self) -> impl Iterator<Item = (usize, &Db)> {
        std::iter::once((0, &self.first)).chain(self.others.iter().map(|(number, db)| (*number, &**db)))
    }

    /// This shard's number.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Keys of a database in this shard.
    pub fn len(&self, db: usize) -> usize {
        self.db(db).map_or(0, |db| db.table.len())
    }

    /// Keys of a database in this shard that have an expiry.
    pub fn expires(&self, db: usize) -> usize {
        self.db(db).map_or(0, |db| db.ttl.keys())
    }

    /// Hashes of a database in this shard that have fields with an expiry.
    pub fn with_volatile_fields(&self, db: usize) -> usize {
        self.db(db).map_or(0, |db| db.fields.keys())
    }

    /// Milliseconds that are left to the keys of a database in this shard, all together; estimated.
    pub fn ttl_sum_ms(&self, db: usize, now_ms: u64) -> u128 {
        self.db(db).map_or(0, |db| db.ttl.time_left_ms(now_ms))
    }

    /// Bytes of a database's hash table in this shard.
    pub fn index_bytes(&self, db: usize) -> usize {
        self.db(db).map_or(0, |db| db.table.index_bytes())
    }

    /// A client waits for a key from now on.
    pub fn wait_for(&mut self, db: usize, key: &[u8], waiter: Arc<Waiter>) {
        self.figures.attend(self.index);
        self.queues.push(db, key, waiter);
    }

    /// A transaction watches a key from now on; see [`Watches::add`].
    pub fn watch(&mut self, db: usize, key: &[u8], mark: Arc<WatchMark>, was_expired: bool) {
        self.figures.attend(self.index);
        self.watches.add(db, key, mark, was_expired);
    }

    /// The earliest time at which something is due, if it may have changed since the last call; what expires is told then, too.
    #[inline]
    pub(crate) fn take_due_ms(&mut self) -> Option<u64> {
        std::mem::take(&mut self.due_stale).then(|| {
            let mut due_ms = u64::MAX;
            for (number, db) in self.all() {
                due_ms = due_ms.min(db.ttl.next_due_ms()).min(db.fields.next_due_ms());
                let part = Volatile { keys: db.ttl.keys(), hashes: db.fields.keys() };
                self.figures.publish(number, self.index, part);
            }
            due_ms
        })
    }

    /// Whether no key of the database can have expired.
    #[inline]
    pub fn nothing_due(&self, db: usize, now_ms: u64) -> bool {
        self.db(db).is_none_or(|db| db.ttl.nothing_due(now_ms))
    }

    /// The entry of a key, expired or not.
    #[inline]
    pub fn find(&self, db: usize, hash: u64, key: &[u8]) -> Option<EntryRef<'_>> {
        self.db(db)?.table.find(hash, key)
    }

    /// The entry of a key, expired or not, for writing.
    #[inline]
    pub fn find_mut(&mut self, db: usize, hash: u64, key: &[u8], now_ms: u64) -> Option<EntrySlot<'_>> {
        let db = pick(&mut self.first, &mut self.others, db)?;
        let slot = db.table.find_mut(hash, key)?;
        Some(EntrySlot {
            slot,
            ttl: &mut db.ttl,
            fields: &mut db.fields,
            due_stale: &mut self.due_stale,
            hash,
            now_ms,
        })
    }

    /// Adds an entry whose key is not there.
    pub fn insert(&mut self, db: usize, hash: u64, entry: Entry, now_ms: u64) {
        let (at, field_at) = (entry.view().expire_ms(), entry.view().field_expiry_ms());
        self.due_stale |= at.is_some() || field_at.is_some();
        let db = self.made(db);
        if at.is_some() {
            db.ttl.changed(hash, None, at, now_ms);
        }
        if field_at.is_some() {
            db.fields.changed(hash, None, field_at, now_ms);
        }
        db.table.insert(hash, entry);
    }

    /// Keys of `db` that are due and expired, up to some dozens; call again while `more`. Records of keys that
    /// expire later are filed again.
    pub fn expired(&mut self, db: usize, now_ms: u64) -> Expired {
        self.due_stale = true;
        let Some(Db { table, ttl, .. }) = self.db_mut(db) else { return Expired::default() };
        due(table, ttl, |entry| entry.expire_ms(), now_ms)
    }

    /// Hashes of `db` that have, or may have, fields whose time is past; otherwise as [`Shard::expired`]. The caller
    /// removes these fields and then calls [`EntrySlot::file_fields`], for these hashes are not on file any more.
    pub fn with_expired_fields(&mut self, db: usize, now_ms: u64) -> Expired {
        self.due_stale = true;
        let Some(Db { table, fields, .. }) = self.db_mut(db) else { return Expired::default() };
        due(table, fields, |entry| entry.field_expiry_ms(), now_ms)
    }

    /// Visits the entries of `db` from `from` to the end of its line; answers where to go on.
    pub fn scan(&self, db: usize, from: Position, visit: impl FnMut(EntryRef<'_>)) -> Option<Position> {
        self.db(db)?.table.scan(from, visit)
    }

    /// All entries of a database in this shard.
    pub fn iter(&self, db: usize) -> impl Iterator<Item = EntryRef<'_>> {
        self.db(db).into_iter().flat_map(|db| db.table.iter())
    }

    /// One entry at random.
    pub fn random(&self, db: usize, random: impl FnMut() -> u64) -> Option<EntryRef<'_>> {
        self.db(db)?.table.random(random)
    }

    /// Shows entries of a database to `visit`, with their hashes, from a random place on, as long as it asks for more.
    pub fn sample(&self, db: usize, random: u64, visit: &mut impl FnMut(u64, EntryRef<'_>) -> bool) {
        let Some(Db { table, .. }) = self.db(db) else { return };
        let more = std::cell::Cell::new(true);
        let mut show = |entry: EntryRef<'_>| {
            more.set(visit(ds::hash::of(entry.key()), entry));
            more.get()
        };
        table.sample(random, &mut show);
        if more.get() {
            // Behind the end it goes on at the beginning; what was seen already is offered again, which does no harm.
            table.sample(0, &mut show);
        }
    }

    /// As [`Shard::sample`], for entries that expire.
    pub fn sample_volatile(&self, db: usize, random: u64, visit: &mut impl FnMut(u64, EntryRef<'_>) -> bool) {
        let Some(Db { table, ttl, .. }) = self.db(db) else { return };
        let mut more = ttl.keys() > 0;
        for record in ttl.records_from(random) {
            if !more {
                return;
            }
            visit_record(
                table,
                record,
                |entry| entry.expire_ms(),
                |hash, _, entry| {
                    more = more && visit(hash, entry);
                },
            );
        }
    }

    /// Frees what an empty database still takes here.
    pub fn trim(&mut self, db: usize) {
        let Some(at) = self.db_mut(db) else { return };
        at.table.release_if_empty();
        if db != 0 && at.table.is_empty() {
            self.others.retain(|(number, _)| *number != db);
            self.others.shrink_to_fit();
            // It is not among those any more that are told when the shard is let go.
            self.figures.publish(db, self.index, Volatile::default());
            self.figures.dropped(db);
            self.due_stale = true;
        }
    }

    /// Takes all entries of a database out. Only behind the gate.
    pub(crate) fn take(&mut self, db: usize) -> Table<Entry> {
        self.due_stale = true;
        let Some(db) = self.db_mut(db) else { return Table::default() };
        db.ttl = TtlIndex::default();
        db.fields = TtlIndex::default();
        db.table.take()
    }

    /// Exchanges two databases. Only behind the gate.
    pub(crate) fn swap(&mut self, a: usize, b: usize) {
        if a == b || (self.db(a).is_none() && self.db(b).is_none()) {
            return;
        }
        self.due_stale = true;
        // Each is taken out by itself: two of one list cannot be borrowed at once.
        let mut aside = Db { table: Table::default(), ttl: TtlIndex::default(), fields: TtlIndex::default() };
        for db in [a, b, a] {
            self.made(db).swap(&mut aside);
        }
    }

    pub(crate) fn begin_snapshot(&mut self, db: usize, hook: Arc<dyn SaveHook<Entry>>) {
        if let Some(db) = self.db_mut(db) {
            db.table.begin_snapshot(hook);
        }
    }

    /// Shows a line of `db` to the walk; see [`Table::save_some`].
    pub(crate) fn save_some(&self, db: usize, from: Position, walker: &mut impl Walker) -> Option<Position> {
        self.db(db)?.table.save_some(from, &mut |db, entry| walker.take(db, entry))
    }

    pub(crate) fn end_snapshot(&mut self, db: usize) {
        if let Some(db) = self.db_mut(db) {
            db.table.end_snapshot();
        }
    }
}

/// A database of a shard, with the shard's other parts left free.
#[inline]
fn pick<'a>(first: &'a mut Db, others: &'a mut [(usize, Box<Db>)], db: usize) -> Option<&'a mut Db> {
    match db {
        0 => Some(first),
        _ => others.iter_mut().find(|(number, _)| *number == db).map(|(_, db)| &mut **db),
    }
}

/// See [`Shard::expired`].
#[derive(Default)]
pub struct Expired {
    /// (hash, key) of each expired key.
    pub keys: Vec<(u64, Vec<u8>)>,
    pub more: bool,
}

/// Takes what is due from an index of the times that `time` reads from entries.
fn due(
    table: &Table<Entry>,
    index: &mut TtlIndex,
    time: fn(EntryRef<'_>) -> Option<u64>,
    now_ms: u64,
) -> Expired {
    if index.is_bloated() {
        index.clear_records();
        for entry in table.iter() {
            if let Some(at) = time(entry) {
                index.file((ds::hash::of(entry.key()) >> 32) as u32, at, now_ms);
            }
        }
    }
    let mut keys = Vec::new();
    let records = index.take_due(now_ms, EXPIRE_STEP);
    let more = records.len() == EXPIRE_STEP;
    for record in records {
        visit_record(table, record, time, |hash, at, entry| match at < now_ms {
            true => keys.push((hash, entry.key().to_vec())),
            false => index.file(record, at, now_ms),
        });
    }
    keys.sort_unstable();
    keys.dedup();
    Expired { keys, more }
}

/// Visits the entries with this record (the top 32 bits of their hash) that have a time.
fn visit_record(
    table: &Table<Entry>,
    record: u32,
    time: fn(EntryRef<'_>) -> Option<u64>,
    mut visit: impl FnMut(u64, u64, EntryRef<'_>),
) {
    let position = |record: u64| Position::from_bits(record << (Position::BITS - 32));
    let end = position(u64::from(record) + 1);
    let mut at = position(u64::from(record));
    while let Some(from) = at.filter(|&from| end.is_none_or(|end| from < end)) {
        at = table.scan(from, |entry| {
            if let Some(at) = time(entry) {
                let hash = ds::hash::of(entry.key());
                if (hash >> 32) as u32 == record {
                    visit(hash, at, entry);
                }
            }
        });
    }
}

impl<'a> EntrySlot<'a> {
    /// The entry as it is.
    #[inline]
    pub fn get(&self) -> EntryRef<'_> {
        self.slot.get()
    }

    /// The entry for as long as the shard is borrowed.
    pub fn into_ref(self) -> EntryRef<'a> {
        self.slot.into_ref()
    }

    /// Changes the value; key and expiry must stay as they are.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut Entry) -> R) -> R {
        let before = self.get().field_expiry_ms();
        let result = self.slot.update(change);
        let after = self.get().field_expiry_ms();
        self.note_fields(before, after);
        result
    }

    /// Files the hash under its earliest field again, if it has one that expires: after
    /// [`Shard::with_expired_fields`].
    pub fn file_fields(&mut self) {
        if let Some(at) = self.get().field_expiry_ms() {
            self.fields.file((self.hash >> 32) as u32, at, self.now_ms);
            *self.due_stale = true;
        }
    }

    /// Replaces the whole entry by one with the same key.
    pub fn replace(&mut self, entry: Entry) -> Entry {
        self.note_expiry(entry.view().expire_ms());
        let (old, new) = (self.get().field_expiry_ms(), entry.view().field_expiry_ms());
        self.note_fields(old, new);
        self.slot.update(|old| std::mem::replace(old, entry))
    }

    /// Sets or removes the expiry (Unix ms).
    pub fn set_expire_ms(&mut self, expire_ms: Option<u64>) {
        self.note_expiry(expire_ms);
        self.slot.update(|entry| entry.set_expire_ms(expire_ms));
    }

    /// Keeps the index in step with an expiry that is about to change.
    fn note_expiry(&mut self, new_ms: Option<u64>) {
        let old_ms = self.get().expire_ms();
        if old_ms.is_some() || new_ms.is_some() {
            self.ttl.changed(self.hash, old_ms, new_ms, self.now_ms);
            *self.due_stale = true;
        }
    }

    /// Keeps the index in step with the earliest expiry of fields.
    #[inline]
    fn note_fields(&mut self, old_ms: Option<u64>, new_ms: Option<u64>) {
        if old_ms != new_ms {
            self.fields.changed(self.hash, old_ms, new_ms, self.now_ms);
            *self.due_stale = true;
        }
    }

    /// Takes the entry out.
    pub fn remove(mut self) -> Entry {
        self.note_expiry(None);
        let old = self.get().field_expiry_ms();
        self.note_fields(old, None);
        self.slot.remove()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Keyspace, shard_of};
    use ds::entry::{PackedRef, Value};
    use ds::listpack::FlatPack;
    use ds::packed_hash::{Form, put};
    use proptest::prelude::*;

    /// A hash whose only field expires at this time, or has no expiry.
    fn hash_entry(key: &[u8], expire_ms: Option<u64>) -> Entry {
        let mut pack = FlatPack::new();
        put(&mut pack, Form::Triples, b"field", b"value", expire_ms);
        Entry::new(key, None, 0, Value::Packed(PackedRef::Hash(pack.view(), Form::Triples)))
    }

    proptest! {
        /// Hashes with expiring fields are counted, and those whose time is past are found, each until it is filed again.
        #[test]
        fn expiring_fields_are_on_file(
            steps in prop::collection::vec((0u8..5, 0u8..6, prop::option::of(1u64..5_000)), 1..80),
        ) {
            let keyspace = Keyspace::new(1, Arc::new(sys::gate::Gate::new(1)));
            // Keys of one shard.
            let keys: Vec<Vec<u8>> = (0u32..).map(|n| n.to_string().into_bytes())
                .filter(|key| shard_of(ds::hash::of(key)) == 7).take(6).collect();
            let mut shard = keyspace.lock(7);
            let mut model: BTreeMap<Vec<u8>, Option<u64>> = BTreeMap::new();
            let mut now = 1_000u64;
            for (step, key, after) in steps {
                let key = keys[usize::from(key)].clone();
                let (hash, at) = (ds::hash::of(&key), after.map(|after| now + after));
                let there = shard.find(0, hash, &key).is_some();
                match (step, there) {
                    (0..=2, false) => shard.insert(0, hash, hash_entry(&key, at), now),
                    (0, true) => drop(shard.find_mut(0, hash, &key, now).expect("there").replace(hash_entry(&key, at))),
                    (1..=2, true) => {
                        let mut slot = shard.find_mut(0, hash, &key, now).expect("there");
                        slot.update(|entry| *entry = hash_entry(&key, at));
                    }
                    (3, _) => {
                        shard.find_mut(0, hash, &key, now).map(EntrySlot::remove);
                        model.remove(&key);
                    }
                    _ => now += 700,
                }
                if step <= 2 {
                    model.insert(key, at);
                }
                prop_assert_eq!(shard.with_volatile_fields(0), model.values().flatten().count());
                let mut found = Vec::new();
                loop {
                    let expired = shard.with_expired_fields(0, now);
                    found.extend(expired.keys.into_iter().map(|(_, key)| key));
                    if !expired.more {
                        break;
                    }
                }
                found.sort();
                found.dedup();
                let due: Vec<_> = model.iter().filter(|(_, at)| at.is_some_and(|at| at + 8 < now)).map(|(key, _)| key.clone()).collect();
                prop_assert!(due.iter().all(|key| found.contains(key)), "{found:?} {due:?}");
                for key in found {
                    let hash = ds::hash::of(&key);
                    let mut slot = shard.find_mut(0, hash, &key, now).expect("only what is there is due");
                    prop_assert!(slot.get().field_expiry_ms().is_some_and(|at| at < now));
                    slot.file_fields();
                }
            }
        }
    }
}
