//! The clock of one server: the system's, or one that a test sets and that otherwise stands still.
//!
//! Whatever decides about data by the time (expiry, waits, stream IDs) reads it here. Callers: the engine, the commands.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::os;

/// See the module's text.
#[derive(Default, Debug)]
pub struct Clock {
    /// Unix microseconds; 0 for the system's time.
    fixed_us: AtomicU64,
}

impl Clock {
    /// Milliseconds since the Unix epoch.
    #[inline]
    pub fn unix_ms(&self) -> u64 {
        self.unix_us() / 1000
    }

    /// Microseconds since the Unix epoch.
    #[inline]
    pub fn unix_us(&self) -> u64 {
        match self.fixed_us.load(Relaxed) {
            0 => os::unix_us(),
            fixed => fixed,
        }
    }

    /// Microseconds that only go forward, from an arbitrary start.
    #[inline]
    pub fn monotonic_us(&self) -> u64 {
        match self.fixed_us.load(Relaxed) {
            0 => os::monotonic_us(),
            fixed => fixed,
        }
    }

    /// From now on it is `unix_ms`, until told otherwise.
    pub fn fix(&self, unix_ms: u64) {
        self.fixed_us.store(unix_ms.max(1).saturating_mul(1000), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_where_it_was_put() {
        let clock = Clock::default();
        assert!(clock.unix_ms() > 1_600_000_000_000);
        clock.fix(5000);
        assert_eq!((clock.unix_ms(), clock.unix_us(), clock.monotonic_us()), (5000, 5_000_000, 5_000_000));
    }
}
