//! Dump files: point in time, restarts, files that are refused.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::*;
use testkit::client::{Client, encode};
use testkit::logcheck;
use testkit::process::{Server, Spec, fresh_dir};

/// Some of every type that there is, in small and large forms, with and without TTLs.
fn fill(client: &mut Client) {
    let long = "x".repeat(300);
    for line in [
        "SET string value",
        "SET number -9223372036854775808",
        "SET float 3.0e3",
        "SET empty-name-follows x",
        "SET ttl value PXAT 33177117420000",
        "APPEND appended abc",
        "RPUSH list a b 1 2 -300000 9223372036854775807",
        "SADD set-of-integers 1 -2 30000 70000",
        "SADD set b a 1 c",
        "SADD set-of-long 1 0123456789012345678901234567890123456789012345678901234567890123456789",
        "EXPIREAT set 33177117420",
        "ZADD zset 1 a 2.5 b -inf low inf high 3 c",
        "XADD stream 1-1 f v g w",
        "XADD stream 1-2 f v g w",
        "XADD stream 5-0 other 1",
        "XDEL stream 1-2",
        "ZADD scores 3479099956230698 Palermo 3479447370796909 Catania 1e300 far",
        "PEXPIREAT list 33177117420123",
        "HSET hash a 1 b two c -300000 d 9223372036854775807",
        "HSET hash-ttl a 1 b two c 3",
        "HPEXPIREAT hash-ttl 33177117420123 FIELDS 2 a b",
        "HPEXPIREAT hash-ttl 33177117420000 FIELDS 1 c",
        "HSET hash-persisted a 1 b 2",
        "HEXPIRE hash-persisted 1000 FIELDS 1 a",
        "HPERSIST hash-persisted FIELDS 1 a",
    ] {
        let reply = run(client, line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    assert_eq!(client.call(&["SET", "", "the empty key"]).expect("SET").render(), "+OK");
    assert_eq!(client.call(&[&b"SET"[..], b"bin\0\r\n\xff", b"\0\xff\r\n"]).expect("SET").render(), "+OK");
    let mut bytes = Vec::new();
    let mut count = 2000 * 8 + 1;
    for i in 0..2000u64 {
        encode(&mut bytes, &["RPUSH", "long-list", &i.to_string(), &format!("{long}{i}")]);
        encode(&mut bytes, &["ZADD", "big-zset", &format!("{}.5", i % 97), &format!("member-{i}")]);
        let id = format!("{}-{}", i / 10 + 1, i % 10);
        encode(&mut bytes, &["XADD", "big-stream", &id, "field", &long]);
        encode(&mut bytes, &["SADD", "big-set", &format!("member-{i}")]);
        encode(&mut bytes, &["SADD", "big-set-of-integers", &i.to_string()]);
        encode(&mut bytes, &["SET", &format!("key:{i}"), &format!("value {i}")]);
        let (field, big) = (format!("field-{i}"), if i % 100 == 0 { &long[..] } else { "v" });
        encode(&mut bytes, &["HSET", "big-hash", &field, big]);
        encode(&mut bytes, &["HSET", "big-hash-ttl", &field, big]);
        if i % 3 == 0 {
            let at = (33_177_117_420_000u64 + i * 1000).to_string();
            encode(&mut bytes, &["HPEXPIREAT", "big-hash-ttl", &at, "FIELDS", "1", &field]);
            count += 1;
        }
    }
    encode(&mut bytes, &["SET", "huge", &"compressible ".repeat(10_000)]);
    client.send_raw(&bytes).expect("send");
    for _ in 0..count {
        let frame = client.read_frame().expect("reply");
        assert_ne!(frame[0], b'-', "{}", frame.escape_ascii());
    }
}

/// A server in `dir`, which stays.
fn in_dir(dir: &Path, args: &str) -> Spec {
    Spec { dir: Some(dir.to_path_buf()), ..spec(args) }
}

fn save_and_restart(dir: &Path, save: impl FnOnce(&mut Server, &mut Client)) {
    let before = {
        let mut server = Server::start(&in_dir(dir, "")).expect("start");
        let mut client = client(&server);
        fill(&mut client);
        let before = data_set(&mut client);
        save(&mut server, &mut client);
        server.kill();
        before
    };
    let server = Server::start(&in_dir(dir, "")).expect("restart");
    let mut client = client(&server);
    let after = data_set(&mut client);
    assert_eq!(before.len(), after.len());
    for (one, other) in before.iter().zip(&after) {
        assert!(one == other, "{one:.200?}\n{other:.200?}");
    }
    logcheck::assert_clean(&server.log(), &[]);
    let left: Vec<_> = fs::read_dir(dir).expect("dir").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("temp-")), "{left:?}");
    drop(server);
    fs::remove_dir_all(dir).expect("clean up");
}

