//! Transactions: queueing, and EXEC.
//!
//! EXEC locks the shards of all queued commands and of all watched keys, looks at the marks under these locks, and runs
//! the queue; its effects enter the journal once. If a queued command needs the gate, all of it runs behind the gate.

use commands::cx::Cx;
use commands::error::{CommandError, OUT_OF_MEMORY, Result};
use commands::keys::reaches_beyond;
use commands::row::{Flags, Plan, flag};
use commands::server::Server;
use commands::session::{Queued, Session, Transaction};
use commands::table::{Found, table};
use keyspace::{Access, shard_of};
use resp::writer::Writer;

use crate::batch::Stop;
use crate::run::{Shards, account, call, context, in_order, settle, shards_of, show_to_monitors};
use crate::{Scratch, block, special};

const WITHOUT_MULTI: CommandError = CommandError::fixed("ERR EXEC without MULTI");
const ABORTED: CommandError =
    CommandError::fixed("EXECABORT Transaction discarded because of previous errors.");

/// Whether a command runs at once although a transaction is being collected.
pub fn runs_inside_multi(found: Found) -> bool {
    let special = special();
    [special.exec, special.discard, special.multi, special.watch, special.quit, special.reset]
        .contains(&found.id)
}

/// Whether any queued command makes the transaction run alone.
pub fn needs_gate(transaction: &Transaction) -> bool {
    // A command that walks the whole keyspace must not wait for shards while others of the transaction are held.
    let alone = |row: &commands::table::CommandRow| match row.plan {
        Plan::Gate | Plan::Walk => true,
        Plan::Registry => !row.flags.has(flag::PUBSUB),
        Plan::Keys | Plan::Connection => false,
    };
    !transaction.dirty
        && transaction
            .queue
            .iter()
            .any(|queued| alone(queued.row) || reaches_beyond(queued.row, &queued.argv))
}

/// The flags that any command of the transaction has, and those that all have, EXEC itself among them: what the server's
/// state forbids is decided for the whole, before it runs. Of every other command its own, as its row has them.
pub(crate) fn flags(server: &Server, session: &Session, found: Found) -> (Flags, Flags) {
    if found.id != special().exec {
        return (found.row.flags, found.row.flags);
    }
    let family = server.config.family();
    let queue = session.transaction.iter().flat_map(|transaction| &transaction.queue);
    let own = found.row.flags.of(family);
    queue
        .map(|queued| queued.row.flags.of(family))
        .fold((own, own), |(any, all), flags| (Flags(any.0 | flags.0), Flags(all.0 & flags.0)))
}

/// Queues a command.
pub fn queue(server: &Server, session: &mut Session, found: Found, argv: &[&[u8]]) -> Result {
    if found.row.flags.of(server.config.family()).has(flag::NO_MULTI) {
        return Err(commands::transactions::not_inside(server, table().full_name(found.id)));
    }
    if let Some(transaction) = &mut session.transaction {
        let argv: Vec<Vec<u8>> = argv.iter().map(|arg| arg.to_vec()).collect();
        transaction.bytes += argv.iter().map(Vec::len).sum::<usize>();
        transaction.queue.push(Queued { row: found.row, id: found.id, argv });
    }
    Ok(())
}

/// When there is no memory left: refuses a command that needs some, also where it would be queued, and a transaction
/// that holds one.
#[cold]
pub(crate) fn check_memory(server: &Server, session: &Session, found: Found) -> Result {
    let (any, _) = flags(server, session, found);
    if any.of(server.config.family()).has(flag::DENYOOM) { Err(OUT_OF_MEMORY) } else { Ok(()) }
}

