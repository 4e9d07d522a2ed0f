//! A blocking RESP client that keeps the exact reply bytes.
//!
//! Invariant: one `read_frame` returns one frame, pushes included; the client never reorders or hides any.
//! Callers: differential runner, benchmark set-up, integration tests.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::reply::{Reply, frame_len};

/// How much one read asks for.
const READ_BYTES: usize = 64 * 1024;

/// A connection to a server on this machine.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buf: Vec<u8>,
    start: usize,
}

impl Client {
    /// Connects to 127.0.0.1:`port`; replies that take longer than `timeout` are errors.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(port: u16, timeout: Duration) -> io::Result<Client> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Client { stream, buf: Vec::new(), start: 0 })
    }

    /// Changes how long `read_frame` waits.
    ///
    /// # Errors
    /// When the socket refuses.
    pub fn set_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(timeout))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends one command as an array of bulk strings.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<()> {
        let mut out = Vec::new();
        encode(&mut out, args);
        self.send_raw(&out)
    }

    /// The bytes of the next frame.
    ///
    /// # Errors
    /// `TimedOut` when none came in time, `UnexpectedEof` when the server closed, `InvalidData` for bytes
    /// that are no reply.
    pub fn read_frame(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let have = &self.buf[self.start..];
            if let Some(len) = frame_len(have).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))? {
                let frame = have[..len].to_vec();
                self.start += len;
                if self.start == self.buf.len() {
                    self.buf.clear();
                    self.start = 0;
                }
                return Ok(frame);
            }
            self.fill()?;
        }
    }

    /// Sends a command and returns the parsed reply.
    ///
    /// # Errors
    /// As `send` and `read_frame`.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Reply> {
        self.send(args)?;
        let frame = self.read_frame()?;
        Reply::parse(&frame).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }

    /// Sends words split at spaces and returns the reply; for commands without odd arguments.
    ///
    /// # Errors
    /// As `call`.
    pub fn words(&mut self, line: &str) -> io::Result<Reply> {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// A field of `INFO`, `None` when the server does not print it.
    ///
    /// # Errors
    /// As `call`.
    pub fn info(&mut self, field: &str) -> io::Result<Option<String>> {
        self.info_of("everything", field)
    }

    /// A field of one section of `INFO`, which costs the server less; `None` when it does not print it.
    ///
    /// # Errors
    /// As `call`.
    pub fn info_of(&mut self, section: &str, field: &str) -> io::Result<Option<String>> {
        let text = self.call(&["INFO", section])?.text();
        Ok(text
            .lines()
            .find_map(|line| line.split_once(':').filter(|(name, _)| *name == field))
            .map(|(_, value)| value.to_string()))
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buf.drain(..self.start);
            self.start = 0;
        }
        let old = self.buf.len();
        self.buf.resize(old + READ_BYTES, 0);
        let got = self.stream.read(&mut self.buf[old..]);
        self.buf.truncate(old + *got.as_ref().unwrap_or(&0));
        match got {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            Err(e) => Err(e),
        }
    }
}

/// Appends a command as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(out: &mut Vec<u8>, args: &[A]) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn frames_come_one_by_one_however_they_are_split() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let server = thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("accept");
            let mut request = [0; 14];
            peer.read_exact(&mut request).expect("request");
            for byte in b"+PONG\r\n*2\r\n:1\r\n$2\r\nab\r\n" {
                peer.write_all(&[*byte]).expect("write");
            }
            request
        });
        let mut client = Client::connect(port, Duration::from_secs(10)).expect("connect");
        client.send(&["PING"]).expect("send");
        assert_eq!(client.read_frame().expect("first"), b"+PONG\r\n");
        assert_eq!(client.read_frame().expect("second"), b"*2\r\n:1\r\n$2\r\nab\r\n");
        assert_eq!(&server.join().expect("server"), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(client.read_frame().expect_err("closed").kind(), io::ErrorKind::UnexpectedEof);
    }
}
