//! `russet-server`: sockets, files, signals and threads around the engine.
//!
//! - [`start`]: from the command line to a serving process. - [`listen`]: accepting. - [`worker`]: the threads that serve.
//! - [`connection`]: one client. - [`replica`]: a replica's link. - [`shell`]: what the engine asks of the program.
//! - [`log`]: the log.

#![forbid(unsafe_code)]

mod connection;
mod listen;
mod log;
mod replica;
mod shell;
mod start;
mod stream;
mod worker;

#[global_allocator]
static ALLOCATOR: sys::alloc::Counting = sys::alloc::Counting;

fn main() -> std::process::ExitCode {
    start::run()
}
