//! Generated comparisons: near-valid commands from a seed, in episodes that start on empty servers.
//!
//! ```text
//! seed -> command table -> line -> both sides -> replies compared -> ... -> keyspace compared
//!                                      | differs
//!                                      v
//!                   shrink: leave out steps while the last one still differs -> script in target/diff
//! ```
//!
//! Invariant: a seed gives the same lines against the same servers. Callers: `diff::run`.

mod generate;
mod grammar;
mod shrink;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use anyhow::{Result, ensure};
use testkit::rng::Rng;

use super::Setup;
use super::compare::Class;
use super::script::quote;
use super::session::Side;
use super::{keyspace, runner};
use crate::args::Args;
use crate::peers::workspace;
use grammar::Command;

/// Differences after which a run stops: more would say the same again.
const MAX_FOUND: usize = 20;

/// A generated command with what is free in its reply.
#[derive(Debug, Clone)]
pub struct Line {
    pub args: Vec<Vec<u8>>,
    pub class: Class,
}

/// What is compared: two sides in one protocol.
pub struct Arena {
    pub ours: Side,
    pub theirs: Side,
    pub protocol: u8,
}

impl Arena {
    fn reset(&mut self) -> Result<()> {
        self.ours.reset(self.protocol)?;
        self.theirs.reset(self.protocol)
    }

    /// Runs one line on both; what differs, as text.
    pub fn differs(&mut self, line: &Line) -> Option<String> {
        let (a, b) = (self.ours.call(&line.args), self.theirs.call(&line.args));
        let same = runner::same(&line.class, &a, &b);
        (!same).then(|| format!("    ours   {}\n    theirs {}", a.shown(), b.shown()))
    }

    /// Compares everything that the sides hold; ends a transaction first.
    pub fn keyspace(&mut self) -> Result<Option<String>> {
        self.ours.reconnect();
        self.theirs.reconnect();
        let found = keyspace::differences(&mut self.ours, &mut self.theirs)?;
        Ok((!found.is_empty()).then(|| found[..found.len().min(3)].join("\n")))
    }
}

/// `cargo xtask diff --random SEED`
pub fn run(setup: &Setup, seed: u64, mut args: Args) -> Result<()> {
    let steps: u64 = args.value("--steps")?.unwrap_or(10_000);
    let episode: u64 = args.value("--episode")?.unwrap_or(300).max(1);
    let usual: Vec<String> = generate::USUAL_GROUPS.iter().map(|g| g.to_string()).collect();
    let groups: Vec<String> = args.list("--group", &usual)?;
    let only: Vec<String> = args.list("--only", &[])?;
    let protocol: u8 = args.value("--protocol")?.unwrap_or(2 + (seed % 2) as u8);
    ensure!(args.words()?.is_empty(), "a random run takes no scripts");
    let mut found = 0;
    for peer in setup.references() {
        let (ours, theirs) = setup.binaries(peer)?;
        let mut arena = Arena { ours: Side::start(&ours, "")?, theirs: Side::start(&theirs, "")?, protocol };
        arena.reset()?;
        let commands = usable(&mut arena, &groups, &only)?;
        println!("seed {seed}, RESP{protocol}, against {}, {} commands", peer.name, commands.len());
        let begun = Instant::now();
        let mut hunt = Hunt { found: BTreeMap::new(), seed, peer: peer.name };
        let mut rng = Rng::new(seed);
        let mut done = 0;
        while done < steps && hunt.found.len() < MAX_FOUND {
            done += run_episode(&mut arena, &commands, &mut rng, episode.min(steps - done), &mut hunt)?;
        }
        eprintln!("{done} steps in {:.0} s", begun.elapsed().as_secs_f64());
        println!("{done} steps, {} differences", hunt.found.len());
        found += hunt.found.len();
    }
    ensure!(found == 0, "{found} differences; scripts in target/diff");
    Ok(())
}

/// The commands that both sides have, in the chosen groups.
fn usable(arena: &mut Arena, groups: &[String], only: &[String]) -> Result<Vec<Command>> {
    let mut commands = grammar::read(&mut arena.theirs)?;
    commands.retain(|c| groups.contains(&c.group) && generate::suits(c));
    commands.retain(|c| only.is_empty() || only.contains(&c.words[0]));
    let mut missing = Vec::new();
    for name in commands.iter().map(|c| c.words[0].clone()).collect::<std::collections::BTreeSet<_>>() {
        let reply = arena.ours.ask(&[b"COMMAND", b"INFO", name.as_bytes()])?;
        if reply.items().first().is_none_or(|item| item.items().is_empty()) {
            missing.push(name);
        }
    }
    commands.retain(|c| !missing.contains(&c.words[0]));
    if !missing.is_empty() {
        println!("not there yet ({}): {}", missing.len(), missing.join(" "));
    }
    ensure!(!commands.is_empty(), "no command is left");
    Ok(commands)
}

/// Differences found so far, by command.
struct Hunt {
    found: BTreeMap<String, usize>,
    seed: u64,
    peer: &'static str,
}

/// One episode; how many steps it took.
fn run_episode(
    arena: &mut Arena,
    commands: &[Command],
    rng: &mut Rng,
    length: u64,
    hunt: &mut Hunt,
) -> Result<u64> {
    arena.reset()?;
    let mut history: Vec<Line> = Vec::new();
    for step in 0..length {
        let command = rng.pick(commands);
        let args = generate::command_line(command, rng);
        let line = Line { class: generate::class_of(command, &args), args };
        history.push(line.clone());
        if let Some(text) = arena.differs(&line) {
            hunt.record(arena, history, &command.name(), &text, true)?;
            return Ok(step + 1);
        }
    }
    if let Some(text) = arena.keyspace()? {
        hunt.record(arena, history, "keyspace", &text, false)?;
    }
    Ok(length)
}

impl Hunt {
    /// Shrinks and reports a difference, unless this command has been reported already.
    fn record(
        &mut self,
        arena: &mut Arena,
        history: Vec<Line>,
        name: &str,
        text: &str,
        by_reply: bool,
    ) -> Result<()> {
        let times = self.found.entry(name.to_string()).or_default();
        *times += 1;
        if *times > 1 {
            return Ok(());
        }
        let ours_ended = !arena.ours.alive();
        let short = if ours_ended { history } else { shrink::shrink(arena, history, by_reply)? };
        let script: String = short.iter().map(script_line).collect();
        let dir = workspace().join("target/diff");
        fs::create_dir_all(&dir)?;
        let file = format!("random-{}-{}-{}.txt", self.peer, self.seed, name.replace(' ', "-"));
        fs::write(
            dir.join(&file),
            format!("! reference {}\n# {}\n{script}", self.peer, text.trim().replace('\n', "\n# ")),
        )?;
        println!("difference in {name} (target/diff/{file}):\n{script}{text}");
        ensure!(!ours_ended, "our server has ended:\n{}", arena.ours.log());
        Ok(())
    }
}

fn script_line(line: &Line) -> String {
    let words: Vec<String> = line.args.iter().map(|a| quote(a)).collect();
    format!("{}{}\n", line.class.prefix(), words.join(" "))
}
