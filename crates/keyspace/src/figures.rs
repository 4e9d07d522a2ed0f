//! What is told of a database without any lock: whether there is one, and how many of its keys expire.
//!
//! Each shard publishes its part when it is let go, together with what is due, so that INFO needs not lock them all.
//! The number of keys is told by the tables themselves (`ds::table::Hints::items`).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::SHARDS;

/// Of all databases.
pub(crate) struct Figures(Box<[Database]>);

#[derive(Default)]
struct Database {
    /// Shards that have a table of it.
    tables: AtomicUsize,
    /// For each shard keys that expire (low half) and hashes with fields that do (high half); from the first of them on.
    volatile: OnceLock<Box<[AtomicU64]>>,
}

/// Of one database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volatile {
    /// Keys that have an expiry.
    pub keys: usize,
    /// Hashes that have fields with an expiry.
    pub hashes: usize,
}

impl Figures {
    pub fn new(databases: usize) -> Figures {
        Figures((0..databases).map(|_| Database::default()).collect())
    }

    /// A shard has made a table of a database.
    pub fn made(&self, db: usize) {
        self.0[db].tables.fetch_add(1, Relaxed);
    }

    /// A shard has dropped its table of a database.
    pub fn dropped(&self, db: usize) {
        self.0[db].tables.fetch_sub(1, Relaxed);
    }

    /// Whether any shard has a table of the database.
    pub fn is_present(&self, db: usize) -> bool {
        self.0[db].tables.load(Relaxed) > 0
    }

    /// Tells what a shard has of a database; to be called under its lock.
    pub fn publish(&self, db: usize, shard: u16, part: Volatile) {
        let all = &self.0[db].volatile;
        if part == Volatile::default() && all.get().is_none() {
            return;
        }
        let all = all.get_or_init(|| (0..SHARDS).map(|_| AtomicU64::new(0)).collect());
        all[usize::from(shard)].store((part.hashes as u64) << 32 | part.keys as u64, Relaxed);
    }

    /// The sum over all shards.
    pub fn volatile(&self, db: usize) -> Volatile {
        let parts = self.0[db].volatile.get().into_iter().flatten().map(|part| part.load(Relaxed));
        parts.fold(Volatile::default(), |sum, part| Volatile {
            keys: sum.keys + (part & 0xffff_ffff) as usize,
            hashes: sum.hashes + (part >> 32) as usize,
        })
    }
}
