//! Replicas equal their primary: after every kind of write, over links that are cut anywhere, through changes of roles.

use russet_nodes::Nodes;
use testkit::rng::Rng;

/// Requests with `{k}` for a key, `{n}` for a small number, `{t}` for milliseconds to come.
const WRITES: &[&str] = &[
    "SET {k} {n}",
    "SET {k} {n} PX {t}",
    "SET {k} {n} EX 1 GET",
    "GETEX {k} PX {t}",
    "GETDEL {k}",
    "APPEND {k} x",
    "SETRANGE {k} {n} abc",
    "INCR {k}",
    "INCRBYFLOAT {k} 0.{n}",
    "MSET {k} 1 {k} 2",
    "MSETEX 2 {k} 1 {k} 2 PX {t}",
    "SETBIT {k} {n} 1",
    "BITFIELD {k} INCRBY u8 {n} 200 OVERFLOW SAT",
    "BITOP XOR {k} {k} {k}",
    "PFADD {k} a{n}",
    "PFMERGE {k} {k}",
    "DEL {k} {k}",
    "UNLINK {k}",
    "PEXPIRE {k} {t}",
    "PEXPIRE {k} 0",
    "PERSIST {k}",
    "RENAME {k} {k}",
    "COPY {k} {k} REPLACE",
    "MOVE {k} 1",
    "SWAPDB 0 1",
    "SORT {k} ALPHA STORE {k}",
    "LPUSH {k} a{n} b{n}",
    "RPUSH {k} c{n}",
    "LPOP {k} 2",
    "LINSERT {k} BEFORE a{n} y",
    "LTRIM {k} 0 5",
    "LMOVE {k} {k} LEFT RIGHT",
    "LMPOP 2 {k} {k} RIGHT COUNT 2",
    "BLPOP {k} {k} 1",
    "BLMOVE {k} {k} RIGHT LEFT 1",
    "SADD {k} m{n} m1 m2",
    "SREM {k} m{n}",
    "SPOP {k} 2",
    "SMOVE {k} {k} m{n}",
    "SUNIONSTORE {k} {k} {k}",
    "HSET {k} f{n} v f2 {n}",
    "HINCRBY {k} f{n} 5",
    "HDEL {k} f{n}",
    "HPEXPIRE {k} {t} FIELDS 1 f{n}",
    "HGETEX {k} PX {t} FIELDS 2 f{n} f2",
    "HSETEX {k} PX {t} FIELDS 1 f{n} w",
    "HGETDEL {k} FIELDS 1 f{n}",
    "ZADD {k} {n} m{n} 2 m2",
    "ZADD {k} INCR 1.5 m{n}",
    "ZPOPMIN {k}",
    "BZPOPMAX {k} {k} 1",
    "ZREMRANGEBYSCORE {k} {n} 9",
    "ZUNIONSTORE {k} 2 {k} {k} WEIGHTS 1 2",
    "ZRANGESTORE {k} {k} 0 2",
    "GEOADD {k} 1{n}.5 4{n}.5 p{n}",
    "GEOSEARCHSTORE {k} {k} FROMLONLAT 12 45 BYRADIUS 500 km",
    "XADD {k} * f {n}",
    "XADD {k} MAXLEN 3 * f {n}",
    "XADD {k} IDMP p i{n} * f {n}",
    "XGROUP CREATE {k} g 0 MKSTREAM",
    "XREADGROUP GROUP g c COUNT 2 STREAMS {k} >",
    "XACKDEL {k} g ACKED IDS 1 1700000000000-0",
    "XAUTOCLAIM {k} g d 0 0",
    "XTRIM {k} MAXLEN = 2",
    "VADD {k} VALUES 2 {n} 1 e{n}",
    "VREM {k} e{n}",
    "RESTORE {k} 0 bad",
];

fn request(rng: &mut Rng) -> Vec<u8> {
    let template = *rng.pick(WRITES);
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        match &rest[at..at + 3] {
            // Few keys of each kind, so that commands meet their type often.
            "{k}" => text.push_str(&format!("{}{}", &template[..1], rng.below(3))),
            "{n}" => text.push_str(&rng.below(9).to_string()),
            _ => text.push_str(&(1 + rng.below(300)).to_string()),
        }
        rest = &rest[at + 3..];
    }
    text.push_str(rest);
    let mut bytes = Vec::new();
    if rng.one_in(10) {
        testkit::client::encode(&mut bytes, &["SELECT", if rng.one_in(2) { "1" } else { "0" }]);
    }
    let transaction = rng.one_in(8);
    if transaction {
        bytes.extend_from_slice(b"MULTI\r\nSET tx 1 PX 50\r\n");
    }
    testkit::client::encode(&mut bytes, &text.split(' ').collect::<Vec<_>>());
    if transaction {
        bytes.extend_from_slice(if rng.one_in(5) { b"DISCARD\r\n" } else { b"INCR tx\r\nEXEC\r\n" });
    }
    bytes
}

