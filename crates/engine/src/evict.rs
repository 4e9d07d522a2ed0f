//! Making room when more memory is used than `maxmemory` allows.
//!
//! 1. Samples of keys go into a small pool, ordered by how much they ask to be removed; it outlives the cycle, so that it
//!    gets better with every sample.
//! 2. The first of the pool is removed, under the lock of its shard alone, and journaled before the command for whose
//!    sake it goes.
//! 3. That repeats until enough is free, nothing is left to remove, or the time is up; then the command runs all the same
//!    and the next one, or the regular work, goes on.
//!
//! Called before each command, when its connection holds no lock, and regularly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use commands::client::Client;
use commands::effects::Effects;
use commands::eviction::{Order, Policy, used_for_limit};
use commands::server::Server;
use commands::session::Session;
use config::Directive;
use ds::entry::EntryRef;
use keyspace::{SHARDS, shard_of};

use crate::run::{context, settle};
use crate::{Scratch, Worker};

/// Candidates that are kept.
const POOL: usize = 16;
/// Removals between looks at the clock.
const STRIDE: usize = 16;
/// Candidates that may be gone, or in shards that others hold, before a cycle gives up for now.
const MOST_MISSES: usize = 256;

/// What a cycle came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// Within the limit.
    Enough,
    /// Not yet, but it goes on.
    Later,
    /// There is nothing to remove.
    None,
}

/// A key that may go.
struct Candidate {
    score: u64,
    db: usize,
    hash: u64,
    key: Vec<u8>,
}

/// The best candidates that were seen; the last one goes first.
#[derive(Default)]
pub(crate) struct Pool {
    candidates: Vec<Candidate>,
    policy: Option<Policy>,
    /// In whose name keys go; kept, because making one costs more than a removal.
    session: Option<Session>,
}

impl Pool {
    /// Offers a key.
    fn offer(&mut self, score: u64, db: usize, hash: u64, key: &[u8]) {
        let known =
            |candidate: &Candidate| candidate.hash == hash && candidate.db == db && candidate.key == key;
        if self.candidates.iter().any(known) {
            return;
        }
        if self.candidates.len() == POOL {
            if self.candidates[0].score >= score {
                return;
            }
            self.candidates.remove(0);
        }
        let at = self.candidates.partition_point(|candidate| candidate.score <= score);
        self.candidates.insert(at, Candidate { score, db, hash, key: key.to_vec() });
    }
}

/// Makes room if the limit is exceeded. False if a command that needs memory must be refused.
#[inline]
pub(crate) fn make_room(worker: usize, scratch: &mut Scratch, server: &Server, now_ms: u64) -> bool {
    !server.eviction.is_over() || cycle(worker, scratch, server, now_ms) != Room::None
}

/// Goes on with making room; part of the regular work of a worker.
pub fn go_on(worker: &mut Worker, server: &Server) {
    if !server.eviction.is_over() {
        return;
    }
    let Worker { index, slot, scratch, .. } = worker;
    let Some(_batch) = server.keyspace.gate().enter(slot) else { return };
    cycle(*index, scratch, server, server.clock.unix_ms());
}

#[cold]
fn cycle(worker: usize, scratch: &mut Scratch, server: &Server, now_ms: u64) -> Room {
    if !may_evict(server, now_ms) {
        return Room::Enough;
    }
    let limit = server.eviction.limit();
    let room = if limit == 0 || used_for_limit(server) <= limit {
        Room::Enough
    } else {
        match server.eviction.policy().filter(|_| !server.config.flag(Directive::ImportMode)) {
            Some(policy) => {
                let mut cycle = Cycle::new(worker, scratch, server, policy, now_ms);
                let room = cycle.run(limit);
                let Cycle { session, scratch, .. } = cycle;
                scratch.eviction.session = Some(session);
                room
            }
            None => Room::None,
        }
    };
    server.eviction.note(room != Room::Enough);
    room
}

/// Replicas leave it to their primary; while clients are paused the data set stays as it is.
fn may_evict(server: &Server, now_ms: u64) -> bool {
    let ignores = server.replication.is_replica() && server.config.flag(Directive::ReplicaIgnoreMaxmemory);
    let paused = server.is_paused(now_ms);
    !ignores && !paused && !server.is_loading()
}

/// How long a cycle may take: `maxmemory-eviction-tenacity`, from nothing to without end.
fn budget(tenacity: i64) -> Duration {
    match tenacity {
        ..=10 => Duration::from_micros(50 * tenacity.max(0) as u64),
        11..=99 => Duration::from_micros((500.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64),
        _ => Duration::MAX,
    }
}

fn nobody() -> Session {
    Session::new(Arc::new(Client::new(0, String::new(), String::new(), -1, Box::new(|| ()))))
}

/// One go at making room.
struct Cycle<'a> {
    worker: usize,
    server: &'a Server,
    scratch: &'a mut Scratch,
    session: Session,
    policy: Policy,
    now_ms: u64,
    decay_minutes: u64,
    /// Whether a shard could not be looked at.
    passed_over: bool,
}

