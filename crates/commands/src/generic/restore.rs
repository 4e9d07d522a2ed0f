//! DUMP and RESTORE: a value as a payload that other servers understand.

use config::{Directive, Events};
use resp::writer::Writer;

use crate::args::{Args, int};
use crate::bridge;
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::lru;
use crate::server::LogLevel;

/// The dialect of payloads, and whether their strings are compressed.
pub(super) fn format(cx: &Cx<'_>) -> (rdb::Dialect, bool) {
    (cx.server.persistence.dialect(), cx.server.config.flag(Directive::Rdbcompression))
}

pub(super) fn dump(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (dialect, compress) = format(cx);
    match cx.find(argv[1]) {
        Some(entry) => out.bulk(&bridge::dump(entry, compress, dialect)),
        None => out.null(),
    }
    Ok(())
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_s: Option<u64>,
    frequency: Option<u8>,
}

fn parse(argv: &[&[u8]]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = Args::new(argv, 4);
    while !args.is_empty() {
        if args.take("REPLACE") {
            options.replace = true;
        } else if args.take("ABSTTL") {
            options.absolute = true;
        } else if options.frequency.is_none() && args.take_with("IDLETIME", 1) {
            let invalid = CommandError::fixed("ERR Invalid IDLETIME value, must be >= 0");
            options.idle_s = Some(u64::try_from(args.int()?).map_err(|_| invalid)?);
        } else if options.idle_s.is_none() && args.take_with("FREQ", 1) {
            let invalid = CommandError::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255");
            options.frequency = Some(u8::try_from(args.int()?).map_err(|_| invalid)?);
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(options)
}

/// RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ counter]
pub(super) fn restore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let options = parse(argv)?;
    if !options.replace && cx.find_mut(key).is_some() {
        return Err(CommandError::fixed("BUSYKEY Target key name already exists."));
    }
    let ttl = u64::try_from(int(argv[2])?)
        .map_err(|_| CommandError::fixed("ERR Invalid TTL value, must be >= 0"))?;
    let value = rdb::restore(argv[3], cx.server.persistence.trust(&cx.server.config))
        .map_err(|error| refused(cx, error))?;
    let expire_ms = match ttl {
        0 => None,
        at if options.absolute => Some(at),
        ttl => Some(ttl.saturating_add(cx.now_ms).min(i64::MAX as u64)),
    };
    let entry = bridge::entry_of(key, value, expire_ms, bits(cx, &options), &cx.server.config)
        .map_err(|_| CommandError::fixed("ERR Bad data format"))?;
    let lazy = cx.server.config.flag(Directive::LazyfreeLazyServerDel);
    let replaced = cx.delete(key, lazy);
    if expire_ms.is_some_and(|at| at <= cx.now_ms) && cx.may_delete_past() {
        if replaced {
            cx.notify(Events::GENERIC, "del", key);
            let word: &[u8] = if lazy { b"UNLINK" } else { b"DEL" };
            cx.propagate(&[word, key]);
        }
    } else {
        cx.insert(entry);
        if !replaced {
            cx.changed(key);
        }
        cx.notify(Events::GENERIC, "restore", key);
        if let Some(at) = expire_ms.filter(|_| !options.absolute) {
            let at = at.to_string();
            let mut words = vec![&b"RESTORE"[..], key, at.as_bytes(), argv[3]];
            words.extend(&argv[4..]);
            words.push(b"ABSTTL");
            cx.propagate(&words);
        }
    }
    out.ok();
    Ok(())
}

/// The reply for a payload that is refused; what is wrong with its value stands in the log.
fn refused(cx: &Cx<'_>, error: rdb::DumpError) -> CommandError {
    match error {
        rdb::DumpError::VersionOrChecksum => {
            CommandError::fixed("ERR DUMP payload version or checksum are wrong")
        }
        rdb::DumpError::BadData(error) => {
            cx.server.log(LogLevel::Warning, &format!("RESTORE refused a payload: {error}"));
            CommandError::fixed("ERR Bad data format")
        }
    }
}

/// The entry's 24 bits, as far as the options fit the policy that is in force.
fn bits(cx: &Cx<'_>, options: &Options) -> u32 {
    match (options.idle_s, options.frequency) {
        (_, Some(counter)) if cx.server.counts_frequency() => lru::with_frequency(counter, cx.now_ms),
        (Some(idle_s), _) if !cx.server.counts_frequency() => lru::from_idle(idle_s, cx.now_ms),
        _ => cx.server.fresh_lru(cx.now_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_and_frequency_exclude_each_other() {
        for (text, valid) in [
            ("REPLACE absttl", true),
            ("IDLETIME 1 IDLETIME 2", true),
            ("IDLETIME 1 FREQ 1", false),
            ("FREQ 255", true),
            ("FREQ 256", false),
            ("IDLETIME -1", false),
            ("FREQ", false),
        ] {
            let argv: Vec<&[u8]> =
                "RESTORE k 0 p".split(' ').chain(text.split(' ')).map(str::as_bytes).collect();
            assert_eq!(parse(&argv).is_ok(), valid, "{text}");
        }
    }
}
