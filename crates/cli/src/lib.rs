//! The command line client. Two faces: the classic one, byte for byte that of redis-cli and valkey-cli,
//! for scripts, probes and operators; and an interactive one on terminals.
//!
//! Map: `flags` (one table) fills `options`; `connection` and `tls` are the wire; `session` runs commands;
//! `format` writes classic replies; `repl` and `oneshot` are the classic dialogue, `interactive` the rich
//! one; `modes` are `--scan` and its kin, `cluster` the cluster manager, `tools` our own subcommands.
#![forbid(unsafe_code)]

pub mod cluster;
pub mod connection;
pub mod docs;
pub mod emit;
pub mod face;
pub mod flags;
pub mod format;
pub mod hints;
pub mod interactive;
pub mod modes;
pub mod number;
pub mod oneshot;
pub mod options;
pub mod pubsub;
pub mod quote;
pub mod repl;
pub mod session;
pub mod start;
pub mod tls;
pub mod tools;
pub mod uri;
