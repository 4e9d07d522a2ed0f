//! The replica's side of replication: the link to a primary.
//!
//! ```text
//!   connect -> PING -> AUTH -> REPLCONF ... -> PSYNC id offset
//!     +CONTINUE    go on where the journal ends
//!     +FULLRESYNC  receive a dump into a file, load it, begin the journal at its offset
//!   then: run what comes, relay it to the own replicas, acknowledge every second
//! ```
//!
//! What comes runs on the same path as everything else, in a session that is marked as the primary's.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::BufMut;
use commands::client::{Client, ClientType};
use commands::replication::LinkState;
use commands::server::Server;
use commands::session::Session;
use commands::stats::Counter;
use config::Directive;
use engine::Worker;
use engine::primary_stream::PrimaryStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::log;

/// Longest line of a primary's answer before the stream begins.
const LINE_BYTES: usize = 1024;
const RETRY: Duration = Duration::from_secs(1);
/// How often a paused link looks whether it may go on, and how much of the stream it takes in meanwhile.
const PAUSE_LOOK: Duration = Duration::from_millis(10);
const PAUSED_BYTES: usize = 64 << 20;
/// Why a link is given up whose primary sends nothing, as the log says it.
const SILENT: &str = "PRIMARY timeout: no data nor PING received...";
/// How often a change of `repl-timeout` is looked for.
const PATIENCE_LOOK: Duration = Duration::from_secs(1);

/// What the handshake ended with.
enum Agreed {
    /// Go on from the journal's end.
    Continue,
    /// A dump comes first; the stream goes on at this offset.
    Full { id: String, offset: u64 },
}

