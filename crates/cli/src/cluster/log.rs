//! Coloured lines on stdout, in the peers' colours.

use crate::say;

fn paint(code: &str, text: &str) {
    if std::env::var("TERM").is_ok_and(|term| term.contains("xterm")) {
        say!("\x1b[{code}m{text}\x1b[0m");
    } else {
        say!("{text}");
    }
    crate::emit::flush();
}

/// A step.
pub fn step(text: &str) {
    paint("29;1", text);
}

/// Good.
pub fn ok(text: &str) {
    paint("32;1", text);
}

/// Dubious.
pub fn warning(text: &str) {
    paint("33;1", text);
}

/// Bad.
pub fn error(text: &str) {
    paint("31;1", text);
}
