//! What is not a request rate: snapshot under load, start-up, full sync, AOF policies, idle connections.
//!
//! Invariant: each side is alone on its core while it is measured. Callers: `bench::run`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::client::Client;
use testkit::process::{Server, Spec, fresh_dir};

use super::load::{self, Load, Outcome};
use super::options::Options;
use super::sides::{self, Side};
use super::template::Template;
use super::{procstat, table};

const SAVE_LIMIT: Duration = Duration::from_secs(300);
/// How often a server under load is asked for its state.
const LOOK: Duration = Duration::from_millis(20);

fn mixed_data(server: &Server, options: &Options) -> Result<()> {
    sides::fill_one(server, "SET key:{s} {v}", options.keys * 2, options.value_bytes, options)?;
    sides::fill_one(server, "ZADD bigz {k} m:{s}", options.keys, 0, options)
}

fn writes<'a>(server: &Server, template: &'a Template, options: &Options, requests: Option<u64>) -> Load<'a> {
    Load {
        port: server.port(),
        template,
        connections: options.connections,
        pipeline: options.pipelines.first().copied().unwrap_or(1),
        requests,
        listeners: 0,
        listen: b"",
        seed: options.seed,
        counter: 0,
    }
}

/// BGSAVE while clients write: seconds, peak memory of server and children, p99.9 against a control run, in which the
/// server is asked for its state as often.
pub fn snapshot(options: &Options) -> Result<()> {
    let mut cells = Vec::new();
    for side in sides::all(options, false)? {
        match snapshot_of(&side, options) {
            Ok(row) => cells.push(row),
            Err(error) => println!("{}: {error:#}", side.name),
        }
    }
    let head = [
        "server",
        "save s",
        "MB before",
        "MB peak",
        "peak/before",
        "p99.9 us control",
        "p99.9 us saving",
        "max us saving",
        "ratio",
        "rate ratio",
    ];
    table::publish("snapshot", "Snapshot under write load", &head, &cells, options)
}

fn snapshot_of(side: &Side, options: &Options) -> Result<Vec<String>> {
    let server = side.start(options, "")?;
    mixed_data(&server, options)?;
    let template =
        Template::parse("SET key:{k} {v}; ZADD bigz {k} m:{k}", options.keys, options.value_bytes)?;
    let before = procstat::family_bytes(server.pid());
    let (mut control, mut saving) = (Vec::new(), Vec::new());
    let (mut seconds, mut rates, mut peak, mut max) = (Vec::new(), Vec::new(), before, 0);
    for _ in 0..options.rounds {
        server.client()?.words("CONFIG RESETSTAT")?;
        let (outcome, took, top) = load_while_saving(&server, &template, options)?;
        print_locks(&format!("{} saving", side.name), &server)?;
        server.client()?.words("CONFIG RESETSTAT")?;
        saving.push(outcome.latency.quantile(0.999) as f64 / 1e3);
        let one = load_without_saving(&server, &template, options, took)?;
        control.push(one.latency.quantile(0.999) as f64 / 1e3);
        rates.push(outcome.rate() / one.rate());
        max = max.max(outcome.latency.max());
        seconds.push(took.as_secs_f64());
        peak = peak.max(top);
    }
    // What holds took without a snapshot: how much of the longest ones above is the machine's.
    print_locks(&format!("{} control", side.name), &server)?;
    let median = super::rounds::median;
    let (control, saving) = (median(control), median(saving));
    Ok(vec![
        side.name.clone(),
        format!("{:.1}", median(seconds)),
        format!("{:.0}", before as f64 / 1e6),
        format!("{:.0}", peak as f64 / 1e6),
        format!("{:.2}", peak as f64 / before as f64),
        format!("{control:.0}"),
        format!("{saving:.0}"),
        format!("{:.0}", max as f64 / 1e3),
        format!("{:.2}", saving / control),
        format!("{:.2}", median(rates)),
    ])
}

/// Who holds up whom, by the server's own account: of ours alone, for the peers have none.
pub fn print_locks(name: &str, server: &Server) -> Result<()> {
    let text = server.client()?.words("INFO locks")?.text();
    for line in text.lines().filter(|line| line.contains(':')) {
        println!("{name}: {line}");
    }
    Ok(())
}

