//! SSCAN.

use ds::listpack::LpValue;
use ds::num::IntText;
use resp::writer::Writer;

use super::view::{SetRef, find};
use crate::args::cursor;
use crate::cx::Cx;
use crate::element_scan::{Options, reply_head};
use crate::error::Result;

pub(super) fn sscan(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (cursor, family) = (cursor(argv[2])?, cx.family());
    let Some(set) = find(cx, argv[1])? else {
        reply_head(0, 0, out);
        return Ok(());
    };
    let options = Options::parse(argv, family, |_| false)?;
    let mut members = Vec::new();
    let mut take = |member: LpValue<'_>| {
        let mut scratch = IntText::new();
        let name = member.text(&mut scratch);
        if options.allow(name) {
            members.push(name.to_vec());
        }
    };
    let next = match set {
        SetRef::Table(table) => options.walk(cursor, |at, seen| {
            table.scan(at, |member| {
                *seen += 1;
                take(LpValue::Str(member.name()));
            })
        }),
        small => {
            small.iter().for_each(take);
            0
        }
    };
    reply_head(next, members.len(), out);
    members.iter().for_each(|name| out.bulk(name));
    Ok(())
}
