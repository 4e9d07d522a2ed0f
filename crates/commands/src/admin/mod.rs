//! Commands about the server: configuration, statistics, logs, debugging.
//!
//! `info`: INFO. `slowlog`, `latency`, `memory`, `hot_keys`: what the server measures.
//! `misc`: TIME, ROLE, MONITOR, SHUTDOWN and other single ones. `acl`: the one user. `debug`: DEBUG.

mod acl;
mod debug;
mod help;
mod hot_keys;
mod info;
mod latency;
mod lolwut;
mod memory;
mod misc;
mod slowlog;

pub(crate) use info::reset_locks;
use resp::writer::Writer;

use crate::cx::{Cx, Handler};
use crate::error::Result;
use crate::row::{Plan, acl as category, flag::*, key};
use crate::table::CommandRow as Row;

/// A command, or a subcommand, that needs no keys and no gate.
const fn row(name: &'static str, arity: i16, flags: u64, run: Handler) -> Row {
    Row::new(name, arity, flags, 0, &[], run).plan(Plan::Registry)
}

/// A HELP subcommand.
const fn help_row(run: Handler) -> Row {
    Row::new("help", 2, LOADING | STALE, 0, &[], run).plan(Plan::Connection)
}

const LEAD: u64 = ADMIN | NOSCRIPT | LOADING | STALE;

pub(crate) const ROWS: &[Row] = &[
    Row::container("acl", -2, SENTINEL, 0, acl::ROWS),
    Row::container("commandlog", -2, 0, 0, COMMANDLOG),
    Row::new("debug", -2, LEAD | PROTECTED, 0, &[], debug::debug),
    Row::container("hotkeys", -2, 0, 0, HOTKEYS),
    Row::new("info", -1, LOADING | STALE | SENTINEL, category::DANGEROUS, &[], info::info)
        .plan(Plan::Registry),
    Row::container("latency", -2, 0, 0, LATENCY),
    Row::new("lolwut", -1, READONLY | FAST, 0, &[], lolwut::lolwut).plan(Plan::Connection),
    Row::container("memory", -2, 0, 0, MEMORY),
    Row::container("module", -2, 0, 0, MODULE),
    row("monitor", 1, LEAD, misc::monitor),
    Row::new(
        "role",
        1,
        NOSCRIPT | LOADING | STALE | FAST | SENTINEL,
        category::ADMIN | category::DANGEROUS,
        &[],
        misc::role,
    )
    .plan(Plan::Connection),
    row("shutdown", -1, LEAD | NO_MULTI | ALLOW_BUSY | SENTINEL, misc::shutdown),
    Row::container("slowlog", -2, 0, 0, SLOWLOG),
    Row::new("time", 1, LOADING | STALE | FAST, 0, &[], misc::time).plan(Plan::Connection),
];

const COMMANDLOG: &[Row] = &[
    row("get", 4, ADMIN | LOADING | STALE, slowlog::get),
    help_row(|_, _, out| show(help::COMMANDLOG, out)),
    row("len", 3, ADMIN | LOADING | STALE, slowlog::len),
    row("reset", 3, ADMIN | LOADING | STALE, slowlog::reset),
];

const HOTKEYS: &[Row] = &[
    row("get", 2, ADMIN | NOSCRIPT, hot_keys::get),
    help_row(|_, _, out| show(help::HOTKEYS, out)),
    row("reset", 2, ADMIN | NOSCRIPT, hot_keys::reset),
    row("start", -2, ADMIN | NOSCRIPT, hot_keys::start),
    row("stop", 2, ADMIN | NOSCRIPT, hot_keys::stop),
];

const LATENCY: &[Row] = &[
    row("doctor", 2, LEAD, latency::doctor),
    row("graph", 3, LEAD, latency::graph),
    help_row(|_, _, out| show(help::LATENCY, out)),
    row("histogram", -2, LEAD, latency::histogram),
    row("history", 3, LEAD, latency::history),
    row("latest", 2, LEAD, latency::latest),
    row("reset", -2, LEAD, latency::reset),
];

const MEMORY: &[Row] = &[
    row("doctor", 2, 0, memory::doctor),
    help_row(|_, _, out| show(help::MEMORY, out)),
    row("malloc-stats", 2, LOADING_IN_VALKEY, memory::malloc_stats),
    row("purge", 2, LOADING_IN_VALKEY, memory::purge),
    row("stats", 2, 0, memory::stats),
    Row::new("usage", -3, READONLY, 0, &[key::one(2, key::RO)], memory::usage),
];

const MODULE: &[Row] = &[
    help_row(|_, _, out| show(help::MODULE, out)),
    row("list", 2, ADMIN | NOSCRIPT, misc::module_list),
    row("load", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, misc::module_load),
    row("loadex", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, misc::module_load),
    row("unload", 3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, misc::module_unload),
];

const SLOWLOG: &[Row] = &[
    row("get", -2, ADMIN | LOADING | STALE, slowlog::slow_get),
    help_row(|_, _, out| show(help::SLOWLOG, out)),
    row("len", 2, ADMIN | LOADING | STALE, slowlog::slow_len),
    row("reset", 2, ADMIN | LOADING | STALE, slowlog::slow_reset),
];

/// Replies the lines of a HELP subcommand.
fn show(lines: &[&str], out: &mut Writer) -> Result {
    crate::reply_help(lines, out);
    Ok(())
}

/// Index of `local` among the words of the `enable-...` directives.
const LOCAL: usize = 2;

/// Whether a directive of the kind no, yes, local lets this client in.
fn is_enabled(cx: &Cx<'_>, directive: config::Directive) -> bool {
    match cx.server.config.choice(directive) {
        0 => false,
        LOCAL => cx.session.is_local,
        _ => true,
    }
}

/// Whether a command of the protected kind may run; the error names the directive that would allow it.
fn refuse_protected(cx: &Cx<'_>, what: &str, directive: config::Directive) -> Result {
    if is_enabled(cx, directive) {
        return Ok(());
    }
    Err(crate::error::CommandError::new(format!(
        "ERR {what} command not allowed. If the {} option is set to \"local\", you can run it from a local connection, \
         otherwise you need to set this option in the configuration file, and then restart the server.",
        directive.row().name
    )))
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_agree_with_the_recorded_table() {
        let rows: Vec<_> = super::ROWS.iter().collect();
        crate::recorded::check(&rows, &["acl"]);
    }
}
