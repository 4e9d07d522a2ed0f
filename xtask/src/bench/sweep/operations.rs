//! The operations of the sweep, in groups that share a data set.
//!
//! A request is a template (see `template`) and its own name. `{dump:KEY}` stands for what DUMP answers for the key.
//! What takes something away is sent together with what puts it there, with a key of its own (`{s}`) where
//! connections would get into each other's way. Blocking commands always find something.
//!
//! Invariant: a group's fills are all that its operations need, and what an operation leaves behind does not
//! change what the next ones cost. Callers: `sweep`.

use super::super::workloads::{Fill, fill};
use super::collections;

/// A data set and what is measured on it.
pub struct Group {
    pub name: &'static str,
    pub fills: &'static [Fill],
    pub requests: &'static [&'static str],
}

/// Elements of a large collection, and keys of a group with small values.
pub const KEYS: u64 = 10_000;
/// The divisor of a fill that is sent once.
pub(super) const ONCE: u64 = KEYS;

/// All groups.
pub const GROUPS: &[&Group] = &[
    &ADMIN,
    &GENERIC,
    &STRINGS,
    &BITS,
    &PUBSUB,
    &collections::LISTS,
    &collections::HASHES,
    &collections::SETS,
    &collections::SORTED_SETS,
    &collections::PLACES,
    &collections::STREAMS,
    &collections::VECTORS,
    &FLUSH,
];

const ADMIN: Group = Group {
    name: "admin",
    fills: &[fill("SET key:{s} {v}", 1), fill("SET ttl:{s} {v} EX 100000", 10), fill("RPUSH list {s}", 100)],
    requests: &[
        "PING",
        "ECHO hello",
        "SELECT 0",
        "TIME",
        "DBSIZE",
        "LASTSAVE",
        "ROLE",
        "INFO",
        "INFO everything",
        "INFO server",
        "INFO clients",
        "INFO memory",
        "INFO persistence",
        "INFO stats",
        "INFO replication",
        "INFO cpu",
        "INFO commandstats",
        "INFO latencystats",
        "INFO errorstats",
        "INFO keyspace",
        "COMMAND",
        "COMMAND COUNT",
        "COMMAND LIST",
        "COMMAND INFO get",
        "COMMAND DOCS get",
        "COMMAND DOCS",
        "COMMAND GETKEYS MSET a b c d",
        "COMMAND GETKEYSANDFLAGS LMOVE a b LEFT RIGHT",
        "CONFIG GET maxmemory",
        "CONFIG GET *",
        "CONFIG SET maxmemory-samples 5",
        "CONFIG RESETSTAT",
        "CLIENT ID",
        "CLIENT INFO",
        "CLIENT LIST",
        "CLIENT GETNAME",
        "CLIENT SETNAME name",
        "CLIENT SETINFO lib-name name",
        "CLIENT NO-EVICT off",
        "CLIENT NO-TOUCH off",
        "CLIENT REPLY ON",
        "CLIENT TRACKINGINFO",
        "CLIENT GETREDIR",
        "CLIENT UNBLOCK 999999",
        "CLIENT UNPAUSE",
        "HELLO 2",
        "HELLO 3; HELLO 2",
        "RESET",
        "AUTH default any",
        "ACL WHOAMI",
        "ACL CAT",
        "ACL CAT string",
        "ACL LIST",
        "ACL USERS",
        "ACL GETUSER default",
        "ACL GENPASS",
        "ACL LOG",
        "SLOWLOG GET",
        "SLOWLOG LEN",
        "COMMANDLOG LEN slow",
        "LATENCY LATEST",
        "LATENCY HISTOGRAM get",
        "LATENCY HISTOGRAM",
        "LATENCY RESET",
        "LATENCY DOCTOR",
        "MEMORY STATS",
        "MEMORY DOCTOR",
        "MODULE LIST",
        "LOLWUT",
        "REPLICAOF NO ONE",
        "WAIT 0 0",
        "SWAPDB 2 3",
        "MULTI; EXEC",
        "MULTI; DISCARD",
        "MULTI; GET key:{k}; SET key:{k} {v}; INCR counter; EXEC",
        "WATCH key:{k}; UNWATCH",
        "WATCH key:{k}; MULTI; SET key:{=} {v}; EXEC",
    ],
};

