//! Vector sets.
//!
//! A vector set is always a [`ds::vector::VectorSet`], never an empty one. Its commands belong to a module in Redis, which
//! shows: their names are in capitals wherever the server shows them, they have no ACL categories, and they publish no
//! keyspace events of their own. The journal gets commands as they were sent: replicas draw their own levels, so graphs
//! differ, contents do not.

mod add;
mod attribute;
mod element;
mod info;
mod links;
mod range;
mod similar;
mod vector;

use ds::entry::{EntryRef, Kind, ValueRef};
use ds::object::Object;
use ds::vector::VectorSet;
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::row::{flag::*, key::*};
use crate::table::CommandRow as Row;

const BOTH: u16 = RW | ACCESS | UPDATE;

pub(crate) const ROWS: &[Row] = &[
    Row::new("VADD", -5, WRITE | DENYOOM | MODULE, 0, &[one(1, BOTH)], add::vadd),
    Row::new("VCARD", 2, READONLY | FAST | MODULE, 0, &[one(1, BOTH)], info::vcard),
    Row::new("VDIM", 2, READONLY | FAST | MODULE, 0, &[one(1, BOTH)], info::vdim),
    Row::new("VEMB", -3, READONLY | FAST | MODULE, 0, &[one(1, BOTH)], element::vemb),
    Row::new("VGETATTR", 3, READONLY | FAST | MODULE, 0, &[one(1, BOTH)], attribute::vgetattr),
    Row::new("VINFO", 2, READONLY | FAST | MODULE, 0, &[one(1, BOTH)], info::vinfo),
    Row::new("VISMEMBER", 3, READONLY | MODULE, 0, &[one(1, BOTH)], element::vismember),
    Row::new("VLINKS", -3, READONLY | FAST | MODULE, 0, &[one(1, BOTH)], links::vlinks),
    Row::new("VRANDMEMBER", -2, READONLY | MODULE, 0, &[one(1, BOTH)], range::vrandmember),
    Row::new("VRANGE", -4, READONLY | MODULE, 0, &[one(1, BOTH)], range::vrange),
    Row::new("VREM", 3, WRITE | MODULE, 0, &[one(1, BOTH)], element::vrem),
    Row::new("VSETATTR", 4, WRITE | FAST | MODULE, 0, &[one(1, BOTH)], attribute::vsetattr),
    Row::new("VSIM", -4, READONLY | MODULE, 0, &[one(1, BOTH)], similar::vsim),
];

/// An option's value is not a number, or not one that is allowed.
const INVALID_EF: CommandError = CommandError::fixed("ERR invalid EF");
/// Most nodes that a search keeps on the way, as options give it.
const MOST_EF: i64 = 1_000_000;

fn set_of(entry: EntryRef<'_>) -> Option<&VectorSet> {
    match entry.value() {
        ValueRef::Object(Object::Vectors(set)) => Some(set),
        _ => None,
    }
}

/// The vector set at a key, for reading.
fn find<'c>(cx: &'c mut Cx<'_>, key: &[u8]) -> Result<Option<&'c VectorSet>> {
    Ok(cx.find_kind(key, Kind::Vectors)?.and_then(set_of))
}

/// Changes the vector set at a key; `None` if there is none.
fn update<R>(cx: &mut Cx<'_>, key: &[u8], change: impl FnOnce(&mut VectorSet) -> R) -> Result<Option<R>> {
    let Some(mut slot) = cx.find_mut_kind(key, Kind::Vectors)? else { return Ok(None) };
    Ok(slot.update(|entry| match entry.object_mut() {
        Some(Object::Vectors(set)) => Some(change(set)),
        _ => None,
    }))
}

/// A similarity: 1 for the same direction, 0 for the opposite one.
fn similarity(distance: f32) -> f64 {
    1.0 - f64::from(distance) / 2.0
}

fn reply_number(number: f64, out: &mut Writer) {
    crate::zset::reply::score(number, out);
}
