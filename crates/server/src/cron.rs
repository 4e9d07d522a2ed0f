//! The regular work beside the workers: samples, save points, pings to replicas, the health of replicas, idle clients.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use commands::persistence::SaveEnd;
use commands::server::Server;
use commands::stats::Counter;
use config::Directive;

/// Seconds before a failed save is tried again.
const RETRY_SAVE_S: u64 = 5;

/// Runs for ever, ten times a second.
pub async fn run(server: &'static Server) {
    let mut interval = tokio::time::interval(Duration::from_millis(100));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticks = 0u64;
    let mut last_ping_ms = sys::os::unix_ms();
    loop {
        interval.tick().await;
        if server.cron_paused.load(Relaxed) {
            continue;
        }
        ticks += 1;
        let started_us = sys::os::monotonic_us();
        sys::alloc::publish();
        server.samples.take(server);
        save_if_due(server);
        if ticks.is_multiple_of(10) {
            count_good_replicas(server);
            drop_backlog(server);
            ping_replicas(server, &mut last_ping_ms);
            drop_idle_clients(server);
            crate::migrate::release(server);
            sys::alloc::decay();
        }
        server.journal.wake_readers();
        count(server, sys::os::monotonic_us() - started_us);
    }
}

/// The main task's counters are the last ones.
fn count(server: &Server, usec: u64) {
    if let Some(stats) = server.workers.last() {
        stats.add(Counter::CronUsec, usec);
        stats.cycle(usec, 0);
    }
}

/// Begins a save when a save point is reached, or one was scheduled.
fn save_if_due(server: &'static Server) {
    let persistence = &server.persistence;
    if persistence.is_busy() || server.is_loading() {
        return;
    }
    let now_s = sys::os::unix_ms() / 1000;
    let since_s = now_s.saturating_sub(persistence.last_save_s.load(Relaxed));
    let dirty = persistence.dirty.load(Relaxed);
    let may_retry = persistence.last_ok.load(Relaxed)
        || now_s.saturating_sub(persistence.last_try_s.load(Relaxed)) > RETRY_SAVE_S;
    let points = if dirty > 0 && may_retry { server.config.save_points() } else { Vec::new() };
    let due = points.iter().find(|point| dirty >= point.changes && since_s > point.seconds);
    if let Some(point) = due {
        crate::log::notice(&format!("{} changes in {} seconds. Saving...", point.changes, point.seconds));
    }
    if (due.is_some() || persistence.scheduled.swap(false, Relaxed)) && persistence.begin() {
        let _alone = server.keyspace.gate().close();
        let mut access = server.keyspace.access_all();
        if crate::save::begin_to_file(server, &mut access).is_err() {
            persistence.end(SaveEnd::Failed);
        }
    }
}

fn count_good_replicas(server: &Server) {
    server.replication.count_good(server.config.int(Directive::MinReplicasMaxLag).max(0) as u64);
}

/// Gives the backlog back when no replica has been there for `repl-backlog-ttl` seconds. Without it nobody can go on with
/// this history, which therefore ends.
fn drop_backlog(server: &Server) {
    let ttl_ms = server.config.int(Directive::ReplBacklogTtl).max(0) as u64 * 1000;
    let replication = &server.replication;
    if ttl_ms == 0 || !server.journal.is_recording() || replication.is_replica() {
        return;
    }
    let gone_ms = sys::os::unix_ms().saturating_sub(replication.no_replicas_since_ms.load(Relaxed));
    if !replication.replicas().is_empty() || gone_ms <= ttl_ms {
        return;
    }
    let _alone = server.keyspace.gate().close();
    if !replication.replicas().is_empty() || replication.is_replica() {
        return;
    }
    server.journal.stop();
    let mut history = replication.history();
    history.id = commands::replication::random_id();
    history.second_id = "0".repeat(40);
    history.second_offset = -1;
    crate::log::notice(&format!(
        "Replication backlog freed after {} seconds without connected replicas.",
        ttl_ms / 1000
    ));
}

/// The stream itself carries the sign of life, so that replicas of replicas get it too.
fn ping_replicas(server: &Server, last_ping_ms: &mut u64) {
    let period_ms = server.config.int(Directive::ReplPingReplicaPeriod).max(1) as u64 * 1000;
    let now_ms = sys::os::unix_ms();
    let ending = server.shutdown_until_ms.load(Relaxed) > 0;
    if now_ms.saturating_sub(*last_ping_ms) < period_ms || server.replication.is_replica() || ending {
        return;
    }
    *last_ping_ms = now_ms;
    if server.journal.is_recording() && !server.replication.replicas().is_empty() {
        server.journal.append_raw(&journal::record::command(&["PING"]));
    }
}

/// Drops the clients that have been silent for longer than `timeout` says.
fn drop_idle_clients(server: &Server) {
    let now_ms = sys::os::unix_ms();
    let timeout_ms = server.config.int(Directive::Timeout).max(0) as u64 * 1000;
    if timeout_ms == 0 {
        return;
    }
    for client in server.clients.all() {
        let idle_ms = now_ms.saturating_sub(client.active_ms.load(Relaxed));
        if idle_ms > timeout_ms {
            let details = client.details();
            let exempt = details.blocked || details.kind != commands::client::ClientType::Normal;
            drop(details);
            if !exempt {
                crate::log::log(commands::server::LogLevel::Verbose, "Closing idle client");
                client.kill();
            }
        }
    }
}
