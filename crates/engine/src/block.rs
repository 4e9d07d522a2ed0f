//! Parking clients that wait for keys, and serving them.
//!
//! A client that waits stands in the queue of each of its keys. Whoever makes a key ready serves its queue, oldest
//! first, before its own reply leaves: under its own locks if they are enough, else, for commands that name other keys
//! (BLMOVE), right after letting go, with the locks of all their keys, and so on for the keys that these make ready.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use commands::block::{BlockRequest, BlockedRequest, TimeoutReply};
use commands::cx::Cx;
use commands::effects::Effects;
use commands::error::CommandError;
use commands::keys::keys_of;
use commands::row::acl;
use commands::server::Server;
use commands::session::{Blocked, BlockedCommand, Session};
use commands::stats::{Counter, bump};
use commands::table::{Found, table};
use ds::entry::Kind;
use keyspace::shard_of;
use keyspace::wait::Waiter;
use resp::writer::Writer;

use crate::run::{Shards, call, context, in_order, settle, shards_of, tally};
use crate::{Scratch, Worker};

/// A key that is ready for a client whose command needs more locks.
pub(crate) struct Deferred {
    db: usize,
    key: Vec<u8>,
}

/// How a wait ends that nobody served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Timeout,
    /// CLIENT UNBLOCK id ERROR.
    Unblocked,
    /// The role changed, or the server pauses.
    Forced,
    /// The process does not end after all.
    NoShutdown,
    /// The connection ended.
    Gone,
}

/// Parks the client of `cx`; its keys' shards are held.
pub fn park(cx: &mut Cx<'_>, request: BlockRequest, found: Found, argv: &[&[u8]]) {
    let keys: Vec<Vec<u8>> = request.keys.iter().map(|(key, _)| key.clone()).collect();
    let deadline_us = (request.timeout_ms > 0)
        .then(|| cx.server.clock.monotonic_us().saturating_add(request.timeout_ms.saturating_mul(1000)));
    let command = BlockedCommand { found, argv: argv.iter().map(|arg| arg.to_vec()).collect(), usec: 0 };
    // The name of each key stands in the session, in the request and in the shard's queue.
    let to_serve =
        request.keys.iter().map(|(_, argv)| argv.iter().map(Vec::len).sum::<usize>()).sum::<usize>();
    let bytes = command.argv_bytes() + to_serve + keys.iter().map(|key| key.len() * 3).sum::<usize>();
    let blocked = BlockedRequest {
        client: cx.session.client.clone(),
        db: cx.db,
        resp3: cx.session.resp3,
        retry_us: AtomicU64::new(retry_at_us(cx.server, request.retry_ms)),
        keys: request.keys,
        outcome: std::sync::Mutex::new(None),
    };
    let waiter = Waiter::new(cx.session.client.id, request.unblock_on_delete, Box::new(blocked));
    let db = cx.db;
    for key in &keys {
        cx.access.shard(shard_of(ds::hash::of(key))).wait_for(db, key, waiter.clone());
    }
    cx.session.client.unblock.store(0, Relaxed);
    cx.server.blocked_clients.fetch_add(1, Relaxed);
    cx.server.timed_clients.fetch_add(i64::from(deadline_us.is_some()), Relaxed);
    cx.session.blocked = Some(Blocked {
        waiter,
        db,
        keys,
        bytes,
        deadline_us,
        replicas: request.replicas,
        on_timeout: request.on_timeout,
        command,
    });
    if let Some(mode) = request.shutdown {
        let mut waiting = cx.server.awaiting_end.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        waiting.push(cx.session.client.clone());
        drop(waiting);
        cx.server.shell().shutdown(mode);
    }
}

fn retry_at_us(server: &Server, retry_ms: Option<u64>) -> u64 {
    retry_ms.map_or(u64::MAX, |ms| server.clock.monotonic_us().saturating_add(ms.saturating_mul(1000)))
}

