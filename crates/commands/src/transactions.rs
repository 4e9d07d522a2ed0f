//! MULTI, DISCARD, WATCH, UNWATCH. EXEC itself is the engine's.

use config::Family;
use keyspace::shard_of;
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::row::{Plan, acl, flag::*, key::*};
use crate::server::Server;
use crate::session::{Session, Transaction};
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new("discard", 1, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, acl::TRANSACTION, &[], discard)
        .plan(Plan::Connection),
    Row::new("exec", 1, NOSCRIPT | LOADING | STALE | SKIP_COMMANDLOG, acl::TRANSACTION, &[], exec)
        .plan(Plan::Connection),
    Row::new(
        "multi",
        1,
        NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | NO_MULTI_IN_VALKEY,
        acl::TRANSACTION,
        &[],
        multi,
    )
    .plan(Plan::Connection),
    Row::new("unwatch", 1, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, acl::TRANSACTION, &[], unwatch)
        .plan(Plan::Connection),
    Row::new(
        "watch",
        -2,
        NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | NO_MULTI_IN_VALKEY,
        acl::TRANSACTION,
        &[range(1, -1, 1, RO)],
        watch,
    ),
];

/// The refusal of a command that may not be queued.
pub fn not_inside(server: &Server, name: &str) -> CommandError {
    match server.config.family() {
        Family::Redis => CommandError::fixed("ERR Command not allowed inside a transaction"),
        Family::Valkey => CommandError::new(format!("ERR Command '{name}' not allowed inside a transaction")),
    }
}

/// Refuses MULTI and WATCH inside a transaction: with Valkey like other commands that may not be queued, which spoils the
/// transaction; Redis has words of its own and lets it run on.
fn only_outside(cx: &mut Cx<'_>, name: &str, in_redis: &'static str) -> Result {
    let Some(transaction) = &mut cx.session.transaction else { return Ok(()) };
    match cx.server.config.family() {
        Family::Redis => Err(CommandError::fixed(in_redis)),
        Family::Valkey => {
            transaction.dirty = true;
            Err(not_inside(cx.server, name))
        }
    }
}

fn multi(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    only_outside(cx, "multi", "ERR MULTI calls can not be nested")?;
    cx.session.transaction = Some(Transaction::default());
    out.ok();
    Ok(())
}

/// Reached only outside a transaction that the engine could run.
fn exec(_: &mut Cx<'_>, _: &[&[u8]], _: &mut Writer) -> Result {
    Err(CommandError::fixed("ERR EXEC without MULTI"))
}

fn discard(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    if cx.session.transaction.take().is_none() {
        return Err(CommandError::fixed("ERR DISCARD without MULTI"));
    }
    unwatch_all(cx.server, cx.session);
    out.ok();
    Ok(())
}

fn watch(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    only_outside(cx, "watch", "ERR WATCH inside MULTI is not allowed")?;
    for key in &argv[1..] {
        let at = (cx.db, key.to_vec());
        if cx.session.watched.contains(&at) {
            continue;
        }
        let (db, hash, now_ms) = (cx.db, cx.hash(key), cx.now_ms);
        let mark = cx.session.watch_mark.clone();
        let shard = cx.access.shard(shard_of(hash));
        // A key that had expired before does not fail the transaction by being gone.
        let expired =
            shard.find(db, hash, key).is_some_and(|entry| entry.expire_ms().is_some_and(|at| now_ms > at));
        shard.watch(db, key, mark, expired);
        cx.session.watched.push(at);
        cx.session.name_bytes += key.len();
    }
    cx.session.publish();
    out.ok();
    Ok(())
}

fn unwatch(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    unwatch_all(cx.server, cx.session);
    out.ok();
    Ok(())
}

/// Takes all watches of a connection off. The caller holds no shard.
pub fn unwatch_all(server: &Server, session: &mut Session) {
    for (db, key) in session.take_watched() {
        server.keyspace.lock(shard_of(ds::hash::of(&key))).watches.remove(db, &key, &session.watch_mark);
    }
    session.watch_mark = Default::default();
}
