//! DEBUG SLEEP, LOG, POPULATE and others that act on the server as a whole.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ds::entry::Value;
use resp::writer::Writer;

use crate::args::int;
use crate::cx::Cx;
use crate::error::{CommandError, MUST_BE_POSITIVE, OUT_OF_RANGE, Result};
use crate::server::LogLevel;

/// Longest sleep.
const MOST_SECONDS: f64 = 86_400.0;
/// Longest value that POPULATE makes.
const MOST_VALUE_BYTES: i64 = 512 << 20;

/// The whole server sleeps: this command runs behind the gate.
pub(super) fn sleep(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let seconds = std::str::from_utf8(argv[2]).ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    if seconds > 0.0 {
        std::thread::sleep(Duration::from_secs_f64(seconds.min(MOST_SECONDS)));
    }
    out.ok();
    Ok(())
}

pub(super) fn log(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let text = String::from_utf8_lossy(argv[2]);
    cx.server.log(LogLevel::Warning, &format!("DEBUG LOG: {text}"));
    out.ok();
    Ok(())
}

/// REPLICATE word [word ...]: replicas get this as a command, whatever it does to them.
pub(super) fn replicate(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    cx.propagate(&argv[2..]);
    out.ok();
    Ok(())
}

pub(super) fn set_active_expire(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let on = ds::num::parse_i64(argv[2]).unwrap_or(0) != 0;
    cx.server.active_expire.store(on, Relaxed);
    out.ok();
    Ok(())
}

pub(super) fn set_skip_checksum_validation(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let on = ds::num::parse_i64(argv[2]).unwrap_or(0) != 0;
    cx.server.persistence.any_checksum.store(on, Relaxed);
    out.ok();
    Ok(())
}

pub(super) fn pause_cron(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let paused = ds::num::parse_i64(argv[2]).unwrap_or(0) != 0;
    cx.server.cron_paused.store(paused, Relaxed);
    out.ok();
    Ok(())
}

pub(super) fn config_rewrite_force_all(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    crate::configure::rewrite_file(cx, config::Extent::All)?;
    out.ok();
    Ok(())
}

pub(super) fn change_repl_id(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    cx.server.log(LogLevel::Notice, "Changing replication IDs after receiving change-repl-id");
    let mut history = cx.server.replication.history();
    history.id = crate::replication::random_id();
    history.second_id = "0".repeat(40);
    history.second_offset = -1;
    drop(history);
    out.ok();
    Ok(())
}

/// RELOAD [NOSAVE] [NOFLUSH] [MERGE]: what is in memory goes to the file and comes back from it. With NOFLUSH what is in
/// memory stays, and keys of the file take the place of theirs: MERGE asks for nothing more.
pub(super) fn reload(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (mut save, mut flush) = (true, true);
    for word in &argv[2..] {
        match &word.to_ascii_lowercase()[..] {
            b"nosave" => save = false,
            b"noflush" => flush = false,
            b"merge" => {}
            _ => {
                return Err(CommandError::fixed(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    if save {
        if !cx.server.persistence.begin() {
            return Err(CommandError::fixed("ERR Background save already in progress"));
        }
        let saved = cx.server.shell().save_alone(&mut cx.access);
        cx.server.persistence.end_in_foreground(saved.is_ok());
        saved.map_err(|reason| CommandError::new(format!("ERR {reason}")))?;
    }
    let loaded = cx.server.shell().load_alone(&mut cx.access, flush);
    loaded.map_err(|_| CommandError::fixed("ERR Error trying to load the RDB dump, check server logs."))?;
    cx.server.log(LogLevel::Warning, "DB reloaded by DEBUG RELOAD");
    out.ok();
    Ok(())
}

/// Ends the process as a bug would.
pub(super) fn panic(_: &mut Cx<'_>, _: &[&[u8]], _: &mut Writer) -> Result {
    panic!("DEBUG PANIC called");
}

/// Ends the process as a broken invariant would.
pub(super) fn assert(cx: &mut Cx<'_>, _: &[&[u8]], _: &mut Writer) -> Result {
    assert!(cx.server.workers.is_empty(), "assertion of DEBUG ASSERT");
    Ok(())
}

/// Ends the process as an access to memory that is not there would.
pub(super) fn segfault(_: &mut Cx<'_>, _: &[&[u8]], _: &mut Writer) -> Result {
    sys::crash::segfault();
    Ok(())
}

/// POPULATE count [prefix] [size]: keys that are there already stay as they are. Replicas do not learn of it.
pub(super) fn populate(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let count = int(argv[2]).ok().filter(|count| *count >= 0).ok_or(MUST_BE_POSITIVE)?;
    let prefix = argv.get(3).copied().unwrap_or(b"key");
    let size = argv.get(4).map(|size| int(size)).transpose()?.unwrap_or(0);
    if !(0..=MOST_VALUE_BYTES).contains(&size) {
        return Err(OUT_OF_RANGE);
    }
    for number in 0..count {
        let key = [prefix, b":", number.to_string().as_bytes()].concat();
        if cx.peek(&key).is_some() {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size as usize, 0);
        }
        cx.put(&key, Value::Bytes(&value), None);
        let hash = ds::hash::of(&key);
        cx.note_touched(&key, hash);
    }
    cx.propagate_nothing();
    out.ok();
    Ok(())
}
