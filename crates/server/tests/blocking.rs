//! Blocking commands across connections and workers: order, transactions, timeouts, clients that go away.

mod common;

use std::io::{ErrorKind, Write};
use std::time::Duration;

use common::*;
use testkit::client::Client;
use testkit::logcheck;
use testkit::process::Server;

/// So many clients that block one after the other, which fixes their order.
fn waiting(server: &Server, count: usize, line: &str) -> Vec<Client> {
    (0..count)
        .map(|i| {
            let mut client = client(server);
            client.send(&line.split(' ').collect::<Vec<_>>()).expect("send");
            wait_blocked(server, i as i64 + 1);
            client
        })
        .collect()
}

fn frame(client: &mut Client) -> String {
    let frame = client.read_frame().expect("a reply");
    testkit::reply::Reply::parse(&frame).expect("frame").render()
}

#[test]
fn first_come_first_served() {
    let server = ours("");
    let mut pusher = client(&server);
    let mut waiters = waiting(&server, 8, "BLPOP list 0");
    for (i, waiter) in waiters.iter_mut().enumerate() {
        assert_eq!(run(&mut pusher, &format!("RPUSH list v{i}")), ":1");
        assert_eq!(frame(waiter), format!("[\"list\", \"v{i}\"]"));
    }
    assert_eq!(run(&mut pusher, "EXISTS list"), ":0");
    assert_eq!(info(&mut pusher, "blocked_clients"), "0");
    logcheck::assert_clean(&server.log(), &[]);
}

#[test]
fn one_push_of_many_serves_many_in_order() {
    let server = ours("");
    let mut pusher = client(&server);
    let mut waiters = waiting(&server, 5, "BLPOP list 0");
    assert_eq!(run(&mut pusher, "RPUSH list a b c d e f g"), ":7");
    for (waiter, expected) in waiters.iter_mut().zip(["a", "b", "c", "d", "e"]) {
        assert_eq!(frame(waiter), format!("[\"list\", \"{expected}\"]"));
    }
    assert_eq!(run(&mut pusher, "LRANGE list 0 -1"), "[\"f\", \"g\"]");
}

#[test]
fn a_transaction_is_seen_only_as_a_whole() {
    let server = ours("");
    let mut pusher = client(&server);
    let mut waiters = waiting(&server, 2, "BLPOP list 0");
    ok(&mut pusher, "MULTI");
    for line in ["RPUSH list gone", "DEL list", "RPUSH list x y", "LPUSH list first"] {
        assert_eq!(run(&mut pusher, line), "+QUEUED");
    }
    assert_eq!(run(&mut pusher, "EXEC"), "[:1, :1, :2, :3]");
    assert_eq!(frame(&mut waiters[0]), "[\"list\", \"first\"]");
    assert_eq!(frame(&mut waiters[1]), "[\"list\", \"x\"]");
    assert_eq!(run(&mut pusher, "LRANGE list 0 -1"), "[\"y\"]");
}

#[test]
fn in_a_transaction_nothing_blocks() {
    let server = ours("");
    let mut client = client(&server);
    ok(&mut client, "MULTI");
    assert_eq!(run(&mut client, "BLPOP none 0"), "+QUEUED");
    assert_eq!(run(&mut client, "BZPOPMIN none 0"), "+QUEUED");
    assert_eq!(run(&mut client, "BLMOVE none other LEFT LEFT 0"), "+QUEUED");
    assert_eq!(run(&mut client, "EXEC"), "[nil-array, nil-array, nil-bulk]");
    ok(&mut client, "MULTI");
    assert_eq!(run(&mut client, "XREAD BLOCK 0 STREAMS none $"), "+QUEUED");
    assert_eq!(run(&mut client, "EXEC"), "[nil-array]");
}

#[test]
fn several_keys_one_answer() {
    let server = ours("");
    let mut pusher = client(&server);
    let mut waiters = waiting(&server, 1, "BLPOP one two three 0");
    ok(&mut pusher, "MULTI");
    run(&mut pusher, "RPUSH three 3");
    run(&mut pusher, "RPUSH two 2");
    run(&mut pusher, "RPUSH one 1");
    assert_eq!(run(&mut pusher, "EXEC"), "[:1, :1, :1]");
    let got = frame(&mut waiters[0]);
    // The real servers serve the key that was filled first.
    assert_eq!(got, "[\"three\", \"3\"]");
    assert_eq!(run(&mut pusher, "EXISTS one two three"), ":2");
}

#[test]
fn chains_of_moves_run_to_their_end() {
    let server = ours("");
    let mut pusher = client(&server);
    let mut first = waiting(&server, 1, "BLMOVE a b LEFT RIGHT 0").remove(0);
    let mut second = client(&server);
    second.send(&["BLMOVE", "b", "c", "LEFT", "RIGHT", "0"]).expect("send");
    wait_blocked(&server, 2);
    let mut third = client(&server);
    third.send(&["BLPOP", "c", "0"]).expect("send");
    wait_blocked(&server, 3);
    assert_eq!(run(&mut pusher, "RPUSH a x"), ":1");
    assert_eq!(frame(&mut first), "\"x\"");
    assert_eq!(frame(&mut second), "\"x\"");
    assert_eq!(frame(&mut third), "[\"c\", \"x\"]");
    assert_eq!(run(&mut pusher, "EXISTS a b c"), ":0");
}

