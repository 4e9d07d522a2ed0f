//! A connection's complete requests, run in order.
//!
//! Before the first one runs, four passes over all of them ask for the memory that they will touch: first what leads to
//! the table's lines, then these, then the entries, then the few entries that stand outside their line. By the time a
//! command runs, its cache misses have been served side by side with those of the whole batch.

use std::sync::atomic::Ordering::Relaxed;

use commands::cx::Cx;
use commands::error::CommandError;
use commands::keys::{has_one_key, may_reach_beyond, reaches_beyond};
use commands::row::{Plan, flag};
use commands::server::Server;
use commands::session::{ReplyMode, Session};
use commands::stats::{Counter, bump};
use commands::table::{Found, table};
use keyspace::{Access, Hint, Keyspace, shard_of};
use resp::request::Decoder;
use resp::writer::Writer;
use smallvec::SmallVec;
use sys::gate::BatchGuard;

use crate::run::{Shards, account, call, context, hashes_of, in_order, lap, settle, show_to_monitors};
use crate::{Scratch, Worker, admit, block, evict, exec, special};

/// Most requests of a batch.
pub const MOST_REQUESTS: usize = 128;
/// Bytes of replies after which a batch ends, so that others get their turn.
const MOST_REPLY_BYTES: usize = 256 << 10;

/// What is known of a request before it runs.
#[derive(Clone, Copy)]
pub(crate) struct Planned {
    found: Option<Found>,
    /// Hash of its first key, if it has keys at a fixed place.
    hash: Option<u64>,
    traits: Traits,
}

/// What a batch asks again and again of a row.
#[derive(Clone, Copy, Default)]
struct Traits {
    /// It never needs the gate, whatever its arguments say: nearly every command.
    plain: bool,
    /// It has one key, whatever its arguments say.
    one_key: bool,
    /// The argument of its first key, 0 if it has none at a fixed place.
    first_key: u16,
}

impl Traits {
    fn of(found: Found) -> Traits {
        Traits {
            plain: is_plain(found),
            one_key: has_one_key(found.row),
            first_key: found.row.legacy.first.max(0) as u16,
        }
    }
}

/// See [`Traits::plain`].
fn is_plain(found: Found) -> bool {
    found.row.subs.is_empty()
        && found.row.plan != Plan::Gate
        && found.id != special().exec
        && !may_reach_beyond(found.row)
}

/// Why a batch ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// All requests are done, or enough for one turn.
    Done,
    /// The client waits for a key, or for replicas.
    Blocked,
    /// A lock or the gate is held by others: try the rest again a little later.
    Busy,
    /// Clients are paused: as [`Stop::Busy`], but the client counts as blocked.
    Paused,
    /// The connection is to be closed, or taken over, once its replies are sent.
    Leave,
}

/// See [`run`].
pub struct Report {
    /// Requests that are done.
    pub done: usize,
    pub stop: Stop,
}

/// The arguments of all requests, one request behind the other.
type Args<'a> = SmallVec<[&'a [u8]; 16]>;

/// Runs the decoder's requests; replies go to `out`.
pub fn run(
    worker: &mut Worker,
    server: &Server,
    session: &mut Session,
    decoder: &Decoder,
    out: &mut Writer,
) -> Report {
    let now_ms = server.clock.unix_ms();
    if let Some(stir) = worker.at_rest.take() {
        stir();
    }
    let Worker { index, slot, onlooker, scratch, .. } = worker;
    let mut started_us = sys::ticks::micros();
    if onlooker.give_way(started_us) {
        started_us = sys::ticks::micros();
    }
    scratch.clock_us = started_us;
    let mut turn = Turn { worker: *index, server, scratch, now_ms, started_us };
    let args: Args<'_> = decoder.all_args().collect();
    let mut report = Report { done: 0, stop: Stop::Done };
    let mut fresh = true;
    let goes_on = |report: &Report, out: &Writer| {
        report.stop == Stop::Done && report.done < decoder.len() && out.len() < MOST_REPLY_BYTES
    };
    while goes_on(&report, out) {
        let Some(batch) = server.keyspace.gate().enter(slot) else {
            report.stop = Stop::Busy;
            break;
        };
        if std::mem::take(&mut fresh) {
            turn.look_ahead(decoder, &args, &batch, session.db);
        }
        while goes_on(&report, out) {
            let argv = &args[decoder.place(report.done)];
            if turn.needs_gate(session, report.done, argv) {
                break;
            }
            turn.one(session, argv, &mut report, out, Some(&batch));
        }
        drop(batch);
        if goes_on(&report, out) {
            match server.keyspace.gate().try_close(std::time::Duration::from_millis(1)) {
                Some(_alone) => {
                    turn.one(session, &args[decoder.place(report.done)], &mut report, out, None);
                }
                None => report.stop = Stop::Busy,
            }
        }
    }
    turn.finish(session, &report);
    server.journal.wake_readers();
    report
}

