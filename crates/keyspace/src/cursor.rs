//! SCAN over all shards of a database.
//!
//! A cursor is `shard << 38 | position`, 48 bits, because clients keep cursors in doubles; 0 is the beginning and
//! the end. A step always ends where a line begins, so no key is lost or repeated however the tables change.

use ds::entry::EntryRef;
use ds::table::Position;

use crate::{Keyspace, SHARDS};

/// Lines that one step looks at for each key that it was asked for, at most: bounds a step over a sparse table.
const LINES_PER_KEY: usize = 10;

impl Keyspace {
    /// Visits about `count` keys of `db` from `cursor` on; answers the next cursor. Shards are locked one at a
    /// time, so the caller must hold none (or be alone and hold none).
    pub fn scan(&self, db: usize, cursor: u64, count: usize, mut visit: impl FnMut(EntryRef<'_>)) -> u64 {
        let mut shard = (cursor >> Position::BITS) as usize;
        let mut position = Position::from_bits(cursor & ((1 << Position::BITS) - 1));
        let (mut seen, mut lines) = (0, count.saturating_mul(LINES_PER_KEY));
        while shard < SHARDS {
            let guard = self.lock(shard as u16);
            while let Some(at) = position {
                if seen >= count || lines == 0 {
                    return (shard as u64) << Position::BITS | at.to_bits();
                }
                lines -= 1;
                position = guard.scan(db, at, |entry| {
                    seen += 1;
                    visit(entry);
                });
            }
            shard += 1;
            position = Some(Position::default());
        }
        0
    }

    /// One key of `db` at random; `random` gives uniform 64-bit numbers.
    pub fn random_key(&self, db: usize, mut random: impl FnMut() -> u64) -> Option<Vec<u8>> {
        let start = random() as usize % SHARDS;
        // A shard is taken with a probability that grows with its keys, so that each key is about as likely.
        let most = 2 + 2 * self.len(db) / SHARDS;
        let mut fallback = None;
        for step in 0..8 * SHARDS {
            let shard = self.lock(((start + step) % SHARDS) as u16);
            let len = shard.len(db);
            if len > 0 {
                let lucky = random() as usize % most < len;
                if lucky || fallback.is_none() {
                    fallback = shard.random(db, &mut random).map(|entry| entry.key().to_vec());
                }
                if lucky {
                    break;
                }
            }
        }
        fallback
    }
}
