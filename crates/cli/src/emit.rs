//! Writing to the standard streams. A closed pipe ends the program quietly, as it does for any filter.

use std::io::{self, Write};

/// Writes to stdout, unflushed data included in order.
pub fn out(bytes: &[u8]) {
    finish(io::stdout().lock().write_all(bytes));
}

/// Flushes stdout.
pub fn flush() {
    finish(io::stdout().lock().flush());
}

/// Writes text to stderr; nobody can be told if that fails.
pub fn err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn finish(result: io::Result<()>) {
    if result.is_err() {
        // 128 + SIGPIPE, what a shell reports for the peers.
        std::process::exit(141);
    }
}

/// `print!` that does not panic on a closed pipe.
#[macro_export]
macro_rules! say {
    ($($part:tt)*) => { $crate::emit::out(format!($($part)*).as_bytes()) };
}

/// `eprint!` that does not panic.
#[macro_export]
macro_rules! warn {
    ($($part:tt)*) => { $crate::emit::err(&format!($($part)*)) };
}
