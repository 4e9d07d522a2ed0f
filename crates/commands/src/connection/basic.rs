//! PING, ECHO, SELECT.

use resp::writer::Writer;

use crate::args::database;
use crate::cx::Cx;
use crate::error::{Result, wrong_arity};

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
    let db = database(argv[1], cx.server.keyspace.databases())?;
    cx.session.db = db;
    cx.db = db;
    out.ok();
    Ok(())
}
