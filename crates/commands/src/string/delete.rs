//! DELEX and DELIFEQ: deleting a string under a condition; DIGEST.

use config::{Directive, Events};
use ds::entry::Kind;
use ds::num::IntText;
use resp::writer::Writer;

use super::condition::{Condition, bytes_of, digest};
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{CommandError, Result, WRONG_TYPE, wrong_arity};

pub(super) fn delex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if !matches!(argv.len(), 2 | 4) {
        return Err(wrong_arity("delex"));
    }
    let key = argv[1];
    let holds = match (cx.find(key), argv.len()) {
        (None, _) => false,
        (Some(_), 2) => true,
        (Some(entry), _) if entry.kind() != Kind::String => {
            return Err(CommandError::fixed("ERR Key should be of string type if conditions are specified"));
        }
        (found, _) => Condition::take_comparison(&mut Args::new(argv, 2))?
            .ok_or(CommandError::fixed("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))?
            .holds(found)?,
    };
    delete_if(cx, key, holds, argv.len() == 4, out)
}

pub(super) fn delifeq(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let holds = match cx.find(key) {
        Some(entry) if entry.kind() != Kind::String => return Err(WRONG_TYPE),
        found => Condition::Equal(argv[2]).holds(found)?,
    };
    delete_if(cx, key, holds, true, out)
}

/// Deletes the key if `holds`; a conditional deletion is propagated as what it came to.
fn delete_if(cx: &mut Cx<'_>, key: &[u8], holds: bool, conditional: bool, out: &mut Writer) -> Result {
    if holds && cx.delete(key, cx.server.config.flag(Directive::LazyfreeLazyUserDel)) {
        cx.notify(Events::GENERIC, "del", key);
        if conditional {
            cx.propagate(&[b"DEL", key]);
        }
    }
    out.int(i64::from(holds));
    Ok(())
}

pub(super) fn digest_of(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    match cx.find_kind(argv[1], Kind::String)? {
        Some(entry) => out.bulk(digest(bytes_of(entry, &mut IntText::new())).as_bytes()),
        None => out.null(),
    }
    Ok(())
}
