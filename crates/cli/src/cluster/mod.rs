//! The cluster manager, `--cluster`.

use crate::options::Options;

/// Runs a subcommand; the exit code.
pub fn run(_options: &Options) -> i32 {
    1
}
