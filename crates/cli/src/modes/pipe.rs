//! `--pipe`: raw protocol from stdin to the server as fast as both go, replies counted on the way.
//!
//! Invariant: reading never waits for writing nor the other way round, so a server that stops reading until
//! its replies are taken cannot block us. The end is known by an ECHO of random bytes.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use resp::reply::{Value, encode_command};
use rustix::event::{PollFd, PollFlags};

use super::Context;
use super::lru::Dice;
use crate::connection::{Connection, ReadError, poll_once};
use crate::{emit, say, warn};

/// Bytes of the last ECHO.
const MAGIC_LENGTH: usize = 20;

/// Most bytes read from stdin ahead of the server.
const MAX_AHEAD: usize = 256 * 1024;

/// State of a transfer.
struct Pipe {
    connection: Connection,
    outgoing: Vec<u8>,
    sent: usize,
    magic: Vec<u8>,
    input_ended: bool,
    errors: u64,
    replies: u64,
    done: bool,
    last_read: Instant,
}

/// Runs the mode; exit code 1 when anything failed or the server sent errors.
pub fn run(context: Context) -> i32 {
    let limit = u64::try_from(context.options.pipe_timeout).unwrap_or(0);
    let mut dice = Dice::new();
    let mut pipe = Pipe {
        connection: context.connection,
        outgoing: Vec::new(),
        sent: 0,
        magic: (0..MAGIC_LENGTH).map(|_| dice.bits().to_le_bytes()[3]).collect(),
        input_ended: false,
        errors: 0,
        replies: 0,
        done: false,
        last_read: Instant::now(),
    };
    if let Err(error) = pipe.connection.set_nonblocking(true) {
        warn!("Can't set the socket in non blocking mode: {}\n", crate::connection::strerror(&error));
        return 1;
    }
    let bar = super::progress::bar(None, true);
    while !pipe.done {
        if let Err(text) = pipe.turn(&bar) {
            warn!("{text}\n");
            return 1;
        }
        if limit > 0 && pipe.input_ended && pipe.last_read.elapsed() > Duration::from_secs(limit) {
            warn!("No replies for {limit} seconds: exiting.\n");
            pipe.errors += 1;
            break;
        }
    }
    bar.finish_and_clear();
    say!("errors: {}, replies: {}\n", pipe.errors, pipe.replies);
    i32::from(pipe.errors > 0)
}

impl Pipe {
    /// Waits for anything to do, then does it.
    fn turn(&mut self, bar: &indicatif::ProgressBar) -> Result<(), String> {
        let pending = self.sent < self.outgoing.len() || self.connection.wants_write();
        let hungry = !self.input_ended && self.outgoing.len() - self.sent < MAX_AHEAD;
        let (readable, input) = {
            let stdin = io::stdin();
            let interest = if pending { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            let mut fds = vec![PollFd::from_borrowed_fd(self.connection.fd(), interest)];
            if hungry {
                fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
            }
            poll_once(&mut fds, Some(Duration::from_secs(1))).map_err(|error| error.to_string())?;
            let readable = fds[0].revents().intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
            (readable, fds.get(1).is_some_and(|fd| !fd.revents().is_empty()))
        };
        if readable || self.connection.holds_plaintext() {
            self.receive()?;
        }
        if input {
            self.take_input(bar)?;
        }
        self.transmit()
    }

    fn receive(&mut self) -> Result<(), String> {
        loop {
            match self.connection.fill() {
                Ok(()) => self.last_read = Instant::now(),
                Err(error) if error.is_timeout() || error.is_interrupt() => return self.count(),
                Err(error) => {
                    self.count()?;
                    if self.done {
                        return Ok(());
                    }
                    return Err(match error {
                        ReadError::Closed => "Server closed the connection".to_owned(),
                        other => format!("Error reading replies from server: {other}"),
                    });
                }
            }
            self.count()?;
        }
    }

    /// Counts the replies that are complete.
    fn count(&mut self) -> Result<(), String> {
        while let Some(value) =
            self.connection.buffered().map_err(|_| "Error reading replies from server".to_owned())?
        {
            match value {
                Value::Error(text) => {
                    warn!("{}\n", String::from_utf8_lossy(&text));
                    self.errors += 1;
                }
                Value::Bulk(text) if self.input_ended && text == self.magic => {
                    say!("Last reply received from server.\n");
                    emit::flush();
                    self.done = true;
                    return Ok(());
                }
                Value::Push(_) => continue,
                _ => {}
            }
            self.replies += 1;
        }
        Ok(())
    }

    fn take_input(&mut self, bar: &indicatif::ProgressBar) -> Result<(), String> {
        let mut chunk = vec![0; 64 * 1024];
        let read = match io::stdin().lock().read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => {
                return Err(format!("Error reading from stdin: {}", crate::connection::strerror(&error)));
            }
        };
        if read == 0 {
            self.input_ended = true;
            self.last_read = Instant::now();
            // A line feed ends an inline command that the input may have left open.
            self.outgoing.extend_from_slice(b"\r\n");
            encode_command(&[b"ECHO".as_slice(), &self.magic], &mut self.outgoing);
        }
        bar.inc(read as u64);
        self.outgoing.extend_from_slice(&chunk[..read]);
        Ok(())
    }

    fn transmit(&mut self) -> Result<(), String> {
        while self.sent < self.outgoing.len() {
            match self.connection.write_some(&self.outgoing[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
                {
                    return Ok(());
                }
                Err(error) => {
                    return Err(format!(
                        "Error writing to the server: {}",
                        crate::connection::strerror(&error)
                    ));
                }
            }
        }
        if !self.outgoing.is_empty() {
            self.outgoing.clear();
            self.sent = 0;
            if self.input_ended {
                say!("All data transferred. Waiting for the last reply...\n");
                emit::flush();
            }
        }
        match self.connection.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error.to_string()),
            _ => Ok(()),
        }
    }
}
