//! One client's connection: a task on one worker.
//!
//! The task always waits for everything at once: bytes to read, room to write, a wake-up (messages, being killed, being
//! served), a deadline. Output that cannot leave never stops reading. Replies leave in order, up to the journal's
//! released position.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;
use commands::client::{Client, ClientType};
use commands::generic::migrate::Migration;
use commands::server::Server;
use commands::session::{Session, Takeover};
use commands::stats::{Counter, bump};
use config::Directive;
use engine::Worker;
use engine::batch::{self, Stop};
use engine::block::{self, End};
use engine::held::HeldReplies;
use resp::request::{Decoder, Limits};
use resp::writer::{Chunk, Writer};
use tokio::io::AsyncReadExt;

use crate::alarm::Alarm;
use crate::stream::Stream;

/// Requests that are parsed ahead before the client is known.
const UNAUTHENTICATED_REQUESTS: usize = 1;
/// Bytes of unread replies at which a client that never authenticated is dropped.
const UNAUTHENTICATED_OUTPUT: usize = 1024;
/// Largest query buffer before authentication.
const UNAUTHENTICATED_INPUT: usize = 1 << 20;
/// Input from which on the memory of a connection is looked at before its requests run, not only afterwards.
const LARGE_INPUT: usize = 16 << 10;
/// How often a client that is over its soft output limit is looked at.
const SOFT_LIMIT_CHECK_US: u64 = 100_000;
/// Longest sleep of a client that waits; then it looks again.
const LONGEST_SLEEP_US: u64 = 3_600_000_000;
/// Pieces of one vectored write.
const MOST_SLICES: usize = 64;

/// What a connection is made of.
pub struct Connection {
    pub stream: Stream,
    pub session: Session,
    pub alarm: Arc<Alarm>,
    server: &'static Server,
    worker: Rc<RefCell<Worker>>,
    worker_index: usize,
    decoder: Decoder,
    out: Writer,
    /// Output that may leave.
    pending: VecDeque<Chunk>,
    pending_bytes: usize,
    written_of_first: usize,
    /// Output that waits for the journal, with its positions.
    held: HeldReplies,
    /// Close once everything has left.
    closing: bool,
    /// Whether its next command waits for the end of CLIENT PAUSE.
    postponed: bool,
    /// Unix ms since when the soft limit is exceeded.
    soft_since_ms: Option<u64>,
}

/// Why a connection's task is over.
pub enum Over {
    Closed,
    /// The connection becomes a replica's link.
    Replica {
        psync: bool,
        from: Option<u64>,
    },
}

enum Event {
    Read(io::Result<usize>),
    Writable(io::Result<()>),
    Notified,
    Deadline,
}

