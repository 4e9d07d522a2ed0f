//! The command table and every handler. Sync, no sockets, no clock.
//!
//! `row` says what a command is, `keys` finds its keys. `docs` has the prose, `introspect` renders COMMAND.
#![forbid(unsafe_code)]

pub mod docs;
pub mod introspect;
pub mod keys;
#[cfg(test)]
pub(crate) mod recorded;
pub mod row;
