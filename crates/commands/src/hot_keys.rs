//! The keys that take most of the server's time, or most bytes of the network, while a session watches (HOTKEYS).
//!
//! Each worker counts in a part of its own, so that none waits for another; a report adds the parts up. A part holds a bounded
//! number of keys, of bounded size together: when there are too many, those with the lowest counts go, and if they come
//! again begin at 0. So a count is never too high, and a key that is truly hot never goes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use sys::os::Whose;

use crate::draws::Draws;

/// Keys that a counter holds before it lets half of them go, and bytes of them.
const MOST_KEYS: usize = 4096;
const MOST_BYTES: usize = 1 << 20;

/// What a session is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub by_time: bool,
    pub by_bytes: bool,
    /// Keys in a report, for each measure.
    pub count: usize,
    /// Unix milliseconds at which it ends by itself.
    pub ends_ms: Option<u64>,
    /// One of so many uses of a key is counted.
    pub sample: u64,
}

/// See the module's text.
#[derive(Default)]
pub struct HotKeys {
    active: AtomicBool,
    /// Unix milliseconds at which the session ends by itself; of one that does not, the largest number.
    ends_ms: AtomicU64,
    session: Mutex<Option<Session>>,
    /// For each worker.
    parts: Box<[Mutex<Part>]>,
}

#[derive(Clone, Copy)]
struct Session {
    options: Options,
    started_ms: u64,
    /// Seconds of the process in user and kernel mode at the start.
    cpu_then: (f64, f64),
    /// When it ended (Unix ms), and the seconds that the process had used since the start.
    ended: Option<(u64, (f64, f64))>,
}

/// What one worker has counted.
#[derive(Default)]
struct Part {
    sample: u64,
    draws: Draws,
    /// Of all commands with keys.
    all_us: u64,
    all_bytes: u64,
    by_time: Option<Counter>,
    by_bytes: Option<Counter>,
}

#[derive(Default)]
struct Counter {
    keys: HashMap<Vec<u8>, u64, foldhash::fast::RandomState>,
    /// Bytes of the keys.
    bytes: usize,
    total: u64,
}

/// What has been counted.
#[derive(Debug)]
pub struct Report {
    pub options: Options,
    pub active: bool,
    pub started_ms: u64,
    pub duration_ms: u64,
    /// Milliseconds of the process in user and kernel mode.
    pub cpu_ms: (u64, u64),
    pub all_us: u64,
    pub all_bytes: u64,
    /// Of the uses of keys that were counted.
    pub counted_bytes: u64,
    /// Keys with their microseconds, or bytes, highest first.
    pub by_time: Vec<(Vec<u8>, u64)>,
    pub by_bytes: Vec<(Vec<u8>, u64)>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn since(then: (f64, f64)) -> (f64, f64) {
    let now = sys::os::cpu_seconds(Whose::Process);
    (now.0 - then.0, now.1 - then.1)
}

impl HotKeys {
    /// No session; `workers` parts.
    pub fn new(workers: usize) -> HotKeys {
        HotKeys { parts: (0..workers).map(|_| Mutex::default()).collect(), ..HotKeys::default() }
    }

    /// Whether commands are to be recorded.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.active.load(Relaxed)
    }

    /// Whether a session goes on at this time.
    pub fn is_active_at(&self, now_ms: u64) -> bool {
        self.end_if_due(now_ms);
        self.is_active()
    }

    /// Begins a session, in place of one that has ended; false if one goes on.
    pub fn start(&self, options: Options, now_ms: u64) -> bool {
        self.end_if_due(now_ms);
        let mut session = lock(&self.session);
        if self.is_active() {
            return false;
        }
        for (at, part) in self.parts.iter().enumerate() {
            *lock(part) = Part {
                sample: options.sample,
                draws: Draws::of_seed(now_ms ^ (at as u64) << 48),
                by_time: options.by_time.then(Counter::default),
                by_bytes: options.by_bytes.then(Counter::default),
                ..Part::default()
            };
        }
        let cpu_then = sys::os::cpu_seconds(Whose::Process);
        self.ends_ms.store(options.ends_ms.unwrap_or(u64::MAX), Relaxed);
        *session = Some(Session { options, started_ms: now_ms, cpu_then, ended: None });
        self.active.store(true, Relaxed);
        true
    }

    /// Ends the session; false if none goes on.
    pub fn stop(&self, now_ms: u64) -> bool {
        self.end_if_due(now_ms);
        self.end(now_ms)
    }

