//! ZSCAN, over the member index of large sorted sets.

use ds::listpack::LpValue;
use ds::num::IntText;
use resp::writer::Writer;

use super::view::{View, find};
use crate::args::cursor;
use crate::cx::Cx;
use crate::element_scan::{Found, Options};
use crate::error::Result;

pub(super) fn zscan(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (cursor, family) = (cursor(argv[2])?, cx.family());
    let Some(view) = find(cx, argv[1])? else {
        Found::default().reply_with(0, out);
        return Ok(());
    };
    let mut scores = true;
    let options = Options::parse(argv, family, |args| {
        let taken = args.take("NOSCORES");
        scores &= !taken;
        taken
    })?;
    let (mut members, mut text) = (Found::default(), Vec::new());
    let mut take = |name: LpValue<'_>, score: f64| {
        let mut scratch = IntText::new();
        let name = name.text(&mut scratch);
        if options.allow(name) {
            members.push(name);
            if scores {
                // ZSCAN gives scores as strings in RESP3 too.
                text.clear();
                ds::num::format_f64(score, &mut text);
                members.push(&text);
            }
        }
    };
    let next = match view {
        View::Packed(_) => {
            view.visit((0, view.len()), false, take);
            0
        }
        View::Tree(zset) => options.walk(cursor, |at, seen| {
            zset.scan(at, |member| {
                *seen += 1;
                take(LpValue::Str(member.name()), member.score());
            })
        }),
    };
    members.reply_with(next, out);
    Ok(())
}
