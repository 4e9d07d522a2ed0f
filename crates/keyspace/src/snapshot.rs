//! The point-in-time walk: every entry of the keyspace as it was when the walk began, without a pause.
//!
//! Behind the gate, [`Keyspace::begin_snapshot`] hands each table a hook and flips its mark: that is the moment
//! of the snapshot. From then on a line is saved once: by the walk ([`Keyspace::walk_snapshot`]) or by the
//! first writer that reaches it. Both show the line's entries while the shard is locked, so whoever takes them must be
//! quick: copy small ones and pin large ones. FLUSHALL hands whole tables over, with their hooks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ds::entry::{Entry, EntryRef};
use ds::table::{Position, SaveHook, Table};
use sys::work::WalkHold;

use crate::access::Access;
use crate::{Keyspace, SHARDS, Shard};

/// Lines that are saved under one hold of a shard's lock: some 20 microseconds.
const LINES_PER_HOLD: usize = 32;

/// Takes what writers are about to change.
pub trait Sink: Send + Sync {
    /// Entries as they were at the beginning, when they were in `db`. Called with their shard's lock held, from many threads.
    fn save(&self, db: usize, entries: &mut dyn Iterator<Item = EntryRef<'_>>);
}

/// Takes what the walk finds.
pub trait Walker {
    /// An entry as it was at the beginning, when it was in `db`. Called with its shard's lock held.
    fn take(&mut self, db: usize, entry: EntryRef<'_>);
    /// Called between two holds of a lock, for whatever takes longer.
    fn pass(&mut self);
}

/// Whether a snapshot runs, and what FLUSHALL handed to it.
#[derive(Default)]
pub(crate) struct Slot {
    running: AtomicBool,
    /// Whether writers must wait until the snapshot has caught up with what they saved for it.
    is_behind: AtomicBool,
    /// Whether databases changed places since it began.
    pub(crate) swapped: AtomicBool,
    /// Databases that had keys when it began.
    databases: Mutex<Vec<usize>>,
    orphans: Mutex<Vec<Table<Entry>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

struct Hook {
    db: usize,
    sink: Arc<dyn Sink>,
}

impl SaveHook<Entry> for Hook {
    fn save<'a>(&self, entries: &mut dyn Iterator<Item = EntryRef<'a>>)
    where
        Entry: 'a,
    {
        self.sink.save(self.db, entries);
    }

    fn number(&self) -> usize {
        self.db
    }
}

impl Keyspace {
    /// Whether a snapshot is running.
    fn snapshot_running(&self) -> bool {
        self.snapshot.running.load(Ordering::Acquire)
    }

    /// Begins a snapshot of everything; false if one is running. The caller is alone.
    pub fn begin_snapshot(&self, access: &mut Access<'_>, sink: &Arc<dyn Sink>) -> bool {
        assert!(access.is_all(), "snapshots begin behind the gate");
        if self.snapshot.running.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.snapshot.swapped.store(false, Ordering::Relaxed);
        let mut databases = lock(&self.snapshot.databases);
        databases.clear();
        for db in 0..self.databases() {
            let hook: Arc<dyn SaveHook<Entry>> = Arc::new(Hook { db, sink: sink.clone() });
            let mut any = false;
            for shard in 0..SHARDS as u16 {
                // An empty table has nothing to save, and what comes later is no part of the snapshot.
                let shard = access.shard(shard);
                if shard.len(db) > 0 {
                    shard.begin_snapshot(db, hook.clone());
                    any = true;
                }
            }
            databases.extend(any.then_some(db));
        }
        true
    }

    /// Says whether the running snapshot is behind with what writers saved for it. Commands that write wait as long as it
    /// is, so the thread that says so must itself wait for nothing then.
    pub fn set_snapshot_behind(&self, behind: bool) {
        self.snapshot.is_behind.store(behind, Ordering::Relaxed);
    }

    /// See [`Keyspace::set_snapshot_behind`].
    #[inline]
    pub fn is_snapshot_behind(&self) -> bool {
        self.snapshot.is_behind.load(Ordering::Relaxed)
    }

