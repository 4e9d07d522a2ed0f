//! All commands against the better of the peers: what does a call cost the server?
//!
//! ```text
//! group: FLUSHALL and fill every side
//!   operation: send it once (an error ends it) -> warm up, which says how many requests a round has
//!              -> rounds, every side in turns -> where ours is not clearly below, more rounds
//! ```
//!
//! Invariant: all sides get the same requests, as often; an operation that fails on a side is reported, not timed.
//! Callers: `bench::run`.

mod collections;
mod operations;

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::process::Server;

use super::load::{Load, Outcome};
use super::options::Options;
use super::rounds::{measure, median};
use super::sides::{self, Kind, Side};
use super::table;
use super::template::Template;
use operations::{GROUPS, Group, KEYS};

/// Enough that a batch always waits.
const CONNECTIONS: usize = 8;
/// Commands of a batch. With few of them it is the kernel's waking up that is compared: a server that is faster than the load
/// generator is woken up more often. An operation that takes longer than `SLOW` goes alone.
const PIPELINE: usize = 64;
const SLOW: Duration = Duration::from_micros(250);
const WARM_UP: Duration = Duration::from_millis(8);
/// What a round of the usual side takes.
const ROUND: Duration = Duration::from_millis(16);
/// From this ratio on a second look is taken, of so many rounds for each that the first one had.
const UNCLEAR: f64 = 0.9;
const MORE_ROUNDS: usize = 2;
/// What a row of the table shows of a long request.
const SHOWN: usize = 72;

struct Running {
    side: Side,
    server: Server,
}

/// An operation that was timed.
struct Row {
    group: &'static str,
    request: &'static str,
    /// Ours to the better of the peers; 0 where one of the two is missing.
    ratio: f64,
    /// Microseconds for each side, `None` for one that does not know the command.
    times: Vec<Option<f64>>,
}

/// What came of one operation.
enum Verdict {
    /// Microseconds for each side, `None` for one that does not know the command.
    Timed(Vec<Option<f64>>),
    /// Which side said what.
    Failed(String),
}

/// Runs the sweep and prints the table, the worst ratio first.
pub fn run(options: &Options) -> Result<()> {
    let options =
        Options { keys: KEYS, connections: CONNECTIONS, pipelines: vec![PIPELINE], ..options.clone() };
    let mut running = Vec::new();
    for side in sides::all(&options, false)? {
        let server = side.start(&options, "")?;
        running.push(Running { side, server });
    }
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for group in GROUPS {
        let requests: Vec<&'static str> =
            group.requests.iter().copied().filter(|r| is_asked(&options, r)).collect();
        if requests.is_empty() {
            continue;
        }
        fill(&running, group, &options)?;
        for request in requests {
            match operation(&running, request, &options).with_context(|| request.to_string())? {
                Verdict::Timed(times) => {
                    rows.push(Row { group: group.name, request, ratio: ratio(&running, &times), times })
                }
                Verdict::Failed(what) => failed.push(format!("{}: {request}: {what}", group.name)),
            }
        }
        println!("{}: {:.0} s", group.name, begun.elapsed().as_secs_f64());
    }
    rows.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    publish(&running, &rows, &failed, &options)
}

fn is_asked(options: &Options, request: &str) -> bool {
    let request = request.to_ascii_lowercase();
    options.ops.is_empty() || options.ops.iter().any(|part| request.contains(&part.to_ascii_lowercase()))
}

fn fill(running: &[Running], group: &Group, options: &Options) -> Result<()> {
    for Running { side, server } in running {
        server.client()?.words("FLUSHALL")?;
        // What only one of the peers has, the others do not get.
        if let Err(error) = sides::fill(server, group.fills, options) {
            let missing = format!("{error:#}").contains("unknown command");
            ensure!(missing && side.kind == Kind::Peer, "{}, {}: {error:#}", side.name, group.name);
        }
    }
    Ok(())
}

