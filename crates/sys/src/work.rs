//! Work that others may have to wait for, by the clock and in CPU time.
//!
//! Callers: the snapshot's walk and its hook in the table.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::durations::Durations;
use crate::os::thread_cpu_us;
use crate::sync::pause;
use crate::ticks::micros;

/// How long a snapshot's walk held a shard's lock.
pub static WALK_HOLDS: Work = Work::new();
/// Counts the beginnings and ends of these holds, so it is odd while one lasts: one snapshot walks at a time.
static WALK: AtomicU64 = AtomicU64::new(0);
/// How long a hold lasts before a worker gives way to it: several times what it takes when it is not interrupted.
const PATIENCE_US: u64 = 150;
/// What writes spent on saving for a snapshot what they were about to change.
pub static HOOKS: Work = Work::new();

/// Pieces of one thread's work: how long each was, and the CPU time that it took. Who waits sees the first; where it
/// is much longer than the second, the kernel or the machine's host has given the core to somebody else meanwhile.
pub struct Work {
    pub clock: Durations,
    pub cpu: Durations,
}

/// When some work has begun.
pub struct Begun {
    us: u64,
    cpu_us: u64,
}

impl Begun {
    /// Now, on this thread.
    pub fn now() -> Begun {
        Begun { cpu_us: thread_cpu_us(), us: micros() }
    }
}

impl Work {
    const fn new() -> Work {
        Work { clock: Durations::new(), cpu: Durations::new() }
    }

    /// Adds work of this thread that ends now.
    pub fn record(&self, begun: &Begun) {
        self.clock.record(micros() - begun.us);
        self.cpu.record(thread_cpu_us() - begun.cpu_us);
    }
}

/// A hold of the snapshot's walk, from now until it is dropped, on one thread.
pub struct WalkHold(Begun);

impl WalkHold {
    /// To be called when the lock has just been taken.
    pub fn begin() -> WalkHold {
        WALK.fetch_add(1, Ordering::Relaxed);
        WalkHold(Begun::now())
    }
}

impl Drop for WalkHold {
    fn drop(&mut self) {
        WALK.fetch_add(1, Ordering::Relaxed);
        WALK_HOLDS.record(&self.0);
    }
}

/// A worker's view of the walk. The kernel may take the core from the walk in the middle of a hold and give it to a worker,
/// and then lets the worker go on until its next tick, up to 4 ms later; meanwhile who needs the held shard waits. So a worker
/// that sees one hold last for long makes room.
#[derive(Default)]
pub struct Onlooker {
    /// The hold that it saw last, and since when.
    seen: u64,
    since_us: u64,
}

impl Onlooker {
    /// To be called between two batches, when no lock is held, with the time ([`micros`]): sleeps for a moment if the walk
    /// has been in the same hold for [`PATIENCE_US`]. Answers whether it did.
    #[inline]
    pub fn give_way(&mut self, now_us: u64) -> bool {
        let walk = WALK.load(Ordering::Relaxed);
        if walk.is_multiple_of(2) {
            return false;
        }
        if walk != self.seen {
            (self.seen, self.since_us) = (walk, now_us);
        }
        let waits = now_us.saturating_sub(self.since_us) >= PATIENCE_US;
        if waits {
            // Not `yield_now`, which puts a busy thread behind for longer.
            pause();
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_gives_way_to_a_hold_that_lasts() {
        let mut onlooker = Onlooker::default();
        assert!(!onlooker.give_way(1_000), "nobody holds anything");
        for begin_us in [2_000, 9_000] {
            let hold = WalkHold::begin();
            let give_way = [0, PATIENCE_US - 1, PATIENCE_US, PATIENCE_US + 70];
            let given = give_way.map(|us| onlooker.give_way(begin_us + us));
            assert_eq!(given, [false, false, true, true]);
            drop(hold);
            assert!(!onlooker.give_way(begin_us + 2 * PATIENCE_US));
        }
        assert!(WALK_HOLDS.clock.counts().iter().sum::<u64>() >= 2);
    }
}
