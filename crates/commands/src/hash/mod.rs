//! Hashes. [`view`] reads them, [`edit`] changes them; each other file holds a group of commands.

pub(crate) mod edit;
mod expire;
mod expiring;
mod fields;
mod incr;
mod random;
mod read;
mod redis_options;
mod scan;
mod ttl;
pub(crate) mod view;
mod write;

pub use expire::expire_fields;

use config::Events;
use ds::listpack::LpValue;
use resp::writer::Writer;

use crate::cx::Cx;
use crate::row::{acl, flag::*, key::*};
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new("hdel", -3, WRITE | FAST, acl::HASH, &[one(1, RW | DELETE)], write::hdel),
    Row::new("hexists", 3, READONLY | FAST, acl::HASH, &[one(1, RO)], read::hexists),
    Row::new("hexpire", -6, WRITE | FAST, acl::HASH, &[one(1, RW | UPDATE)], expire::hexpire),
    Row::new("hexpireat", -6, WRITE | FAST, acl::HASH, &[one(1, RW | UPDATE)], expire::hexpireat),
    Row::new("hexpiretime", -5, READONLY | FAST, acl::HASH, &[one(1, RO | ACCESS)], ttl::hexpiretime),
    Row::new("hget", 3, READONLY | FAST, acl::HASH, &[one(1, RO | ACCESS)], read::hget),
    Row::new("hgetall", 2, READONLY, acl::HASH, &[one(1, RO | ACCESS)], read::hgetall),
    Row::new("hgetdel", -5, WRITE | FAST, acl::HASH, &[one(1, RW | ACCESS | DELETE)], write::hgetdel),
    Row::new("hgetex", -5, WRITE | FAST, acl::HASH, &[one(1, RW | ACCESS | UPDATE)], expiring::hgetex),
    Row::new("hincrby", 4, WRITE | DENYOOM | FAST, acl::HASH, &[one(1, RW | ACCESS | UPDATE)], incr::hincrby),
    Row::new(
        "hincrbyfloat",
        4,
        WRITE | DENYOOM | FAST,
        acl::HASH,
        &[one(1, RW | ACCESS | UPDATE)],
        incr::hincrbyfloat,
    ),
    Row::new("hkeys", 2, READONLY, acl::HASH, &[one(1, RO | ACCESS)], read::hkeys),
    Row::new("hlen", 2, READONLY | FAST, acl::HASH, &[one(1, RO)], read::hlen),
    Row::new("hmget", -3, READONLY | FAST, acl::HASH, &[one(1, RO | ACCESS)], read::hmget),
    Row::new("hmset", -4, WRITE | DENYOOM | FAST, acl::HASH, &[one(1, RW | UPDATE)], write::hmset),
    Row::new("hpersist", -5, WRITE | FAST, acl::HASH, &[one(1, RW | UPDATE)], expire::hpersist),
    Row::new("hpexpire", -6, WRITE | FAST, acl::HASH, &[one(1, RW | UPDATE)], expire::hpexpire),
    Row::new("hpexpireat", -6, WRITE | FAST, acl::HASH, &[one(1, RW | UPDATE)], expire::hpexpireat),
    Row::new("hpexpiretime", -5, READONLY | FAST, acl::HASH, &[one(1, RO | ACCESS)], ttl::hpexpiretime),
    Row::new("hpttl", -5, READONLY | FAST, acl::HASH, &[one(1, RO | ACCESS)], ttl::hpttl),
    Row::new("hrandfield", -2, READONLY, acl::HASH, &[one(1, RO | ACCESS)], random::hrandfield),
    Row::new("hscan", -3, READONLY, acl::HASH, &[one(1, RO | ACCESS)], scan::hscan),
    Row::new("hset", -4, WRITE | DENYOOM | FAST, acl::HASH, &[one(1, RW | UPDATE)], write::hset),
    Row::new(
        "hsetex",
        -6,
        WRITE | DENYOOM | FAST,
        acl::HASH,
        &[one(1, RW | UPDATE | INSERT_IN_VALKEY)],
        expiring::hsetex,
    ),
    Row::new("hsetnx", 4, WRITE | DENYOOM | FAST, acl::HASH, &[one(1, RW | INSERT)], write::hsetnx),
    Row::new("hstrlen", 3, READONLY | FAST, acl::HASH, &[one(1, RO)], read::hstrlen),
    Row::new("httl", -5, READONLY | FAST, acl::HASH, &[one(1, RO | ACCESS)], ttl::httl),
    Row::new("hvals", 2, READONLY, acl::HASH, &[one(1, RO | ACCESS)], read::hvals),
];

/// A field's name or value as a reply.
fn reply_text(text: LpValue<'_>, out: &mut Writer) {
    match text {
        LpValue::Int(number) => out.bulk_int(number),
        LpValue::Str(text) => out.bulk(text),
    }
}

/// Deletes a hash whose last field is gone.
fn delete_empty(cx: &mut Cx<'_>, key: &[u8]) {
    cx.delete(key, false);
    cx.notify(Events::GENERIC, "del", key);
}
