//! One connection to a server: blocking socket, request writer, reply reader. No policy: what to do on
//! errors, redirections or pushes is the session's.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use resp::reply::{DecodeError, Decoder, Value, encode_command};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::options::Options;
use crate::tls::{self, TlsStream};

/// Text of a system error without Rust's decorations.
#[must_use]
pub fn strerror(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none() {
        return "Connection timed out".to_owned();
    }
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    text.split(" (os error").next().unwrap_or(text).to_owned()
}

/// Bytes to and from the server.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream>),
}

/// Why no reply was read.
#[derive(Debug)]
pub enum ReadError {
    /// The server hung up.
    Closed,
    /// The system says no.
    Io(io::Error),
    /// What came is no reply.
    Protocol(DecodeError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => out.write_str("Server closed the connection"),
            Self::Io(error) => out.write_str(&strerror(error)),
            Self::Protocol(error) => error.fmt(out),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl ReadError {
    /// True when a read timeout, not the peer, ended the wait.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Io(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
    }

    /// What came instead of a reply is an alert record of TLS: the port wants a handshake.
    #[must_use]
    pub fn is_tls_alert(&self) -> bool {
        matches!(self, Self::Protocol(DecodeError::UnknownType(0x15)))
    }

    /// True when a signal ended the wait.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::Interrupted)
    }
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(String, u16),
    /// Path of a socket.
    Unix(String),
}

impl Address {
    /// What the flags say.
    #[must_use]
    pub fn from_options(options: &Options) -> Self {
        match &options.socket {
            Some(path) => Self::Unix(path.clone()),
            None => Self::Tcp(options.host.clone(), options.port),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(out, "{host}:{port}"),
            Self::Unix(path) => out.write_str(path),
        }
    }
}

/// A connection.
pub struct Connection {
    stream: Stream,
    decoder: Decoder,
    chunk: Vec<u8>,
}

