//! The workloads, one row each, and the data sets that they run on.
//!
//! Invariant: rows with the same data set can follow each other without loading it again; a row that adds
//! data names the set for what it adds. Callers: `bench::run`.

/// Commands that fill a server: a template (see `template`) and how often it is sent, as a share of the
/// number of keys (`keys / divide`).
#[derive(Debug, Clone, Copy)]
pub struct Fill {
    pub template: &'static str,
    pub divide: u64,
}

/// A named data set.
#[derive(Debug, Clone, Copy)]
pub struct Data {
    pub name: &'static str,
    pub fills: &'static [Fill],
}

/// One workload.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    pub name: &'static str,
    pub data: &'static str,
    /// One request; several commands stand between semicolons.
    pub request: &'static str,
    /// How many times fewer requests than the default a round sends, for costly commands.
    pub cost: u64,
    /// Connections that subscribe to the channel `news`.
    pub listeners: usize,
}

pub const fn fill(template: &'static str, divide: u64) -> Fill {
    Fill { template, divide }
}

const fn row(name: &'static str, data: &'static str, request: &'static str, cost: u64) -> Workload {
    Workload { name, data, request, cost, listeners: 0 }
}

/// All data sets.
pub const DATA: &[Data] = &[
    Data { name: "nothing", fills: &[] },
    Data { name: "strings", fills: &[fill("SET key:{s} {v}", 1)] },
    Data { name: "counters", fills: &[fill("INCR cnt:{s}", 1)] },
    Data {
        name: "lists",
        fills: &[fill(
            "RPUSH lst:{s} a:{s} b:{s} c:{s} d:{s} e:{s} f:{s} g:{s} h:{s} i:{s} j:{s} k:{s} l:{s} m:{s} n:{s} o:{s} p:{s} q:{s} r:{s} s:{s} t:{s}",
            10,
        )],
    },
    Data { name: "list100", fills: &[fill("RPUSH l100:{s/100} member:{s}", 1)] },
    Data {
        name: "hashes",
        fills: &[fill("HSET hash:{s} f1 {v} f2 {s} f3 {s} f4 {s}", 4), fill("HSET bighash f:{s} {s}", 1)],
    },
    Data { name: "sets", fills: &[fill("SADD set:{s/10} m:{s}", 1), fill("SADD bigset m:{s}", 1)] },
    Data { name: "zsets", fills: &[fill("ZADD zs:{s/100} {s} m:{s}", 1), fill("ZADD bigz {k} m:{s}", 1)] },
    Data { name: "streams", fills: &[fill("XADD st:{s/1000} * field {v}", 1)] },
    Data {
        name: "groups",
        fills: &[fill("XADD gst:{s/1000} * field {v}", 1), fill("XGROUP CREATE gst:{s} g 0", 1000)],
    },
    Data { name: "places", fills: &[fill("GEOADD geo 12.{k} 45.{k} p:{s}", 10)] },
];

