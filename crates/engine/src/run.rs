//! Running one command: lock what its plan names, call the handler, settle the effects.

use std::sync::atomic::Ordering::Relaxed;

use commands::cx::Cx;
use commands::effects::Effects;
use commands::error::CommandError;
use commands::keys::fitting_keys;
use commands::pubsub::over_limit;
use commands::row::flag;
use commands::server::Server;
use commands::session::Session;
use commands::stats::{Counter, bump};
use commands::table::{CommandRow, Found};
use config::{Directive, Events};
use keyspace::{Access, shard_of};
use resp::writer::Writer;
use smallvec::SmallVec;

/// The shards of some keys, ascending, each once.
pub type Shards = SmallVec<[u16; 4]>;

/// The hashes of a command's keys, in their order. Arguments that fit no key spec name no keys: the handler answers with
/// the error.
pub fn hashes_of<A: AsRef<[u8]>>(row: &CommandRow, argv: &[A]) -> SmallVec<[u64; 16]> {
    let keys = fitting_keys(row, argv);
    keys.iter().map(|key| ds::hash::of(argv[key.index as usize].as_ref())).collect()
}

/// Adds the shards of a command's keys.
pub fn shards_of<A: AsRef<[u8]>>(row: &CommandRow, argv: &[A], into: &mut Shards) {
    into.extend(hashes_of(row, argv).into_iter().map(shard_of));
}

/// Makes a list of shards fit for [`keyspace::Keyspace::access`].
pub fn in_order(shards: &mut Shards) {
    if shards.len() > 1 {
        shards.sort_unstable();
        shards.dedup();
    }
}

/// Calls a command's handler and writes its reply or its error; collects what the journal will get. The locks are held.
/// Answers whether it succeeded.
pub fn call(cx: &mut Cx<'_>, found: Found, argv: &[&[u8]], out: &mut Writer) -> bool {
    let before = (out.len(), cx.effects.dirty, cx.db);
    cx.effects.explicit = false;
    let result = match found.row.run {
        Some(handler) => handler(cx, argv, out),
        None => Err(commands::error::wrong_arity(found.row.name)),
    };
    if let Err(error) = &result {
        out.truncate(before.0);
        fail(cx.server, cx.stats, found, error);
        out.error(&error.0);
    }
    let changed = cx.effects.dirty > before.1;
    if changed && cx.server.replication.is_replica() && !cx.session.is_primary_link {
        note_local_expires(cx, before.2, found, argv);
    }
    if changed && !cx.effects.explicit && cx.server.journal.is_recording() {
        cx.effects.unit.push(before.2, argv);
    }
    result.is_ok()
}

/// A client has changed keys of a writable replica: those with an expiry are this server's to expire.
#[cold]
fn note_local_expires(cx: &mut Cx<'_>, db: usize, found: Found, argv: &[&[u8]]) {
    for key in fitting_keys(found.row, argv).iter() {
        let key = argv[key.index as usize];
        let at = cx.with_db(db, |cx| cx.peek_expiry(key));
        if let Some(at) = at {
            cx.server.replication.local_expires().note(db, key, at);
        }
    }
}

/// Counts an error reply of a command that ran.
pub(crate) fn fail(
    server: &Server,
    stats: &commands::stats::WorkerStats,
    found: Found,
    error: &CommandError,
) {
    stats.add(Counter::ErrorReplies, 1);
    bump(&stats.rows[usize::from(found.id)].failed, 1);
    server.errors.count(error.code());
}

/// Settles what the commands of a unit did, while the locks are still held: the journal, keyspace events. Answers the
/// journal position that replies depend on.
pub fn settle(cx: &mut Cx<'_>) -> u64 {
    let Effects { unit, events, .. } = &mut *cx.effects;
    let mut position = cx.session.last_write;
    if !unit.is_empty() {
        // The primary's own bytes are relayed as they came; what others change on a replica is nobody else's.
        if !cx.server.replication.is_replica() {
            position = cx.server.journal.append(unit);
            cx.session.last_write = position;
        }
        unit.clear();
    }
    if cx.session.is_primary_link && cx.session.transaction.is_none() && !cx.session.relay.is_empty() {
        let relay = std::mem::take(&mut cx.session.relay);
        cx.server.journal.append_raw(&relay);
        cx.server.replication.stream_db.store(cx.session.db, Relaxed);
    }
    if !events.is_empty() {
        let events = std::mem::take(events);
        publish_events(cx.server, &events);
    }
    position
}

fn publish_events(server: &Server, events: &[(Events, &'static str, usize, Vec<u8>)]) {
    let wanted = server.events();
    for (class, event, db, key) in events {
        if !wanted.has(class.0) {
            continue;
        }
        let publish = |channel: &[u8], message: &[u8]| {
            server
                .channels
                .publish(false, channel, message, |client, bytes| over_limit(server, client, bytes));
        };
        if wanted.has(Events::KEYSPACE) {
            publish(&[format!("__keyspace@{db}__:").as_bytes(), key].concat(), event.as_bytes());
        }
        if wanted.has(Events::KEYEVENT) {
            publish(format!("__keyevent@{db}__:{event}").as_bytes(), key);
        }
    }
}

/// A handler's surroundings.
pub fn context<'a>(
    server: &'a Server,
    worker: usize,
    session: &'a mut Session,
    access: Access<'a>,
    effects: &'a mut Effects,
    now_ms: u64,
) -> Cx<'a> {
    Cx {
        db: session.db,
        server,
        session,
        access,
        effects,
        stats: &server.workers[worker],
        worker,
        now_ms,
        may_block: true,
        block: None,
        planned_hash: (0, 0, 0),
    }
}

