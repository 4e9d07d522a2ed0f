//! The regular work of one worker: expiring keys in its share of the shards.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use commands::client::Client;
use commands::effects::Effects;
use commands::server::Server;
use commands::session::Session;
use keyspace::SHARDS;

use crate::Worker;
use crate::run::{context, settle};

/// Longest time of one round of expiring.
const ROUND: Duration = Duration::from_millis(5);

/// Expires keys that are due in every `workers`-th shard from the worker's own on. Replicas leave expiry to their primary.
pub fn expire_due(worker: &mut Worker, server: &Server, workers: usize) {
    if server.replication.is_replica() || server.is_loading() || !server.active_expire.load(Relaxed) {
        return;
    }
    let (start, now_ms) = (Instant::now(), sys::os::unix_ms());
    for shard in (worker.index..SHARDS).step_by(workers) {
        if server.keyspace.due_ms(shard as u16) <= now_ms {
            expire_shard(worker, server, shard as u16, now_ms, start);
        }
        if start.elapsed() > ROUND {
            return;
        }
    }
}

fn expire_shard(worker: &mut Worker, server: &Server, shard: u16, now_ms: u64, start: Instant) {
    let Worker { index, slot, scratch } = worker;
    let Some(_batch) = server.keyspace.gate().enter(slot) else { return };
    let Some(access) = server.keyspace.access(&[shard]) else { return };
    let mut effects = Effects::default();
    let mut session =
        Session::new(Arc::new(Client::new(0, String::new(), String::new(), -1, Box::new(|| ()))));
    let mut cx = context(server, *index, &mut session, access, &mut effects, now_ms);
    for db in 0..server.keyspace.databases() {
        cx.db = db;
        loop {
            let expired = cx.access.shard(shard).expired(db, now_ms);
            for (hash, key) in &expired.keys {
                cx.delete_expired(key, *hash);
                // Each on its own: these deletions are no transaction.
                settle(&mut cx);
                // Who waits for new entries of a group learns that the key is gone.
                if !cx.effects.ready.is_empty() {
                    crate::block::serve_ready(&mut cx, &mut scratch.deferred);
                    cx.db = db;
                }
            }
            if !expired.more || start.elapsed() > ROUND {
                break;
            }
        }
    }
    drop(cx);
    if !scratch.deferred.is_empty() {
        crate::block::serve_deferred(*index, scratch, server);
    }
    server.persistence.dirty.fetch_add(effects.dirty, Relaxed);
}