/// Replicates `host:port` until the task is dropped.
pub async fn replicate(server: &'static Server, worker: Rc<RefCell<Worker>>, host: String, port: u16) {
    loop {
        // Who holds the whole server up (SAVE, DEBUG SLEEP) holds this up too.
        while server.keyspace.gate().is_closed() {
            tokio::time::sleep(PAUSE_LOOK).await;
        }
        server.replication.set_link(|link| {
            link.state = LinkState::Connecting;
        });
        log::notice(&format!("Connecting to PRIMARY {host}:{port}"));
        match once(server, &worker, &host, port).await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                log::warning(&format!("Timeout connecting to the PRIMARY... ({error})"));
            }
            Err(error) => log::warning(&format!("Connection with primary lost: {error}")),
            Ok(()) => {}
        }
        let mut was_up = false;
        server.replication.set_link(|link| {
            was_up = link.state == LinkState::Connected;
            if link.down_since_ms == 0 {
                link.down_since_ms = sys::os::unix_ms();
            }
            link.state = LinkState::Connect;
        });
        server.replication.unapplied_bytes.store(0, Relaxed);
        // A link that worked is tried again at once.
        if !was_up {
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn once(
    server: &'static Server,
    worker: &Rc<RefCell<Worker>>,
    host: &str,
    port: u16,
) -> io::Result<()> {
    let number = server.replication.link();
    let connect = connect(server, host, port);
    let stream =
        tokio::time::timeout(patience(server), connect).await.map_err(|_| io::ErrorKind::TimedOut)??;
    stream.set_nodelay(true)?;
    log::notice("PRIMARY <-> REPLICA sync started");
    server.replication.set_link(|link| link.state = LinkState::Handshake);
    let mut link = Link { server, stream, number, received: Vec::new() };
    let agreed = link.handshake().await?;
    if let Agreed::Full { id, offset } = agreed {
        link.full(&id, offset).await?;
    }
    server.replication.set_link(|link| {
        link.state = LinkState::Connected;
        link.down_since_ms = 0;
        link.last_io_ms = sys::os::unix_ms();
    });
    link.run(worker).await
}

/// Connects, from `bind-source-addr` if there is one.
async fn connect(server: &Server, host: &str, port: u16) -> io::Result<TcpStream> {
    let source = server.config.text(Directive::BindSourceAddr).parse::<std::net::IpAddr>().ok();
    let protocol = crate::listen::protocol(server.config.flag(Directive::ReplMptcp));
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in tokio::net::lookup_host((host, port)).await? {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(protocol),
        )?;
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
        let bound = source.map_or(Ok(()), |source| socket.bind((source, 0).into()));
        let connected = match bound {
            Ok(()) => socket.connect(address).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// How long a primary may be silent.
fn patience(server: &Server) -> Duration {
    Duration::from_secs(server.config.int(Directive::ReplTimeout).max(1) as u64)
}

struct Link {
    server: &'static Server,
    stream: TcpStream,
    /// Its number; see [`commands::replication::Replication::link`].
    number: u64,
    /// Bytes received and not yet used.
    received: Vec<u8>,
}

impl Link {
    async fn read(&mut self) -> io::Result<usize> {
        self.received.reserve(64 << 10);
        let begun = tokio::time::Instant::now();
        // In steps, for `repl-timeout` may change meanwhile.
        let read = loop {
            let step = PATIENCE_LOOK.min(patience(self.server));
            match tokio::time::timeout(step, self.stream.read_buf(&mut self.received)).await {
                Ok(read) => break read?,
                Err(_) if begun.elapsed() >= patience(self.server) => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(_) => {}
            }
        };
        match read {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                let now_ms = sys::os::unix_ms();
                self.server.replication.set_link(|link| link.last_io_ms = now_ms);
                Ok(read)
            }
        }
    }

    /// The next line without its end; empty lines are signs of life and passed over.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if !text.is_empty() {
                    return Ok(text);
                }
                continue;
            }
            if self.received.len() > LINE_BYTES {
                return Err(io::Error::other("the primary's answer is no line"));
            }
            self.read().await?;
        }
    }

    async fn ask(&mut self, words: &[&str]) -> io::Result<String> {
        self.stream.write_all(&journal::record::command(words)).await?;
        self.line().await
    }

    async fn handshake(&mut self) -> io::Result<Agreed> {
        let config = &self.server.config;
        let pong = self.ask(&["PING"]).await?;
        let tolerated = ["+", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
        if !tolerated.iter().any(|start| pong.starts_with(start)) {
            return Err(io::Error::other(format!("error reply to PING: {pong}")));
        }
        log::notice("Primary replied to PING, replication can continue...");
        let (user, password) = (config.text(Directive::Masteruser), config.text(Directive::Masterauth));
        if !password.is_empty() {
            let words: Vec<&str> =
                if user.is_empty() { vec!["AUTH", &password] } else { vec!["AUTH", &user, &password] };
            let answer = self.ask(&words).await?;
            if answer.starts_with('-') {
                return Err(io::Error::other(format!("Unable to AUTH to PRIMARY: {answer}")));
            }
        }
        let announced = config.int(Directive::ReplicaAnnouncePort);
        let port = if announced > 0 { announced } else { config.int(Directive::Port) }.to_string();
        self.ask(&["REPLCONF", "listening-port", &port]).await?;
        let address = config.text(Directive::ReplicaAnnounceIp);
        if !address.is_empty() {
            self.ask(&["REPLCONF", "ip-address", &address]).await?;
        }
        self.ask(&["REPLCONF", "capa", "eof", "capa", "psync2"]).await?;
        // A Valkey asks this to know which version of the file is understood; Redis does not ask.
        self.ask(&["REPLCONF", "version", config::VALKEY_VERSION]).await?;
        self.psync().await
    }

    async fn psync(&mut self) -> io::Result<Agreed> {
        let server = self.server;
        let (id, offset) = match server.journal.is_recording() {
            true => (server.replication.history().id.clone(), (server.journal.end() + 1).to_string()),
            false => ("?".to_owned(), "-1".to_owned()),
        };
        if id != "?" {
            log::notice(&format!("Trying a partial resynchronization (request {id}:{offset})."));
        }
        let answer = self.ask(&["PSYNC", &id, &offset]).await?;
        let words: Vec<&str> = answer.split(' ').collect();
        match words[..] {
            ["+FULLRESYNC", id, offset] => {
                log::notice(&format!("Full resync from primary: {id}:{offset}"));
                server.replication.set_link(|link| link.state = LinkState::Sync);
                let offset = offset.parse().map_err(|_| io::Error::other("FULLRESYNC with a bad offset"))?;
                Ok(Agreed::Full { id: id.to_owned(), offset })
            }
            ["+CONTINUE", ref rest @ ..] => {
                log::notice("Successful partial resynchronization with primary.");
                if let Some(id) = rest.first() {
                    server.replication.go_on(id, &server.journal);
                }
                Ok(Agreed::Continue)
            }
            _ => Err(io::Error::other(format!("the primary cannot sync now: {answer}"))),
        }
    }

    /// Receives the dump into a file and replaces the data set by it.
    async fn full(&mut self, id: &str, offset: u64) -> io::Result<()> {
        let header = self.line().await?;
        let path = PathBuf::from(format!("temp-{}-{}.rdb", sys::os::unix_ms(), std::process::id()));
        let received = self.receive(&header, &path).await;
        let result = match received {
            Ok(()) => {
                log::notice("PRIMARY <-> REPLICA sync: Flushing old data");
                let (server, number, id, file) = (self.server, self.number, id.to_owned(), path.clone());
                let load =
                    tokio::task::spawn_blocking(move || replace_data_set(server, number, &file, &id, offset));
                load.await.map_err(io::Error::other)?.map_err(io::Error::other)
            }
            Err(error) => Err(error),
        };
        // What has not become the dump file is of no use.
        let _ = std::fs::remove_file(&path);
        result
    }

    async fn receive(&mut self, header: &str, path: &Path) -> io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        if let Some(mark) = header.strip_prefix("$EOF:") {
            log::notice("PRIMARY <-> REPLICA sync: receiving streamed RDB from primary with EOF to disk");
            return self.receive_to_mark(mark.as_bytes().to_vec(), &mut file).await;
        }
        let length = header.strip_prefix('$').and_then(|length| length.parse::<u64>().ok());
        let mut left =
            length.ok_or_else(|| io::Error::other(format!("the primary announced no dump: {header}")))?;
        log::notice(&format!("PRIMARY <-> REPLICA sync: receiving {left} bytes from primary to disk"));
        self.server.replication.set_link(|link| link.sync_total_bytes = left as i64);
        loop {
            let take = (self.received.len() as u64).min(left) as usize;
            file.write_all(&self.received[..take])?;
            self.received.drain(..take);
            left -= take as u64;
            self.server.replication.set_link(|link| link.sync_read_bytes += take as u64);
            if left == 0 {
                return Ok(());
            }
            self.read().await?;
        }
    }

    /// Everything up to the mark; the mark itself may be cut anywhere between two reads.
    async fn receive_to_mark(&mut self, mark: Vec<u8>, file: &mut std::fs::File) -> io::Result<()> {
        loop {
            if let Some(at) = self.received.windows(mark.len()).position(|window| window == mark) {
                file.write_all(&self.received[..at])?;
                self.received.drain(..at + mark.len());
                return Ok(());
            }
            let sure = self.received.len().saturating_sub(mark.len());
            file.write_all(&self.received[..sure])?;
            self.received.drain(..sure);
            self.server.replication.set_link(|link| link.sync_read_bytes += sure as u64);
            self.read().await?;
        }
    }

    /// Runs the stream.
    async fn run(mut self, worker: &Rc<RefCell<Worker>>) -> io::Result<()> {
        let notify = Arc::new(tokio::sync::Notify::new());
        let client = self.client(notify.clone())?;
        let mut session = Session::new(client.clone());
        (session.is_primary_link, session.authenticated, session.kind) = (true, true, ClientType::Primary);
        // The stream goes on in the database that it had selected.
        session.db = self.server.replication.stream_db.load(Relaxed);
        session.publish();
        let _listed = Listed::new(self.server, client.clone());
        let mut stream = PrimaryStream::new(session);
        stream.feed(&std::mem::take(&mut self.received));
        let mut acknowledge = tokio::time::interval(Duration::from_secs(1));
        let mut heard = tokio::time::Instant::now();
        loop {
            let paused = self.server.is_paused(sys::os::unix_ms());
            let busy =
                !paused && stream.execute(self.server, &mut worker.borrow_mut()).map_err(io::Error::other)?;
            self.server.replication.unapplied_bytes.store(stream.unapplied() as u64, Relaxed);
            if std::mem::take(&mut stream.session.replica.ack_offset) == u64::MAX {
                self.acknowledge().await?;
            }
            let listens = !busy && (!paused || stream.unapplied() < PAUSED_BYTES);
            // Who does not listen must not complain of silence.
            if !listens {
                heard = tokio::time::Instant::now();
            }
            if busy {
                tokio::time::sleep(Duration::from_micros(200)).await;
                continue;
            }
            if client.is_killed() {
                return Err(io::Error::other("CLIENT KILL"));
            }
            let mut buffer = Vec::with_capacity(64 << 10);
            let mut limited = (&mut buffer).limit(64 << 10);
            let silence = tokio::time::sleep_until(heard + patience(self.server));
            tokio::select! {
                // What has arrived goes before silence.
                biased;
                _ = acknowledge.tick() => self.acknowledge().await?,
                () = notify.notified() => {}
                read = self.stream.read_buf(&mut limited), if listens => {
                    let read = read?;
                    heard = tokio::time::Instant::now();
                    if read == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.server.workers[0].add(Counter::NetReplInput, read as u64);
                    self.server.replication.set_link(|link| link.last_io_ms = sys::os::unix_ms());
                    client.net_input.fetch_add(read as u64, Relaxed);
                    client.active_ms.store(sys::os::unix_ms(), Relaxed);
                    stream.feed(&buffer);
                }
                () = tokio::time::sleep(PAUSE_LOOK), if paused => {}
                () = silence => return Err(io::Error::other(SILENT)),
            }
        }
    }

    /// The primary, as CLIENT LIST shows it and CLIENT KILL finds it.
    fn client(&self, notify: Arc<tokio::sync::Notify>) -> io::Result<Arc<Client>> {
        use std::os::fd::AsRawFd;
        let wake = Box::new(move || notify.notify_one());
        let address = |address: std::net::SocketAddr| crate::worker::address(address);
        Ok(Arc::new(Client::new(
            self.server.clients.next_id(),
            address(self.stream.peer_addr()?),
            address(self.stream.local_addr()?),
            self.stream.as_raw_fd(),
            wake,
        )))
    }

    async fn acknowledge(&mut self) -> io::Result<()> {
        let offset = self.server.journal.end().to_string();
        self.stream.write_all(&journal::record::command(&["REPLCONF", "ACK", &offset])).await
    }
}

