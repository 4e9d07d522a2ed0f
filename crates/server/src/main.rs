//! `russet-server`: sockets, files, signals and threads around the engine.
//!
//! - [`start`]: from the command line to a serving process; [`checks`]: of the machine. - [`listen`]: accepting. - [`worker`]: the threads that serve.
//! - [`connection`]: one client; [`alarm`]: what wakes it. - [`shell`]: what the engine asks of the program.
//! - [`save`], [`load`]: dump files. - [`replica`]: the primary's side of replication. - [`link`]: the replica's side.
//! - [`orders`]: the main task. [`shutdown`]: its end. [`process`]: pid file, limits, supervisors, crash reports.
//! - [`cron`]: the regular work beside the workers. - [`log`]: the log. - [`complaint`], [`threads`]: lines in it.

#![forbid(unsafe_code)]

mod alarm;
mod checks;
mod complaint;
mod connection;
mod cron;
mod link;
mod listen;
mod load;
mod log;
mod migrate;
mod orders;
mod process;
mod replica;
mod save;
mod shell;
mod shutdown;
mod start;
mod stream;
mod threads;
mod title;
mod worker;

#[global_allocator]
static ALLOCATOR: sys::alloc::Counting = sys::alloc::Counting;

fn main() -> std::process::ExitCode {
    start::run()
}
