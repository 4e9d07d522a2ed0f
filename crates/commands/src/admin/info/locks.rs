//! What holds others up: shards' locks, the gate, and what a running snapshot adds to writes.
//!
//! Only by its name, for no peer has it. Workers are not timed apart: a command holds its shards for hardly less than its own
//! time, which is counted anyway (`latency-tracking`).

use std::sync::atomic::Ordering::Relaxed;

use sys::durations::{self, Durations};
use sys::lock::CONTENDED;
use sys::work;

use super::Text;
use super::commands::distribution;
use super::percent;
use crate::cx::Cx;
use crate::latency::Distribution;
use crate::row::Plan;
use crate::stats::Counter;
use crate::table::table;

/// The durations that are not a command's own, by name.
const OTHERS: [(&str, &Durations); 5] = [
    ("snapshot_holds_usec", &work::WALK_HOLDS.clock),
    ("snapshot_holds_cpu_usec", &work::WALK_HOLDS.cpu),
    ("snapshot_hooks_usec", &work::HOOKS.clock),
    ("snapshot_hooks_cpu_usec", &work::HOOKS.cpu),
    ("gate_closed_usec", &durations::GATE),
];

pub(super) fn locks(cx: &mut Cx<'_>, text: &mut Text) {
    let acquisitions = cx.server.total(Counter::LockAcquisitions);
    let contended = CONTENDED.load(Relaxed);
    text.field("lock_acquisitions", acquisitions);
    text.field("lock_contended", contended);
    text.field("lock_contended_perc", format_args!("{:.3}", percent(contended, acquisitions)));
    let rows = table().rows().iter().enumerate().filter(|(_, known)| known.row.plan == Plan::Keys);
    let commands = Distribution::total_of(rows.map(|(id, _)| distribution(cx.server, id)));
    line(text, "command_holds_usec", &commands, commands.percentile(100.0));
    for (name, durations) in OTHERS {
        line(text, name, &Distribution::of(durations), durations.longest_us());
    }
}

fn line(text: &mut Text, name: &str, times: &Distribution, longest: u64) {
    let at = |percent| times.percentile(percent);
    let (count, p50, p99, p999) = (times.total(), at(50.0), at(99.0), at(99.9));
    text.field(name, format_args!("count={count},p50={p50},p99={p99},p99.9={p999},max={longest}"));
}

/// CONFIG RESETSTAT.
pub(crate) fn reset() {
    CONTENDED.store(0, Relaxed);
    OTHERS.iter().for_each(|(_, durations)| durations.reset());
}