    /// Shows everything that writers have not saved, database by database, and ends the snapshot. For a thread
    /// that holds no lock.
    pub fn walk_snapshot(&self, walker: &mut impl Walker) {
        let databases = std::mem::take(&mut *lock(&self.snapshot.databases));
        for db in databases {
            for shard in 0..SHARDS as u16 {
                let mut position = Some(Position::default());
                while position.is_some() {
                    self.hold_for_snapshot(shard, |shard| {
                        for _ in 0..LINES_PER_HOLD {
                            position = position.and_then(|at| shard.save_some(db, at, walker));
                        }
                    });
                    walker.pass();
                }
                // Nothing in this shard's database is unsaved, and new lines are born saved; but the hook stays until
                // all is done, because SWAPDB may bring an unsaved table here.
            }
        }
        self.save_orphans(walker);
        self.sweep(walker);
    }

    fn hold_for_snapshot<R>(&self, shard: u16, work: impl FnOnce(&mut Shard) -> R) -> R {
        let mut guard = self.lock(shard);
        // Ends behind the guard.
        let _hold = WalkHold::begin();
        let result = work(&mut guard);
        drop(guard);
        result
    }

    /// Takes the hooks off. SWAPDB may have moved a table from a place not yet walked to one walked already: then
    /// this walks again (saved lines cost nothing).
    fn sweep(&self, walker: &mut impl Walker) {
        for shard in 0..SHARDS as u16 {
            // All databases under one hold, so that none moves between them meanwhile.
            self.hold_for_snapshot(shard, |shard| {
                let swapped = self.snapshot.swapped.load(Ordering::Relaxed);
                for db in 0..self.databases() {
                    let mut position = (swapped && shard.len(db) > 0).then(Position::default);
                    while let Some(at) = position {
                        position = shard.save_some(db, at, walker);
                    }
                }
                (0..self.databases()).for_each(|db| shard.end_snapshot(db));
            });
            walker.pass();
        }
        self.save_orphans(walker);
        self.snapshot.running.store(false, Ordering::Release);
    }

    fn save_orphans(&self, walker: &mut impl Walker) {
        loop {
            let orphan = lock(&self.snapshot.orphans).pop();
            let Some(orphan) = orphan else { return };
            let mut position = Some(Position::default());
            while let Some(at) = position {
                position = orphan.save_some(at, &mut |db, entry| walker.take(db, entry));
                walker.pass();
            }
        }
    }

    /// Gives tables that were taken out of the keyspace to the snapshot if one is running; else gives them back.
    pub fn hand_to_snapshot(&self, tables: Vec<Table<Entry>>) -> Vec<Table<Entry>> {
        if !self.snapshot_running() {
            return tables;
        }
        lock(&self.snapshot.orphans).extend(tables);
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::shard_of;
    use ds::entry::{Value, ValueRef};
    use sys::gate::Gate;

    /// (database, key) to (value, expiry).
    type State = BTreeMap<(usize, Vec<u8>), (i64, Option<u64>)>;

    #[derive(Default)]
    struct Seen(Mutex<State>);

    impl Seen {
        fn note(&self, db: usize, entry: EntryRef<'_>) {
            let ValueRef::Int(value) = entry.value() else { panic!("only numbers were stored") };
            let at = (db, entry.key().to_vec());
            let twice = self.0.lock().expect("no panic").insert(at, (value, entry.expire_ms()));
            assert!(twice.is_none(), "an entry is shown once");
        }
    }

    impl Sink for Seen {
        fn save(&self, db: usize, entries: &mut dyn Iterator<Item = EntryRef<'_>>) {
            entries.for_each(|entry| self.note(db, entry));
        }
    }

    /// Changes the keyspace as soon as it has got something.
    struct Meddler<'k> {
        keyspace: &'k Keyspace,
        seen: Arc<Seen>,
        passes: usize,
    }

