//! HOTKEYS: which keys take most of the server's time, or of the network's bytes.

use resp::writer::Writer;

use crate::args::{Args, int_or};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::hot_keys::Options;

/// Keys in a report if not told otherwise, and most of them.
const DEFAULT_COUNT: usize = 10;
const MOST_COUNT: i64 = 64;
/// Longest session, seconds.
const LONGEST_S: i64 = 1_000_000;
/// Slots of a cluster; where there is none, all are watched.
const LAST_SLOT: i64 = 16_383;

const NO_METRICS: CommandError = CommandError::fixed("ERR METRICS parameter is required");
const BAD_METRICS: CommandError = CommandError::fixed("ERR METRICS count must be > 0 and <= 2");
const FEW_METRICS: CommandError =
    CommandError::fixed("ERR METRICS count does not match number of metric types provided");
const UNKNOWN_METRICS: CommandError =
    CommandError::fixed("ERR METRICS no valid metrics passed. Supported: CPU|NET");
const CPU_TWICE: CommandError = CommandError::fixed("ERR METRICS CPU defined more than once!");
const NET_TWICE: CommandError = CommandError::fixed("ERR METRICS NET defined more than once!");
const BAD_COUNT: CommandError = CommandError::fixed("ERR COUNT must be between 1 and 64");
const BAD_DURATION: CommandError = CommandError::fixed("ERR DURATION must be between 1 and 1000000");
const BAD_SAMPLE: CommandError = CommandError::fixed("ERR SAMPLE ratio must be positive");
const NO_CLUSTER: CommandError =
    CommandError::fixed("ERR SLOTS parameter cannot be used in non-cluster mode");
const ACTIVE: CommandError = CommandError::fixed("ERR hotkey tracking session already in progress");
const STOP_FIRST: CommandError =
    CommandError::fixed("ERR hotkey tracking session in progress, stop tracking first");

/// A number in a range; `error` if it is none.
fn number(args: &mut Args<'_>, most: i64, error: CommandError) -> Result<i64> {
    let value = int_or(args.arg()?, error.clone())?;
    if (1..=most).contains(&value) { Ok(value) } else { Err(error) }
}

/// METRICS count [CPU] [NET] [COUNT k] [DURATION seconds] [SAMPLE ratio]
fn options(argv: &[&[u8]], now_ms: u64) -> Result<Options> {
    let mut args = Args::new(argv, 2);
    if !args.take_with("METRICS", 1) {
        return Err(NO_METRICS);
    }
    let metrics = number(&mut args, 2, BAD_METRICS)? as usize;
    let mut options =
        Options { by_time: false, by_bytes: false, count: DEFAULT_COUNT, ends_ms: None, sample: 1 };
    for name in args.slice(metrics).map_err(|_| FEW_METRICS)? {
        for (word, wanted, twice) in
            [("CPU", &mut options.by_time, CPU_TWICE), ("NET", &mut options.by_bytes, NET_TWICE)]
        {
            if name.eq_ignore_ascii_case(word.as_bytes()) && std::mem::replace(wanted, true) {
                return Err(twice);
            }
        }
    }
    if !options.by_time && !options.by_bytes {
        return Err(UNKNOWN_METRICS);
    }
    while !args.is_empty() {
        if args.take_with("COUNT", 1) {
            options.count = number(&mut args, MOST_COUNT, BAD_COUNT)? as usize;
        } else if args.take_with("DURATION", 1) {
            let seconds = number(&mut args, LONGEST_S, BAD_DURATION)?;
            options.ends_ms = Some(now_ms + seconds as u64 * 1000);
        } else if args.take_with("SAMPLE", 1) {
            options.sample = number(&mut args, i64::from(i32::MAX), BAD_SAMPLE)? as u64;
        } else if args.take_with("SLOTS", 1) {
            return Err(NO_CLUSTER);
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(options)
}

pub(super) fn start(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if cx.server.hot_keys.is_active_at(cx.now_ms) {
        return Err(ACTIVE);
    }
    if !cx.server.hot_keys.start(options(argv, cx.now_ms)?, cx.now_ms) {
        return Err(ACTIVE);
    }
    out.ok();
    Ok(())
}

pub(super) fn stop(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    match cx.server.hot_keys.stop(cx.now_ms) {
        true => out.ok(),
        false => out.null(),
    }
    Ok(())
}

pub(super) fn reset(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    if !cx.server.hot_keys.reset(cx.now_ms) {
        return Err(STOP_FIRST);
    }
    out.ok();
    Ok(())
}

pub(super) fn get(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let Some(report) = cx.server.hot_keys.report(cx.now_ms) else {
        out.null();
        return Ok(());
    };
    let Options { by_time, by_bytes, sample, .. } = report.options;
    out.array(1);
    out.map(7 + 3 * usize::from(by_time) + 2 * usize::from(by_bytes));
    let field = |name: &str, value: u64, out: &mut Writer| {
        out.bulk(name.as_bytes());
        out.int(value as i64);
    };
    field("tracking-active", report.active.into(), out);
    field("sample-ratio", sample, out);
    out.bulk(b"selected-slots");
    out.array(1);
    out.array(2);
    out.int(0);
    out.int(LAST_SLOT);
    field("all-commands-all-slots-us", report.all_us, out);
    field("net-bytes-all-commands-all-slots", report.all_bytes, out);
    field("collection-start-time-unix-ms", report.started_ms, out);
    field("collection-duration-ms", report.duration_ms, out);
    if by_time {
        field("total-cpu-time-user-ms", report.cpu_ms.0, out);
        field("total-cpu-time-sys-ms", report.cpu_ms.1, out);
    }
    if by_bytes {
        field("total-net-bytes", report.counted_bytes, out);
    }
    for (wanted, name, keys) in
        [(by_time, "by-cpu-time-us", &report.by_time), (by_bytes, "by-net-bytes", &report.by_bytes)]
    {
        if wanted {
            out.bulk(name.as_bytes());
            out.array(2 * keys.len());
            for (key, amount) in keys {
                out.bulk(key);
                out.int(*amount as i64);
            }
        }
    }
    Ok(())
}
