//! Resident bytes per element of each type, from the kernel's numbers.
//!
//! Invariant: each row runs on a fresh server, and the bytes of that server, empty but not new, are taken off, so that rows
//! do not depend on each other. Callers: `bench::run`.

use std::time::Duration;

use anyhow::Result;
use testkit::process::Server;

use super::options::Options;
use super::sides::{self, Kind, Side};
use super::{procstat, table};

/// What is put in, how many commands per element, and the payload bytes of an element.
struct Row {
    name: &'static str,
    template: &'static str,
    /// Elements that one command adds.
    per_command: u64,
    value_bytes: usize,
    payload: u64,
}

const fn row(name: &'static str, template: &'static str, value_bytes: usize, payload: u64) -> Row {
    Row { name, template, per_command: 1, value_bytes, payload }
}

const ROWS: &[Row] = &[
    row("key 16 + value 32", "SET key:{s} {v}", 32, 48),
    row("key 16 + value 32, TTL", "SET key:{s} {v} EX 1000000", 32, 56),
    row("key 16 + value 8", "SET key:{s} {v}", 8, 24),
    row("key 16 + integer", "SET key:{s} {s}", 0, 24),
    row("key 16 + value 64", "SET key:{s} {v}", 64, 80),
    row("key 16 + value 1024", "SET key:{s} {v}", 1024, 1040),
    row("zset member 14", "ZADD z {s} m:{s}", 0, 22),
    row("set member 14", "SADD s m:{s}", 0, 14),
    row("hash field 14+14", "HSET h f:{s} v:{s}", 0, 28),
    row("list element 14", "RPUSH l m:{s}", 0, 14),
    row("stream entry 14", "XADD st * f v:{s}", 0, 15),
    row("small hash, 4 fields", "HSET hash:{s} a v:{s} b v:{s} c v:{s} d v:{s}", 0, 77),
    row("small set, 3 members", "SADD set:{s} m:{s} n:{s} o:{s}", 0, 58),
    row("small zset, 3 members", "ZADD zet:{s} 1 m:{s} 2 n:{s} 3 o:{s}", 0, 82),
    row("small list, 3 elements", "RPUSH lst:{s} m:{s} n:{s} o:{s}", 0, 58),
    row("set of 3 integers", "SADD set:{s} 100 200 300", 0, 22),
];

/// Prints the table of all types.
pub fn run(options: &Options) -> Result<()> {
    let sides = sides::all(options, false)?;
    let mut cells = Vec::new();
    for row in ROWS {
        let per_side: Vec<Option<f64>> =
            sides.iter().map(|side| bytes_each(side, row, options).ok()).collect();
        cells.push(line(row.name, row.payload, &sides, &per_side));
        println!("{}", cells[cells.len() - 1].join("  "));
    }
    let idle: Vec<Option<f64>> = sides.iter().map(|side| idle_megabytes(side, options).ok()).collect();
    cells.push(line("idle server (MB)", 0, &sides, &idle));
    let mut head = vec!["element", "payload"];
    head.extend(sides.iter().map(|s| s.name.as_str()));
    head.push("ratio");
    table::publish("memory", "Resident bytes per element", &head, &cells, options)
}

fn line(name: &str, payload: u64, sides: &[Side], values: &[Option<f64>]) -> Vec<String> {
    let mut cells = vec![name.to_string(), payload.to_string()];
    cells.extend(values.iter().map(|v| v.map_or("-".into(), |v| format!("{v:.1}"))));
    let of = |kind| sides.iter().zip(values).filter(move |(s, _)| s.kind == kind).filter_map(|(_, v)| *v);
    let best = of(Kind::Peer).fold(f64::INFINITY, f64::min);
    let ours = of(Kind::Ours).next();
    cells.push(ours.filter(|_| best.is_finite()).map_or("-".into(), |ours| format!("{:.2}", ours / best)));
    cells
}

fn bytes_each(side: &Side, row: &Row, options: &Options) -> Result<f64> {
    let server = side.start(options, "")?;
    // The pages of the program that the command touches for the first time are no element's.
    sides::fill_one(&server, row.template, 1000, row.value_bytes, options)?;
    server.client()?.words("FLUSHALL")?;
    let empty = settled_bytes(&server)?;
    sides::fill_one(&server, row.template, options.keys, row.value_bytes, options)?;
    let full = settled_bytes(&server)?;
    Ok(full.saturating_sub(empty) as f64 / (options.keys * row.per_command) as f64)
}

fn idle_megabytes(side: &Side, options: &Options) -> Result<f64> {
    Ok(settled_bytes(&side.start(options, "")?)? as f64 / 1e6)
}

/// Resident bytes once they stop changing: incremental rehashing and freed client buffers come to rest.
fn settled_bytes(server: &Server) -> Result<u64> {
    let mut last = 0;
    let mut calm = 0;
    sides::wait_for(Duration::from_secs(30), || {
        let now = procstat::resident_bytes(server.pid());
        calm = if now.abs_diff(last) < 64 * 1024 { calm + 1 } else { 0 };
        last = now;
        Ok(calm >= 60)
    })?;
    Ok(last)
}

/// Deletes half of the keys at random and looks at what stays resident.
pub fn delete_half(options: &Options) -> Result<()> {
    let mut cells = Vec::new();
    for side in sides::all(options, false)? {
        let server = side.start(options, "")?;
        sides::fill_one(&server, "SET key:{s} {v}", options.keys, 32, options)?;
        let full = settled_bytes(&server)?;
        // 0.69 deletes per key, at random with repetition, leave half of them.
        sides::fill_one(&server, "DEL key:{k}", options.keys * 69 / 100, 0, options)?;
        let half = settled_bytes(&server)?;
        let left = server.client()?.words("DBSIZE")?.text();
        cells.push(vec![
            side.name.clone(),
            format!("{:.1}", full as f64 / 1e6),
            left,
            format!("{:.1}", half as f64 / 1e6),
            format!("{:.2}", half as f64 / full as f64),
        ]);
    }
    let head = ["server", "MB full", "keys left", "MB then", "share"];
    table::publish(
        "delete-half",
        "Resident bytes after deleting half of the keys at random",
        &head,
        &cells,
        options,
    )
}
