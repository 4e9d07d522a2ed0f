//! The command table and every handler; no sockets, no clock of their own.
//!
//! - [`row`], [`keys`]: what is known of a command, and where its keys are. [`table`]: all rows. [`docs`] has the
//!   prose, [`introspect`] renders COMMAND.
//! - [`cx`]: what a handler works with. [`server`]: what all connections share. [`session`], [`client`]: a connection.
//! - One folder for each family of commands; a file holds a concept, its rows and its handlers.

#![forbid(unsafe_code)]

pub mod args;
pub mod block;
pub mod channels;
pub mod client;
pub mod cx;
pub mod docs;
pub mod effects;
pub mod error;
pub mod errorstats;
pub mod introspect;
pub mod keys;
pub mod lru;
pub mod persistence;
#[cfg(test)]
pub(crate) mod recorded;
pub mod replication;
pub mod row;
pub mod server;
pub mod session;
pub mod slowlog;
pub mod stats;
pub mod table;
pub mod transactions;

mod connection;
mod list;
mod pubsub;
mod string;

/// The reply of a HELP subcommand: its lines as simple strings.
pub(crate) fn reply_help(lines: &[&str], out: &mut resp::writer::Writer) {
    out.array(lines.len());
    lines.iter().for_each(|line| out.simple(line));
}