/// A client that is listed as long as this lives, also when the link's task is ended.
struct Listed {
    server: &'static Server,
    client: Arc<Client>,
}

impl Listed {
    fn new(server: &'static Server, client: Arc<Client>) -> Listed {
        server.clients.add(client.clone());
        Listed { server, client }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.server.clients.remove(self.client.id);
    }
}

/// Makes a dump that was received this server's own dump file: it starts from there if it never saves by itself.
fn keep(server: &Server, path: &Path) -> Result<(), String> {
    // A save that is under way would put older data in its place.
    while server.persistence.cancel() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let target = crate::save::dump_path(server);
    let moved = std::fs::File::open(path)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(path, &target))
        .and_then(|()| std::fs::File::open(".")?.sync_all());
    moved.map_err(|error| {
        format!(
            "Failed trying to rename the temp DB into {} in PRIMARY <-> REPLICA synchronization: {}",
            target.display(),
            config::load::system_words(&error)
        )
    })
}

/// Loads a dump in the place of the data set, and begins the journal at its offset: unless the link that brought it is
/// over. This runs beside the link's task, which may have been ended by REPLICAOF.
fn replace_data_set(
    server: &'static Server,
    number: u64,
    path: &Path,
    id: &str,
    offset: u64,
) -> Result<(), String> {
    const OVER: &str = "the dump is of no use any more";
    let opened = crate::load::open_file(server, path)?;
    if server.replication.link() != number {
        return Err(OVER.into());
    }
    keep(server, path)?;
    let old: Vec<_> = {
        let _alone = server.keyspace.gate().close();
        if server.replication.link() != number {
            return Err(OVER.into());
        }
        server.set_loading(true);
        let mut access = server.keyspace.access_all();
        (0..server.keyspace.databases()).flat_map(|db| access.take_database(db)).collect()
    };
    drop(server.keyspace.hand_to_snapshot(old));
    log::notice("PRIMARY <-> REPLICA sync: Loading DB in memory");
    let result = crate::load::load(server, opened, true, &mut crate::load::into_keyspace(server));
    // Whoever was promoted meanwhile has a history of its own, which the dump's must not replace: the role is looked at,
    // and the history changed, while no command runs.
    let alone = server.keyspace.gate().close();
    if let (Ok(loaded), true) = (&result, server.replication.link() == number) {
        server.replication.stream_db.store(loaded.stream_db, Relaxed);
        let size = server.config.int(Directive::ReplBacklogSize).max(16 << 10) as usize;
        server.replication.start_over(id, offset, size, &server.journal);
    }
    server.set_loading(false);
    drop(alone);
    if result.is_ok() {
        log::notice("PRIMARY <-> REPLICA sync: Finished with success");
    }
    result.map(drop)
}
