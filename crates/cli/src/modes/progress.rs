//! Progress of long work: drawn on stderr, only when that is a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `total` steps, or a spinner when the total is unknown; invisible without a terminal.
#[must_use]
pub fn bar(total: Option<u64>, bytes: bool) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(total, target);
    let template = match (total, bytes) {
        (Some(_), true) => "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        (None, true) => "{spinner} {bytes} {bytes_per_sec}",
        (Some(_), false) => "{bar:30} {human_pos}/{human_len} {per_sec} {eta}",
        (None, false) => "{spinner} {human_pos} {per_sec}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