const GENERIC: Group = Group {
    name: "generic",
    fills: &[
        fill("SET key:{s} {v}", 1),
        fill("SET ttl:{s} {v} EX 100000", 10),
        fill("RPUSH list 3 1 2", ONCE),
        fill("MSET weight:1 5 weight:2 4 weight:3 6", ONCE),
    ],
    requests: &[
        "EXISTS key:{k}",
        "EXISTS nokey:{k}",
        "EXISTS key:{k} key:{k} key:{k} key:{k}",
        "TYPE key:{k}",
        "TOUCH key:{k}",
        "TTL ttl:{k/10}",
        "TTL key:{k}",
        "PTTL ttl:{k/10}",
        "EXPIRETIME ttl:{k/10}",
        "PEXPIRETIME ttl:{k/10}",
        "EXPIRE ttl:{k/10} 100000",
        "EXPIRE ttl:{k/10} 100000 GT",
        "PEXPIRE ttl:{k/10} 100000000",
        "EXPIREAT ttl:{k/10} 4000000000",
        "PEXPIREAT ttl:{k/10} 4000000000000",
        "PERSIST key:{k}",
        "EXPIRE key:{k} 100000; PERSIST key:{=}",
        "OBJECT ENCODING key:{k}",
        "OBJECT IDLETIME key:{k}",
        "OBJECT REFCOUNT key:{k}",
        "MEMORY USAGE key:{k}",
        "RANDOMKEY",
        "KEYS key:00000000001*",
        "KEYS *x",
        "SCAN 0",
        "SCAN 0 COUNT 100",
        "SCAN 0 COUNT 1000 MATCH nothing*",
        "SCAN 0 COUNT 100 TYPE list",
        "COPY key:{k} copy REPLACE",
        "DUMP key:{k}",
        "RESTORE restored 0 {dump:key:000000000001} REPLACE",
        "SET a:{s} x; DEL a:{s}",
        "SET a:{s} x; UNLINK a:{s}",
        "MSET a:{s} x b:{s} x c:{s} x d:{s} x; DEL a:{s} b:{s} c:{s} d:{s}",
        "DEL nokey:{k}",
        "SET a:{s} x; RENAME a:{s} b",
        "SET a:{s} x; RENAMENX a:{s} b:{s}; DEL b:{s}",
        "SET a:{s} x; MOVE a:{s} 1",
        "SORT list",
        "SORT list BY weight:* GET # GET weight:*",
        "SORT_RO list DESC",
        "SORT list STORE sorted",
    ],
};

const STRINGS: Group = Group {
    name: "strings",
    fills: &[
        fill("SET key:{s} {v}", 1),
        fill("SET int:{s} 1{s}", 1),
        fill("SET ttl:{s} {v} EX 100000", 1),
        fill("APPEND large {v}", 10),
        fill("SET float 10.5", ONCE),
    ],
    requests: &[
        "GET key:{k}",
        "GET int:{k}",
        "GET ttl:{k}",
        "GET nokey:{k}",
        "GET large",
        "SET key:{k} {v}",
        "SET key:{k} {v} EX 100000; PERSIST key:{=}",
        "SET ttl:{k} {v} KEEPTTL",
        "SET key:{k} {v} NX",
        "SET key:{k} {v} XX GET",
        "SET key:000000000001 {v} IFEQ nothing",
        "SETEX ttl:{k} 100000 {v}",
        "PSETEX ttl:{k} 100000000 {v}",
        "SETNX key:{k} {v}",
        "GETSET key:{k} {v}",
        "GETEX ttl:{k}",
        "GETEX ttl:{k} EX 100000",
        "SET a:{s} {v}; GETDEL a:{s}",
        "SET a:{s} {v}; DELEX a:{s} IFEQ {v}",
        "SET a:{s} {v}; DELIFEQ a:{s} {v}",
        "DIGEST key:{k}",
        "STRLEN key:{k}",
        "GETRANGE key:{k} 5 20",
        "GETRANGE large 1000 1100",
        "SUBSTR key:{k} 5 20",
        "SETRANGE key:{k} 5 hello",
        "SETRANGE large 5000 hello",
        "APPEND app:{k} x",
        "INCR int:{k}",
        "DECR int:{k}",
        "INCRBY int:{k} 5",
        "DECRBY int:{k} 5",
        "INCRBYFLOAT float 1.5",
        "INCR new:{s}",
        "MGET key:{k}",
        "MGET key:{k} key:{k} key:{k} key:{k} key:{k} key:{k} key:{k} key:{k} key:{k} key:{k}",
        "MSET key:{k} {v}",
        "MSET key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v}",
        "MSETNX key:{k} {v} key:{k} {v}",
        "MSETEX 2 ttl:{k} {v} ttl:{k} {v} EX 100000",
        "LCS key:000000000001 int:{k}",
        "LCS key:000000000001 key:000000000002 LEN",
        "LCS key:000000000001 key:000000000002 IDX",
        "COPY large copy REPLACE",
        "DUMP large",
        "RESTORE restored 0 {dump:large} REPLACE",
        "DUMP int:{k}",
    ],
};

