//! Background work in short turns, so that a worker on the same core hardly notices it.
//!
//! A thread that just goes on gets half of a busy core, in slices of milliseconds, and for so long every client of the
//! worker beside it waits. Here it works for [`TURN_US`] and then lets others run. Whether there are others it learns by
//! yielding: alone, it gets the core back at once and goes on at full speed. On a busy core a thread that has yielded is
//! put behind until the kernel's next tick, so there it *sleeps* for a moment instead: a sleeper with short slices gets the
//! core as soon as it wakes.

use std::time::Duration;

use crate::os::{monotonic_us, run_in_short_slices};

/// Length of a turn.
const TURN_US: u64 = 80;
/// Slices that the kernel is asked for. Longer than a turn, so that no turn ends in the middle, maybe with a lock held.
const SLICE_NS: u64 = 250_000;
/// Sleep between two turns on a busy core.
const REST_US: u64 = 170;
/// A yield that takes longer has let somebody else run.
const ALONE_US: u64 = 10;
/// Turns on a busy core until the next look whether it still is.
const TURNS_UNTIL_LOOK: u32 = 100;

/// One thread's turns. See the module's text.
pub struct Turns {
    ends_us: u64,
    /// Turns for which the core is taken as busy; 0 on one that is not known to be.
    busy: u32,
}

impl Turns {
    /// For the calling thread, whose first turn begins now.
    pub fn begin() -> Turns {
        run_in_short_slices(SLICE_NS);
        Turns { ends_us: monotonic_us() + TURN_US, busy: 0 }
    }

    /// To be called often and with no lock held: returns at once, or, if the turn is over, when the next one begins. The
    /// more urgent (0 to 1), the shorter is the rest between them.
    #[inline]
    pub fn pass(&mut self, urgency: f64) {
        if monotonic_us() >= self.ends_us {
            self.rest(urgency);
        }
    }

    #[cold]
    fn rest(&mut self, urgency: f64) {
        if self.busy == 0 {
            let begin_us = monotonic_us();
            std::thread::yield_now();
            if monotonic_us() - begin_us > ALONE_US {
                self.busy = TURNS_UNTIL_LOOK;
            }
        } else {
            self.busy -= 1;
            let rest_us = REST_US as f64 * (1.0 - urgency);
            if rest_us >= 1.0 {
                std::thread::sleep(Duration::from_micros(rest_us as u64));
            }
        }
        self.ends_us = monotonic_us() + TURN_US;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_is_over_ends_with_a_rest() {
        let mut turns = Turns::begin();
        turns.busy = 2;
        turns.ends_us = 0;
        let begin_us = monotonic_us();
        turns.pass(0.0);
        assert!(monotonic_us() - begin_us >= REST_US && turns.busy == 1);
        turns.ends_us = 0;
        turns.pass(1.0);
        assert!(turns.busy == 0 && turns.ends_us > begin_us);
    }
}
