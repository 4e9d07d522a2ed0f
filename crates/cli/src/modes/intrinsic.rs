//! `--intrinsic-latency`: how long the system keeps a busy loop from running.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::{emit, say};

/// A fixed amount of work that the compiler cannot remove.
fn work() -> u64 {
    (0u64..32).fold(0x9e37_79b9, |sum, step| black_box(sum.rotate_left(5) ^ step))
}

/// Runs for `seconds`; needs no server.
#[allow(clippy::cast_precision_loss)]
pub fn run(seconds: u64) {
    let length = Duration::from_secs(seconds);
    let began = Instant::now();
    let (mut worst, mut runs, mut last) = (Duration::ZERO, 0u64, began);
    loop {
        black_box(work());
        let now = Instant::now();
        let took = now.duration_since(last);
        last = now;
        runs += 1;
        if took > worst && took.as_micros() > worst.as_micros() {
            worst = took;
            say!("Max latency so far: {} microseconds.\n", worst.as_micros());
            emit::flush();
        }
        if last.duration_since(began) >= length {
            break;
        }
    }
    let total = last.duration_since(began);
    let average = total.as_secs_f64() * 1e6 / runs as f64;
    say!(
        "\n{runs} total runs (avg latency: {average:.4} microseconds / {:.2} nanoseconds per run).\n",
        average * 1e3
    );
    say!(
        "Worst run took {:.0}x longer than the average latency.\n",
        worst.as_micros() as f64 / average.max(1e-9)
    );
}
