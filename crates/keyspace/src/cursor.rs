//! SCAN over all shards of a database.
//!
//! A cursor is `shard << 38 | position`, 48 bits, because clients keep cursors in doubles; 0 is the beginning and
//! the end. A step always ends where a line begins, so no key is lost or repeated however the tables change.

use ds::entry::EntryRef;
use ds::table::Position;

use crate::{Access, SHARDS};

/// Lines that one step looks at for each key that it was asked for, at most: bounds a step over a sparse table.
const LINES_PER_KEY: usize = 10;

impl Access<'_> {
    /// Visits about `count` keys of `db` from `cursor` on; answers the next cursor. Shards that are not held are locked
    /// one at a time; the command then must hold none.
    pub fn scan(&mut self, db: usize, cursor: u64, count: usize, mut visit: impl FnMut(EntryRef<'_>)) -> u64 {
        let mut index = (cursor >> Position::BITS) as usize;
        let mut position = Position::from_bits(cursor & ((1 << Position::BITS) - 1));
        let (mut seen, mut lines) = (0, count.saturating_mul(LINES_PER_KEY));
        while index < SHARDS {
            position = self.look(index as u16, |shard| {
                if shard.len(db) == 0 {
                    return None;
                }
                while let Some(at) = position {
                    if seen >= count || lines == 0 {
                        break;
                    }
                    lines -= 1;
                    position = shard.scan(db, at, |entry| {
                        seen += 1;
                        visit(entry);
                    });
                }
                position
            });
            if let Some(at) = position {
                return (index as u64) << Position::BITS | at.to_bits();
            }
            index += 1;
            position = Some(Position::default());
        }
        0
    }

    /// One key of `db` at random, with its expiry; `random` gives uniform 64-bit numbers. Locks as [`Access::scan`].
    pub fn random_key(
        &mut self,
        db: usize,
        mut random: impl FnMut() -> u64,
    ) -> Option<(Vec<u8>, Option<u64>)> {
        let start = random() as usize % SHARDS;
        // A shard is taken with a probability that grows with its keys, so that each key is about as likely.
        let most = 2 + 2 * self.keyspace().len(db) / SHARDS;
        let mut fallback = None;
        for step in 0..8 * SHARDS {
            let lucky = self.look(((start + step) % SHARDS) as u16, |shard| {
                let len = shard.len(db);
                let lucky = len > 0 && random() as usize % most < len;
                if lucky || len > 0 && fallback.is_none() {
                    let found = shard.random(db, &mut random);
                    fallback = found.map(|entry| (entry.key().to_vec(), entry.expire_ms()));
                }
                lucky
            });
            if lucky {
                break;
            }
        }
        fallback
    }
}