    /// Forgets a session that has ended; false if one goes on.
    pub fn reset(&self, now_ms: u64) -> bool {
        self.end_if_due(now_ms);
        let mut session = lock(&self.session);
        if self.is_active() {
            return false;
        }
        *session = None;
        self.parts.iter().for_each(|part| *lock(part) = Part::default());
        true
    }

    fn end_if_due(&self, now_ms: u64) {
        let ends_ms = self.ends_ms.load(Relaxed);
        if now_ms >= ends_ms {
            self.end(ends_ms);
        }
    }

    /// Ends the session as of a time; false if none goes on.
    fn end(&self, at_ms: u64) -> bool {
        let mut session = lock(&self.session);
        let was_active = self.active.swap(false, Relaxed);
        if let Some(session) = session.as_mut().filter(|_| was_active) {
            session.ended = Some((at_ms, since(session.cpu_then)));
        }
        was_active
    }

    /// Counts a command that has just ended for the keys that it named.
    pub fn record<'a>(
        &self,
        worker: usize,
        keys: impl ExactSizeIterator<Item = &'a [u8]>,
        usec: u64,
        bytes: u64,
        now_ms: u64,
    ) {
        if keys.len() == 0 {
            return;
        }
        let mut part = lock(&self.parts[worker]);
        part.all_us += usec;
        part.all_bytes += bytes;
        let (usec, bytes) = (usec / keys.len() as u64, bytes / keys.len() as u64);
        for key in keys {
            if part.is_chosen() {
                let Part { by_time, by_bytes, .. } = &mut *part;
                by_time.iter_mut().for_each(|counter| counter.add(key, usec));
                by_bytes.iter_mut().for_each(|counter| counter.add(key, bytes));
            }
        }
        drop(part);
        self.end_if_due(now_ms);
    }

    /// Whether the session goes on, and the microseconds of all commands with keys; None without a session. For INFO, which
    /// need not add up all keys.
    pub fn progress(&self, now_ms: u64) -> Option<(bool, u64)> {
        self.end_if_due(now_ms);
        let session = (*lock(&self.session))?;
        Some((session.ended.is_none(), self.parts.iter().map(|part| lock(part).all_us).sum()))
    }

    /// What the session has counted until now; None without one.
    pub fn report(&self, now_ms: u64) -> Option<Report> {
        self.end_if_due(now_ms);
        let session = (*lock(&self.session))?;
        let (until_ms, cpu) = session.ended.unwrap_or_else(|| (now_ms, since(session.cpu_then)));
        let mut report = Report {
            options: session.options,
            active: session.ended.is_none(),
            started_ms: session.started_ms,
            duration_ms: until_ms.saturating_sub(session.started_ms),
            cpu_ms: ((cpu.0 * 1e3) as u64, (cpu.1 * 1e3) as u64),
            all_us: 0,
            all_bytes: 0,
            counted_bytes: 0,
            by_time: Vec::new(),
            by_bytes: Vec::new(),
        };
        let (mut by_time, mut by_bytes) = (Counter::default(), Counter::default());
        for part in &self.parts {
            let part = lock(part);
            report.all_us += part.all_us;
            report.all_bytes += part.all_bytes;
            by_time.merge(part.by_time.as_ref());
            by_bytes.merge(part.by_bytes.as_ref());
        }
        report.counted_bytes = by_bytes.total;
        report.by_time = by_time.highest(session.options.count);
        report.by_bytes = by_bytes.highest(session.options.count);
        Some(report)
    }
}

impl Part {
    fn is_chosen(&mut self) -> bool {
        self.sample == 1 || self.draws.next().is_multiple_of(self.sample)
    }
}

impl Counter {
    fn add(&mut self, key: &[u8], amount: u64) {
        self.total += amount;
        if let Some(count) = self.keys.get_mut(key) {
            *count += amount;
            return;
        }
        self.keys.insert(key.to_vec(), amount);
        self.bytes += key.len();
        if self.keys.len() > MOST_KEYS || self.bytes > MOST_BYTES {
            self.shrink();
        }
    }

