//! `cargo xtask bench [WORKLOAD|SCENARIO...]`: ours beside the real servers, in turns on the same cores.
//!
//! ```text
//! core 0: the server whose turn it is (the others idle)      core 1: the load generator, replicas
//! ```
//!
//! Invariant: all sides get the same requests from the same seed; a number is the median of the rounds.
//! The measure that counts is the server's CPU time per request, because requests per second on a machine
//! of two cores say as much about the load generator.

pub mod floor;
mod hist;
mod load;
mod memory;
mod options;
mod procstat;
mod rounds;
mod scenarios;
mod sides;
mod sweep;
mod table;
mod template;
mod workloads;

use anyhow::{Result, bail};

use options::Options;
pub use sides::{build, build_ours};

const HELP: &str = "\
cargo xtask bench [WORKLOAD|SCENARIO...] [options]
  --pipeline 1,16,100   --keys 1000000   --value 64   --requests N (per round)   --rounds 3
  --connections 50      --workers 1      --cpus 0     --load-cpus 1              --seed 1
  --server NAME=PATH    another binary (repeatable)   --ours PATH   our binary (default: built now)
  --only russet,valkey  sides to run                  --replica     with a replica attached
  --args 'a b'          further arguments for all     --ours-args 'a b'
  --write               put the table into docs/performance.md
scenarios: memory snapshot startup sync aof idle delete-half sweep
  sweep: every command, ours above the better peer first   --ops hscan,info   those with such a request";

/// `cargo xtask bench`
pub fn run(argv: Vec<String>) -> Result<()> {
    if argv.iter().any(|a| a == "--help" || a == "list") {
        println!("{HELP}\nworkloads:");
        workloads::WORKLOADS.iter().for_each(|w| println!("  {:14} {}", w.name, w.request));
        return Ok(());
    }
    let (mut options, words) = Options::parse(argv)?;
    if options.ours.is_none() && options.wants("russet") {
        options.ours = Some(sides::build_ours("release")?);
    }
    testkit::process::pin(&options.load_cpus)?;
    println!("{}", procstat::machine());
    let mut rows = Vec::new();
    for word in &words {
        match word.as_str() {
            "memory" => memory::run(&options)?,
            "snapshot" => scenarios::snapshot(&options)?,
            "startup" => scenarios::startup(&options)?,
            "sync" => scenarios::sync(&options)?,
            "aof" => scenarios::aof(&options)?,
            "idle" => scenarios::idle(&options)?,
            "sweep" => sweep::run(&options)?,
            "delete-half" => memory::delete_half(&options)?,
            name => match workloads::find(name) {
                Some(workload) => rows.push(workload),
                None => bail!("no workload or scenario {name}; `cargo xtask bench list` shows them"),
            },
        }
    }
    if words.is_empty() {
        rows = workloads::USUAL.iter().filter_map(|name| workloads::find(name)).collect();
    }
    if rows.is_empty() { Ok(()) } else { rounds::run(&options, &rows) }
}