/// One request, ready for each side. They differ where it holds a payload, which each side has made itself.
fn templates(running: &[Running], request: &str, options: &Options) -> Result<Vec<Template>> {
    let Some((before, rest)) = request.split_once("{dump:") else {
        let template = Template::parse(request, options.keys, options.value_bytes)?;
        return Ok(vec![template; running.len()]);
    };
    let (key, after) = rest.split_once('}').context("a { without }")?;
    let text = format!("{before}{{v}}{after}");
    let payload = |side: &Running| -> Result<Template> {
        let frame = {
            let mut client = side.server.client()?;
            client.send(&["DUMP", key])?;
            client.read_frame()?
        };
        let start = frame.iter().position(|&byte| byte == b'\n').context("a reply")? + 1;
        let payload = frame.get(start..frame.len() - 2).unwrap_or_default();
        Template::with_value(&text, options.keys, payload)
    };
    running.iter().map(payload).collect()
}

fn operation(running: &[Running], request: &str, options: &Options) -> Result<Verdict> {
    let templates = templates(running, request, options)?;
    let mut known = Vec::new();
    let (mut kinds, mut slow) = (None, false);
    for (side, template) in running.iter().zip(&templates) {
        let (frames, took) = probe(&side.server, template)?;
        // One that is slow twice: the machine has pauses of its own.
        slow |= took > SLOW && frames[0][0] != b'-' && probe(&side.server, template)?.1 > SLOW;
        if let Some(error) = frames.iter().find(|frame| frame[0] == b'-') {
            let error = String::from_utf8_lossy(error).trim().to_string();
            if side.side.kind != Kind::Peer || !is_unknown(&error) {
                return Ok(Verdict::Failed(format!("{}: {error}", side.side.name)));
            }
            known.push(false);
            continue;
        }
        known.push(true);
        let these: Vec<_> = frames.iter().map(|frame| (frame[0], frame.starts_with(b"$-1"))).collect();
        if *kinds.get_or_insert_with(|| these.clone()) != these {
            return Ok(Verdict::Failed(format!("{} answers in another form", side.side.name)));
        }
    }
    let pipeline = if slow { 1 } else { (PIPELINE / templates[0].replies()).max(1) };
    let mut turns =
        Turns { running, templates, known, pipeline, counter: 1, seed: options.seed, times: Vec::new() };
    let requests = turns.warm_up()?;
    turns.rounds(options.rounds, requests)?;
    let times = turns.fastest();
    if ratio(running, &times) < UNCLEAR {
        return Ok(turns.verdict(times));
    }
    turns.rounds(options.rounds * MORE_ROUNDS, requests)?;
    let times = turns.fastest();
    Ok(turns.verdict(times))
}

/// What a peer says of commands and options that only the other one has.
fn is_unknown(error: &str) -> bool {
    ["unknown command", "unknown subcommand", "syntax error"].iter().any(|text| error.contains(text))
}

/// Sends one request with zeros in its holes and answers with the replies, and how long they took.
fn probe(server: &Server, template: &Template) -> Result<(Vec<Vec<u8>>, Duration)> {
    let mut client = server.client()?;
    client.words("PING")?;
    let begun = Instant::now();
    client.send_raw(template.bytes())?;
    let frames: io::Result<Vec<_>> = (0..template.replies()).map(|_| client.read_frame()).collect();
    Ok((frames?, begun.elapsed()))
}

/// The measurement of one operation.
struct Turns<'a> {
    running: &'a [Running],
    templates: Vec<Template>,
    known: Vec<bool>,
    pipeline: usize,
    /// Where the next round counts on.
    counter: u64,
    seed: u64,
    /// Rounds of (side, microseconds), or what went wrong.
    times: Vec<(usize, Result<f64, String>)>,
}

