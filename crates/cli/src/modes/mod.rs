//! Modes of work other than running a command: one module per family.

use crate::options::Mode;
use crate::session::Session;

/// Runs a mode; the exit code.
pub fn run(_session: Session, _mode: Mode) -> i32 {
    1
}
