//! The load generator: one thread, many connections, each with a batch of requests under way.
//!
//! ```text
//! connection: fill P requests -> write -> count P replies -> record the time -> fill again
//! ```
//!
//! Invariant: a connection never has more than one batch under way, so the server sees exactly the
//! pipeline depth that the table names. Callers: rounds, preloading and the scenarios.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use testkit::reply::frame_len;
use testkit::rng::Rng;

use super::hist::Histogram;
use super::template::Template;

/// A server that answers nothing for so long is taken for hung.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 256 * 1024;

/// What to send.
#[derive(Debug, Clone)]
pub struct Load<'a> {
    pub port: u16,
    pub template: &'a Template,
    pub connections: usize,
    pub pipeline: usize,
    /// How many requests in all, or `None` to go on until `stop` says so.
    pub requests: Option<u64>,
    /// Extra connections that send this once and then only receive.
    pub listeners: usize,
    pub listen: &'a [u8],
    pub seed: u64,
    /// First value of the counter `{s}`.
    pub counter: u64,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub requests: u64,
    pub seconds: f64,
    /// Time from writing a batch until its last reply, in nanoseconds.
    pub latency: Histogram,
    pub errors: u64,
    pub first_error: Option<String>,
}

impl Outcome {
    /// Requests per second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds.max(1e-9)
    }
}

struct Conn {
    stream: TcpStream,
    /// The batch: P copies of the template, refilled in place.
    out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    missing: usize,
    batch: usize,
    begun: Instant,
}

/// Runs the load. `stop` is asked now and then (after each batch of events) whether to end early.
///
/// # Errors
/// When the server closes a connection or stays silent.
pub fn run(load: &Load<'_>, mut stop: impl FnMut() -> bool) -> Result<Outcome> {
    let mut poll = Poll::new()?;
    let mut driver = Driver {
        load,
        rng: Rng::new(load.seed),
        counter: load.counter,
        left: load.requests.unwrap_or(u64::MAX),
        outcome: Outcome::default(),
        scratch: vec![0; READ_BYTES],
    };
    let mut conns = Vec::new();
    for index in 0..load.connections + load.listeners {
        conns.push(connect(load, index, &mut poll)?);
    }
    for conn in conns.iter_mut().skip(load.connections) {
        driver.listen(conn)?;
    }
    let begun = Instant::now();
    let mut busy = 0;
    for conn in conns.iter_mut().take(load.connections) {
        busy += usize::from(driver.next_batch(conn)?);
    }
    let mut events = Events::with_capacity(1024);
    while busy > 0 {
        poll.poll(&mut events, Some(SILENCE_LIMIT))?;
        if events.is_empty() {
            bail!("the server answered nothing for {SILENCE_LIMIT:?}");
        }
        for event in &events {
            let index = event.token().0;
            let ended = if index < load.connections {
                driver.serve(&mut conns[index])?
            } else {
                driver.drain(&mut conns[index])?
            };
            busy -= usize::from(ended);
        }
        if stop() {
            driver.left = 0;
        }
    }
    driver.outcome.seconds = begun.elapsed().as_secs_f64();
    Ok(driver.outcome)
}

fn connect(load: &Load<'_>, index: usize, poll: &mut Poll) -> Result<Conn> {
    let address = SocketAddr::from(([127, 0, 0, 1], load.port));
    let plain = std::net::TcpStream::connect(address).context("connecting the load")?;
    plain.set_nodelay(true)?;
    plain.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(plain);
    poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
    Ok(Conn {
        stream,
        out: load.template.bytes().repeat(load.pipeline),
        written: 0,
        input: Vec::new(),
        missing: 0,
        batch: 0,
        begun: Instant::now(),
    })
}

struct Driver<'a> {
    load: &'a Load<'a>,
    rng: Rng,
    counter: u64,
    left: u64,
    outcome: Outcome,
    scratch: Vec<u8>,
}