impl Turns<'_> {
    /// One side's turn: so many requests, or as many as it manages within `limit`.
    fn one(&mut self, index: usize, requests: Option<u64>, limit: Duration) -> Result<Outcome> {
        let template = &self.templates[index];
        let load = Load {
            port: self.running[index].server.port(),
            template,
            connections: CONNECTIONS,
            pipeline: self.pipeline,
            requests,
            listeners: 0,
            listen: b"",
            seed: self.seed,
            counter: self.counter,
        };
        let begun = Instant::now();
        let is_late = || requests.is_none() && begun.elapsed() >= limit;
        let measured = measure(&self.running[index].server, &load, is_late)?;
        let time = match &measured.outcome.first_error {
            Some(error) => Err(format!("{}: {error}", self.running[index].side.name)),
            None => Ok(measured.cpu_us),
        };
        self.times.push((index, time));
        Ok(measured.outcome)
    }

    /// The number of requests that take the sides `ROUND` on average. All get as many as the first one manages.
    fn warm_up(&mut self) -> Result<u64> {
        let (mut rates, mut requests) = (Vec::new(), None);
        for index in self.sides() {
            let outcome = self.one(index, requests, WARM_UP)?;
            requests = Some(outcome.requests);
            rates.push(outcome.rate());
        }
        // Cold, and so not counted, but for errors.
        self.times.retain(|(_, time)| time.is_err());
        self.counter += requests.unwrap_or(0);
        let requests = (median(rates) * ROUND.as_secs_f64()) as u64;
        Ok(requests.max((CONNECTIONS * self.pipeline) as u64))
    }

    fn sides(&self) -> Vec<usize> {
        (0..self.known.len()).filter(|&index| self.known[index]).collect()
    }

    fn rounds(&mut self, rounds: usize, requests: u64) -> Result<()> {
        for _ in 0..rounds {
            for index in self.sides() {
                self.one(index, Some(requests), ROUND)?;
            }
            self.counter += requests;
            self.seed += 1;
        }
        Ok(())
    }

    /// The fastest round of each side, for whatever else the machine does only adds to a round; `None` without one.
    fn fastest(&self) -> Vec<Option<f64>> {
        let of = |side: usize| {
            let times = self.times.iter().filter(|(index, _)| *index == side);
            times.filter_map(|(_, time)| time.as_ref().ok().copied()).min_by(f64::total_cmp)
        };
        (0..self.running.len()).map(of).collect()
    }

    fn verdict(self, times: Vec<Option<f64>>) -> Verdict {
        match self.times.into_iter().find_map(|(_, time)| time.err()) {
            Some(error) => Verdict::Failed(error),
            None => Verdict::Timed(times),
        }
    }
}

/// Ours to the better of the peers; 0 where one of the two is missing.
fn ratio(running: &[Running], times: &[Option<f64>]) -> f64 {
    let best = |kind: Kind| {
        let of_kind = running.iter().zip(times).filter(|(running, _)| running.side.kind == kind);
        of_kind.filter_map(|(_, time)| *time).fold(f64::INFINITY, f64::min)
    };
    let (ours, peer) = (best(Kind::Ours), best(Kind::Peer));
    if ours.is_finite() && peer.is_finite() { ours / peer } else { 0.0 }
}

fn publish(running: &[Running], rows: &[Row], failed: &[String], options: &Options) -> Result<()> {
    let names: Vec<String> = running.iter().map(|running| format!("{} us", running.side.name)).collect();
    let head: Vec<&str> =
        ["data", "operation"].into_iter().chain(names.iter().map(String::as_str)).chain(["ratio"]).collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|Row { group, request, times, ratio }| {
            let mut row = vec![group.to_string(), request.chars().take(SHOWN).collect()];
            row.extend(times.iter().map(|time| time.map_or("-".into(), |us| format!("{us:.3}"))));
            row.push(format!("{ratio:.2}"));
            row
        })
        .collect();
    table::publish("sweep", "CPU time of every command", &head, &cells, options)?;
    failed.iter().for_each(|line| println!("failed: {line}"));
    let ratios: Vec<f64> = rows.iter().map(|row| row.ratio).filter(|&ratio| ratio > 0.0).collect();
    let above = ratios.iter().filter(|&&ratio| ratio > 1.0).count();
    println!(
        "{} operations compared, {} failed; median ratio {:.2}, {above} above 1",
        ratios.len(),
        failed.len(),
        median(ratios)
    );
    Ok(())
}
