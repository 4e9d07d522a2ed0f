//! MIGRATE's way to the other server: connections that are kept for a while, and the exchange on them.
//!
//! Runs on a thread where blocking is allowed, never under a lock of the keyspace. The connection's task of
//! `connection.rs` calls it between the two runs of the command; the regular work drops what is idle.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use commands::generic::migrate::Migration;
use commands::server::Server;
use config::Directive;
use resp::reply::{Decoder, Value, encode_command};

/// Most connections that are kept.
const MOST_KEPT: usize = 64;
/// How long an idle one is kept.
const KEEP: Duration = Duration::from_secs(10);

/// Connections are shared only by those who give the same credentials.
type Target = (String, u16, Option<Vec<Vec<u8>>>);

struct Kept {
    stream: TcpStream,
    db: i64,
    since: Instant,
}

static KEPT: LazyLock<Mutex<HashMap<Target, Kept>>> = LazyLock::new(Mutex::default);

fn kept() -> MutexGuard<'static, HashMap<Target, Kept>> {
    KEPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Closes connections that nobody used lately, and counts the others for INFO.
pub fn release(server: &Server) {
    let mut kept = kept();
    kept.retain(|_, kept| kept.since.elapsed() < KEEP);
    server.migrate_sockets.store(kept.len() as u64, Relaxed);
}

/// What went wrong on the way.
enum Failure {
    Writing,
    Reading(io::ErrorKind),
    /// The target refused what must come before the keys.
    Refused(String),
}

/// Sends what is to be sent; notes what arrived and the first error.
pub fn send(server: &Server, mut migration: Box<Migration>) -> Box<Migration> {
    let target = (migration.host.clone(), migration.port, migration.auth.clone());
    let old = kept().remove(&target);
    let had_one = old.is_some();
    let mut result = exchange(server, &mut migration, old);
    // The other side may have closed a connection that was kept: that is known only now.
    let stale = matches!(&result, Err(Failure::Writing))
        || matches!(&result, Err(Failure::Reading(kind)) if *kind != io::ErrorKind::WouldBlock);
    if had_one && stale && migration.arrived.is_empty() && migration.error.is_none() {
        result = exchange(server, &mut migration, None);
    }
    let error = match result {
        Ok(connection) => {
            let mut kept = kept();
            if kept.len() < MOST_KEPT {
                kept.insert(target, connection);
            }
            None
        }
        Err(Failure::Writing) => Some("IOERR error or timeout writing to target instance".to_owned()),
        Err(Failure::Reading(_)) => Some("IOERR error or timeout reading to target instance".to_owned()),
        Err(Failure::Refused(text)) => Some(refusal(&text)),
    };
    migration.error = migration.error.take().or(error);
    release(server);
    migration
}

fn refusal(text: &str) -> String {
    format!("ERR Target instance replied with error: {text}")
}

fn connect(server: &Server, migration: &Migration) -> Result<Kept, Failure> {
    let patience = Duration::from_millis(migration.timeout_ms);
    let addresses = (migration.host.as_str(), migration.port).to_socket_addrs();
    let mut addresses = addresses.map_err(|_| Failure::Writing)?;
    let stream = addresses.find_map(|address| TcpStream::connect_timeout(&address, patience).ok());
    let stream = stream.ok_or(Failure::Writing)?;
    let (Ok(ours), Ok(theirs)) = (stream.local_addr(), stream.peer_addr()) else {
        return Err(Failure::Writing);
    };
    // A server that sent keys to itself would delete what it just replaced.
    let same_host = ours.ip() == theirs.ip() || ours.ip().is_loopback() && theirs.ip().is_loopback();
    if same_host && server.config.int(Directive::Port) == i64::from(theirs.port()) {
        return Err(Failure::Reading(io::ErrorKind::TimedOut));
    }
    stream.set_nodelay(true).map_err(|_| Failure::Writing)?;
    Ok(Kept { stream, db: -1, since: Instant::now() })
}

/// One conversation; the connection may be kept if all of it was understood.
fn exchange(server: &Server, migration: &mut Migration, old: Option<Kept>) -> Result<Kept, Failure> {
    let mut connection = match old {
        Some(old) => old,
        None => connect(server, migration)?,
    };
    let patience = Some(Duration::from_millis(migration.timeout_ms));
    let stream = &mut connection.stream;
    stream.set_read_timeout(patience).map_err(|_| Failure::Writing)?;
    stream.set_write_timeout(patience).map_err(|_| Failure::Writing)?;
    let mut bytes = Vec::new();
    let mut before = 0;
    if let Some(auth) = &migration.auth {
        encode_command(auth, &mut bytes);
        before += 1;
    }
    if connection.db != migration.db {
        encode_command(&["SELECT", &migration.db.to_string()], &mut bytes);
        before += 1;
    }
    for item in &migration.items {
        let now_ms = sys::os::unix_ms();
        let ttl_ms = item.expire_ms.map_or(0, |at| at.saturating_sub(now_ms).max(1)).to_string();
        let mut argv: Vec<&[u8]> = vec![b"RESTORE", &item.key, ttl_ms.as_bytes(), &item.payload];
        if item.replace {
            argv.push(b"REPLACE");
        }
        encode_command(&argv, &mut bytes);
    }
    stream.write_all(&bytes).map_err(|_| Failure::Writing)?;
    let mut replies = Replies { stream, decoder: Decoder::new() };
    for _ in 0..before {
        if let Value::Error(text) = replies.next()? {
            return Err(Failure::Refused(String::from_utf8_lossy(&text).into_owned()));
        }
    }
    migration.arrived.clear();
    for at in 0..migration.items.len() {
        match replies.next()? {
            Value::Error(text) => {
                let first = || refusal(&String::from_utf8_lossy(&text));
                migration.error.get_or_insert_with(first);
            }
            _ => migration.arrived.push(at),
        }
    }
    (connection.db, connection.since) = (migration.db, Instant::now());
    Ok(connection)
}

struct Replies<'a> {
    stream: &'a mut TcpStream,
    decoder: Decoder,
}

impl Replies<'_> {
    fn next(&mut self) -> Result<Value, Failure> {
        loop {
            let failed = |_| Failure::Reading(io::ErrorKind::InvalidData);
            if let Some(value) = self.decoder.next().map_err(failed)? {
                return Ok(value);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Failure::Reading(io::ErrorKind::UnexpectedEof)),
                Ok(read) => self.decoder.feed(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::Reading(error.kind())),
            }
        }
    }
}
