//! What commands cost, and which errors they gave.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use config::Directive;

use super::Text;
use crate::cx::Cx;
use crate::latency::Distribution;
use crate::server::Server;
use crate::stats::RowStats;
use crate::table::table;

fn sum(server: &Server, row: usize, counter: impl Fn(&RowStats) -> &AtomicU64) -> u64 {
    server.workers.iter().map(|worker| counter(&worker.rows[row]).load(Relaxed)).sum()
}

pub(super) fn commandstats(cx: &mut Cx<'_>, text: &mut Text) {
    for (id, known) in table().rows().iter().enumerate() {
        let calls = sum(cx.server, id, |row| &row.calls);
        let rejected = sum(cx.server, id, |row| &row.rejected);
        let failed = sum(cx.server, id, |row| &row.failed);
        if calls == 0 && rejected == 0 && failed == 0 {
            continue;
        }
        let usec = sum(cx.server, id, |row| &row.usec);
        let per_call = if calls == 0 { 0.0 } else { usec as f64 / calls as f64 };
        text.field(
            &format!("cmdstat_{}", known.full_name),
            format_args!(
                "calls={calls},usec={usec},usec_per_call={per_call:.2},rejected_calls={rejected},failed_calls={failed}"
            ),
        );
    }
}

pub(super) fn errorstats(cx: &mut Cx<'_>, text: &mut Text) {
    for (code, count) in cx.server.errors.all() {
        text.field(&format!("errorstat_{}", String::from_utf8_lossy(&code)), format_args!("count={count}"));
    }
}

/// The distribution of a command's times, over all workers.
pub(in crate::admin) fn distribution(server: &Server, row: usize) -> Distribution {
    Distribution::sum(server.workers.iter().map(|worker| &worker.rows[row].latency))
}

pub(super) fn latencystats(cx: &mut Cx<'_>, text: &mut Text) {
    if !cx.server.config.flag(Directive::LatencyTracking) {
        return;
    }
    let percentiles = cx.server.config.percentiles();
    for (id, known) in table().rows().iter().enumerate() {
        let times = distribution(cx.server, id);
        if times.total() == 0 {
            continue;
        }
        let values: Vec<String> = percentiles
            .iter()
            .map(|&percent| format!("p{percent}={:.3}", times.percentile(percent) as f64))
            .collect();
        text.field(&format!("latency_percentiles_usec_{}", known.full_name), values.join(","));
    }
}
