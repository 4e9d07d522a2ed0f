//! Counters. Each worker counts for itself, without read-modify-write on shared lines; INFO sums up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Counter { $($(#[$doc])* $name),* }
        impl Counter {
            const COUNT: usize = [$(Counter::$name),*].len();
        }
    };
}

counters!(
    Commands,
    Connections,
    KeyspaceHits,
    KeyspaceMisses,
    ExpiredKeys,
    ExpiredFields,
    /// Of these, what went without being asked for.
    ExpiredKeysActive,
    ExpiredFieldsActive,
    EvictedKeys,
    EvictedClients,
    NetInput,
    NetOutput,
    NetReplInput,
    NetReplOutput,
    Reads,
    Writes,
    ErrorReplies,
    RejectedConnections,
    SyncFull,
    SyncPartialOk,
    SyncPartialErr,
    OutputLimitDisconnects,
    QueryLimitDisconnects,
    LockAcquisitions,
    /// Turns of the event loops: batches of workers, and rounds of the regular work.
    Cycles,
    /// Microseconds of all cycles.
    CycleUsec,
    /// Microseconds of the regular work.
    CronUsec,
    RdbSaves,
    UnexpectedErrors,
    AccessDeniedAuth,
);

/// What is counted per command.
#[derive(Default)]
pub struct RowStats {
    pub calls: AtomicU64,
    pub usec: AtomicU64,
    pub rejected: AtomicU64,
    pub failed: AtomicU64,
    pub latency: crate::latency::Histogram,
}

/// The counters of one worker: written by it alone.
pub struct WorkerStats {
    counters: [AtomicU64; Counter::COUNT],
    /// Connections that the worker serves now.
    pub clients: AtomicU64,
    /// Microseconds of the longest cycle.
    pub longest_cycle_us: AtomicU64,
    /// Most commands of one cycle.
    pub most_commands: AtomicU64,
    /// By row id.
    pub rows: Box<[RowStats]>,
}

/// Adds to a counter that only this thread writes.
#[inline]
pub fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

impl WorkerStats {
    /// Counters for `rows` commands.
    pub fn new(rows: usize) -> WorkerStats {
        WorkerStats {
            counters: std::array::from_fn(|_| AtomicU64::new(0)),
            clients: AtomicU64::new(0),
            longest_cycle_us: AtomicU64::new(0),
            most_commands: AtomicU64::new(0),
            rows: (0..rows).map(|_| RowStats::default()).collect(),
        }
    }

    /// Adds; only for the owning worker.
    #[inline]
    pub fn add(&self, counter: Counter, by: u64) {
        bump(&self.counters[counter as usize], by);
    }

    /// Counts a cycle of so many microseconds and commands; only for the owning worker.
    pub fn cycle(&self, usec: u64, commands: u64) {
        self.add(Counter::Cycles, 1);
        self.add(Counter::CycleUsec, usec);
        if usec > self.longest_cycle_us.load(Relaxed) {
            self.longest_cycle_us.store(usec, Relaxed);
        }
        if commands > self.most_commands.load(Relaxed) {
            self.most_commands.store(commands, Relaxed);
        }
    }

    /// The count so far.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters[counter as usize].load(Relaxed)
    }

    /// CONFIG RESETSTAT. A count that comes in at the same moment may survive.
    pub fn reset(&self) {
        self.counters.iter().for_each(|counter| counter.store(0, Relaxed));
        self.longest_cycle_us.store(0, Relaxed);
        self.most_commands.store(0, Relaxed);
        for row in &self.rows {
            for counter in [&row.calls, &row.usec, &row.rejected, &row.failed] {
                counter.store(0, Relaxed);
            }
            row.latency.reset();
        }
    }
}
