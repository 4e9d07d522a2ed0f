//! What the integration tests share: starting our server and the real ones, clients with deadlines, polling.
//!
//! Invariant: a wait ends as soon as its condition holds and fails at a deadline that is far beyond what a loaded
//! machine needs; nothing is ever assumed to have happened "by now".
#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use testkit::client::Client;
use testkit::process::{Server, Spec, fresh_dir};
use testkit::reply::Reply;

/// How long a condition may take to come true.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Our server's binary.
pub const OURS: &str = env!("CARGO_BIN_EXE_russet-server");

/// Our server with two workers and these arguments more.
pub fn spec(args: &str) -> Spec {
    Spec::new(OURS).args("--io-threads 2").args(args)
}

/// Starts our server.
pub fn ours(args: &str) -> Server {
    Server::start(&spec(args)).expect("start")
}

/// Our server under the name of a peer.
pub fn called(name: &str, args: &str) -> Server {
    let dir = fresh_dir().expect("a directory");
    let path = dir.join(name);
    std::os::unix::fs::symlink(OURS, &path).expect("a link");
    let server = Server::start(&Spec::new(&path).args("--io-threads 2").args(args)).expect("start");
    std::fs::remove_dir_all(dir).expect("remove the link");
    server
}

/// A real server's binary: in `$RUSSET_PEERS` (`NAME`, or `FAMILY/src/NAME`) or on the path.
pub fn peer(name: &str) -> Option<PathBuf> {
    let family = name.split('-').next().unwrap_or(name);
    let mut places: Vec<PathBuf> = Vec::new();
    if let Some(dir) = std::env::var_os("RUSSET_PEERS") {
        let dir = PathBuf::from(dir);
        places.extend([dir.join(name), dir.join(family).join("src").join(name)]);
    }
    if let Some(path) = std::env::var_os("PATH") {
        places.extend(std::env::split_paths(&path).map(|dir| dir.join(name)));
    }
    let found = places.into_iter().find(|place| place.is_file());
    if found.is_none() {
        eprintln!("skipped: no {name} in $RUSSET_PEERS or on the path");
    }
    found
}

/// The real servers that are here.
pub fn peers() -> Vec<PathBuf> {
    ["valkey-server", "redis-server"].into_iter().filter_map(peer).collect()
}

/// A client of `server`.
pub fn client(server: &Server) -> Client {
    server.client().expect("connect")
}

/// Runs words and shows the reply.
pub fn run(client: &mut Client, line: &str) -> String {
    client.words(line).unwrap_or_else(|error| panic!("{line}: {error}")).render()
}

/// Runs words and expects `+OK`.
pub fn ok(client: &mut Client, line: &str) {
    assert_eq!(run(client, line), "+OK", "{line}");
}

/// An `INFO` field.
pub fn info(client: &mut Client, field: &str) -> String {
    client.info(field).expect("INFO").unwrap_or_default()
}

/// A numeric `INFO` field.
pub fn info_number(client: &mut Client, field: &str) -> i64 {
    let text = info(client, field);
    text.parse().unwrap_or_else(|_| panic!("INFO {field}: {text:?}"))
}

/// Waits until `condition` holds.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until so many clients are blocked.
pub fn wait_blocked(server: &Server, count: i64) {
    let mut client = client(server);
    wait_for("blocked clients", || info_number(&mut client, "blocked_clients") == count);
}

/// A plain socket to `server`.
pub fn socket(server: &Server) -> TcpStream {
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let stream = TcpStream::connect(address).expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    stream.set_read_timeout(Some(DEADLINE)).expect("timeout");
    stream.set_write_timeout(Some(DEADLINE)).expect("timeout");
    stream
}

/// Every key of database 0 with its DUMP and whether it has a TTL, sorted.
pub fn data_set(client: &mut Client) -> Vec<(String, String, i64)> {
    let keys = client.words("KEYS *").expect("KEYS");
    let mut all: Vec<_> = keys
        .items()
        .into_iter()
        .map(|key| {
            let key = key.bytes().expect("a key").to_vec();
            let call = |client: &mut Client, name: &str| -> Reply {
                client.call(&[name.as_bytes(), &key]).expect("reply")
            };
            let kind = call(client, "TYPE").text();
            let value = match kind.as_str() {
                "string" => call(client, "GET"),
                "list" => client.call(&[b"LRANGE", &key[..], b"0", b"-1"]).expect("reply"),
                "set" => {
                    let mut members: Vec<Reply> =
                        call(client, "SMEMBERS").items().into_iter().cloned().collect();
                    members.sort();
                    Reply::Array(members)
                }
                "zset" => client.call(&[b"ZRANGE", &key[..], b"0", b"-1", b"WITHSCORES"]).expect("reply"),
                "stream" => client.call(&[b"XRANGE", &key[..], b"-", b"+"]).expect("reply"),
                "hash" => hash(client, &key),
                // Renamed or deleted since KEYS: the caller looks again.
                "none" => Reply::Null,
                other => panic!("a key of type {other}"),
            };
            let expire = call(client, "PEXPIRETIME").text().parse().expect("a number");
            (String::from_utf8_lossy(&key).into_owned(), format!("{kind} {}", value.render()), expire)
        })
        .collect();
    all.sort();
    all
}

/// The fields of a hash in the order of their names, each with its value and its expiry.
fn hash(client: &mut Client, key: &[u8]) -> Reply {
    let keys = client.call(&[b"HKEYS", key]).expect("HKEYS");
    let mut names: Vec<Vec<u8>> =
        keys.items().into_iter().map(|name| name.bytes().expect("a name").to_vec()).collect();
    names.sort();
    if names.is_empty() {
        return Reply::Null;
    }
    let count = names.len().to_string();
    let mut get: Vec<&[u8]> = vec![b"HMGET", key];
    let mut expiries: Vec<&[u8]> = vec![b"HPEXPIRETIME", key, b"FIELDS", count.as_bytes()];
    get.extend(names.iter().map(Vec::as_slice));
    expiries.extend(names.iter().map(Vec::as_slice));
    let parts = [client.call(&get).expect("HMGET"), client.call(&expiries).expect("HPEXPIRETIME")];
    let names = names.into_iter().map(Reply::Bulk).collect();
    let [values, times] = parts;
    Reply::Array(vec![Reply::Array(names), values, times])
}

/// Waits until both have the same data set, which is then returned.
pub fn wait_equal(one: &mut Client, other: &mut Client) -> Vec<(String, String, i64)> {
    let mut same = Vec::new();
    wait_for("equal data sets", || {
        same = data_set(one);
        same == data_set(other)
    });
    same
}
