//! Whether keys are there, of which type, and deleting them.

use config::{Directive, Events};
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::Result;

fn delete_all(cx: &mut Cx<'_>, keys: &[&[u8]], lazy: bool, out: &mut Writer) -> Result {
    let mut deleted = 0;
    for key in keys {
        if cx.delete(key, lazy) {
            cx.notify(Events::GENERIC, "del", key);
            deleted += 1;
        }
    }
    out.int(deleted);
    Ok(())
}

pub(super) fn del(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    delete_all(cx, &argv[1..], cx.server.config.flag(Directive::LazyfreeLazyUserDel), out)
}

pub(super) fn unlink(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    delete_all(cx, &argv[1..], true, out)
}

pub(super) fn exists(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let found = argv[1..].iter().filter(|key| cx.find_untouched(key).is_some()).count();
    out.int(found as i64);
    Ok(())
}

/// TOUCH marks a use even for clients that asked for CLIENT NO-TOUCH.
pub(super) fn touch(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let found = argv[1..].iter().filter(|key| cx.look_up(key, cx.server.touch_read(false)).is_some()).count();
    out.int(found as i64);
    Ok(())
}

pub(super) fn type_of(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    out.simple(cx.find_untouched(argv[1]).map_or("none", |entry| entry.kind().name()));
    Ok(())
}
