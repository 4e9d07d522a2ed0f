//! Holds only the micro-benchmarks in `benches/`: `cargo bench -p russet-benches`.
//!
//! They show which part a change made faster or slower; whether that matters, `cargo xtask bench` tells.
//! Invariant: no code here is used by the product.
#![forbid(unsafe_code)]