/// Data and offsets are the same; `primary` has the newest history.
fn assert_equal(nodes: &mut Nodes, primary: usize, seed: u64, step: usize) {
    nodes.settle();
    let of = |nodes: &mut Nodes, node| {
        (nodes.node(node).words("DEBUG DIGEST"), nodes.node(node).server.journal.end())
    };
    let theirs = of(nodes, primary);
    for node in 0..4 {
        assert_eq!(of(nodes, node), theirs, "seed {seed}, step {step}: node {node} and primary {primary}");
    }
}

/// Makes `primary` the root and ties the others to it, in a chain or side by side.
fn follow(nodes: &mut Nodes, primary: usize, chain: bool) {
    nodes.node(primary).words("REPLICAOF NO ONE");
    let mut above = primary;
    for node in (0..4).filter(|node| *node != primary) {
        nodes.node(node).words(&format!("REPLICAOF node {above}"));
        if chain {
            above = node;
        }
    }
}

fn run(seed: u64, steps: usize) -> (usize, usize) {
    let mut rng = Rng::new(seed);
    let mut nodes = Nodes::new(4);
    let mut primary = 0;
    follow(&mut nodes, primary, rng.one_in(2));
    nodes.settle();
    let mut connection = nodes.node(primary).connect();
    for step in 0..steps {
        let bytes = request(&mut rng);
        nodes.node(primary).feed(&mut connection, &bytes);
        if connection.session.blocked.is_some() && rng.one_in(3) {
            nodes.pass(1000);
        }
        nodes.node(primary).poll(&mut connection);
        match rng.below(40) {
            0..20 => {
                let (replica, most) = (rng.below(4) as usize, 1 + rng.below(200) as usize);
                nodes.step(replica, most);
            }
            20..24 => nodes.pass(rng.below(100)),
            24 => nodes.cut(rng.below(4) as usize),
            25 => assert_equal(&mut nodes, primary, seed, step),
            26 if rng.one_in(4) => {
                assert_equal(&mut nodes, primary, seed, step);
                nodes.node(primary).disconnect(&mut connection);
                primary = rng.below(4) as usize;
                follow(&mut nodes, primary, rng.one_in(2));
                connection = nodes.node(primary).connect();
            }
            _ => {}
        }
    }
    nodes.node(primary).disconnect(&mut connection);
    assert_equal(&mut nodes, primary, seed, steps);
    (nodes.full, nodes.partial)
}

#[test]
fn replicas_equal_their_primary() {
    let rounds = if cfg!(miri) { 1 } else { 40 };
    for seed in 0..rounds {
        let (full, partial) = run(seed, 600);
        // Links that are cut go on where they were; so do those whose primary was promoted from beside them.
        assert!(full >= 3 && partial >= 1, "seed {seed}: {full} full, {partial} partial");
    }
}

#[test]
fn a_promoted_replica_is_followed_without_a_copy() {
    let mut nodes = Nodes::new(4);
    follow(&mut nodes, 0, false);
    nodes.settle();
    assert_eq!((nodes.full, nodes.partial), (3, 0));
    nodes.node(0).words("SET k v");
    nodes.settle();
    follow(&mut nodes, 2, true);
    nodes.settle();
    assert_eq!(nodes.full, 3);
    nodes.node(2).words("SET k w");
    assert_equal(&mut nodes, 2, 0, 0);
    assert_eq!(nodes.node(0).words("GET k"), "\"w\"");
}

#[test]
fn clients_are_answered_by_a_server_that_has_another_history_now() {
    let mut nodes = Nodes::new(3);
    let mut connection = nodes.node(1).connect();
    // Its own replica makes a server record; its history gets longer than that of its primary to be.
    nodes.node(2).words("REPLICAOF node 1");
    nodes.settle();
    for _ in 0..20 {
        assert_eq!(nodes.node(1).feed(&mut connection, b"SET key value\r\n"), b"+OK\r\n");
    }
    let before = nodes.node(1).server.journal.end();
    nodes.node(1).words("REPLICAOF node 0");
    nodes.settle();
    assert!(nodes.node(1).server.journal.end() < before);
    assert_eq!(nodes.node(1).feed(&mut connection, b"PING\r\n"), b"+PONG\r\n");
}
