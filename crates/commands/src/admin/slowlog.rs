//! SLOWLOG and COMMANDLOG: commands that took long, or whose request or reply was large.

use resp::writer::Writer;

use crate::args::int_or;
use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::server::Server;
use crate::slowlog::SlowLog;

/// Entries that SLOWLOG GET shows if not told otherwise.
const DEFAULT_COUNT: usize = 10;
const BAD_COUNT: CommandError = CommandError::fixed("ERR count should be greater than or equal to -1");
const BAD_TYPE: CommandError =
    CommandError::fixed("ERR type should be one of the following: slow, large-request, large-reply");

fn count(arg: &[u8]) -> Result<usize> {
    match int_or(arg, BAD_COUNT)? {
        -1 => Ok(usize::MAX),
        count => usize::try_from(count).map_err(|_| BAD_COUNT),
    }
}

fn log_of<'a>(server: &'a Server, kind: &[u8]) -> Result<&'a SlowLog> {
    let is = |word: &str| kind.eq_ignore_ascii_case(word.as_bytes());
    match () {
        () if is("slow") => Ok(&server.slow_log),
        () if is("large-request") => Ok(&server.large_requests),
        () if is("large-reply") => Ok(&server.large_replies),
        () => Err(BAD_TYPE),
    }
}

fn show(log: &SlowLog, count: usize, out: &mut Writer) {
    let entries = log.newest(count);
    out.array(entries.len());
    for entry in entries {
        out.array(6);
        out.int(entry.id as i64);
        out.int(entry.at_s as i64);
        out.int(entry.usec as i64);
        out.array(entry.argv.len());
        entry.argv.iter().for_each(|arg| out.bulk(arg));
        out.bulk(entry.address.as_bytes());
        out.bulk(&entry.name);
    }
}

pub(super) fn slow_get(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let count = match argv {
        [_, _] => DEFAULT_COUNT,
        [_, _, given] => count(given)?,
        _ => return Err(crate::error::wrong_syntax("slowlog", argv[1])),
    };
    show(&cx.server.slow_log, count, out);
    Ok(())
}

pub(super) fn slow_len(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    out.int(cx.server.slow_log.len() as i64);
    Ok(())
}

pub(super) fn slow_reset(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    cx.server.slow_log.reset();
    out.ok();
    Ok(())
}

pub(super) fn get(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let count = count(argv[2])?;
    show(log_of(cx.server, argv[3])?, count, out);
    Ok(())
}

pub(super) fn len(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    out.int(log_of(cx.server, argv[2])?.len() as i64);
    Ok(())
}

pub(super) fn reset(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    log_of(cx.server, argv[2])?.reset();
    out.ok();
    Ok(())
}
