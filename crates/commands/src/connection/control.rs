//! CLIENT REPLY, NO-EVICT, NO-TOUCH, PAUSE, UNPAUSE, UNBLOCK, and what there is to say about tracking.

use std::sync::atomic::Ordering::Relaxed;

use config::Family;
use resp::writer::Writer;

use super::identity::on_or_off;
use crate::args::{int, int_or};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX, wrong_syntax};
use crate::session::ReplyMode;

pub(super) fn reply(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let is = |word: &str| argv[2].eq_ignore_ascii_case(word.as_bytes());
    if is("on") {
        cx.session.reply_mode = ReplyMode::On;
        out.ok();
    } else if is("off") {
        cx.session.reply_mode = ReplyMode::Off;
    } else if is("skip") {
        if cx.session.reply_mode != ReplyMode::Off {
            cx.session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(SYNTAX);
    }
    Ok(())
}

pub(super) fn no_evict(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    cx.session.client.details().no_evict = on_or_off(argv[2])?;
    out.ok();
    Ok(())
}

/// Only a mark, for CLIENT LIST: replicas here always answer reads, as a single server of Valkey does. Redis has the
/// command for clusters alone.
fn set_readonly(cx: &mut Cx<'_>, readonly: bool, out: &mut Writer) -> Result {
    if cx.family() == Family::Redis {
        return Err(CommandError::fixed("ERR This instance has cluster support disabled"));
    }
    cx.session.readonly = readonly;
    out.ok();
    Ok(())
}

pub(super) fn readonly(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    set_readonly(cx, true, out)
}

pub(super) fn readwrite(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    set_readonly(cx, false, out)
}

pub(super) fn no_touch(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    cx.session.no_touch = on_or_off(argv[2])?;
    out.ok();
    Ok(())
}

/// More arguments than a subcommand has: an error in Redis; Valkey then looks at none of the options.
fn surplus(cx: &Cx<'_>, argv: &[&[u8]]) -> Result<bool> {
    match cx.family() {
        Family::Redis => Err(wrong_syntax("client", argv[1])),
        Family::Valkey => Ok(false),
    }
}

/// A pause that is running is only ever made longer and stricter; UNPAUSE ends it.
pub(super) fn pause(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let writes_only = match argv {
        [_, _, _] => false,
        // As Valkey does it: too many arguments are none.
        [_, _, _, _, _, ..] => surplus(cx, argv)?,
        [_, _, _, mode] if mode.eq_ignore_ascii_case(b"write") => true,
        [_, _, _, mode] if mode.eq_ignore_ascii_case(b"all") => false,
        _ => return Err(CommandError::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let ms = int_or(argv[2], CommandError::fixed("ERR timeout is not an integer or out of range"))?;
    if ms < 0 {
        return Err(CommandError::fixed("ERR timeout is negative"));
    }
    let until = cx
        .now_ms
        .checked_add(ms as u64)
        .filter(|&until| i64::try_from(until).is_ok())
        .ok_or(CommandError::fixed("ERR timeout is out of range"))?;
    let running = cx.server.paused_until_ms.load(Relaxed);
    let stricter = running > cx.now_ms && !cx.server.pause_writes_only.load(Relaxed);
    cx.server.set_pause(until.max(running), writes_only && !stricter);
    out.ok();
    Ok(())
}

pub(super) fn unpause(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    cx.server.set_pause(0, false);
    out.ok();
    Ok(())
}

pub(super) fn unblock(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if argv.len() > 4 {
        surplus(cx, argv)?;
    }
    let how = match argv.get(3).filter(|_| argv.len() == 4) {
        None => 1,
        Some(word) if word.eq_ignore_ascii_case(b"timeout") => 1,
        Some(word) if word.eq_ignore_ascii_case(b"error") => 2,
        Some(_) => {
            return Err(CommandError::fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
    };
    let id = int(argv[2])?;
    let client = u64::try_from(id).ok().and_then(|id| cx.server.clients.get(id));
    match client.filter(|client| client.details().unblockable) {
        Some(client) => {
            client.unblock.store(how, Relaxed);
            client.wake();
            out.int(1);
        }
        None => out.int(0),
    }
    Ok(())
}

const NOT_TRACKING: CommandError = CommandError::fixed(
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
);

pub(super) fn caching(_: &mut Cx<'_>, _: &[&[u8]], _: &mut Writer) -> Result {
    Err(NOT_TRACKING)
}

pub(super) fn getredir(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    out.int(-1);
    Ok(())
}

/// Invalidation messages are not there yet: to turn them off is granted, to turn them on is not.
pub(super) fn tracking(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if on_or_off(argv[2])? {
        return Err(CommandError::fixed("ERR client side caching is not supported by this server yet"));
    }
    out.ok();
    Ok(())
}

pub(super) fn trackinginfo(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    out.map(3);
    out.bulk(b"flags");
    out.set(1);
    out.bulk(b"off");
    out.bulk(b"redirect");
    out.int(-1);
    out.bulk(b"prefixes");
    out.array(0);
    Ok(())
}
