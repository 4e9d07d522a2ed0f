//! Strings.

mod condition;
mod delete;
mod edit;
pub(crate) mod expiry;
mod get;
mod incr;
mod increx;
mod lcs;
mod multi;
mod set;

pub(crate) use condition::bytes_of;
use ds::entry::{EntryRef, ValueRef};
pub(crate) use edit::{change_bytes, change_string, replace};
use resp::writer::Writer;

use crate::row::{Extract, acl, flag::*, key::*};
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new("append", 3, WRITE | DENYOOM | FAST, acl::STRING, &[one(1, RW | INSERT)], edit::append),
    Row::new("decr", 2, WRITE | DENYOOM | FAST, acl::STRING, &[one(1, RW | ACCESS | UPDATE)], incr::decr),
    Row::new("decrby", 3, WRITE | DENYOOM | FAST, acl::STRING, &[one(1, RW | ACCESS | UPDATE)], incr::decrby),
    Row::new("delex", -2, WRITE | FAST, acl::STRING, &[one(1, RW | DELETE | VARIABLE_FLAGS)], delete::delex)
        .extract(Extract::Delex),
    Row::new("delifeq", 3, WRITE | FAST, acl::STRING, &[one(1, RM | DELETE)], delete::delifeq),
    Row::new("digest", 2, READONLY | FAST, acl::STRING, &[one(1, RO | ACCESS)], delete::digest_of),
    Row::new("get", 2, READONLY | FAST, acl::STRING, &[one(1, RO | ACCESS)], get::get),
    Row::new("getdel", 2, WRITE | FAST, acl::STRING, &[one(1, RW | ACCESS | DELETE)], get::getdel),
    Row::new("getex", -2, WRITE | FAST, acl::STRING, &[one(1, RW | ACCESS | UPDATE)], get::getex),
    Row::new("getrange", 4, READONLY, acl::STRING, &[one(1, RO | ACCESS)], get::getrange),
    Row::new("getset", 3, WRITE | DENYOOM | FAST, acl::STRING, &[one(1, RW | ACCESS | UPDATE)], get::getset),
    Row::new("incr", 2, WRITE | DENYOOM | FAST, acl::STRING, &[one(1, RW | ACCESS | UPDATE)], incr::incr),
    Row::new("incrby", 3, WRITE | DENYOOM | FAST, acl::STRING, &[one(1, RW | ACCESS | UPDATE)], incr::incrby),
    Row::new(
        "incrbyfloat",
        3,
        WRITE | DENYOOM | FAST,
        acl::STRING,
        &[one(1, RW | ACCESS | UPDATE)],
        incr::incrbyfloat,
    ),
    Row::new(
        "increx",
        -2,
        WRITE | DENYOOM | FAST,
        acl::STRING,
        &[one(1, RW | ACCESS | UPDATE)],
        increx::increx,
    ),
    Row::new("lcs", -3, READONLY, acl::STRING, &[range(1, 1, 1, RO | ACCESS)], lcs::lcs),
    Row::new("mget", -2, READONLY | FAST, acl::STRING, &[range(1, -1, 1, RO | ACCESS)], get::mget),
    Row::new("mset", -3, WRITE | DENYOOM, acl::STRING, &[range(1, -1, 2, OW | UPDATE)], multi::mset),
    Row::new("msetex", -4, WRITE | DENYOOM, acl::STRING, &[counted_step(1, 2, OW | UPDATE)], multi::msetex),
    Row::new("msetnx", -3, WRITE | DENYOOM, acl::STRING, &[range(1, -1, 2, OW | INSERT)], multi::msetnx),
    Row::new("psetex", 4, WRITE | DENYOOM, acl::STRING, &[one(1, OW | UPDATE)], set::psetex),
    Row::new(
        "set",
        -3,
        WRITE | DENYOOM,
        acl::STRING,
        &[one(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)],
        set::set,
    )
    .extract(Extract::Set),
    Row::new("setex", 4, WRITE | DENYOOM, acl::STRING, &[one(1, OW | UPDATE)], set::setex),
    Row::new("setnx", 3, WRITE | DENYOOM | FAST, acl::STRING, &[one(1, OW | INSERT)], set::setnx),
    Row::new("setrange", 4, WRITE | DENYOOM, acl::STRING, &[one(1, RW | UPDATE)], edit::setrange),
    Row::new("strlen", 2, READONLY | FAST, acl::STRING, &[one(1, RO)], get::strlen),
    Row::new("substr", 4, READONLY, acl::STRING, &[one(1, RO | ACCESS)], get::getrange),
];

/// Writes a string value as a bulk reply; long ones are shared, not copied.
pub(crate) fn reply_string(entry: EntryRef<'_>, out: &mut Writer) {
    match entry.value() {
        ValueRef::Int(number) => out.bulk_int(number),
        ValueRef::Bytes(bytes) => out.bulk(bytes),
        ValueRef::Blob(bytes) if bytes.len() < resp::writer::SHARE_BYTES => out.bulk(bytes),
        _ => match entry.blob() {
            Some(blob) => out.bulk_shared(blob.shared()),
            None => out.null(),
        },
    }
}
