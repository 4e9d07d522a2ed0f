//! What has hurt servers of this kind before: requests and payloads of published vulnerabilities. docs/compat.md says
//! which test is about which of them.
//!
//! Invariant: each test ends with a PONG of the process that got the bad input. Where the real servers answer too, the
//! same table holds for them.

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use common::{
    DEADLINE, called, client, info, info_number, ok, ours, peers, socket, spec, wait_blocked, wait_for,
};
use testkit::client::Client;
use testkit::faults::{self, Fault};
use testkit::process::{Server, Spec, fresh_dir};
use testkit::reply::Reply;

/// Ours under both names, and the real servers that are here.
fn everybody() -> Vec<Server> {
    let mut all = vec![ours(""), called("valkey-server", "")];
    all.extend(peers().into_iter().map(|peer| Server::start(&Spec::new(peer)).expect("start")));
    all
}

/// The reply to words, without quotes and escapes.
fn run(client: &mut Client, line: &str) -> String {
    common::run(client, line).replace('"', "").replace("\\'", "'")
}

/// Lines and their replies, the same for all; each server lives on.
fn holds_for(servers: &[Server], lines: &[(&str, &str)]) {
    for server in servers {
        let mut client = client(server);
        for (line, reply) in lines {
            assert_eq!(run(&mut client, line), *reply, "{line}");
        }
        lives(server);
    }
}

fn lives(server: &Server) {
    assert_eq!(run(&mut client(server), "PING"), "+PONG");
}

fn call<A: AsRef<[u8]>>(client: &mut Client, args: &[A]) -> Reply {
    client.call(args).expect("reply")
}

fn used_memory(client: &mut Client) -> i64 {
    info_number(client, "used_memory")
}

#[test]
fn a_connection_that_fails_before_it_is_accepted_stops_nothing() {
    if !faults::available() {
        eprintln!("skipped: no strace");
        return;
    }
    // What accept answers for a peer that has already gone, then for a process without descriptors.
    for effect in ["error=ECONNABORTED", "error=EPROTO", "error=EMFILE"] {
        let dir = fresh_dir().expect("a directory");
        let fault = Fault { call: "accept4", effect, when: "1..3" };
        let server =
            Server::start(&faults::inject(&spec(""), &dir, &[fault]).expect("starter")).expect(effect);
        lives(&server);
        let trace = fs::read_to_string(dir.join("trace")).expect("trace");
        assert_eq!(trace.matches("INJECTED").count(), 3, "{trace}");
        drop(server);
        fs::remove_dir_all(dir).expect("remove");
    }
}

#[test]
fn a_local_socket_lets_nobody_in_before_it_has_its_permissions() {
    let dir = fresh_dir().expect("a directory");
    let path = dir.join("s");
    let given = spec(&format!("--unixsocketperm 600 --unixsocket {}", path.display()));
    let mode = || fs::metadata(&path).expect("a socket").permissions().mode() & 0o777;
    let server = Server::start(&given).expect("start");
    assert_eq!(mode(), 0o600);
    std::os::unix::net::UnixStream::connect(&path).expect("connect").write_all(b"PING\r\n").expect("write");
    lives(&server);
    let mut server = server;
    assert!(server.terminate(DEADLINE).expect("the end"));
    assert!(!path.exists());
    // Between bind and chmod: what a server leaves that got no further.
    if faults::available() {
        let starter = fresh_dir().expect("a directory");
        let faults = ["chmod", "fchmodat"].map(|call| Fault { call, effect: "error=EIO", when: "" });
        let spec = faults::inject(&given, &starter, &faults).expect("starter");
        assert!(Server::start(&spec).is_err());
        assert_eq!(mode(), 0);
        fs::remove_dir_all(starter).expect("remove");
    }
    fs::remove_dir_all(dir).expect("remove");
}

