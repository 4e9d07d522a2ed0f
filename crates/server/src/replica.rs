//! The primary's side of replication: a replica's connection, from PSYNC to its end.
//!
//! A partial resynchronisation attaches to the journal and streams. A full one waits for the next snapshot: those who wait
//! together share one. The snapshot begins behind the gate, where all of them attach to the journal at its position; so what
//! they get is the data set up to there, and every byte from there on.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use commands::client::ClientType;
use commands::replication::{Replica, ReplicaState};
use commands::server::Server;
use commands::stats::Counter;
use config::Directive;
use journal::Fetch;
use rdb::Dialect;
use tokio::sync::mpsc;

use crate::connection::Connection;
use crate::save::{self, Target};

/// Bytes fetched from the journal at once: a copy, which a replica that stops reading keeps beside the journal.
const FETCH_BYTES: usize = 16 << 10;
/// Bytes read from a dump file at once, each time on another thread.
const FILE_BYTES: usize = 64 << 10;
/// Pieces of a snapshot on their way to one replica.
const CHANNEL: usize = 16;
/// How often it is looked whether a snapshot for replicas may begin.
const GROUP_LOOK: Duration = Duration::from_millis(10);
/// How often a replica's limit, and whether it is still there, is looked at while it waits for its dump or takes it.
const LOOK: Duration = Duration::from_millis(100);

/// What the snapshot's thread tells a waiting connection.
enum Message {
    /// The snapshot begins: the journal's reader and position, and the mark that ends the stream (or none: a file follows).
    Start {
        reader: u64,
        position: u64,
        /// The history that the position belongs to.
        history: String,
    },
    Bytes(Arc<Vec<u8>>),
    /// The file to send, for replicas that do not know an end mark.
    File(std::path::PathBuf, u64),
    Failed,
    End,
}

struct Waiting {
    messages: mpsc::Sender<Message>,
    wake: journal::Wake,
    /// Whether it understands a stream that ends with a mark.
    eof: bool,
    /// Whether it wants no keys, only what follows.
    without_data: bool,
    /// Whose types it understands where Redis and Valkey differ.
    dialect: Dialect,
    since: Instant,
}

static WAITING: Mutex<Vec<Waiting>> = Mutex::new(Vec::new());
static STARTER: AtomicBool = AtomicBool::new(false);

/// Streams the replication to a replica until the link ends.
pub async fn feed(server: &'static Server, connection: &mut Connection, psync: bool, from: Option<u64>) {
    connection.session.kind = ClientType::Replica;
    connection.session.publish();
    let info = &connection.session.replica;
    let peer = connection.session.client.address.clone();
    let ip = peer.rsplit_once(':').map_or(peer.as_str(), |(ip, _)| ip.trim_matches(['[', ']']));
    let replica = Arc::new(Replica {
        client: connection.session.client.clone(),
        address: if info.address.is_empty() { ip.to_owned() } else { info.address.clone() },
        port: info.listening_port,
        state: Mutex::new(ReplicaState::WaitBgsave),
        ack_offset: AtomicU64::new(0),
        ack_ms: AtomicU64::new(sys::os::unix_ms()),
    });
    crate::log::notice(&format!("Replica {}:{} asks for synchronization", replica.address, replica.port));
    server.replication.add_replica(replica.clone());
    let result = match from {
        Some(position) => partial(server, connection, &replica, position).await,
        None => full(server, connection, &replica, psync).await,
    };
    server.replication.remove_replica(replica.client.id);
    count_good(server);
    if let Err(error) = result {
        if error.kind() == io::ErrorKind::TimedOut {
            let (address, port) = (&replica.address, replica.port);
            crate::log::warning(&format!("Disconnecting timedout replica (full sync): {address}:{port}"));
        }
        crate::log::warning(&format!(
            "Connection with replica {}:{} lost: {error}",
            replica.address, replica.port
        ));
    }
}

fn waker(connection: &Connection) -> journal::Wake {
    let alarm = connection.alarm.clone();
    Arc::new(move || alarm.ring())
}

async fn partial(
    server: &'static Server,
    connection: &mut Connection,
    replica: &Replica,
    position: u64,
) -> io::Result<()> {
    let reader = server.journal.attach(position, waker(connection));
    let reader = reader.ok_or_else(|| io::Error::other("the backlog has moved on"))?;
    // What is attached now is detached when the history changes; before, it may have changed already.
    if server.replication.history().id != connection.session.replica.history {
        server.journal.detach(reader);
        return Err(io::Error::other("the history has changed"));
    }
    server.workers[0].add(Counter::SyncPartialOk, 1);
    crate::log::notice(&format!(
        "Partial resynchronization request from {}:{} accepted. Sending {} bytes of backlog starting from offset {}.",
        replica.address,
        replica.port,
        server.journal.end() - position,
        position + 1
    ));
    stream(server, connection, replica, reader, false).await
}

