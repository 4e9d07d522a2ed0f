//! A client's socket: TCP or Unix.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// See the module's text.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The half for reading.
pub enum Reader<'a> {
    Tcp(tokio::net::tcp::ReadHalf<'a>),
    Unix(tokio::net::unix::ReadHalf<'a>),
}

/// The half for writing.
pub enum Writable<'a> {
    Tcp(tokio::net::tcp::WriteHalf<'a>),
    Unix(tokio::net::unix::WriteHalf<'a>),
}

impl Stream {
    /// Both halves, to be waited for at once.
    pub fn split(&mut self) -> (Reader<'_>, Writable<'_>) {
        match self {
            Stream::Tcp(stream) => {
                let (read, write) = stream.split();
                (Reader::Tcp(read), Writable::Tcp(write))
            }
            Stream::Unix(stream) => {
                let (read, write) = stream.split();
                (Reader::Unix(read), Writable::Unix(write))
            }
        }
    }

    /// Reads what is there now; 0 at the end.
    pub fn try_read_buf(&self, buffer: &mut impl bytes::BufMut) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_read_buf(buffer),
            Stream::Unix(stream) => stream.try_read_buf(buffer),
        }
    }

    /// Writes what the socket takes now.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_write(bytes),
            Stream::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Writes what the socket takes now.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_write_vectored(slices),
            Stream::Unix(stream) => stream.try_write_vectored(slices),
        }
    }
}

impl Reader<'_> {
    /// Waits for something to read.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Reader::Tcp(read) => read.readable().await,
            Reader::Unix(read) => read.readable().await,
        }
    }
}

impl AsyncRead for Reader<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Reader::Tcp(read) => Pin::new(read).poll_read(cx, buf),
            Reader::Unix(read) => Pin::new(read).poll_read(cx, buf),
        }
    }
}

impl Writable<'_> {
    /// Waits for room.
    pub async fn writable(&self) -> io::Result<()> {
        match self {
            Writable::Tcp(write) => write.writable().await,
            Writable::Unix(write) => write.writable().await,
        }
    }
}
