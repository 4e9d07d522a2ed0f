//! MEMORY: what is used, by what, and whether that is healthy.

use resp::writer::Writer;

use super::info::{Usage, percent, ratio};
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{Result, SYNTAX};

/// MEMORY USAGE key [SAMPLES count]: exact, whatever the number of samples.
pub(super) fn usage(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut args = Args::new(argv, 3);
    while !args.is_empty() {
        if !args.take_with("SAMPLES", 1) {
            return Err(SYNTAX);
        }
        if args.int()? < 0 {
            return Err(SYNTAX);
        }
    }
    match cx.peek(argv[2]) {
        Some(entry) => out.int(entry.memory_bytes() as i64),
        None => out.null(),
    }
    Ok(())
}

pub(super) fn purge(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    sys::alloc::purge();
    out.ok();
    Ok(())
}

pub(super) fn malloc_stats(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let figures = sys::alloc::figures();
    let text = format!(
        "___ Begin jemalloc statistics ___\nAllocated: {}, active: {}, resident: {}, retained: {}\n--- End jemalloc statistics ---\n",
        figures.allocated, figures.active, figures.resident, figures.retained
    );
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

/// One figure of MEMORY STATS.
enum Figure {
    Int(i64),
    Double(f64),
    /// Bytes of the main table and of that of expiry times.
    Tables(u64, u64),
}

fn figures(usage: &Usage) -> Vec<(String, Figure)> {
    use Figure::{Double, Int, Tables};
    let int = |value: u64| Int(value as i64);
    let (allocated, active, resident) =
        (usage.heap.allocated as u64, usage.heap.active as u64, usage.heap.resident as u64);
    let keys = usage.keys() as u64;
    let mut list = vec![
        ("peak.allocated", int(usage.peak)),
        ("total.allocated", int(usage.used)),
        ("startup.allocated", int(usage.startup)),
        ("replication.backlog", int(usage.backlog)),
        ("replicas.repl.buffer", int(usage.replicas)),
        ("clients.slaves", int(usage.replicas)),
        ("clients.normal", int(usage.clients)),
        ("cluster.links", Int(0)),
        ("aof.buffer", Int(0)),
        ("lua.caches", Int(0)),
        ("functions.caches", Int(0)),
    ]
    .into_iter()
    .map(|(name, figure)| (name.to_owned(), figure))
    .collect::<Vec<_>>();
    let tables = usage.tables.iter().map(|(db, _, bytes)| (format!("db.{db}"), Tables(*bytes, 0)));
    list.extend(tables);
    let rest = [
        ("overhead.db.hashtable.lut", int(usage.tables.iter().map(|(_, _, bytes)| bytes).sum())),
        ("overhead.db.hashtable.rehashing", Int(0)),
        ("overhead.total", int(usage.overhead())),
        ("db.dict.rehashing.count", Int(0)),
        ("keys.count", int(keys)),
        ("keys.bytes-per-key", int(usage.used.saturating_sub(usage.startup).checked_div(keys).unwrap_or(0))),
        ("dataset.bytes", int(usage.dataset())),
        ("dataset.percentage", Double(usage.dataset_percent())),
        ("peak.percentage", Double(percent(usage.used, usage.peak))),
        ("allocator.allocated", int(allocated)),
        ("allocator.active", int(active)),
        ("allocator.resident", int(resident)),
        ("allocator.muzzy", Int(0)),
        ("allocator-fragmentation.ratio", Double(ratio(active, allocated))),
        ("allocator-fragmentation.bytes", Int(active as i64 - allocated as i64)),
        ("allocator-rss.ratio", Double(ratio(resident, active))),
        ("allocator-rss.bytes", Int(resident as i64 - active as i64)),
        ("rss-overhead.ratio", Double(ratio(usage.rss, resident))),
        ("rss-overhead.bytes", Int(usage.rss as i64 - resident as i64)),
        ("fragmentation", Double(ratio(usage.rss, usage.used))),
        ("fragmentation.bytes", Int(usage.rss as i64 - usage.used as i64)),
    ];
    list.extend(rest.into_iter().map(|(name, figure)| (name.to_owned(), figure)));
    list
}

pub(super) fn stats(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let figures = figures(&Usage::now(cx));
    out.map(figures.len());
    for (name, figure) in figures {
        out.bulk(name.as_bytes());
        match figure {
            Figure::Int(value) => out.int(value),
            Figure::Double(value) => {
                let mut text = Vec::new();
                ds::num::format_f64(value, &mut text);
                out.double(&text);
            }
            Figure::Tables(main, expires) => {
                out.map(2);
                out.bulk(b"overhead.hashtable.main");
                out.int(main as i64);
                out.bulk(b"overhead.hashtable.expires");
                out.int(expires as i64);
            }
        }
    }
    Ok(())
}

/// Below, no figure means much.
const ENOUGH_BYTES: u64 = 5 << 20;

/// What is wrong, in sentences.
fn complaints(usage: &Usage) -> Vec<&'static str> {
    let (allocated, active, resident) =
        (usage.heap.allocated as u64, usage.heap.active as u64, usage.heap.resident as u64);
    let wasted = |a: u64, b: u64, by: f64| ratio(a, b) > by && a.saturating_sub(b) > 10 << 20;
    [
        (
            ratio(usage.peak, usage.used) > 1.5,
            "Peak memory: In the past this instance used more than 150% the memory that is currently using.",
        ),
        (
            wasted(usage.rss, usage.used, 1.4),
            "High total RSS: This instance has a memory fragmentation and RSS overhead greater than 1.4.",
        ),
        (
            wasted(active, allocated, 1.1),
            "High allocator fragmentation: This instance has an allocator external fragmentation greater than 1.1.",
        ),
        (
            wasted(resident, active, 1.1),
            "High allocator RSS overhead: This instance has an RSS memory overhead is greater than 1.1. MEMORY PURGE may help.",
        ),
        (
            usage.clients > 200 << 10 && usage.clients > usage.dataset(),
            "Big client buffers: The clients output buffers in this instance are greater than the data.",
        ),
        (
            usage.replicas > 10 << 20,
            "Big replica buffers: The replica output buffers in this instance are greater than 10MB.",
        ),
    ]
    .into_iter()
    .filter_map(|(holds, text)| holds.then_some(text))
    .collect()
}

pub(super) fn doctor(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let usage = Usage::now(cx);
    let complaints = complaints(&usage);
    let text = if usage.used < ENOUGH_BYTES {
        "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these \
         conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam and I will be back \
         to our programming as soon as I finished rebooting.\n"
            .to_owned()
    } else if complaints.is_empty() {
        "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n"
            .to_owned()
    } else {
        let list: String = complaints.iter().map(|text| format!(" * {text}\n\n")).collect();
        format!(
            "Sam, I detected a few issues in this instance memory implants:\n\n{list}\
             I'm here to keep you safe, Sam. I want to help you.\n"
        )
    };
    out.verbatim("txt", text.as_bytes());
    Ok(())
}
