//! Compares everything that two servers hold: keys, types, encodings, values, times to live.
//!
//! Invariant: it only reads, on connection 0, and leaves database 0 selected. Callers: both runners, at the end of a script.

use anyhow::Result;
use testkit::reply::Reply;

use super::compare::Class;
use super::session::Side;

/// How far times to live may lie apart, in milliseconds; the sides run one after the other.
const TTL_SLACK_MS: i64 = 5_000;
/// Databases of a server with the usual configuration.
const DATABASES: usize = 16;

/// The first differences between two keyspaces, as text; empty when they are equal.
pub fn differences(ours: &mut Side, theirs: &mut Side) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for db in 0..DATABASES {
        let number = db.to_string();
        let select: [&[u8]; 2] = [b"SELECT", number.as_bytes()];
        if ours.ask(&select)?.is_error() || theirs.ask(&select)?.is_error() {
            break;
        }
        let (a, b) = (keys(ours)?, keys(theirs)?);
        for key in a.iter().filter(|k| !b.contains(k)) {
            found.push(format!("db {db}: only ours has {}", key.escape_ascii()));
        }
        for key in b.iter().filter(|k| !a.contains(k)) {
            found.push(format!("db {db}: only the reference has {}", key.escape_ascii()));
        }
        for key in a.iter().filter(|k| b.contains(k)) {
            found.extend(compare_key(db, key, ours, theirs)?);
        }
    }
    for side in [ours, theirs] {
        side.ask(&[b"SELECT", b"0"])?;
    }
    Ok(found)
}

fn keys(side: &mut Side) -> Result<Vec<Vec<u8>>> {
    let reply = side.ask(&[b"KEYS", b"*"])?;
    let mut keys: Vec<Vec<u8>> = reply.items().iter().filter_map(|k| k.bytes().map(<[u8]>::to_vec)).collect();
    keys.sort();
    Ok(keys)
}

fn compare_key(db: usize, key: &[u8], ours: &mut Side, theirs: &mut Side) -> Result<Vec<String>> {
    let kind = theirs.ask(&[b"TYPE", key])?.text();
    let mut checks: Vec<(Class, Vec<&[u8]>)> = vec![
        (Class::Exact, vec![b"TYPE", key]),
        (Class::Exact, vec![b"OBJECT", b"ENCODING", key]),
        (Class::Near(TTL_SLACK_MS), vec![b"PTTL", key]),
    ];
    checks.push(match kind.as_str() {
        "string" => (Class::Exact, vec![b"GET", key]),
        "list" => (Class::Exact, vec![b"LRANGE", key, b"0", b"-1"]),
        "hash" => (Class::Pairs, vec![b"HGETALL", key]),
        "set" => (Class::Unordered, vec![b"SMEMBERS", key]),
        "zset" => (Class::Exact, vec![b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]),
        "stream" => (Class::Exact, vec![b"XRANGE", key, b"-", b"+"]),
        "vectorset" => (Class::Exact, vec![b"VRANGE", key, b"-", b"+"]),
        _ => (Class::Exact, vec![b"TYPE", key]),
    });
    let mut found = Vec::new();
    for (class, args) in checks {
        let args: Vec<Vec<u8>> = args.into_iter().map(<[u8]>::to_vec).collect();
        let (a, b) = (ours.call(&args), theirs.call(&args));
        let same = match (&a, &b) {
            (super::session::Got::Frame(a), super::session::Got::Frame(b)) => class.same(a, b),
            _ => false,
        };
        // A key that expired between the two looks is no difference.
        if !same && !gone(&a.shown()) && !gone(&b.shown()) {
            let command: Vec<String> = args.iter().map(|a| super::script::quote(a)).collect();
            found.push(format!(
                "db {db}: {}\n    ours   {}\n    theirs {}",
                command.join(" "),
                a.shown(),
                b.shown()
            ));
        }
    }
    Ok(found)
}

fn gone(shown: &str) -> bool {
    shown == Reply::Int(-2).render()
}
