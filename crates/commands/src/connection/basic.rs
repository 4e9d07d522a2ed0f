//! PING, ECHO, SELECT.

use resp::writer::Writer;

use crate::args::int;
use crate::cx::Cx;
use crate::error::{DB_OUT_OF_RANGE, Result, wrong_arity};

pub(super) fn ping(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if argv.len() > 2 {
        return Err(wrong_arity("ping"));
    }
    if !cx.session.resp3 && cx.session.subscription_count() > 0 {
        out.array(2);
        out.bulk(b"pong");
        out.bulk(argv.get(1).copied().unwrap_or_default());
    } else {
        match argv.get(1) {
            Some(text) => out.bulk(text),
            None => out.simple("PONG"),
        }
    }
    Ok(())
}

pub(super) fn echo(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    out.bulk(argv[1]);
    Ok(())
}

pub(super) fn select(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let db = int(argv[1])?;
    if db < 0 || db as usize >= cx.server.keyspace.databases() {
        return Err(DB_OUT_OF_RANGE);
    }
    cx.session.db = db as usize;
    cx.db = db as usize;
    out.ok();
    Ok(())
}
