//! Replication between servers of ours, and between ours and the real ones.

mod common;

use std::io::{Read, Write};
use std::path::Path;

use common::*;
use testkit::client::{Client, encode};
use testkit::process::{Server, Spec};
use testkit::proxy::{Proxy, Rules};

/// A full synchronization begins at once.
const FAST: &str = "--repl-diskless-sync-delay 0 --repl-backlog-size 1mb";

const READONLY: &str = "-READONLY You can\\'t write against a read only replica.";

fn replica_of(client: &mut Client, port: u16) {
    ok(client, &format!("REPLICAOF 127.0.0.1 {port}"));
}

fn wait_link(client: &mut Client) {
    wait_for("the link", || info(client, "master_link_status") == "up");
}

/// Keys of all types, many enough that they need several reads.
fn fill(client: &mut Client, round: usize) {
    let mut bytes = Vec::new();
    let mut count = 0;
    let mut add = |line: String| {
        encode(&mut bytes, &line.split(' ').collect::<Vec<_>>());
        count += 1;
    };
    for i in 0..500 {
        add(format!("SET key:{i} value-{round}"));
        add(format!("RPUSH list:{} {round}-{i}", i % 7));
        add(format!("ZADD zset:{} {i}.25 member-{round}-{i}", i % 3));
        add(format!("SADD set:{} member-{round}-{i}", i % 3));
        add(format!("SADD integers:{} {}", i % 3, round * 1000 + i));
        add(format!("XADD stream {}-{} f v", round + 1, i + 1));
        add(format!("INCR counter:{}", i % 5));
        add(format!("HSET hash:{} f{i} {round} same {i}", i % 3));
        add(format!("HINCRBY small-hash n{} {i}", i % 10));
    }
    add(format!("SET ttl:{round} x EX 100000"));
    add("EXPIRE key:1 50000".into());
    add("LPOP list:1 10".into());
    add("HEXPIRE hash:1 50000 FIELDS 2 f1 f4".into());
    add("HSETEX small-hash EX 60000 FIELDS 2 n1 5 n2 6".into());
    add("HGETEX small-hash EX 70000 FIELDS 2 n3 none".into());
    add("HGETEX small-hash PERSIST FIELDS 1 n2".into());
    add("HSETEX small-hash KEEPTTL FIELDS 1 n1 7".into());
    add("HINCRBYFLOAT small-hash float 0.5".into());
    add("HGETEX small-hash EX 80000 FIELDS 1 float".into());
    add("HINCRBYFLOAT small-hash float 0.25".into());
    add("HINCRBY small-hash n1 1".into());
    add("HPERSIST hash:1 FIELDS 1 f4".into());
    add("HEXPIRE hash:1 0 FIELDS 2 f7 none".into());
    add("HGETDEL hash:2 FIELDS 2 f2 none".into());
    add("HDEL hash:2 f5".into());
    add("INCRBYFLOAT float 0.1".into());
    add("APPEND text more".into());
    add("SPOP set:1".into());
    add("SPOP set:1 20".into());
    add("SPOP set:1 130".into());
    add("SPOP integers:1 5".into());
    add(format!("SADD gone a{round} b c"));
    add("SPOP gone 10".into());
    add("SMOVE integers:0 integers:2 0".into());
    add("SUNIONSTORE union set:0 integers:0".into());
    add("RENAME key:2 renamed".into());
    client.send_raw(&bytes).expect("send");
    for _ in 0..count {
        let frame = client.read_frame().expect("reply");
        assert_ne!(frame[0], b'-', "{}", frame.escape_ascii());
    }
}

/// A writer on a connection of its own that runs until it is told to stop.
struct Writing {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

impl Writing {
    fn begin(server: &Server) -> Writing {
        use std::sync::atomic::Ordering::Relaxed;
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (mut client, stopped) = (client(server), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut n = 0;
            while !stopped.load(Relaxed) {
                run(&mut client, &format!("SET during:{} {n}", n % 1000));
                run(&mut client, &format!("RPUSH during-list {n}"));
                run(&mut client, &format!("SADD set:0 during-{n}"));
                run(&mut client, "SPOP set:2");
                n += 1;
            }
            n
        });
        Writing { stop, thread: Some(thread) }
    }

    fn end(mut self) -> u64 {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.take().map_or(0, |thread| thread.join().expect("writer"))
    }
}

