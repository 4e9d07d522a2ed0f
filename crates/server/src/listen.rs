//! Accepting connections and handing them to the worker that has the fewest.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use commands::server::Server;
use config::Directive;
use socket2::{Domain, Protocol, Socket, Type};

use crate::worker::{Accepted, Handle};

/// The sockets that the server listens on.
pub struct Listeners {
    pub tcp: Vec<TcpListener>,
    pub unix: Option<UnixListener>,
}

/// Binds everything that the configuration names. The error is the line for the log.
pub fn bind(server: &Server) -> Result<Listeners, String> {
    let tcp = bind_all_tcp(server)?;
    let path = server.config.text(Directive::Unixsocket);
    let unix = match path.is_empty() {
        true => None,
        false => Some(bind_unix(&path, server).map_err(|error| {
            format!("Failed opening Unix socket: bind: {}", config::load::system_words(&error))
        })?),
    };
    Ok(Listeners { tcp, unix })
}

/// TCP, over one path or over several at once. Who does not know the latter gets the former from the kernel.
pub fn protocol(multipath: bool) -> Protocol {
    if multipath { Protocol::MPTCP } else { Protocol::TCP }
}

/// Binds the addresses; those with a leading `-` may be missing.
fn bind_tcp(
    addresses: &[String],
    port: u16,
    backlog: i32,
    protocol: Protocol,
) -> Result<Vec<TcpListener>, String> {
    if port == 0 {
        return Ok(Vec::new());
    }
    let mut bound = Vec::new();
    for given in addresses {
        let (optional, name) = match given.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, given.as_str()),
        };
        let name = match name {
            "*" => "0.0.0.0",
            "::*" => "::",
            name => name,
        };
        let result = (name, port).to_socket_addrs().and_then(|mut found| {
            let address = found.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
            bind_one(address, backlog, protocol)
        });
        match result {
            Ok(listener) => bound.push(listener),
            Err(error) if optional && error.kind() != io::ErrorKind::AddrInUse => {}
            Err(error) => {
                return Err(format!(
                    "Warning: Could not create server TCP listening socket {name}:{port}: bind: {}",
                    config::load::system_words(&error)
                ));
            }
        }
    }
    Ok(bound)
}

fn bind_one(address: SocketAddr, backlog: i32, protocol: Protocol) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// The socket gets its permissions before anybody can connect: it is bound under a mask that lets nobody in.
fn bind_unix(path: &str, server: &Server) -> io::Result<UnixListener> {
    let _ = std::fs::remove_file(path);
    let mode = server.config.int(Directive::Unixsocketperm) as u32;
    let before = if mode == 0 { None } else { Some(sys::os::umask(0o777)) };
    let listener = UnixListener::bind(path);
    if let Some(mask) = before {
        sys::os::umask(mask);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Tasks that accept. They end when they are told to, or with the process.
pub type Acceptors = Vec<tokio::task::JoinHandle<()>>;

/// Binds what `bind` and `port` name.
pub fn bind_all_tcp(server: &Server) -> Result<Vec<TcpListener>, String> {
    let port = server.config.int(Directive::Port) as u16;
    let backlog = server.config.int(Directive::TcpBacklog) as i32;
    bind_tcp(&server.config.bind_addresses(), port, backlog, protocol(server.config.flag(Directive::Mptcp)))
}

/// Accepts on TCP listeners.
pub fn accept_tcp(listeners: Vec<TcpListener>, workers: &Arc<Vec<Handle>>) -> io::Result<Acceptors> {
    let mut tasks = Vec::new();
    for listener in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let workers = workers.clone();
        tasks.push(tokio::task::spawn_local(async move {
            loop {
                match listener.accept().await.and_then(|(socket, _)| socket.into_std()) {
                    Ok(socket) => hand_over(&workers, Accepted::Tcp(socket)),
                    Err(error) => pause(&error).await,
                }
            }
        }));
    }
    Ok(tasks)
}

/// Accepts on the local socket for ever.
pub fn accept_unix(listener: Option<UnixListener>, workers: Arc<Vec<Handle>>) -> io::Result<()> {
    if let Some(listener) = listener {
        let listener = tokio::net::UnixListener::from_std(listener)?;
        tokio::task::spawn_local(async move {
            loop {
                match listener.accept().await.and_then(|(socket, _)| socket.into_std()) {
                    Ok(socket) => hand_over(&workers, Accepted::Unix(socket)),
                    Err(error) => pause(&error).await,
                }
            }
        });
    }
    Ok(())
}

/// A connection that failed before it was accepted is the client's affair; without descriptors, wait a little.
async fn pause(error: &io::Error) {
    // EMFILE and ENFILE.
    if matches!(error.raw_os_error(), Some(23 | 24)) {
        crate::log::warning(&format!(
            "Accepting client connection: accept: {}",
            config::load::system_words(error)
        ));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn hand_over(workers: &[Handle], accepted: Accepted) {
    let fewest = workers.iter().min_by_key(|worker| worker.connections.load(Relaxed));
    if let Some(worker) = fewest {
        // A worker ends only with the process.
        let _ = worker.sockets.send(accepted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multipath_listener_serves_those_who_know_one_path() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = match bind_one(any, 1, protocol(true)) {
            Ok(listener) => listener,
            // A kernel without it says so when the server starts.
            Err(error) => {
                let errors = [rustix::io::Errno::PROTONOSUPPORT, rustix::io::Errno::NOPROTOOPT];
                assert!(
                    errors.map(|error| Some(error.raw_os_error())).contains(&error.raw_os_error()),
                    "{error}"
                );
                return;
            }
        };
        assert_eq!(socket2::SockRef::from(&listener).protocol().ok().flatten(), Some(Protocol::MPTCP));
        let plain = std::net::TcpStream::connect(listener.local_addr().expect("it is bound"));
        assert!(plain.is_ok());
    }
}
