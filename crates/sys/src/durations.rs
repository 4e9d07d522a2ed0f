//! Durations that any thread may add to: for what is rare and must stay short.
//!
//! A distribution has eight steps per power of two microseconds, so a percentile is off by an eighth at most. Commands are
//! timed by their worker's own counters; here are those that hold others up: who holds a shard's lock for long, who closes
//! the gate, and what a snapshot adds to a write.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Steps within a power of two.
const STEPS: usize = 8;
/// Slower than 2^31 microseconds is as slow as that.
pub const BUCKETS: usize = STEPS * 30;

/// The bucket of a number of microseconds.
pub fn bucket(usec: u64) -> usize {
    if usec < STEPS as u64 {
        return usec as usize;
    }
    let power = usec.ilog2() as usize;
    let step = (usec >> (power - 3)) as usize & (STEPS - 1);
    ((power - 2) * STEPS + step).min(BUCKETS - 1)
}

/// The largest number of microseconds that falls into the bucket.
pub fn upper(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let (power, step) = (bucket / STEPS + 2, (bucket % STEPS) as u64);
    ((STEPS as u64 + step + 1) << (power - 3)) - 1
}

/// See the module's text.
pub struct Durations {
    counts: [AtomicU64; BUCKETS],
    longest_us: AtomicU64,
}

/// How long the gate was closed, from the moment at which it kept others out.
pub static GATE: Durations = Durations::new();

impl Default for Durations {
    fn default() -> Self {
        Durations::new()
    }
}

impl Durations {
    /// Nothing yet.
    pub const fn new() -> Durations {
        Durations { counts: [const { AtomicU64::new(0) }; BUCKETS], longest_us: AtomicU64::new(0) }
    }

    /// Adds one.
    pub fn record(&self, usec: u64) {
        self.counts[bucket(usec)].fetch_add(1, Relaxed);
        if usec > self.longest_us.load(Relaxed) {
            self.longest_us.fetch_max(usec, Relaxed);
        }
    }

    /// Number of durations by bucket.
    pub fn counts(&self) -> [u64; BUCKETS] {
        std::array::from_fn(|at| self.counts[at].load(Relaxed))
    }

    /// The longest one, in microseconds.
    pub fn longest_us(&self) -> u64 {
        self.longest_us.load(Relaxed)
    }

    /// Forgets all.
    pub fn reset(&self) {
        self.counts.iter().for_each(|count| count.store(0, Relaxed));
        self.longest_us.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_its_bucket() {
        for usec in (0..5000).chain([1 << 20, (1 << 25) + 12345, (1 << 31) - 1]) {
            let at = bucket(usec);
            assert!(usec <= upper(at) && (at == 0 || usec > upper(at - 1)), "{usec} in {at}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_longest_is_kept_exactly() {
        let durations = Durations::new();
        [5, 1_234_567, 5].into_iter().for_each(|usec| durations.record(usec));
        assert_eq!((durations.longest_us(), durations.counts()[bucket(5)]), (1_234_567, 2));
        durations.reset();
        assert_eq!((durations.longest_us(), durations.counts().iter().sum::<u64>()), (0, 0));
    }
}