impl Driver<'_> {
    /// Starts the next batch of a connection; false when there is nothing left to send.
    fn next_batch(&mut self, conn: &mut Conn) -> Result<bool> {
        let size = self.load.template.bytes().len();
        let batch = self.left.min(self.load.pipeline as u64) as usize;
        if batch == 0 {
            return Ok(false);
        }
        self.left -= batch as u64;
        conn.out.truncate(size * batch);
        for request in conn.out.chunks_exact_mut(size) {
            self.load.template.fill(request, &mut self.rng, self.counter);
            self.counter += 1;
        }
        conn.batch = batch;
        conn.missing = batch * self.load.template.replies();
        conn.written = 0;
        conn.begun = Instant::now();
        write_out(conn)?;
        Ok(true)
    }

    /// Goes on with a connection that is ready; true when it has ended its last batch.
    fn serve(&mut self, conn: &mut Conn) -> Result<bool> {
        if conn.missing == 0 {
            return Ok(false);
        }
        write_out(conn)?;
        loop {
            match conn.stream.read(&mut self.scratch) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(got) => {
                    self.count(conn, got)?;
                    if conn.missing == 0 {
                        self.outcome.latency.record(conn.begun.elapsed().as_nanos() as u64);
                        self.outcome.requests += conn.batch as u64;
                        if !self.next_batch(conn)? {
                            return Ok(true);
                        }
                    }
                    // A short read has emptied the socket; the next edge will tell.
                    if got < self.scratch.len() {
                        return Ok(false);
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("reading replies"),
            }
        }
    }

    /// Counts the replies in the `got` fresh bytes of the scratch buffer.
    fn count(&mut self, conn: &mut Conn, got: usize) -> Result<()> {
        if conn.input.is_empty() {
            let used = self.frames(got, conn)?;
            conn.input.extend_from_slice(&self.scratch[used..got]);
            return Ok(());
        }
        conn.input.extend_from_slice(&self.scratch[..got]);
        let all = std::mem::take(&mut conn.input);
        let mut at = 0;
        while let Some(len) = frame_len(&all[at..])? {
            self.note(&all[at..at + len], conn);
            at += len;
        }
        conn.input = all;
        conn.input.drain(..at);
        Ok(())
    }

    fn frames(&mut self, got: usize, conn: &mut Conn) -> Result<usize> {
        let mut at = 0;
        while let Some(len) = frame_len(&self.scratch[at..got])? {
            if self.scratch[at] == b'-' {
                let frame = self.scratch[at..at + len].to_vec();
                self.note(&frame, conn);
            } else {
                conn.missing = conn.missing.saturating_sub(1);
            }
            at += len;
        }
        Ok(at)
    }

    fn note(&mut self, frame: &[u8], conn: &mut Conn) {
        conn.missing = conn.missing.saturating_sub(1);
        if frame[0] == b'-' {
            self.outcome.errors += 1;
            self.outcome.first_error.get_or_insert_with(|| String::from_utf8_lossy(frame).trim().to_string());
        }
    }

    /// Sends the listening request of an extra connection.
    fn listen(&mut self, conn: &mut Conn) -> Result<()> {
        conn.out = self.load.listen.to_vec();
        conn.written = 0;
        write_out(conn)
    }

    /// Reads and forgets; never counts as ended.
    fn drain(&mut self, conn: &mut Conn) -> Result<bool> {
        write_out(conn)?;
        loop {
            match conn.stream.read(&mut self.scratch) {
                Ok(0) => bail!("the server closed a listening connection"),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("reading published messages"),
            }
        }
    }
}

fn write_out(conn: &mut Conn) -> Result<()> {
    while conn.written < conn.out.len() {
        match conn.stream.write(&conn.out[conn.written..]) {
            Ok(sent) => conn.written += sent,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e).context("writing requests"),
        }
    }
    Ok(())
}