#[test]
fn other_kinds_wake_too() {
    let server = ours("");
    let mut pusher = client(&server);
    let mut zset = waiting(&server, 1, "BZPOPMIN z 0").remove(0);
    assert_eq!(run(&mut pusher, "ZADD z 2 b 1 a"), ":2");
    assert_eq!(frame(&mut zset), "[\"z\", \"a\", \"1\"]");
    let mut stream = waiting(&server, 1, "XREAD BLOCK 0 STREAMS s $").remove(0);
    assert_eq!(run(&mut pusher, "XADD s 5-1 f v"), "\"5-1\"");
    assert_eq!(frame(&mut stream), "[[\"s\", [[\"5-1\", [\"f\", \"v\"]]]]]");
    // A key of another type does not serve, and does not disturb.
    let mut list = waiting(&server, 1, "BLPOP k 0").remove(0);
    ok(&mut pusher, "SET k string");
    assert_eq!(run(&mut pusher, "DEL k"), ":1");
    assert_eq!(run(&mut pusher, "RPUSH k x"), ":1");
    assert_eq!(frame(&mut list), "[\"k\", \"x\"]");
    // RENAME makes a key ready as well.
    let mut list = waiting(&server, 1, "BLPOP target 0").remove(0);
    assert_eq!(run(&mut pusher, "RPUSH source x"), ":1");
    ok(&mut pusher, "RENAME source target");
    assert_eq!(frame(&mut list), "[\"target\", \"x\"]");
}

#[test]
fn timeouts_end_the_wait_and_nothing_else() {
    let server = ours("");
    let mut client = client(&server);
    assert_eq!(run(&mut client, "BLPOP none 0.01"), "nil-array");
    assert_eq!(run(&mut client, "BLMOVE none other LEFT LEFT 0.01"), "nil-array");
    assert_eq!(run(&mut client, "BZPOPMIN none 0.001"), "nil-array");
    assert_eq!(run(&mut client, "XREAD BLOCK 1 STREAMS none $"), "nil-array");
    assert_eq!(run(&mut client, "BLPOP none -1"), "-ERR timeout is negative");
    assert_eq!(run(&mut client, "BLPOP none x"), "-ERR timeout is not a float or out of range");
    assert_eq!(run(&mut client, "BLPOP none 1e300"), "-ERR timeout is out of range");
    assert_eq!(run(&mut client, "RPUSH none a"), ":1");
    assert_eq!(run(&mut client, "LLEN none"), ":1");
    assert_eq!(info(&mut client, "blocked_clients"), "0");
}

#[test]
fn who_is_gone_takes_nothing() {
    let server = ours("");
    let mut pusher = client(&server);
    let mut waiters = waiting(&server, 4, "BLPOP list 0");
    // The first hangs up, the second is killed, the third is unblocked: the fourth is next.
    let id =
        |line: &str| line.split("id=").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_string);
    let list = pusher.words("CLIENT LIST").expect("CLIENT LIST").text();
    let ids: Vec<String> = list.lines().filter(|line| line.contains("cmd=blpop")).filter_map(id).collect();
    assert_eq!(ids.len(), 4, "{list}");
    drop(waiters.remove(0));
    wait_blocked(&server, 3);
    assert_eq!(run(&mut pusher, &format!("CLIENT KILL ID {}", ids[1])), ":1");
    assert_eq!(waiters[0].read_frame().expect_err("killed").kind(), ErrorKind::UnexpectedEof);
    assert_eq!(run(&mut pusher, &format!("CLIENT UNBLOCK {} ERROR", ids[2])), ":1");
    assert_eq!(frame(&mut waiters[1]), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    wait_blocked(&server, 1);
    assert_eq!(run(&mut pusher, "RPUSH list x"), ":1");
    assert_eq!(frame(&mut waiters[2]), "[\"list\", \"x\"]");
}

#[test]
fn what_a_blocked_client_sent_runs_afterwards() {
    let server = ours("");
    let mut pusher = client(&server);
    let mut waiter = client(&server);
    waiter.send_raw(b"BLPOP list 0\r\nPING\r\nBLPOP other 0\r\nECHO end\r\n").expect("send");
    wait_blocked(&server, 1);
    waiter.send_raw(b"ECHO late\r\n").expect("send");
    assert_eq!(run(&mut pusher, "RPUSH list x"), ":1");
    assert_eq!(frame(&mut waiter), "[\"list\", \"x\"]");
    assert_eq!(frame(&mut waiter), "+PONG");
    wait_blocked(&server, 1);
    assert_eq!(run(&mut pusher, "RPUSH other y"), ":1");
    assert_eq!(frame(&mut waiter), "[\"other\", \"y\"]");
    assert_eq!(frame(&mut waiter), "\"end\"");
    assert_eq!(frame(&mut waiter), "\"late\"");
}

