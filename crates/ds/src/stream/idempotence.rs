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
}

impl Default for Idempotence {
    fn default() -> Self {
        Self {
            duration_s: DEFAULT_DURATION_S,
            max_size: DEFAULT_MAX_SIZE,
            added: 0,
            duplicates: 0,
            producers: Arc::default(),
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

    /// The entry that an ID became, if it is remembered.
    pub fn find(&self, producer: &[u8], iid: &[u8]) -> Option<StreamId> {
        let recent = &self.producers.get(producer)?.recent;
        recent.iter().rev().find(|(known, _)| **known == *iid).map(|(_, id)| *id)
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

    /// Forgets what is older than the duration.
    pub fn expire(&mut self, now_ms: u64) {
        let oldest = now_ms.saturating_sub(self.duration_s.saturating_mul(1000));
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

    /// Forgets everything that is remembered (XCFGSET does when it changes a limit).
    pub fn clear(&mut self) {
        self.producers = Arc::default();
    }
}
