//! Commands about the connection itself.
//!
//! `basic`: PING, ECHO, SELECT. `auth`: who the client is. `identity`, `control`: CLIENT's settings.
//! `list`, `filter`: CLIENT LIST and KILL.

mod auth;
mod basic;
mod control;
mod filter;
mod help;
mod identity;
mod list;

pub use list::{REDACTED, log_line};

use crate::row::{Plan, acl, flag::*};
use crate::table::CommandRow as Row;

const ASK: u64 = NOSCRIPT | LOADING | STALE;
const OPEN: u64 = ASK | FAST | NO_AUTH | ALLOW_BUSY;

pub(crate) const ROWS: &[Row] = &[
    Row::new("auth", -2, OPEN | SENTINEL, acl::CONNECTION, &[], auth::auth).plan(Plan::Connection),
    Row::container("client", -2, SENTINEL, 0, CLIENT),
    Row::new("echo", 2, LOADING | STALE | FAST, acl::CONNECTION, &[], basic::echo).plan(Plan::Connection),
    Row::new("hello", -1, OPEN | SENTINEL, acl::CONNECTION, &[], auth::hello).plan(Plan::Connection),
    Row::new("ping", -1, FAST | SENTINEL, acl::CONNECTION, &[], basic::ping).plan(Plan::Connection),
    Row::new("quit", -1, OPEN, acl::CONNECTION, &[], auth::quit).plan(Plan::Connection),
    Row::new("readonly", 1, LOADING | STALE | FAST, acl::CONNECTION, &[], control::readonly)
        .plan(Plan::Registry),
    Row::new("readwrite", 1, LOADING | STALE | FAST, acl::CONNECTION, &[], control::readwrite)
        .plan(Plan::Registry),
    Row::new("reset", 1, OPEN, acl::CONNECTION, &[], auth::reset).plan(Plan::Registry),
    Row::new("select", 2, LOADING | STALE | FAST | ALLOW_BUSY_IN_VALKEY, acl::CONNECTION, &[], basic::select)
        .plan(Plan::Connection),
];

/// A subcommand of CLIENT.
const fn sub(name: &'static str, arity: i16, flags: u64, run: crate::cx::Handler) -> Row {
    Row::new(name, arity, flags, acl::CONNECTION, &[], run).plan(Plan::Registry)
}

const CLIENT: &[Row] = &[
    sub("caching", 3, ASK | SENTINEL | ALLOW_BUSY_IN_VALKEY, control::caching),
    sub("capa", -3, ASK | ALLOW_BUSY, identity::capa),
    sub("getname", 2, ASK | SENTINEL | ALLOW_BUSY_IN_VALKEY, identity::getname),
    sub("getredir", 2, ASK | SENTINEL | ALLOW_BUSY_IN_VALKEY, control::getredir),
    sub("help", 2, LOADING | STALE | SENTINEL, client_help),
    sub("id", 2, ASK | SENTINEL | ALLOW_BUSY_IN_VALKEY, identity::id),
    sub("import-source", 3, ASK, identity::import_source),
    sub("info", 2, ASK | SENTINEL, list::info),
    sub("kill", -3, ADMIN | ASK | SENTINEL, filter::kill),
    sub("list", -2, ADMIN | ASK | SENTINEL, list::list),
    sub("no-evict", 3, ADMIN | ASK | SENTINEL | ALLOW_BUSY_IN_VALKEY, control::no_evict),
    sub("no-touch", 3, ASK | ALLOW_BUSY_IN_VALKEY, control::no_touch),
    sub("pause", -3, ADMIN | ASK | SENTINEL, control::pause),
    sub("reply", 3, ASK | SENTINEL | NO_MULTI_IN_VALKEY | ALLOW_BUSY_IN_VALKEY, control::reply),
    sub("setinfo", 4, ASK | SENTINEL | ALLOW_BUSY_IN_VALKEY, identity::setinfo),
    sub("setname", 3, ASK | SENTINEL | ALLOW_BUSY_IN_VALKEY, identity::setname),
    sub("tracking", -3, ASK | SENTINEL, control::tracking),
    sub("trackinginfo", 2, ASK | SENTINEL, control::trackinginfo),
    sub("unblock", -3, ADMIN | ASK | SENTINEL, control::unblock),
    sub("unpause", 2, ADMIN | ASK | SENTINEL, control::unpause),
];

fn client_help(
    _: &mut crate::cx::Cx<'_>,
    _: &[&[u8]],
    out: &mut resp::writer::Writer,
) -> crate::error::Result {
    crate::reply_help(help::CLIENT, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_agree_with_the_recorded_table() {
        let rows: Vec<_> = super::ROWS.iter().collect();
        crate::recorded::check(&rows, &[]);
    }
}
