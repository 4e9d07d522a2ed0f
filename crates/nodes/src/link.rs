//! Nodes that replicate each other, over links that a test cuts.
//!
//! `REPLICAOF node N` makes the link's wish; [`Nodes::step`] does what replicas do by themselves: REPLCONF, PSYNC, taking the
//! stream in pieces of any size, acknowledging. A full resynchronisation carries the data set as DUMP and RESTORE do; files
//! belong to the tests of whole processes.
//!
//! Invariant: a replica whose link has carried everything has its primary's data and offset. Callers: tests.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use commands::client::{Client, ClientType};
use commands::replication::{LinkState, Replica, ReplicaState};
use commands::session::{Session, Takeover};
use engine::primary_stream::PrimaryStream;
use journal::Fetch;
use testkit::client::encode;
use testkit::reply::Reply;

use crate::node::{Connection, Node};

/// Bytes of each node's backlog.
const BACKLOG_BYTES: usize = 1 << 20;

/// Several nodes; see the module's text.
pub struct Nodes {
    nodes: Vec<Node>,
    /// What each node replicates: the link while it is up.
    links: Vec<Link>,
    /// Full and partial resynchronisations so far.
    pub full: usize,
    pub partial: usize,
}

enum Link {
    None,
    /// To be made.
    Down(usize),
    Up(Box<Up>),
}

struct Up {
    primary: usize,
    connection: Connection,
    reader: u64,
    stream: PrimaryStream,
}

impl Nodes {
    /// `count` nodes, none of which replicates another.
    pub fn new(count: usize) -> Nodes {
        Nodes {
            nodes: (0..count).map(|_| Node::new()).collect(),
            links: (0..count).map(|_| Link::None).collect(),
            full: 0,
            partial: 0,
        }
    }

    /// One node.
    pub fn node(&mut self, index: usize) -> &mut Node {
        &mut self.nodes[index]
    }

    /// Lets time pass on all nodes.
    pub fn pass(&mut self, ms: u64) {
        self.nodes.iter_mut().for_each(|node| node.pass(ms));
    }

    /// Cuts a node's link to its primary, if there is one; what was on its way is lost. It comes again with the next step.
    pub fn cut(&mut self, replica: usize) {
        let Link::Up(up) = &self.links[replica] else { return };
        let down = Link::Down(up.primary);
        let Link::Up(up) = std::mem::replace(&mut self.links[replica], down) else { return };
        let Up { primary, mut connection, reader, .. } = *up;
        let server = &self.nodes[primary].server;
        server.journal.detach(reader);
        server.replication.remove_replica(connection.session.client.id);
        self.nodes[primary].disconnect(&mut connection);
        self.nodes[replica].server.replication.set_link(|link| link.state = LinkState::Connect);
    }

    /// Carries up to `most` bytes over a node's link, making it first if it is down. True if anything moved.
    ///
    /// # Panics
    /// When nodes say to each other what no replica or primary says.
    pub fn step(&mut self, replica: usize, most: usize) -> bool {
        let wish = self.nodes[replica].wish.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(wish) = wish {
            self.cut(replica);
            self.links[replica] = wish.map_or(Link::None, |(_, port)| Link::Down(usize::from(port)));
        }
        match &mut self.links[replica] {
            Link::None => false,
            Link::Down(primary) => {
                let primary = *primary;
                self.connect(replica, primary)
            }
            Link::Up(up) if up.connection.session.client.is_killed() => {
                self.cut(replica);
                true
            }
            Link::Up(up) => match self.nodes[up.primary].server.journal.fetch(up.reader, most) {
                Fetch::Nothing => false,
                Fetch::Gone => {
                    self.cut(replica);
                    true
                }
                Fetch::Bytes(bytes) => {
                    let node = &mut self.nodes[replica];
                    up.stream.feed(&bytes);
                    let busy = up.stream.execute(&node.server, &mut node.worker);
                    assert_eq!(busy, Ok(false), "a node is alone in its process");
                    let ack = node.server.journal.end().to_string();
                    request(
                        &mut self.nodes[up.primary],
                        &mut up.connection,
                        &[b"REPLCONF", b"ACK", ack.as_bytes()],
                    );
                    true
                }
            },
        }
    }

    /// Steps until nothing moves any more.
    pub fn settle(&mut self) {
        while (0..self.nodes.len()).filter(|replica| self.step(*replica, usize::MAX >> 1)).count() > 0 {}
    }