/// Pushers and poppers on both workers: each element reaches exactly one popper.
#[test]
fn nothing_is_lost_or_served_twice() {
    const POPPERS: usize = 8;
    const EACH: usize = 500;
    let server = ours("");
    let poppers: Vec<_> = (0..POPPERS)
        .map(|i| {
            let mut client = client(&server);
            std::thread::spawn(move || {
                // Keys of different shards, in different orders.
                let keys = if i % 2 == 0 { "BLPOP q1 q2 q3 0" } else { "BLPOP q3 q2 q1 0" };
                (0..EACH)
                    .map(|_| client.words(keys).expect("BLPOP").items()[1].text())
                    .collect::<Vec<String>>()
            })
        })
        .collect();
    let pushers: Vec<_> = (0..4)
        .map(|i| {
            let mut client = client(&server);
            std::thread::spawn(move || {
                for n in 0..POPPERS * EACH / 4 {
                    run(&mut client, &format!("RPUSH q{} {i}-{n}", n % 3 + 1));
                }
            })
        })
        .collect();
    pushers.into_iter().for_each(|pusher| pusher.join().expect("pusher"));
    let mut got: Vec<String> =
        poppers.into_iter().flat_map(|popper| popper.join().expect("popper")).collect();
    got.sort();
    got.dedup();
    assert_eq!(got.len(), POPPERS * EACH);
    assert_eq!(run(&mut client(&server), "EXISTS q1 q2 q3"), ":0");
}

#[test]
fn a_socket_that_closes_while_it_is_served_loses_nothing_else() {
    let server = ours("");
    let mut pusher = client(&server);
    for round in 0..50 {
        let mut doomed = socket(&server);
        doomed.write_all(b"BLPOP list 0\r\n").expect("send");
        wait_blocked(&server, 1);
        let mut second = client(&server);
        second.set_timeout(Duration::from_secs(30)).expect("timeout");
        second.send(&["BLPOP", "list", "0"]).expect("send");
        wait_blocked(&server, 2);
        drop(doomed);
        // The element goes to the one that is closing or to the other; a second one always serves the other.
        run(&mut pusher, "RPUSH list x");
        run(&mut pusher, "RPUSH list y");
        assert!(frame(&mut second).starts_with("[\"list\""), "round {round}");
        wait_blocked(&server, 0);
        run(&mut pusher, "DEL list");
    }
}

#[test]
fn a_wait_counts_once_and_when_it_is_over() {
    let server = ours("--slowlog-log-slower-than 0");
    let mut other = client(&server);
    let calls = |client: &mut Client| {
        let stats = run(client, "INFO commandstats");
        stats
            .lines()
            .find_map(|line| line.split("cmdstat_blpop:").nth(1).map(str::to_owned))
            .unwrap_or_default()
    };
    let logged = |client: &mut Client| run(client, "SLOWLOG GET -1").matches("\"BLPOP\"").count();
    let mut waiter = waiting(&server, 1, "BLPOP l 0").pop().expect("one");
    assert_eq!((calls(&mut other), logged(&mut other)), (String::new(), 0));
    assert_eq!(run(&mut other, "RPUSH l a"), ":1");
    assert!(frame(&mut waiter).contains("a"));
    wait_for("the call", || calls(&mut other).starts_with("calls=1,"));
    assert_eq!(logged(&mut other), 1);
    ok(&mut other, "CONFIG RESETSTAT");
    let id = waiter.words("CLIENT ID").expect("id").text();
    waiter.send(&["BLPOP", "l", "0"]).expect("send");
    wait_blocked(&server, 1);
    assert_eq!(run(&mut other, &format!("CLIENT UNBLOCK {id} ERROR")), ":1");
    assert!(frame(&mut waiter).contains("UNBLOCKED"));
    let stats = calls(&mut other);
    assert!(stats.starts_with("calls=1,") && stats.contains("rejected_calls=1,failed_calls=0"), "{stats}");
}

#[test]
fn who_is_paused_waits_for_the_end_of_the_pause_and_nothing_expires_meanwhile() {
    let server = ours("");
    let mut other = client(&server);
    ok(&mut other, "MULTI");
    for line in ["SET k v PX 1", "CLIENT PAUSE 100000 WRITE"] {
        assert_eq!(run(&mut other, line), "+QUEUED");
    }
    run(&mut other, "EXEC");
    let mut writer = client(&server);
    writer.send(&["SET", "other", "x"]).expect("send");
    wait_blocked(&server, 1);
    wait_for("the time", || run(&mut other, "GET k") == "nil-bulk");
    assert_eq!((run(&mut other, "DBSIZE"), run(&mut other, "RANDOMKEY")), (":1".into(), "\"k\"".into()));
    assert_eq!(info(&mut other, "expired_keys"), "0");
    ok(&mut other, "CLIENT UNPAUSE");
    assert_eq!(writer.read_frame().expect("reply"), b"+OK\r\n");
    assert_eq!(info(&mut other, "blocked_clients"), "0");
    wait_for("the expiry", || info(&mut other, "expired_keys") == "1");
    // A pause that ends by itself wakes too.
    ok(&mut other, "CLIENT PAUSE 20 ALL");
    assert_eq!(run(&mut other, "GET other"), "\"x\"");
}
