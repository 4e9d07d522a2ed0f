//! The command table and every handler. Sync, no sockets, no clock.
//!
//! `row` says what a command is, `keys` finds its keys.
#![forbid(unsafe_code)]

pub mod keys;
pub mod row;
