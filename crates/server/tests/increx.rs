//! INCREX, which no real server of the versions we compare with has: replies as its documentation tells them.

mod common;

use common::*;

#[test]
fn counts_within_bounds_and_says_what_it_added() {
    let server = ours("");
    let mut client = client(&server);
    for (line, reply) in [
        ("INCREX k", "[:1, :1]"),
        ("INCREX k BYINT 8 UBOUND 10", "[:9, :8]"),
        ("INCREX k BYINT 8 UBOUND 10", "[:9, :0]"),
        ("INCREX k BYINT 8 UBOUND 10 SATURATE", "[:10, :1]"),
        ("INCREX k BYINT -100 LBOUND -5 SATURATE", "[:-5, :-15]"),
        ("INCREX k LBOUND 3 UBOUND 2", "-ERR LBOUND can\\'t be greater than UBOUND"),
        ("INCREX k LBOUND 1.5", "-ERR value is not an integer or out of range"),
        ("INCREX k NX", "[:-5, :0]"),
        ("INCREX missing XX", "[nil-bulk, :0]"),
        ("INCREX missing BYINT 5 UBOUND 4", "[:0, :0]"),
        ("EXISTS missing", ":0"),
        ("SET max 9223372036854775807", "+OK"),
        ("INCREX max", "[:9223372036854775807, :0]"),
        ("INCREX k BYFLOAT 0.25", "[\"-4.75\", \"0.25\"]"),
        ("INCREX k BYFLOAT 10 UBOUND 0.5 SATURATE", "[\"0.5\", \"5.25\"]"),
        ("INCREX k", "-ERR value is not an integer or out of range"),
        ("INCREX k BYFLOAT inf", "-ERR value is not a valid float"),
        ("INCREX k ENX", "-ERR ENX flag requires an expiration"),
        ("INCREX k EX 0", "-ERR invalid expire time in \\'increx\\' command"),
        ("RPUSH list x", ":1"),
        ("INCREX list", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ] {
        assert_eq!(run(&mut client, line), reply, "{line}");
    }
}

#[test]
fn the_expiry_changes_only_with_the_value() {
    let server = ours("");
    let mut client = client(&server);
    let mut ttl_after = |line: &str| {
        run(&mut client, line);
        run(&mut client, "TTL k")[1..].parse::<i64>().expect("a number")
    };
    assert!((99..=100).contains(&ttl_after("INCREX k EX 100")));
    assert!((99..=100).contains(&ttl_after("INCREX k")));
    assert!((99..=100).contains(&ttl_after("INCREX k EX 5000 ENX")));
    assert!((99..=100).contains(&ttl_after("INCREX k UBOUND 1 EX 5000")));
    assert!((4999..=5000).contains(&ttl_after("INCREX k EX 5000")));
    assert_eq!(ttl_after("INCREX k PERSIST"), -1);
    assert!((4999..=5000).contains(&ttl_after("INCREX k EX 5000 ENX")));
    assert_eq!(ttl_after("INCREX k PXAT 1"), -2);
}

#[test]
fn replicas_get_the_result() {
    let (primary, replica) = (ours("--repl-diskless-sync-delay 0"), ours(""));
    let (mut one, mut other) = (client(&primary), client(&replica));
    ok(&mut other, &format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    wait_for("the link", || info(&mut other, "master_link_status") == "up");
    for line in [
        "INCREX a EX 1000",
        "INCREX a BYINT 7",
        "INCREX b BYFLOAT 0.1",
        "INCREX a UBOUND 1",
        "INCREX a PERSIST",
    ] {
        run(&mut one, line);
    }
    ok(&mut one, "SET end x");
    wait_for("the end", || run(&mut other, "EXISTS end") == ":1");
    assert_eq!(wait_equal(&mut one, &mut other).len(), 3);
}