/// All workloads.
pub const WORKLOADS: &[Workload] = &[
    row("ping", "nothing", "PING", 1),
    row("set", "strings", "SET key:{k} {v}", 1),
    row("get", "strings", "GET key:{k}", 1),
    row("getmiss", "strings", "GET nokey:{k}", 1),
    row("setex", "strings", "SET key:{k} {v} EX 100000", 1),
    row("expire", "strings", "EXPIRE key:{k} 100000", 1),
    row("exists", "strings", "EXISTS key:{k}", 1),
    row("append", "strings", "APPEND app:{k/10} x", 1),
    row(
        "mget",
        "strings",
        "MGET key:{k} key:{k} key:{k} key:{k} key:{k} key:{k} key:{k} key:{k} key:{k} key:{k}",
        5,
    ),
    row(
        "mset",
        "strings",
        "MSET key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v} key:{k} {v}",
        5,
    ),
    row("multi", "strings", "MULTI; SET key:{k} {v}; GET key:{k}; EXEC", 4),
    row("eval", "strings", "EVAL return~redis.call('GET',KEYS[1]) 1 key:{k}", 4),
    row("incr", "counters", "INCR cnt:{k}", 1),
    row("lpush", "lists", "LPUSH lst:{k/10} {v}", 1),
    row("rpop", "lists", "RPOP lst:{k/10}", 1),
    row("lrange100", "list100", "LRANGE l100:{k/100} 0 99", 20),
    row("lindex", "list100", "LINDEX l100:{k/100} 50", 1),
    row("hset", "hashes", "HSET hash:{k/4} f2 {k}", 1),
    row("hget", "hashes", "HGET hash:{k/4} f3", 1),
    row("hgetall", "hashes", "HGETALL hash:{k/4}", 2),
    row("hget-big", "hashes", "HGET bighash f:{k}", 1),
    row("hset-big", "hashes", "HSET bighash f:{k} {k}", 1),
    row("sadd", "sets", "SADD set:{k/10} m:{k}", 1),
    row("sismember-big", "sets", "SISMEMBER bigset m:{k}", 1),
    row("spop", "sets", "SPOP set:{k/10}", 1),
    row("sinter", "sets", "SINTER set:{k/10} bigset", 4),
    row("zadd", "zsets", "ZADD zs:{k/100} {k} m:{k}", 1),
    row("zadd-big", "zsets", "ZADD bigz {k} m:{k}", 2),
    row("zscore-big", "zsets", "ZSCORE bigz m:{k}", 1),
    row("zrank-big", "zsets", "ZRANK bigz m:{k}", 2),
    row("zrange100", "zsets", "ZRANGE zs:{k/100} 0 99", 20),
    row("zrange100-big", "zsets", "ZRANGE bigz {k} {k} BYSCORE LIMIT 0 100", 20),
    row("zunionstore", "zsets", "ZUNIONSTORE zdst 2 zs:{k/100} zs:{k/100}", 100),
    row("xadd", "streams", "XADD st:{k/1000} * field {v}", 1),
    row("xrange10", "streams", "XRANGE st:{k/1000} - + COUNT 10", 5),
    row("xreadgroup", "groups", "XREADGROUP GROUP g c COUNT 1 STREAMS gst:{k/1000} >", 4),
    Workload { listeners: 1, ..row("publish", "nothing", "PUBLISH news {v}", 2) },
    Workload { listeners: 10, ..row("publish10", "nothing", "PUBLISH news {v}", 10) },
    row("geosearch", "places", "GEOSEARCH geo FROMLONLAT 12.5 45.5 BYRADIUS 5 km COUNT 10", 100),
    row("bitcount", "strings", "BITCOUNT key:{k}", 1),
    row("setbit", "strings", "SETBIT bits:{k/100} {10000} 1", 1),
    row("pfadd", "strings", "PFADD hll:{k/1000} m:{k}", 1),
    row("sort", "list100", "SORT l100:{k/100} ALPHA LIMIT 0 10", 50),
];

/// The ones that run when none is named.
pub const USUAL: &[&str] = &[
    "ping",
    "set",
    "get",
    "incr",
    "mget",
    "mset",
    "multi",
    "eval",
    "lpush",
    "rpop",
    "lrange100",
    "hset",
    "hget",
    "hgetall",
    "sadd",
    "spop",
    "zadd",
    "zadd-big",
    "zrange100",
    "zrank-big",
    "xadd",
    "publish",
];

/// A workload by name.
pub fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|w| w.name == name)
}

/// The data set of a workload.
pub fn data_of(workload: &Workload) -> &'static [Fill] {
    DATA.iter().find(|d| d.name == workload.data).map_or(&[], |d| d.fills)
}

#[cfg(test)]
mod tests {
    use super::super::template::Template;
    use super::*;

    #[test]
    fn every_row_parses_and_names_a_data_set() {
        for workload in WORKLOADS {
            assert!(DATA.iter().any(|d| d.name == workload.data), "{}", workload.name);
            Template::parse(workload.request, 1000, 8).expect(workload.name);
        }
        for fill in DATA.iter().flat_map(|d| d.fills) {
            Template::parse(fill.template, 1000, 8).expect(fill.template);
        }
        assert!(USUAL.iter().all(|name| find(name).is_some()));
    }
}
