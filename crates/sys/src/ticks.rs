//! A clock for the durations of single commands: microseconds since some moment, from the processor's time stamp counter
//! where that is known to be steady, else from the kernel's monotonic clock. Reading the counter costs a third of
//! reading the clock, which shows when every command of a pipeline is timed.
//!
//! Not for deadlines: its microseconds drift from the kernel's by some ten thousandths.

use std::sync::OnceLock;

/// How the counter's ticks become microseconds: (ticks at the start, microseconds per tick in 2^-32).
static SCALE: OnceLock<Option<(u64, u64)>> = OnceLock::new();

/// How long the counter is compared with the kernel's clock.
const COMPARE_US: u64 = 500;

/// Microseconds since some moment; never runs backwards on one thread.
#[inline]
pub fn micros() -> u64 {
    match SCALE.get_or_init(calibrate) {
        Some((start, scale)) => {
            let ticks = counter().saturating_sub(*start);
            ((u128::from(ticks) * u128::from(*scale)) >> 32) as u64
        }
        None => crate::os::monotonic_us(),
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has RDTSC; user space may use it unless the kernel forbids it, and then it would not
    // have chosen it as its own clock (`is_steady`).
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn counter() -> u64 {
    0
}

/// Whether the counter runs at one rate on all cores: the kernel watches that, and uses the counter itself if so.
fn is_steady() -> bool {
    cfg!(all(target_arch = "x86_64", not(miri)))
        && std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .is_ok_and(|name| name.trim() == "tsc")
}

fn calibrate() -> Option<(u64, u64)> {
    if !is_steady() {
        return None;
    }
    let (start, begin_us) = (counter(), crate::os::monotonic_us());
    let elapsed_us = loop {
        let elapsed_us = crate::os::monotonic_us() - begin_us;
        if elapsed_us >= COMPARE_US {
            break elapsed_us;
        }
        std::hint::spin_loop();
    };
    let ticks = counter().saturating_sub(start);
    (ticks > elapsed_us).then(|| (start, ((u128::from(elapsed_us) << 32) / u128::from(ticks)) as u64))
}

#[cfg(test)]
mod tests {
    #[test]
    fn runs_forward_at_about_the_rate_of_the_clock() {
        let first = super::micros();
        let begin_us = crate::os::monotonic_us();
        let mut last = super::micros();
        while crate::os::monotonic_us() - begin_us < 20_000 {
            let now = super::micros();
            assert!(now >= last);
            last = now;
        }
        // However late this thread was scheduled, both clocks saw it.
        let (ours, kernels) = (super::micros() - first, crate::os::monotonic_us() - begin_us);
        assert!(ours >= kernels / 2, "{ours} {kernels}");
    }
}