async fn full(
    server: &'static Server,
    connection: &mut Connection,
    replica: &Replica,
    psync: bool,
) -> io::Result<()> {
    server.workers[0].add(Counter::SyncFull, 1);
    let (messages, mut inbox) = mpsc::channel(CHANNEL);
    let told = &connection.session.replica;
    let without_data = told.without_data;
    // A dump without data must never become the dump file.
    let eof = without_data || told.capa_eof && server.config.flag(Directive::ReplDisklessSync);
    let dialect = if told.valkey { Dialect::Valkey } else { Dialect::Redis };
    let wake = waker(connection);
    let waiting = Waiting { messages, wake, eof, without_data, dialect, since: Instant::now() };
    WAITING.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(waiting);
    if !STARTER.swap(true, Relaxed) {
        std::thread::Builder::new().name("full sync".into()).spawn(move || serve_waiting(server))?;
    }
    let mark = commands::replication::random_id();
    let mut attached = None;
    let mut spoken = Instant::now();
    let result = loop {
        match tokio::time::timeout(LOOK, inbox.recv()).await {
            Err(_) if attached.is_some_and(|reader| over_limit(server, reader)) => break Err(too_slow()),
            Err(_) => {
                if let Err(error) = connection.look() {
                    break Err(error);
                }
                // Keeps the replica from giving up while it waits; not while something holds the whole server up (DEBUG
                // SLEEP), for who cannot serve is not alive.
                let is_due = attached.is_none() && spoken.elapsed() >= Duration::from_secs(1);
                if is_due && !server.keyspace.gate().is_closed() {
                    connection.send(b"\n").await?;
                    spoken = Instant::now();
                }
            }
            Ok(None | Some(Message::Failed)) => break Err(io::Error::other("the snapshot failed")),
            Ok(Some(Message::Start { reader, position, history })) => {
                attached = Some(reader);
                let mut header = String::new();
                if psync {
                    header.push_str(&format!("+FULLRESYNC {history} {position}\r\n"));
                }
                if eof {
                    header.push_str(&format!("$EOF:{mark}\r\n"));
                }
                if let Err(error) = send_dump(server, connection, header.as_bytes(), attached).await {
                    break Err(error);
                }
            }
            Ok(Some(Message::Bytes(bytes))) => {
                if let Err(error) = send_dump(server, connection, &bytes, attached).await {
                    break Err(error);
                }
            }
            Ok(Some(Message::File(path, bytes))) => {
                // As long as the dump is being made the replica waits for it, whether or not it gets parts of it.
                *replica.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) =
                    ReplicaState::SendBulk;
                break send_file(server, connection, &path, bytes, attached).await;
            }
            Ok(Some(Message::End)) => {
                break send_dump(server, connection, mark.as_bytes(), attached).await;
            }
        }
    };
    let Some(reader) = attached else { return result };
    match result {
        Ok(()) => {
            crate::log::notice(&format!(
                "Synchronization with replica {}:{} succeeded",
                replica.address, replica.port
            ));
            stream(server, connection, replica, reader, eof).await
        }
        Err(error) => {
            server.journal.detach(reader);
            Err(error)
        }
    }
}

/// Sends a part of the dump. What is written meanwhile waits in the journal: the replica is given up when that exceeds
/// its limit.
async fn send_dump(
    server: &'static Server,
    connection: &mut Connection,
    bytes: &[u8],
    reader: Option<u64>,
) -> io::Result<()> {
    let mut sending = std::pin::pin!(connection.send(bytes));
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            biased;
            result = &mut sending => return result,
            _ = look.tick() => {
                if reader.is_some_and(|reader| over_limit(server, reader)) {
                    return Err(too_slow());
                }
            }
        }
    }
}

