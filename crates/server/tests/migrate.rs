//! MIGRATE to another of our servers and to real ones.

mod common;

use common::*;
use testkit::process::{Server, Spec};

/// Every server that keys can move to.
fn targets() -> Vec<Server> {
    let mut all = vec![ours("")];
    for binary in peers() {
        all.push(Server::start(&Spec::new(binary)).expect("a real server"));
    }
    all
}

#[test]
fn keys_move_with_their_values_and_times() {
    for target in targets() {
        let source = ours("");
        let (mut here, mut there) = (client(&source), client(&target));
        let to = |rest: &str| format!("MIGRATE 127.0.0.1 {} {rest}", target.port());
        for line in ["RPUSH list a b c", "SET string text PX 1000000", "HSET hash f v"] {
            run(&mut here, line);
        }
        assert_eq!(run(&mut here, &to("list 0 5000")), "+OK");
        assert_eq!(run(&mut here, "EXISTS list"), ":0");
        assert_eq!(run(&mut there, "LRANGE list 0 -1"), "[\"a\", \"b\", \"c\"]");
        assert_eq!(info(&mut here, "migrate_cached_sockets"), "1");

        assert_eq!(run(&mut here, &to("string 3 5000 COPY")), "+OK");
        assert_eq!(run(&mut here, "GET string"), "\"text\"");
        ok(&mut there, "SELECT 3");
        let left: i64 = run(&mut there, "PTTL string").trim_start_matches(':').parse().expect("a time");
        assert!((900_000..=1_000_000).contains(&left), "{left}");

        // One is there already, one arrives, one does not exist.
        run(&mut here, "SET other 1");
        let busy = run(&mut here, "MIGRATE 127.0.0.1 1 string 3 5000");
        assert!(busy.contains("IOERR error or timeout writing to target instance"), "{busy}");
        let argv = to("\u{1} 3 5000 KEYS string other missing");
        let argv: Vec<&str> = argv.split(' ').map(|word| if word == "\u{1}" { "" } else { word }).collect();
        let busy = here.call(&argv).expect("a reply").render();
        assert!(busy.contains("Target instance replied with error: BUSYKEY"), "{busy}");
        assert_eq!(run(&mut here, "EXISTS string other"), ":1");
        assert_eq!(run(&mut there, "GET other"), "\"1\"");
        assert_eq!(run(&mut here, &to("string 3 5000 REPLACE")), "+OK");
        assert_eq!(run(&mut here, "EXISTS string"), ":0");
        let refused = run(&mut here, &to("hash 99999 5000"));
        assert!(refused.contains("Target instance replied with error"), "{refused}");
        assert_eq!(run(&mut here, "EXISTS hash"), ":1");
    }
}

#[test]
fn a_kept_connection_that_the_target_closed_is_opened_anew() {
    let (source, target) = (ours(""), ours(""));
    let (mut here, mut there) = (client(&source), client(&target));
    for key in ["a", "b"] {
        ok(&mut here, &format!("SET {key} 1"));
        assert_eq!(run(&mut here, &format!("MIGRATE 127.0.0.1 {} {key} 0 5000", target.port())), "+OK");
        run(&mut there, "CLIENT KILL TYPE normal SKIPME yes");
    }
    assert_eq!(run(&mut there, "EXISTS a b"), ":2");
}

#[test]
fn nothing_is_lost_when_it_cannot_move() {
    let source = ours("");
    let mut here = client(&source);
    ok(&mut here, "SET k v");
    let own = run(&mut here, &format!("MIGRATE 127.0.0.1 {} k 0 500 REPLACE", source.port()));
    assert!(own.contains("IOERR"), "{own}");
    // A listener that never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let timeout = run(&mut here, &format!("MIGRATE 127.0.0.1 {port} k 0 50"));
    assert!(timeout.contains("IOERR error or timeout reading to target instance"), "{timeout}");
    assert_eq!(run(&mut here, "GET k"), "\"v\"");
    ok(&mut here, "MULTI");
    run(&mut here, &format!("MIGRATE 127.0.0.1 {port} k 0 50"));
    assert!(run(&mut here, "EXEC").contains("not allowed in a transaction"));
}

#[test]
fn a_key_that_changes_under_way_is_not_lost() {
    use std::io::{Read, Write};
    let source = ours("");
    let (mut here, mut other) = (client(&source), client(&source));
    ok(&mut here, "SET k old");
    let target = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = target.local_addr().expect("an address").port().to_string();
    here.send(&["MIGRATE", "127.0.0.1", &port, "k", "0", "5000"]).expect("send");
    let (mut stream, _) = target.accept().expect("a connection");
    let mut seen = Vec::new();
    let mut until = |stream: &mut std::net::TcpStream, text: &[u8]| {
        let mut buffer = [0; 512];
        while !seen.windows(text.len()).any(|at| at == text) {
            let read = stream.read(&mut buffer).expect("bytes");
            assert!(read > 0);
            seen.extend_from_slice(&buffer[..read]);
        }
        seen.clear();
    };
    until(&mut stream, b"old");
    ok(&mut other, "SET k new");
    stream.write_all(b"+OK\r\n+OK\r\n").expect("written");
    until(&mut stream, b"REPLACE");
    assert_eq!(run(&mut other, "GET k"), "\"new\"");
    stream.write_all(b"+OK\r\n").expect("written");
    assert_eq!(here.read_frame().expect("a reply"), b"+OK\r\n");
    assert_eq!(run(&mut other, "EXISTS k"), ":0");
}