    impl Walker for Meddler<'_> {
        fn take(&mut self, db: usize, entry: EntryRef<'_>) {
            self.seen.note(db, entry);
        }

        fn pass(&mut self) {
            self.passes += 1;
            if self.passes.is_multiple_of(40) {
                change(self.keyspace, self.passes);
            }
        }
    }

    fn key(number: usize) -> Vec<u8> {
        format!("key:{number}").into_bytes()
    }

    fn insert(keyspace: &Keyspace, db: usize, key: &[u8], value: i64, expire_ms: Option<u64>) {
        let hash = ds::hash::of(key);
        keyspace.lock(shard_of(hash)).insert(db, hash, Entry::new(key, expire_ms, 0, Value::Int(value)), 1);
    }

    /// Deletes, changes, adds, and lets keys expire.
    fn change(keyspace: &Keyspace, salt: usize) {
        for number in (salt % 7..3000).step_by(41) {
            for db in 0..2 {
                let (key, hash) = (key(number), ds::hash::of(&key(number)));
                let mut shard = keyspace.lock(shard_of(hash));
                let Some(mut slot) = shard.find_mut(db, hash, &key, 1) else { continue };
                match (number + salt) % 3 {
                    0 => drop(slot.remove()),
                    1 => slot.set_expire_ms(Some(77)),
                    _ => slot.update(|entry| entry.set_value(Value::Int(-1))),
                }
            }
        }
        insert(keyspace, salt % 2, format!("new:{salt}").as_bytes(), 0, None);
    }

    #[test]
    fn keys_are_counted_without_locks() {
        let keyspace = Keyspace::new(3, Arc::new(Gate::new(1)));
        let counted = || [0, 1, 2].map(|db| keyspace.len(db));
        for number in 0..3000 {
            insert(&keyspace, number % 5 / 4, &key(number), 0, None);
        }
        assert_eq!(counted(), [2400, 600, 0]);
        let gone = (0..500).filter(|&number| {
            let (key, hash) = (key(number), ds::hash::of(&key(number)));
            let mut shard = keyspace.lock(shard_of(hash));
            shard.find_mut(0, hash, &key, 1).map(|slot| slot.remove()).is_some()
        });
        assert_eq!(gone.count(), 400);
        assert_eq!(counted(), [2000, 600, 0]);
        let _alone = keyspace.gate().close();
        let mut access = keyspace.access_all();
        access.swap_databases(0, 2);
        access.swap_databases(1, 1);
        assert_eq!(counted(), [0, 600, 2000]);
        access.swap_databases(1, 2);
        drop(access.take_database(2));
        assert_eq!(counted(), [0, 2000, 0]);
    }

    #[test]
    fn what_was_there_at_the_beginning_is_shown_once_with_its_database() {
        for swap in [false, true] {
            let keyspace = Keyspace::new(3, Arc::new(Gate::new(1)));
            let mut expected = State::new();
            for number in 0..3000 {
                let (db, expire_ms) = (number % 5 / 4, (number % 3 == 0).then_some(9));
                insert(&keyspace, db, &key(number), number as i64, expire_ms);
                expected.insert((db, key(number)), (number as i64, expire_ms));
            }
            let seen = Arc::new(Seen::default());
            let sink: Arc<dyn Sink> = seen.clone();
            {
                let _alone = keyspace.gate().close();
                let mut access = keyspace.access_all();
                assert!(keyspace.begin_snapshot(&mut access, &sink));
                assert!(!keyspace.begin_snapshot(&mut access, &sink), "one at a time");
                if swap {
                    access.swap_databases(0, 2);
                    let flushed = access.take_database(1);
                    assert!(keyspace.hand_to_snapshot(flushed).is_empty());
                }
            }
            change(&keyspace, 1);
            keyspace.walk_snapshot(&mut Meddler { keyspace: &keyspace, seen: seen.clone(), passes: 0 });
            assert_eq!(*seen.0.lock().expect("no panic"), expected);
            drop(sink);
            assert_eq!(Arc::strong_count(&seen), 1, "no hook is left");
        }
    }
}
