//! The index of expiry times: four bytes and a little for each key that expires.
//!
//! A record is the top 32 bits of a key's hash, filed under a time at which the shard should look at it. Far
//! times are filed coarsely and *early*: when such a record comes due, the key's real expiry is read from its
//! entry and the record is filed again, nearer. So the index never holds the exact time and is never told when
//! a key is deleted or its expiry moves later; a record that finds nothing is dropped.

use std::collections::BTreeMap;

/// Finest step of the index, in ms.
const STEP_MS: u64 = 8;

/// See the module's text. Every command looks at `next_ms`, so the rest stands apart.
#[derive(Default)]
pub struct TtlIndex {
    /// The earliest due time, 0 while there is none.
    next_ms: u64,
    filed: Option<Box<Filed>>,
}

#[derive(Default)]
struct Filed {
    /// Due time -> records.
    due: BTreeMap<u64, Vec<u32>>,
    records: usize,
    /// Keys that have an expiry now.
    keys: usize,
}

impl TtlIndex {
    fn filed(&self) -> &Filed {
        static NOTHING: Filed = Filed { due: BTreeMap::new(), records: 0, keys: 0 };
        self.filed.as_deref().unwrap_or(&NOTHING)
    }

    fn filed_mut(&mut self) -> &mut Filed {
        self.filed.get_or_insert_default()
    }

    /// Keys that have an expiry.
    pub fn keys(&self) -> usize {
        self.filed().keys
    }

    /// A key changed its expiry, was added with one or removed with one (`None`: no expiry, or no key).
    pub fn changed(&mut self, hash: u64, old_ms: Option<u64>, new_ms: Option<u64>, now_ms: u64) {
        match (old_ms, new_ms) {
            (None, Some(_)) => self.filed_mut().keys += 1,
            (Some(_), None) => {
                self.filed_mut().keys -= 1;
                if self.keys() == 0 {
                    self.clear_records();
                }
            }
            _ => {}
        }
        // A record that is due earlier serves: it will be filed again when it finds the later time.
        if let Some(new_ms) = new_ms
            && old_ms.is_none_or(|old_ms| new_ms < old_ms)
        {
            self.file((hash >> 32) as u32, new_ms, now_ms);
        }
    }

    /// Files a record for a key that expires at `at_ms`.
    pub fn file(&mut self, record: u32, at_ms: u64, now_ms: u64) {
        let due_ms = due_ms(at_ms, now_ms);
        let filed = self.filed_mut();
        filed.due.entry(due_ms).or_default().push(record);
        filed.records += 1;
        self.next_ms = if self.next_ms == 0 { due_ms } else { self.next_ms.min(due_ms) };
    }

    /// The earliest due time; `u64::MAX` if there is none.
    pub fn next_due_ms(&self) -> u64 {
        if self.next_ms == 0 { u64::MAX } else { self.next_ms }
    }

    /// Whether no key can have expired: each that expires has a record, filed at most a step late.
    #[inline]
    pub fn nothing_due(&self, now_ms: u64) -> bool {
        self.next_ms == 0 || self.next_ms > now_ms.saturating_add(STEP_MS)
    }

    /// Takes up to `most` records that are due.
    pub fn take_due(&mut self, now_ms: u64, most: usize) -> Vec<u32> {
        let mut taken = Vec::new();
        let Some(filed) = self.filed.as_deref_mut() else { return taken };
        while taken.len() < most {
            let Some(mut first) = filed.due.first_entry().filter(|first| *first.key() <= now_ms) else {
                break;
            };
            let rest = first.get().len().saturating_sub(most - taken.len());
            taken.extend(first.get_mut().drain(rest..));
            if rest == 0 {
                first.remove();
            }
        }
        filed.records -= taken.len();
        self.next_ms = filed.due.first_key_value().map_or(0, |(&at, _)| at);
        taken
    }

    /// All records, from a random place on.
    pub fn records_from(&self, random: u64) -> impl Iterator<Item = u32> {
        let due = &self.filed().due;
        let first = due.first_key_value().map_or(0, |(&at, _)| at);
        let last = due.last_key_value().map_or(0, |(&at, _)| at);
        let from = first + random % (last - first).max(1);
        let skip = random.rotate_left(32) as usize;
        let around = due.range(from..).chain(due.range(..from));
        around.flat_map(move |(_, records)| {
            let (behind, before) = records.split_at(skip % records.len().max(1));
            before.iter().chain(behind).copied()
        })
    }