    /// The handshake; false if the primary cannot be followed now.
    fn connect(&mut self, replica: usize, primary: usize) -> bool {
        let (id, offset) = {
            let server = &self.nodes[replica].server;
            match server.journal.is_recording() {
                true => (server.replication.history().id.clone(), (server.journal.end() + 1).to_string()),
                false => ("?".to_owned(), "-1".to_owned()),
            }
        };
        let node = &mut self.nodes[primary];
        let mut connection = node.connect();
        request(node, &mut connection, &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]);
        let answer = request(node, &mut connection, &[b"PSYNC", id.as_bytes(), offset.as_bytes()]);
        let Some(Takeover::Replica { from, .. }) = connection.session.takeover.take() else {
            assert!(answer.starts_with("-NOMASTERLINK"), "{answer}");
            node.disconnect(&mut connection);
            return false;
        };
        connection.closed = false;
        let reader = match from {
            Some(position) => {
                self.partial += 1;
                let id = answer.trim_end().strip_prefix("+CONTINUE ").expect("the answer to PSYNC");
                let reader = node.server.journal.attach(position, Arc::new(|| ()));
                let server = &self.nodes[replica].server;
                server.replication.go_on(id, &server.journal);
                reader
            }
            None => {
                self.full += 1;
                self.copy(primary, replica)
            }
        };
        self.nodes[primary].server.replication.add_replica(Arc::new(Replica {
            client: connection.session.client.clone(),
            address: "node".to_owned(),
            port: replica as u16,
            state: Mutex::new(ReplicaState::Online),
            ack_offset: AtomicU64::new(0),
            ack_ms: AtomicU64::new(0),
        }));
        let server = &self.nodes[replica].server;
        server.replication.set_link(|link| link.state = LinkState::Connected);
        let mut session = primary_session(server.clients.next_id());
        session.db = server.replication.stream_db.load(Relaxed);
        let reader = reader.expect("what PSYNC promised is there");
        self.links[replica] =
            Link::Up(Box::new(Up { primary, connection, reader, stream: PrimaryStream::new(session) }));
        true
    }

    /// A full resynchronisation: the replica's data set and history become the primary's. Answers the journal's reader.
    fn copy(&mut self, from: usize, to: usize) -> Option<u64> {
        let journal = &self.nodes[from].server.journal;
        if !journal.is_recording() {
            journal.start(BACKLOG_BYTES, journal.end());
        }
        journal.forget_database();
        let position = journal.end();
        let reader = journal.attach(position, Arc::new(|| ()));
        let id = self.nodes[from].server.replication.history().id.clone();
        let server = &self.nodes[to].server;
        server.journal.stop();
        let mut loader = self.nodes[to].connect();
        loader.session.is_primary_link = true;
        request(&mut self.nodes[to], &mut loader, &[b"FLUSHALL"]);
        for db in 0..self.nodes[from].server.keyspace.databases() {
            let db = db.to_string();
            request(&mut self.nodes[to], &mut loader, &[b"SELECT", db.as_bytes()]);
            for (key, ttl, dump) in dumps(&mut self.nodes[from], &db) {
                request(&mut self.nodes[to], &mut loader, &[b"RESTORE", &key, &ttl, &dump, b"ABSTTL"]);
            }
        }
        self.nodes[to].disconnect(&mut loader);
        let server = &self.nodes[to].server;
        server.replication.stream_db.store(0, Relaxed);
        server.replication.start_over(&id, position, BACKLOG_BYTES, &server.journal);
        reader
    }
}

/// All keys of a database, each with its time and payload as RESTORE wants them.
fn dumps(node: &mut Node, db: &str) -> Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let mut connection = node.connect();
    request(node, &mut connection, &[b"SELECT", db.as_bytes()]);
    let mut ask = |words: &[&[u8]]| {
        let mut bytes = Vec::new();
        encode(&mut bytes, words);
        Reply::parse(&node.feed(&mut connection, &bytes)).expect("a reply")
    };
    let keys = ask(&[b"KEYS", b"*"]);
    let keys: Vec<Vec<u8>> = keys.items().iter().filter_map(|key| key.bytes().map(<[u8]>::to_vec)).collect();
    let mut all = Vec::new();
    for key in keys {
        let dump = ask(&[b"DUMP", &key]);
        let ttl = ask(&[b"PEXPIRETIME", &key]).text().trim_start_matches(':').to_owned();
        if let Some(dump) = dump.bytes() {
            let ttl = if ttl.starts_with('-') { b"0".to_vec() } else { ttl.into_bytes() };
            all.push((key, ttl, dump.to_vec()));
        }
    }
    node.disconnect(&mut connection);
    all
}

/// Sends one request; the answer as text.
fn request(node: &mut Node, connection: &mut Connection, words: &[&[u8]]) -> String {
    let mut bytes = Vec::new();
    encode(&mut bytes, words);
    String::from_utf8_lossy(&node.feed(connection, &bytes)).into_owned()
}

fn primary_session(id: u64) -> Session {
    let client = Client::new(id, "primary".into(), "replica".into(), -1, Box::new(|| ()));
    let mut session = Session::new(Arc::new(client));
    (session.is_primary_link, session.authenticated, session.kind) = (true, true, ClientType::Primary);
    session
}