/// When the client's command is to be tried again by [`retry`], in monotonic microseconds.
pub fn retry_us(session: &Session) -> Option<u64> {
    let blocked = session.blocked.as_ref()?;
    let request: &BlockedRequest = blocked.waiter.request.downcast_ref()?;
    Some(request.retry_us.load(Relaxed)).filter(|at| *at < u64::MAX)
}

/// Tries the command of a client that waits for time to pass, not only for keys.
fn retry(worker: &mut Worker, server: &Server, session: &Session) {
    /// If the gate is closed, or the key is gone for now.
    const LATER_MS: u64 = 20;
    let Some(blocked) = session.blocked.as_ref() else { return };
    request_of(&blocked.waiter).retry_us.store(retry_at_us(server, Some(LATER_MS)), Relaxed);
    let Worker { index, slot, scratch, .. } = worker;
    let Some(_batch) = server.keyspace.gate().enter(slot) else { return };
    for key in &blocked.keys {
        scratch.deferred.push(Deferred { db: blocked.db, key: key.clone() });
        serve_deferred(*index, scratch, server);
    }
    server.persistence.dirty.fetch_add(std::mem::take(&mut scratch.dirty), Relaxed);
    server.journal.wake_readers();
}

fn request_of(waiter: &Waiter) -> &BlockedRequest {
    waiter.request.downcast_ref().expect("invariant: waiters are made by `park`")
}

/// Serves those who wait for keys that became ready; the ready keys' shards are held. Serving may make more keys ready.
pub(crate) fn serve_ready(cx: &mut Cx<'_>, deferred: &mut Vec<Deferred>) {
    if !cx.effects.ready.is_empty() {
        // A slow transaction may have made a key that is expired by now: it serves nobody.
        cx.now_ms = cx.now_ms.max(cx.server.clock.unix_ms());
    }
    while !cx.effects.ready.is_empty() {
        let ready = std::mem::take(&mut cx.effects.ready);
        for (db, key) in ready {
            serve_key(cx, db, &key, deferred);
        }
    }
}

fn serve_key(cx: &mut Cx<'_>, db: usize, key: &[u8], deferred: &mut Vec<Deferred>) {
    let shard = shard_of(ds::hash::of(key));
    let mut place = 0;
    while let Some(waiter) = cx.access.shard(shard).queues.waiter(db, key, place) {
        place += 1;
        let kind = cx.with_db(db, |cx| cx.peek(key).map(|entry| entry.kind()));
        if kind.is_none() && !cx.access.shard(shard).queues.wants_deletion(db, key) {
            return;
        }
        let Some(argv) = request_of(&waiter).argv_for(key) else { continue };
        let Some(found) = table().find(&argv[0]) else { continue };
        // A key of another type serves nobody who does not ask about deletions.
        if !waiter.on_delete && kind != Some(kind_for(found)) {
            continue;
        }
        if !holds_all(cx, found, argv) {
            deferred.push(Deferred { db, key: key.to_vec() });
            return;
        }
        if waiter.claim() && !serve_one(cx, &waiter, found, argv) {
            waiter.unclaim();
            continue;
        }
        // Settled: the next one moves up.
        place -= 1;
    }
}

/// The type that a blocking command waits for.
fn kind_for(found: Found) -> Kind {
    let categories = found.row.acl;
    match () {
        () if categories.has(acl::LIST) => Kind::List,
        () if categories.has(acl::SORTEDSET) => Kind::Zset,
        () => Kind::Stream,
    }
}

fn holds_all(cx: &Cx<'_>, found: Found, argv: &[Vec<u8>]) -> bool {
    keys_of(found.row, argv).is_ok_and(|keys| {
        keys.iter().all(|key| cx.access.holds(shard_of(ds::hash::of(&argv[key.index as usize]))))
    })
}

