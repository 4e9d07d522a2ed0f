//! Keys that get another name or another database: RENAME, RENAMENX, COPY, MOVE.

use config::{Directive, Events};
use ds::entry::Kind;
use resp::writer::Writer;

use crate::args::{Args, database};
use crate::cx::Cx;
use crate::error::{NO_SUCH_KEY, Result, SAME_OBJECT, SYNTAX};

pub(super) fn rename(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    rename_key(cx, argv[1], argv[2], true)?;
    out.ok();
    Ok(())
}

pub(super) fn renamenx(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let renamed = rename_key(cx, argv[1], argv[2], false)?;
    out.int(i64::from(renamed));
    Ok(())
}

/// Answers whether the key has another name now.
fn rename_key(cx: &mut Cx<'_>, from: &[u8], to: &[u8], replace: bool) -> Result<bool> {
    if cx.find_mut(from).is_none() {
        return Err(NO_SUCH_KEY);
    }
    if from == to || (!replace && cx.find_mut(to).is_some()) {
        return Ok(false);
    }
    let old = make_room(cx, to);
    let Some(entry) = cx.remove(from) else { return Err(NO_SUCH_KEY) };
    let kind = entry.view().kind();
    cx.insert(entry.rename(to));
    let hash = cx.hash(from);
    cx.note_touched(from, hash);
    cx.changed(to);
    cx.notify(Events::GENERIC, "rename_from", from);
    cx.notify(Events::GENERIC, "rename_to", to);
    cx.note_overwritten(to, old, kind);
    Ok(true)
}

/// Takes away what stands where a key is to go; answers what kind of value that was.
fn make_room(cx: &mut Cx<'_>, key: &[u8]) -> Option<Kind> {
    let old = cx.remove(key)?;
    let kind = old.view().kind();
    cx.server.discard(old, cx.server.config.flag(Directive::LazyfreeLazyServerDel));
    Some(kind)
}

/// COPY source destination [DB n] [REPLACE]
pub(super) fn copy(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (from, to) = (argv[1], argv[2]);
    let (mut db, mut replace) = (cx.db, false);
    let mut args = Args::new(argv, 3);
    while !args.is_empty() {
        if args.take("REPLACE") {
            replace = true;
        } else if args.take_with("DB", 1) {
            db = database(args.arg()?, cx.server.keyspace.databases())?;
        } else {
            return Err(SYNTAX);
        }
    }
    if db == cx.db && from == to {
        return Err(SAME_OBJECT);
    }
    let Some(entry) = cx.find(from).map(|entry| entry.duplicate(to, entry.expire_ms())) else {
        out.int(0);
        return Ok(());
    };
    let copied = cx.with_db(db, |cx| {
        if !replace && cx.find_mut(to).is_some() {
            return false;
        }
        let (old, kind) = (make_room(cx, to), entry.view().kind());
        cx.insert(entry);
        cx.changed(to);
        cx.notify(Events::GENERIC, "copy_to", to);
        cx.note_overwritten(to, old, kind);
        true
    });
    out.int(i64::from(copied));
    Ok(())
}

pub(super) fn move_key(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let (from, to) = (cx.db, database(argv[2], cx.server.keyspace.databases())?);
    if from == to {
        return Err(SAME_OBJECT);
    }
    let moves = cx.find_mut(key).is_some() && cx.with_db(to, |cx| cx.find_mut(key).is_none());
    if moves && let Some(entry) = cx.remove(key) {
        cx.with_db(to, |cx| {
            cx.insert(entry);
            let hash = cx.hash(key);
            cx.note_touched(key, hash);
        });
        cx.changed(key);
        cx.notify(Events::GENERIC, "move_from", key);
        cx.with_db(to, |cx| cx.notify(Events::GENERIC, "move_to", key));
    }
    out.int(i64::from(moves));
    Ok(())
}