/// Runs `work` and answers with its result the most memory that the server and its children had meanwhile. A thread of
/// its own looks: adding pages up takes the kernel milliseconds, in which no reply would be read.
fn with_peak<T>(server: &Server, work: impl FnOnce() -> T) -> (T, u64) {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let peak = scope.spawn(|| {
            let mut peak = 0;
            while !ended.load(Ordering::Relaxed) {
                peak = peak.max(procstat::family_bytes(server.pid()));
                thread::sleep(LOOK);
            }
            peak
        });
        let result = work();
        ended.store(true, Ordering::Relaxed);
        (result, peak.join().unwrap_or(0))
    })
}

/// Writes for as long as the save took, while the state of saving is asked for: a shorter run would meet fewer of the
/// machine's own pauses.
fn load_without_saving(
    server: &Server,
    template: &Template,
    options: &Options,
    took: Duration,
) -> Result<Outcome> {
    let (mut client, mut trouble) = (server.client()?, None);
    let begun = Instant::now();
    let mut next_look = begun;
    let run = || {
        load::run(&writes(server, template, options, None), || {
            let now = Instant::now();
            if now >= next_look {
                next_look = now + LOOK;
                trouble = is_saving(&mut client).err();
            }
            trouble.is_some() || now - begun >= took
        })
    };
    let outcome = with_peak(server, run).0?;
    trouble.map_or(Ok(outcome), Err)
}

fn is_saving(client: &mut Client) -> Result<bool> {
    let state = client.info_of("persistence", "rdb_bgsave_in_progress");
    Ok(state.context("asking for the state of the save")?.as_deref() == Some("1"))
}

/// Writes until the BGSAVE that it starts has ended.
fn load_while_saving(
    server: &Server,
    template: &Template,
    options: &Options,
) -> Result<(Outcome, Duration, u64)> {
    let mut client = server.client()?;
    let begun = Instant::now();
    let reply = client.words("BGSAVE")?;
    ensure!(!reply.is_error(), "BGSAVE: {}", reply.render());
    let (mut took, mut trouble) = (Duration::ZERO, None);
    let mut next_look = Instant::now();
    let run = || {
        load::run(&writes(server, template, options, None), || {
            if Instant::now() < next_look {
                return false;
            }
            next_look = Instant::now() + LOOK;
            took = begun.elapsed();
            match is_saving(&mut client) {
                Ok(saving) => !saving || took > SAVE_LIMIT,
                Err(error) => {
                    trouble = Some(error);
                    true
                }
            }
        })
    };
    let (outcome, peak) = with_peak(server, run);
    let outcome = outcome?;
    trouble.map_or(Ok((outcome, took, peak)), Err)
}

/// Seconds from the start of the process with a dump file until it answers.
pub fn startup(options: &Options) -> Result<()> {
    let mut cells = Vec::new();
    for side in sides::all(options, false)? {
        let dir = fresh_dir()?;
        let spec = Spec { dir: Some(dir.clone()), start_limit: SAVE_LIMIT, ..side.spec(options, "") };
        let mut server = Server::start(&spec)?;
        mixed_data(&server, options)?;
        let begun = Instant::now();
        let reply = server.client()?.words("SAVE")?;
        ensure!(!reply.is_error(), "SAVE: {}", reply.render());
        let saved = begun.elapsed();
        server.kill();
        let file = std::fs::metadata(dir.join("dump.rdb")).map_or(0, |m| m.len());
        let begun = Instant::now();
        let again = Server::start(&spec)?;
        let loaded = begun.elapsed();
        let keys = again.client()?.words("DBSIZE")?.text();
        cells.push(vec![
            side.name.clone(),
            keys,
            format!("{:.2}", saved.as_secs_f64()),
            format!("{:.0}", file as f64 / 1e6),
            format!("{:.2}", loaded.as_secs_f64()),
        ]);
        drop(again);
        std::fs::remove_dir_all(&dir)?;
    }
    let head = ["server", "keys", "SAVE s", "file MB", "start s"];
    table::publish("startup", "Saving and loading", &head, &cells, options)
}

