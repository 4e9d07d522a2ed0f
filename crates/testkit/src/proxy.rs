//! A TCP proxy between two nodes that delays, cuts, splits and holds what passes, on demand.
//!
//! ```text
//! node A -> Proxy::port() -> [rules: chunk size, delay, hold, byte budget] -> node B
//! ```
//!
//! Invariant: bytes are never reordered or changed; they arrive late, in other pieces, or not at all.
//! Callers: replication and cluster tests.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What happens to bytes. Both directions obey the same rules.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Largest piece passed on at once; 0 = as it came.
    pub chunk_bytes: usize,
    /// Wait before each piece.
    pub delay: Duration,
    /// While true nothing passes and connections stay open: a network that swallows.
    pub hold: bool,
    /// Pass so many more bytes towards the target in all, then cut every connection.
    pub cut_after_bytes: Option<u64>,
}

#[derive(Debug, Default)]
struct State {
    rules: Rules,
    passed_bytes: u64,
    open: Vec<TcpStream>,
    refuse: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
}

impl Proxy {
    /// Listens on a free loopback port and forwards to `target_port`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(target_port: u16) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let accept = Arc::clone(&shared);
        thread::spawn(move || accept_loop(&listener, target_port, &accept));
        Ok(Proxy { shared, port })
    }

    /// Where to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Replaces the rules; waiting bytes see them at once.
    pub fn set(&self, rules: Rules) {
        self.shared.lock().rules = rules;
        self.shared.changed.notify_all();
    }

    /// Cuts all connections now; new ones are accepted.
    pub fn cut(&self) {
        cut_all(&mut self.shared.lock());
    }

    /// Refuses (closes at once) or accepts new connections from now on.
    pub fn refuse(&self, refuse: bool) {
        self.shared.lock().refuse = refuse;
    }

    /// Bytes that went towards the target so far.
    pub fn passed_bytes(&self) -> u64 {
        self.shared.lock().passed_bytes
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stop = true;
        cut_all(&mut state);
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the accept loop, which then sees `stop`.
        _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn cut_all(state: &mut State) {
    for stream in state.open.drain(..) {
        _ = stream.shutdown(Shutdown::Both);
    }
}

fn accept_loop(listener: &TcpListener, target_port: u16, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let mut state = shared.lock();
        if state.stop {
            return;
        }
        let Ok(inner) = stream else { continue };
        if state.refuse {
            continue;
        }
        let address = SocketAddr::from(([127, 0, 0, 1], target_port));
        let Ok(outer) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else { continue };
        if let Err(error) = wire(&inner, &outer, &mut state, shared) {
            eprintln!("proxy: {error}");
        }
    }
}

fn wire(inner: &TcpStream, outer: &TcpStream, state: &mut State, shared: &Arc<Shared>) -> io::Result<()> {
    inner.set_nodelay(true)?;
    outer.set_nodelay(true)?;
    state.open.push(inner.try_clone()?);
    state.open.push(outer.try_clone()?);
    for (from, to, counted) in [(inner, outer, true), (outer, inner, false)] {
        let (from, to, shared) = (from.try_clone()?, to.try_clone()?, Arc::clone(shared));
        thread::spawn(move || {
            // An end of either side is an end of both; errors here are the cuts that the test asked for.
            _ = pump(&from, &to, counted, &shared);
            _ = from.shutdown(Shutdown::Both);
            _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, counted: bool, shared: &Shared) -> io::Result<()> {
    let mut buf = vec![0; 16 * 1024];
    loop {
        let got = from.read(&mut buf)?;
        if got == 0 {
            return Ok(());
        }
        let mut rest = &buf[..got];
        while !rest.is_empty() {
            let (take, delay) = permit(rest.len(), counted, shared)?;
            if !delay.is_zero() {
                thread::sleep(delay);
            }
            to.write_all(&rest[..take])?;
            rest = &rest[take..];
        }
    }
}

/// Waits until the rules let something pass; how many bytes, and how long they must wait first.
fn permit(want: usize, counted: bool, shared: &Shared) -> io::Result<(usize, Duration)> {
    let mut state = shared.lock();
    while state.rules.hold && !state.stop {
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    if state.stop {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let mut take = if state.rules.chunk_bytes == 0 { want } else { want.min(state.rules.chunk_bytes) };
    if counted {
        if let Some(left) = state.rules.cut_after_bytes {
            if left == 0 {
                cut_all(&mut state);
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            take = take.min(usize::try_from(left).unwrap_or(take));
            state.rules.cut_after_bytes = Some(left - take as u64);
        }
        state.passed_bytes += take as u64;
    }
    Ok((take, state.rules.delay))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that returns what it gets, for any number of connections.
    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut reader = stream.try_clone().expect("clone");
                    _ = io::copy(&mut reader, &mut stream);
                });
            }
        });
        port
    }

    fn connect(port: u16) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
        stream
    }

    #[test]
    fn bytes_pass_unchanged_in_single_bytes() {
        let proxy = Proxy::start(echo()).expect("proxy");
        proxy.set(Rules { chunk_bytes: 1, ..Rules::default() });
        let mut stream = connect(proxy.port());
        let sent: Vec<u8> = (0..=255).collect();
        stream.write_all(&sent).expect("write");
        let mut got = vec![0; 256];
        stream.read_exact(&mut got).expect("read");
        assert_eq!(got, sent);
        assert_eq!(proxy.passed_bytes(), 256);
    }

    #[test]
    fn a_budget_cuts_at_the_exact_byte() {
        let proxy = Proxy::start(echo()).expect("proxy");
        proxy.set(Rules { cut_after_bytes: Some(10), ..Rules::default() });
        let mut stream = connect(proxy.port());
        // The second write may meet the cut already.
        _ = stream.write_all(&[7; 64]);
        let mut got = Vec::new();
        _ = stream.read_to_end(&mut got);
        assert!(got.len() <= 10);
        assert_eq!(proxy.passed_bytes(), 10);
    }

    #[test]
    fn hold_keeps_bytes_until_released() {
        let proxy = Proxy::start(echo()).expect("proxy");
        proxy.set(Rules { hold: true, ..Rules::default() });
        let mut stream = connect(proxy.port());
        stream.write_all(b"x").expect("write");
        assert_eq!(proxy.passed_bytes(), 0);
        proxy.set(Rules::default());
        let mut got = [0];
        stream.read_exact(&mut got).expect("read");
        assert_eq!(&got, b"x");
    }

    #[test]
    fn refused_connections_end_at_once() {
        let proxy = Proxy::start(echo()).expect("proxy");
        proxy.refuse(true);
        let mut got = Vec::new();
        connect(proxy.port()).read_to_end(&mut got).expect("closed");
        assert!(got.is_empty());
    }
}
