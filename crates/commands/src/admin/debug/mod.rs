//! DEBUG: looks behind the scenes, and does what no one should. Refused unless `enable-debug-command` allows it.
//!
//! One row for each subcommand. It runs alone, so everything may be looked at.

mod digest;
mod look;
mod protocol;
mod server;

use resp::writer::Writer;

use crate::cx::{Cx, Handler};
use crate::error::{CommandError, Result, wrong_syntax};

/// A subcommand: its word, how many arguments follow it (at least, at most).
struct Sub {
    name: &'static str,
    args: (usize, usize),
    run: Handler,
}

const fn sub(name: &'static str, least: usize, most: usize, run: Handler) -> Sub {
    Sub { name, args: (least, most), run }
}

const ANY: usize = usize::MAX;

const SUBS: &[Sub] = &[
    sub("assert", 0, 0, server::assert),
    sub("change-repl-id", 0, 0, server::change_repl_id),
    sub("client-enforce-reply-list", 1, 1, granted),
    sub("config-rewrite-force-all", 0, 0, server::config_rewrite_force_all),
    sub("dict-resizing", 1, 1, granted),
    sub("digest", 0, 0, digest::digest),
    sub("digest-value", 0, ANY, digest::digest_value),
    sub("error", 1, 1, protocol::error),
    sub("force-free-primary-async", 1, 1, granted),
    sub("hashtable-can-abort-shrink", 1, 1, granted),
    sub("help", 0, 0, help),
    sub("htstats", 1, ANY, look::htstats),
    sub("htstats-key", 1, ANY, look::htstats_key),
    sub("jmap", 0, 0, look::jmap),
    sub("listpack", 1, 1, look::listpack),
    sub("log", 1, 1, server::log),
    sub("object", 1, 2, look::object),
    sub("panic", 0, 0, server::panic),
    sub("pause-cron", 1, 1, server::pause_cron),
    sub("populate", 1, 3, server::populate),
    sub("protocol", 1, 1, protocol::protocol),
    sub("quicklist-packed-threshold", 1, 1, packed_threshold),
    sub("reload", 0, ANY, server::reload),
    sub("replicate", 1, ANY, server::replicate),
    sub("replybuffer", 2, 2, replybuffer),
    sub("sdslen", 1, 1, look::sdslen),
    sub("segfault", 0, 0, server::segfault),
    sub("set-active-expire", 1, 1, server::set_active_expire),
    sub("set-disable-deny-scripts", 1, 1, granted),
    sub("set-skip-checksum-validation", 1, 1, server::set_skip_checksum_validation),
    sub("sleep", 1, 1, server::sleep),
    sub("stringmatch-len", 2, 2, look::stringmatch_len),
];

const HELP: &[&str] = &[
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ASSERT",
    "    Crash by assertion failed.",
    "CHANGE-REPL-ID",
    "    Change the replication IDs of the instance.",
    "    Dangerous: should be used only for testing the replication subsystem.",
    "CLIENT-ENFORCE-REPLY-LIST <0|1>",
    "    Accepted: replies are always lists of chunks.",
    "CONFIG-REWRITE-FORCE-ALL",
    "    Like CONFIG REWRITE but writes all configuration options, including",
    "    keywords not listed in original configuration file or default values.",
    "DICT-RESIZING <0|1>",
    "    Accepted: tables here grow in steps whatever it says.",
    "DIGEST",
    "    Output a hex signature representing the current DB content.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Output a hex signature of the values of all the specified keys.",
    "ERROR <string>",
    "    Return a RESP protocol error with <string> as message. Useful for clients",
    "    unit tests to simulate error replies.",
    "FORCE-FREE-PRIMARY-ASYNC <0|1>",
    "    Accepted: the link to a primary is always taken down by its own task.",
    "HTSTATS <dbid> [full]",
    "    Return hash table statistics of the specified database.",
    "HTSTATS-KEY <key> [full]",
    "    Like HTSTATS but for the hash table stored at <key>'s value.",
    "JMAP",
    "    Return the allocator's figures.",
    "LISTPACK <key>",
    "    Show low level info about the listpack encoding of <key>.",
    "LOG <message>",
    "    Write <message> to the server log.",
    "OBJECT <key> [fast]",
    "    Show low level info about `key` and associated value.",
    "PANIC",
    "    Crash the server simulating a panic.",
    "PAUSE-CRON <0|1>",
    "    Stop periodic cron job processing.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create <count> string keys named key:<num>. If <prefix> is specified then",
    "    it is used instead of the 'key' prefix. These are not propagated to",
    "    replicas.",
    "PROTOCOL <type>",
    "    Reply with a test value of the specified type. <type> can be: string,",
    "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
    "    true, false.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Accepted: chunks of lists hold elements of any size.",
    "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
    "    Save the RDB on disk and reload it back to memory. NOFLUSH keeps what is in",
    "    memory; keys of the file replace those of the same name.",
    "REPLICATE <string>",
    "    Replicates the provided string to replicas, allowing data divergence.",
    "REPLYBUFFER (PEAK-RESET-TIME <NEVER|RESET|time> | RESIZING <0|1>)",
    "    Accepted: reply buffers are given back when their connection rests.",
    "SDSLEN <key>",
    "    Show low level string info representing `key` and value.",
    "SEGFAULT",
    "    Crash the server with a segmentation fault.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 disables expiring keys in background when they are not",
    "    accessed (otherwise the behavior). Setting it to 1 reenables back the",
    "    default.",
    "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
    "    Setting it to 1 lets files and payloads pass whose checksum does not fit.",
    "SLEEP <seconds>",
    "    Stop the server for <seconds>. Decimals allowed.",
    "STRINGMATCH-LEN <length> <pattern>",
    "    Match <pattern> against a string of <length> times the letter a.",
    "HELP",
    "    Print this help.",
];

pub(super) fn debug(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    super::refuse_protected(cx, "DEBUG", config::Directive::EnableDebugCommand)?;
    let given = argv.len() - 2;
    let sub = SUBS.iter().find(|sub| {
        argv[1].eq_ignore_ascii_case(sub.name.as_bytes()) && sub.args.0 <= given && given <= sub.args.1
    });
    match sub {
        Some(sub) => (sub.run)(cx, argv, out),
        None => Err(wrong_syntax("debug", argv[1])),
    }
}

fn help(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    super::show(HELP, out)
}

/// Turns something that has no counterpart here: the structures differ, the behaviour that clients see does not.
fn granted(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    out.ok();
    Ok(())
}

fn packed_threshold(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let bytes = config::memory(argv[2]).filter(|bytes| *bytes < u64::from(u32::MAX));
    bytes.ok_or(CommandError::fixed(
        "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
    ))?;
    granted(cx, argv, out)
}

fn replybuffer(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let known = [&b"peak-reset-time"[..], b"resizing"];
    if !known.iter().any(|word| argv[2].eq_ignore_ascii_case(word)) {
        return Err(wrong_syntax("debug", argv[1]));
    }
    granted(cx, argv, out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_subcommand_is_in_the_help_and_only_once() {
        for (at, sub) in super::SUBS.iter().enumerate() {
            assert!(super::SUBS[..at].iter().all(|other| other.name != sub.name));
            let helped = super::HELP.iter().any(|line| line.to_lowercase().starts_with(sub.name));
            assert!(
                helped || sub.name == "set-disable-deny-scripts" || sub.name.starts_with("hashtable-"),
                "{}",
                sub.name
            );
        }
    }
}
