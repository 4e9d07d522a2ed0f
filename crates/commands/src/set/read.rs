//! SCARD, SISMEMBER, SMISMEMBER and SMEMBERS.

use resp::writer::Writer;

use super::view::find;
use crate::cx::Cx;
use crate::error::Result;
use crate::zset::reply;

pub(super) fn scard(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let len = find(cx, argv[1])?.map_or(0, |set| set.len());
    out.int(len as i64);
    Ok(())
}

pub(super) fn sismember(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let is_there = find(cx, argv[1])?.is_some_and(|set| set.contains(argv[2]));
    out.int(i64::from(is_there));
    Ok(())
}

pub(super) fn smismember(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let set = find(cx, argv[1])?;
    out.array(argv.len() - 2);
    for name in &argv[2..] {
        out.int(i64::from(set.is_some_and(|set| set.contains(name))));
    }
    Ok(())
}

pub(super) fn smembers(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let Some(set) = find(cx, argv[1])? else {
        out.set(0);
        return Ok(());
    };
    out.set(set.len());
    set.iter().for_each(|member| reply::name(member, out));
    Ok(())
}
