//! What goes wrong between client and server: one clear line and the right exit code each.

mod support;

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
use support::Server;
use support::run::{Run, run};

fn one_line(run: &Run, line: &str, code: i32) {
    assert_eq!((run.err.as_str(), run.code), (format!("{line}\n").as_str(), code), "stdout {:?}", run.out);
}

fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port()
}

#[test]
fn connection_refused() {
    let port = closed_port().to_string();
    for (name, product) in [("redis-cli", "Redis"), ("valkey-cli", "Valkey"), ("russet-cli", "Russet")] {
        let line = format!("Could not connect to {product} at 127.0.0.1:{port}: Connection refused");
        for args in [&["ping"][..], &["--scan"], &["--stat"], &["--pipe"], &["--bigkeys"]] {
            one_line(&run(name, &[&["-p", &port], args].concat(), "", &[]), &line, 1);
        }
        // The prompt says it and waits for `connect`.
        let prompt = run(name, &["-p", &port], "", &[]);
        one_line(&prompt, &line, 0);
    }
    let line = "Could not connect to Redis at /nonexistent: No such file or directory";
    one_line(&run("redis-cli", &["-s", "/nonexistent", "ping"], "", &[]), line, 1);
}

/// A port whose queue of connections is full, so that the next one gets no answer; it stays so while the sockets live.
fn silent_port() -> (u16, Vec<OwnedFd>) {
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("socket");
    bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("bind");
    listen(&listener, 0).expect("listen");
    let address = getsockname(&listener).expect("address");
    let address = std::net::SocketAddr::try_from(address).expect("address of the internet");
    let mut held = vec![listener];
    // A queue of length 0 takes one or two, depending on the system.
    while let Ok(stream) = TcpStream::connect_timeout(&address, std::time::Duration::from_millis(200)) {
        held.push(stream.into());
        assert!(held.len() < 20, "the queue never fills");
    }
    (address.port(), held)
}

#[test]
fn connection_timed_out() {
    let (port, _held) = silent_port();
    let run = run("redis-cli", &["-p", &port.to_string(), "-t", "0.1", "ping"], "", &[]);
    let line = format!("Could not connect to Redis at 127.0.0.1:{port}: Connection timed out");
    one_line(&run, &line, 1);
}

#[test]
fn wrong_password() {
    let server = Server::start();
    let port = server.port.to_string();
    let line = "AUTH failed: WRONGPASS invalid username-password pair or user is disabled.";
    // The classic clients go on without a login: it is up to the server what it still allows.
    let wrong = run("redis-cli", &["-p", &port, "--no-auth-warning", "-a", "x", "ping"], "", &[]);
    one_line(&wrong, line, 0);
    assert_eq!(wrong.out, "PONG\n");
    server.script("GET k", "-NOAUTH Authentication required.\r\n");
    let args = ["-p", &port, "--no-auth-warning", "-a", "x", "-e", "get", "k"];
    one_line(&run("redis-cli", &args, "", &[]), &format!("{line}\nNOAUTH Authentication required."), 1);
}

#[test]
fn loading() {
    let server = Server::start();
    let port = server.port.to_string();
    let words = "LOADING Redis is loading the dataset in memory";
    let answer = |command: &str| server.script(command, &format!("-{words}\r\n"));
    answer("PING");
    let plain = run("redis-cli", &["-p", &port, "ping"], "", &[]);
    assert_eq!((plain.out, plain.err, plain.code), (format!("{words}\n\n"), String::new(), 0));
    answer("PING");
    one_line(&run("redis-cli", &["-p", &port, "-e", "ping"], "", &[]), words, 1);
    answer("SCAN 0");
    one_line(&run("redis-cli", &["-p", &port, "--scan"], "", &[]), &format!("SCAN error: {words}"), 1);
    answer("INFO");
    one_line(&run("redis-cli", &["-p", &port, "--stat"], "", &[]), &format!("Error: {words}"), 1);
}

#[test]
fn death_in_the_middle_of_a_reply() {
    let server = Server::start();
    let port = server.port.to_string();
    let line = "Error: Server closed the connection";
    for reply in ["", "+PO", "$10\r\nabc", "*2\r\n:1\r\n", "%1\r\n+k\r\n"] {
        let cut = run("redis-cli", &["-p", &port, "cut", reply], "", &[]);
        one_line(&cut, line, 1);
        assert_eq!(cut.out, "", "half a reply is no reply: {reply:?}");
    }
    // The prompt goes on with a new connection.
    let prompt = run("redis-cli", &["-p", &port], "cut $9\nping\n", &[]);
    one_line(&prompt, line, 0);
    assert_eq!(prompt.out, "PONG\n");
}

#[test]
fn what_is_no_reply() {
    let server = Server::start();
    let port = server.port.to_string();
    let garbage = run("redis-cli", &["-p", &port, "frame", "HTTP/1.1 400\r\n"], "", &[]);
    one_line(&garbage, "Error: Protocol error, got \"H\" as reply type byte", 1);
}