/// Full sync while writes go on, then a cut link and a partial one; all data equal at each step.
fn sync_cut_and_resume(primary: &Server, replica: &Server) {
    let mut p = client(primary);
    let mut r = client(replica);
    fill(&mut p, 0);
    let proxy = Proxy::start(primary.port()).expect("proxy");
    let writing = Writing::begin(primary);
    replica_of(&mut r, proxy.port());
    wait_link(&mut r);
    fill(&mut p, 1);
    assert!(writing.end() > 0);
    assert!(wait_equal(&mut p, &mut r).len() > 500);
    let (full, partial) = (info_number(&mut p, "sync_full"), info_number(&mut p, "sync_partial_ok"));
    proxy.refuse(true);
    proxy.cut();
    wait_for("the link is seen down", || info(&mut r, "master_link_status") == "down");
    fill(&mut p, 2);
    proxy.refuse(false);
    wait_link(&mut r);
    wait_equal(&mut p, &mut r);
    assert_eq!(info_number(&mut p, "sync_full"), full);
    assert_eq!(info_number(&mut p, "sync_partial_ok"), partial + 1);
    // Split and delayed bytes change nothing.
    proxy.set(Rules { chunk_bytes: 7, ..Rules::default() });
    fill(&mut p, 3);
    wait_equal(&mut p, &mut r);
    assert_eq!(run(&mut r, "SET k v"), READONLY);
}

#[test]
fn full_and_partial_sync_between_ours() {
    let (primary, replica) = (ours(FAST), ours(FAST));
    sync_cut_and_resume(&primary, &replica);
}

#[test]
fn full_sync_by_way_of_a_file() {
    let (primary, replica) = (ours("--repl-diskless-sync no"), ours(FAST));
    sync_cut_and_resume(&primary, &replica);
}

fn start_peer(binary: &Path) -> Server {
    Server::start(&Spec::new(binary).args(FAST)).expect("the real server")
}

#[test]
fn the_real_ones_follow_ours() {
    for binary in peers() {
        sync_cut_and_resume(&ours(FAST), &start_peer(&binary));
    }
}

#[test]
fn ours_follows_the_real_ones() {
    for binary in peers() {
        sync_cut_and_resume(&start_peer(&binary), &ours(FAST));
    }
}

/// Whoever joins, or comes again, in the middle of a stream goes on in the database that the stream is in.
#[test]
fn a_stream_in_another_database_goes_on_there() {
    let mut firsts = vec![ours(FAST)];
    firsts.extend(peers().iter().map(|binary| start_peer(binary)));
    for first in firsts {
        let (middle, last) = (ours(FAST), ours(FAST));
        let (mut a, mut b, mut c) = (client(&first), client(&middle), client(&last));
        let proxy = Proxy::start(first.port()).expect("proxy");
        replica_of(&mut b, proxy.port());
        wait_link(&mut b);
        ok(&mut a, "SELECT 5");
        ok(&mut a, "SET before x");
        ok(&mut b, "SELECT 5");
        wait_for("the first key", || run(&mut b, "GET before") == "\"x\"");
        replica_of(&mut c, middle.port());
        wait_link(&mut c);
        ok(&mut c, "SELECT 5");
        ok(&mut a, "SET joined x");
        wait_for("the second key", || run(&mut c, "GET joined") == "\"x\"");
        // What comes now can only come by a new link, which may be up before anybody sees the old one down.
        proxy.cut();
        ok(&mut a, "SET resumed x");
        wait_for("the third key", || run(&mut c, "GET resumed") == "\"x\"");
        assert_eq!(run(&mut b, "GET resumed"), "\"x\"");
    }
}