const BITS: Group = Group {
    name: "bits",
    fills: &[
        fill("SET key:{s} {v}", 1),
        fill("APPEND large {v}", 10),
        fill("APPEND other {v}", 10),
        fill("SETBIT last 500000 1", ONCE),
        fill("PFADD hll:{s/20} m:{s}", 1),
        fill("PFADD dense m:{s}", 1),
    ],
    requests: &[
        "SETBIT bits:{k} 100 1",
        "SETBIT large 10000 1",
        "GETBIT key:{k} 100",
        "GETBIT large 10000",
        "BITCOUNT key:{k}",
        "BITCOUNT key:{k} 5 20",
        "BITCOUNT large",
        "BITCOUNT large 5 4005 BIT",
        "BITPOS key:{k} 1",
        "BITPOS last 1",
        "BITPOS key:{k} 0 5 100 BIT",
        "BITOP AND result key:{k} key:{k}",
        "BITOP AND result large other",
        "BITOP OR result large other",
        "BITOP XOR result large other key:{k}",
        "BITOP NOT result large",
        "BITOP DIFF result large other",
        "BITOP ANDOR result large other key:{k}",
        "BITOP ONE result large other",
        "BITFIELD key:{k} GET u8 16",
        "BITFIELD key:{k} INCRBY u16 #3 7",
        "BITFIELD key:{k} SET i5 100 3 GET u4 0 OVERFLOW SAT INCRBY u2 102 1",
        "BITFIELD_RO key:{k} GET u8 16 GET i33 7",
        "PFADD hll:{k/20} m:{k}",
        "PFADD dense m:{k}",
        "PFADD new:{s/4} m:{s}",
        "PFCOUNT hll:{k/20}",
        "PFCOUNT dense",
        "PFADD dense n:{s}; PFCOUNT dense",
        "PFCOUNT hll:{k/20} hll:{k/20}",
        "PFCOUNT dense hll:{k/20}",
        "PFMERGE merged hll:{k/20} hll:{k/20}",
        "PFMERGE merged dense hll:{k/20}",
    ],
};

const PUBSUB: Group = Group {
    name: "pubsub",
    fills: &[],
    requests: &[
        "PUBLISH news {v}",
        "SPUBLISH news {v}",
        "PUBSUB CHANNELS",
        "PUBSUB NUMSUB a b",
        "PUBSUB NUMPAT",
        "PUBSUB SHARDCHANNELS",
        "PUBSUB SHARDNUMSUB a b",
        "SUBSCRIBE a; UNSUBSCRIBE a",
        "PSUBSCRIBE a*; PUNSUBSCRIBE a*",
        "SSUBSCRIBE a; SUNSUBSCRIBE a",
    ],
};

const FLUSH: Group = Group {
    name: "flush",
    fills: &[],
    requests: &["SET a x; FLUSHDB", "SET a x; FLUSHALL", "SET a x; FLUSHALL SYNC"],
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::super::template::Template;
    use super::*;

    #[test]
    fn every_operation_parses_and_stands_once_in_its_group() {
        for group in GROUPS {
            let mut seen = HashSet::new();
            for request in group.requests {
                assert!(seen.insert(request), "{request} twice in {}", group.name);
                let text = match request.split_once("{dump:") {
                    Some((before, rest)) => format!("{before}{}", rest.replacen('}', "", 1)),
                    None => request.to_string(),
                };
                Template::parse(&text, KEYS, 8).expect(request);
            }
            for fill in group.fills {
                assert!(KEYS.is_multiple_of(fill.divide), "{}", fill.template);
                Template::parse(fill.template, KEYS, 8).expect(fill.template);
            }
        }
    }
}
