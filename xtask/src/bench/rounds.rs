//! Workloads in turns: every side runs a round, then every side the next, and medians are compared.
//!
//! Invariant: a side that answers a workload with errors is shown with the error, not with numbers.
//! Callers: `bench::run`; `sweep` measures as it does.

use anyhow::Result;
use testkit::client::encode;
use testkit::process::Server;

use super::load::{self, Load, Outcome};
use super::options::Options;
use super::procstat;
use super::scenarios::print_locks;
use super::sides::{self, Kind, Side};
use super::table;
use super::template::Template;
use super::workloads::{self, Workload};

/// A started side with what is loaded into it.
struct Running {
    side: Side,
    server: Server,
    replica: Option<Server>,
    data: &'static str,
    usable: bool,
}

/// One round of one side.
pub struct Measured {
    pub outcome: Outcome,
    /// The server's CPU time per request, microseconds.
    pub cpu_us: f64,
    resident_bytes: u64,
}

/// The medians of a side's rounds.
struct Summary {
    rate: f64,
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    resident_bytes: u64,
    error: Option<String>,
}

/// Runs the workloads at all pipeline depths and prints the table.
pub fn run(options: &Options, rows: &[&'static Workload]) -> Result<()> {
    let mut running = start(options)?;
    let mut cells = Vec::new();
    for workload in rows {
        for side in &mut running {
            prepare(side, workload, options);
        }
        for &pipeline in &options.pipelines {
            let summaries = in_turns(&mut running, workload, pipeline, options)?;
            for (side, summary) in running.iter().zip(&summaries) {
                let row = cells_of(workload, pipeline, &side.side, summary, &running, &summaries);
                println!("{}", row.join("  "));
                cells.push(row);
            }
        }
    }
    if options.workers > 1 {
        let mut servers = running.iter().filter(|side| side.side.kind != Kind::Floor);
        servers.try_for_each(|side| print_locks(&side.side.name, &side.server))?;
    }
    let head = [
        "workload",
        "P",
        "server",
        "req/s",
        "CPU us/req",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "RSS MB",
        "CPU ratio",
        "rate ratio",
    ];
    let section = match (options.replica, options.workers) {
        (true, _) => "workloads-replica".to_string(),
        (false, 1) => "workloads".to_string(),
        (false, n) => format!("workloads-{n}-workers"),
    };
    table::publish(&section, "Workloads", &head, &cells, options)
}

fn start(options: &Options) -> Result<Vec<Running>> {
    let mut running = Vec::new();
    for side in sides::all(options, true)? {
        match side.start(options, "") {
            Ok(server) => {
                let replica = match side.kind {
                    Kind::Floor => None,
                    _ if options.replica => Some(sides::attach_replica(&side, &server, options)?),
                    _ => None,
                };
                running.push(Running { side, server, replica, data: "nothing", usable: true });
            }
            Err(error) => println!("left out: {error:#}"),
        }
    }
    Ok(running)
}

/// Loads the data set of a workload unless it is there.
fn prepare(running: &mut Running, workload: &Workload, options: &Options) {
    if running.side.kind == Kind::Floor || (running.data == workload.data && running.usable) {
        return;
    }
    let load = || -> Result<()> {
        if running.data != "nothing" {
            running.server.client()?.words("FLUSHALL")?;
        }
        sides::fill(&running.server, workloads::data_of(workload), options)
    };
    let result = load();
    running.usable = result.is_ok();
    running.data = workload.data;
    if let Err(error) = result {
        println!("{}: {error:#}", running.side.name);
    }
}

fn in_turns(
    running: &mut [Running],
    workload: &Workload,
    pipeline: usize,
    options: &Options,
) -> Result<Vec<Summary>> {
    let template = Template::parse(workload.request, options.keys, options.value_bytes)?;
    let requests = options.round_requests(pipeline, workload.cost);
    let mut listen = Vec::new();
    encode(&mut listen, &["SUBSCRIBE", "news"]);
    let mut rounds: Vec<Vec<Measured>> = running.iter().map(|_| Vec::new()).collect();
    let mut broken: Vec<Option<String>> = running.iter().map(|_| None).collect();
    for round in 0..=options.rounds {
        for (index, side) in running.iter_mut().enumerate() {
            if !side.usable || broken[index].is_some() {
                continue;
            }
            let load = Load {
                port: side.server.port(),
                template: &template,
                connections: options.connections,
                pipeline,
                // Round 0 warms up and is not counted.
                requests: Some(if round == 0 { requests.div_ceil(10) } else { requests }),
                listeners: workload.listeners,
                listen: &listen,
                seed: options.seed + round as u64,
                counter: 0,
            };
            match measure(&side.server, &load, || false) {
                Ok(measured) if round > 0 => rounds[index].push(measured),
                Ok(_) => {}
                Err(error) => broken[index] = Some(format!("{error:#}")),
            }
        }
    }
    Ok(rounds.iter().zip(broken).map(|(r, b)| summarize(r, b)).collect())
}

/// Runs a load and asks the kernel what it took the server.
pub fn measure(server: &Server, load: &Load<'_>, stop: impl FnMut() -> bool) -> Result<Measured> {
    let before = procstat::cpu_nanos(server.pid());
    let outcome = load::run(load, stop)?;
    let cpu = procstat::cpu_nanos(server.pid()).saturating_sub(before);
    let cpu_us = cpu as f64 / 1e3 / outcome.requests.max(1) as f64;
    Ok(Measured { outcome, cpu_us, resident_bytes: procstat::resident_bytes(server.pid()) })
}

fn summarize(rounds: &[Measured], broken: Option<String>) -> Summary {
    let median = |of: &dyn Fn(&Measured) -> f64| median(rounds.iter().map(of).collect());
    let quantile = |q: f64| median(&move |m: &Measured| m.outcome.latency.quantile(q) as f64 / 1e3);
    let failed = rounds.iter().find(|m| m.outcome.errors > 0).and_then(|m| m.outcome.first_error.clone());
    let error = broken.or(failed).or(rounds.is_empty().then(|| "not loaded".to_string()));
    Summary {
        rate: median(&|m| m.outcome.rate()),
        cpu_us: median(&|m| m.cpu_us),
        p50_us: quantile(0.5),
        p99_us: quantile(0.99),
        p999_us: quantile(0.999),
        resident_bytes: rounds.last().map_or(0, |m| m.resident_bytes),
        error,
    }
}

/// The middle value; 0 for none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn cells_of(
    workload: &Workload,
    pipeline: usize,
    side: &Side,
    summary: &Summary,
    running: &[Running],
    summaries: &[Summary],
) -> Vec<String> {
    let mut row = vec![format!("{:10}", workload.name), format!("{pipeline:3}"), format!("{:8}", side.name)];
    if let Some(error) = &summary.error {
        row.push(error.chars().take(60).collect());
        row.resize(11, "-".into());
        return row;
    }
    let peers = || {
        let pairs = running.iter().zip(summaries);
        pairs.filter(|(r, s)| r.side.kind == Kind::Peer && s.error.is_none()).map(|(_, s)| s)
    };
    let best_cpu = peers().map(|s| s.cpu_us).fold(f64::INFINITY, f64::min);
    let best_rate = peers().map(|s| s.rate).fold(0.0, f64::max);
    let ratio = |ours: f64, best: f64| {
        if best.is_finite() && best > 0.0 { format!("{:.2}", ours / best) } else { "-".into() }
    };
    row.extend([
        format!("{:8.0}", summary.rate),
        format!("{:7.3}", summary.cpu_us),
        format!("{:6.0}", summary.p50_us),
        format!("{:6.0}", summary.p99_us),
        format!("{:6.0}", summary.p999_us),
        format!("{:.0}", summary.resident_bytes as f64 / 1e6),
        ratio(summary.cpu_us, best_cpu),
        ratio(summary.rate, best_rate),
    ]);
    row
}

impl Drop for Running {
    fn drop(&mut self) {
        // The replica goes first: it would complain about a primary that vanished.
        self.replica = None;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_of_few_values() {
        assert_eq!(super::median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(super::median(vec![]), 0.0);
    }
}