    /// Whether stale records outnumber the keys so far that the index should be built anew.
    pub fn is_bloated(&self) -> bool {
        self.filed().records > 2 * self.filed().keys + 64
    }

    /// Drops all records, to be filed anew.
    pub fn clear_records(&mut self) {
        self.next_ms = 0;
        if let Some(filed) = &mut self.filed {
            filed.due.clear();
            filed.records = 0;
        }
    }

    /// Sum over the records of the time left, roughly: each is filed at most an eighth too early.
    pub fn time_left_ms(&self, now_ms: u64) -> u128 {
        self.filed()
            .due
            .iter()
            .map(|(&at, records)| u128::from(at.saturating_sub(now_ms)) * records.len() as u128)
            .sum()
    }
}

/// When to look: at the time itself, rounded up to a step, if it is near; else somewhat before it, rounded so
/// that the times ahead share some hundred different values.
fn due_ms(at_ms: u64, now_ms: u64) -> u64 {
    let left = at_ms.saturating_sub(now_ms);
    if left < 64 * STEP_MS {
        return at_ms.saturating_add(1).div_ceil(STEP_MS).saturating_mul(STEP_MS);
    }
    let step = 1u64 << (60 - left.leading_zeros());
    at_ms / step * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_are_never_late_by_more_than_a_step() {
        for now in [0u64, 1_700_000_000_000] {
            for left in [0u64, 1, 7, 8, 100, 511, 512, 5000, 3_600_000, 1 << 40] {
                let due = due_ms(now + left, now);
                assert!(due <= now + left + STEP_MS, "{left}");
                assert!(left < 64 * STEP_MS || due >= now + left - left / 8, "{left}");
            }
        }
        assert!(due_ms(u64::MAX, 0) > 1 << 60);
    }

    #[test]
    fn an_expired_key_is_never_taken_for_one_that_is_not_due() {
        for now in [0u64, 1_700_000_000_000] {
            for left in [0u64, 1, 7, 8, 100, 511, 512, 5000, 3_600_000, 1 << 40] {
                let mut index = TtlIndex::default();
                assert!(index.nothing_due(now));
                index.changed(3 << 32, None, Some(now + left), now);
                assert!(!index.nothing_due(now + left + 1), "{left}");
                assert!(left < 100 || index.nothing_due(now), "{left}");
                index.changed(3 << 32, Some(now + left), None, now);
                assert!(index.nothing_due(u64::MAX));
            }
        }
    }

    #[test]
    fn records_come_back_when_due() {
        let mut index = TtlIndex::default();
        (0..1000u64).for_each(|n| index.changed(n << 32, None, Some(n * 3), 0));
        assert_eq!((index.keys(), index.take_due(1500, 50).len()), (1000, 50));
        let mut seen = 50;
        while index.next_due_ms() <= 10_000 {
            seen += index.take_due(10_000, 100).len();
        }
        assert_eq!((seen, index.next_due_ms()), (1000, u64::MAX));
        index.changed(1 << 32, Some(3), None, 0);
        assert_eq!(index.keys(), 999);
        index.changed(5 << 32, None, Some(90_000), 0);
        assert!(index.next_due_ms() <= 90_000);
        (0..1000).for_each(|_| index.changed(1 << 32, Some(3), None, 0));
        assert_eq!((index.keys(), index.next_due_ms()), (0, u64::MAX));
        let mut all: Vec<u32> = index.records_from(12345).collect();
        all.sort_unstable();
        assert!(all.is_empty());
        (0..100u64).for_each(|n| index.changed(n << 32, None, Some(20_000 + n * n), 0));
        for random in [0, 7, u64::MAX, 1 << 40] {
            let mut all: Vec<u32> = index.records_from(random).collect();
            all.sort_unstable();
            assert_eq!(all, (0..100).collect::<Vec<_>>());
        }
        (0..3000u64).for_each(|_| index.changed(7, Some(9000), Some(5000), 0));
        assert!(index.is_bloated());
        index.clear_records();
        assert_eq!(index.next_due_ms(), u64::MAX);
    }
}
