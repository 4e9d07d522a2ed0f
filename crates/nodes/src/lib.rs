//! Whole nodes in one process, without sockets, disk or passing time: what happens is what a test says, in that order.
//!
//! [`node`] is one engine with connections and a clock that stands still until it is moved. [`link`] ties nodes together:
//! full and partial resynchronisation by the commands that real replicas use, over links that a test cuts.
//!
//! Invariant: the same calls give the same replies. Callers: the fuzzers, and tests that want nodes without processes.
#![forbid(unsafe_code)]

pub mod link;
pub mod node;

pub use link::Nodes;
pub use node::{Connection, Node};