async fn send_file(
    server: &'static Server,
    connection: &mut Connection,
    path: &std::path::Path,
    bytes: u64,
    reader: Option<u64>,
) -> io::Result<()> {
    use tokio::io::AsyncReadExt;
    let mut file = tokio::fs::File::open(path).await?;
    send_dump(server, connection, format!("${bytes}\r\n").as_bytes(), reader).await?;
    let mut buffer = vec![0; FILE_BYTES];
    loop {
        match file.read(&mut buffer).await? {
            0 => return Ok(()),
            read => send_dump(server, connection, &buffer[..read], reader).await?,
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::other("it reads too slowly (client-output-buffer-limit)")
}

/// Sends the journal as it grows, and takes the replica's acknowledgements.
///
/// With `after_mark` it begins with the first of these: a real replica knows the end of a dump by the mark being the last
/// thing that it has received, so nothing may follow the mark until it has spoken.
async fn stream(
    server: &'static Server,
    connection: &mut Connection,
    replica: &Replica,
    reader: u64,
    after_mark: bool,
) -> io::Result<()> {
    let mut held = after_mark;
    let mut heard = connection.received_bytes();
    *replica.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = ReplicaState::Online;
    replica.ack_ms.store(sys::os::unix_ms(), Relaxed);
    count_good(server);
    let result = loop {
        let fetched = if held || connection.has_output() {
            Fetch::Nothing
        } else {
            server.journal.fetch(reader, FETCH_BYTES)
        };
        match fetched {
            Fetch::Gone => break Err(io::Error::other("its part of the journal is gone")),
            Fetch::Bytes(bytes) => {
                server.workers[0].add(Counter::NetReplOutput, bytes.len() as u64);
                connection.queue(bytes);
            }
            Fetch::Nothing => {}
        }
        if let Err(error) = connection.exchange(|| !held && server.journal.lag(reader) > 0).await {
            break Err(error);
        }
        if held {
            held = !std::mem::take(&mut connection.session.replica.acknowledged);
            // While it loads, a replica sends empty lines as signs of life.
            if std::mem::replace(&mut heard, connection.received_bytes()) != heard {
                replica.ack_ms.store(sys::os::unix_ms(), Relaxed);
            }
        }
        if over_limit(server, reader) {
            break Err(too_slow());
        }
        let silent_ms = sys::os::unix_ms().saturating_sub(replica.ack_ms.load(Relaxed));
        if silent_ms > server.config.int(Directive::ReplTimeout).max(1) as u64 * 1000 {
            break Err(io::Error::other("it does not acknowledge (repl-timeout)"));
        }
    };
    server.journal.detach(reader);
    result
}

fn count_good(server: &Server) {
    server.replication.count_good(server.config.int(Directive::MinReplicasMaxLag).max(0) as u64);
}

fn over_limit(server: &Server, reader: u64) -> bool {
    let limit = server.config.output_limits().replica.hard_bytes;
    limit > 0
        && server.journal.lag(reader) > limit.max(server.config.int(Directive::ReplBacklogSize).max(0) as u64)
}

/// A snapshot's bytes to all replicas that share it.
struct Broadcast(Vec<mpsc::Sender<Message>>);

impl Target for Broadcast {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes = Arc::new(bytes.to_vec());
        self.0.retain(|replica| replica.blocking_send(Message::Bytes(bytes.clone())).is_ok());
        if self.0.is_empty() { Err(io::Error::other("no replica is left")) } else { Ok(()) }
    }

    fn is_wanted(&self) -> bool {
        self.0.iter().any(|replica| !replica.is_closed())
    }
}

/// A dump file that is made for replicas. Where the server saves by itself anyway it is of use without them, too.
struct FileForReplicas {
    file: Box<dyn Target>,
    replicas: Vec<mpsc::Sender<Message>>,
    server: &'static Server,
}

impl Target for FileForReplicas {
    fn is_prompt(&self) -> bool {
        self.file.is_prompt()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_wanted() { self.file.write(bytes) } else { Err(io::Error::other("no replica is left")) }
    }

    fn is_wanted(&self) -> bool {
        self.replicas.iter().any(|replica| !replica.is_closed())
            || !self.server.config.save_points().is_empty()
    }
}

/// The full sync thread: as long as replicas wait, takes snapshots for them.
fn serve_waiting(server: &'static Server) {
    loop {
        let group = {
            let mut waiting = WAITING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            waiting.retain(|replica| !replica.messages.is_closed());
            if waiting.is_empty() {
                STARTER.store(false, Relaxed);
                return;
            }
            if server.persistence.is_busy() { None } else { next_group(server, &mut waiting) }
        };
        match group {
            Some(group) => serve_group(server, group),
            None => std::thread::sleep(GROUP_LOOK),
        }
    }
}

/// Those for whom a snapshot begins now. The first that waits decides which: those that need a file make one together, at
/// once; the others share a stream, which begins when the first has waited for `repl-diskless-sync-delay`, or
/// `repl-diskless-sync-max-replicas` are there.
fn next_group(server: &Server, waiting: &mut Vec<Waiting>) -> Option<Vec<Waiting>> {
    let first = waiting.first()?;
    let kind = |replica: &Waiting| (replica.eof, replica.without_data, replica.dialect);
    let (eof, wanted) = (first.eof, kind(first));
    let alike = |replica: &Waiting| kind(replica) == wanted;
    let delay = Duration::from_secs(server.config.int(Directive::ReplDisklessSyncDelay).max(0) as u64);
    let enough = server.config.int(Directive::ReplDisklessSyncMaxReplicas).max(0) as usize;
    let count = waiting.iter().filter(|replica| alike(replica)).count();
    if eof && first.since.elapsed() < delay && (enough == 0 || count < enough) {
        return None;
    }
    let (group, rest) = std::mem::take(waiting).into_iter().partition(alike);
    *waiting = rest;
    Some(group)
}

fn serve_group(server: &'static Server, group: Vec<Waiting>) {
    let eof = group.iter().all(|replica| replica.eof);
    let dialect = group.first().map_or(Dialect::Redis, |replica| replica.dialect);
    let without_data = group.iter().all(|replica| replica.without_data);
    let senders: Vec<_> = group.iter().map(|replica| replica.messages.clone()).collect();
    crate::log::notice(if eof {
        "Starting BGSAVE for SYNC with target: replicas sockets"
    } else {
        "Starting BGSAVE for SYNC with target: disk"
    });
    let file = if eof { None } else { save::DumpFile::create(server).ok() };
    let target: Box<dyn Target> = match &file {
        Some(file) => {
            let replicas = senders.clone();
            Box::new(FileForReplicas { file: file.target(), replicas, server })
        }
        None => Box::new(Broadcast(senders.clone())),
    };
    let (done, ended) = std::sync::mpsc::channel();
    let begun = {
        let _alone = server.keyspace.gate().close();
        if !server.journal.is_recording() {
            let size = server.config.int(Directive::ReplBacklogSize).max(16 << 10) as usize;
            server.journal.start(size, server.journal.end());
        }
        server.journal.forget_database();
        let position = server.journal.end();
        for replica in &group {
            if let Some(reader) = server.journal.attach(position, replica.wake.clone()) {
                // A replica that left meanwhile detaches with its connection's end; this one never began.
                let history = server.replication.history().id.clone();
                if replica.messages.try_send(Message::Start { reader, position, history }).is_err() {
                    server.journal.detach(reader);
                }
            }
        }
        let mut access = server.keyspace.access_all();
        let what = if without_data { save::What::NoKeys } else { save::What::All };
        save::begin(server, &mut access, (target, what), dialect, Some(position), move |result| {
            drop(done.send(result))
        })
    };
    let result = begun
        .map_err(io::Error::other)
        .and_then(|()| ended.recv().unwrap_or_else(|_| Err(io::Error::other("no saver"))));
    finish_group(server, file, result, &senders);
}

fn finish_group(
    server: &Server,
    file: Option<save::DumpFile>,
    result: io::Result<()>,
    senders: &[mpsc::Sender<Message>],
) {
    let tell = |message: &dyn Fn() -> Message| {
        // Those that are gone need no message.
        senders.iter().for_each(|sender| drop(sender.blocking_send(message())));
    };
    match (result, file) {
        (Err(error), file) => {
            crate::log::warning(&format!("Snapshot for replicas failed: {error}"));
            // What there is of the file goes; the error is the one that was just logged.
            drop(file.map(|file| file.settle(Err(error))));
            tell(&|| Message::Failed);
        }
        (Ok(()), None) => tell(&|| Message::End),
        (Ok(()), Some(file)) => match file.settle(Ok(())).and_then(|()| save::dump_path(server).metadata()) {
            Ok(metadata) => tell(&|| Message::File(save::dump_path(server), metadata.len())),
            Err(_) => tell(&|| Message::Failed),
        },
    }
    crate::log::notice("Background transfer terminated");
}

/// Takes over the history that a dump file belongs to: a restarted server can then go on with a partial sync.
/// What expired before it was loaded is deleted in its stream.
pub fn adopt_history(server: &Server, id: &str, offset: u64, deletions: &[(usize, Vec<Vec<u8>>)]) {
    if id.len() != 40 {
        return;
    }
    let size = server.config.int(Directive::ReplBacklogSize).max(16 << 10) as usize;
    server.journal.start(size, offset);
    let mut history = server.replication.history();
    if server.replication.is_replica() {
        history.id = id.to_owned();
    } else {
        history.second_id = id.to_owned();
        history.second_offset = offset as i64 + 1;
    }
    drop(history);
    for (db, argv) in deletions {
        let mut unit = journal::Unit::default();
        unit.push(*db, argv);
        server.journal.append(&unit);
    }
}
