//! Counters since the start, or since CONFIG RESETSTAT.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Text;
use crate::channels::Topic;
use crate::cx::Cx;
use crate::stats::{Counter, WorkerStats};

/// Fields for what does not exist here, or not yet; tools read them all the same.
const NEVER: &[&str] = &[
    "latest_fork_usec",
    "total_forks",
    "active_defrag_hits",
    "active_defrag_misses",
    "active_defrag_key_hits",
    "active_defrag_key_misses",
    "total_active_defrag_time",
    "current_active_defrag_time",
    "tracking_total_keys",
    "tracking_total_items",
    "tracking_total_prefixes",
];

/// The session of HOTKEYS, if there is one.
pub(super) fn hot_keys(cx: &mut Cx<'_>, text: &mut Text) {
    let Some((active, all_us)) = cx.server.hot_keys.progress(cx.now_ms) else { return };
    text.field("hotkeys-tracking-active", u8::from(active));
    // Seconds, as the real server's figure appears to be.
    text.field("hotkeys-cmd-cpu-time", all_us / 1_000_000);
}

pub(super) fn stats(cx: &mut Cx<'_>, text: &mut Text) {
    let server = cx.server;
    let total = |counter| server.total(counter);
    let rate = |counter| server.samples.per_second(counter);
    let kbps = |counter| format!("{:.2}", rate(counter) / 1024.0);
    text.field("total_connections_received", total(Counter::Connections));
    text.field("total_commands_processed", total(Counter::Commands));
    text.field("instantaneous_ops_per_sec", rate(Counter::Commands).round() as u64);
    text.field("total_net_input_bytes", total(Counter::NetInput));
    text.field("total_net_output_bytes", total(Counter::NetOutput));
    text.field("total_net_repl_input_bytes", total(Counter::NetReplInput));
    text.field("total_net_repl_output_bytes", total(Counter::NetReplOutput));
    text.field("instantaneous_input_kbps", kbps(Counter::NetInput));
    text.field("instantaneous_output_kbps", kbps(Counter::NetOutput));
    text.field("instantaneous_input_repl_kbps", kbps(Counter::NetReplInput));
    text.field("instantaneous_output_repl_kbps", kbps(Counter::NetReplOutput));
    text.field("rejected_connections", total(Counter::RejectedConnections));
    text.field("sync_full", total(Counter::SyncFull));
    text.field("sync_partial_ok", total(Counter::SyncPartialOk));
    text.field("sync_partial_err", total(Counter::SyncPartialErr));
    let tracked = server.replication.local_expires().len();
    text.field("slave_expires_tracked_keys", tracked);
    text.field("expired_subkeys", total(Counter::ExpiredFields));
    text.field("expired_subkeys_active", total(Counter::ExpiredFieldsActive));
    text.field("expired_fields", total(Counter::ExpiredFields));
    text.field("expired_keys", total(Counter::ExpiredKeys));
    text.field("expired_keys_active", total(Counter::ExpiredKeysActive));
    text.field("expired_stale_perc", "0.00");
    text.field("expired_time_cap_reached_count", 0);
    text.field("expire_cycle_cpu_milliseconds", 0);
    text.field("evicted_keys", total(Counter::EvictedKeys));
    text.field("evicted_clients", total(Counter::EvictedClients));
    text.field("evicted_scripts", 0);
    let (now_ms, all_ms) = server.eviction.exceeded_ms();
    text.field("total_eviction_exceeded_time", all_ms);
    text.field("current_eviction_exceeded_time", now_ms);
    text.field("keyspace_hits", total(Counter::KeyspaceHits));
    text.field("keyspace_misses", total(Counter::KeyspaceMisses));
    text.field("pubsub_channels", server.channels.len(Topic::Channel));
    text.field("pubsub_patterns", server.channels.len(Topic::Pattern));
    text.field("pubsubshard_channels", server.channels.len(Topic::Shard));
    text.field("migrate_cached_sockets", server.migrate_sockets.load(Relaxed));
    NEVER.iter().for_each(|name| text.field(name, 0));
    text.field("unexpected_error_replies", total(Counter::UnexpectedErrors));
    text.field("total_error_replies", total(Counter::ErrorReplies));
    text.field("dump_payload_sanitizations", 0);
    text.field("total_reads_processed", total(Counter::Reads));
    text.field("total_writes_processed", total(Counter::Writes));
    text.field("io_threaded_reads_processed", total(Counter::Reads));
    text.field("io_threaded_writes_processed", total(Counter::Writes));
    text.field("client_query_buffer_limit_disconnections", total(Counter::QueryLimitDisconnects));
    text.field("client_output_buffer_limit_disconnections", total(Counter::OutputLimitDisconnects));
    text.field("reply_buffer_shrinks", 0);
    text.field("reply_buffer_expands", 0);
    text.field("eventloop_cycles", total(Counter::Cycles));
    text.field("eventloop_duration_sum", total(Counter::CycleUsec));
    text.field("eventloop_duration_cmd_sum", command_usec(cx));
    let cycles = rate(Counter::Cycles);
    let usec = if cycles > 0.0 { rate(Counter::CycleUsec) / cycles } else { 0.0 };
    text.field("instantaneous_eventloop_cycles_per_sec", cycles.round() as u64);
    text.field("instantaneous_eventloop_duration_usec", usec.round() as u64);
    text.field("acl_access_denied_auth", total(Counter::AccessDeniedAuth));
    for what in ["cmd", "key", "channel", "tls_cert", "db"] {
        text.field(&format!("acl_access_denied_{what}"), 0);
    }
    text.field("lock_acquisitions", total(Counter::LockAcquisitions));
}

/// What the peers keep for their own developers. Nothing here runs in an event loop for an append-only file.
pub(super) fn debug(cx: &mut Cx<'_>, text: &mut Text) {
    let server = cx.server;
    let most = |of: fn(&WorkerStats) -> &AtomicU64| {
        server.workers.iter().map(|worker| of(worker).load(Relaxed)).max().unwrap_or(0)
    };
    text.field("eventloop_duration_aof_sum", 0);
    text.field("eventloop_duration_cron_sum", server.total(Counter::CronUsec));
    text.field("eventloop_duration_max", most(|worker| &worker.longest_cycle_us));
    text.field("eventloop_cmd_per_cycle_max", most(|worker| &worker.most_commands));
}

/// Microseconds that commands took, all together.
fn command_usec(cx: &Cx<'_>) -> u64 {
    let rows = cx.server.workers.iter().flat_map(|worker| worker.rows.iter());
    rows.map(|row| row.usec.load(Relaxed)).sum()
}
