//! ZSCAN, over the member index of large sorted sets.

use ds::listpack::LpValue;
use ds::num::IntText;
use resp::writer::Writer;

use super::view::{View, find};
use crate::args::cursor;
use crate::cx::Cx;
use crate::element_scan::{Options, reply_head};
use crate::error::Result;

pub(super) fn zscan(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (cursor, family) = (cursor(argv[2])?, cx.family());
    let Some(view) = find(cx, argv[1])? else {
        reply_head(0, 0, out);
        return Ok(());
    };
    let mut scores = true;
    let options = Options::parse(argv, family, |args| {
        let taken = args.take("NOSCORES");
        scores &= !taken;
        taken
    })?;
    let mut members = Vec::new();
    let mut take = |name: LpValue<'_>, score: f64| {
        let mut scratch = IntText::new();
        let name = name.text(&mut scratch);
        if options.allow(name) {
            members.push((name.to_vec(), score));
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
    reply_head(next, if scores { 2 * members.len() } else { members.len() }, out);
    for (name, score) in &members {
        out.bulk(name);
        if scores {
            // ZSCAN gives scores as strings in RESP3 too.
            let mut text = Vec::new();
            ds::num::format_f64(*score, &mut text);
            out.bulk(&text);
        }
    }
    Ok(())
}
