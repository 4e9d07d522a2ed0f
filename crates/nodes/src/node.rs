//! An engine in this process: one worker. Bytes in, bytes out.
//!
//! Invariant: what a session leaves behind (data, subscriptions, watched keys) is gone after `reset`. Callers: see the
//! crate's text.

use std::sync::{Arc, Mutex};

use commands::client::Client;
use commands::server::{LogLevel, Server, Shell, ShutdownMode};
use commands::session::Session;
use config::{Directive, Environment, Family, Store};
use engine::Worker;
use engine::batch::{self, MOST_REQUESTS, Stop};
use engine::block::{self, End};
use engine::held::HeldReplies;
use keyspace::Access;
use resp::request::{Decoder, Limits};
use resp::writer::{Chunk, Writer};
use testkit::client::encode;
use testkit::reply::Reply;

/// Tries after which a batch that is always busy is given up; alone in its process it never should be.
const MOST_BUSY: usize = 3;
/// When a node's clock begins, Unix milliseconds.
pub const START_MS: u64 = 1_700_000_000_000;

/// What REPLICAOF last asked for.
pub(crate) type Wish = Arc<Mutex<Option<Option<(String, u16)>>>>;

/// A shell without disk; links are made by whoever ties nodes together.
struct NodeShell {
    wish: Wish,
}

impl Shell for NodeShell {
    fn save_alone(&self, _access: &mut Access<'_>) -> Result<(), String> {
        Err("no disk".into())
    }
    fn begin_save(&self, _access: &mut Access<'_>) -> Result<(), String> {
        Err("no disk".into())
    }
    fn load_alone(&self, _access: &mut Access<'_>, _flush: bool) -> Result<(), String> {
        Err("no disk".into())
    }
    fn replace_file(&self, _path: &str, _make: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> Result<(), String> {
        Err("no disk".into())
    }
    fn free_later(&self, garbage: Box<dyn std::any::Any + Send>) {
        drop(garbage);
    }
    fn replicate(&self, primary: Option<(String, u16)>) {
        *self.wish.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(primary);
    }
    fn shutdown(&self, _how: ShutdownMode) {}
    fn abort_shutdown(&self) -> bool {
        false
    }
    fn reconfigure(&self, _directive: Directive) -> Result<(), String> {
        Ok(())
    }
    fn log(&self, _level: LogLevel, _text: &str) {}
}

/// A node.
pub struct Node {
    pub server: Server,
    pub(crate) worker: Worker,
    pub(crate) wish: Wish,
    now_ms: u64,
}

/// A connection to a node.
pub struct Connection {
    pub session: Session,
    decoder: Decoder,
    /// Bytes that have come and that the decoder has not taken.
    waiting: Vec<u8>,
    out: Writer,
    held: HeldReplies,
    /// The connection is closed, or taken over: a protocol error, QUIT, PSYNC.
    pub closed: bool,
}

impl Default for Node {
    fn default() -> Node {
        Node::new()
    }
}

impl Node {
    /// A node with the default configuration, at [`START_MS`].
    ///
    /// # Panics
    /// When a fresh gate has no slot, which is a bug.
    pub fn new() -> Node {
        let store = Arc::new(Store::new(&Environment {
            cores: 1,
            dir: b"/nonexistent".to_vec(),
            family: Family::Redis,
        }));
        let noted = store.note(Directive::EnableDebugCommand, b"yes");
        debug_assert!(noted.is_ok(), "yes is a value of it");
        let rows = commands::table::table().rows().len();
        let server = Server::new(store, 1, rows);
        server.clock.fix(START_MS);
        let wish = Wish::default();
        let shell = NodeShell { wish: wish.clone() };
        assert!(server.shell.set(Box::new(shell)).is_ok(), "invariant: a fresh server has no shell");
        let slot = server.keyspace.gate().register().expect("invariant: a fresh gate has slots");
        Node { server, worker: Worker::new(0, slot), wish, now_ms: START_MS }
    }

