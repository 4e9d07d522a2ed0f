//! XINFO.

use config::Family;
use ds::stream::{Consumer, Group, Stream, StreamId};
use resp::writer::Writer;

use super::range::reply_entries;
use super::{find, lag_rule, reply_entry, reply_id};
use crate::args::int;
use crate::cx::Cx;
use crate::error::{CommandError, NO_SUCH_KEY, Result, wrong_syntax};

const HELP: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
    "HELP",
    "    Print this help.",
];

pub(super) fn help(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    crate::reply_help(HELP, out);
    Ok(())
}

fn number(name: &str, value: u64, out: &mut Writer) {
    out.bulk(name.as_bytes());
    out.int(value as i64);
}

fn optional(name: &str, value: Option<i64>, out: &mut Writer) {
    out.bulk(name.as_bytes());
    match value {
        Some(value) => out.int(value),
        None => out.null(),
    }
}

fn id(name: &str, value: StreamId, out: &mut Writer) {
    out.bulk(name.as_bytes());
    reply_id(value, out);
}

/// What both forms of XINFO STREAM begin with: a map, with `more` pairs to follow. Idempotent producers are Redis'.
fn begin(stream: &Stream, now_ms: u64, family: Family, more: usize, out: &mut Writer) {
    let meta = stream.meta();
    out.map(more + if family == Family::Redis { 13 } else { 7 });
    number("length", stream.len(), out);
    number("radix-tree-keys", stream.block_count() as u64, out);
    number("radix-tree-nodes", stream.radix_nodes(), out);
    id("last-generated-id", meta.last_id, out);
    id("max-deleted-entry-id", meta.max_deleted_id, out);
    number("entries-added", meta.entries_added, out);
    id("recorded-first-entry-id", meta.first_id, out);
    if family == Family::Valkey {
        return;
    }
    let idempotence = stream.idempotence();
    let (producers, ids) = idempotence.tracked(now_ms);
    number("idmp-duration", idempotence.duration_s, out);
    number("idmp-maxsize", idempotence.max_size, out);
    number("pids-tracked", producers as u64, out);
    number("iids-tracked", ids as u64, out);
    number("iids-added", idempotence.added, out);
    number("iids-duplicates", idempotence.duplicates, out);
}

pub(super) fn stream(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    find(cx, argv[2])?.ok_or(NO_SUCH_KEY)?;
    let full = match argv[3..] {
        [] => None,
        [word] if word.eq_ignore_ascii_case(b"full") => Some(10),
        [word, count, number]
            if word.eq_ignore_ascii_case(b"full") && count.eq_ignore_ascii_case(b"count") =>
        {
            Some(int(number)?)
        }
        _ => return Err(wrong_syntax("xinfo", argv[1])),
    };
    let (resp3, now_ms, family) = (cx.session.resp3, cx.now_ms, cx.family());
    let stream = find(cx, argv[2])?.ok_or(NO_SUCH_KEY)?;
    let Some(count) = full else {
        begin(stream, now_ms, family, 3, out);
        number("groups", stream.groups().len() as u64, out);
        let all = (StreamId::MIN, StreamId::MAX);
        for (name, entry) in [
            ("first-entry", stream.range(all.0, all.1).next()),
            ("last-entry", stream.range_rev(all.0, all.1).next()),
        ] {
            out.bulk(name.as_bytes());
            match entry {
                Some(entry) => reply_entry(entry, out),
                None => out.null(),
            }
        }
        return Ok(());
    };
    let most = match count {
        0 => usize::MAX,
        count => usize::try_from(count).unwrap_or(10),
    };
    begin(stream, now_ms, family, 2, out);
    out.bulk(b"entries");
    reply_entries(stream.range(StreamId::MIN, StreamId::MAX).take(most), resp3, out);
    out.bulk(b"groups");
    out.array(stream.groups().len());
    for (name, group) in stream.groups().iter() {
        full_group(stream, (name, group), most, family, out);
    }
    Ok(())
}

fn full_group(
    stream: &Stream,
    (name, group): (&[u8], &Group),
    most: usize,
    family: Family,
    out: &mut Writer,
) {
    out.map(7);
    out.bulk(b"name");
    out.bulk(name);
    id("last-delivered-id", group.last_id, out);
    optional("entries-read", group.entries_read.map(|read| read as i64), out);
    optional("lag", stream.lag(group, lag_rule(family)), out);
    number("pel-count", group.pending_len() as u64, out);
    out.bulk(b"pending");
    out.array(group.pending_len().min(most));
    for entry in group.pending_from(StreamId::MIN).take(most) {
        out.array(4);
        reply_id(entry.id, out);
        out.bulk(group.consumer(entry.nack.consumer).name());
        out.int(entry.nack.delivery_ms);
        out.int(entry.nack.deliveries as i64);
    }
    out.bulk(b"consumers");
    out.array(group.consumer_count());
    for (_, consumer) in group.consumers() {
        full_consumer(group, consumer, most, out);
    }
}

fn full_consumer(group: &Group, consumer: &Consumer, most: usize, out: &mut Writer) {
    out.map(5);
    out.bulk(b"name");
    out.bulk(consumer.name());
    out.bulk(b"seen-time");
    out.int(consumer.seen_ms);
    out.bulk(b"active-time");
    out.int(consumer.active_ms);
    number("pel-count", consumer.pending_len() as u64, out);
    out.bulk(b"pending");
    out.array(consumer.pending_len().min(most));
    for pending in consumer.pending_from(StreamId::MIN).take(most) {
        let (delivery_ms, deliveries) =
            group.pending(pending).map_or((0, 0), |nack| (nack.delivery_ms, nack.deliveries));
        out.array(3);
        reply_id(pending, out);
        out.int(delivery_ms);
        out.int(deliveries as i64);
    }
}

pub(super) fn groups(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let family = cx.family();
    let stream = find(cx, argv[2])?.ok_or(NO_SUCH_KEY)?;
    out.array(stream.groups().len());
    for (name, group) in stream.groups().iter() {
        out.map(6);
        out.bulk(b"name");
        out.bulk(name);
        number("consumers", group.consumer_count() as u64, out);
        number("pending", group.pending_len() as u64, out);
        id("last-delivered-id", group.last_id, out);
        optional("entries-read", group.entries_read.map(|read| read as i64), out);
        optional("lag", stream.lag(group, lag_rule(family)), out);
    }
    Ok(())
}

/// The error for a group that a stream does not have.
pub(super) fn no_group(group: &[u8], key: &[u8]) -> CommandError {
    let text = [&b"NOGROUP No such consumer group '"[..], group, b"' for key name '", key, b"'"].concat();
    CommandError::new(text)
}

pub(super) fn consumers(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let now_ms = cx.now_ms as i64;
    let stream = find(cx, argv[2])?.ok_or(NO_SUCH_KEY)?;
    let group = stream.groups().get(argv[3]).ok_or_else(|| no_group(argv[3], argv[2]))?;
    out.array(group.consumer_count());
    for (_, consumer) in group.consumers() {
        out.map(4);
        out.bulk(b"name");
        out.bulk(consumer.name());
        number("pending", consumer.pending_len() as u64, out);
        out.bulk(b"idle");
        out.int((now_ms - consumer.seen_ms).max(0));
        out.bulk(b"inactive");
        out.int(if consumer.active_ms < 0 { -1 } else { (now_ms - consumer.active_ms).max(0) });
    }
    Ok(())
}