#[test]
fn a_chain_and_a_promotion_in_its_middle() {
    let (first, middle, last) = (ours(FAST), ours(FAST), ours(FAST));
    let (mut a, mut b, mut c) = (client(&first), client(&middle), client(&last));
    fill(&mut a, 0);
    replica_of(&mut b, first.port());
    wait_link(&mut b);
    replica_of(&mut c, middle.port());
    wait_link(&mut c);
    fill(&mut a, 1);
    let data = wait_equal(&mut a, &mut c);
    assert_eq!(info(&mut b, "connected_slaves"), "1");
    let id = info(&mut a, "master_replid");
    assert_eq!(info(&mut c, "master_replid"), id);
    wait_for("same offset", || info(&mut a, "master_repl_offset") == info(&mut b, "master_repl_offset"));
    ok(&mut b, "REPLICAOF NO ONE");
    assert_eq!(info(&mut b, "role"), "master");
    assert_eq!(info(&mut b, "master_replid2"), id);
    assert_ne!(info(&mut b, "master_replid"), id);
    assert_eq!(data_set(&mut b), data);
    wait_for("the new id", || info(&mut c, "master_replid") == info(&mut b, "master_replid"));
    fill(&mut b, 2);
    wait_link(&mut c);
    wait_equal(&mut b, &mut c);
    assert_eq!(info(&mut c, "master_replid"), info(&mut b, "master_replid"));
    // The old primary has the same history up to the promotion and nothing after it: a partial sync is enough.
    let full = info_number(&mut b, "sync_full");
    replica_of(&mut a, middle.port());
    wait_link(&mut a);
    wait_equal(&mut a, &mut b);
    assert_eq!(info_number(&mut b, "sync_full"), full);
}

#[test]
fn a_silent_primary_is_given_up() {
    let primary = ours(&format!("{FAST} --repl-ping-replica-period 1"));
    let replica = ours(&format!("{FAST} --repl-timeout 2"));
    let mut r = client(&replica);
    let proxy = Proxy::start(primary.port()).expect("proxy");
    replica_of(&mut r, proxy.port());
    wait_link(&mut r);
    // The connection stays open, and nothing comes.
    proxy.set(Rules { hold: true, ..Rules::default() });
    wait_for("the end of the link", || info(&mut r, "master_link_status") == "down");
    assert!(replica.log().contains("PRIMARY timeout: no data nor PING received..."), "{}", replica.log());
    proxy.set(Rules::default());
    wait_link(&mut r);
}

#[test]
fn wait_counts_replicas_that_have_it() {
    let (primary, replica) = (ours(FAST), ours(FAST));
    let (mut p, mut r) = (client(&primary), client(&replica));
    ok(&mut p, "SET k v");
    assert_eq!(run(&mut p, "WAIT 0 0"), ":0");
    assert_eq!(run(&mut p, "WAIT 1 10"), ":0");
    let proxy = Proxy::start(primary.port()).expect("proxy");
    replica_of(&mut r, proxy.port());
    wait_link(&mut r);
    ok(&mut p, "SET k w");
    assert_eq!(run(&mut p, "WAIT 1 0"), ":1");
    assert_eq!(run(&mut r, "GET k"), "\"w\"");
    proxy.set(Rules { hold: true, ..Rules::default() });
    ok(&mut p, "SET k x");
    assert_eq!(run(&mut p, "WAIT 1 50"), ":0");
    p.send(&["WAIT", "1", "0"]).expect("send");
    wait_blocked(&primary, 1);
    proxy.set(Rules::default());
    assert_eq!(p.read_frame().expect("WAIT"), b":1\r\n");
    assert!(run(&mut r, "WAIT 1 0").starts_with("-ERR WAIT cannot be used with replica instances"));
}

#[test]
fn keys_expire_by_the_primarys_word() {
    let primary = ours(&format!("{FAST} --enable-debug-command local"));
    let replica = ours(FAST);
    let (mut p, mut r) = (client(&primary), client(&replica));
    replica_of(&mut r, primary.port());
    wait_link(&mut r);
    ok(&mut p, "DEBUG SET-ACTIVE-EXPIRE 0");
    ok(&mut p, "SET k v PX 1");
    assert_eq!(run(&mut p, "WAIT 1 0"), ":1");
    // Logically gone at once, physically there until the primary says so.
    wait_for("expired", || run(&mut r, "GET k") == "nil-bulk");
    assert_eq!(run(&mut r, "DBSIZE"), ":1");
    assert_eq!(run(&mut p, "GET k"), "nil-bulk");
    wait_for("the primary's DEL", || run(&mut r, "DBSIZE") == ":0");
}

