//! Strings.

mod get;
mod incr;
mod set;

use ds::entry::{EntryRef, ValueRef};
use resp::writer::Writer;

use crate::row::{Extract, acl, flag::*, key::*};
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new("decr", 2, WRITE | DENYOOM | FAST, acl::STRING, &[one(1, RW | ACCESS | UPDATE)], incr::decr),
    Row::new("get", 2, READONLY | FAST, acl::STRING, &[one(1, RO | ACCESS)], get::get),
    Row::new("incr", 2, WRITE | DENYOOM | FAST, acl::STRING, &[one(1, RW | ACCESS | UPDATE)], incr::incr),
    Row::new(
        "set",
        -3,
        WRITE | DENYOOM,
        acl::STRING,
        &[one(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)],
        set::set,
    )
    .extract(Extract::Set),
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
