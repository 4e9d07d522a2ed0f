//! BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.
//!
//! Each does what its plain form does if something is there, and goes into the journal as that. Else the client waits
//! for its keys; it is served by the same command, with the key that became ready as the only one.

use resp::writer::Writer;

use super::Side;
use super::moves::move_one;
use super::pop::{Many, pop};
use super::store::ListRef;
use crate::args::timeout_ms;
use crate::block::{BlockRequest, TimeoutReply};
use crate::cx::Cx;
use crate::error::Result;

fn owned(argv: &[&[u8]]) -> Vec<Vec<u8>> {
    argv.iter().map(|arg| arg.to_vec()).collect()
}

/// Lets the client wait; where that is not allowed it gets `refused`.
fn wait(
    cx: &mut Cx<'_>,
    keys: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    timeout_ms: u64,
    refused: fn(&mut Writer),
    out: &mut Writer,
) {
    if cx.may_block {
        let on_timeout = TimeoutReply::NullArray;
        cx.block = Some(BlockRequest::keys(keys, timeout_ms, on_timeout));
    } else {
        refused(out);
    }
}

fn pop_or_wait(cx: &mut Cx<'_>, argv: &[&[u8]], side: Side, out: &mut Writer) -> Result {
    let (timeout, keys) = (argv[argv.len() - 1], &argv[1..argv.len() - 1]);
    let timeout_ms = timeout_ms(timeout)?;
    for key in keys {
        if ListRef::find(cx, key)?.is_some() {
            out.array(2);
            out.bulk(key);
            pop(cx, key, side, 1, false, out)?;
            cx.propagate(&[side.pop_command(), key]);
            return Ok(());
        }
    }
    let keys = keys.iter().map(|key| (key.to_vec(), owned(&[argv[0], key, timeout]))).collect();
    wait(cx, keys, timeout_ms, Writer::null_array, out);
    Ok(())
}

pub(super) fn blpop(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    pop_or_wait(cx, argv, Side::Left, out)
}

pub(super) fn brpop(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    pop_or_wait(cx, argv, Side::Right, out)
}

pub(super) fn blmpop(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let timeout_ms = timeout_ms(argv[1])?;
    let many = Many::parse(argv, 2)?;
    if many.pop_first(cx, out)? {
        return Ok(());
    }
    // The words behind the keys stay as they were given.
    let tail = &argv[3 + many.keys.len()..];
    let argv_for = |key: &[u8]| owned(&[&[argv[0], argv[1], b"1", key][..], tail].concat());
    let keys = many.keys.iter().map(|key| (key.to_vec(), argv_for(key))).collect();
    wait(cx, keys, timeout_ms, Writer::null_array, out);
    Ok(())
}

pub(super) fn blmove(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (from, to) = (Side::parse(argv[3])?, Side::parse(argv[4])?);
    let timeout_ms = timeout_ms(argv[5])?;
    if move_one(cx, (argv[1], from), (argv[2], to), out)? {
        cx.propagate(&[b"LMOVE", argv[1], argv[2], argv[3], argv[4]]);
    } else {
        wait(cx, vec![(argv[1].to_vec(), owned(argv))], timeout_ms, Writer::null, out);
    }
    Ok(())
}

pub(super) fn brpoplpush(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let timeout_ms = timeout_ms(argv[3])?;
    if move_one(cx, (argv[1], Side::Right), (argv[2], Side::Left), out)? {
        cx.propagate(&[b"RPOPLPUSH", argv[1], argv[2]]);
    } else {
        wait(cx, vec![(argv[1].to_vec(), owned(argv))], timeout_ms, Writer::null, out);
    }
    Ok(())
}
