//! Work that others may have to wait for, by the clock and in CPU time.
//!
//! Callers: the snapshot's walk and its hook in the table.

use crate::durations::Durations;
use crate::os::thread_cpu_us;
use crate::ticks::micros;

/// How long a snapshot's walk held a shard's lock.
pub static WALK_HOLDS: Work = Work::new();
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
