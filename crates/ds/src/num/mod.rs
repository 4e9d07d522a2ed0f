//! Text to number and back, with exactly the texts that Redis accepts and prints.
//!
//! Integers are strict (one canonical text per value, so a string can be stored as an integer and come back
//! unchanged); floats follow C's `strtod` on the way in and Grisu2 on the way out; long doubles (INCRBYFLOAT)
//! are 80-bit x87 numbers done in software. Called by every command that takes a number, by the listpack
//! encoder and by the RDB codec.

mod bigint;
mod double;
mod grisu;
mod integer;
mod long_double;

pub use double::{double_as_integer, format_f64, parse_f64};
pub use integer::{IntText, decimal_len, format_i64, parse_i64, parse_u64, parse_u64_lenient};
pub use long_double::LongDouble;