impl<'a> Cycle<'a> {
    fn new(
        worker: usize,
        scratch: &'a mut Scratch,
        server: &'a Server,
        policy: Policy,
        now_ms: u64,
    ) -> Cycle<'a> {
        if scratch.eviction.policy.replace(policy) != Some(policy) {
            scratch.eviction.candidates.clear();
        }
        let session = scratch.eviction.session.take();
        Cycle {
            worker,
            server,
            scratch,
            session: session.unwrap_or_else(nobody),
            policy,
            now_ms,
            decay_minutes: server.config.int(Directive::LfuDecayTime).max(0) as u64,
            passed_over: false,
        }
    }

    fn run(&mut self, limit: u64) -> Room {
        let start = Instant::now();
        let budget = budget(self.server.config.int(Directive::MaxmemoryEvictionTenacity));
        let (mut removed, mut misses) = (0, 0);
        let room = loop {
            let Some(candidate) = self.candidate() else {
                // Tables that became empty are freed a little later.
                break if self.passed_over || removed > 0 { Room::Later } else { Room::None };
            };
            if self.remove(&candidate) {
                removed += 1;
            } else {
                misses += 1;
            }
            if used_for_limit(self.server) <= limit {
                break Room::Enough;
            }
            if misses > MOST_MISSES || (removed % STRIDE == 0 && removed > 0 && start.elapsed() > budget) {
                break Room::Later;
            }
        };
        let threshold_ms = self.server.config.int(Directive::LatencyMonitorThreshold);
        let took_ms = start.elapsed().as_millis() as u64;
        if threshold_ms > 0 && took_ms >= threshold_ms as u64 {
            self.server.latency.add("eviction-cycle", self.now_ms / 1000, took_ms);
        }
        room
    }

    /// The key that is to go next.
    fn candidate(&mut self) -> Option<Candidate> {
        let samples = match self.policy.order {
            Order::Random => 1,
            _ => self.server.config.int(Directive::MaxmemorySamples).max(1) as usize,
        };
        self.sample(samples);
        self.scratch.eviction.candidates.pop()
    }

    /// Offers about so many keys to the pool, from a random place on; looks everywhere before it finds nothing.
    fn sample(&mut self, samples: usize) {
        let first = self.server.random() as usize % SHARDS;
        let mut seen = 0;
        for shard in (first..SHARDS).chain(0..first) {
            let Some(mut access) = self.server.keyspace.access(&[shard as u16]) else {
                self.passed_over = true;
                continue;
            };
            for db in 0..self.server.keyspace.databases() {
                let (policy, now_ms, decay) = (self.policy, self.now_ms, self.decay_minutes);
                let pool = &mut self.scratch.eviction;
                let mut offer = |hash: u64, entry: EntryRef<'_>| {
                    if let Some(score) = policy.score(entry, now_ms, decay) {
                        pool.offer(score, db, hash, entry.key());
                        seen += 1;
                    }
                    seen < samples
                };
                let shard = access.shard(shard as u16);
                if policy.volatile {
                    shard.sample_volatile(db, self.server.random(), &mut offer);
                } else if shard.len(db) > 0 {
                    shard.sample(db, self.server.random(), &mut offer);
                }
            }
            if seen >= samples {
                return;
            }
        }
    }

    /// Removes a candidate, unless it is gone or was used since it was seen.
    fn remove(&mut self, candidate: &Candidate) -> bool {
        let shard = shard_of(candidate.hash);
        let Some(access) = self.server.keyspace.access(&[shard]) else { return false };
        let mut effects = Effects::default();
        let mut cx = context(self.server, self.worker, &mut self.session, access, &mut effects, self.now_ms);
        cx.db = candidate.db;
        let score = (cx.access.shard(shard).find(candidate.db, candidate.hash, &candidate.key))
            .and_then(|entry| self.policy.score(entry, self.now_ms, self.decay_minutes));
        if score.is_none_or(|score| score < candidate.score) {
            return false;
        }
        let removed = cx.evict(&candidate.key, candidate.hash);
        cx.access.shard(shard).trim(candidate.db);
        settle(&mut cx);
        if !cx.effects.ready.is_empty() {
            crate::block::serve_ready(&mut cx, &mut self.scratch.deferred);
        }
        drop(cx);
        if !self.scratch.deferred.is_empty() {
            crate::block::serve_deferred(self.worker, self.scratch, self.server);
        }
        self.scratch.dirty += effects.dirty;
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_keeps_the_best() {
        let mut pool = Pool::default();
        for score in [5u64, 3, 9, 9, 1] {
            pool.offer(score, 0, score, &score.to_le_bytes());
        }
        let scores = |pool: &Pool| pool.candidates.iter().map(|c| c.score).collect::<Vec<_>>();
        assert_eq!(scores(&pool), [1, 3, 5, 9]);
        (100..200u64).for_each(|score| pool.offer(score, 0, score, &score.to_le_bytes()));
        assert_eq!(scores(&pool), (184..200).collect::<Vec<_>>());
        pool.offer(7, 1, 199, &199u64.to_le_bytes());
        assert_eq!(pool.candidates.len(), POOL);
    }

    #[test]
    fn tenacity_grows_from_nothing_to_without_end() {
        let budgets: Vec<_> = [0, 5, 10, 11, 50, 99, 100].map(budget).to_vec();
        assert!(budgets.is_sorted_by(|a, b| a < b));
        assert_eq!((budgets[0], budgets[2]), (Duration::ZERO, Duration::from_micros(500)));
    }
}