/// The passes over some keys but the first, [`Keyspace::prefetch_shard`], which goes along with hashing them.
fn prefetch(keyspace: &Keyspace, batch: &BatchGuard<'_>, db: usize, hashes: impl Iterator<Item = u64>) {
    let mut hints: SmallVec<[Hint<'_>; MOST_REQUESTS]> = SmallVec::new();
    for hash in hashes {
        hints.push(keyspace.prefetch_line(batch, db, hash));
    }
    let mut stashed: SmallVec<[Hint<'_>; 16]> = SmallVec::new();
    for &hint in &hints {
        if keyspace.prefetch_entry(hint) {
            stashed.push(hint);
        }
    }
    stashed.iter().for_each(|&hint| keyspace.prefetch_stashed(hint));
}

/// One batch's surroundings.
struct Turn<'a> {
    worker: usize,
    server: &'a Server,
    scratch: &'a mut Scratch,
    now_ms: u64,
    started_us: u64,
}

impl<'s> Turn<'s> {
    /// Finds each request's row and hashes its first key; then the passes over all keys.
    fn look_ahead(&mut self, decoder: &Decoder, args: &[&[u8]], batch: &BatchGuard<'_>, db: usize) {
        let keyspace = &self.server.keyspace;
        let planned = &mut self.scratch.planned;
        planned.clear();
        // Pipelines repeat themselves: what was found for one name serves the next that reads the same.
        let unknown = Traits { plain: true, ..Traits::default() };
        let mut last: (&[u8], Option<Found>, Traits) = (&[], None, unknown);
        for i in 0..decoder.len() {
            let argv = &args[decoder.place(i)];
            let name = argv[0];
            if name != last.0 {
                let found = table().find(name);
                last = (name, found, found.map_or(unknown, Traits::of));
            }
            let (_, found, traits) = last;
            let key = argv.get(usize::from(traits.first_key)).filter(|_| traits.first_key > 0);
            let hash = key.map(|key| ds::hash::of(key));
            if let (Some(hash), true) = (hash, decoder.len() > 1) {
                keyspace.prefetch_shard(db, hash);
            }
            planned.push(Planned { found, hash, traits });
        }
        if decoder.len() > 1 {
            prefetch(keyspace, batch, db, planned.iter().filter_map(|planned| planned.hash));
        }
    }

    /// Whether the next request has to run alone.
    #[inline]
    fn needs_gate(&self, session: &Session, at: usize, argv: &[&[u8]]) -> bool {
        let Planned { found: Some(found), traits: Traits { plain: false, .. }, .. } =
            self.scratch.planned[at]
        else {
            return false;
        };
        if found.id == special().exec {
            return session.transaction.as_ref().is_some_and(exec::needs_gate);
        }
        if session.transaction.is_some() {
            return false;
        }
        if found.row.subs.is_empty() || argv.len() < 2 {
            if may_reach_beyond(found.row) {
                return reaches_beyond(found.row, argv);
            }
            return found.row.plan == Plan::Gate && found.row.run.is_some();
        }
        table().find_sub(found, argv[1]).is_some_and(|sub| sub.row.plan == Plan::Gate)
    }

    /// Runs one request. `batch` is missing when this thread is alone.
    fn one(
        &mut self,
        session: &mut Session,
        argv: &[&[u8]],
        report: &mut Report,
        out: &mut Writer,
        batch: Option<&BatchGuard<'_>>,
    ) {
        let at = report.done;
        let planned = self.scratch.planned[at];
        let before = out.len();
        if session.reply_mode == ReplyMode::SkipNext {
            session.reply_mode = ReplyMode::Skip;
        }
        report.stop = match self.checked(session, argv, planned, out, batch) {
            Ok(stop) => stop,
            Err((found, error)) => {
                self.refuse(session, found, &error, out);
                Stop::Done
            }
        };
        if matches!(report.stop, Stop::Busy | Stop::Paused) {
            if session.reply_mode == ReplyMode::Skip {
                session.reply_mode = ReplyMode::SkipNext;
            }
            return;
        }
        report.done += 1;
        if !self.scratch.deferred.is_empty() {
            block::serve_deferred(self.worker, self.scratch, self.server);
        }
        let pushed = std::mem::take(&mut session.pushed);
        if matches!(session.reply_mode, ReplyMode::Skip | ReplyMode::Off) && !pushed {
            out.truncate(before);
        }
        if session.reply_mode == ReplyMode::Skip {
            session.reply_mode = ReplyMode::On;
        }
        if session.takeover.is_some() || session.client.is_killed() {
            report.stop = Stop::Leave;
        }
    }

    /// The checks, then queueing or running. An error names the command, if there is one, for the statistics.
    fn checked(
        &mut self,
        session: &mut Session,
        argv: &[&[u8]],
        planned: Planned,
        out: &mut Writer,
        batch: Option<&BatchGuard<'_>>,
    ) -> Result<Stop, (Option<Found>, CommandError)> {
        let found = admit::authenticated(self.server, session, planned.found)
            .and_then(|()| admit::resolve(argv, planned.found, self.server.config.family()))
            .map_err(|error| (planned.found, error))?;
        session.client.note_command(found.id);
        admit::admit(self.server, session, found).map_err(|error| (Some(found), error))?;
        if !session.is_primary_link && !evict::make_room(self.worker, self.scratch, self.server, self.now_ms)
        {
            exec::check_memory(self.server, session, found).map_err(|error| (Some(found), error))?;
        }
        if session.transaction.is_some() && !exec::runs_inside_multi(found) {
            exec::queue(self.server, session, found, argv).map_err(|error| (Some(found), error))?;
            out.simple("QUEUED");
            return Ok(Stop::Done);
        }
        if self.is_paused(session, found) {
            return Ok(Stop::Paused);
        }
        if self.server.keyspace.is_snapshot_behind() && self.may(session, found, flag::WRITE) {
            return Ok(Stop::Busy);
        }
        if found.id == special().exec {
            let stop = exec::exec(self.server, self.worker, self.scratch, session, found, self.now_ms, out)
                .map_err(|error| (Some(found), error))?;
            // Behind the commands of the transaction, as the peers show it.
            if stop == Stop::Done {
                show_to_monitors(self.server, session, found, argv);
            }
            return Ok(stop);
        }
        Ok(self.lock_and_call(session, found, argv, planned, out, batch))
    }

    fn is_paused(&self, session: &Session, found: Found) -> bool {
        if !self.server.is_paused(self.now_ms) || session.is_primary_link {
            return false;
        }
        let writes_only = self.server.pause_writes_only.load(Relaxed);
        !writes_only && session.kind != commands::client::ClientType::Replica
            || self.may(session, found, flag::WRITE | flag::MAY_REPLICATE)
    }

    /// Whether a command, or any of the transaction that it ends, has one of these flags.
    fn may(&self, session: &Session, found: Found, flags: u64) -> bool {
        exec::flags(self.server, session, found).0.has(flags)
    }

    fn lock_and_call(
        &mut self,
        session: &mut Session,
        found: Found,
        argv: &[&[u8]],
        planned: Planned,
        out: &mut Writer,
        batch: Option<&BatchGuard<'_>>,
    ) -> Stop {
        let access = match batch {
            None => self.server.keyspace.access_all(),
            Some(batch) => match self.lock(found, argv, planned, (batch, session.db)) {
                Some(access) => access,
                None => return Stop::Busy,
            },
        };
        let Scratch { effects, deferred, clock_us, dirty, .. } = &mut *self.scratch;
        let mut cx = context(self.server, self.worker, session, access, effects, self.now_ms);
        if let Some(hash) = planned.hash {
            let key = argv[usize::from(planned.traits.first_key)];
            cx.planned_hash = (key.as_ptr() as usize, key.len(), hash);
        }
        let before = out.len();
        call(&mut cx, found, argv, out);
        show_to_monitors(self.server, cx.session, found, argv);
        settle(&mut cx);
        let reply_bytes = out.len() - before;
        let stop = Self::after_call(&mut cx, found, argv, deferred);
        drop(cx);
        *dirty += effects.dirty;
        effects.clear();
        match &mut session.blocked {
            Some(blocked) if stop == Stop::Blocked => blocked.command.usec = lap(clock_us),
            _ => account(self.server, self.worker, session, found, argv, reply_bytes, clock_us),
        }
        if found.row.plan != Plan::Keys || stop == Stop::Blocked {
            session.publish();
        }
        stop
    }

    /// Serves those who waited for what the command brought, and parks the client if it wants to wait.
    fn after_call(
        cx: &mut Cx<'_>,
        found: Found,
        argv: &[&[u8]],
        deferred: &mut Vec<block::Deferred>,
    ) -> Stop {
        if !cx.effects.ready.is_empty() {
            block::serve_ready(cx, deferred);
        }
        match cx.block.take() {
            Some(request) => {
                block::park(cx, request, found, argv);
                Stop::Blocked
            }
            None => Stop::Done,
        }
    }

    /// Locks the shards of the command's keys; `None` if one is held for long. The keys of a command with several are
    /// prefetched now: the passes over the batch have asked for the first alone, lest the last be gone again by its turn.
    #[inline]
    fn lock(
        &self,
        found: Found,
        argv: &[&[u8]],
        planned: Planned,
        (batch, db): (&BatchGuard<'_>, usize),
    ) -> Option<Access<'s>> {
        let server: &'s Server = self.server;
        let keyspace = &server.keyspace;
        self.server.workers[self.worker].add(Counter::LockAcquisitions, 1);
        if found.row.plan != Plan::Keys {
            return keyspace.access(&[]);
        }
        match planned.hash {
            Some(hash) if planned.traits.one_key => keyspace.access_one(shard_of(hash)),
            _ => {
                let hashes = hashes_of(found.row, argv);
                if hashes.len() > 1 {
                    let first = hashes.iter().copied().take(MOST_REQUESTS);
                    first.clone().for_each(|hash| keyspace.prefetch_shard(db, hash));
                    prefetch(keyspace, batch, db, first);
                }
                let mut shards: Shards = hashes.into_iter().map(shard_of).collect();
                in_order(&mut shards);
                keyspace.access(&shards)
            }
        }
    }

    fn refuse(&self, session: &mut Session, found: Option<Found>, error: &CommandError, out: &mut Writer) {
        if let Some(transaction) = &mut session.transaction {
            transaction.dirty = true;
        }
        let aborts = found.is_some_and(|found| found.id == special().exec);
        let aborted = aborts.then(|| exec::abort(self.server, session, error));
        let error = aborted.as_ref().unwrap_or(error);
        let stats = &self.server.workers[self.worker];
        if let Some(found) = found {
            bump(&stats.rows[usize::from(found.id)].rejected, 1);
        }
        stats.add(Counter::ErrorReplies, 1);
        self.server.errors.count(error.code());
        out.error(&error.0);
    }

    fn finish(&mut self, session: &Session, report: &Report) {
        let dirty = std::mem::take(&mut self.scratch.dirty);
        if dirty > 0 {
            self.server.persistence.dirty.fetch_add(dirty, Relaxed);
        }
        let stats = &self.server.workers[self.worker];
        // The last command's end is the batch's; the clock is not read once more.
        stats.cycle(self.scratch.clock_us.saturating_sub(self.started_us), report.done as u64);
        session.client.active_ms.store(self.now_ms, Relaxed);
        // A command that waits counts when the wait is over.
        let waits = u64::from(report.stop == Stop::Blocked);
        bump(&session.client.commands, report.done as u64 - waits);
    }
}