/// Runs a waiter's command in its client's place; false if it would wait again.
fn serve_one(cx: &mut Cx<'_>, waiter: &Arc<Waiter>, found: Found, argv: &[Vec<u8>]) -> bool {
    let request = request_of(waiter);
    let mut session = Session::new(request.client.clone());
    (session.db, session.resp3, session.authenticated) = (request.db, request.resp3, true);
    let mut out = Writer::new(request.resp3);
    let argv: Vec<&[u8]> = argv.iter().map(|arg| &arg[..]).collect();
    let position = cx.in_place_of(&mut session, |cx| {
        call(cx, found, &argv, &mut out);
        if let Some(again) = cx.block.take() {
            request.retry_us.store(retry_at_us(cx.server, again.retry_ms), Relaxed);
            return None;
        }
        Some(settle(cx))
    });
    let Some(position) = position else { return false };
    request.put_outcome(out, position);
    waiter.settle();
    request.client.wake();
    true
}

/// Serves clients whose commands needed more locks than the one that made their key ready had. The caller holds no
/// shard, but is inside a batch or behind the gate.
pub(crate) fn serve_deferred(worker: usize, scratch: &mut Scratch, server: &Server) {
    let mut deferred = VecDeque::from(std::mem::take(&mut scratch.deferred));
    while let Some(Deferred { db, key }) = deferred.pop_front() {
        let argvs: Vec<Vec<Vec<u8>>> = {
            let mut shard = server.keyspace.lock(shard_of(ds::hash::of(&key)));
            let waiting = shard.queues.waiting(db, &key);
            waiting.iter().filter_map(|waiter| request_of(waiter).argv_for(&key).map(<[_]>::to_vec)).collect()
        };
        let mut shards = Shards::from_slice(&[shard_of(ds::hash::of(&key))]);
        for argv in &argvs {
            if let Some(found) = table().find(&argv[0]) {
                shards_of(found.row, argv, &mut shards);
            }
        }
        in_order(&mut shards);
        deferred.extend(serve_under(worker, scratch, server, db, key, &shards));
    }
}

/// Answers the keys that need still more locks.
fn serve_under(
    worker: usize,
    scratch: &mut Scratch,
    server: &Server,
    db: usize,
    key: Vec<u8>,
    shards: &[u16],
) -> Vec<Deferred> {
    let access = loop {
        match server.keyspace.access(shards) {
            Some(access) => break access,
            None => std::thread::yield_now(),
        }
    };
    let mut effects = Effects::default();
    let client =
        Arc::new(commands::client::Client::new(0, String::new(), String::new(), -1, Box::new(|| ())));
    let mut session = Session::new(client);
    session.db = db;
    let mut cx = context(server, worker, &mut session, access, &mut effects, server.clock.unix_ms());
    cx.effects.ready.push((db, key.clone()));
    // A client that came to the queue meanwhile may need still other locks: it is left for the next round.
    let mut later = Vec::new();
    serve_ready(&mut cx, &mut later);
    drop(cx);
    scratch.dirty += effects.dirty;
    later
}

/// Looks whether the wait of a client is over: it was served or unblocked, has waited long enough, or enough replicas have
/// acknowledged. Answers the reply and its journal position.
pub fn look(worker: &mut Worker, server: &Server, session: &mut Session) -> Option<(Writer, u64)> {
    let wanted = session.blocked.as_ref()?.replicas;
    let enough = wanted.is_some_and(|wanted| server.replication.acknowledged(session.last_write) >= wanted);
    if wanted.is_some() && !enough {
        let waiting = &server.replication.waiting;
        waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(session.client.clone());
    }
    let at_us = server.clock.monotonic_us();
    if retry_us(session).is_some_and(|retry| at_us >= retry) {
        retry(worker, server, session);
    }
    let deadline_us = session.blocked.as_ref()?.deadline_us;
    let end = match session.client.unblock.swap(0, Relaxed) {
        1 => End::Timeout,
        2 => End::Unblocked,
        3 => End::Forced,
        4 => End::NoShutdown,
        _ if enough || deadline_us.is_some_and(|deadline| at_us >= deadline) => End::Timeout,
        _ => return take_outcome(server, worker.index, session),
    };
    end_wait(server, worker.index, session, end)
}