#[test]
fn lengths_and_offsets_beyond_the_limits_are_refused() {
    const PAST_INT: &str = "-ERR value is not an integer or out of range";
    const BITS: &str = "-ERR bit offset is not an integer or out of range";
    const LONG: &str = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    const RANGE: &str = "-ERR value is out of range, must be positive";
    let servers = everybody();
    holds_for(
        &servers,
        &[
            ("SETBIT b 4294967296 1", BITS),
            ("SETBIT b 9223372036854775807 1", BITS),
            ("SETBIT b -1 1", BITS),
            ("GETBIT b 4294967296", BITS),
            ("BITFIELD b SET u8 4294967296 1", BITS),
            ("BITFIELD b SET u8 #536870912 1", BITS),
            ("BITFIELD b GET u8 #9223372036854775807", BITS),
            ("SETRANGE k 9223372036854775807 A", LONG),
            ("SETRANGE k 536870912 A", LONG),
            ("SETRANGE k -1 A", "-ERR offset is out of range"),
            ("RPUSH l 2 1 3", ":3"),
            ("SORT_RO l BY a LIMIT 2 9223372036854775807", "[3]"),
            ("SORT l LIMIT 9223372036854775807 9223372036854775807", "[]"),
            ("SORT_RO l BY a LIMIT -9223372036854775808 2", "[2, 1]"),
            ("LRANGE l -9223372036854775808 9223372036854775807", "[2, 1, 3]"),
            ("LPOP l -1", RANGE),
            ("LMPOP 9223372036854775807 l LEFT", "-ERR syntax error"),
            ("EXISTS b k", ":0"),
            (
                "CONFIG SET proto-max-bulk-len 9223372036854775808",
                "-ERR CONFIG SET failed (possibly related to argument 'proto-max-bulk-len') - argument must be between 1048576 and 9223372036854775807 inclusive",
            ),
            ("CONFIG SET proto-max-bulk-len 9223372036854775807", "+OK"),
            ("SETRANGE k 9223372036854775807 A", LONG),
            (
                "LPOS l 1 RANK -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            (
                "SELECT 99999999999",
                "-ERR value is out of range, value must between -2147483648 and 2147483647",
            ),
            ("INCRBY k 9223372036854775808", PAST_INT),
        ],
    );
    // With the limit out of the way a length of 4 GB, and one of 5 GB within XADD, are taken, and cost nothing until
    // bytes come.
    let mut control = client(&servers[0]);
    let before = used_memory(&mut control);
    let announced = [
        "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$4294967295\r\n",
        "*5\r\n$4\r\nXADD\r\n$1\r\ns\r\n$1\r\n*\r\n$5000000000\r\n",
    ];
    let open: Vec<_> = announced
        .iter()
        .map(|bytes| {
            let mut stream = socket(&servers[0]);
            stream.write_all(bytes.as_bytes()).expect("write");
            stream
        })
        .collect();
    wait_for("both lengths", || {
        let list = run(&mut control, "CLIENT LIST");
        list.matches("cmd=NULL").count() == 2 && !list.contains("tot-net-in=0")
    });
    assert!(used_memory(&mut control) - before < 4 << 20);
    drop(open);
    lives(&servers[0]);
}

#[test]
fn an_error_is_one_line_whatever_the_request_holds() {
    const BAD: &str = "X\r\n+INJECTED\r\n\n\r";
    let requests: &[&[&str]] = &[
        &[BAD],
        &[BAD, BAD],
        &["CLIENT", BAD],
        &["CONFIG", BAD],
        &["CONFIG", "SET", BAD, "1"],
        &["CONFIG", "SET", "maxmemory", BAD],
        &["CONFIG", "SET", "maxmemory-policy", BAD],
        &["CONFIG", "SET", "notify-keyspace-events", BAD],
        &["COMMAND", "GETKEYS", BAD],
        &["OBJECT", BAD, "k"],
        &["DEBUG", BAD],
        &["MEMORY", BAD],
        &["LATENCY", BAD],
        &["PUBSUB", BAD],
        &["XGROUP", BAD, BAD],
        &["XGROUP", "CREATE", BAD, BAD, "$"],
        &["XREADGROUP", "GROUP", BAD, "c", "STREAMS", BAD, ">"],
        &["XINFO", "CONSUMERS", BAD, BAD],
        &["ACL", "DRYRUN", BAD, "GET", "k"],
        &["ACL", "SETUSER", BAD, BAD],
        &["CLIENT", "KILL", "TYPE", BAD],
        &["CLIENT", "SETNAME", BAD],
        &["CLIENT", "SETINFO", BAD, BAD],
        &["HELLO", BAD],
        &["AUTH", BAD],
        &["REPLCONF", BAD, BAD],
        &["DEBUG", "ERROR", BAD],
    ];
    for server in [ours("--enable-debug-command yes"), called("valkey-server", "--enable-debug-command yes")]
    {
        let mut client = client(&server);
        for request in requests {
            client.send(request).expect("send");
            client.send(&["PING"]).expect("send");
            let frame = client.read_frame().expect("an error");
            let text = String::from_utf8_lossy(&frame);
            assert!(frame[0] == b'-' && text.matches(['\r', '\n']).count() == 2, "{request:?}: {text:?}");
            assert_eq!(client.read_frame().expect("PONG"), b"+PONG\r\n", "{request:?}");
        }
    }
}