/// Deadlines of fields pass: the primary deletes, and its replicas hear of it, each field once.
#[test]
fn fields_expire_by_the_primarys_word() {
    let mut pairs: Vec<(Server, Server)> = vec![(ours(FAST), ours(FAST))];
    for binary in peers() {
        pairs.push((ours(FAST), start_peer(&binary)));
        pairs.push((start_peer(&binary), ours(FAST)));
    }
    for (primary, replica) in &pairs {
        let (mut p, mut r) = (client(primary), client(replica));
        run(&mut p, "HSET before a 1 b 2 c 3");
        run(&mut p, "HPEXPIRE before 50 FIELDS 1 a");
        replica_of(&mut r, primary.port());
        wait_link(&mut r);
        run(&mut p, "HSET during a 1 b 2 c 3");
        run(&mut p, "HPEXPIRE during 50 FIELDS 2 a b");
        run(&mut p, "HSET gone a 1 b 2");
        run(&mut p, "HPEXPIRE gone 50 FIELDS 2 a b");
        wait_for("the fields to go", || {
            ["before", "during"].iter().map(|key| run(&mut p, &format!("HLEN {key}"))).eq([":2", ":1"])
                && run(&mut p, "EXISTS gone") == ":0"
        });
        wait_equal(&mut p, &mut r);
        wait_for("the fields to go there too", || {
            ["before", "during"].iter().map(|key| run(&mut r, &format!("HLEN {key}"))).eq([":2", ":1"])
                && run(&mut r, "EXISTS gone") == ":0"
        });
    }
}

#[test]
fn blocked_pops_and_transactions_reach_the_replica() {
    let (primary, replica) = (ours(FAST), ours(FAST));
    let (mut p, mut r) = (client(&primary), client(&replica));
    replica_of(&mut r, primary.port());
    wait_link(&mut r);
    let mut waiter = client(&primary);
    waiter.send(&["BLMOVE", "from", "to", "LEFT", "RIGHT", "0"]).expect("send");
    wait_blocked(&primary, 1);
    ok(&mut p, "MULTI");
    for line in ["RPUSH from a b", "SELECT 3", "SET in-three x", "SELECT 0", "INCR n"] {
        run(&mut p, line);
    }
    assert!(!run(&mut p, "EXEC").contains("-ERR"));
    assert_eq!(waiter.read_frame().expect("BLMOVE"), b"$1\r\na\r\n");
    run(&mut p, "RPUSH q 1 2 3");
    assert_eq!(run(&mut p, "BLPOP q 0"), "[\"q\", \"1\"]");
    wait_equal(&mut p, &mut r);
    ok(&mut r, "SELECT 3");
    assert_eq!(run(&mut r, "GET in-three"), "\"x\"");
}

#[test]
fn a_replica_that_stops_reading_is_dropped_and_stalls_nobody() {
    let primary = ours(FAST);
    let mut p = client(&primary);
    let limit = ["CONFIG", "SET", "client-output-buffer-limit", "replica 4mb 0 0"];
    assert_eq!(p.call(&limit).expect("CONFIG").render(), "+OK");
    let mut deaf = socket(&primary);
    deaf.write_all(b"*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n").expect("send");
    let mut first = [0; 11];
    // The wait may show as empty lines.
    loop {
        deaf.read_exact(&mut first[..1]).expect("reply");
        if first[0] != b'\n' {
            break;
        }
    }
    deaf.read_exact(&mut first[1..]).expect("reply");
    assert_eq!(&first, b"+FULLRESYNC");
    wait_for("streaming", || info(&mut p, "slave0").contains("state=online"));
    let value = "v".repeat(100_000);
    wait_for("dropped", || {
        ok(&mut p, &format!("SET k {value}"));
        info(&mut p, "connected_slaves") == "0"
    });
    assert!(info_number(&mut p, "used_memory") < 64 << 20);
}

/// As above, but it stops while its dump is on the way: what is written meanwhile must not pile up without end.
#[test]
fn a_replica_that_stops_reading_its_dump_is_dropped_too() {
    let primary = ours(FAST);
    let mut p = client(&primary);
    let limit = ["CONFIG", "SET", "client-output-buffer-limit", "replica 4mb 0 0"];
    assert_eq!(p.call(&limit).expect("CONFIG").render(), "+OK");
    let noise: String = {
        let mut rng = testkit::rng::Rng::new(1);
        (0..100_000).map(|_| char::from(b'a' + rng.below(26) as u8)).collect()
    };
    for i in 0..300 {
        ok(&mut p, &format!("SET big:{i} {noise}"));
    }
    ok(&mut p, "CONFIG SET rdbcompression no");
    let mut deaf = socket(&primary);
    deaf.write_all(b"REPLCONF capa eof capa psync2\r\nPSYNC ? -1\r\n").expect("send");
    wait_for("sending", || info(&mut p, "rdb_bgsave_in_progress") == "1");
    wait_for("dropped", || {
        ok(&mut p, &format!("SET k {noise}"));
        info(&mut p, "connected_slaves") == "0"
    });
    assert!(info_number(&mut p, "used_memory") < 128 << 20);
    assert_eq!(run(&mut p, "DBSIZE"), ":301");
}

