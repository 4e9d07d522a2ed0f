//! The options of `cargo xtask bench`.
//!
//! Invariant: what is not given has a default that fits a machine of two cores. Callers: all of `bench`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::args::Args;

/// Everything that a measurement depends on.
#[derive(Debug, Clone)]
pub struct Options {
    pub pipelines: Vec<usize>,
    pub keys: u64,
    pub value_bytes: usize,
    /// Requests per round; by pipeline depth when `None`.
    pub requests: Option<u64>,
    pub rounds: usize,
    pub connections: usize,
    /// Worker (I/O) threads of every server.
    pub workers: usize,
    /// Cores of the servers.
    pub cpus: Vec<usize>,
    /// Cores of the load generator and of replicas.
    pub load_cpus: Vec<usize>,
    pub seed: u64,
    /// Further binaries as (name, path).
    pub servers: Vec<(String, PathBuf)>,
    pub ours: Option<PathBuf>,
    /// Sides to run; all when empty.
    pub only: Vec<String>,
    /// Operations of the sweep: those with one of these in their request; all when empty.
    pub ops: Vec<String>,
    pub replica: bool,
    pub args: String,
    pub ours_args: String,
    pub write: bool,
}

impl Options {
    /// Options and the words that are none.
    pub fn parse(argv: Vec<String>) -> Result<(Options, Vec<String>)> {
        let mut args = Args::new(argv);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let options = Options {
            pipelines: args.list("--pipeline", &[1, 16, 100])?,
            keys: args.value("--keys")?.unwrap_or(1_000_000).max(1),
            value_bytes: args.value("--value")?.unwrap_or(64),
            requests: args.value("--requests")?,
            rounds: args.value("--rounds")?.unwrap_or(3).max(1),
            connections: args.value("--connections")?.unwrap_or(50).max(1),
            workers: args.value("--workers")?.unwrap_or(1),
            cpus: args.list("--cpus", &[0])?,
            load_cpus: args.list("--load-cpus", &[cores - 1])?,
            seed: args.value("--seed")?.unwrap_or(1),
            servers: args.values("--server")?.iter().map(|text| named(text)).collect(),
            ours: args.path("--ours")?,
            only: args.list("--only", &[])?,
            ops: args.list("--ops", &[])?,
            replica: args.flag("--replica"),
            args: args.value("--args")?.unwrap_or_default(),
            ours_args: args.value("--ours-args")?.unwrap_or_default(),
            write: args.flag("--write"),
        };
        Ok((options, args.words()?))
    }

    /// Requests of one round at a pipeline depth, for a workload that costs `cost` times the usual.
    pub fn round_requests(&self, pipeline: usize, cost: u64) -> u64 {
        self.requests.unwrap_or_else(|| {
            let whole = match pipeline {
                1 => 150_000,
                2..=31 => 1_000_000,
                _ => 2_000_000,
            };
            (whole / cost.max(1)).max(5_000)
        })
    }

    /// True when a side of this name was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

/// `NAME=PATH`, or a path whose file name is the name.
fn named(text: &str) -> (String, PathBuf) {
    match text.split_once('=') {
        Some((name, path)) => (name.to_string(), absolute(Path::new(path))),
        None => {
            let path = PathBuf::from(text);
            let name = path.file_name().map_or_else(|| text.into(), |n| n.to_string_lossy().into_owned());
            (name, absolute(&path))
        }
    }
}

/// Servers start in directories of their own.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
