//! The point-in-time walk: every entry of the keyspace as it was when the walk began, without a pause.
//!
//! Behind the gate, [`Keyspace::begin_snapshot`] hands each table a hook and flips its mark: that is the moment
//! of the snapshot. From then on a line is saved once: by the walker ([`Keyspace::walk_snapshot`]) or by the
//! first writer that reaches it. The sink gets each entry while its shard is locked, so it must be quick: it
//! encodes small values and pins large ones. FLUSHALL hands whole tables over, with their hooks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ds::entry::{Entry, EntryRef};
use ds::table::{Position, SaveHook, Table};

use crate::access::Access;
use crate::{Keyspace, SHARDS};

/// Lines that are saved under one hold of a shard's lock.
const LINES_PER_HOLD: usize = 16;

/// Where the entries of a snapshot go.
pub trait Sink: Send + Sync {
    /// An entry of `db` as it was at the beginning. Called with the shard's lock held, from many threads.
    fn save(&self, db: usize, entry: EntryRef<'_>);
    /// Called between two holds of a lock: the sink may wait here until it has room. False stops encoding, though
    /// the walk goes on to its end.
    fn pace(&self) -> bool;
}

/// Whether a snapshot runs, and what FLUSHALL handed to it.
#[derive(Default)]
pub(crate) struct Slot {
    running: AtomicBool,
    orphans: Mutex<Vec<Table<Entry>>>,
}

struct Hook {
    db: usize,
    sink: Arc<dyn Sink>,
}

impl SaveHook<Entry> for Hook {
    fn save(&self, entry: EntryRef<'_>) {
        self.sink.save(self.db, entry);
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
        for db in 0..self.databases() {
            let hook: Arc<dyn SaveHook<Entry>> = Arc::new(Hook { db, sink: sink.clone() });
            for shard in 0..SHARDS as u16 {
                // An empty table has nothing to save, and what comes later is no part of the snapshot.
                let shard = access.shard(shard);
                if shard.len(db) > 0 {
                    shard.begin_snapshot(db, hook.clone());
                }
            }
        }
        true
    }

    /// Saves everything that writers have not saved, database by database, and ends the snapshot. For a thread
    /// that holds no lock.
    pub fn walk_snapshot(&self, sink: &dyn Sink) {
        for db in 0..self.databases() {
            for shard in 0..SHARDS as u16 {
                let mut position = Some(Position::default());
                while position.is_some() {
                    let guard = self.lock(shard);
                    for _ in 0..LINES_PER_HOLD {
                        position = position.and_then(|at| guard.save_some(db, at));
                    }
                    drop(guard);
                    sink.pace();
                }
                // Nothing in this shard's database is unsaved, and new lines are born saved; but the hook stays until
                // all is done, because SWAPDB may bring an unsaved table here.
            }
        }
        self.save_orphans(sink);
        self.sweep(sink);
    }

    /// SWAPDB may have moved a table from a place not yet walked to one walked already: walk again (saved lines
    /// cost nothing), taking the hooks off.
    fn sweep(&self, sink: &dyn Sink) {
        for shard in 0..SHARDS as u16 {
            let mut guard = self.lock(shard);
            // All databases under one hold, so that none moves between them meanwhile.
            for db in 0..self.databases() {
                let mut position = (guard.len(db) > 0).then(Position::default);
                while let Some(at) = position {
                    position = guard.save_some(db, at);
                }
            }
            (0..self.databases()).for_each(|db| guard.end_snapshot(db));
            drop(guard);
            sink.pace();
        }
        self.save_orphans(sink);
        self.snapshot.running.store(false, Ordering::Release);
    }

    fn save_orphans(&self, sink: &dyn Sink) {
        loop {
            let orphan = self.snapshot.orphans.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
            let Some(orphan) = orphan else { return };
            let mut position = Some(Position::default());
            while let Some(at) = position {
                position = orphan.save_some(at);
                sink.pace();
            }
        }
    }

    /// Gives tables that were taken out of the keyspace to the snapshot if one is running; else gives them back.
    pub fn hand_to_snapshot(&self, tables: Vec<Table<Entry>>) -> Vec<Table<Entry>> {
        if !self.snapshot_running() {
            return tables;
        }
        self.snapshot.orphans.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).extend(tables);
        Vec::new()
    }
}
