//! Data structures: entries and their hash table, byte strings, and the encodings of the collections.
//!
//! One of the two crates that may contain `unsafe`; everything public is a safe interface.

pub mod hash;
pub mod table;
