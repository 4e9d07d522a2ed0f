//! SSCAN.

use ds::listpack::LpValue;
use ds::num::IntText;
use resp::writer::Writer;

use super::view::{SetRef, find};
use crate::args::cursor;
use crate::cx::Cx;
use crate::element_scan::{Found, Options};
use crate::error::Result;

pub(super) fn sscan(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (cursor, family) = (cursor(argv[2])?, cx.family());
    let Some(set) = find(cx, argv[1])? else {
        Found::default().reply_with(0, out);
        return Ok(());
    };
    let options = Options::parse(argv, family, |_| false)?;
    let mut members = Found::default();
    let mut take = |member: LpValue<'_>| {
        let mut scratch = IntText::new();
        let name = member.text(&mut scratch);
        if options.allow(name) {
            members.push(name);
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
    members.reply_with(next, out);
    Ok(())
}