    /// A new connection, authenticated as one is without a password.
    pub fn connect(&self) -> Connection {
        let id = self.server.clients.next_id();
        let client =
            Arc::new(Client::new(id, "10.0.0.1:1".into(), "10.0.0.2:6379".into(), -1, Box::new(|| ())));
        let mut session = Session::new(client.clone());
        session.authenticated = true;
        session.is_local = true;
        self.server.clients.add(client);
        Connection {
            session,
            decoder: Decoder::default(),
            waiting: Vec::new(),
            out: Writer::new(false),
            held: HeldReplies::default(),
            closed: false,
        }
    }

    /// Ends a connection.
    pub fn disconnect(&mut self, connection: &mut Connection) {
        if connection.session.blocked.is_some() {
            block::end_wait(&self.server, 0, &mut connection.session, End::Gone);
        }
        commands::end_session(&self.server, &mut connection.session);
        self.server.clients.remove(connection.session.client.id);
    }

    /// Milliseconds since the Unix epoch, as the node sees them.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Lets time pass, then does the regular work: what is due expires.
    pub fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.server.clock.fix(self.now_ms);
        engine::cron::expire_due(&mut self.worker, &self.server, 1);
        engine::evict::go_on(&mut self.worker, &self.server);
    }

    /// Feeds bytes; what is answered at once.
    pub fn feed(&mut self, connection: &mut Connection, bytes: &[u8]) -> Vec<u8> {
        connection.waiting.extend_from_slice(bytes);
        self.poll(connection)
    }

    /// What else is answered by now: a blocked client may have been served or have waited long enough, messages may have
    /// come, a reply may be held no longer.
    pub fn poll(&mut self, connection: &mut Connection) -> Vec<u8> {
        let mut replies = Vec::new();
        let mut busy = 0;
        while !connection.closed && busy < MOST_BUSY {
            if let Some((mut reply, position)) =
                block::look(&mut self.worker, &self.server, &mut connection.session)
            {
                connection.session.last_write = connection.session.last_write.max(position);
                connection.out.append(&mut reply);
            }
            let stop = self.one_batch(connection);
            self.send(connection, &mut replies);
            match stop {
                Some(Stop::Busy) => busy += 1,
                Some(_) if connection.session.blocked.is_none() => busy = 0,
                _ => break,
            }
        }
        self.send(connection, &mut replies);
        replies
    }

    /// Parses what has come and runs it; `None` if there was nothing to run, or the client waits.
    fn one_batch(&mut self, connection: &mut Connection) -> Option<Stop> {
        if connection.session.blocked.is_some() {
            return None;
        }
        let limits = Limits { bulk_bytes: 1 << 20, authenticated: true, requests: MOST_REQUESTS };
        let Connection { session, decoder, waiting, out, .. } = connection;
        let mut error = None;
        while decoder.is_empty() && error.is_none() {
            let take = waiting.len().min(decoder.read_limit());
            decoder.read_buffer().extend_from_slice(&waiting[..take]);
            waiting.drain(..take);
            error = decoder.parse(&limits).err();
            if waiting.is_empty() {
                break;
            }
        }
        if decoder.is_empty() {
            if let Some(error) = error {
                out.error(format!("ERR {}", error.0).as_bytes());
                connection.closed = true;
            }
            return None;
        }
        let report = batch::run(&mut self.worker, &self.server, session, decoder, out);
        decoder.finish(report.done);
        connection.closed = report.stop == Stop::Leave || session.takeover.is_some();
        Some(report.stop)
    }

    fn send(&mut self, connection: &mut Connection, into: &mut Vec<u8>) {
        if !connection.out.is_empty() {
            connection.held.hold(connection.out.take(), connection.session.last_write);
        }
        while let Some(chunks) = connection.held.release(self.server.journal.released()) {
            collect(&chunks, into);
        }
        if connection.session.client.has_mail() {
            collect(&connection.session.client.collect(), into);
        }
    }

