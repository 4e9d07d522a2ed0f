//! What a command may touch: the shards whose locks it holds.
//!
//! Locks are taken in ascending order of the shard, all before the command runs. Behind the gate the same type
//! locks shards as they are asked for, which always succeeds at once, and keeps them to the end.

use std::sync::atomic::Ordering::Relaxed;

use sys::lock::ShardGuard;

use crate::{Keyspace, SHARDS, Shard};

/// See the module's text.
pub struct Access<'k> {
    keyspace: &'k Keyspace,
    held: Held<'k>,
}

enum Held<'k> {
    /// What nearly every command holds. Its guard alone, so that handing it on moves two words.
    One(u16, ShardGuard<'k, Shard>),
    /// Ascending; none, or several.
    Some(Vec<(u16, ShardGuard<'k, Shard>)>),
    /// By shard, as far as asked for; empty before the first.
    All(Box<[Option<ShardGuard<'k, Shard>>]>),
}

const STRAYED: &str = "invariant: a command touches only the shards of its plan";

impl<'k> Held<'k> {
    #[inline(never)]
    fn one_of_several(&mut self, keyspace: &'k Keyspace, shard: u16) -> &mut Shard {
        let found = match self {
            Held::One(..) => None,
            Held::Some(held) => held.iter_mut().find(|(index, _)| *index == shard).map(|(_, guard)| guard),
            Held::All(held) => {
                if held.is_empty() {
                    *held = (0..SHARDS).map(|_| None).collect();
                }
                let lock = || keyspace.shards[usize::from(shard)].lock();
                Some(held[usize::from(shard)].get_or_insert_with(lock))
            }
        };
        found.expect(STRAYED)
    }
}

impl Keyspace {
    /// Locks `shards`, which must be ascending without repeats; `None` if one stayed locked for long.
    #[inline]
    pub fn access(&self, shards: &[u16]) -> Option<Access<'_>> {
        debug_assert!(shards.is_sorted_by(|a, b| a < b), "locks are taken in ascending order, each once");
        if let &[shard] = shards {
            return self.access_one(shard);
        }
        let mut held = Vec::with_capacity(shards.len());
        for &shard in shards {
            held.push((shard, self.shards[usize::from(shard)].lock_or_give_up()?));
        }
        Some(Access { keyspace: self, held: Held::Some(held) })
    }

    /// As [`Keyspace::access`], for one shard.
    #[inline]
    pub fn access_one(&self, shard: u16) -> Option<Access<'_>> {
        let guard = self.shards[usize::from(shard)].lock_or_give_up()?;
        Some(Access { keyspace: self, held: Held::One(shard, guard) })
    }

    /// Everything, for the one that is alone: the caller holds the closed gate and no shard.
    pub fn access_all(&self) -> Access<'_> {
        Access { keyspace: self, held: Held::All(Box::default()) }
    }
}

impl<'k> Access<'k> {
    /// A shard that this command holds.
    #[inline(always)]
    pub fn shard(&mut self, shard: u16) -> &mut Shard {
        match &mut self.held {
            Held::One(index, guard) => {
                assert!(*index == shard, "{STRAYED}");
                guard
            }
            held => held.one_of_several(self.keyspace, shard),
        }
    }

    /// A shard that this command has asked for before, for reading; `None` if it has not.
    pub fn held(&self, shard: u16) -> Option<&Shard> {
        match &self.held {
            Held::One(index, guard) => (*index == shard).then_some(&**guard),
            Held::Some(held) => held.iter().find(|(index, _)| *index == shard).map(|(_, guard)| &**guard),
            Held::All(held) => held.get(usize::from(shard)).and_then(|guard| guard.as_deref()),
        }
    }

    /// Whether a shard is held, or can be without waiting.
    pub fn holds(&self, shard: u16) -> bool {
        match &self.held {
            Held::One(index, _) => *index == shard,
            Held::Some(held) => held.iter().any(|&(index, _)| index == shard),
            Held::All(_) => true,
        }
    }

    /// Looks at a shard: one that is held, or else locked for as long as `look` runs. In the latter case the command
    /// must hold no shard at all.
    pub fn look<R>(&mut self, shard: u16, look: impl FnOnce(&Shard) -> R) -> R {
        if !self.holds(shard) {
            assert!(
                matches!(&self.held, Held::Some(held) if held.is_empty()),
                "a walk over shards holds none"
            );
            return look(&self.keyspace.lock(shard));
        }
        look(self.shard(shard))
    }

    /// Locks a shard and holds it from now on; it must lie above all that are held.
    pub fn hold(&mut self, shard: u16) {
        if let Held::One(..) = &self.held
            && let Held::One(index, guard) = std::mem::replace(&mut self.held, Held::Some(Vec::new()))
        {
            self.held = Held::Some(vec![(index, guard)]);
        }
        if let Held::Some(held) = &mut self.held
            && held.last().is_none_or(|(last, _)| *last != shard)
        {
            assert!(held.last().is_none_or(|(last, _)| *last < shard), "locks are taken in ascending order");
            held.push((shard, self.keyspace.lock(shard)));
        }
    }

    /// Whether this is everything.
    pub fn is_all(&self) -> bool {
        matches!(self.held, Held::All(_))
    }

    /// The keyspace itself.
    pub fn keyspace(&self) -> &'k Keyspace {
        self.keyspace
    }

    /// Empties a database; the tables are to be dropped by whoever has the time. Only for the one that is alone.
    pub fn take_database(&mut self, db: usize) -> Vec<ds::table::Table<ds::entry::Entry>> {
        assert!(self.is_all(), "databases are emptied behind the gate");
        if self.keyspace.len(db) == 0 {
            return Vec::new();
        }
        let filled = (0..SHARDS as u16).filter(|&shard| self.keyspace.len_in(db, shard) > 0);
        filled.map(|shard| self.shard(shard).take(db)).collect()
    }

    /// Shards with keys that somebody waits for or watches. Only for the one that is alone.
    pub fn attended(&mut self) -> Vec<u16> {
        assert!(self.is_all(), "only behind the gate nobody begins to watch");
        let keyspace = self.keyspace;
        let mut is_attended = |&index: &u16| {
            let shard = self.shard(index);
            let nobody = shard.queues.is_empty() && shard.watches.is_empty();
            if nobody {
                keyspace.figures.is_left_alone(index);
            }
            !nobody
        };
        keyspace.figures.attended().filter(|index| is_attended(index)).collect()
    }

    /// Exchanges two databases. Only for the one that is alone.
    pub fn swap_databases(&mut self, a: usize, b: usize) {
        assert!(self.is_all(), "databases are exchanged behind the gate");
        self.keyspace.snapshot.swapped.store(true, Relaxed);
        if ![a, b].iter().any(|&db| self.keyspace.figures.is_present(db)) {
            return;
        }
        (0..SHARDS as u16).for_each(|shard| self.shard(shard).swap(a, b));
    }
}

impl Access<'_> {
    /// Tells what has changed in the shards that are held: see [`Keyspace::volatile`].
    #[inline]
    pub fn publish(&mut self) {
        match &mut self.held {
            Held::One(_, shard) => self.keyspace.publish_due(shard),
            Held::Some(held) => held.iter_mut().for_each(|(_, shard)| self.keyspace.publish_due(shard)),
            Held::All(held) => held.iter_mut().flatten().for_each(|shard| self.keyspace.publish_due(shard)),
        }
    }
}

impl Drop for Access<'_> {
    #[inline]
    fn drop(&mut self) {
        self.publish();
    }
}
