//! The order in which a thread takes locks, asserted in debug builds and free of cost in others.
//!
//! ```text
//!   gate < shards, ascending < channels < journal < mailboxes
//! ```
//!
//! Whoever takes locks in this order alone waits for nobody who waits for him. Several shards may be held together; that
//! they ascend is for `keyspace::Access` to assert, which knows their numbers. Callers: all locks of these kinds.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard};

/// What a lock guards, in the order of taking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rank {
    Gate,
    Shard,
    Channels,
    Journal,
    Mailbox,
}

/// Proof that a thread holds, or waits for, a lock of a rank. Stays on its thread.
pub struct Held {
    #[cfg(debug_assertions)]
    rank: Rank,
    _here: std::marker::PhantomData<*const ()>,
}

#[cfg(debug_assertions)]
thread_local! {
    /// How many locks of each rank this thread holds.
    static COUNTS: std::cell::Cell<[u16; 5]> = const { std::cell::Cell::new([0; 5]) };
}

impl Held {
    /// To be made before the lock is waited for.
    #[inline]
    pub fn new(rank: Rank) -> Held {
        #[cfg(debug_assertions)]
        {
            let mut counts = COUNTS.get();
            let from = if rank == Rank::Shard { rank as usize + 1 } else { rank as usize };
            assert!(counts[from..].iter().all(|&count| count == 0), "{rank:?} is taken after {counts:?}");
            counts[rank as usize] += 1;
            COUNTS.set(counts);
        }
        #[cfg(not(debug_assertions))]
        let _ = rank;
        Held {
            #[cfg(debug_assertions)]
            rank,
            _here: std::marker::PhantomData,
        }
    }
}

#[cfg(debug_assertions)]
impl Drop for Held {
    fn drop(&mut self) {
        let mut counts = COUNTS.get();
        counts[self.rank as usize] -= 1;
        COUNTS.set(counts);
    }
}

/// A mutex with a place in the order. What it guards is whole at every step, so a panic elsewhere does not poison it.
pub struct Ordered<T> {
    rank: Rank,
    data: Mutex<T>,
}

/// The right to use the value of an [`Ordered`].
pub struct OrderedGuard<'a, T> {
    data: MutexGuard<'a, T>,
    _held: Held,
}

impl<T> Ordered<T> {
    /// An unlocked mutex.
    pub const fn new(rank: Rank, data: T) -> Self {
        Ordered { rank, data: Mutex::new(data) }
    }

    /// Waits for the lock.
    #[inline]
    pub fn lock(&self) -> OrderedGuard<'_, T> {
        let held = Held::new(self.rank);
        OrderedGuard { data: self.data.lock().unwrap_or_else(|poisoned| poisoned.into_inner()), _held: held }
    }
}

impl<T> Deref for OrderedGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T> DerefMut for OrderedGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use crate::lock::ShardLock;

    /// Whether taking locks as `take` does is against the order.
    fn is_refused(take: impl FnOnce() + Send) -> bool {
        std::thread::scope(|scope| scope.spawn(take).join().is_err())
    }

    #[test]
    fn upwards_is_allowed() {
        let gate = Gate::new(1);
        let mut slot = gate.register().expect("a slot is free");
        let (one, two) = (ShardLock::new(()), ShardLock::new(()));
        let (channels, mailbox) = (Ordered::new(Rank::Channels, 1), Ordered::new(Rank::Mailbox, 2));
        for _ in 0..2 {
            let _batch = gate.enter(&mut slot);
            let _shards = (one.try_lock(), two.lock());
            let _channels = channels.lock();
            assert_eq!(*mailbox.lock(), 2);
        }
    }

    #[test]
    #[cfg(debug_assertions)]
    fn downwards_and_twice_are_refused() {
        let (shard, journal) = (ShardLock::new(()), Ordered::new(Rank::Journal, ()));
        let (gate, channels) = (Gate::new(1), Ordered::new(Rank::Channels, ()));
        assert!(is_refused(|| {
            let _journal = journal.lock();
            let _shard = shard.lock();
        }));
        assert!(is_refused(|| {
            let _journal = journal.lock();
            let _channels = channels.lock();
        }));
        assert!(is_refused(|| {
            let _shard = shard.lock();
            let _alone = gate.close();
        }));
        assert!(is_refused(|| {
            let mut slot = gate.register().expect("a slot is free");
            let _batch = gate.enter(&mut slot);
            let _alone = gate.close();
        }));
        assert!(!is_refused(|| drop((shard.lock(), channels.lock()))), "a refusal leaves nothing held");
    }
}
