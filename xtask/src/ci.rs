//! `cargo xtask ci`: what must hold before a change lands, in the order in which it fails fastest.
//!
//! Invariant: every step runs, whatever failed before, so that one run tells all; the whole stays under 40
//! minutes. Callers: `.ci/run`.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::args::Args;
use crate::peers::workspace;

/// A step: what it is called and the command.
struct Step {
    name: &'static str,
    command: &'static [&'static str],
}

const fn step(name: &'static str, command: &'static [&'static str]) -> Step {
    Step { name, command }
}

const STEPS: &[Step] = &[
    step("format", &["fmt", "--all", "--check"]),
    step("tidy", &["xtask", "tidy"]),
    step("clippy", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
    step("peers", &["xtask", "peers"]),
    step("tests", &["test", "--workspace"]),
    step("yardstick", &["xtask", "diff", "--self", "--random", "1", "--steps", "2000"]),
    step("diff", &["xtask", "diff"]),
    // An even seed speaks RESP2, an odd one RESP3.
    step("random", &["xtask", "diff", "--random", "1", "--steps", "25000"]),
    step("random 2", &["xtask", "diff", "--random", "2", "--steps", "25000"]),
    step("upstream", &["xtask", "upstream", "--allowed", "--no-doc", "--profile", "dev"]),
    step("client", &["xtask", "upstream", "--client", "integration/valkey-cli", "unit/cluster/cli"]),
];

/// The whole must stay below this.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// `cargo xtask ci [STEP...]`
pub fn run(argv: Vec<String>) -> Result<()> {
    let wanted = Args::new(argv).words()?;
    let begun = Instant::now();
    let mut failed = Vec::new();
    for step in STEPS.iter().filter(|s| wanted.is_empty() || wanted.iter().any(|w| w == s.name)) {
        println!("== {} (cargo {})", step.name, step.command.join(" "));
        let at = Instant::now();
        let mut command = Command::new(env!("CARGO"));
        command.args(step.command).current_dir(workspace());
        // The tests look for the real servers where the step `peers` has put them.
        if std::env::var_os("RUSSET_PEERS").is_none() {
            command.env("RUSSET_PEERS", workspace().join("target/peers"));
        }
        let status = command.status()?;
        println!("== {}: {} after {:.0} s", step.name, verdict(status.success()), at.elapsed().as_secs_f64());
        if !status.success() {
            failed.push(step.name);
        }
    }
    println!("== all steps took {:.0} s", begun.elapsed().as_secs_f64());
    if begun.elapsed() > LIMIT {
        failed.push("time");
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

fn verdict(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}
