//! Estimates that need a look at every shard: the time that keys have left, and the bytes of the hash tables.
//!
//! A look is good for a tenth of a second, as long as there are about as many keys as there were; the peers, too, take what
//! INFO says of times from samples that they take ten times a second. Numbers of keys are never estimated. Called by
//! INFO and MEMORY.

use std::sync::{Mutex, MutexGuard, PoisonError};

use keyspace::Volatile;

use crate::cx::Cx;

/// For so long a look is good.
const GOOD_MS: u64 = 100;
const USUAL_DATABASES: usize = 16;

/// See the module's text.
pub struct Estimates(Mutex<Look>);

/// What was seen, and when (Unix ms); for each database.
struct Look {
    at_ms: u64,
    databases: Vec<Numbers>,
}

/// Of one database.
#[derive(Clone, Copy, Default)]
pub(crate) struct Numbers {
    pub keys: usize,
    pub volatile: Volatile,
    /// Milliseconds that keys with an expiry have left, on average; estimated.
    pub average_ms: u128,
    /// Bytes of the hash tables; estimated.
    pub index_bytes: u64,
}

impl Default for Estimates {
    /// With room for the usual number of databases: what is allocated later, INFO would show.
    fn default() -> Self {
        Estimates(Mutex::new(Look { at_ms: 0, databases: Vec::with_capacity(USUAL_DATABASES) }))
    }
}

impl Numbers {
    /// Whether the estimates of an earlier look still say something.
    fn are_like(&self, earlier: &Numbers) -> bool {
        self.volatile.keys == earlier.volatile.keys && self.keys.abs_diff(earlier.keys) <= self.keys / 16
    }
}

/// The numbers of each database that has keys, with its own number.
pub(crate) fn databases(cx: &mut Cx<'_>) -> Vec<(usize, Numbers)> {
    // What this very transaction has changed counts.
    cx.access.publish();
    let keyspace = &cx.server.keyspace;
    let count =
        |db| Numbers { keys: keyspace.len(db), volatile: keyspace.volatile(db), ..Numbers::default() };
    let mut databases: Vec<Numbers> = (0..keyspace.databases()).map(count).collect();
    if !recall(cx, &mut databases) {
        look(cx, &mut databases);
    }
    databases.into_iter().enumerate().filter(|(_, numbers)| numbers.keys > 0).collect()
}

fn last<'a>(cx: &Cx<'a>) -> MutexGuard<'a, Look> {
    cx.server.samples.estimates.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the estimates of the last look, if they are good.
fn recall(cx: &Cx<'_>, databases: &mut [Numbers]) -> bool {
    let last = last(cx);
    let pairs = || last.databases.iter().zip(&*databases);
    let is_good = last.databases.len() == databases.len()
        && (last.at_ms..last.at_ms + GOOD_MS).contains(&cx.now_ms)
        && pairs().all(|(earlier, now)| now.are_like(earlier));
    if is_good {
        for (now, earlier) in databases.iter_mut().zip(&last.databases) {
            (now.average_ms, now.index_bytes) = (earlier.average_ms, earlier.index_bytes);
        }
    }
    is_good
}

/// Looks at all shards.
fn look(cx: &mut Cx<'_>, databases: &mut [Numbers]) {
    let now_ms = cx.now_ms;
    cx.each_shard(|shard| {
        for db in shard.present() {
            databases[db].index_bytes += shard.index_bytes(db) as u64;
            databases[db].average_ms += shard.ttl_sum_ms(db, now_ms);
        }
    });
    for numbers in &mut *databases {
        // Until here it was the sum.
        numbers.average_ms = numbers.average_ms.checked_div(numbers.volatile.keys as u128).unwrap_or(0);
    }
    let mut last = last(cx);
    last.at_ms = now_ms;
    last.databases.clear();
    last.databases.extend_from_slice(databases);
}
