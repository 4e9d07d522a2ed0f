//! Requests as bytes: limits before authentication, protocol errors, splits, pipelines, big values.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use common::*;
use testkit::client::encode;
use testkit::logcheck;
use testkit::process::{Server, Spec};

/// Everything that the server says until it closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset instead of an orderly end loses nothing that was read before.
    _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

/// Sends bytes on a connection of their own and returns what comes until the server closes.
fn answer(server: &testkit::process::Server, bytes: &[u8], then_close: bool) -> String {
    let mut stream = socket(server);
    stream.write_all(bytes).expect("write");
    if then_close {
        stream.shutdown(Shutdown::Write).expect("shutdown");
    }
    rest(&mut stream)
}

#[test]
fn protocol_errors_are_told_and_the_connection_is_closed() {
    let server = ours("");
    let cases: &[(&[u8], &str)] = &[
        (b"*3000000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-10\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$4294967296000\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'\r\n"),
        (b"\"PING\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"PING\r\n*1\r\n$-1\r\n", "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"),
    ];
    for &(bytes, expected) in cases {
        assert_eq!(answer(&server, bytes, false), expected, "{}", bytes.escape_ascii());
    }
    let long = vec![b'a'; 70 << 10];
    assert_eq!(answer(&server, &long, false), "-ERR Protocol error: too big inline request\r\n");
    assert_eq!(run(&mut client(&server), "PING"), "+PONG");
    logcheck::assert_clean(&server.log(), &[]);
}

#[test]
fn empty_requests_have_no_reply() {
    let server = ours("");
    for bytes in [&b"*0\r\n"[..], b"*-1\r\n", b"*-10\r\n", b"\r\n", b"\n", b"   \r\n"] {
        let mut both = bytes.to_vec();
        both.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(answer(&server, &both, true), "+PONG\r\n", "{}", bytes.escape_ascii());
    }
}

#[test]
fn limits_before_authentication() {
    let server = ours("--requirepass secret");
    let long = format!("*1\r\n${}\r\n", (16 << 10) + 1);
    let cases: &[(&str, &str)] = &[
        ("*100\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n"),
        ("*11\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n"),
        ("*1\r\n$100000000\r\n", "-ERR Protocol error: unauthenticated bulk length\r\n"),
        (&long, "-ERR Protocol error: unauthenticated bulk length\r\n"),
    ];
    for &(bytes, expected) in cases {
        assert_eq!(answer(&server, bytes.as_bytes(), false), expected, "{bytes}");
    }
    let mut client = client(&server);
    assert_eq!(run(&mut client, "GET a"), "-NOAUTH Authentication required.");
    ok(&mut client, "AUTH secret");
    let big = "x".repeat(100 << 10);
    ok(&mut client, &format!("SET a {big}"));
}

#[test]
fn one_packet_may_authenticate_and_go_on_without_limits() {
    let server = ours("--requirepass secret");
    let mut packet = Vec::new();
    encode(&mut packet, &["AUTH", "secret"]);
    encode(&mut packet, &["SET", "a", &"x".repeat(20_000)]);
    let keys = ["MGET", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    encode(&mut packet, &keys);
    let mut client = client(&server);
    client.send_raw(&packet).expect("send");
    assert_eq!(client.read_frame().expect("AUTH"), b"+OK\r\n");
    assert_eq!(client.read_frame().expect("SET"), b"+OK\r\n");
    let reply = testkit::reply::Reply::parse(&client.read_frame().expect("MGET")).expect("frame");
    assert_eq!(reply.items().len(), keys.len() - 1);
    assert_eq!(reply.items()[0].bytes().map(<[u8]>::len), Some(20_000));
}

/// Nothing more comes that would make the server look at what it has already.
#[test]
fn what_follows_auth_in_a_small_packet_runs() {
    let server = ours("--requirepass secret");
    for first in [&["AUTH", "secret"][..], &["HELLO", "2", "AUTH", "default", "secret"]] {
        let mut packet = Vec::new();
        for request in [first, &["SELECT", "9"], &["ECHO", "a"], &["ECHO", "b"]] {
            encode(&mut packet, request);
        }
        let mut client = client(&server);
        client.send_raw(&packet).expect("send");
        let replies: Vec<_> = (0..4).map(|_| client.read_frame().expect("reply")).collect();
        assert_eq!(&replies[1..], [&b"+OK\r\n"[..], b"$1\r\na\r\n", b"$1\r\nb\r\n"]);
    }
}

/// Sends requests without reading until the server closes; false if it takes `most` bytes.
fn floods_to_death(stream: &mut TcpStream, request: &[u8], most: usize) -> bool {
    let batch = request.repeat(1000);
    let mut sent = 0;
    while sent < most {
        if stream.write_all(&batch).is_err() {
            return true;
        }
        sent += batch.len();
    }
    false
}

#[test]
fn who_never_authenticated_and_does_not_read_is_dropped() {
    let server = ours("--requirepass secret");
    let mut stream = socket(&server);
    assert!(floods_to_death(&mut stream, b"*1\r\n$3\r\nGET\r\n", 512 << 20));
    let mut client = client(&server);
    ok(&mut client, "AUTH secret");
    assert_eq!(run(&mut client, "PING"), "+PONG");
    assert!(info_number(&mut client, "used_memory") < 64 << 20);
}

#[test]
fn announced_lengths_cost_nothing() {
    let server = ours("");
    let mut client = client(&server);
    let before = info_number(&mut client, "used_memory");
    let mut open = Vec::new();
    for announced in
        ["*1000000\r\n", "*2147483647\r\n", "*2\r\n$3\r\nGET\r\n$500000000\r\n", "*1\r\n$536870912\r\n"]
    {
        for _ in 0..20 {
            let mut stream = socket(&server);
            stream.write_all(announced.as_bytes()).expect("write");
            open.push(stream);
        }
    }
    wait_for("all are connected", || info_number(&mut client, "connected_clients") > 80);
    let read = info_number(&mut client, "total_net_input_bytes");
    wait_for("the requests arrived", || info_number(&mut client, "total_net_input_bytes") > read);
    let grown = info_number(&mut client, "used_memory") - before;
    assert!(grown < 40 << 20, "80 connections took {grown} bytes");
}

/// Requests of all forms, and errors among them.
fn mixture() -> Vec<u8> {
    let mut bytes = b"PING\r\n*1\r\n$4\r\nPING\r\nSET q \"a b\\x00\"\r\n".to_vec();
    encode(&mut bytes, &["SET", "k", "value\r\nwith a line end"]);
    encode(&mut bytes, &["GET", "k"]);
    bytes.extend_from_slice(b"\r\n*0\r\n");
    encode(&mut bytes, &["NOSUCH", "x"]);
    encode(&mut bytes, &["SET", "empty", ""]);
    encode(&mut bytes, &["GET", "empty"]);
    encode(&mut bytes, &["GET", "q"]);
    encode(&mut bytes, &["MULTI"]);
    encode(&mut bytes, &["RPUSH", "list", "a", "b"]);
    encode(&mut bytes, &["EXEC"]);
    encode(&mut bytes, &["DEL", "list"]);
    bytes.extend_from_slice(b"ECHO last\n*1\r\n:bad\r\n");
    bytes
}

#[test]
fn a_split_anywhere_changes_no_reply() {
    let server = ours("");
    let bytes = mixture();
    let expected = answer(&server, &bytes, false);
    assert!(expected.starts_with("+PONG\r\n+PONG\r\n+OK\r\n+OK\r\n$22\r\n"), "{expected}");
    assert!(expected.ends_with("$4\r\nlast\r\n-ERR Protocol error: expected '$', got ':'\r\n"), "{expected}");
    for cut in 1..bytes.len() {
        let mut stream = socket(&server);
        stream.write_all(&bytes[..cut]).expect("first part");
        // A reply to what is complete shows that the first part was taken by itself.
        if cut >= 6 {
            stream.read_exact(&mut [0; 7]).expect("the first PONG");
        }
        stream.write_all(&bytes[cut..]).expect("second part");
        let got = rest(&mut stream);
        let got = if cut >= 6 { format!("+PONG\r\n{got}") } else { got };
        assert_eq!(got, expected, "cut at {cut}");
    }
    let mut stream = socket(&server);
    for byte in &bytes {
        stream.write_all(&[*byte]).expect("byte");
    }
    assert_eq!(rest(&mut stream), expected, "byte by byte");
}

#[test]
fn long_pipelines_are_answered_in_order() {
    let server = ours("");
    for count in [127, 128, 129, 256, 1000, 20_000] {
        let mut bytes = Vec::new();
        for i in 0..count {
            encode(&mut bytes, &["ECHO", &i.to_string()]);
        }
        let mut client = client(&server);
        client.send_raw(&bytes).expect("send");
        for i in 0..count {
            assert_eq!(
                client.read_frame().expect("reply"),
                format!("${}\r\n{i}\r\n", i.to_string().len()).as_bytes()
            );
        }
    }
}

#[test]
fn who_writes_everything_before_reading_is_served() {
    let server = ours("");
    let value = "v".repeat(10_000);
    let mut client = client(&server);
    ok(&mut client, &format!("SET k {value}"));
    // 40 MB of replies: more than the sockets' buffers hold.
    let count = 4000;
    let mut bytes = Vec::new();
    for _ in 0..count {
        encode(&mut bytes, &["SET", "other", &value]);
        encode(&mut bytes, &["GET", "k"]);
    }
    client.send_raw(&bytes).expect("the server reads on while its replies wait");
    for _ in 0..count {
        assert_eq!(client.read_frame().expect("SET"), b"+OK\r\n");
        assert_eq!(client.read_frame().expect("GET").len(), value.len() + "$10000\r\n\r\n".len());
    }
}

#[test]
fn big_values_arrive_whole() {
    let server = ours("");
    for size in [16 << 10, 32 << 10, (32 << 10) + 1, 100 << 10, 20 << 20] {
        let value: Vec<u8> = (0..size).map(|i: usize| (i * 31 % 251) as u8).collect();
        let mut client = client(&server);
        // A pipeline around it: what follows a big argument in the same write must not be lost.
        let mut bytes = Vec::new();
        encode(&mut bytes, &["ECHO", "before"]);
        encode(&mut bytes, &[&b"SET"[..], b"big", &value]);
        encode(&mut bytes, &["GET", "big"]);
        encode(&mut bytes, &[&b"ECHO"[..], &value]);
        encode(&mut bytes, &["STRLEN", "big"]);
        client.send_raw(&bytes).expect("send");
        assert_eq!(client.read_frame().expect("ECHO"), b"$6\r\nbefore\r\n");
        assert_eq!(client.read_frame().expect("SET"), b"+OK\r\n");
        for what in ["GET", "ECHO"] {
            let frame = client.read_frame().expect(what);
            let header = format!("${size}\r\n");
            assert!(frame.starts_with(header.as_bytes()), "{what} of {size}");
            assert!(frame[header.len()..frame.len() - 2] == value[..], "{what} of {size}");
        }
        assert_eq!(client.read_frame().expect("STRLEN"), format!(":{size}\r\n").as_bytes());
        assert_eq!(run(&mut client, "DEL big"), ":1");
    }
}

#[test]
fn a_subscriber_that_does_not_read_is_dropped_at_its_limit() {
    let server = ours("");
    let mut client = client(&server);
    let mut limits = vec!["CONFIG", "SET", "client-output-buffer-limit"];
    limits.push("pubsub 1mb 0 0");
    assert_eq!(client.call(&limits).expect("CONFIG").render(), "+OK");
    let mut deaf = socket(&server);
    deaf.write_all(b"SUBSCRIBE ch\r\n").expect("subscribe");
    wait_for("subscribed", || run(&mut client, "PUBSUB NUMSUB ch").contains(":1"));
    let message = "m".repeat(100_000);
    wait_for("dropped", || {
        ok_or_int(&mut client, &["PUBLISH", "ch", &message]);
        run(&mut client, "PUBSUB NUMSUB ch").contains(":0")
    });
    assert_eq!(info(&mut client, "client_output_buffer_limit_disconnections"), "1");
}

fn ok_or_int(client: &mut testkit::client::Client, args: &[&str]) {
    let reply = client.call(args).expect("reply");
    assert!(!reply.is_error(), "{}", reply.render());
}

/// The timer deletes the fields of a large hash in parts, and the hash with its last one.
#[test]
fn thousands_of_fields_expire_by_themselves() {
    const FIELDS: usize = 20_000;
    let server = ours("");
    let mut client = client(&server);
    for part in 0..FIELDS / 1000 {
        let mut words = vec!["HSETEX".to_owned(), "hash".into(), "PX".into(), "300".into()];
        words.extend(["FIELDS".to_owned(), "1000".into()]);
        words.extend((0..1000).flat_map(|n| [format!("field-{part}-{n}"), "value".into()]));
        assert_eq!(client.call(&words).expect("HSETEX").render(), ":1");
    }
    assert_eq!(run(&mut client, "HSET kept field value"), ":1");
    wait_for("the hash to go", || run(&mut client, "EXISTS hash") == ":0");
    assert_eq!(info_number(&mut client, "expired_fields"), FIELDS as i64);
    assert_eq!(run(&mut client, "HLEN kept"), ":1");
    assert!(info(&mut client, "db0").ends_with("subexpiry=0"));
}

/// A line of MONITOR is about a command that has run: SELECT and RESET show the database to which they led.
#[test]
fn monitors_see_the_database_after_the_command() {
    let mut servers = vec![ours("")];
    servers.extend(peers().into_iter().map(|peer| Server::start(&Spec::new(peer)).expect("start")));
    for server in &servers {
        let (mut monitor, mut user) = (client(server), client(server));
        ok(&mut monitor, "MONITOR");
        for line in ["SELECT 3", "SELECT 99", "RESET", "MULTI", "SELECT 4", "GET a", "EXEC"] {
            run(&mut user, line);
        }
        let mut lines = Vec::new();
        while lines.len() < 7 {
            let frame = monitor.read_frame().expect("a line");
            let line = String::from_utf8(frame).expect("text");
            let (_, rest) = line.split_once('[').expect("a database");
            let (db, rest) = rest.split_once(' ').expect("an address");
            lines.push(format!("{db} {}", rest.split_once("] ").expect("a command").1.trim_end()));
        }
        let shown = [
            "3 \"SELECT\" \"3\"",
            "3 \"SELECT\" \"99\"",
            "0 \"RESET\"",
            "0 \"MULTI\"",
            "4 \"SELECT\" \"4\"",
            "4 \"GET\" \"a\"",
            "4 \"EXEC\"",
        ];
        assert_eq!(lines, shown);
    }
}