/// Counts a call that has just ended; `clock_us` is when the command before ended, and moves on.
pub fn account(
    server: &Server,
    worker: usize,
    session: &Session,
    found: Found,
    argv: &[&[u8]],
    reply_bytes: usize,
    clock_us: &mut u64,
) {
    let usec = lap(clock_us);
    tally(server, worker, session, found, argv, reply_bytes, usec);
}

/// Microseconds since the command before ended.
pub fn lap(clock_us: &mut u64) -> u64 {
    let now_us = sys::ticks::micros();
    now_us.saturating_sub(std::mem::replace(clock_us, now_us))
}

/// Counts a call and notes it in the logs of slow and of large commands.
pub fn tally(
    server: &Server,
    worker: usize,
    session: &Session,
    found: Found,
    argv: &[&[u8]],
    reply_bytes: usize,
    usec: u64,
) {
    let stats = &server.workers[worker];
    stats.add(Counter::Commands, 1);
    let row = &stats.rows[usize::from(found.id)];
    bump(&row.calls, 1);
    bump(&row.usec, usec);
    let thresholds = &server.thresholds;
    if thresholds.tracks_latency() {
        row.latency.record(usec);
    }
    if thresholds.is_late(usec) {
        let event = if found.row.flags.has(flag::FAST) { "fast-command" } else { "command" };
        server.latency.add(event, server.clock.unix_ms() / 1000, usec / 1000);
    }
    if server.hot_keys.is_active() {
        count_keys(server, worker, found, argv, reply_bytes, usec);
    }
    if found.row.flags.has(flag::SKIP_COMMANDLOG) {
        return;
    }
    if thresholds.is_slow(usec) {
        note(&server.slow_log, Directive::SlowlogMaxLen, server, session, found, argv, usec);
    }
    let request_bytes: usize = argv.iter().map(|arg| arg.len() + ARGUMENT_BYTES).sum();
    if thresholds.is_large_request(request_bytes as u64) {
        let (log, most) = (&server.large_requests, Directive::CommandlogLargeRequestMaxLen);
        note(log, most, server, session, found, argv, request_bytes as u64);
    }
    if thresholds.is_large_reply(reply_bytes as u64) {
        let (log, most) = (&server.large_replies, Directive::CommandlogLargeReplyMaxLen);
        note(log, most, server, session, found, argv, reply_bytes as u64);
    }
}

/// What the protocol adds to an argument, roughly.
const ARGUMENT_BYTES: usize = 6;

/// Counts a call for the keys that it names.
#[cold]
fn count_keys(server: &Server, worker: usize, found: Found, argv: &[&[u8]], reply_bytes: usize, usec: u64) {
    let keys: SmallVec<[&[u8]; 4]> =
        fitting_keys(found.row, argv).iter().map(|key| argv[key.index as usize]).collect();
    let bytes = resp::reply::encoded_len(argv) + reply_bytes;
    server.hot_keys.record(worker, keys.into_iter(), usec, bytes as u64, server.clock.unix_ms());
}

#[cold]
fn note(
    log: &commands::slowlog::SlowLog,
    most: Directive,
    server: &Server,
    session: &Session,
    found: Found,
    argv: &[&[u8]],
    value: u64,
) {
    let most = server.config.int(most).max(0) as usize;
    let name = session.client.details().name.clone();
    log.push(value, &commands::redact::shown(found, argv), &session.client.address, &name, most);
}

/// Shows a command that has run to those who MONITOR, with the database that its client is in now: what the real servers
/// show of SELECT is the new one.
#[inline]
pub fn show_to_monitors(server: &Server, session: &Session, found: Found, argv: &[&[u8]]) {
    if server.monitor_count.load(Relaxed) > 0 && !found.row.flags.has(flag::SKIP_MONITOR | flag::ADMIN) {
        monitor(server, session, found, argv);
    }
}

#[cold]
fn monitor(server: &Server, session: &Session, found: Found, argv: &[&[u8]]) {
    let now_us = server.clock.unix_us();
    let address = session.client.shown_address();
    let mut line =
        format!("+{}.{:06} [{} {address}]", now_us / 1_000_000, now_us % 1_000_000, session.db).into_bytes();
    for arg in commands::redact::shown(found, argv).iter() {
        line.push(b' ');
        resp::inline::quote_into(arg, &mut line);
    }
    line.extend_from_slice(b"\r\n");
    let line = resp::writer::Chunk::Shared(std::sync::Arc::new(line));
    let monitors = server.monitors.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for client in monitors.iter() {
        client.deliver(&line);
    }
}