impl Connection {
    /// A connection that has just been accepted.
    pub fn new(
        stream: Stream,
        session: Session,
        alarm: Arc<Alarm>,
        server: &'static Server,
        worker: Rc<RefCell<Worker>>,
    ) -> Connection {
        let worker_index = worker.borrow().index;
        Connection {
            stream,
            session,
            alarm,
            server,
            worker,
            worker_index,
            decoder: Decoder::default(),
            out: Writer::default(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            written_of_first: 0,
            held: HeldReplies::default(),
            closing: false,
            postponed: false,
            soft_since_ms: None,
        }
    }

    fn count(&self, counter: Counter, by: u64) {
        self.server.workers[self.worker_index].add(counter, by);
    }

    fn client(&self) -> &Client {
        &self.session.client
    }

    /// Serves the connection to its end.
    pub async fn serve(&mut self) -> Over {
        let over = loop {
            match self.turn().await {
                Ok(None) => {}
                Ok(Some(over)) => break over,
                Err(_) => break Over::Closed,
            }
        };
        if self.session.blocked.is_some() {
            block::end_wait(self.server, self.worker_index, &mut self.session, End::Gone);
        }
        self.note_postponed(false);
        over
    }

    /// Runs what is there, sends what may leave, then waits for the next event.
    async fn turn(&mut self) -> io::Result<Option<Over>> {
        if self.client().is_killed() {
            return Ok(Some(Over::Closed));
        }
        let wait = self.run_requests();
        self.collect_messages();
        self.release_held();
        self.write_pending()?;
        if self.client().is_killed() || self.over_output_limit() {
            return Ok(Some(Over::Closed));
        }
        self.note_memory();
        if self.client().is_killed() {
            return Ok(Some(Over::Closed));
        }
        if self.pending.is_empty() && self.held.is_empty() {
            match self.session.takeover.take() {
                Some(Takeover::Replica { psync, from }) => return Ok(Some(Over::Replica { psync, from })),
                Some(Takeover::Migrate(migration)) => {
                    self.migrate(migration).await?;
                    return Ok(None);
                }
                Some(Takeover::Close) => return Ok(Some(Over::Closed)),
                None if self.closing => return Ok(Some(Over::Closed)),
                None => {}
            }
        }
        match wait {
            Wait::Again => tokio::task::yield_now().await,
            Wait::Later => tokio::time::sleep(Duration::from_micros(500)).await,
            Wait::Event => self.wait().await?,
        }
        Ok(None)
    }

    /// Parses and runs requests unless the client is blocked.
    fn run_requests(&mut self) -> Wait {
        self.check_blocked();
        if self.closing || self.session.takeover.is_some() {
            return Wait::Event;
        }
        // The limit that the requests were parsed with: AUTH raises it.
        let limit = self.batch_limit();
        let parse_error = self.parse(limit).err();
        if self.session.blocked.is_some() {
            return Wait::Event;
        }
        let mut wait = Wait::Event;
        if !self.decoder.is_empty() {
            let report = {
                let mut worker = self.worker.borrow_mut();
                self.out.take_spare(&mut worker.spare_output);
                batch::run(&mut worker, self.server, &mut self.session, &self.decoder, &mut self.out)
            };
            // A full batch may have left complete requests in the buffer.
            let more = report.done < self.decoder.len() || self.decoder.len() >= limit;
            self.decoder.finish(report.done);
            self.client().query_bytes.store(self.decoder.query_bytes() as u64, Relaxed);
            // Before the reply is on its way: who has it may ask how many wait.
            self.note_postponed(report.stop == Stop::Paused);
            self.queue_output();
            {
                let mut worker = self.worker.borrow_mut();
                self.decoder.give_back(&mut worker.spare_input);
                self.out.give_back(&mut worker.spare_output);
            }
            wait = match report.stop {
                Stop::Busy => Wait::Later,
                Stop::Done if more => Wait::Again,
                Stop::Done | Stop::Blocked | Stop::Paused | Stop::Leave => Wait::Event,
            };
        }
        if let (Some(error), true) = (parse_error, self.decoder.is_empty()) {
            crate::complaint::protocol_error(self.server, self.client(), &error.0, self.decoder.unparsed());
            self.out.error(format!("ERR {}", error.0).as_bytes());
            self.queue_output();
            self.closing = true;
        }
        wait
    }

    /// Sends keys to another server while nothing else of this connection runs, then runs the request again with what
    /// came of it.
    async fn migrate(&mut self, migration: Box<Migration>) -> io::Result<()> {
        let server = self.server;
        let sent = tokio::task::spawn_blocking(move || crate::migrate::send(server, migration));
        let migration = sent.await.map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        resp::reply::encode_command(&migration.argv, &mut bytes);
        self.session.migrated = Some(migration);
        let limits = Limits { bulk_bytes: i64::MAX, authenticated: true, requests: 1 };
        let mut decoder = Decoder::default();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let limit = decoder.read_limit().clamp(1, rest.len());
            decoder.read_buffer().extend_from_slice(&rest[..limit]);
            rest = &rest[limit..];
            decoder.parse(&limits).map_err(|error| io::Error::other(error.0))?;
        }
        loop {
            let report = {
                let mut worker = self.worker.borrow_mut();
                batch::run(&mut worker, server, &mut self.session, &decoder, &mut self.out)
            };
            if report.done > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        // Still there if the request was refused.
        self.session.migrated = None;
        self.queue_output();
        Ok(())
    }

    /// A paused client counts as blocked, and is woken at the end of the pause.
    fn note_postponed(&mut self, postponed: bool) {
        if postponed == self.postponed {
            return;
        }
        self.postponed = postponed;
        let mut waiting = self.server.postponed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match postponed {
            true => waiting.insert(self.client().id, self.session.client.clone()),
            false => waiting.remove(&self.client().id),
        };
        drop(waiting);
        self.server.blocked_clients.fetch_add(if postponed { 1 } else { -1 }, Relaxed);
    }

    /// When the pause that the client waits for ends by itself, in monotonic microseconds.
    fn pause_end_us(&self) -> Option<u64> {
        self.postponed.then(|| {
            let left_ms = self.server.paused_until_ms.load(SeqCst).saturating_sub(sys::os::unix_ms());
            sys::os::monotonic_us().saturating_add(left_ms.saturating_mul(1000))
        })
    }

    /// Before the client is known, each request may change what the next one is allowed.
    fn batch_limit(&self) -> usize {
        match self.session.kind {
            // What a replica says by itself is an acknowledgement a second; one at a time shows which command replies.
            ClientType::Replica => 1,
            _ if self.session.authenticated => batch::MOST_REQUESTS,
            _ => UNAUTHENTICATED_REQUESTS,
        }
    }

    /// Parses so many requests at most.
    fn parse(&mut self, requests: usize) -> Result<(), resp::request::ProtocolError> {
        let limits = Limits {
            bulk_bytes: self.server.config.int(Directive::ProtoMaxBulkLen),
            authenticated: self.session.authenticated,
            requests,
        };
        self.decoder.parse(&limits)
    }

    /// Looks whether a blocked client was served, unblocked or has waited long enough.
    fn check_blocked(&mut self) {
        let outcome = block::look(&mut self.worker.borrow_mut(), self.server, &mut self.session);
        if let Some((mut reply, position)) = outcome {
            self.session.last_write = self.session.last_write.max(position);
            self.out.append(&mut reply);
            self.queue_output();
        }
    }

    /// Moves the writer's content to where it may leave from.
    fn queue_output(&mut self) {
        if self.out.is_empty() {
            return;
        }
        // The reply to PSYNC itself is what its stream begins with.
        if self.session.kind == ClientType::Replica && self.session.takeover.is_none() {
            let reply = self.out.take_bytes();
            crate::complaint::replica_reply(self.server, self.client(), &reply);
            self.session.client.kill();
            return;
        }
        let more = self.out.len();
        if more > UNAUTHENTICATED_OUTPUT && self.exceeds_limit(self.pending_bytes + more) {
            // What was too much is not kept as a buffer either.
            self.out = Writer::new(self.session.resp3);
            self.session.client.kill();
            return;
        }
        let position = self.session.last_write;
        if self.held.lets_pass(position, self.server.journal.released()) {
            // The common case: one buffer, one write, nothing queued.
            if self.pending.is_empty()
                && let Some(bytes) = self.out.single()
                && let Ok(written) = self.stream.try_write(bytes)
            {
                let all = written == bytes.len();
                self.note_written(written);
                if all {
                    self.out.clear();
                    return;
                }
                self.written_of_first = written;
            }
            let chunks = self.out.take();
            self.pending_bytes += chunks.iter().map(|chunk| chunk.as_slice().len()).sum::<usize>();
            self.pending.extend(chunks);
            return;
        }
        self.held.hold(self.out.take(), position);
        let alarm = self.alarm.clone();
        self.server.journal.on_release(position, Arc::new(move || alarm.ring()));
    }

    fn release_held(&mut self) {
        let released = self.server.journal.released();
        while let Some(chunks) = self.held.release(released) {
            self.pending_bytes += chunks.iter().map(|chunk| chunk.as_slice().len()).sum::<usize>();
            self.pending.extend(chunks);
        }
    }

    fn collect_messages(&mut self) {
        if self.client().has_mail() {
            let chunks = self.session.client.collect();
            self.pending_bytes += chunks.iter().map(|chunk| chunk.as_slice().len()).sum::<usize>();
            self.pending.extend(chunks);
        }
    }

    fn note_written(&self, bytes: usize) {
        self.count(Counter::NetOutput, bytes as u64);
        self.count(Counter::Writes, 1);
        bump(&self.client().net_output, bytes as u64);
    }

    /// Writes as much as the socket takes.
    fn write_pending(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            let mut slices: Vec<IoSlice<'_>> =
                self.pending.iter().take(MOST_SLICES).map(|chunk| IoSlice::new(chunk.as_slice())).collect();
            slices[0].advance(self.written_of_first);
            match self.stream.try_write_vectored(&slices) {
                Ok(written) => {
                    self.note_written(written);
                    self.drop_written(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.client().output_bytes.store(self.pending_bytes as u64, Relaxed);
        Ok(())
    }

    fn drop_written(&mut self, written: usize) {
        let mut left = self.written_of_first + written;
        while let Some(first) = self.pending.front() {
            let len = first.as_slice().len();
            if left < len {
                break;
            }
            left -= len;
            self.pending_bytes -= len;
            self.pending.pop_front();
        }
        self.written_of_first = left;
    }

    /// Tells how much memory the connection takes; ends the largest ones if all together take too much.
    fn note_memory(&self) {
        self.client().buffer_bytes.store(self.decoder.large_bytes() as u64, Relaxed);
        self.client().state_bytes.store(self.session.state_bytes(), Relaxed);
        self.server.clients.note_memory(self.client());
        let limit = self.server.eviction.clients_limit();
        if limit == 0 {
            return;
        }
        let evicted = self.server.clients.evict(limit);
        self.count(Counter::EvictedClients, evicted.len() as u64);
        for client in evicted {
            crate::log::notice(&format!("Evicting client: id={} addr={}", client.id, client.address));
        }
    }

    /// Whether the client reads too slowly for what it asks.
    fn over_output_limit(&mut self) -> bool {
        self.exceeds_limit(self.pending_bytes)
    }

    /// Whether so many bytes of output are too many.
    fn exceeds_limit(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        if bytes <= UNAUTHENTICATED_OUTPUT as u64 {
            self.soft_since_ms = None;
            return false;
        }
        if !self.session.authenticated && !self.session.was_authenticated {
            return true;
        }
        let limit = self.session.output_limit(&self.server.config);
        let now_ms = sys::os::unix_ms();
        let soft = limit.soft_bytes > 0 && bytes > limit.soft_bytes;
        let since = if soft { *self.soft_since_ms.get_or_insert(now_ms) } else { now_ms };
        if !soft {
            self.soft_since_ms = None;
        }
        let over = (limit.hard_bytes > 0 && bytes > limit.hard_bytes)
            || (soft && now_ms.saturating_sub(since) > limit.soft_seconds * 1000);
        if over {
            self.count(Counter::OutputLimitDisconnects, 1);
            crate::log::warning(&format!(
                "Client id={} addr={} closed ASAP for overcoming of output buffer limits.",
                self.client().id,
                self.client().address
            ));
        }
        over
    }

    /// Whether more input may be taken in now.
    fn may_read(&self) -> bool {
        !self.closing
            && self.decoder.read_limit() > 0
            && (self.session.blocked.is_none() || self.decoder.len() < batch::MOST_REQUESTS)
    }

    /// Whether output waits for the socket.
    pub fn has_output(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Bytes that have come in so far.
    pub fn received_bytes(&self) -> u64 {
        self.client().net_input.load(Relaxed)
    }

    /// Adds bytes to the output.
    pub fn queue(&mut self, bytes: Vec<u8>) {
        self.pending_bytes += bytes.len();
        self.pending.push_back(Chunk::Bytes(bytes));
    }

    /// Sends bytes, waiting until the socket has taken them all; an error if it takes nothing for `repl-timeout`.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.queue(bytes.to_vec());
        let patience = Duration::from_secs(self.server.config.int(Directive::ReplTimeout).max(1) as u64);
        loop {
            self.write_pending()?;
            if self.pending.is_empty() {
                return Ok(());
            }
            if self.client().is_killed() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            tokio::time::timeout(patience, self.stream.writable())
                .await
                .map_err(|_| io::ErrorKind::TimedOut)??;
        }
    }

    /// One turn of a replica's link: runs what it says, sends what is queued, and waits unless there is `more` to send.
    pub async fn exchange(&mut self, more: impl Fn() -> bool) -> io::Result<()> {
        self.run_requests();
        self.write_pending()?;
        if self.client().is_killed() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if self.pending.is_empty() && more() {
            tokio::task::yield_now().await;
            return Ok(());
        }
        match tokio::time::timeout(Duration::from_secs(1), self.wait()).await {
            Ok(result) => result,
            // Time to look at the limits.
            Err(_) => Ok(()),
        }
    }

    /// Looks whether the client is still there, taking in what it has sent.
    pub fn look(&mut self) -> io::Result<()> {
        if self.client().is_killed() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let limit = self.decoder.read_limit();
        if limit == 0 {
            return Ok(());
        }
        let mut buffer = self.decoder.read_buffer().limit(limit);
        match self.stream.try_read_buf(&mut buffer) {
            Ok(read) => self.note_read(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn wait(&mut self) -> io::Result<()> {
        let may_read = self.may_read();
        let may_write = !self.pending.is_empty();
        let deadline = self.session.blocked.as_ref().and_then(|blocked| blocked.deadline_us);
        // Who is over the soft limit is looked at again when nothing happens.
        let deadline = match self.soft_since_ms {
            Some(_) => Some(deadline.unwrap_or(u64::MAX).min(sys::os::monotonic_us() + SOFT_LIMIT_CHECK_US)),
            None => deadline,
        };
        let deadline =
            [deadline, block::retry_us(&self.session), self.pause_end_us()].into_iter().flatten().min();
        let sleep = deadline.map(|at| {
            let left = at.saturating_sub(sys::os::monotonic_us()).min(LONGEST_SLEEP_US);
            tokio::time::sleep(Duration::from_micros(left))
        });
        let mut sleep = std::pin::pin!(sleep);
        let event = poll_fn(|cx| {
            if may_read && let Poll::Ready(result) = self.poll_read(cx) {
                return Poll::Ready(Event::Read(result));
            }
            if self.alarm.poll_rung(cx).is_ready() {
                return Poll::Ready(Event::Notified);
            }
            if may_write && let Poll::Ready(result) = self.stream.poll_writable(cx) {
                return Poll::Ready(Event::Writable(result));
            }
            match sleep.as_mut().as_pin_mut() {
                Some(sleep) => sleep.poll(cx).map(|()| Event::Deadline),
                None => Poll::Pending,
            }
        });
        match event.await {
            Event::Read(result) => self.note_read(result?),
            Event::Writable(result) => result,
            Event::Notified | Event::Deadline => Ok(()),
        }
    }

    /// Reads into buffers that connections with nothing to read do not have.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let spare = &mut self.worker.borrow_mut().spare_input;
        self.decoder.take_spare(spare);
        let limit = self.decoder.read_limit();
        let mut buffer = self.decoder.read_buffer().limit(limit);
        let result = std::pin::pin!(self.stream.read_buf(&mut buffer)).poll(cx);
        if result.is_pending() {
            self.decoder.give_back(spare);
        }
        result
    }

    fn note_read(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.count(Counter::NetInput, bytes as u64);
        self.count(Counter::Reads, 1);
        bump(&self.client().net_input, bytes as u64);
        let held = self.decoder.pending_bytes();
        self.client().query_bytes.store(self.decoder.query_bytes() as u64, Relaxed);
        // A request that is larger than all may be has to go before it is complete.
        if held > LARGE_INPUT {
            self.note_memory();
            if self.client().is_killed() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        let limit = match self.session.authenticated {
            true => self.server.config.int(Directive::ClientQueryBufferLimit).max(0) as usize,
            false => UNAUTHENTICATED_INPUT,
        };
        if held > limit {
            self.count(Counter::QueryLimitDisconnects, 1);
            crate::log::warning(&format!(
                "Closing client that reached max query buffer length: id={} addr={}",
                self.client().id,
                self.client().address
            ));
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(())
    }
}

/// What a turn ends with.
enum Wait {
    /// There is more to run.
    Again,
    /// Something is held by others.
    Later,
    Event,
}
