//! The command table and every handler; no sockets, no clock of their own.
//!
//! - [`row`], [`keys`]: what is known of a command, and where its keys are. [`table`]: all rows. [`docs`] has the
//!   prose, [`introspect`] renders COMMAND.
//! - [`cx`]: what a handler works with. [`server`]: what all connections share. [`session`], [`client`]: a connection.
//! - One folder for each family of commands; a file holds a concept, its rows and its handlers.

#![forbid(unsafe_code)]

pub mod args;
pub mod block;
pub mod bridge;
pub mod channels;
pub mod client;
pub mod cx;
pub mod docs;
mod draws;
pub mod effects;
mod element_scan;
pub mod error;
pub mod errorstats;
mod estimates;
pub mod eviction;
pub mod hot_keys;
pub mod introspect;
pub mod keys;
pub mod latency;
pub mod lru;
pub mod persistence;
#[cfg(test)]
pub(crate) mod recorded;
pub mod redact;
pub mod replicating;
pub mod replication;
pub mod row;
pub mod samples;
mod saving;
pub mod server;
pub mod session;
pub mod slowlog;
pub mod stats;
pub mod table;
pub mod thresholds;
pub mod transactions;

mod admin;
mod bitmap;
mod command;
mod configure;
pub mod connection;
pub mod generic;
mod geo;
pub mod hash;
mod hyperloglog;
mod list;
pub mod pubsub;
mod set;
mod sort;
mod stream;
mod string;
mod vector_set;
mod zset;

/// The reply of a HELP subcommand: its lines as simple strings.
pub(crate) fn reply_help(lines: &[&str], out: &mut resp::writer::Writer) {
    out.array(lines.len());
    lines.iter().for_each(|line| out.simple(line));
}

/// Ends what a connection has beyond itself: subscriptions, watches, MONITOR.
pub fn end_session(server: &server::Server, session: &mut session::Session) {
    pubsub::drop_all(server, session);
    transactions::unwatch_all(server, session);
    stop_monitoring(server, session);
}

/// Takes a connection off MONITOR.
pub(crate) fn stop_monitoring(server: &server::Server, session: &mut session::Session) {
    if std::mem::take(&mut session.monitor) {
        let mut monitors = server.monitors.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        monitors.retain(|client| client.id != session.client.id);
        server.monitor_count.store(monitors.len() as u64, std::sync::atomic::Ordering::Relaxed);
    }
}
