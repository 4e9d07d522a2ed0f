//! HRANDFIELD.

use std::collections::HashSet;

use ds::packed_hash::PackedField;
use resp::writer::Writer;

use super::reply_text;
use super::view::{Stored, View, find};
use crate::args::int_or;
use crate::cx::Cx;
use crate::draws::{COUNT_RANGE, Repetitions, repetitions};
use crate::error::{NOT_AN_INTEGER, OUT_OF_RANGE, Result, SYNTAX};
use crate::server::Server;

/// Different fields, up to `count`, at random.
fn distinct<'a>(server: &Server, view: View<'a>, count: usize) -> Vec<PackedField<'a>> {
    if let Stored::Large(fields) = view.stored
        && count.saturating_mul(4) < fields.len()
        && !view.has_expired()
    {
        // Few of many: draws seldom repeat.
        let (mut seen, mut drawn) = (HashSet::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count.saturating_mul(4) {
            let Some(field) = view.random(|| server.random()) else { break };
            if let ds::listpack::LpValue::Str(name) = field.name
                && seen.insert(name)
            {
                drawn.push(field);
                if drawn.len() == count {
                    return drawn;
                }
            }
        }
    }
    let mut all = view.collect();
    let count = count.min(all.len());
    for at in 0..count {
        let left = all.len() - at;
        let other = at + ((u128::from(server.random()) * left as u128) >> 64) as usize;
        all.swap(at, other);
    }
    all.truncate(count);
    all
}

/// The head of an array of fields: with values it is flat in RESP2 and of pairs in RESP3.
fn head(count: usize, with_values: bool, out: &mut Writer) {
    out.array(if with_values && !out.resp3 { 2 * count } else { count });
}

fn reply(field: PackedField<'_>, with_values: bool, out: &mut Writer) {
    if with_values && out.resp3 {
        out.array(2);
    }
    reply_text(field.name, out);
    if with_values {
        reply_text(field.value, out);
    }
}

/// HRANDFIELD key [count [WITHVALUES]]
pub(super) fn hrandfield(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let server = cx.server;
    let Some(given) = argv.get(2) else {
        match find(cx, argv[1])?.and_then(|view| view.random(|| server.random())) {
            Some(field) => reply_text(field.name, out),
            None => out.null(),
        }
        return Ok(());
    };
    let count = int_or(given, NOT_AN_INTEGER)?;
    if count == i64::MIN {
        return Err(COUNT_RANGE);
    }
    let with_values = match argv.get(3) {
        Some(word) if argv.len() == 4 && word.eq_ignore_ascii_case(b"WITHVALUES") => true,
        Some(_) => return Err(SYNTAX),
        None => false,
    };
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(OUT_OF_RANGE);
    }
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let repeated = (count < 0).then(|| repetitions(cx, wanted, out));
    let Some(view) = find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    let Some(repeated) = repeated else {
        let drawn = distinct(server, view, wanted);
        head(drawn.len(), with_values, out);
        drawn.into_iter().for_each(|field| reply(field, with_values, out));
        return Ok(());
    };
    draw(server, view, repeated?, with_values, out);
    Ok(())
}

/// Replies fields, each drawn from all; none if there is none.
fn draw(server: &Server, view: View<'_>, repeated: Repetitions, with_values: bool, out: &mut Writer) {
    // Without expired fields a large hash gives one at each draw; else all are looked at once, not for each draw.
    let all = match view.stored {
        Stored::Large(_) if !view.has_expired() => None,
        _ => Some(view.collect()),
    };
    let one = || match &all {
        Some(all) => {
            let at = (u128::from(server.random()) * all.len() as u128) >> 64;
            all.get(at as usize).copied()
        }
        None => view.random(|| server.random()),
    };
    if one().is_none() {
        return out.array(0);
    }
    head(repeated.wanted, with_values, out);
    repeated.each(out, |out| one().into_iter().for_each(|field| reply(field, with_values, out)));
}
