//! Instruments for tests and yardsticks: a RESP client and reply reader of its own, server processes that
//! clean up after themselves, a TCP proxy that misbehaves on demand, a log checker and a fault runner.
//!
//! Invariant: nothing here shares code with what it measures, so that a bug in our parser cannot hide itself.
//! Callers: the `xtask` commands and integration tests of the other crates.
#![forbid(unsafe_code)]

pub mod client;
pub mod faults;
pub mod logcheck;
pub mod process;
pub mod proxy;
pub mod reply;
pub mod rng;
