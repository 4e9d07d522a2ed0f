//! SAVE, BGSAVE, LASTSAVE.

use std::sync::atomic::Ordering::Relaxed;

use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::persistence::SaveEnd;
use crate::row::{Plan, acl, flag::*};
use crate::server::LogLevel;
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new("bgsave", -1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING, 0, &[], bgsave),
    Row::new("lastsave", 1, LOADING | STALE | FAST, acl::ADMIN | acl::DANGEROUS, &[], lastsave)
        .plan(Plan::Registry),
    Row::new("save", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, 0, &[], save),
];

const IN_PROGRESS: CommandError = CommandError::fixed("ERR Background save already in progress");

fn save(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    if !cx.server.persistence.begin() {
        return Err(IN_PROGRESS);
    }
    let result = cx.server.shell().save_alone(&mut cx.access);
    cx.server.persistence.end_in_foreground(result.is_ok());
    if result.is_err() {
        return Err(CommandError::fixed("ERR"));
    }
    out.ok();
    Ok(())
}

fn bgsave(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let is = |word: &str| argv.len() == 2 && argv[1].eq_ignore_ascii_case(word.as_bytes());
    let (schedule, cancel) = (is("SCHEDULE"), is("CANCEL"));
    if argv.len() > 1 && !schedule && !cancel {
        return Err(SYNTAX);
    }
    let persistence = &cx.server.persistence;
    if cancel {
        if persistence.scheduled.swap(false, Relaxed) {
            out.simple("Scheduled background saving cancelled");
        } else if persistence.cancel() {
            cx.server.log(LogLevel::Notice, "Background saving will be aborted due to user request");
            out.simple("Background saving cancelled");
        } else {
            return Err(CommandError::fixed(
                "ERR Background saving is currently not in progress or scheduled",
            ));
        }
        return Ok(());
    }
    if persistence.is_busy() {
        // A full sync's snapshot ends by itself; a save can follow it.
        if persistence.saving.load(Relaxed) || !schedule {
            return Err(IN_PROGRESS);
        }
        persistence.scheduled.store(true, Relaxed);
        out.simple("Background saving scheduled");
        return Ok(());
    }
    if !persistence.begin() {
        return Err(IN_PROGRESS);
    }
    if let Err(text) = cx.server.shell().begin_save(&mut cx.access) {
        cx.server.persistence.end(SaveEnd::Failed);
        return Err(CommandError::new(format!("ERR {text}")));
    }
    out.simple("Background saving started");
    Ok(())
}

fn lastsave(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    out.int(cx.server.persistence.last_save_s.load(Relaxed) as i64);
    Ok(())
}