#[test]
fn a_writable_replica_keeps_its_writes_to_itself() {
    let (primary, replica) = (ours(FAST), ours(FAST));
    let (mut p, mut r) = (client(&primary), client(&replica));
    let proxy = Proxy::start(primary.port()).expect("proxy");
    replica_of(&mut r, proxy.port());
    wait_link(&mut r);
    ok(&mut p, "SET shared 1");
    wait_equal(&mut p, &mut r);
    ok(&mut r, "CONFIG SET replica-read-only no");
    ok(&mut r, "SET own 1 PX 300");
    assert_eq!(info_number(&mut r, "slave_expires_tracked_keys"), 1);
    // Its offset stays the primary's, or a partial synchronization would go on at the wrong byte.
    ok(&mut p, "SET shared 2");
    wait_for("the stream", || run(&mut r, "GET shared") == "\"2\"");
    assert_eq!(info(&mut r, "master_repl_offset"), info(&mut p, "master_repl_offset"));
    wait_for("its own expiry", || run(&mut r, "DBSIZE") == ":1");
    assert_eq!(info_number(&mut r, "slave_expires_tracked_keys"), 0);
    let partial = info_number(&mut p, "sync_partial_ok");
    proxy.cut();
    wait_for("a partial sync", || info_number(&mut p, "sync_partial_ok") == partial + 1);
    fill(&mut p, 0);
    wait_equal(&mut p, &mut r);
}

#[test]
fn a_replica_stays_one_over_a_restart_and_goes_on_partially() {
    let primary = ours(FAST);
    let dir = testkit::process::fresh_dir().expect("directory");
    let file = dir.join("replica.conf");
    std::fs::write(&file, "io-threads 2\n").expect("file");
    let mut spec = Spec::new(OURS);
    spec.args.clear();
    (spec.dir, spec.subcommand) = (Some(dir.clone()), Some(file.display().to_string()));
    let mut replica = Server::start(&spec).expect("start");
    let (mut p, mut r) = (client(&primary), client(&replica));
    replica_of(&mut r, primary.port());
    wait_link(&mut r);
    fill(&mut p, 0);
    wait_equal(&mut p, &mut r);
    let expected = format!("[\"replicaof\", \"127.0.0.1 {}\"]", primary.port());
    assert_eq!(run(&mut r, "CONFIG GET replicaof"), expected);
    assert_eq!(r.call(&["CONFIG", "SET", "save", "3600 1"]).expect("reply").render(), "+OK");
    ok(&mut r, "CONFIG REWRITE");
    assert!(replica.terminate(DEADLINE).expect("ends"));
    fill(&mut p, 1);
    let replica = Server::start(&spec).expect("start again");
    let mut r = client(&replica);
    wait_link(&mut r);
    wait_equal(&mut p, &mut r);
    assert_eq!((info_number(&mut p, "sync_full"), info_number(&mut p, "sync_partial_ok")), (1, 1));
    ok(&mut r, "REPLICAOF NO ONE");
    assert_eq!(run(&mut r, "CONFIG GET replicaof"), "[\"replicaof\", \"\"]");
    drop(replica);
    std::fs::remove_dir_all(&dir).expect("remove");
}

#[test]
fn killing_the_primarys_client_is_a_cut_link() {
    let (primary, replica) = (ours(FAST), ours(FAST));
    let (mut p, mut r) = (client(&primary), client(&replica));
    replica_of(&mut r, primary.port());
    wait_link(&mut r);
    fill(&mut p, 0);
    wait_equal(&mut p, &mut r);
    let listed = run(&mut r, "CLIENT LIST TYPE master");
    assert!(
        listed.contains(&format!("addr=127.0.0.1:{}", primary.port())) && listed.contains("flags=M"),
        "{listed}"
    );
    assert_eq!(run(&mut r, "CLIENT KILL TYPE master"), ":1");
    wait_for("a partial sync", || info_number(&mut p, "sync_partial_ok") == 1);
    fill(&mut p, 1);
    wait_equal(&mut p, &mut r);
    assert_eq!(info_number(&mut p, "sync_full"), 1);
}