impl Connection {
    /// Opens a socket and, when asked, TLS on it. Says nothing to the server.
    ///
    /// # Errors
    /// The reason, ready for "Could not connect to X at Y: reason".
    pub fn open(address: &Address, options: &Options) -> Result<Self, String> {
        let stream = match address {
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path).map_err(|error| strerror(&error))?),
            Address::Tcp(host, port) => {
                let socket = connect_tcp(host, *port, options)?;
                if options.tls.on {
                    let stream = tls::connect(&options.tls, host, socket, options.timeout)
                        .map_err(|reason| format!("Could not negotiate a TLS connection: {reason}"))?;
                    Stream::Tls(Box::new(stream))
                } else {
                    Stream::Tcp(socket)
                }
            }
        };
        Ok(Self { stream, decoder: Decoder::new(), chunk: vec![0; 64 * 1024] })
    }

    /// Sends one command.
    ///
    /// # Errors
    /// The socket's.
    pub fn send<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> io::Result<()> {
        let mut out = Vec::new();
        encode_command(argv, &mut out);
        self.send_raw(&out)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The socket's.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Waits for the next reply (pushes included).
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&mut self) -> Result<Value, ReadError> {
        loop {
            if let Some(value) = self.buffered()? {
                return Ok(value);
            }
            self.fill()?;
        }
    }

    /// A reply that needs no waiting.
    ///
    /// # Errors
    /// What came is no reply.
    pub fn buffered(&mut self) -> Result<Option<Value>, ReadError> {
        loop {
            match self.decoder.next().map_err(ReadError::Protocol)? {
                Some(Value::Attribute(_)) => {}
                other => return Ok(other),
            }
        }
    }

    /// Reads once from the socket into the decoder.
    ///
    /// # Errors
    /// [`ReadError::Closed`] at the end of the stream.
    pub fn fill(&mut self) -> Result<(), ReadError> {
        let read = self.stream.read(&mut self.chunk)?;
        if read == 0 {
            return Err(ReadError::Closed);
        }
        self.decoder.feed(&self.chunk[..read]);
        Ok(())
    }

    /// One command and its reply, pushes skipped.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn call<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<Value, ReadError> {
        self.send(argv)?;
        self.reply()
    }

    /// The next reply that is no push.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn reply(&mut self) -> Result<Value, ReadError> {
        loop {
            match self.read()? {
                Value::Push(_) => {}
                value => return Ok(value),
            }
        }
    }

    /// Sends all commands, then reads all replies.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn pipeline(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Value>, ReadError> {
        let mut out = Vec::new();
        for argv in commands {
            encode_command(argv, &mut out);
        }
        self.send_raw(&out)?;
        commands.iter().map(|_| self.reply()).collect()
    }

    /// Bytes outside of the protocol (bulk transfers): first what is buffered, then the socket.
    ///
    /// # Errors
    /// The socket's.
    pub fn read_raw(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let rest = self.decoder.take_rest();
        if !rest.is_empty() {
            into.extend_from_slice(&rest);
            return Ok(rest.len());
        }
        let read = self.stream.read(&mut self.chunk)?;
        into.extend_from_slice(&self.chunk[..read]);
        Ok(read)
    }

    /// Puts bytes read by [`Self::read_raw`] back in front of the protocol.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
    }

    /// Longest wait of one read; `None` waits for ever.
    ///
    /// # Errors
    /// The socket's.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(socket) => socket.set_read_timeout(timeout),
            Stream::Unix(socket) => socket.set_read_timeout(timeout),
            Stream::Tls(stream) => stream.sock.set_read_timeout(timeout),
        }
    }

    /// Makes reads and writes return at once.
    ///
    /// # Errors
    /// The socket's.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(socket) => socket.set_nonblocking(on),
            Stream::Unix(socket) => socket.set_nonblocking(on),
            Stream::Tls(stream) => stream.sock.set_nonblocking(on),
        }
    }

    /// Writes what the socket takes, for non-blocking use.
    ///
    /// # Errors
    /// The socket's, `WouldBlock` included.
    pub fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    /// Pushes what TLS still holds; plain sockets hold nothing.
    ///
    /// # Errors
    /// The socket's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }

    /// Waits until something can be read, at most `timeout`. False when not, or when a signal came.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        if self.holds_plaintext() {
            return Ok(true);
        }
        let mut fds = [PollFd::new(&self.stream, PollFlags::IN)];
        poll_once(&mut fds, Some(timeout))
    }

    /// TLS has decrypted more than was asked for.
    #[must_use]
    pub fn holds_plaintext(&mut self) -> bool {
        match &mut self.stream {
            Stream::Tls(stream) => {
                stream.conn.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
            }
            _ => false,
        }
    }

    /// TLS holds bytes that the socket did not take yet.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        matches!(&self.stream, Stream::Tls(stream) if stream.conn.wants_write())
    }

    /// For polling.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// The peer's IP address, for servers that redirect without naming a host.
    #[must_use]
    pub fn peer_ip(&self) -> Option<String> {
        match &self.stream {
            Stream::Tcp(socket) => socket.peer_addr().ok().map(|address| address.ip().to_string()),
            Stream::Tls(stream) => stream.sock.peer_addr().ok().map(|address| address.ip().to_string()),
            Stream::Unix(_) => None,
        }
    }
}

/// Polls once; a signal counts as nothing ready.
///
/// # Errors
/// The system's.
pub fn poll_once(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<bool> {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match poll(fds, timeout.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn connect_tcp(host: &str, port: u16, options: &Options) -> Result<TcpStream, String> {
    let found = (host, port).to_socket_addrs().map_err(|error| strerror(&error))?;
    let mut addresses: Vec<_> = found.collect();
    if let Some(version) = options.prefer_ipv {
        addresses.sort_by_key(|address| address.is_ipv4() != (version == 4));
    }
    let mut reason = "Name or service not known".to_owned();
    for address in addresses {
        let attempt = match options.timeout {
            Some(timeout) => TcpStream::connect_timeout(&address, timeout),
            None => TcpStream::connect(address),
        };
        match attempt {
            Ok(socket) => {
                // Interactive traffic: latency over throughput. A refusal changes nothing else.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(error) => reason = strerror(&error),
        }
    }
    Err(reason)
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
            Self::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
            Self::Tls(stream) => match stream.read(buffer) {
                // Servers of this family close without TLS' farewell.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                other => other,
            },
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(buffer),
            Self::Unix(socket) => socket.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.flush(),
            Self::Unix(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