/// Seconds until a fresh replica is in step, and the primary's CPU time for it.
pub fn sync(options: &Options) -> Result<()> {
    let mut cells = Vec::new();
    for side in sides::all(options, false)? {
        let server = side.start(options, "")?;
        mixed_data(&server, options)?;
        let cpu = procstat::cpu_nanos(server.pid());
        let before = procstat::family_bytes(server.pid());
        let begun = Instant::now();
        match sides::attach_replica(&side, &server, options) {
            Ok(replica) => {
                let took = begun.elapsed().as_secs_f64();
                let keys = replica.client()?.words("DBSIZE")?.text();
                let cpu = (procstat::cpu_nanos(server.pid()) - cpu) as f64 / 1e9;
                let grown = procstat::resident_bytes(server.pid()) as f64 / before as f64;
                cells.push(vec![
                    side.name.clone(),
                    keys,
                    format!("{took:.2}"),
                    format!("{cpu:.2}"),
                    format!("{grown:.2}"),
                ]);
            }
            Err(error) => println!("{}: {error:#}", side.name),
        }
    }
    let head = ["primary", "keys", "sync s", "primary CPU s (without children)", "RSS after/before"];
    table::publish("sync", "Full sync to a fresh replica", &head, &cells, options)
}

/// SET under each fsync policy.
pub fn aof(options: &Options) -> Result<()> {
    let mut cells = Vec::new();
    let template = Template::parse("SET key:{k} {v}", options.keys, options.value_bytes)?;
    for policy in ["no", "everysec", "always"] {
        for side in sides::all(options, false)? {
            let extra = format!("--appendonly yes --appendfsync {policy}");
            let server = match side.start(options, &extra) {
                Ok(server) => server,
                Err(error) => {
                    // The last line of what a server says when it gives up tells why.
                    let text = format!("{error:#}");
                    let why = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                    println!("{} with appendfsync {policy}: {why}", side.name);
                    continue;
                }
            };
            sides::fill_one(&server, "SET key:{s} {v}", options.keys, options.value_bytes, options)?;
            for &pipeline in &options.pipelines {
                let requests = options.round_requests(pipeline, if policy == "always" { 10 } else { 1 });
                let load = Load { pipeline, ..writes(&server, &template, options, Some(requests)) };
                let cpu = procstat::cpu_nanos(server.pid());
                let outcome = load::run(&load, || false)?;
                let cpu = (procstat::cpu_nanos(server.pid()) - cpu) as f64 / 1e3 / outcome.requests as f64;
                cells.push(vec![
                    policy.to_string(),
                    pipeline.to_string(),
                    side.name.clone(),
                    format!("{:.0}", outcome.rate()),
                    format!("{cpu:.3}"),
                    format!("{:.0}", outcome.latency.quantile(0.5) as f64 / 1e3),
                    format!("{:.0}", outcome.latency.quantile(0.999) as f64 / 1e3),
                ]);
            }
        }
    }
    let head = ["appendfsync", "P", "server", "req/s", "CPU us/req", "p50 us", "p99.9 us"];
    table::publish("aof", "SET with the append-only file", &head, &cells, options)
}

/// Resident bytes per idle connection, and the CPU share of an idle server.
pub fn idle(options: &Options) -> Result<()> {
    const CONNECTIONS: usize = 5_000;
    let mut cells = Vec::new();
    for side in sides::all(options, false)? {
        let server = side.start(options, "")?;
        let cpu = procstat::cpu_nanos(server.pid());
        thread::sleep(Duration::from_secs(2));
        let idle = (procstat::cpu_nanos(server.pid()) - cpu) as f64 / 2e9;
        let before = procstat::resident_bytes(server.pid());
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut client = server.client().context("raise the limit of open files: ulimit -n 20000")?;
            client.words("PING")?;
            clients.push(client);
        }
        // Servers give unused buffers back after a while.
        thread::sleep(Duration::from_secs(5));
        let after = procstat::resident_bytes(server.pid());
        cells.push(vec![
            side.name.clone(),
            format!("{:.1}", before as f64 / 1e6),
            format!("{:.3}", idle * 100.0),
            format!("{:.0}", after.saturating_sub(before) as f64 / CONNECTIONS as f64),
        ]);
    }
    let head = ["server", "MB idle", "CPU % idle", "bytes per idle connection"];
    table::publish("idle", "Idle server and idle connections", &head, &cells, options)
}