#[test]
fn the_subsequence_of_two_large_strings_is_refused() {
    const REFUSED: &str = "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    let large = "a".repeat((64 << 10) + 1);
    let set = format!("MSET a {large} b {large}");
    let lines = [(&set[..], "+OK"), ("LCS a b", REFUSED), ("LCS a b LEN", REFUSED), ("LCS a b IDX", REFUSED)];
    holds_for(&everybody(), &lines);
}

#[test]
fn a_set_of_many_integers_stays_whole() {
    let servers = everybody();
    for server in &servers {
        let mut client = client(server);
        ok(&mut client, "CONFIG SET set-max-intset-entries 2147483647");
        for part in 0..50i64 {
            let members = (0..1000).map(|i| ((part * 1000 + i) * 10_000_000_000).to_string());
            let words: Vec<String> = ["SADD".to_owned(), "s".into()].into_iter().chain(members).collect();
            assert_eq!(call(&mut client, &words).render(), ":1000");
        }
        assert_eq!(run(&mut client, "OBJECT ENCODING s"), "intset");
        assert_eq!(run(&mut client, "COPY s copy"), ":1");
        let payload = call(&mut client, &["DUMP", "s"]);
        let payload = payload.bytes().expect("a payload");
        assert_eq!(call(&mut client, &[b"RESTORE", &b"again"[..], b"0", payload]).render(), "+OK");
        ok(&mut client, "CONFIG SET set-max-intset-entries 512");
        assert_eq!(run(&mut client, "SADD again x"), ":1");
        for (key, count) in [("s", ":50000"), ("copy", ":50000"), ("again", ":50001")] {
            assert_eq!(run(&mut client, &format!("SCARD {key}")), count);
        }
        lives(server);
    }
}

#[test]
fn counts_of_random_elements_have_bounds() {
    const RANGE: &str = "-ERR value is out of range";
    const BETWEEN: &str =
        "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    holds_for(
        &everybody(),
        &[
            ("HSET h a 1", ":1"),
            ("ZADD z 1 a", ":1"),
            ("SADD s a", ":1"),
            ("HRANDFIELD h -9223372036854775808", BETWEEN),
            ("ZRANDMEMBER z -9223372036854775808", BETWEEN),
            ("SRANDMEMBER s -9223372036854775808", BETWEEN),
            ("HRANDFIELD h -9223372036854775808 WITHVALUES", BETWEEN),
            ("HRANDFIELD h -9223372036854770000 WITHVALUES", RANGE),
            ("HRANDFIELD h -4611686018427387905 WITHVALUES", RANGE),
            ("ZRANDMEMBER z -9223372036854770000 WITHSCORES", RANGE),
            ("SRANDMEMBER s 9223372036854775807", "[a]"),
            ("SPOP s -1", "-ERR value is out of range, must be positive"),
            ("SPOP s 9223372036854775807", "[a]"),
        ],
    );
}

#[test]
fn counts_of_ids_and_keys_are_compared_with_what_is_there() {
    let server = ours("");
    let mut client = client(&server);
    ok(&mut client, "XGROUP CREATE s g 0 MKSTREAM");
    let ids: Vec<String> = (1..=50).map(|seq| format!("1-{seq}")).collect();
    for head in ["XACKDEL s g IDS 50", "XDELEX s IDS 50"] {
        let words: Vec<&str> = head.split(' ').chain(ids.iter().map(String::as_str)).collect();
        assert_eq!(call(&mut client, &words).items().len(), 50, "{head}");
    }
    assert!(call(&mut client, &["XACKDEL", "s", "g", "IDS", "9223372036854775807", "1-1"]).is_error());
    for (count, error) in [
        ("2147483648", "-ERR invalid numkeys value"),
        ("9223372036854775807", "-ERR invalid numkeys value"),
        ("0", "-ERR invalid numkeys value"),
        ("2147483647", "-ERR wrong number of key-value pairs"),
        ("2", "-ERR wrong number of key-value pairs"),
    ] {
        assert_eq!(run(&mut client, &format!("MSETEX {count} a b")), error);
    }
    lives(&server);
}

