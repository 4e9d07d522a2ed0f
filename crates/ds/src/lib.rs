//! Data structures of the server: the bytes of every value type, without keys, locks or clocks.
//!
//! Invariant: nothing in this crate does I/O, and input that came from outside is either checked by a
//! `validate` or parsed to an `Option`/`Result`; it never panics. Used by `keyspace`, `rdb` and `commands`.

pub mod glob;
pub mod listpack;
pub mod num;
