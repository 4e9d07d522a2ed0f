//! HRANDFIELD.

use std::collections::HashSet;

use ds::packed_hash::PackedField;
use resp::writer::Writer;

use super::reply_text;
use super::view::{Stored, View, find};
use crate::args::int_or;
use crate::cx::Cx;
use crate::error::{CommandError, NOT_AN_INTEGER, OUT_OF_RANGE, Result, SYNTAX};
use crate::server::Server;

const COUNT_RANGE: CommandError = CommandError::fixed(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);
/// Most draws with repetitions of one reply: a short command must not fill the memory.
const MOST_DRAWS: usize = 1 << 24;

/// Different fields, up to `count`, at random.
fn distinct<'a>(server: &Server, view: View<'a>, count: usize) -> Vec<PackedField<'a>> {
    if let Stored::Large(fields) = view.stored
        && count.saturating_mul(4) < fields.len()
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
    let Some(view) = find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count >= 0 {
        let drawn = distinct(server, view, wanted);
        head(drawn.len(), with_values, out);
        drawn.into_iter().for_each(|field| reply(field, with_values, out));
        return Ok(());
    }
    if wanted > MOST_DRAWS {
        return Err(OUT_OF_RANGE);
    }
    if view.random(|| server.random()).is_none() {
        out.array(0);
        return Ok(());
    }
    head(wanted, with_values, out);
    let packed = if let Stored::Packed(..) = view.stored { view.collect() } else { Vec::new() };
    for _ in 0..wanted {
        let at = ((u128::from(server.random()) * packed.len() as u128) >> 64) as usize;
        let field = packed.get(at).copied().or_else(|| view.random(|| server.random()));
        field.into_iter().for_each(|field| reply(field, with_values, out));
    }
    Ok(())
}
