//! How long commands take: a histogram for each, and the events that were slower than `latency-monitor-threshold`.
//!
//! A histogram has the buckets of [`sys::durations`]. It is allocated when its command runs first, and written by one
//! worker.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sys::durations::{BUCKETS, Durations, bucket, upper};

use crate::stats::bump;

/// Samples that an event keeps.
const KEPT: usize = 160;

/// See the module's text.
#[derive(Default)]
pub struct Histogram(OnceLock<Box<[AtomicU64; BUCKETS]>>);

impl Histogram {
    /// Counts a call; only for the owning worker.
    #[inline]
    pub fn record(&self, usec: u64) {
        let buckets = self.0.get_or_init(|| Box::new([const { AtomicU64::new(0) }; BUCKETS]));
        bump(&buckets[bucket(usec)], 1);
    }

    /// Forgets all calls.
    pub fn reset(&self) {
        self.0.get().into_iter().flat_map(|buckets| buckets.iter()).for_each(|count| count.store(0, Relaxed));
    }
}

/// The sum of several workers' histograms.
pub struct Distribution([u64; BUCKETS]);

impl Distribution {
    /// Adds up.
    pub fn sum<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Distribution {
        let mut sum = [0; BUCKETS];
        for buckets in histograms.filter_map(|histogram| histogram.0.get()) {
            for (sum, count) in sum.iter_mut().zip(buckets.iter()) {
                *sum += count.load(Relaxed);
            }
        }
        Distribution(sum)
    }

    /// Adds up what was added up.
    pub fn total_of(all: impl Iterator<Item = Distribution>) -> Distribution {
        let mut sum = [0; BUCKETS];
        all.for_each(|one| sum.iter_mut().zip(one.0).for_each(|(sum, count)| *sum += count));
        Distribution(sum)
    }

    /// What any thread added to.
    pub fn of(durations: &Durations) -> Distribution {
        Distribution(durations.counts())
    }

    /// Calls.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Microseconds that `percent` of the calls did not exceed.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = (self.total() as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.0.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(at);
            }
        }
        0
    }

    /// (microseconds, calls that took at most so long), at doubling times, where the number grows.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let (mut out, mut seen, mut at) = (Vec::new(), 0, 0);
        for power in 0..31 {
            // The peers count in nanoseconds from 1024 on, rounded up to two digits.
            let bound_us = ((1032u64 << power) - 1) / 1000;
            let before = seen;
            while at < BUCKETS && (upper(at) <= bound_us || power == 30) {
                seen += self.0[at];
                at += 1;
            }
            if seen > before {
                out.push((bound_us, seen));
            }
        }
        out
    }
}

/// One sample of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Unix seconds.
    pub at_s: u64,
    pub ms: u64,
}

/// An event's samples, oldest first, and the sums over its life.
#[derive(Clone, Debug, Default)]
pub struct Event {
    pub samples: VecDeque<Sample>,
    pub max_ms: u64,
    pub sum_ms: u64,
    pub count: u64,
}

/// What was slower than the threshold.
#[derive(Default)]
pub struct Monitor(Mutex<BTreeMap<&'static str, Event>>);

impl Monitor {
    /// Adds a sample. Within one second the slowest stays.
    pub fn add(&self, event: &'static str, at_s: u64, ms: u64) {
        let mut events = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let event = events.entry(event).or_default();
        event.max_ms = event.max_ms.max(ms);
        event.sum_ms += ms;
        event.count += 1;
        match event.samples.back_mut() {
            Some(last) if last.at_s == at_s => last.ms = last.ms.max(ms),
            _ => event.samples.push_back(Sample { at_s, ms }),
        }
        if event.samples.len() > KEPT {
            event.samples.pop_front();
        }
    }

    /// All events.
    pub fn all(&self) -> Vec<(&'static str, Event)> {
        let events = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        events.iter().map(|(name, event)| (*name, event.clone())).collect()
    }

    /// One event.
    pub fn get(&self, name: &[u8]) -> Option<Event> {
        let events = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        events.iter().find(|(event, _)| event.as_bytes() == name).map(|(_, event)| event.clone())
    }

    /// Forgets the named events, all if none is named; answers how many.
    pub fn reset(&self, names: &[&[u8]]) -> usize {
        let mut events = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = events.len();
        events.retain(|event, _| !names.is_empty() && !names.contains(&event.as_bytes()));
        before - events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_doubling_times() {
        let histogram = Histogram::default();
        for usec in [1, 1, 3, 100] {
            histogram.record(usec);
        }
        let sum = Distribution::sum([&histogram, &Histogram::default()].into_iter());
        assert_eq!((sum.total(), sum.percentile(50.0), sum.percentile(100.0)), (4, 1, 103));
        assert_eq!(sum.cumulative(), [(1, 2), (4, 3), (132, 4)]);
        histogram.reset();
        assert_eq!(Distribution::sum([&histogram].into_iter()).total(), 0);
    }

    #[test]
    fn events_keep_the_slowest_of_a_second() {
        let monitor = Monitor::default();
        monitor.add("command", 7, 30);
        monitor.add("command", 7, 50);
        monitor.add("command", 7, 20);
        (0..300).for_each(|n| monitor.add("fast-command", n, 1));
        let event = monitor.get(b"command").expect("an event");
        assert_eq!(event.samples, [Sample { at_s: 7, ms: 50 }]);
        assert_eq!((event.sum_ms, event.count), (100, 3));
        assert_eq!(monitor.get(b"fast-command").map(|event| event.samples.len()), Some(KEPT));
        assert_eq!((monitor.reset(&[b"nosuch"]), monitor.reset(&[]), monitor.all().len()), (0, 2, 0));
    }
}