    /// Lets the keys with the lowest counts go until half of the room is free.
    fn shrink(&mut self) {
        let mut all: Vec<(Vec<u8>, u64)> = self.keys.drain().collect();
        all.sort_unstable_by_key(|&(_, count)| std::cmp::Reverse(count));
        self.bytes = 0;
        for (key, count) in all.into_iter().take(MOST_KEYS / 2) {
            if self.bytes + key.len() <= MOST_BYTES / 2 {
                self.bytes += key.len();
                self.keys.insert(key, count);
            }
        }
    }

    fn merge(&mut self, other: Option<&Counter>) {
        for (key, count) in other.iter().flat_map(|other| &other.keys) {
            *self.keys.entry(key.clone()).or_default() += count;
        }
        self.total += other.map_or(0, |other| other.total);
    }

    /// The keys with the highest counts, and of equal ones the first by name.
    fn highest(self, count: usize) -> Vec<(Vec<u8>, u64)> {
        let mut all: Vec<(Vec<u8>, u64)> = self.keys.into_iter().collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Options = Options { by_time: true, by_bytes: true, count: 2, ends_ms: None, sample: 1 };

    fn record(hot: &HotKeys, worker: usize, keys: &[&str], usec: u64, bytes: u64) {
        hot.record(worker, keys.iter().map(|key| key.as_bytes()), usec, bytes, 5);
    }

    fn named(list: &[(Vec<u8>, u64)]) -> Vec<(&str, u64)> {
        list.iter().map(|(key, count)| (std::str::from_utf8(key).expect("text"), *count)).collect()
    }

    #[test]
    fn the_parts_of_all_workers_are_added_up_and_the_highest_are_told() {
        let hot = HotKeys::new(2);
        assert!(!hot.stop(1) && hot.report(1).is_none() && hot.reset(1));
        assert!(hot.start(ALL, 2) && !hot.start(ALL, 3) && !hot.reset(3));
        record(&hot, 0, &["a"], 10, 100);
        record(&hot, 1, &["a"], 3, 7);
        record(&hot, 1, &["b", "c"], 13, 401);
        record(&hot, 1, &[], 1000, 1000);
        let report = hot.report(9).expect("a session");
        assert_eq!((report.all_us, report.all_bytes, report.counted_bytes), (26, 508, 507));
        assert_eq!(hot.progress(9), Some((true, 26)));
        assert_eq!(named(&report.by_time), [("a", 13), ("b", 6)]);
        assert_eq!(named(&report.by_bytes), [("b", 200), ("c", 200)]);
        assert_eq!((report.active, report.started_ms, report.duration_ms), (true, 2, 7));
        assert!(hot.stop(12) && !hot.stop(13));
        let report = hot.report(99).expect("it has ended and is there");
        assert_eq!((report.active, report.duration_ms), (false, 10));
        assert!(hot.start(Options { by_time: false, ..ALL }, 100));
        record(&hot, 0, &["d"], 1, 1);
        let report = hot.report(101).expect("a new session");
        assert_eq!((named(&report.by_time), named(&report.by_bytes)), (vec![], vec![("d", 1)]));
    }

    #[test]
    fn a_session_ends_at_its_time() {
        let hot = HotKeys::new(1);
        assert!(hot.start(Options { ends_ms: Some(5), ..ALL }, 2));
        record(&hot, 0, &["a"], 1, 1);
        assert!(!hot.is_active(), "the first command at or behind the end is the last");
        let report = hot.report(77).expect("a session");
        assert_eq!((report.active, report.duration_ms, report.all_us), (false, 3, 1));
        assert!(hot.start(Options { ends_ms: Some(90), ..ALL }, 80) && hot.reset(90));
    }

    #[test]
    fn hot_keys_stay_among_many_others_and_memory_is_bounded() {
        let hot = HotKeys::new(1);
        assert!(hot.start(Options { sample: 4, ..ALL }, 1));
        let long = "x".repeat(1000);
        for i in 0..40_000 {
            record(&hot, 0, &["hot"], 3, 3);
            record(&hot, 0, &[&format!("{long}{i}")], 1, 1);
        }
        let report = hot.report(2).expect("a session");
        let (key, count) = named(&report.by_time)[0];
        assert!(key == "hot" && (100_000 / 4..140_000 / 4).contains(&count), "{count}");
        let part = lock(&hot.parts[0]);
        let counter = part.by_time.as_ref().expect("it was asked for");
        assert_eq!(counter.bytes, counter.keys.keys().map(Vec::len).sum());
        assert!(counter.bytes <= MOST_BYTES && counter.keys.len() <= MOST_KEYS);
    }
}
