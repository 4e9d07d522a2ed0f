//! Background work in short turns, so that a worker on the same core hardly notices it.
//!
//! A thread that just goes on gets half of a busy core, in slices of milliseconds, and for so long every client of the
//! worker beside it waits. Here it works for [`TURN_US`] and then lets others run: while this process's other threads leave a
//! core free it only yields, else it *sleeps* for a moment. Who yields on a busy core is put behind until the kernel's next
//! tick, milliseconds later; or gets the core back at once, if it had slept before. A sleeper with short slices gets it as
//! soon as it wakes.

use std::time::Duration;

use crate::os::{monotonic_us, others_cpu_us, run_in_short_slices};

/// Length of a turn.
const TURN_US: u64 = 70;
/// Slices that the kernel is asked for. Longer than a turn, so that none is cut off in the middle, maybe with a lock held.
const SLICE_NS: u64 = 300_000;
/// Sleep between two turns on a busy core, and its least when all is urgent.
const REST_US: f64 = 550.0;
const LEAST_REST_US: f64 = 15.0;
/// Time between two looks at what the other threads need.
const LOOK_US: u64 = 10_000;
/// What they may take, beside all cores but one, before they count as crowded.
const SPARE_CORE: f64 = 0.3;

/// One thread's turns. See the module's text.
pub struct Turns {
    ends_us: u64,
    /// Whether others need the core on which this thread runs.
    crowded: bool,
    /// Cores that this process may use.
    cores: f64,
    /// The last look: when it was, and how much CPU the others had had then.
    looked_us: u64,
    others_us: u64,
}

impl Turns {
    /// For the calling thread, whose first turn begins now.
    pub fn begin() -> Turns {
        run_in_short_slices(SLICE_NS);
        let now_us = monotonic_us();
        Turns {
            ends_us: now_us + TURN_US,
            crowded: true,
            cores: std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64),
            looked_us: now_us,
            others_us: others_cpu_us(),
        }
    }

    /// To be called often and with no lock held: returns at once, or, if the turn is over, when the next one begins. The
    /// more urgent (0 to 1), the shorter is the rest between them. Answers whether a new turn has begun.
    #[inline]
    pub fn pass(&mut self, urgency: f64) -> bool {
        let over = monotonic_us() >= self.ends_us;
        if over {
            self.rest(urgency);
        }
        over
    }

    #[cold]
    fn rest(&mut self, urgency: f64) {
        let now_us = monotonic_us();
        if now_us - self.looked_us >= LOOK_US {
            self.look(now_us, others_cpu_us());
        }
        if self.crowded {
            let rest_us = (REST_US * (1.0 - urgency)).max(LEAST_REST_US);
            std::thread::sleep(Duration::from_micros(rest_us as u64));
        } else {
            std::thread::yield_now();
        }
        self.ends_us = monotonic_us() + TURN_US;
    }

    fn look(&mut self, now_us: u64, others_us: u64) {
        let used = others_us.saturating_sub(self.others_us) as f64 / (now_us - self.looked_us) as f64;
        self.crowded = used > self.cores - 1.0 + SPARE_CORE;
        (self.looked_us, self.others_us) = (now_us, others_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_is_over_ends_with_a_rest() {
        let mut turns = Turns::begin();
        turns.ends_us = 0;
        let begin_us = monotonic_us();
        turns.looked_us = begin_us;
        assert!(turns.pass(0.0));
        assert!(monotonic_us() - begin_us >= REST_US as u64 && turns.ends_us > begin_us);
    }

    #[test]
    fn the_core_is_crowded_when_the_others_leave_none_free() {
        let mut turns = Turns::begin();
        turns.cores = 2.0;
        for (others_us, crowded) in [(9_000, false), (12_000, false), (14_000, true), (20_000, true)] {
            (turns.looked_us, turns.others_us) = (1_000, 5_000);
            turns.look(11_000, 5_000 + others_us);
            assert_eq!((turns.crowded, turns.looked_us), (crowded, 11_000), "{others_us}");
        }
    }
}