/// EXEC. [`Stop::Busy`] leaves everything as it was, to be tried again.
pub(crate) fn exec(
    server: &Server,
    worker: usize,
    scratch: &mut Scratch,
    session: &mut Session,
    found: Found,
    now_ms: u64,
    out: &mut Writer,
) -> Result<Stop> {
    let refusal = match &session.transaction {
        None => Some(WITHOUT_MULTI),
        Some(transaction) => transaction.dirty.then_some(ABORTED),
    };
    if let Some(error) = refusal {
        if session.transaction.take().is_some() {
            commands::transactions::unwatch_all(server, session);
        }
        session.publish();
        // A call that failed, not one that was refused.
        crate::run::fail(server, &server.workers[worker], found, &error);
        out.error(&error.0);
        account(server, worker, session, found, &[b"EXEC"], 0, &mut scratch.clock_us);
        return Ok(Stop::Done);
    }
    let Some(transaction) = session.transaction.take() else { return Err(WITHOUT_MULTI) };
    let alone = needs_gate(&transaction);
    let mut effects = std::mem::take(&mut scratch.effects);
    let access = match lock(server, session, &transaction, alone) {
        Some(access) => access,
        None => {
            session.transaction = Some(transaction);
            scratch.effects = effects;
            return Ok(Stop::Busy);
        }
    };
    let mut cx = context(server, worker, session, access, &mut effects, now_ms);
    cx.may_block = false;
    let changed = watched_changed(&mut cx);
    // Before the queue runs: an UNWATCH in it finds nothing to do.
    drop_watches(&mut cx);
    if changed {
        out.null_array();
    } else {
        run_queue(&mut cx, &transaction, out, &mut scratch.clock_us);
    }
    settle(&mut cx);
    if !cx.effects.ready.is_empty() {
        block::serve_ready(&mut cx, &mut scratch.deferred);
    }
    drop(cx);
    scratch.dirty += effects.dirty;
    effects.clear();
    scratch.effects = effects;
    account(server, worker, session, found, &[b"EXEC"], 0, &mut scratch.clock_us);
    session.publish();
    Ok(Stop::Done)
}

/// An EXEC that may not run ends its transaction; answers what it is told.
pub(crate) fn abort(server: &Server, session: &mut Session, error: &CommandError) -> CommandError {
    session.transaction = None;
    // Also where there was none, as the peers do.
    commands::transactions::unwatch_all(server, session);
    session.publish();
    if error.code() == crate::admit::REDIRECT.as_bytes() {
        return CommandError::new(String::from_utf8_lossy(&error.0).into_owned());
    }
    let text = String::from_utf8_lossy(&error.0);
    let text = text.strip_prefix("ERR ").unwrap_or(&text);
    CommandError::new(format!("EXECABORT Transaction discarded because of: {text}"))
}

/// Locks what the queue and the watches name.
fn lock<'s>(
    server: &'s Server,
    session: &Session,
    transaction: &Transaction,
    alone: bool,
) -> Option<Access<'s>> {
    if alone {
        return Some(server.keyspace.access_all());
    }
    let mut shards = Shards::new();
    transaction.queue.iter().for_each(|queued| shards_of(queued.row, &queued.argv, &mut shards));
    shards.extend(session.watched.iter().map(|(_, key)| shard_of(ds::hash::of(key))));
    in_order(&mut shards);
    server.keyspace.access(&shards)
}

fn run_queue(cx: &mut Cx<'_>, transaction: &Transaction, out: &mut Writer, clock_us: &mut u64) {
    out.array(transaction.queue.len());
    for queued in &transaction.queue {
        let found = Found { row: queued.row, id: queued.id };
        let argv: Vec<&[u8]> = queued.argv.iter().map(|arg| &arg[..]).collect();
        cx.db = cx.session.db;
        let before = out.len();
        call(cx, found, &argv, out);
        show_to_monitors(cx.server, cx.session, found, &argv);
        account(cx.server, cx.worker, cx.session, found, &argv, out.len() - before, clock_us);
    }
}

/// Whether a watched key was changed, or has expired since it was watched.
fn watched_changed(cx: &mut Cx<'_>) -> bool {
    if cx.session.watch_mark.is_touched() {
        return true;
    }
    let watched = cx.session.watched.clone();
    watched.into_iter().any(|(db, key)| {
        let hash = ds::hash::of(&key);
        let now_ms = cx.now_ms;
        let shard = cx.access.shard(shard_of(hash));
        let entry = shard.find(db, hash, &key);
        entry.is_some_and(|entry| entry.expire_ms().is_some_and(|at| now_ms > at))
            && !shard.watches.saw_expired(db, &key, &cx.session.watch_mark)
    })
}

/// Takes the client's watches off; their shards are held.
fn drop_watches(cx: &mut Cx<'_>) {
    for (db, key) in cx.session.take_watched() {
        let mark = cx.session.watch_mark.clone();
        cx.access.shard(shard_of(ds::hash::of(&key))).watches.remove(db, &key, &mark);
    }
    cx.session.watch_mark = Default::default();
}
