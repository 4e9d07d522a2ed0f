//! A worker thread: a runtime of its own, the connections that were handed to it, and its share of the regular work.

use std::cell::RefCell;
use std::future::poll_fn;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use commands::client::Client;
use commands::server::Server;
use commands::session::Session;
use commands::stats::Counter;
use config::{Directive, Family};
use engine::Worker;
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::mpsc;

use crate::alarm::Alarm;
use crate::connection::{Connection, Over};
use crate::stream::Stream;

/// A socket on its way to a worker.
pub enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// Where the acceptors send sockets.
pub struct Handle {
    pub sockets: mpsc::UnboundedSender<Accepted>,
    pub connections: Arc<AtomicUsize>,
}

/// A runtime for the calling thread alone, whose tasks need not be `Send`.
pub fn runtime() -> std::io::Result<LocalRuntime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// Starts the worker's thread.
pub fn start(server: &'static Server, index: usize, stir: Arc<Alarm>) -> std::io::Result<Handle> {
    let (sockets, inbox) = mpsc::unbounded_channel();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let (started, outcome) = std::sync::mpsc::channel();
    std::thread::Builder::new().name(format!("worker {index}")).spawn(move || {
        let slot = server.keyspace.gate().register().expect("invariant: the gate has a slot for each worker");
        let worker = Rc::new(RefCell::new(Worker::new(index, slot)));
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            // Who waits for it has not gone.
            Err(error) => return drop(started.send(Err(error))),
        };
        drop(started.send(Ok(())));
        runtime.block_on(run(server, worker, inbox, count, stir));
    })?;
    outcome.recv().map_err(std::io::Error::other)??;
    Ok(Handle { sockets, connections })
}

async fn run(
    server: &'static Server,
    worker: Rc<RefCell<Worker>>,
    mut inbox: mpsc::UnboundedReceiver<Accepted>,
    connections: Arc<AtomicUsize>,
    stir: Arc<Alarm>,
) {
    tokio::task::spawn_local(tick(server, worker.clone(), stir));
    while let Some(accepted) = inbox.recv().await {
        let task = accept(server, worker.clone(), accepted, connections.clone());
        tokio::task::spawn_local(task);
    }
}

/// Time between two turns of the regular work.
const TICK: Duration = Duration::from_millis(20);
/// Longest time without one.
const REST: Duration = Duration::from_secs(1);

