//! The floor: a server that only finds the end of each request and answers `+OK`.
//!
//! What it costs is what sockets cost; no server that does something can be below it. It is a process of
//! its own (`xtask floor --port N`), so that it is measured like the others. Invariant: one thread.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};

use anyhow::{Context, Result, bail};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use testkit::reply::frame_len;

use crate::args::Args;

const LISTENER: Token = Token(usize::MAX);

struct Conn {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// `xtask floor --port N`
pub fn run(argv: Vec<String>) -> Result<()> {
    let mut args = Args::new(argv);
    let port: u16 = args.value("--port")?.context("--port N")?;
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut conns: HashMap<usize, Conn> = HashMap::new();
    let mut next = 0;
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; 64 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), interest)?;
                    conns.insert(next, Conn { stream, input: Vec::new(), output: Vec::new() });
                    next += 1;
                }
            } else if let Some(conn) = conns.get_mut(&event.token().0)
                && serve(conn, &mut scratch).is_err()
            {
                conns.remove(&event.token().0);
            }
        }
    }
}

fn serve(conn: &mut Conn, scratch: &mut [u8]) -> Result<()> {
    loop {
        match conn.stream.read(scratch) {
            Ok(0) => bail!("closed"),
            Ok(got) => answer(conn, &scratch[..got])?,
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(e.into()),
        }
        flush(conn)?;
    }
    flush(conn)
}

/// Adds one reply per whole request; `PING` is answered as servers do, since it is how a start is awaited.
fn answer(conn: &mut Conn, fresh: &[u8]) -> Result<()> {
    let joined;
    let all = if conn.input.is_empty() {
        fresh
    } else {
        conn.input.extend_from_slice(fresh);
        joined = std::mem::take(&mut conn.input);
        &joined
    };
    let mut at = 0;
    while let Some(len) = frame_len(&all[at..])? {
        let ping = &all[at..at + len] == b"*1\r\n$4\r\nPING\r\n";
        conn.output.extend_from_slice(if ping { b"+PONG\r\n" } else { b"+OK\r\n" });
        at += len;
    }
    conn.input = all[at..].to_vec();
    Ok(())
}

fn flush(conn: &mut Conn) -> Result<()> {
    let mut sent = 0;
    while sent < conn.output.len() {
        match conn.stream.write(&conn.output[sent..]) {
            Ok(n) => sent += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    conn.output.drain(..sent);
    Ok(())
}
