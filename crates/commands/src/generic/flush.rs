//! Whole databases: FLUSHDB, FLUSHALL, SWAPDB. All run alone.

use std::sync::atomic::Ordering::Relaxed;

use config::Directive;
use keyspace::wait::Presence;
use resp::writer::Writer;

use crate::args::int_or;
use crate::cx::Cx;
use crate::error::{CommandError, DB_OUT_OF_RANGE, Result, SYNTAX};
use crate::eviction::Garbage;

/// Whether the memory is to be freed elsewhere.
fn lazy(cx: &Cx<'_>, argv: &[&[u8]]) -> Result<bool> {
    match argv {
        [_] => Ok(cx.server.config.flag(Directive::LazyfreeLazyUserFlush)),
        [_, word] if word.eq_ignore_ascii_case(b"ASYNC") => Ok(true),
        [_, word] if word.eq_ignore_ascii_case(b"SYNC") => Ok(false),
        _ => Err(SYNTAX),
    }
}

/// Empties a database. Answers how many keys there were.
fn empty(cx: &mut Cx<'_>, db: usize, attended: &[u16], lazy: bool) -> usize {
    tell_watchers(cx, db, None, attended);
    let tables = cx.access.take_database(db);
    let keys = tables.iter().map(|table| table.len()).sum::<usize>();
    let garbage = cx.server.keyspace.hand_to_snapshot(tables);
    match cx.server.shell.get() {
        Some(shell) if lazy && !garbage.is_empty() => {
            // Nobody evicts while this runs alone, and afterwards the estimate would only be in the way.
            let garbage = Garbage::new(garbage, keys as u64, 0, &cx.server.eviction.lazy);
            shell.free_later(Box::new(garbage));
        }
        _ => drop(garbage),
    }
    wake_waiting(cx, db, attended);
    keys
}

pub(super) fn flushdb(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let lazy = lazy(cx, argv)?;
    let attended = cx.access.attended();
    let keys = empty(cx, cx.db, &attended, lazy);
    // One more, so that it is propagated even when there was nothing.
    cx.effects.dirty += keys as u64 + 1;
    out.ok();
    Ok(())
}

pub(super) fn flushall(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let lazy = lazy(cx, argv)?;
    let attended = cx.access.attended();
    let databases = 0..cx.server.keyspace.databases();
    let keys: usize = databases.map(|db| empty(cx, db, &attended, lazy)).sum();
    let cancelled = cx.server.persistence.cancel();
    if cx.server.config.saves_by_itself() && save_nothing(cx, cancelled) {
        cx.propagate(argv);
    } else {
        cx.effects.dirty += keys as u64 + 1;
    }
    out.ok();
    Ok(())
}

/// Where the server saves by itself, what was flushed must not come back from the file: an empty one takes its place, or
/// follows the background save that was `cancelled`. True if the file is written.
fn save_nothing(cx: &mut Cx<'_>, cancelled: bool) -> bool {
    let persistence = &cx.server.persistence;
    let Some(shell) = cx.server.shell.get() else { return false };
    if cancelled || !persistence.begin() {
        persistence.scheduled.store(true, Relaxed);
        return false;
    }
    let saved = shell.save_alone(&mut cx.access).is_ok();
    persistence.end_in_foreground(saved);
    saved
}

fn database(arg: &[u8], invalid: &'static str) -> Result<i32> {
    let invalid = CommandError::fixed(invalid);
    i32::try_from(int_or(arg, invalid.clone())?).map_err(|_| invalid)
}

pub(super) fn swapdb(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let first = database(argv[1], "ERR invalid first DB index")?;
    let second = database(argv[2], "ERR invalid second DB index")?;
    let known = |db: i32| usize::try_from(db).ok().filter(|&db| db < cx.server.keyspace.databases());
    let (Some(first), Some(second)) = (known(first), known(second)) else { return Err(DB_OUT_OF_RANGE) };
    if first != second {
        let attended = cx.access.attended();
        tell_watchers(cx, first, Some(second), &attended);
        tell_watchers(cx, second, Some(first), &attended);
        cx.access.swap_databases(first, second);
        wake_waiting(cx, first, &attended);
        wake_waiting(cx, second, &attended);
    }
    cx.effects.dirty += 1;
    out.ok();
    Ok(())
}

/// Tells those who watch keys of a database that keys of another one, or none, are about to take their places.
fn tell_watchers(cx: &mut Cx<'_>, db: usize, other: Option<usize>, attended: &[u16]) {
    let now_ms = cx.now_ms;
    for &shard in attended {
        let shard = cx.access.shard(shard);
        for key in shard.watches.keys(db) {
            let hash = ds::hash::of(&key);
            let had = shard.find(db, hash, &key).is_some();
            let gets = match other.and_then(|other| shard.find(other, hash, &key)) {
                None => Presence::Absent,
                Some(entry) if entry.expire_ms().is_some_and(|at| now_ms > at) => Presence::Expired,
                Some(_) => Presence::Alive,
            };
            shard.watches.exchange(db, &key, had, gets);
        }
    }
}

/// Keys that somebody waits for in this database may have come or gone.
fn wake_waiting(cx: &mut Cx<'_>, db: usize, attended: &[u16]) {
    for &shard in attended {
        let shard = cx.access.shard(shard);
        cx.effects.ready.extend(shard.queues.keys(db).into_iter().map(|key| (db, key.into_vec())));
    }
}