#[test]
fn a_dump_that_nobody_waits_for_ends() {
    // To a file as well, unless the server would save it anyway.
    for (diskless, save, ends) in [("yes", "", true), ("no", "", true), ("no", "900 1", false)] {
        let (primary, mut replica) = (ours(FAST), ours(FAST));
        let (mut p, mut r) = (client(&primary), client(&replica));
        fill(&mut p, 0);
        ok(&mut p, "CONFIG SET rdb-key-save-delay 1000000");
        ok(&mut p, &format!("CONFIG SET repl-diskless-sync {diskless}"));
        p.send(&["CONFIG", "SET", "save", save]).expect("send");
        p.read_frame().expect("the save points");
        replica_of(&mut r, primary.port());
        wait_for("the dump", || info(&mut p, "rdb_bgsave_in_progress") == "1");
        assert!(info(&mut p, "slave0").contains("state=wait_bgsave"));
        replica.kill();
        wait_for("no replica", || info(&mut p, "connected_slaves") == "0");
        match ends {
            true => wait_for("no dump", || info(&mut p, "rdb_bgsave_in_progress") == "0"),
            false => assert_eq!(info(&mut p, "rdb_bgsave_in_progress"), "1"),
        }
    }
}

/// What the primary could run and the replica cannot is a difference of their data, and shows in its log.
#[test]
fn an_error_in_the_stream_is_logged() {
    let debug = format!("{FAST} --enable-debug-command yes --replica-read-only no");
    let (primary, replica) = (ours(&debug), ours(&debug));
    let (mut p, mut r) = (client(&primary), client(&replica));
    replica_of(&mut r, primary.port());
    wait_link(&mut r);
    ok(&mut r, "SET text foo");
    ok(&mut p, "DEBUG REPLICATE no-command");
    assert_eq!(run(&mut p, "INCRBY text 1"), ":1");
    assert_eq!(run(&mut p, "WAIT 1 5000"), ":1");
    for command in ["<unknown>", "incrby"] {
        let text = format!("after processing the command '{command}'");
        wait_for(&text, || replica.log().contains(&text));
    }
    assert_eq!(info(&mut r, "unexpected_error_replies"), "2");
}

/// The received dump becomes the replica's own file: it starts from there, and goes on partially. If that cannot be, it
/// keeps what it has and tries again.
#[test]
fn a_received_dump_is_the_replicas_own() {
    let (primary, mut replica) = (ours(FAST), ours(FAST));
    let (mut p, mut r) = (client(&primary), client(&replica));
    ok(&mut p, "SET theirs 1");
    ok(&mut r, "SET mine 1");
    let dump = replica.dir().join("dump.rdb");
    std::fs::create_dir(&dump).expect("a folder in the file's place");
    replica_of(&mut r, primary.port());
    let text = "Failed trying to rename the temp DB into dump.rdb";
    wait_for(text, || replica.log().contains(text));
    assert_eq!(run(&mut r, "EXISTS mine theirs"), ":1");
    std::fs::remove_dir(&dump).expect("remove");
    wait_link(&mut r);
    assert_eq!((run(&mut r, "EXISTS theirs"), run(&mut r, "EXISTS mine")), (":1".into(), ":0".into()));
    replica.kill();
    let header = std::fs::read(&dump).expect("the file");
    assert!(header.starts_with(b"REDIS"));
}

#[test]
fn a_command_of_a_replica_with_a_reply_ends_its_link() {
    let primary = ours(FAST);
    let mut witness = client(&primary);
    for (command, text) in [
        ("PING", "Replica generated a reply to command 'ping', disconnecting it: "),
        ("GET k", "== CRITICAL == This primary is sending an error to its replica: "),
    ] {
        let mut link = client(&primary);
        link.send(&["SYNC"]).expect("send");
        link.send(&command.split(' ').collect::<Vec<_>>()).expect("send");
        wait_for(text, || primary.log().contains(text));
        wait_for("the end", || info(&mut witness, "connected_slaves") == "0");
    }
}

