//! A replica's end of the stream: the primary's bytes run here and go on to the own replicas.
//!
//! Invariant: each request's bytes are relayed together with its effect, so that the journal of a replica is, byte for
//! byte, its primary's. Callers: the link of the server, the test kit's.

use commands::server::{LogLevel, Server};
use commands::session::Session;
use commands::stats::Counter;
use commands::table::table;
use resp::request::{Decoder, Limits};
use resp::writer::Writer;

use crate::Worker;
use crate::batch::{self, Stop};

/// The stream's parser and session.
pub struct PrimaryStream {
    decoder: Decoder,
    /// Bytes that the parser has not taken.
    waiting: Vec<u8>,
    /// Bytes fed and not yet relayed.
    raw: Vec<u8>,
    /// Position in the stream of the first of them.
    relayed: u64,
    pub session: Session,
}

impl PrimaryStream {
    /// A stream in `session`, which is marked as the primary's.
    pub fn new(session: Session) -> PrimaryStream {
        PrimaryStream {
            decoder: Decoder::default(),
            waiting: Vec::new(),
            raw: Vec::new(),
            relayed: 0,
            session,
        }
    }

    /// Takes bytes; [`PrimaryStream::execute`] runs them.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.waiting.extend_from_slice(bytes);
        self.pour();
    }

    /// Bytes that have come and not run.
    pub fn unapplied(&self) -> usize {
        self.raw.len()
    }

    /// Gives the parser what it takes: no more of a big argument at once than is missing.
    fn pour(&mut self) {
        let take = self.waiting.len().min(self.decoder.read_limit());
        self.decoder.read_buffer().extend_from_slice(&self.waiting[..take]);
        self.waiting.drain(..take);
    }

    /// Runs all complete requests, one at a time, so that each one's bytes are relayed together with its effect. True if
    /// something is held by others: it is to be tried again.
    ///
    /// # Errors
    /// The parser's words, if the bytes are no requests.
    pub fn execute(&mut self, server: &Server, worker: &mut Worker) -> Result<bool, String> {
        let limits = Limits { bulk_bytes: i64::MAX, authenticated: true, requests: 1 };
        let mut out = Writer::default();
        loop {
            self.decoder.parse(&limits).map_err(|error| error.0.to_string())?;
            if self.decoder.is_empty() {
                if self.waiting.is_empty() {
                    return Ok(false);
                }
                self.pour();
                continue;
            }
            let bytes = (self.decoder.stream_position() - self.relayed) as usize;
            let queued = self.session.relay.len();
            self.session.relay.extend_from_slice(&self.raw[..bytes]);
            let report = batch::run(worker, server, &mut self.session, &self.decoder, &mut out);
            if let Some([b'-', error @ ..]) = out.single() {
                self.complain(server, worker, error);
            }
            out.clear();
            if report.stop == Stop::Busy {
                self.session.relay.truncate(queued);
                return Ok(true);
            }
            self.raw.drain(..bytes);
            self.relayed += bytes as u64;
            self.decoder.finish(report.done);
        }
    }

    /// What the primary could run and this server cannot means that their data differ from here on.
    fn complain(&self, server: &Server, worker: &Worker, error: &[u8]) {
        server.workers[worker.index].add(Counter::UnexpectedErrors, 1);
        let mut words = self.decoder.all_args();
        let found = words.next().and_then(|name| table().find(name));
        let sub = found.zip(words.next()).and_then(|(found, name)| table().find_sub(found, name));
        let command = sub.or(found).map_or("<unknown>", |found| table().full_name(found.id));
        let error = String::from_utf8_lossy(error.trim_ascii_end());
        server.log(
            LogLevel::Warning,
            &format!(
                "== CRITICAL == This replica is sending an error to its primary: '{error}' after processing the command \
                 '{command}'"
            ),
        );
    }
}