/// The regular work of this worker: fifty times a second while it runs commands or has something to do, else when the next
/// key expires. `stir` ends a rest: a batch runs, or a key came that expires earlier.
async fn tick(server: &'static Server, worker: Rc<RefCell<Worker>>, stir: Arc<Alarm>) {
    let workers = server.workers.len() - 1;
    let index = worker.borrow().index;
    let mut quiet = false;
    loop {
        let now_ms = sys::os::unix_ms();
        let next_ms = {
            let mut worker = worker.borrow_mut();
            // Noted before anything is looked at.
            server.keyspace.sleep_until(index, now_ms + REST.as_millis() as u64);
            if worker.at_rest.is_none() {
                quiet = false;
                let stir = stir.clone();
                worker.at_rest = Some(Box::new(move || stir.ring()));
            }
            engine::evict::go_on(&mut worker, server);
            engine::cron::expire_due(&mut worker, server, workers)
        };
        // What this thread has not told yet must not make others evict too much or too little.
        sys::alloc::publish();
        server.journal.wake_readers();
        server.keyspace.reclaim();
        let rest = Duration::from_millis(next_ms.saturating_sub(now_ms)).clamp(TICK, REST);
        // Two turns in a row must have found nothing to do.
        if std::mem::replace(&mut quiet, true) && !server.eviction.is_over() {
            let rung = poll_fn(|cx| stir.poll_rung(cx));
            if tokio::time::timeout(rest, rung).await.is_err() {
                continue;
            }
            quiet = false;
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn accept(
    server: &'static Server,
    worker: Rc<RefCell<Worker>>,
    accepted: Accepted,
    connections: Arc<AtomicUsize>,
) {
    let clients = &server.workers[worker.borrow().index].clients;
    connections.fetch_add(1, Relaxed);
    commands::stats::bump(clients, 1);
    server.clients.count.fetch_add(1, Relaxed);
    if let Ok((stream, addresses)) = adopt(server, accepted) {
        serve(server, worker, stream, addresses).await;
    }
    server.clients.count.fetch_sub(1, Relaxed);
    connections.fetch_sub(1, Relaxed);
    clients.store(connections.load(Relaxed) as u64, Relaxed);
}

/// Addresses of a connection, and whether it is local.
pub struct Addresses {
    peer: String,
    own: String,
    fd: i32,
    local: bool,
}

fn adopt(server: &Server, accepted: Accepted) -> std::io::Result<(Stream, Addresses)> {
    match accepted {
        Accepted::Tcp(socket) => {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let keepalive = server.config.int(Directive::TcpKeepalive);
            if keepalive > 0 {
                let time = Duration::from_secs(keepalive as u64);
                let settings =
                    socket2::TcpKeepalive::new().with_time(time).with_interval(time / 3).with_retries(3);
                socket2::SockRef::from(&socket).set_tcp_keepalive(&settings)?;
            }
            let (peer, own) = (socket.peer_addr()?, socket.local_addr()?);
            let local = peer.ip().to_canonical().is_loopback();
            let addresses =
                Addresses { peer: address(peer), own: address(own), fd: socket.as_raw_fd(), local };
            Ok((Stream::Tcp(tokio::net::TcpStream::from_std(socket)?), addresses))
        }
        Accepted::Unix(socket) => {
            socket.set_nonblocking(true)?;
            let path = server.config.text(Directive::Unixsocket);
            let addresses = Addresses {
                peer: format!("{path}:0"),
                own: format!("{path}:0"),
                fd: socket.as_raw_fd(),
                local: true,
            };
            Ok((Stream::Unix(tokio::net::UnixStream::from_std(socket)?), addresses))
        }
    }
}

/// `ip:port`, with IPv6 addresses in brackets only where they need them, as the peers write them.
pub fn address(address: std::net::SocketAddr) -> String {
    match address.ip().to_canonical() {
        std::net::IpAddr::V6(ip) => format!("[{ip}]:{}", address.port()),
        ip => format!("{ip}:{}", address.port()),
    }
}

async fn serve(server: &'static Server, worker: Rc<RefCell<Worker>>, stream: Stream, addresses: Addresses) {
    let stats = &server.workers[worker.borrow().index];
    stats.add(Counter::Connections, 1);
    let alarm = Arc::new(Alarm::default());
    let wake = alarm.clone();
    let wake = Box::new(move || wake.ring());
    let client = Client::new(server.clients.next_id(), addresses.peer, addresses.own, addresses.fd, wake);
    let client = Arc::new(client);
    let mut session = Session::new(client.clone());
    session.is_local = addresses.local;
    session.authenticated = server.config.text(Directive::Requirepass).is_empty();
    server.clients.add(client.clone());
    let mut connection = Connection::new(stream, session, alarm, server, worker);
    if refuse(server, &mut connection).await {
        server.clients.remove(client.id);
        return;
    }
    match connection.serve().await {
        Over::Closed => {}
        Over::Replica { psync, from } => crate::replica::feed(server, &mut connection, psync, from).await,
    }
    commands::end_session(server, &mut connection.session);
    server.clients.remove(client.id);
}

/// How long a connection that is turned away may take to become writable.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);
const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const PROTECTED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";
/// The same in Valkey's words.
const PROTECTED_VALKEY: &[u8] = b"-DENIED Running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers, you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting from the same host the server is running, however MAKE SURE it's not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";

/// Turns a connection away that may not come in.
async fn refuse(server: &Server, connection: &mut Connection) -> bool {
    let text = if server.clients.count.load(Relaxed) > server.config.int(Directive::Maxclients) as u64 {
        server.workers[0].add(Counter::RejectedConnections, 1);
        TOO_MANY
    } else if server.config.flag(Directive::ProtectedMode)
        && server.config.text(Directive::Requirepass).is_empty()
        && !connection.session.is_local
    {
        server.workers[0].add(Counter::RejectedConnections, 1);
        match server.config.family() {
            Family::Redis => PROTECTED,
            Family::Valkey => PROTECTED_VALKEY,
        }
    } else {
        return false;
    };
    // A new socket is not known to be writable until it was asked. Whether the text arrives or not, the connection ends.
    let writable = connection.stream.writable();
    if matches!(tokio::time::timeout(REFUSAL_PATIENCE, writable).await, Ok(Ok(()))) {
        let _ = connection.stream.try_write(text);
    }
    true
}
