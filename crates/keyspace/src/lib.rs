//! The keyspace: databases cut into shards, each behind its own lock.
//!
//! A key's hash names its shard (low bits) and its place in the shard's table (high bits). A shard holds its
//! part of every database, the index of expiry times, the clients that wait for its keys and the WATCH marks on
//! them. Commands reach shards only through an [`Access`], which holds the locks of the keys that the command
//! named, or everything behind the closed gate.
//!
//! - [`shard`]: one shard and its databases. - [`access`]: lock plans. - [`ttl`]: what expires when.
//! - [`wait`]: blocked clients and watched keys. - [`cursor`]: SCAN over all shards. - `figures`: numbers of keys for INFO. - `sleeper`: who expires keys.
//! - [`snapshot`]: the point-in-time walk that BGSAVE and full syncs use.

#![forbid(unsafe_code)]

pub mod access;
pub mod cursor;
mod figures;
pub mod shard;
mod sleeper;
pub mod snapshot;
pub mod wait;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use access::Access;
pub use ds::table::Hint;
use ds::table::Hints;
use figures::Figures;
pub use figures::Volatile;
pub use shard::{EntrySlot, Shard};
pub use sleeper::Wake;
use sys::gate::{BatchGuard, Gate};
use sys::lock::{ShardGuard, ShardLock};

/// Shards of a keyspace.
pub const SHARDS: usize = 1024;

/// All databases. See the module's text.
pub struct Keyspace {
    shards: Box<[ShardLock<Shard>]>,
    hints: Arc<Hints>,
    figures: Arc<Figures>,
    gate: Arc<Gate>,
    databases: usize,
    /// For each shard the time (Unix ms) at which something in it may expire.
    due_ms: Box<[AtomicU64]>,
    sleepers: sleeper::Sleepers,
    snapshot: snapshot::Slot,
}

/// The shard of a key with this hash.
#[inline]
pub fn shard_of(hash: u64) -> u16 {
    (hash % SHARDS as u64) as u16
}

impl Keyspace {
    /// An empty keyspace of `databases` databases whose users enter batches at `gate`.
    pub fn new(databases: usize, gate: Arc<Gate>) -> Keyspace {
        let hints = Hints::new(SHARDS * databases, gate.clone());
        let figures = Arc::new(Figures::new(databases));
        let shard = |index| ShardLock::new(Shard::new(index, &hints, &figures));
        Keyspace {
            shards: (0..SHARDS).map(shard).collect(),
            hints: hints.clone(),
            figures: figures.clone(),
            gate,
            databases,
            due_ms: (0..SHARDS).map(|_| AtomicU64::new(u64::MAX)).collect(),
            sleepers: sleeper::Sleepers::default(),
            snapshot: snapshot::Slot::default(),
        }
    }

    /// Number of databases.
    pub fn databases(&self) -> usize {
        self.databases
    }

    /// Keys of a database, counted without any lock: of what others do meanwhile some may be counted.
    pub fn len(&self, db: usize) -> usize {
        if self.figures.is_present(db) { self.hints.items(db * SHARDS..(db + 1) * SHARDS) } else { 0 }
    }

    /// Keys of a database in one shard, counted in the same way.
    pub fn len_in(&self, db: usize, shard: u16) -> usize {
        let table = db * SHARDS + usize::from(shard);
        self.hints.items(table..table + 1)
    }

    /// What of a database expires, counted in the same way; what an [`Access`] has changed counts when it is dropped, or after
    /// [`Access::publish`].
    pub fn volatile(&self, db: usize) -> Volatile {
        self.figures.volatile(db)
    }

    /// Shards with keys that somebody may wait for or watch, told without any lock.
    pub fn attended(&self) -> impl Iterator<Item = u16> {
        self.figures.attended()
    }

    /// The gate at which this keyspace's users enter.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Pass 1 over a batch: asks for the lock of a key's shard and for what leads to its line.
    #[inline]
    pub fn prefetch_shard(&self, db: usize, hash: u64) {
        let shard = usize::from(shard_of(hash));
        let lock: *const u8 = (&raw const self.shards[shard]).cast();
        sys::os::prefetch(lock);
        // What writers ask for, who waits and who watches, is two lines on.
        sys::os::prefetch(lock.wrapping_add(128));
        self.hints.prefetch_table(db * SHARDS + shard);
    }

    /// Pass 2 over a batch: asks for the cache line in which a key would stand.
    #[inline]
    pub fn prefetch_line<'b>(&self, batch: &'b BatchGuard<'_>, db: usize, hash: u64) -> Hint<'b> {
        self.hints.prefetch_line(batch, db * SHARDS + usize::from(shard_of(hash)), hash)
    }

    /// Pass 3 over a batch: asks for the entry that may be the one. Answers whether pass 4 has something to do.
    #[inline]
    pub fn prefetch_entry(&self, hint: Hint<'_>) -> bool {
        self.hints.prefetch_item(hint)
    }

    /// Pass 4 over a batch: asks for the entry among those that were stashed away from their full line.
    #[inline]
    pub fn prefetch_stashed(&self, hint: Hint<'_>) {
        self.hints.prefetch_stashed(hint);
    }

    /// Frees what no batch can see any more.
    pub fn reclaim(&self) {
        self.hints.reclaim();
    }

    /// Locks one shard, however long it takes: for background work that holds no other shard.
    pub fn lock(&self, shard: u16) -> ShardGuard<'_, Shard> {
        self.shards[usize::from(shard)].lock()
    }

    /// When something in the shard may expire, in Unix milliseconds.
    pub fn due_ms(&self, shard: u16) -> u64 {
        self.due_ms[usize::from(shard)].load(Relaxed)
    }

    /// Publishes when the shard wants its next look at expired keys; to be called under its lock.
    #[inline]
    pub(crate) fn publish_due(&self, shard: &mut Shard) {
        if let Some(at) = shard.take_due_ms() {
            self.due_ms[usize::from(shard.index())].store(at, Relaxed);
            self.sleepers.rouse(shard.index(), at);
        }
    }

    /// Says, once, who expires keys, each in every so many-th shard.
    pub fn set_sleepers(&self, wakes: Vec<Wake>) {
        self.sleepers.set(wakes);
    }

    /// Who expires keys wants to sleep until then (Unix milliseconds), and to be woken if something may be due earlier; 0 when he
    /// is awake. See the module `sleeper` for what else he must do.
    pub fn sleep_until(&self, index: usize, at_ms: u64) {
        self.sleepers.note(index, at_ms);
    }
}
