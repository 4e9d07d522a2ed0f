//! An engine in this process: one worker, no sockets, no disk. Bytes in, bytes out.
//!
//! Invariant: what a session leaves behind (data, subscriptions, watched keys) is gone after `reset`.
//! Callers: the command stream target; tests that want a node without a process.

use std::sync::Arc;

use commands::client::Client;
use commands::server::{LogLevel, Server, Shell, ShutdownMode};
use commands::session::Session;
use config::{Directive, Environment, Family, Store};
use engine::Worker;
use engine::batch::{self, MOST_REQUESTS, Stop};
use keyspace::Access;
use resp::request::{Decoder, Limits};
use resp::writer::{Chunk, Writer};

/// Tries after which a batch that is always busy is given up; alone in its process it never should be.
const MOST_BUSY: usize = 3;

/// A shell that does nothing: no disk, no links.
struct NoShell;

impl Shell for NoShell {
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
    fn replicate(&self, _primary: Option<(String, u16)>) {}
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
    server: Server,
    worker: Worker,
}

/// A connection to a node.
pub struct Connection {
    session: Session,
    decoder: Decoder,
    out: Writer,
    /// The connection is closed: a protocol error or QUIT.
    pub closed: bool,
}

impl Default for Node {
    fn default() -> Node {
        Node::new()
    }
}

impl Node {
    /// A node with the default configuration.
    ///
    /// # Panics
    /// When a fresh gate has no slot, which is a bug.
    pub fn new() -> Node {
        let store = Arc::new(Store::new(&Environment {
            cores: 1,
            dir: b"/nonexistent".to_vec(),
            family: Family::Redis,
        }));
        let rows = commands::table::table().rows().len();
        let server = Server::new(store, 1, rows);
        assert!(server.shell.set(Box::new(NoShell)).is_ok(), "invariant: a fresh server has no shell");
        let slot = server.keyspace.gate().register().expect("invariant: a fresh gate has slots");
        Node { server, worker: Worker::new(0, slot) }
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
        Connection { session, decoder: Decoder::default(), out: Writer::new(false), closed: false }
    }

    /// Ends a connection.
    pub fn disconnect(&self, connection: &mut Connection) {
        commands::end_session(&self.server, &mut connection.session);
        self.server.clients.remove(connection.session.client.id);
    }

    /// Feeds bytes; what was answered. A client that blocks answers nothing more.
    pub fn feed(&mut self, connection: &mut Connection, bytes: &[u8]) -> Vec<u8> {
        let limits = Limits { bulk_bytes: 1 << 20, authenticated: true, requests: MOST_REQUESTS };
        let mut replies = Vec::new();
        let mut rest = bytes;
        let mut busy = 0;
        while !connection.closed && connection.session.blocked.is_none() && busy < MOST_BUSY {
            let take = rest.len().min(connection.decoder.read_limit());
            connection.decoder.read_buffer().extend_from_slice(&rest[..take]);
            rest = &rest[take..];
            let error = connection.decoder.parse(&limits).err();
            let full = connection.decoder.len() >= MOST_REQUESTS;
            let Connection { session, decoder, out, .. } = connection;
            let report = batch::run(&mut self.worker, &self.server, session, decoder, out);
            let left = report.done < decoder.len();
            decoder.finish(report.done);
            collect(out.take(), &mut replies);
            busy = if report.stop == Stop::Busy { busy + 1 } else { 0 };
            connection.closed = report.stop == Stop::Leave;
            if let (Some(error), false) = (error, left) {
                replies.extend_from_slice(format!("-ERR {}\r\n", error.0).as_bytes());
                connection.closed = true;
            }
            if !left && !full && rest.is_empty() {
                break;
            }
        }
        replies
    }

    /// Starts anew, on empty databases and with nothing remembered.
    pub fn reset(&mut self) {
        *self = Node::new();
    }
}

fn collect(chunks: Vec<Chunk>, into: &mut Vec<u8>) {
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
}