#[test]
fn what_save_wrote_is_there_after_a_restart() {
    save_and_restart(&fresh_dir().expect("dir"), |_, client| ok(client, "SAVE"));
}

#[test]
fn what_bgsave_wrote_is_there_after_a_restart() {
    save_and_restart(&fresh_dir().expect("dir"), |_, client| {
        bgsave(client);
        wait_saved(client);
    });
}

#[test]
fn shutdown_saves_where_it_is_asked_to() {
    save_and_restart(&fresh_dir().expect("dir"), |server, client| {
        client.send(&["SHUTDOWN", "SAVE"]).expect("send");
        assert!(client.read_frame().is_err());
        wait_for("the end", || !server.alive());
    });
}

fn bgsave(client: &mut Client) {
    assert_eq!(run(client, "BGSAVE"), "+Background saving started");
}

fn wait_saved(client: &mut Client) {
    wait_for("the save's end", || info(client, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(client, "rdb_last_bgsave_status"), "ok");
}

/// Everything changes in the moment after BGSAVE's reply, in the same pipeline; the file has the state before it.
#[test]
fn bgsave_is_a_point_in_time() {
    let dir = fresh_dir().expect("dir");
    let before = {
        let server = Server::start(&in_dir(&dir, "")).expect("start");
        let mut client = client(&server);
        fill(&mut client);
        let before = data_set(&mut client);
        let mut bytes = Vec::new();
        encode(&mut bytes, &["BGSAVE"]);
        let replies = 1 + changes(&mut bytes);
        client.send_raw(&bytes).expect("send");
        assert_eq!(client.read_frame().expect("BGSAVE"), b"+Background saving started\r\n");
        for _ in 1..replies {
            let frame = client.read_frame().expect("reply");
            assert_ne!(frame[0], b'-', "{}", frame.escape_ascii());
        }
        wait_saved(&mut client);
        assert_ne!(data_set(&mut client), before);
        before
    };
    let server = Server::start(&in_dir(&dir, "")).expect("restart");
    let mut client = client(&server);
    let after = data_set(&mut client);
    for (one, other) in before.iter().zip(&after) {
        assert!(one == other, "{one:.200?}\n{other:.200?}");
    }
    assert_eq!(before.len(), after.len());
    drop(server);
    fs::remove_dir_all(&dir).expect("clean up");
}

/// Changes to every key of `fill`, of every kind; returns how many.
fn changes(bytes: &mut Vec<u8>) -> usize {
    let mut count = 0;
    let mut add = |line: &str| {
        encode(bytes, &line.split(' ').collect::<Vec<_>>());
        count += 1;
    };
    for i in (0..2000).rev() {
        match i % 4 {
            0 => add(&format!("DEL key:{i}")),
            1 => add(&format!("SET key:{i} changed")),
            2 => add(&format!("APPEND key:{i} more")),
            _ => add(&format!("RENAME key:{i} renamed:{i}")),
        }
        add(&format!("SET new:{i} value"));
        add(&format!("ZADD big-zset {i} member-{i}"));
        add(&format!("ZREM big-zset member-{}", (i * 7) % 2000));
        add(&format!("SADD big-set new-{i}"));
        add(&format!("SREM big-set member-{}", (i * 7) % 2000));
        add("SPOP big-set-of-integers");
        add(&format!("XADD big-stream {}-1 f v", 10_000 - i));
        add("LPOP long-list");
        add("LPUSH long-list new");
        add("RPOP long-list");
    }
    for line in [
        "SET string other",
        "INCR counter",
        "PERSIST ttl",
        "DEL list",
        "ZADD zset 9 a",
        "XADD stream 9-9 f v",
        "ZADD scores 1 Palermo",
        // Not FLUSHALL, which cancels the save.
        "FLUSHDB",
        "SET string after",
    ] {
        add(line);
    }
    count
}

/// A saver that is far slower than the writers: what they save for it stays bounded in memory, and the file is right.
#[test]
fn copies_that_wait_for_the_saver_are_bounded() {
    const KEYS: usize = 60_000;
    let dir = fresh_dir().expect("dir");
    let set = |client: &mut Client, fill: &str, mut after: Option<&mut dyn FnMut()>| {
        let value = fill.repeat(1000);
        for keys in (0..KEYS).collect::<Vec<_>>().chunks(500) {
            let mut bytes = Vec::new();
            keys.iter().for_each(|key| encode(&mut bytes, &["SET", &format!("key:{key}"), &value]));
            client.send_raw(&bytes).expect("send");
            keys.iter().for_each(|_| assert_eq!(client.read_frame().expect("reply"), b"+OK\r\n"));
            after.iter_mut().for_each(|look| look());
        }
    };
    {
        let server =
            Server::start(&in_dir(&dir, "--rdb-key-save-delay 20 --rdbcompression no")).expect("start");
        let (mut writer, mut reader) = (client(&server), client(&server));
        set(&mut writer, "a", None);
        let mut used = || info(&mut reader, "used_memory").parse::<u64>().expect("a number");
        let before = used();
        bgsave(&mut writer);
        let mut most = 0;
        set(&mut writer, "b", Some(&mut || most = most.max(used())));
        wait_saved(&mut writer);
        // The bound is 16 MB; the writers get a little further before the saver looks. All copies would be 60 MB.
        assert!(most - before < 28 << 20, "{before} grew to {most}");
        assert_eq!(run(&mut writer, "GET key:7"), format!("{:?}", "b".repeat(1000)));
    }
    let server = Server::start(&in_dir(&dir, "")).expect("restart");
    let mut client = client(&server);
    assert_eq!(run(&mut client, "DBSIZE"), format!(":{KEYS}"));
    for key in (0..KEYS).step_by(7) {
        assert_eq!(run(&mut client, &format!("GET key:{key}")), format!("{:?}", "a".repeat(1000)));
    }
    drop(server);
    fs::remove_dir_all(&dir).expect("clean up");
}

#[test]
fn a_second_bgsave_and_a_save_wait_their_turn() {
    let server = ours("");
    let mut client = client(&server);
    fill(&mut client);
    for _ in 0..5 {
        client.send_raw(b"BGSAVE\r\nBGSAVE\r\nSAVE\r\n").expect("send");
        let replies: Vec<_> = (0..3).map(|_| client.read_frame().expect("reply")).collect();
        assert_eq!(replies[0], b"+Background saving started\r\n");
        // The others fail unless the first one has ended by then.
        let second = &replies[1][..];
        assert!(
            second == b"-ERR Background save already in progress\r\n"
                || second == b"+Background saving started\r\n"
        );
        let third = &replies[2][..];
        assert!(third == b"-ERR Background save already in progress\r\n" || third == b"+OK\r\n");
        wait_saved(&mut client);
    }
    logcheck::assert_clean(&server.log(), &[]);
}

/// Starts our server in `dir`, which must refuse; returns its log. `file` must stay as it is.
fn refused(dir: &Path) -> String {
    let file = dir.join("dump.rdb");
    let before = fs::read(&file).expect("the file");
    let error = Server::start(&in_dir(dir, "")).expect_err("a file like that is refused").to_string();
    assert_eq!(fs::read(&file).expect("the file"), before, "the file was touched");
    let log = fs::read_to_string(dir.join("log")).expect("log");
    assert!(!log.contains("panicked"), "{log}");
    format!("{error}\n{log}")
}

#[test]
fn damaged_files_are_refused_and_left_alone() {
    let dir = fresh_dir().expect("dir");
    let whole = {
        let server = Server::start(&in_dir(&dir, "")).expect("start");
        let mut client = client(&server);
        fill(&mut client);
        ok(&mut client, "SAVE");
        fs::read(dir.join("dump.rdb")).expect("file")
    };
    let write = |bytes: &[u8]| fs::write(dir.join("dump.rdb"), bytes).expect("write");
    for cut in [1, 8, 9, 30, 200, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        write(&whole[..cut]);
        refused(&dir);
    }
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    write(&flipped);
    refused(&dir);
    write(b"NOTREDIS at all");
    refused(&dir);
    write(b"");
    let server = Server::start(&in_dir(&dir, "")).expect("an empty file is no data set");
    assert_eq!(run(&mut client(&server), "DBSIZE"), ":0");
    drop(server);
    fs::remove_dir_all(&dir).expect("clean up");
}

/// The real servers' files load here, ours there, with nothing lost either way.
#[test]
fn files_pass_between_us_and_the_real_ones() {
    for binary in peers() {
        let dir = fresh_dir().expect("dir");
        let before = {
            let server =
                Server::start(&Spec { dir: Some(dir.clone()), ..Spec::new(&binary) }).expect("the real one");
            let mut client = client(&server);
            fill(&mut client);
            ok(&mut client, "SAVE");
            data_set(&mut client)
        };
        {
            let server = Server::start(&in_dir(&dir, "")).expect("ours");
            let mut client = client(&server);
            assert!(data_set(&mut client) == before, "ours has other data than {}", binary.display());
            ok(&mut client, "SAVE");
        }
        let check = Command::new(
            binary.with_file_name(
                binary
                    .file_name()
                    .map_or_else(String::new, |name| name.to_string_lossy().replace("server", "check-rdb")),
            ),
        )
        .arg(dir.join("dump.rdb"))
        .stdout(Stdio::null())
        .status();
        assert!(check.map_or(true, |status| status.success()), "check-rdb");
        let server = Server::start(&Spec { dir: Some(dir.clone()), ..Spec::new(&binary) }).expect("again");
        assert!(data_set(&mut client(&server)) == before, "{} has other data than ours", binary.display());
        drop(server);
        fs::remove_dir_all(&dir).expect("clean up");
    }
}
