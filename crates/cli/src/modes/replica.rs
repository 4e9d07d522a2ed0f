//! Posing as a replica: `--replica` and SYNC at the prompt show the command stream; the bulk transfer is
//! shared with `--rdb`.
//!
//! The transfer starts with `$<length>` or, from diskless servers, `$EOF:<40 bytes>`, and then ends with
//! these 40 bytes. Servers send single line feeds while they prepare.

use std::time::{Duration, Instant};

use super::{Context, Failure};
use crate::connection::Connection;
use crate::face::Face;
use crate::options::Output;
use crate::{emit, format, warn};

/// How the end of a transfer is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After so many bytes.
    Length(u64),
    /// At this mark.
    Mark(Vec<u8>),
}

/// Bytes of the mark.
const MARK_LENGTH: usize = 40;

/// How often the server hears from us.
const ACK_INTERVAL: Duration = Duration::from_secs(1);

/// Longest line accepted in front of a transfer.
const MAX_LINE: usize = 1024;

/// Tells the server what we can take; refusals matter only to the caller.
pub fn replconf(connection: &mut Connection, name: &str, value: &str) -> Result<bool, Failure> {
    warn!("sending REPLCONF {name} {value}\n");
    let reply = connection.call(&["REPLCONF", name, value])?;
    if reply.is_error() {
        warn!("REPLCONF {name} error: {}\n", reply.to_text());
        return Ok(false);
    }
    Ok(true)
}

/// Bytes read but not used yet, and the connection that they come from.
pub struct Transfer<'a> {
    connection: &'a mut Connection,
    buffer: Vec<u8>,
}

impl<'a> Transfer<'a> {
    /// Sends `request` and takes over the connection's bytes.
    ///
    /// # Errors
    /// The connection's.
    pub fn start(connection: &'a mut Connection, request: &[u8]) -> Result<Self, Failure> {
        connection.send_raw(request)?;
        Ok(Self { connection, buffer: Vec::new() })
    }

    fn fill(&mut self) -> Result<(), Failure> {
        match self.connection.read_raw(&mut self.buffer) {
            Ok(0) => Err(Failure("Error: Server closed the connection".to_owned())),
            Ok(_) => Ok(()),
            Err(error) => Err(Failure(format!("Error: {}", crate::connection::strerror(&error)))),
        }
    }

    /// The next line that is not empty.
    ///
    /// # Errors
    /// The connection's, or a line without end.
    pub fn line(&mut self) -> Result<String, Failure> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if line.is_empty() {
                    continue;
                }
                return Ok(line);
            }
            if self.buffer.len() > MAX_LINE {
                return Err(Failure("Error: no reply to SYNC".to_owned()));
            }
            self.fill()?;
        }
    }

    /// Reads the announcement of the bulk.
    ///
    /// # Errors
    /// The server's words.
    pub fn announcement(&mut self, face: Face) -> Result<Ending, Failure> {
        let line = self.line()?;
        if let Some(error) = line.strip_prefix('-') {
            return Err(Failure(format!("SYNC with {} failed: {error}", face.primary())));
        }
        let body = line
            .strip_prefix('$')
            .ok_or_else(|| Failure("Error reading bulk length while SYNCing".to_owned()))?;
        if let Some(mark) = body.strip_prefix("EOF:") {
            if mark.len() != MARK_LENGTH {
                return Err(Failure("Error reading bulk length while SYNCing".to_owned()));
            }
            return Ok(Ending::Mark(mark.as_bytes().to_vec()));
        }
        let length =
            body.parse().map_err(|_| Failure("Error reading bulk length while SYNCing".to_owned()))?;
        Ok(Ending::Length(length))
    }

    /// Passes the payload to `sink` in pieces; how many bytes it had. What follows goes back to the protocol.
    ///
    /// # Errors
    /// The connection's or the sink's.
    pub fn payload(
        mut self,
        ending: &Ending,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let mut done = 0u64;
        loop {
            let ready = match ending {
                Ending::Length(length) => {
                    let left = usize::try_from(length - done).unwrap_or(usize::MAX);
                    (left.min(self.buffer.len()), left <= self.buffer.len(), 0)
                }
                Ending::Mark(mark) => match find(&self.buffer, mark) {
                    Some(at) => (at, true, mark.len()),
                    // The mark may have arrived in part.
                    None => (self.buffer.len().saturating_sub(mark.len() - 1), false, 0),
                },
            };
            let (take, finished, skip) = ready;
            sink(&self.buffer[..take])?;
            done += take as u64;
            self.buffer.drain(..take + skip);
            if finished {
                self.connection.unread(&self.buffer);
                return Ok(done);
            }
            self.fill()?;
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// `--replica`
pub fn run(context: &mut Context) -> Result<(), Failure> {
    replconf(&mut context.connection, "capa", "eof")?;
    replconf(&mut context.connection, "rdb-filter-only", "")?;
    let primary = context.options.face.primary();
    let mut transfer = Transfer::start(&mut context.connection, b"SYNC\r\n")?;
    let ending = transfer.announcement(context.options.face)?;
    match &ending {
        Ending::Length(length) => {
            warn!("Full resync with {primary}, discarding {length} bytes of bulk transfer...\n")
        }
        Ending::Mark(_) => {
            warn!("Full resync with {primary}, discarding bytes of bulk transfer until EOF marker...\n");
        }
    }
    let bytes = transfer.payload(&ending, &mut |_| Ok(()))?;
    match ending {
        Ending::Length(_) => warn!("Full resync done. Logging commands from {primary}.\n"),
        Ending::Mark(_) => warn!("Full resync done after {bytes} bytes. Logging commands from {primary}.\n"),
    }
    warn!("sending REPLCONF ACK 0\n");
    stream(context)
}

/// Prints commands. Servers start to send them once an ACK follows the end of the transfer, which they may
/// notice later than we do: so the ACK is repeated, as replicas do.
fn stream(context: &mut Context) -> Result<(), Failure> {
    loop {
        context.connection.send(&["REPLCONF", "ACK", "0"])?;
        let began = Instant::now();
        while began.elapsed() < ACK_INTERVAL {
            while let Some(value) = context.connection.buffered()? {
                emit::out(&format::reply(&value, Output::Csv, false, &context.options));
                emit::flush();
            }
            if context.connection.wait(ACK_INTERVAL)? {
                context.connection.fill()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn finds_the_mark() {
        assert_eq!(find(b"abcXYZ", b"XYZ"), Some(3));
        assert_eq!(find(b"abcXY", b"XYZ"), None);
    }
}
