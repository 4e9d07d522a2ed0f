//! Configuration: one row per directive, and everything that follows from the rows.
//!
//! - `table`: the rows. `directive`: what a row says.
//! - `argv`, `load`: the command line, the configuration file and standard input into a [`Store`].
//! - `store`: the values; CONFIG GET and CONFIG SET. `rewrite`: CONFIG REWRITE.
//! - `value`, `special`, `check`, `text`: values and words, with the real server's error texts.
//! - `compat`: what the compatibility page says about directives.
//!
//! No I/O happens here: files come in through [`Files`], effects of a change through the callback of
//! [`Store::set`].
#![forbid(unsafe_code)]

pub mod argv;
mod check;
pub mod compat;
pub mod directive;
pub mod load;
pub mod rewrite;
pub mod special;
pub mod store;
pub mod table;
pub mod text;
mod value;

pub use argv::{Command, Run};
pub use directive::{Family, REDIS_VERSION, VALKEY_VERSION};
pub use load::{Fatal, Files, load};
pub use rewrite::{Extent, rewrite};
pub use special::{Events, OutputLimit, OutputLimits, SavePoint};
pub use store::{Access, Environment, Refusal, SetError, Store};
pub use table::Directive;
pub use value::parse_memory as memory;
