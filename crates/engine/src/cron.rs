//! The regular work of one worker: expiring keys in its share of the shards.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use commands::client::Client;
use commands::cx::Cx;
use commands::effects::Effects;
use commands::server::Server;
use commands::session::Session;
use commands::stats::Counter;
use config::Directive;
use keyspace::SHARDS;

use crate::Worker;
use crate::run::{context, settle};

/// Longest time of one round of expiring.
const ROUND: Duration = Duration::from_millis(5);
/// Fields of one hash that are deleted, and journaled, at a time.
const FIELDS_STEP: usize = 128;

/// Expires keys that are due in every `workers`-th shard from the worker's own on. Replicas leave expiry to their primary,
/// a server in import mode to the tool that imports. Answers when the next may be due in the worker's share (Unix milliseconds;
/// a time that is past if there is more to do, or nothing may be done about it now).
pub fn expire_due(worker: &mut Worker, server: &Server, workers: usize) -> u64 {
    let (start, now_ms) = (Instant::now(), server.clock.unix_ms());
    let paused = server.is_paused(now_ms);
    let mut next_ms = u64::MAX;
    if server.replication.is_replica() && worker.index == 0 {
        if !paused {
            expire_local(worker, server, now_ms, start);
        }
        next_ms = server.replication.local_expires().next_ms();
    }
    let left_to_others = server.replication.is_replica() || server.config.flag(Directive::ImportMode);
    let may_expire = !left_to_others && !server.is_loading() && !paused && server.active_expire.load(Relaxed);
    for shard in (worker.index..SHARDS).step_by(workers).map(|shard| shard as u16) {
        if may_expire && server.keyspace.due_ms(shard) <= now_ms {
            if start.elapsed() > ROUND {
                return now_ms;
            }
            expire_shard(worker, server, shard, now_ms, start);
        }
        next_ms = next_ms.min(server.keyspace.due_ms(shard));
    }
    next_ms
}

/// Expires what clients wrote to a writable replica.
fn expire_local(worker: &mut Worker, server: &Server, now_ms: u64, start: Instant) {
    let Worker { index, slot, .. } = worker;
    while start.elapsed() < ROUND {
        let due = server.replication.local_expires().take_due(now_ms);
        let Some((db, key)) = due else { return };
        let hash = ds::hash::of(&key);
        let batch = server.keyspace.gate().enter(slot);
        let shards = [keyspace::shard_of(hash)];
        let Some(access) = batch.as_ref().and_then(|_| server.keyspace.access(&shards)) else {
            // Held by others: it is due again at the next round.
            return server.replication.local_expires().note(db, &key, now_ms);
        };
        let mut effects = Effects::default();
        let mut session =
            Session::new(Arc::new(Client::new(0, String::new(), String::new(), -1, Box::new(|| ()))));
        let mut cx = context(server, *index, &mut session, access, &mut effects, now_ms);
        cx.db = db;
        let at = cx.peek_expiry(&key);
        if at.is_some_and(|at| at < now_ms) {
            cx.delete_expired(&key, hash);
            cx.stats.add(Counter::ExpiredKeysActive, 1);
            settle(&mut cx);
        } else if let Some(later) = at {
            server.replication.local_expires().note(db, &key, later);
        }
    }
}

fn expire_shard(worker: &mut Worker, server: &Server, shard: u16, now_ms: u64, start: Instant) {
    let Worker { index, slot, scratch, .. } = worker;
    let Some(_batch) = server.keyspace.gate().enter(slot) else { return };
    let Some(access) = server.keyspace.access(&[shard]) else { return };
    let mut effects = Effects::default();
    let mut session =
        Session::new(Arc::new(Client::new(0, String::new(), String::new(), -1, Box::new(|| ()))));
    let mut cx = context(server, *index, &mut session, access, &mut effects, now_ms);
    for db in 0..server.keyspace.databases() {
        cx.db = db;
        let mut emptied = false;
        loop {
            let expired = cx.access.shard(shard).expired(db, now_ms);
            for (hash, key) in &expired.keys {
                cx.delete_expired(key, *hash);
                cx.stats.add(Counter::ExpiredKeysActive, 1);
                // Each on its own: these deletions are no transaction.
                settle(&mut cx);
                // Who waits for new entries of a group learns that the key is gone.
                if !cx.effects.ready.is_empty() {
                    crate::block::serve_ready(&mut cx, &mut scratch.deferred);
                    cx.db = db;
                }
            }
            emptied |= !expired.keys.is_empty();
            if !expired.more || start.elapsed() > ROUND {
                break;
            }
        }
        if emptied {
            cx.access.shard(shard).trim(db);
        }
        expire_fields(&mut cx, shard, start);
    }
    drop(cx);
    if !scratch.deferred.is_empty() {
        crate::block::serve_deferred(*index, scratch, server);
    }
    server.persistence.dirty.fetch_add(effects.dirty, Relaxed);
}

/// Deletes what is due of the fields of hashes in the current database.
fn expire_fields(cx: &mut Cx<'_>, shard: u16, start: Instant) {
    let (db, now_ms) = (cx.db, cx.now_ms);
    loop {
        let hashes = cx.access.shard(shard).with_expired_fields(db, now_ms);
        for (hash, key) in &hashes.keys {
            // However little time is left, each hash that was taken off the file is looked at, and filed again.
            loop {
                let gone = commands::hash::expire_fields(cx, key, *hash, FIELDS_STEP);
                cx.stats.add(Counter::ExpiredFieldsActive, gone as u64);
                settle(cx);
                if gone < FIELDS_STEP || start.elapsed() > ROUND {
                    break;
                }
            }
            if let Some(mut slot) = cx.access.shard(shard).find_mut(db, *hash, key, now_ms) {
                slot.file_fields();
            }
        }
        if hashes.keys.is_empty() || start.elapsed() > ROUND {
            return;
        }
    }
}
