//! Rates: what happened per second lately, from samples that the regular work takes ten times a second.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::estimates::Estimates;
use crate::server::Server;
use crate::stats::Counter;

/// Samples that a rate is averaged over.
const KEPT: usize = 16;
/// What is sampled.
const SAMPLED: [Counter; 7] = [
    Counter::Commands,
    Counter::NetInput,
    Counter::NetOutput,
    Counter::NetReplInput,
    Counter::NetReplOutput,
    Counter::Cycles,
    Counter::CycleUsec,
];

#[derive(Default)]
struct Series {
    last_total: u64,
    per_second: [f64; KEPT],
}

#[derive(Default)]
struct Inner {
    last_us: u64,
    at: usize,
    series: [Series; SAMPLED.len()],
}

/// What the process takes.
#[derive(Clone, Copy)]
pub struct Footprint {
    pub heap: sys::alloc::Figures,
    /// Resident bytes.
    pub rss: u64,
}

/// For so long a footprint is good: the peers take theirs ten times a second.
const FOOTPRINT_MS: u64 = 100;

/// See the module's text.
#[derive(Default)]
pub struct Samples {
    inner: Mutex<Inner>,
    /// The last one that somebody asked for, and when that was (Unix ms).
    footprint: Mutex<Option<(u64, Footprint)>>,
    pub(crate) estimates: Estimates,
    /// Most bytes that were allocated at a sample, and when (Unix seconds).
    pub peak_bytes: AtomicU64,
    pub peak_at_s: AtomicU64,
    /// Bytes when the server was ready to serve.
    pub startup_bytes: AtomicU64,
}

impl Samples {
    /// Takes a sample; called by one thread, about ten times a second.
    pub fn take(&self, server: &Server) {
        self.note_memory(sys::alloc::allocated());
        let now_us = sys::os::monotonic_us();
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let seconds = now_us.saturating_sub(inner.last_us) as f64 / 1e6;
        let at = inner.at;
        let first = inner.last_us == 0;
        for (series, counter) in inner.series.iter_mut().zip(SAMPLED) {
            let total = server.total(counter);
            // After CONFIG RESETSTAT the total is less than it was.
            let passed = total.saturating_sub(series.last_total) as f64;
            series.per_second[at] = if first || seconds <= 0.0 { 0.0 } else { passed / seconds };
            series.last_total = total;
        }
        inner.last_us = now_us;
        inner.at = (at + 1) % KEPT;
    }

    /// The average per second of a counter that is sampled; 0 for others.
    pub fn per_second(&self, counter: Counter) -> f64 {
        let inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let series = SAMPLED.iter().position(|&sampled| sampled == counter).map(|at| &inner.series[at]);
        series.map_or(0.0, |series| series.per_second.iter().sum::<f64>() / KEPT as f64)
    }

    /// What the process takes, or took a moment ago: to look costs as much as all the rest of INFO.
    pub fn footprint(&self, now_ms: u64) -> Footprint {
        let mut last = self.footprint.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match *last {
            Some((at_ms, footprint)) if (at_ms..at_ms + FOOTPRINT_MS).contains(&now_ms) => footprint,
            _ => {
                let footprint = Footprint { heap: sys::alloc::figures(), rss: sys::os::rss_bytes() };
                *last = Some((now_ms, footprint));
                footprint
            }
        }
    }

    /// Raises the peak to `now`, bytes allocated; answers that.
    pub fn note_memory(&self, now: u64) -> u64 {
        if self.peak_bytes.fetch_max(now, Relaxed) < now {
            self.peak_at_s.store(sys::os::unix_ms() / 1000, Relaxed);
        }
        now
    }
}
