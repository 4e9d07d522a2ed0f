//! To be written.
pub mod reply;