/// Ends a wait, unless somebody has served it meanwhile. Answers the reply and its journal position; `None` if the client
/// waits for nothing.
pub fn end_wait(server: &Server, worker: usize, session: &mut Session, end: End) -> Option<(Writer, u64)> {
    let blocked = session.blocked.as_ref()?;
    if !blocked.waiter.claim() {
        let outcome = request_of(&blocked.waiter).take_outcome();
        if let Some((reply, _)) = &outcome {
            count(server, worker, session, reply.len());
        }
        leave(server, session);
        return outcome;
    }
    blocked.waiter.settle();
    let mut out = Writer::new(session.resp3);
    match (end, blocked.on_timeout) {
        (End::Timeout, TimeoutReply::Null) => out.null(),
        (End::Timeout, TimeoutReply::NullArray) => out.null_array(),
        (End::Timeout, TimeoutReply::Acknowledged) => {
            out.int(server.replication.acknowledged(session.last_write) as i64);
        }
        (End::Timeout, TimeoutReply::Synced) => commands::block::reply_synced(&mut out),
        (End::Timeout, TimeoutReply::Never) => {}
        (End::NoShutdown, _) => refuse(server, worker, session, &NO_SHUTDOWN, &mut out),
        (End::Unblocked, _) => refuse(server, worker, session, &UNBLOCKED, &mut out),
        (End::Forced, _) => refuse(server, worker, session, &FORCED, &mut out),
        (End::Gone, _) => {}
    }
    if end != End::Gone {
        count(server, worker, session, out.len());
    }
    leave(server, session);
    Some((out, 0))
}

const UNBLOCKED: CommandError = CommandError::fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK");
const FORCED: CommandError = CommandError::fixed(
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
);

const NO_SHUTDOWN: CommandError = CommandError::fixed("ERR Errors trying to SHUTDOWN. Check logs.");

/// The reply of whoever served the client, if somebody has.
fn take_outcome(server: &Server, worker: usize, session: &mut Session) -> Option<(Writer, u64)> {
    let waiter = &session.blocked.as_ref()?.waiter;
    let outcome = if waiter.is_settled() { request_of(waiter).take_outcome()? } else { return None };
    count(server, worker, session, outcome.0.len());
    leave(server, session);
    Some(outcome)
}

/// The command of a client whose wait ends with an error, which counts as a refusal.
fn refuse(server: &Server, worker: usize, session: &Session, error: &CommandError, out: &mut Writer) {
    let stats = &server.workers[worker];
    stats.add(Counter::ErrorReplies, 1);
    server.errors.count(error.code());
    if let Some(blocked) = &session.blocked {
        bump(&stats.rows[usize::from(blocked.command.found.id)].rejected, 1);
    }
    out.error(&error.0);
}

/// Counts the command of a client whose wait is over.
fn count(server: &Server, worker: usize, session: &Session, reply_bytes: usize) {
    let Some(blocked) = &session.blocked else { return };
    let BlockedCommand { found, argv, usec } = &blocked.command;
    let argv: Vec<&[u8]> = argv.iter().map(|arg| &arg[..]).collect();
    tally(server, worker, session, *found, &argv, reply_bytes, *usec);
    bump(&session.client.commands, 1);
}

/// Takes the client out of all queues.
fn leave(server: &Server, session: &mut Session) {
    let Some(blocked) = session.blocked.take() else { return };
    for key in &blocked.keys {
        let mut shard = server.keyspace.lock(shard_of(ds::hash::of(key)));
        shard.queues.remove(blocked.db, key, &blocked.waiter);
    }
    server.blocked_clients.fetch_sub(1, Relaxed);
    server.timed_clients.fetch_sub(i64::from(blocked.deadline_us.is_some()), Relaxed);
    session.publish();
}
