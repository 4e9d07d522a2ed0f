//! Bitmaps: strings as rows of bits.

mod combine;
mod field;
mod range;

use config::{Directive, Events};
use ds::bits;
use ds::entry::Kind;
use ds::num::{self, IntText};
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::row::{Extract, acl, flag::*, key::*};
use crate::string::{bytes_of, change_bytes};
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new("bitcount", -2, READONLY, acl::BITMAP, &[one(1, RO | ACCESS)], range::bitcount),
    Row::new(
        "bitfield",
        -2,
        WRITE | DENYOOM,
        acl::BITMAP,
        &[one(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)],
        field::bitfield,
    )
    .extract(Extract::Bitfield),
    Row::new("bitfield_ro", -2, READONLY | FAST, acl::BITMAP, &[one(1, RO | ACCESS)], field::bitfield_ro),
    Row::new(
        "bitop",
        -4,
        WRITE | DENYOOM,
        acl::BITMAP,
        &[one(2, OW | UPDATE), range(3, -1, 1, RO | ACCESS)],
        combine::bitop,
    ),
    Row::new("bitpos", -3, READONLY, acl::BITMAP, &[one(1, RO | ACCESS)], range::bitpos),
    Row::new("getbit", 3, READONLY | FAST, acl::BITMAP, &[one(1, RO | ACCESS)], getbit),
    Row::new("setbit", 4, WRITE | DENYOOM, acl::BITMAP, &[one(1, RW | ACCESS | UPDATE)], setbit),
];

const BAD_OFFSET: CommandError = CommandError::fixed("ERR bit offset is not an integer or out of range");
const BAD_BIT: CommandError = CommandError::fixed("ERR bit is not an integer or out of range");

/// A bit's number; what `#` precedes is counted in integers of `width` bits.
fn offset(cx: &Cx<'_>, arg: &[u8], width: Option<u32>) -> Result<usize> {
    let (digits, scale) = match (arg.strip_prefix(b"#"), width) {
        (Some(digits), Some(width)) => (digits, width as usize),
        _ => (arg, 1),
    };
    let number = num::parse_i64(digits).and_then(|number| usize::try_from(number).ok());
    let most_bytes = cx.server.config.int(Directive::ProtoMaxBulkLen).max(0) as usize;
    number
        .and_then(|number| number.checked_mul(scale))
        .filter(|offset| offset / 8 < most_bytes || cx.session.is_primary_link)
        .ok_or(BAD_OFFSET)
}

fn setbit(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let offset = offset(cx, argv[2], None)?;
    let bit = match num::parse_i64(argv[3]) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(BAD_BIT),
    };
    let (old, grew) =
        change_bytes(cx, key, offset / 8 + 1, |bytes, grew| (bits::set(bytes, offset, bit), grew))?;
    if old != bit || grew {
        cx.changed(key);
        cx.notify(Events::STRING, "setbit", key);
    }
    out.int(i64::from(old));
    Ok(())
}

fn getbit(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let offset = offset(cx, argv[2], None)?;
    let found = cx.find_kind(argv[1], Kind::String)?;
    let bit = found.is_some_and(|entry| bits::get(bytes_of(entry, &mut IntText::new()), offset));
    out.int(i64::from(bit));
    Ok(())
}
