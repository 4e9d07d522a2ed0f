//! `cargo xtask diff`: the same commands to ours and to a real server, replies compared byte for byte.
//!
//! ```text
//! scripts (tests/diff/<family>/<command>.txt) --+
//!                                               +--> two sides --> compare by class --> whole keyspace
//! generator (--random SEED --steps N) ----------+
//! ```
//!
//! Invariant: with the reference in both seats nothing differs (`--self`), which is how the yardstick itself
//! is tested; the same seed prints the same.

mod compare;
mod keyspace;
mod random;
mod runner;
mod script;
mod session;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::args::Args;
use crate::bench::build_ours;
use crate::peers::{self, Peer, workspace};

const HELP: &str = "\
cargo xtask diff [FAMILY|FILE...] [options]
  --ours PATH          our binary (default: built now, profile dev)
  --self               the reference in both seats: nothing may differ
  --reference NAME     compare with valkey or redis only
  --all                run scripts of commands that ours does not have yet
  --verbose            show every difference, not the first three of a script
  --random SEED        generate commands instead      --steps 10000
  --group a,b          only these command groups      --only get,set   only these commands
  --protocol 2         for generated commands         --episode 300    steps until the servers are emptied";

/// What is compared with what.
pub struct Setup {
    /// Our binary; `None` puts the reference in both seats.
    pub ours: Option<PathBuf>,
    /// The only reference, if not both.
    pub only: Option<Peer>,
    pub all: bool,
    pub verbose: bool,
}

impl Setup {
    /// The binaries for a comparison with `peer`: ours, under the peer's name, whose words it then uses, and theirs.
    pub fn binaries(&self, peer: Peer) -> Result<(PathBuf, PathBuf)> {
        let theirs = peer.need()?;
        let Some(ours) = &self.ours else { return Ok((theirs.clone(), theirs)) };
        let link = workspace().join("target/diff/bin").join(format!("{}-server", peer.name));
        fs::create_dir_all(link.parent().context("a folder")?)?;
        // There is none at the first time.
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(fs::canonicalize(ours)?, &link)?;
        Ok((link, theirs))
    }

    /// The references that runs are to be made with.
    pub fn references(&self) -> Vec<Peer> {
        self.only.map_or_else(|| vec![peers::VALKEY, peers::REDIS], |peer| vec![peer])
    }
}

/// `cargo xtask diff`
pub fn run(argv: Vec<String>) -> Result<()> {
    if argv.iter().any(|a| a == "--help") {
        println!("{HELP}");
        return Ok(());
    }
    let mut args = Args::new(argv);
    let both_seats = args.flag("--self");
    let given: Option<PathBuf> = args.path("--ours")?;
    let only = match args.value::<String>("--reference")? {
        Some(name) => Some(peer_named(&name)?),
        None => None,
    };
    let ours = match (both_seats, given) {
        (true, _) => None,
        (false, Some(path)) => Some(path),
        (false, None) => Some(build_ours("dev")?),
    };
    let setup = Setup { ours, only, all: args.flag("--all"), verbose: args.flag("--verbose") };
    match args.value::<u64>("--random")? {
        Some(seed) => random::run(&setup, seed, args),
        None => runner::run(&setup, &args.words()?),
    }
}

fn peer_named(name: &str) -> Result<Peer> {
    let all = [peers::VALKEY, peers::REDIS];
    all.into_iter().find(|p| p.name == name).with_context(|| format!("no reference {name}"))
}