#[test]
fn a_backlog_that_nobody_needs_is_given_back_with_its_history() {
    let (primary, replica) = (ours(FAST), ours(FAST));
    let (mut p, mut r) = (client(&primary), client(&replica));
    replica_of(&mut r, primary.port());
    wait_link(&mut r);
    let id = info(&mut p, "master_replid");
    ok(&mut r, "REPLICAOF NO ONE");
    ok(&mut p, "CONFIG SET repl-backlog-ttl 1");
    wait_for("no backlog", || info(&mut p, "repl_backlog_active") == "0");
    assert_ne!(info(&mut p, "master_replid"), id);
    replica_of(&mut r, primary.port());
    wait_link(&mut r);
    assert_eq!((info_number(&mut p, "sync_full"), info_number(&mut p, "sync_partial_err")), (2, 1));
}

#[test]
fn a_paused_replica_takes_the_stream_in_and_runs_it_later() {
    let (primary, replica) = (ours(FAST), ours(FAST));
    let (mut p, mut r) = (client(&primary), client(&replica));
    replica_of(&mut r, primary.port());
    wait_link(&mut r);
    ok(&mut p, "SET k 1");
    wait_equal(&mut p, &mut r);
    ok(&mut r, "CLIENT PAUSE 100000 WRITE");
    ok(&mut p, "SET k 2");
    wait_for("the stream", || info(&mut r, "slave_read_repl_offset") == info(&mut p, "master_repl_offset"));
    assert_eq!(run(&mut r, "GET k"), "\"1\"");
    ok(&mut r, "CLIENT UNPAUSE");
    wait_for("the write", || run(&mut r, "GET k") == "\"2\"");
}

#[test]
fn clients_that_can_be_redirected_are() {
    let (primary, replica) = (ours(FAST), called("valkey-server", FAST));
    let mut r = client(&replica);
    let mut early = client(&replica);
    ok(&mut early, "CLIENT CAPA REDIRECT");
    ok(&mut early, "MULTI");
    assert_eq!(run(&mut early, "SET k v"), "+QUEUED");
    replica_of(&mut r, primary.port());
    wait_link(&mut r);
    let redirect = format!("-REDIRECT 127.0.0.1:{}", primary.port());
    assert_eq!(run(&mut early, "EXEC"), redirect);
    assert_eq!(run(&mut early, "EXEC"), "-ERR EXEC without MULTI");
    assert_eq!(run(&mut r, "GET k"), "nil-bulk");
    ok(&mut r, "CLIENT CAPA REDIRECT");
    assert_eq!(run(&mut r, "GET k"), redirect);
    assert_eq!(run(&mut r, "SET k v"), redirect);
    assert_eq!(run(&mut r, "PING"), "+PONG");
    ok(&mut r, "READONLY");
    assert_eq!(run(&mut r, "GET k"), "nil-bulk");
    assert_eq!(run(&mut r, "SET k v"), redirect);
}

/// As `valkey-cli --replica` asks.
#[test]
fn who_wants_no_keys_gets_an_empty_dump_and_the_stream() {
    let primary = ours(&format!("{FAST} --enable-debug-command yes"));
    let mut p = client(&primary);
    for disk in ["yes", "no"] {
        ok(&mut p, &format!("CONFIG SET repl-diskless-sync {disk}"));
        ok(&mut p, "SET before secret");
        ok(&mut p, "SAVE");
        let mut link = socket(&primary);
        link.write_all(b"REPLCONF capa eof rdb-filter-only \"\"\r\nSYNC\r\n").expect("send");
        let mut got = Vec::new();
        let mut read_until = |link: &mut std::net::TcpStream, text: &[u8]| {
            while !got.windows(text.len()).any(|window| window == text) {
                let mut piece = [0; 4096];
                let len = link.read(&mut piece).expect("receive");
                assert!(len > 0, "the link ended");
                got.extend_from_slice(&piece[..len]);
            }
            got.clone()
        };
        let head = read_until(&mut link, b"\r\nREDIS0");
        let mark = head.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"$EOF:"));
        let mark = mark.expect("a stream with a mark").strip_suffix(b"\r").expect("a line").to_vec();
        link.write_all(b"REPLCONF ACK 0\r\n").expect("send");
        ok(&mut p, "SET later news");
        let all = read_until(&mut link, b"news");
        let ends = all.windows(40).filter(|window| *window == mark).count();
        assert_eq!((ends, all.windows(6).any(|window| window == b"secret")), (2, false));
        drop(link);
        wait_for("the end", || info(&mut p, "connected_slaves") == "0");
        assert_eq!(run(&mut p, "DEBUG RELOAD NOSAVE"), "+OK", "the dump file is as it was");
        assert_eq!(run(&mut p, "GET before"), "\"secret\"");
    }
}
