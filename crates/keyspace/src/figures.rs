//! What is told without any lock: of a database whether there is one and how many of its keys expire, of a shard whether
//! somebody waits for its keys or watches them.
//!
//! Each shard publishes its part when it is let go, together with what is due, so that INFO needs not lock them all.
//! The number of keys is told by the tables themselves (`ds::table::Hints::items`).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::SHARDS;

/// Of all databases, and of all shards.
pub(crate) struct Figures {
    databases: Box<[Database]>,
    /// One bit for each shard with keys that somebody waits for or watches, or has since [`Figures::is_left_alone`].
    attended: [AtomicU64; SHARDS / 64],
}

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
        Figures {
            databases: (0..databases).map(|_| Database::default()).collect(),
            attended: [const { AtomicU64::new(0) }; SHARDS / 64],
        }
    }

    /// A shard has made a table of a database.
    pub fn made(&self, db: usize) {
        self.databases[db].tables.fetch_add(1, Relaxed);
    }

    /// A shard has dropped its table of a database.
    pub fn dropped(&self, db: usize) {
        self.databases[db].tables.fetch_sub(1, Relaxed);
    }

    /// Whether any shard has a table of the database.
    pub fn is_present(&self, db: usize) -> bool {
        self.databases[db].tables.load(Relaxed) > 0
    }

    /// Tells what a shard has of a database; to be called under its lock.
    pub fn publish(&self, db: usize, shard: u16, part: Volatile) {
        let all = &self.databases[db].volatile;
        if part == Volatile::default() && all.get().is_none() {
            return;
        }
        let all = all.get_or_init(|| (0..SHARDS).map(|_| AtomicU64::new(0)).collect());
        all[usize::from(shard)].store((part.hashes as u64) << 32 | part.keys as u64, Relaxed);
    }

    /// Somebody waits for a key of the shard, or watches one; to be called under its lock.
    #[inline]
    pub fn attend(&self, shard: u16) {
        let (word, bit) = (&self.attended[usize::from(shard) / 64], 1u64 << (shard % 64));
        // Nearly always it is set already.
        if word.load(Relaxed) & bit == 0 {
            word.fetch_or(bit, Relaxed);
        }
    }

    /// Nobody does any more; to be called under its lock.
    pub fn is_left_alone(&self, shard: u16) {
        self.attended[usize::from(shard) / 64].fetch_and(!(1u64 << (shard % 64)), Relaxed);
    }

    /// Shards with keys that somebody may wait for or watch.
    pub fn attended(&self) -> impl Iterator<Item = u16> {
        let is_set =
            |shard: &u16| self.attended[usize::from(*shard) / 64].load(Relaxed) >> (shard % 64) & 1 == 1;
        (0..SHARDS as u16).filter(is_set)
    }

    /// The sum over all shards.
    pub fn volatile(&self, db: usize) -> Volatile {
        let parts = self.databases[db].volatile.get().into_iter().flatten().map(|part| part.load(Relaxed));
        parts.fold(Volatile::default(), |sum, part| Volatile {
            keys: sum.keys + (part & 0xffff_ffff) as usize,
            hashes: sum.hashes + (part >> 32) as usize,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ds::entry::{Entry, Value};

    use super::Volatile;
    use crate::wait::WatchMark;
    use crate::{Keyspace, shard_of};

    #[test]
    fn keys_that_expire_are_counted_when_their_shard_is_let_go() {
        let keyspace = Keyspace::new(2, Arc::new(sys::gate::Gate::new(1)));
        let hash = ds::hash::of(b"key");
        let access = || keyspace.access(&[shard_of(hash)]).expect("free");
        let entry = |expire_ms| Entry::new(b"key", expire_ms, 0, Value::Int(1));
        for db in 0..2 {
            assert_eq!((keyspace.len(db), keyspace.volatile(db)), (0, Volatile::default()));
            let mut held = access();
            held.shard(shard_of(hash)).insert(db, hash, entry(Some(5000)), 1);
            held.publish();
            assert_eq!((keyspace.len(db), keyspace.volatile(db).keys), (1, 1), "before it is let go");
            drop(held);
            let mut held = access();
            held.shard(shard_of(hash)).find_mut(db, hash, b"key", 1).expect("there").set_expire_ms(None);
            drop(held);
            assert_eq!((keyspace.len(db), keyspace.volatile(db)), (1, Volatile::default()));
            access().shard(shard_of(hash)).find_mut(db, hash, b"key", 1).expect("there").remove();
            access().shard(shard_of(hash)).trim(db);
            assert_eq!(keyspace.len(db), 0);
            access().shard(shard_of(hash)).insert(db, hash, entry(Some(5000)), 1);
            let mut held = access();
            held.shard(shard_of(hash)).find_mut(db, hash, b"key", 1).expect("there").remove();
            held.shard(shard_of(hash)).trim(db);
            drop(held);
            assert_eq!(keyspace.volatile(db), Volatile::default(), "what goes with its table counts no more");
        }
    }

    #[test]
    fn shards_are_attended_until_somebody_finds_that_they_are_not() {
        let keyspace = Keyspace::new(1, Arc::new(sys::gate::Gate::new(1)));
        let (hash, mark) = (ds::hash::of(b"key"), Arc::new(WatchMark::default()));
        assert!(keyspace.access_all().attended().is_empty());
        let shard = shard_of(hash);
        keyspace.access_one(shard).expect("free").shard(shard).watch(0, b"key", mark.clone(), false);
        assert_eq!(keyspace.access_all().attended(), [shard]);
        keyspace.lock(shard).watches.remove(0, b"key", &mark);
        assert!(keyspace.access_all().attended().is_empty());
        assert_eq!(keyspace.figures.attended().count(), 0, "it is not looked at again");
    }
}
