//! The memory limit: what goes, what stays, what is refused, and what replicas are told.

mod common;

use common::*;
use testkit::client::{Client, encode};

const OOM: &str = "-OOM command not allowed when used memory > \\'maxmemory\\'.";

/// Values of this size show in the memory used.
const VALUE_BYTES: usize = 1000;

/// Sets a limit of so many bytes more than is used now.
fn limit_to(client: &mut Client, more: i64, policy: &str) -> i64 {
    ok(client, &format!("CONFIG SET maxmemory-policy {policy}"));
    let limit = info_number(client, "used_memory") + more;
    ok(client, &format!("CONFIG SET maxmemory {limit}"));
    limit
}

/// Sets keys `prefix:0` and so on, with an expiry if `expires`; answers how many were refused.
fn fill(client: &mut Client, prefix: &str, keys: usize, expires: bool) -> usize {
    let mut bytes = Vec::new();
    let value = "x".repeat(VALUE_BYTES);
    for i in 0..keys {
        let key = format!("{prefix}:{i}");
        let mut words = vec!["SET", &key, &value];
        if expires {
            words.extend(["EX", "100000"]);
        }
        encode(&mut bytes, &words);
    }
    client.send_raw(&bytes).expect("send");
    (0..keys).filter(|_| client.read_frame().expect("reply")[0] == b'-').count()
}

#[test]
fn keys_go_as_the_policy_says() {
    for order in ["lru", "lfu", "lrm", "random", "ttl"] {
        for keys in ["allkeys", "volatile"] {
            if (keys, order) == ("allkeys", "ttl") {
                continue;
            }
            let server = ours("");
            let mut client = client(&server);
            fill(&mut client, "stays", 100, false);
            let limit = limit_to(&mut client, 2 << 20, &format!("{keys}-{order}"));
            assert_eq!(fill(&mut client, "new", 10_000, true), 0, "{keys}-{order}");
            let used = info_number(&mut client, "used_memory");
            assert!(used < limit + (256 << 10), "{keys}-{order}: {used} of {limit}");
            // Keys may still go between the two answers.
            wait_for("every key is there or counted", || {
                let evicted = info_number(&mut client, "evicted_keys");
                let left: i64 = run(&mut client, "DBSIZE")[1..].parse().expect("a number");
                assert!(left + evicted <= 10_100, "{keys}-{order}: {left} and {evicted}");
                left + evicted == 10_100
            });
            let stayed = (0..100).filter(|i| run(&mut client, &format!("EXISTS stays:{i}")) == ":1").count();
            assert!(keys == "allkeys" || stayed == 100, "{keys}-{order}: {stayed}");
        }
    }
}

#[test]
fn keys_that_are_used_outlive_the_others() {
    // (policy, what marks the keys that must stay)
    for (policy, used) in [("allkeys-lfu", "GET"), ("volatile-ttl", "PERSIST")] {
        let server = ours("");
        let mut client = client(&server);
        ok(&mut client, &format!("CONFIG SET maxmemory-policy {policy}"));
        ok(&mut client, "CONFIG SET lfu-log-factor 0");
        fill(&mut client, "hot", 50, true);
        for i in 0..50 {
            for _ in 0..30 {
                run(&mut client, &format!("{used} hot:{i}"));
            }
        }
        limit_to(&mut client, 1 << 20, policy);
        fill(&mut client, "cold", 5000, true);
        let stayed = (0..50).filter(|i| run(&mut client, &format!("EXISTS hot:{i}")) == ":1").count();
        assert!(stayed >= 48, "{policy}: {stayed} of 50 left");
    }
}

#[test]
fn without_eviction_what_needs_memory_is_refused() {
    let server = ours("");
    let mut client = client(&server);
    ok(&mut client, "SET there x");
    ok(&mut client, "MULTI");
    run(&mut client, "SET in-transaction y");
    limit_to(&mut common::client(&server), -(1 << 18), "noeviction");
    assert_eq!(
        run(&mut client, "EXEC"),
        format!("-EXECABORT Transaction discarded because of: {}", &OOM[1..])
    );
    assert_eq!(run(&mut client, "DISCARD"), "-ERR DISCARD without MULTI");
    assert_eq!(run(&mut client, "SET new x"), OOM);
    assert_eq!(run(&mut client, "GET there"), "\"x\"");
    ok(&mut client, "MULTI");
    assert_eq!(run(&mut client, "GET there"), "+QUEUED");
    assert_eq!(run(&mut client, "SET there y"), OOM);
    assert_eq!(run(&mut client, "EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(run(&mut client, "DEL there"), ":1");
    wait_for("the clock of the excess", || info_number(&mut client, "current_eviction_exceeded_time") > 0);
    ok(&mut client, "CONFIG SET maxmemory 0");
    ok(&mut client, "SET new x");
    assert_eq!(info_number(&mut client, "current_eviction_exceeded_time"), 0);
    assert!(info_number(&mut client, "total_eviction_exceeded_time") > 0);
    assert_eq!(info(&mut client, "evicted_keys"), "0");
}

#[test]
fn replicas_follow_and_do_not_evict_themselves() {
    let (primary, replica) = (ours("--repl-diskless-sync-delay 0"), ours(""));
    let (mut one, mut other) = (client(&primary), client(&replica));
    ok(&mut other, &format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    wait_for("the link", || info(&mut other, "master_link_status") == "up");
    ok(&mut other, "CONFIG SET maxmemory-policy allkeys-lru");
    ok(&mut other, "CONFIG SET maxmemory 1");
    limit_to(&mut one, 2 << 20, "allkeys-lru");
    assert_eq!(fill(&mut one, "key", 5000, false), 0);
    ok(&mut one, "CONFIG SET maxmemory 0");
    assert!(info_number(&mut one, "evicted_keys") > 0);
    assert!(!wait_equal(&mut one, &mut other).is_empty());
    assert_eq!(info(&mut other, "evicted_keys"), "0");
}

#[test]
fn evictions_are_published_and_wake_who_watches() {
    let server = ours("--notify-keyspace-events Ee");
    let (mut client, mut listener) = (client(&server), client(&server));
    listener.words("SUBSCRIBE __keyevent@0__:evicted").expect("subscribe");
    ok(&mut client, "SET watched x");
    ok(&mut client, "WATCH watched");
    let mut other = common::client(&server);
    limit_to(&mut other, -(1 << 18), "allkeys-lru");
    let message = listener.read_frame().expect("a message");
    assert!(message.ends_with(b"watched\r\n"), "{}", message.escape_ascii());
    ok(&mut other, "CONFIG SET maxmemory 0");
    ok(&mut client, "MULTI");
    run(&mut client, "SET watched y");
    assert_eq!(run(&mut client, "EXEC"), "nil-array");
}

#[test]
fn the_largest_clients_go_when_all_take_too_much() {
    let server = ours("--maxmemory-clients 2mb");
    let mut control = client(&server);
    ok(&mut control, "CLIENT NO-EVICT ON");
    let mut small = client(&server);
    ok(&mut small, "SET small x");
    let mut large = client(&server);
    ok(&mut large, "MULTI");
    let value = "x".repeat(300_000);
    let queued = (0..20).take_while(|i| large.words(&format!("SET key:{i} {value}")).is_ok()).count();
    assert!((3..8).contains(&queued), "{queued} commands were queued");
    assert_eq!(info(&mut control, "evicted_clients"), "1");
    ok(&mut small, "SET small y");
    assert_eq!(run(&mut control, "DBSIZE"), ":1");
}
