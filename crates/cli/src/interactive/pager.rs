//! Replies taller than the screen go through the user's pager.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::emit;

/// Columns and rows of the terminal; 80 by 24 when it does not say.
#[must_use]
pub fn screen() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let pick = |value: u16, default: usize| if value == 0 { default } else { usize::from(value) };
    size.map_or((80, 24), |size| (pick(size.ws_col, 80), pick(size.ws_row, 24)))
}

/// Writes `text`, paged when it is allowed and too tall.
pub fn show(text: &str, allowed: bool) {
    let (_, rows) = screen();
    if !allowed || text.lines().count() < rows || !page(text) {
        emit::out(text.as_bytes());
    }
    emit::flush();
}

/// Pages; false when there is no pager.
fn page(text: &str) -> bool {
    emit::flush();
    let pager = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
    let pager = pager.unwrap_or_else(|| "less -FRSX".to_owned());
    let mut words = pager.split_whitespace();
    let Some(program) = words.next() else { return false };
    let Ok(mut child) = Command::new(program).args(words).stdin(Stdio::piped()).spawn() else { return false };
    if let Some(mut input) = child.stdin.take() {
        // The user may leave before the end.
        let _ = input.write_all(text.as_bytes());
    }
    child.wait().is_ok()
}