#[test]
fn times_that_overflow_are_refused() {
    let servers = everybody();
    let invalid = |command: &str| format!("-ERR invalid expire time in '{command}' command");
    for time in ["9223372036854775807", "-9223372036854775808", "9223372036854776", "-9223372036854776"] {
        let short = time.len() < 18;
        let mut lines = vec![("SET k v".to_owned(), "+OK".to_owned())];
        for command in ["EXPIRE", "EXPIREAT", "PEXPIRE"] {
            // Milliseconds have room for these.
            if !(command == "PEXPIRE" && (short || time.starts_with('-'))) {
                lines.push((format!("{command} k {time}"), invalid(&command.to_lowercase())));
            }
        }
        lines.push((format!("SET k v EX {time}"), invalid("set")));
        lines.push((format!("SETEX k {time} v"), invalid("setex")));
        lines.push((format!("GETEX k EX {time}"), invalid("getex")));
        lines.push(("TTL k".into(), ":-1".into()));
        let lines: Vec<(&str, &str)> = lines.iter().map(|(line, reply)| (&line[..], &reply[..])).collect();
        holds_for(&servers, &lines);
    }
}

#[test]
fn corrupted_hyperloglogs_are_found_out() {
    const CORRUPT: &str = "-INVALIDOBJ Corrupted HLL object detected";
    let header = |body: &[u8]| [&b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0"[..], body].concat();
    let bodies = [
        [&b"\x7f\xff\x3f".repeat(300_000)[..], b"\x80"].concat(),
        b"\x3f".repeat(1 << 20),
        [&b"\x7f\xff".repeat(132_072)[..], b"\xff"].concat(),
        b"\x7f".to_vec(),
        b"\x80".to_vec(),
        Vec::new(),
    ];
    for server in &everybody() {
        let mut client = client(server);
        for body in &bodies {
            let value = header(body);
            assert_eq!(call(&mut client, &[&b"SET"[..], b"h", &value]).render(), "+OK");
            for line in ["PFADD h x", "PFMERGE d h", "PFCOUNT h d", "PFDEBUG GETREG h"] {
                assert_eq!(run(&mut client, line), CORRUPT, "{line} of {} bytes", body.len());
            }
        }
        let element = vec![b'x'; 16 << 20];
        assert_eq!(call(&mut client, &[&b"PFADD"[..], b"p", &element]).render(), ":1");
        lives(server);
    }
}

#[test]
fn a_key_that_comes_twice_is_set_to_the_last_value() {
    holds_for(
        &everybody(),
        &[("MSETNX n 1 n 2", ":1"), ("GET n", "2"), ("MSETNX m 1 n 3", ":0"), ("GET n", "2")],
    );
}

#[test]
fn patterns_cost_neither_time_nor_stack() {
    let server = ours("");
    let (mut client, mut other) = (client(&server), client(&server));
    let stars = format!("{}b", "a*".repeat(20));
    let pairs = "*?".repeat(50_000);
    let name = "a".repeat(50_000);
    let begin = std::time::Instant::now();
    ok(&mut client, &format!("SET {name} 1"));
    ok(&mut client, &format!("SET {} 1", "a".repeat(40)));
    assert_eq!(run(&mut client, &format!("KEYS {stars}")), "[]");
    assert_eq!(run(&mut client, &format!("HSET h {name} 1")), ":1");
    // As in the real servers, a thousand stars are the most that match anything.
    for (pattern, found) in [(&"*?".repeat(1000), 1), (&pairs, 0)] {
        assert_eq!(call(&mut client, &["KEYS", pattern]).items().len(), found);
        let scan = call(&mut client, &["SCAN", "0", "MATCH", pattern, "COUNT", "100000"]);
        assert_eq!(scan.items()[1].items().len(), found);
        let scan = call(&mut client, &["HSCAN", "h", "0", "MATCH", pattern]);
        assert_eq!(scan.items()[1].items().len(), 2 * found);
        assert_eq!(call(&mut other, &["PSUBSCRIBE", pattern]).items().len(), 3);
    }
    assert_eq!(call(&mut client, &["PUBLISH", &name, "x"]).render(), ":1");
    for line in ["CONFIG GET", "PUBSUB CHANNELS", "COMMAND LIST FILTERBY PATTERN"] {
        assert_eq!(run(&mut client, &format!("{line} {pairs}")), "[]", "{line}");
    }
    // A matcher that tries every star again takes hours for each of these.
    assert!(begin.elapsed() < DEADLINE);
    lives(&server);
}

#[test]
fn keys_are_taken_from_arguments_that_are_there() {
    const INVALID: &str = "-ERR Invalid arguments specified for command";
    const ARITY: &str = "-ERR Invalid number of arguments specified for command";
    let mut lines: Vec<(String, &str)> = Vec::new();
    for count in ["100", "2147483647", "9223372036854775807", "-1", "x"] {
        for head in ["ZUNIONSTORE d", "SINTERCARD", "LMPOP", "BLMPOP 0", "ZDIFF", "ZINTER"] {
            let line = format!("{head} {count} a b LEFT");
            lines.push((format!("COMMAND GETKEYS {line}"), INVALID));
            lines.push((format!("COMMAND GETKEYSANDFLAGS {line}"), INVALID));
        }
    }
    for (line, reply) in [
        ("XREAD COUNT 1 STREAMS a b c", "[a]"),
        ("XREAD COUNT 1 STREAMS", INVALID),
        ("GET", ARITY),
        ("GEORADIUS k 1 2 3 m STORE", "[k]"),
        ("SORT a STORE", "[a]"),
    ] {
        lines.push((format!("COMMAND GETKEYS {line}"), reply));
    }
    let lines: Vec<(&str, &str)> = lines.iter().map(|(line, reply)| (&line[..], *reply)).collect();
    holds_for(&everybody(), &lines);
}

/// What CLIENT LIST says that the client with this name takes.
fn total_bytes(control: &mut Client, name: &str) -> u64 {
    let list = run(control, "CLIENT LIST");
    let line = list.split("\\n").find(|line| line.contains(&format!("name={name} "))).unwrap_or_default();
    let number = line.split("tot-mem=").nth(1).and_then(|rest| rest.split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[test]
fn a_blocked_client_is_evicted_while_it_is_served() {
    let server = ours("");
    let key = "k".repeat(200_000);
    let mut control = client(&server);
    ok(&mut control, "CLIENT NO-EVICT ON");
    let mut blocked = client(&server);
    ok(&mut blocked, "CLIENT SETNAME blocked");
    blocked.send(&["XREAD", "BLOCK", "0", "STREAMS", &key, "$"]).expect("send");
    wait_blocked(&server, 1);
    assert!(total_bytes(&mut control, "blocked") > 200_000);
    ok(&mut control, "MULTI");
    run(&mut control, "CONFIG SET maxmemory-clients 100000");
    run(&mut control, &format!("XADD {key} 1-1 f v"));
    assert_eq!(run(&mut control, "EXEC"), "[+OK, 1-1]");
    // It may get its reply or not, but it goes.
    wait_for("the eviction", || info(&mut control, "evicted_clients") == "1");
    while blocked.read_frame().is_ok() {}
    assert_eq!(info(&mut control, "blocked_clients"), "0");
    lives(&server);
}

#[test]
fn what_a_client_has_the_server_remember_is_counted() {
    let server = ours("");
    let name = "n".repeat(200_000);
    let mut control = client(&server);
    for (take, give) in [
        (format!("WATCH {name}"), "UNWATCH"),
        (format!("PSUBSCRIBE {name}"), "PUNSUBSCRIBE"),
        (format!("SUBSCRIBE {name}"), "UNSUBSCRIBE"),
        (format!("SSUBSCRIBE {name}"), "SUNSUBSCRIBE"),
    ] {
        let mut client = client(&server);
        ok(&mut client, "CLIENT SETNAME one");
        run(&mut client, &take);
        wait_for(&take[..8], || total_bytes(&mut control, "one") > 200_000);
        run(&mut client, give);
        wait_for(give, || total_bytes(&mut control, "one") < 100_000);
        drop(client);
        wait_for("the end", || total_bytes(&mut control, "one") == 0);
    }
    lives(&server);
}

#[test]
fn values_of_directives_stay_values_in_the_file() {
    let dir = fresh_dir().expect("a directory");
    fs::write(dir.join("our.conf"), "# kept\nmaxmemory-clients 0\n").expect("write");
    let start = || {
        let mut spec = Spec { args: Vec::new(), dir: Some(dir.clone()), ..spec("") };
        spec.subcommand = Some("our.conf".into());
        Server::start(&spec.args("--io-threads 2 --bind 127.0.0.1 --enable-protected-configs yes"))
            .expect("start")
    };
    let value = "a \"b\" 'c' \\ # \r\nport 1\n\t\u{1}";
    let server = start();
    let mut client = client(&server);
    assert_eq!(call(&mut client, &["CONFIG", "SET", "requirepass", value]).render(), "+OK");
    for name in ["cluster-announce-ip", "cluster-announce-hostname", "replica-announce-ip", "dbfilename"] {
        for bad in ["1.2.3.4\r\nport 1", "a\nb", "a\0b"] {
            let reply = call(&mut client, &["CONFIG", "SET", name, bad]);
            assert!(reply.is_error() || name == "dbfilename" && !bad.contains('/'), "{name} {bad:?}");
        }
    }
    ok(&mut client, "CONFIG SET dbfilename dump.rdb");
    ok(&mut client, "CONFIG REWRITE");
    drop(server);
    let text = fs::read_to_string(dir.join("our.conf")).expect("read");
    assert!(text.starts_with("# kept\n"), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("port 1")), "{text}");
    let server = start();
    let mut client = server.client().expect("connect");
    assert_eq!(call(&mut client, &["AUTH", value]).render(), "+OK");
    assert_eq!(run(&mut client, "PING"), "+PONG");
    drop(server);
    fs::remove_dir_all(dir).expect("remove");
}

/// A payload without a checksum, which every reader takes.
fn payload(body: &[u8], version: u8) -> Vec<u8> {
    [body, &[version, 0], &[0; 8]].concat()
}

#[test]
fn payloads_that_lie_are_refused_and_cost_nothing() {
    let server = ours("");
    let mut client = client(&server);
    let before = used_memory(&mut client);
    let long = |kind: u8, length: u64| [&[kind, 0x81], &length.to_be_bytes()[..], b"\x01a\x01b"].concat();
    let mut bodies: Vec<Vec<u8>> = vec![
        // LZF that announces 2 GB, members twice, fields twice, nothing at all, a score that is no number.
        b"\x00\xc3\x04\x80\x7f\xff\xff\xff\x02abc".to_vec(),
        b"\x02\x02\x01a\x01a".to_vec(),
        b"\x04\x02\x01a\x01x\x01a\x01y".to_vec(),
        b"\x02\x00".to_vec(),
        b"\x0b\x08\x02\0\0\0\0\0\0\0".to_vec(),
        [&b"\x05\x01\x01a"[..], &f64::NAN.to_le_bytes()].concat(),
        // An intset of 2^31 numbers that has one.
        b"\x0b\x0a\x02\0\0\0\xff\xff\xff\x7f\x01\0".to_vec(),
    ];
    // String, list, set, hash, sorted set and lists of nodes with more elements than there is memory.
    for kind in [0, 1, 2, 4, 5, 18] {
        bodies.extend([1 << 63, u64::MAX, 1 << 40, 1 << 31].map(|length| long(kind, length)));
    }
    for body in &bodies {
        let reply = call(&mut client, &[&b"RESTORE"[..], b"k", b"0", &payload(body, 11)]);
        assert_eq!(reply.render(), "-ERR Bad data format", "{}", body.escape_ascii());
    }
    assert_eq!(run(&mut client, "DBSIZE"), ":0");
    assert!(used_memory(&mut client) - before < 1 << 20);
    lives(&server);
}