    /// Runs one command on a connection of its own.
    ///
    /// # Panics
    /// When the reply is no frame: it blocks, or a bug.
    pub fn call<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Reply {
        let mut connection = self.connect();
        let mut request = Vec::new();
        encode(&mut request, words);
        let reply = self.feed(&mut connection, &request);
        self.disconnect(&mut connection);
        Reply::parse(&reply).unwrap_or_else(|error| panic!("{error:?}: {}", reply.escape_ascii()))
    }

    /// [`Node::call`] with words divided by spaces; the reply's rendering.
    pub fn words(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        self.call(&words).render()
    }

    /// Starts anew, on empty databases and with nothing remembered.
    pub fn reset(&mut self) {
        *self = Node::new();
    }
}

fn collect(chunks: &[Chunk], into: &mut Vec<u8>) {
    chunks.iter().for_each(|chunk| into.extend_from_slice(chunk.as_slice()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_answers_and_forgets() {
        let mut node = Node::new();
        let mut connection = node.connect();
        assert_eq!(node.feed(&mut connection, b"SET k v\r\nGET k\r\nPI"), b"+OK\r\n$1\r\nv\r\n");
        assert_eq!(node.feed(&mut connection, b"NG\r\n"), b"+PONG\r\n");
        node.disconnect(&mut connection);
        node.reset();
        let mut connection = node.connect();
        assert_eq!(node.feed(&mut connection, b"GET k\r\n"), b"$-1\r\n");
        node.disconnect(&mut connection);
    }

    #[test]
    fn time_passes_when_it_is_told_to() {
        let mut node = Node::new();
        let mut waiter = node.connect();
        assert_eq!(node.feed(&mut waiter, b"BLPOP l 0.5\r\nPING\r\n"), b"");
        node.words("SET k v PX 400");
        node.pass(400);
        assert_eq!(node.words("PTTL k"), node.words("PTTL nothing").replace("-2", "0"));
        assert_eq!(node.poll(&mut waiter), b"");
        node.pass(100);
        assert_eq!(node.words("DBSIZE"), node.words("LLEN nothing"));
        assert_eq!(node.poll(&mut waiter), b"*-1\r\n+PONG\r\n");
        node.disconnect(&mut waiter);
    }

    #[test]
    fn replies_to_writes_wait_for_the_journal() {
        let mut node = Node::new();
        node.server.journal.start(1 << 20, 0);
        node.server.journal.hold(0);
        let (mut writer, mut reader) = (node.connect(), node.connect());
        assert_eq!(node.feed(&mut writer, b"SET k v\r\nGET k\r\n"), b"");
        assert_eq!(node.feed(&mut reader, b"PING\r\n"), b"+PONG\r\n");
        // Not even what follows a write that waits overtakes it.
        assert_eq!(node.feed(&mut writer, b"PING\r\n"), b"");
        let first = node.server.journal.end();
        assert_eq!(node.feed(&mut writer, b"SET k w\r\n"), b"");
        node.server.journal.hold(first - 1);
        assert_eq!(node.poll(&mut writer), b"");
        node.server.journal.hold(first);
        assert_eq!(node.poll(&mut writer), b"+OK\r\n$1\r\nv\r\n+PONG\r\n");
        node.server.journal.hold(u64::MAX);
        assert_eq!(node.poll(&mut writer), b"+OK\r\n");
        node.disconnect(&mut writer);
        node.disconnect(&mut reader);
    }

    #[test]
    fn who_is_served_by_a_write_waits_with_it() {
        let mut node = Node::new();
        node.server.journal.start(1 << 20, 0);
        let (mut writer, mut waiter) = (node.connect(), node.connect());
        assert_eq!(node.feed(&mut waiter, b"BLPOP l 0\r\n"), b"");
        node.server.journal.hold(node.server.journal.end());
        assert_eq!(node.feed(&mut writer, b"RPUSH l a\r\n"), b"");
        assert_eq!(node.poll(&mut waiter), b"");
        node.server.journal.hold(u64::MAX);
        assert_eq!(node.poll(&mut waiter), b"*2\r\n$1\r\nl\r\n$1\r\na\r\n");
        assert_eq!(node.poll(&mut writer), b":1\r\n");
        node.disconnect(&mut writer);
        node.disconnect(&mut waiter);
    }
}
