//! Streams.
//!
//! A stream is always a [`ds::stream::Stream`]; it may be empty, for only DEL removes its key. What consumer groups do
//! goes into the journal as its effects: XCLAIM, XGROUP SETID, XGROUP CREATECONSUMER.

mod add;
mod args;
mod claim;
mod delete;
mod effects;
mod groups;
mod idempotent;
mod info;
mod pending;
mod range;
mod read;
mod readgroup;

use config::Family;
use ds::entry::{EntryRef, Kind, ValueRef};
use ds::object::Object;
use ds::stream::{Entry, LagRule, Stream, StreamId};
use keyspace::EntrySlot;
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::Result;
use crate::row::{Extract, acl, flag::*, key::*};
use crate::table::CommandRow as Row;

const LOOK: u16 = RO | ACCESS;

pub(crate) const ROWS: &[Row] = &[
    Row::new("xack", -4, WRITE | FAST, acl::STREAM, &[one(1, RW | UPDATE)], groups::xack),
    Row::new("xackdel", -6, WRITE | FAST, acl::STREAM, &[one(1, RW | UPDATE | DELETE)], groups::xackdel),
    Row::new("xadd", -5, WRITE | DENYOOM | FAST, acl::STREAM, &[one(1, RW | UPDATE)], add::xadd),
    Row::new("xautoclaim", -6, WRITE | FAST, acl::STREAM, &[one(1, RW | DELETE)], claim::xautoclaim),
    Row::new("xcfgset", -2, WRITE | FAST, acl::STREAM, &[one(1, RW | UPDATE)], idempotent::xcfgset),
    Row::new("xclaim", -6, WRITE | FAST, acl::STREAM, &[one(1, RW | UPDATE)], claim::xclaim),
    Row::new("xdel", -3, WRITE | FAST, acl::STREAM, &[one(1, RW | DELETE)], delete::xdel),
    Row::new("xdelex", -5, WRITE | FAST, acl::STREAM, &[one(1, RW | DELETE)], delete::xdelex),
    Row::container("xgroup", -2, 0, 0, XGROUP),
    Row::new(
        "xidmprecord",
        5,
        WRITE | DENYOOM | FAST,
        acl::STREAM,
        &[one(1, RW | UPDATE)],
        idempotent::xidmprecord,
    ),
    Row::container("xinfo", -2, 0, 0, XINFO),
    Row::new("xlen", 2, READONLY | FAST, acl::STREAM, &[one(1, RO)], range::xlen),
    Row::new("xpending", -3, READONLY, acl::STREAM, &[one(1, LOOK)], pending::xpending),
    Row::new("xrange", -4, READONLY, acl::STREAM, &[one(1, LOOK)], range::xrange),
    Row::new(
        "xread",
        -4,
        READONLY | BLOCKING,
        acl::STREAM,
        &[after_range("STREAMS", 1, -1, 2, LOOK)],
        read::xread,
    )
    .extract(Extract::XRead),
    Row::new(
        "xreadgroup",
        -7,
        WRITE | BLOCKING,
        acl::STREAM,
        &[after_range("STREAMS", 4, -1, 2, LOOK)],
        readgroup::xreadgroup,
    )
    .extract(Extract::XReadGroup),
    Row::new("xrevrange", -4, READONLY, acl::STREAM, &[one(1, LOOK)], range::xrevrange),
    Row::new("xsetid", -3, WRITE | DENYOOM | FAST, acl::STREAM, &[one(1, RW | UPDATE)], delete::xsetid),
    Row::new("xtrim", -4, WRITE, acl::STREAM, &[one(1, RW | DELETE)], add::xtrim),
];

const XGROUP: &[Row] = &[
    Row::new("create", -5, WRITE | DENYOOM, acl::STREAM, &[one(2, RW | INSERT)], groups::create),
    Row::new(
        "createconsumer",
        5,
        WRITE | DENYOOM,
        acl::STREAM,
        &[one(2, RW | INSERT)],
        groups::create_consumer,
    ),
    Row::new("delconsumer", 5, WRITE, acl::STREAM, &[one(2, RW | DELETE)], groups::delete_consumer),
    Row::new("destroy", 4, WRITE, acl::STREAM, &[one(2, RW | DELETE)], groups::destroy),
    Row::new("help", 2, LOADING | STALE, acl::STREAM, &[], groups::help),
    Row::new("setid", -5, WRITE, acl::STREAM, &[one(2, RW | UPDATE)], groups::set_id),
];

const XINFO: &[Row] = &[
    Row::new("consumers", 4, READONLY, acl::STREAM, &[one(2, LOOK)], info::consumers),
    Row::new("groups", 3, READONLY, acl::STREAM, &[one(2, LOOK)], info::groups),
    Row::new("help", 2, LOADING | STALE, acl::STREAM, &[], info::help),
    Row::new("stream", -3, READONLY, acl::STREAM, &[one(2, LOOK)], info::stream),
];

fn stream_of(entry: EntryRef<'_>) -> Option<&Stream> {
    match entry.value() {
        ValueRef::Object(Object::Stream(stream)) => Some(stream),
        _ => None,
    }
}

/// The stream at a key, for reading.
fn find<'c>(cx: &'c mut Cx<'_>, key: &[u8]) -> Result<Option<&'c Stream>> {
    Ok(cx.find_kind(key, Kind::Stream)?.and_then(stream_of))
}

/// Changes the stream at a key; `None` if there is none.
fn update<R>(cx: &mut Cx<'_>, key: &[u8], change: impl FnOnce(&mut Stream) -> R) -> Result<Option<R>> {
    let Some(mut slot) = cx.find_mut_kind(key, Kind::Stream)? else { return Ok(None) };
    Ok(change_in(&mut slot, change))
}

fn change_in<R>(slot: &mut EntrySlot<'_>, change: impl FnOnce(&mut Stream) -> R) -> Option<R> {
    slot.update(|entry| match entry.object_mut() {
        Some(Object::Stream(stream)) => Some(change(stream)),
        _ => None,
    })
}

fn id_text(id: StreamId) -> Vec<u8> {
    let mut text = Vec::new();
    id.write_to(&mut text);
    text
}

fn reply_id(id: StreamId, out: &mut Writer) {
    out.bulk(&id.text());
}

/// `[id, [field, value, ...]]`
fn reply_entry(entry: Entry<'_>, out: &mut Writer) {
    out.array(2);
    reply_id(entry.id(), out);
    reply_fields(entry, out);
}

fn reply_fields(entry: Entry<'_>, out: &mut Writer) {
    out.array(2 * entry.len());
    for (field, value) in entry.fields() {
        for part in [field, value] {
            match part {
                ds::listpack::LpValue::Int(number) => out.bulk_int(number),
                ds::listpack::LpValue::Str(bytes) => out.bulk(bytes),
            }
        }
    }
}

/// By whose rules groups are counted.
fn lag_rule(family: Family) -> LagRule {
    match family {
        Family::Redis => LagRule::Redis,
        Family::Valkey => LagRule::Valkey,
    }
}
