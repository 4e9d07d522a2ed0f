//! What is stored: persistence, cluster, keyspace.

use std::sync::atomic::Ordering::Relaxed;

use config::Family;

use super::Text;
use crate::cx::Cx;

pub(super) fn persistence(cx: &mut Cx<'_>, text: &mut Text) {
    let state = &cx.server.persistence;
    let saving = state.saving.load(Relaxed);
    let now_s = cx.now_ms / 1000;
    let loading = cx.server.is_loading();
    text.field("loading", u8::from(loading));
    text.field("async_loading", 0);
    for name in ["current_cow_peak", "current_cow_size", "current_cow_size_age"] {
        text.field(name, 0);
    }
    text.field("current_fork_perc", "0.00");
    text.field("current_save_keys_processed", 0);
    text.field("current_save_keys_total", 0);
    text.field("rdb_changes_since_last_save", state.dirty.load(Relaxed));
    text.field("rdb_bgsave_in_progress", u8::from(state.is_busy()));
    text.field("rdb_last_save_time", state.last_save_s.load(Relaxed));
    text.field("rdb_last_bgsave_status", if state.last_ok.load(Relaxed) { "ok" } else { "err" });
    text.field("rdb_last_bgsave_time_sec", state.last_duration_s.load(Relaxed));
    let running_s = now_s.saturating_sub(state.save_started_s.load(Relaxed)) as i64;
    text.field("rdb_current_bgsave_time_sec", if saving { running_s } else { -1 });
    text.field("rdb_saves_consecutive_failures", state.failures.load(Relaxed));
    text.field("rdb_saves", state.saves.load(Relaxed));
    text.field("rdb_last_cow_size", 0);
    text.field("rdb_last_load_keys_expired", state.keys_expired_at_load.load(Relaxed));
    text.field("rdb_last_load_keys_loaded", state.keys_loaded.load(Relaxed));
    append_only(text);
    text.field("module_fork_in_progress", 0);
    text.field("module_fork_last_cow_size", 0);
    if loading {
        progress(cx, text);
    }
}

/// There is no append only file yet.
fn append_only(text: &mut Text) {
    text.field("aof_enabled", 0);
    text.field("aof_rewrite_in_progress", 0);
    text.field("aof_rewrite_scheduled", 0);
    text.field("aof_last_rewrite_time_sec", -1);
    text.field("aof_current_rewrite_time_sec", -1);
    text.field("aof_last_bgrewrite_status", "ok");
    text.field("aof_rewrites", 0);
    text.field("aof_rewrites_consecutive_failures", 0);
    text.field("aof_last_write_status", "ok");
    text.field("aof_last_cow_size", 0);
}

fn progress(cx: &Cx<'_>, text: &mut Text) {
    let state = &cx.server.persistence;
    let (start_s, total, done) = (
        state.load_started_s.load(Relaxed),
        state.load_total_bytes.load(Relaxed),
        state.load_done_bytes.load(Relaxed),
    );
    let elapsed_s = (cx.now_ms / 1000).saturating_sub(start_s);
    let left_s = (elapsed_s * total.saturating_sub(done)).checked_div(done).unwrap_or(1);
    text.field("loading_start_time", start_s);
    text.field("loading_total_bytes", total);
    text.field("loading_rdb_used_mem", 0);
    text.field("loading_loaded_bytes", done);
    let percent = super::memory::percent(done, total);
    text.field("loading_loaded_perc", format_args!("{percent:.2}"));
    text.field("loading_eta_seconds", left_s);
}

pub(super) fn cluster(_: &mut Cx<'_>, text: &mut Text) {
    text.field("cluster_enabled", 0);
}

pub(super) fn keyspace(cx: &mut Cx<'_>, text: &mut Text) {
    let word = match cx.family() {
        Family::Redis => "subexpiry",
        Family::Valkey => "keys_with_volatile_items",
    };
    for (db, numbers) in crate::estimates::databases(cx) {
        let (keys, average, volatile) = (numbers.keys, numbers.average_ms, numbers.volatile);
        let (expires, hashes) = (volatile.keys, volatile.hashes);
        text.field(
            &format!("db{db}"),
            // Tools take no more than four items.
            format_args!("keys={keys},expires={expires},avg_ttl={average},{word}={hashes}"),
        );
    }
}
