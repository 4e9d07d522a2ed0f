//! HyperLogLogs: counting different elements in little memory. The structure itself is [`ds::hll`].

mod debug;
mod selftest;

use config::{Directive, Events};
use ds::entry::{Kind, StringBytes, Value};
use ds::hll::{self, Corrupt, Encoding, REGISTERS, Registers};
use ds::listpack::Room;
use ds::num::IntText;
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::row::{Plan, acl, flag::*, key::*};
use crate::string::{bytes_of, change_string};
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new("pfadd", -2, WRITE | DENYOOM | FAST, acl::HYPERLOGLOG, &[one(1, RW | INSERT)], pfadd),
    Row::new(
        "pfcount",
        -2,
        READONLY | MAY_REPLICATE,
        acl::HYPERLOGLOG,
        &[range(1, -1, 1, RW | ACCESS)],
        pfcount,
    ),
    Row::new("pfdebug", 3, WRITE | DENYOOM | ADMIN, acl::HYPERLOGLOG, &[one(2, RW | ACCESS)], debug::pfdebug),
    Row::new(
        "pfmerge",
        -2,
        WRITE | DENYOOM,
        acl::HYPERLOGLOG,
        &[one(1, RW | ACCESS | INSERT), range(2, -1, 1, RO | ACCESS)],
        pfmerge,
    ),
    Row::new("pfselftest", 1, ADMIN, acl::HYPERLOGLOG, &[], selftest::pfselftest).plan(Plan::Connection),
];

const NOT_ONE: CommandError = CommandError::fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPT: CommandError = CommandError::fixed("INVALIDOBJ Corrupted HLL object detected");

fn corrupt(_: Corrupt) -> CommandError {
    CORRUPT
}

fn encoding(bytes: &[u8]) -> Result<Encoding> {
    hll::encoding(bytes).ok_or(NOT_ONE)
}

fn check(bytes: &[u8]) -> Result {
    encoding(bytes).map(drop)
}

fn most_sparse_bytes(cx: &Cx<'_>) -> usize {
    cx.server.config.int(Directive::HllSparseMaxBytes).max(0) as usize
}

/// The bytes of a HyperLogLog that is only read.
fn find<'c>(cx: &'c mut Cx<'_>, key: &[u8], text: &'c mut IntText) -> Result<Option<&'c [u8]>> {
    let Some(entry) = cx.find_kind(key, Kind::String)? else { return Ok(None) };
    let bytes = bytes_of(entry, text);
    encoding(bytes)?;
    Ok(Some(bytes))
}

/// Changes the HyperLogLog of a key, which is made if it is absent; `change` gets to know whether it was.
fn change_or_make<R>(
    cx: &mut Cx<'_>,
    key: &[u8],
    change: impl Fn(&mut StringBytes<'_>, bool) -> Result<R>,
) -> Result<R> {
    if let Some(result) = change_string(cx, key, check, |value| change(value, false))? {
        return Ok(result);
    }
    cx.put(key, Value::Bytes(&hll::empty()), None);
    change_string(cx, key, check, |value| change(value, true))?.ok_or(NOT_ONE)
}

fn pfadd(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let most_bytes = most_sparse_bytes(cx);
    let updated = change_or_make(cx, key, |value, is_new| {
        let mut raised = is_new;
        for element in &argv[2..] {
            raised |= hll::add(value, element, most_bytes).map_err(corrupt)?;
        }
        if raised {
            hll::invalidate(value.bytes_mut());
        }
        Ok(raised)
    })?;
    if updated {
        cx.changed(key);
        cx.notify(Events::STRING, "pfadd", key);
    }
    out.int(i64::from(updated));
    Ok(())
}

fn pfcount(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if argv.len() > 2 {
        let (registers, _) = merged(cx, &argv[1..])?;
        out.int(hll::count_registers(&registers) as i64);
        return Ok(());
    }
    let key = argv[1];
    let mut text = IntText::new();
    let Some(bytes) = find(cx, key, &mut text)? else {
        out.int(0);
        return Ok(());
    };
    let count = match hll::cached(bytes) {
        Some(count) => count,
        None => {
            let count = change_string(cx, key, check, |bytes| {
                let count = hll::count(bytes.bytes()).map_err(corrupt)?;
                hll::set_cached(bytes.bytes_mut(), count);
                Ok(count)
            })?;
            // A change, which replicas get to know; a replica keeps it to itself.
            if !cx.server.replication.is_replica() || cx.session.is_primary_link {
                cx.changed(key);
            }
            count.unwrap_or(0)
        }
    };
    out.int(count as i64);
    Ok(())
}

/// The union of the HyperLogLogs that are there, and whether one of them is dense.
fn merged(cx: &mut Cx<'_>, keys: &[&[u8]]) -> Result<(Box<Registers>, bool)> {
    let mut registers = Box::new([0; REGISTERS]);
    let mut dense = false;
    for key in keys {
        let mut text = IntText::new();
        if let Some(bytes) = find(cx, key, &mut text)? {
            dense |= encoding(bytes)? == Encoding::Dense;
            hll::merge(bytes, &mut registers).map_err(corrupt)?;
        }
    }
    Ok((registers, dense))
}

fn pfmerge(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let target = argv[1];
    let (registers, dense) = merged(cx, &argv[1..])?;
    let most_bytes = most_sparse_bytes(cx);
    change_or_make(cx, target, |value, _| {
        hll::absorb(value, &registers, dense, most_bytes).map_err(corrupt)?;
        hll::invalidate(value.bytes_mut());
        Ok(())
    })?;
    cx.changed(target);
    cx.notify(Events::STRING, "pfadd", target);
    out.ok();
    Ok(())
}
