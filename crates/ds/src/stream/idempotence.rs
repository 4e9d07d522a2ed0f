//! What XADD IDMP remembers: per producer the last idempotency IDs and the entries that they became.
//!
//! Invariant: no producer has more than `max_size` IDs, in the order of arrival, and none is without any. An ID expires
//! `duration_s` after its entry's time. Called by XADD, XCFGSET, XINFO and the RDB codec.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::id::StreamId;

/// Defaults of a new stream: seconds, and IDs per producer.
const DEFAULT_DURATION_S: u64 = 100;
const DEFAULT_MAX_SIZE: u64 = 100;

/// IDs of one producer, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Producer {
    recent: VecDeque<(Box<[u8]>, StreamId)>,
}

impl Producer {
    /// The remembered IDs, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], StreamId)> {
        self.recent.iter().map(|(iid, id)| (&**iid, *id))
    }

    /// How many IDs are remembered.
    pub fn len(&self) -> usize {
        self.recent.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }
}

/// See the file comment.
#[derive(Clone, Debug)]
pub struct Idempotence {
    /// Seconds for which an ID is remembered.
    pub duration_s: u64,
    /// IDs remembered per producer.
    pub max_size: u64,
    /// IDs ever recorded.
    pub added: u64,
    /// Appends that were repeats.
    pub duplicates: u64,
    producers: Arc<BTreeMap<Box<[u8]>, Producer>>,
    /// When the producers are next looked through for expired IDs, Unix milliseconds.
    sweep_ms: u64,
}

/// How often the producers are looked through, so that an append does not pay for all of them.
const SWEEP_EVERY_MS: u64 = 1000;

impl Default for Idempotence {
    fn default() -> Self {
        Self {
            duration_s: DEFAULT_DURATION_S,
            max_size: DEFAULT_MAX_SIZE,
            added: 0,
            duplicates: 0,
            producers: Arc::default(),
            sweep_ms: 0,
        }
    }
}

impl Idempotence {
    /// Whether this is what a new stream has, so that an RDB type without idempotence can hold the stream.
    pub fn is_default(&self) -> bool {
        self.producers.is_empty()
            && (self.duration_s, self.max_size) == (DEFAULT_DURATION_S, DEFAULT_MAX_SIZE)
            && (self.added, self.duplicates) == (0, 0)
    }

    /// The producers by name.
    pub fn producers(&self) -> impl ExactSizeIterator<Item = (&[u8], &Producer)> {
        self.producers.iter().map(|(name, producer)| (&**name, producer))
    }

    /// The entry that an ID became, if it is remembered and has not expired at `now_ms`.
    pub fn find(&self, producer: &[u8], iid: &[u8], now_ms: u64) -> Option<StreamId> {
        let recent = &self.producers.get(producer)?.recent;
        let found = recent.iter().rev().find(|(known, _)| **known == *iid).map(|(_, id)| *id)?;
        (found.ms >= self.oldest_ms(now_ms)).then_some(found)
    }

    /// Entries before this time are forgotten.
    fn oldest_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.duration_s.saturating_mul(1000))
    }

    /// Numbers of producers and of IDs that have not expired at `now_ms`.
    pub fn tracked(&self, now_ms: u64) -> (usize, usize) {
        let oldest = self.oldest_ms(now_ms);
        let live = |producer: &Producer| producer.recent.iter().filter(|(_, id)| id.ms >= oldest).count();
        let live = self.producers.values().map(live).filter(|count| *count > 0);
        live.fold((0, 0), |(producers, ids), count| (producers + 1, ids + count))
    }

    /// Heap bytes, estimated.
    pub(super) fn memory_bytes(&self) -> usize {
        const PER_ID: usize = 48;
        let of_producer =
            |producer: &Producer| producer.recent.iter().map(|(iid, _)| iid.len() + PER_ID).sum::<usize>();
        let names: usize = self.producers.keys().map(|name| name.len() + size_of::<Producer>()).sum();
        names + self.producers.values().map(of_producer).sum::<usize>()
    }

    /// Remembers an ID, forgetting the oldest beyond the limit.
    pub fn record(&mut self, producer: &[u8], iid: &[u8], id: StreamId) {
        self.restore(producer, iid, id);
        self.added += 1;
    }

    /// As [`Idempotence::record`], without counting: for loading.
    pub fn restore(&mut self, producer: &[u8], iid: &[u8], id: StreamId) {
        if self.max_size == 0 {
            return;
        }
        let recent = &mut Arc::make_mut(&mut self.producers).entry(producer.into()).or_default().recent;
        recent.push_back((iid.into(), id));
        while recent.len() as u64 > self.max_size {
            recent.pop_front();
        }
    }

    /// Forgets what is older than the duration; at most once a second all of it, else nothing.
    pub fn expire(&mut self, now_ms: u64) {
        if now_ms < self.sweep_ms && self.sweep_ms - now_ms <= SWEEP_EVERY_MS {
            return;
        }
        self.sweep_ms = now_ms.saturating_add(SWEEP_EVERY_MS);
        let oldest = self.oldest_ms(now_ms);
        let old = |producer: &Producer| producer.recent.front().is_some_and(|(_, id)| id.ms < oldest);
        if !self.producers.values().any(old) {
            return;
        }
        Arc::make_mut(&mut self.producers).retain(|_, producer| {
            while old(producer) {
                producer.recent.pop_front();
            }
            !producer.recent.is_empty()
        });
    }

    /// Sets the limits; what is remembered goes if they change. Answers whether they did.
    pub fn configure(&mut self, duration_s: u64, max_size: u64) -> bool {
        if (self.duration_s, self.max_size) == (duration_s, max_size) {
            return false;
        }
        (self.duration_s, self.max_size) = (duration_s, max_size);
        self.clear();
        true
    }

    fn clear(&mut self) {
        self.producers = Arc::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_so_many_ids_for_so_long() {
        let mut state = Idempotence::default();
        assert!(state.configure(10, 2) && !state.configure(10, 2));
        for (iid, ms) in [(b"a", 1_000), (b"b", 2_000), (b"c", 20_000)] {
            state.record(b"p", iid, StreamId::new(ms, 0));
        }
        state.record(b"q", b"a", StreamId::new(2_000, 1));
        assert_eq!(state.find(b"p", b"a", 2_000), None, "pushed out by the third");
        assert_eq!(state.find(b"p", b"b", 12_000), Some(StreamId::new(2_000, 0)));
        assert_eq!(state.find(b"p", b"b", 12_001), None, "expired");
        assert_eq!((state.tracked(12_000), state.tracked(12_001), state.added), ((2, 3), (1, 1), 4));
        state.expire(12_001);
        assert_eq!((state.producers().len(), state.tracked(0)), (1, (1, 1)));
        assert!(state.configure(11, 2));
        assert_eq!((state.producers().len(), state.added), (0, 4));
    }

    #[test]
    fn sweeps_once_a_second_and_after_the_clock_went_back() {
        let mut state = Idempotence::default();
        state.configure(1, 100);
        state.expire(100_000);
        state.record(b"p", b"a", StreamId::new(98_000, 0));
        state.expire(100_999);
        assert_eq!(state.producers().len(), 1);
        state.expire(101_000);
        assert_eq!(state.producers().len(), 0);
        state.record(b"p", b"a", StreamId::new(1_000, 0));
        state.expire(50_000);
        assert_eq!(state.producers().len(), 0);
    }
}
