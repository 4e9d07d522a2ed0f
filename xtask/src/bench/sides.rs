//! The servers that are compared: which there are, starting them, filling them, replicas.
//!
//! Invariant: all sides are started with the same arguments but for what an option adds to ours.
//! Callers: rounds, memory, scenarios.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use testkit::process::{Server, Spec};

use super::load::{self, Load};
use super::options::Options;
use super::template::Template;
use super::workloads::Fill;
use crate::peers;

const FILL_PIPELINE: usize = 100;
const LINK_LIMIT: Duration = Duration::from_secs(120);

/// What kind of server a side is, which decides its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Peer,
    Floor,
}

/// A server that can be started.
#[derive(Debug, Clone)]
pub struct Side {
    pub name: String,
    pub kind: Kind,
    pub binary: PathBuf,
}

/// All sides that exist on this machine and were asked for; `floor` only where it makes sense.
pub fn all(options: &Options, with_floor: bool) -> Result<Vec<Side>> {
    let mut sides = Vec::new();
    let side = |name: &str, kind, binary| Side { name: name.to_string(), kind, binary };
    if with_floor && options.wants("floor") {
        sides.push(side("floor", Kind::Floor, std::env::current_exe()?));
    }
    for peer in [peers::VALKEY, peers::REDIS] {
        if options.wants(peer.name) {
            match peer.server() {
                Some(binary) => sides.push(side(peer.name, Kind::Peer, binary)),
                None => println!("no {}: `cargo xtask peers` builds it", peer.name),
            }
        }
    }
    for (name, binary) in &options.servers {
        if options.wants(name) {
            sides.push(side(name, Kind::Peer, binary.clone()));
        }
    }
    if let Some(binary) = options.ours.as_ref().filter(|_| options.wants("russet")) {
        sides.push(side("russet", Kind::Ours, binary.clone()));
    }
    ensure!(!sides.is_empty(), "nothing to measure");
    Ok(sides)
}

/// Builds `russet-server` in the given profile and says where it is.
pub fn build_ours(profile: &str) -> Result<PathBuf> {
    build("russet-server", profile)
}

/// Builds one of our programs in the given profile and says where it is.
pub fn build(program: &str, profile: &str) -> Result<PathBuf> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", profile, "-p", program])
        .current_dir(peers::workspace())
        .status()?;
    ensure!(status.success(), "{program} does not build");
    let folder = if profile == "dev" { "debug" } else { profile };
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| peers::workspace().join("target"));
    Ok(target.join(folder).join(program))
}

impl Side {
    /// How it is started on the server cores; `extra` are further arguments.
    pub fn spec(&self, options: &Options, extra: &str) -> Spec {
        if self.kind == Kind::Floor {
            // The first argument must be the command, so the floor is wrapped by the caller of `start`.
            return Spec { args: vec![], ..Spec::new(&self.binary) }.cpus(&options.cpus);
        }
        let spec = Spec::new(&self.binary)
            .args(&format!("--io-threads {}", options.workers))
            .args(&options.args)
            .args(extra)
            .cpus(&options.cpus);
        if self.kind == Kind::Ours { spec.args(&options.ours_args) } else { spec }
    }

    /// Starts it.
    pub fn start(&self, options: &Options, extra: &str) -> Result<Server> {
        let mut spec = self.spec(options, extra);
        if self.kind == Kind::Floor {
            spec.subcommand = Some("floor".into());
        }
        spec.start_limit = Duration::from_secs(120);
        Server::start(&spec).with_context(|| format!("starting {}", self.name))
    }
}

/// Sends the commands of a data set to a server.
pub fn fill(server: &Server, fills: &[Fill], options: &Options) -> Result<()> {
    for fill in fills {
        fill_one(server, fill.template, options.keys / fill.divide, options.value_bytes, options)?;
    }
    Ok(())
}

/// Sends a template `count` times, counting up.
pub fn fill_one(
    server: &Server,
    text: &str,
    count: u64,
    value_bytes: usize,
    options: &Options,
) -> Result<()> {
    let template = Template::parse(text, options.keys, value_bytes)?;
    let load = Load {
        port: server.port(),
        template: &template,
        connections: 10,
        pipeline: FILL_PIPELINE,
        requests: Some(count.max(1)),
        listeners: 0,
        listen: b"",
        seed: options.seed,
        counter: 0,
    };
    let outcome = load::run(&load, || false).with_context(|| format!("filling with {text:.40}"))?;
    match outcome.first_error {
        Some(error) => bail!("filling with {text:.40}: {error}"),
        None => Ok(()),
    }
}

/// Starts a replica of `primary` on the load generator's cores and waits until it follows. A real server
/// follows ours, its own kind follows a peer.
pub fn attach_replica(side: &Side, primary: &Server, options: &Options) -> Result<Server> {
    let binary = match side.kind {
        Kind::Peer => side.binary.clone(),
        Kind::Ours => peers::VALKEY.server().unwrap_or_else(|| side.binary.clone()),
        Kind::Floor => bail!("the floor has no replicas"),
    };
    let spec = Spec::new(binary).cpus(&options.load_cpus);
    let replica = Server::start(&spec).context("starting the replica")?;
    let mut client = replica.client()?;
    let reply = client.words(&format!("REPLICAOF 127.0.0.1 {}", primary.port()))?;
    ensure!(!reply.is_error(), "REPLICAOF: {}", reply.render());
    wait_for(LINK_LIMIT, || Ok(client.info("master_link_status")?.as_deref() == Some("up")))
        .context("the replica's link never came up")?;
    Ok(replica)
}

/// Asks until `ready` says yes.
pub fn wait_for(limit: Duration, mut ready: impl FnMut() -> Result<bool>) -> Result<Duration> {
    let begun = Instant::now();
    while !ready()? {
        ensure!(begun.elapsed() < limit, "not within {limit:?}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(begun.elapsed())
}
