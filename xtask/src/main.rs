//! `cargo xtask COMMAND`: the checks, comparisons and measurements of this repository, each one command.
//!
//! Invariant: every command exits with 0 only when what it checks holds. What a command needs and does not
//! find, it says in one line with the package that brings it.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod ci;
mod diff;
mod fuzz;
mod peers;
mod report;
mod tidy;
mod upstream;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND
  bench [WORKLOAD...]    requests/s, CPU per request, latency and memory beside the real servers
  diff [FAMILY|FILE...]  the same commands to ours and a real server; --help
  upstream [UNIT...]     Valkey's own test suite with our server; --help
  ci                     everything that must hold before a change lands (.ci/run calls it)
  fuzz SECONDS           all fuzz targets for so long in all
  report                 one page on where the project stands
  tidy                   the rules of the house that a tool can check
  peers                  find, or fetch and build, the real servers";

fn main() -> ExitCode {
    let mut argv: Vec<String> = std::env::args().skip(1).collect();
    if argv.is_empty() {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let command = argv.remove(0);
    let result = match command.as_str() {
        "bench" => bench::run(argv),
        "floor" => bench::floor::run(argv),
        "diff" => diff::run(argv),
        "upstream" => upstream::run(argv),
        "fuzz" => fuzz::run(argv),
        "report" => report::run(),
        "ci" => ci::run(argv),
        "tidy" => tidy::run(),
        "peers" => peers::run(),
        _ => Err(anyhow::anyhow!("no such command: {command}\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
