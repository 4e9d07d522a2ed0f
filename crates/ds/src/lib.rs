//! Data structures: entries and their hash table, byte strings, and the bytes of every value type.
//!
//! One of the two crates that may contain `unsafe`; everything public is a safe interface. Nothing here does
//! I/O, and input that came from outside is either checked by a `validate` or parsed to an `Option` or `Result`;
//! it never panics.

pub mod bits;
pub mod blob;
mod cow;
mod cowseq;
pub mod entry;
pub mod fields;
pub mod geohash;
pub mod glob;
pub mod hash;
pub mod hll;
pub mod intset;
pub mod list;
pub mod listpack;
pub mod num;
pub mod object;
pub mod packed_hash;
pub mod stream;
pub mod table;
pub mod ttl;
pub mod vector;
pub mod zset;
