//! `-c` follows MOVED and ASK; without it they are replies like any other.

mod support;

use support::Server;
use support::run::run;
use support::terminal::{Terminal, home};

fn moved(to: &Server) -> String {
    format!("-MOVED 12539 127.0.0.1:{}\r\n", to.port)
}

#[test]
fn moved_is_followed() {
    let (first, second) = (Server::start(), Server::start());
    let port = first.port.to_string();
    first.script("GET k", &moved(&second));
    second.script("GET k", "$5\r\nthere\r\n");
    let followed = run("redis-cli", &["-p", &port, "-c", "get", "k"], "", &[]);
    assert_eq!((followed.out.as_str(), followed.err.as_str(), followed.code), ("there\n", "", 0));
    assert_eq!(second.log(), ["GET"]);

    first.script("GET k", &moved(&second));
    let told = run("redis-cli", &["-p", &port, "get", "k"], "", &[]);
    assert_eq!(told.out, format!("MOVED 12539 127.0.0.1:{}\n\n", second.port));
    assert_eq!(second.log(), ["GET"]);
}

#[test]
fn ask_is_followed_once_and_announced() {
    let (first, second) = (Server::start(), Server::start());
    first.script("GET k", &format!("-ASK 12539 127.0.0.1:{}\r\n", second.port));
    second.script("GET k", "$5\r\nthere\r\n");
    let run = run("redis-cli", &["-p", &first.port.to_string(), "-c", "get", "k"], "", &[]);
    assert_eq!((run.out.as_str(), run.code), ("there\n", 0));
    assert_eq!(
        (first.log(), second.log()),
        (vec!["GET".to_owned()], vec!["ASKING".to_owned(), "GET".to_owned()])
    );
}

#[test]
fn a_node_without_a_name_is_the_one_that_was_asked() {
    let (first, second) = (Server::start(), Server::start());
    first.script("GET k", &format!("-MOVED 1 :{}\r\n", second.port));
    second.script("GET k", "$5\r\nthere\r\n");
    let run = run("redis-cli", &["-p", &first.port.to_string(), "-c", "get", "k"], "", &[]);
    assert_eq!((run.out.as_str(), run.code), ("there\n", 0));
}

#[test]
fn credentials_and_protocol_go_along() {
    let (first, second) = (Server::start(), Server::start());
    second.state.lock().expect("lock").password = Some("pw".to_owned());
    first.state.lock().expect("lock").password = Some("pw".to_owned());
    first.script("GET k", &moved(&second));
    second.script("HELLO 3", "%1\r\n+proto\r\n:3\r\n");
    first.script("HELLO 3", "%1\r\n+proto\r\n:3\r\n");
    let args = ["-p", &first.port.to_string(), "--no-auth-warning", "-a", "pw", "-3", "-c", "get", "k"];
    let run = run("redis-cli", &args, "", &[]);
    assert_eq!((run.err.as_str(), run.code), ("", 0));
    assert_eq!(second.log(), ["AUTH", "HELLO", "GET"]);
}

#[test]
fn nodes_that_point_at_each_other_do_not_hang() {
    let (first, second) = (Server::start(), Server::start());
    for _ in 0..20 {
        first.script("GET k", &moved(&second));
        second.script("GET k", &moved(&first));
    }
    let run = run("redis-cli", &["-p", &first.port.to_string(), "-c", "get", "k"], "", &[]);
    assert!(run.err.contains("too many redirections"), "{}", run.err);
}

#[test]
fn a_dead_target_is_one_line() {
    let first = Server::start();
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    first.script("GET k", &format!("-MOVED 1 127.0.0.1:{closed}\r\n"));
    let run = run("redis-cli", &["-p", &first.port.to_string(), "-c", "get", "k"], "", &[]);
    let line = format!("Could not connect to Redis at 127.0.0.1:{closed}: Connection refused\n");
    assert_eq!((run.err, run.code), (line, 1));
}

#[test]
fn the_prompt_moves_along() {
    let (first, second) = (Server::start(), Server::start());
    let home = home("redirects");
    let mut terminal = Terminal::start(&["-p", &first.port.to_string(), "-c"], &home);
    terminal.expect(&format!("127.0.0.1:{}> ", first.port));
    first.script("GET k", &moved(&second));
    second.script("GET k", "$5\r\nthere\r\n");
    terminal.send("get k\r");
    terminal.expect(&format!("-> Redirected to slot [12539] located at 127.0.0.1:{}", second.port));
    terminal.expect("\"there\"");
    terminal.expect(&format!("127.0.0.1:{}> ", second.port));
    // And back, for one command, by ASK.
    second.script("GET k", &format!("-ASK 12539 127.0.0.1:{}\r\n", first.port));
    first.script("GET k", "$4\r\nback\r\n");
    terminal.send("get k\r");
    terminal.expect("\"back\"");
    assert!(first.saw("ASKING"));
    terminal.prompt();
    assert_eq!(terminal.leave(), 0);
    std::fs::remove_dir_all(home).expect("remove");
}
