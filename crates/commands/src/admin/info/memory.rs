//! Where the memory is.

use std::sync::atomic::Ordering::Relaxed;

use config::Directive;

use super::{Text, human};
use crate::client::ClientType;
use crate::cx::Cx;
use crate::eviction::Used;

/// What INFO memory, MEMORY STATS and MEMORY DOCTOR tell alike. Bytes.
pub(in crate::admin) struct Usage {
    pub used: u64,
    pub not_counted: u64,
    pub peak: u64,
    pub peak_at_s: u64,
    pub startup: u64,
    pub rss: u64,
    pub total_system: u64,
    pub backlog: u64,
    pub replicas: u64,
    /// All that is kept of the stream, whoever needs it.
    pub stream: u64,
    pub clients: u64,
    /// Hash tables of each database that has keys: (database, keys, bytes).
    pub tables: Vec<(usize, usize, u64)>,
    pub heap: sys::alloc::Figures,
}

impl Usage {
    /// Looks at everything.
    pub fn now(cx: &mut Cx<'_>) -> Usage {
        let samples = &cx.server.samples;
        let used = Used::now(cx.server);
        samples.note_memory(used.allocated);
        let (mut replicas, mut clients) = (0, 0);
        for client in cx.server.clients.all() {
            match client.details().kind {
                _ if client.is_killed() => {}
                ClientType::Replica => replicas += client.memory_bytes(),
                _ => clients += client.memory_bytes(),
            }
        }
        let backlog = if replicas == 0 {
            used.backlog.allocated
        } else {
            replicas += used.backlog.beyond();
            used.backlog.allocated - used.backlog.beyond()
        };
        let footprint = samples.footprint(cx.now_ms);
        let databases = crate::estimates::databases(cx).into_iter();
        let tables = databases.map(|(db, numbers)| (db, numbers.keys, numbers.index_bytes)).collect();
        Usage {
            used: used.allocated,
            not_counted: used.not_counted,
            peak: samples.peak_bytes.load(Relaxed),
            peak_at_s: samples.peak_at_s.load(Relaxed),
            startup: samples.startup_bytes.load(Relaxed),
            rss: footprint.rss,
            total_system: sys::os::total_memory_bytes(),
            backlog,
            replicas,
            stream: used.backlog.allocated,
            clients,
            tables,
            heap: footprint.heap,
        }
    }

    /// Keys of all databases.
    pub fn keys(&self) -> usize {
        self.tables.iter().map(|(_, keys, _)| keys).sum()
    }

    /// What is not data.
    pub fn overhead(&self) -> u64 {
        let tables: u64 = self.tables.iter().map(|(_, _, bytes)| bytes).sum();
        self.startup + self.backlog + self.replicas + self.clients + tables
    }

    /// What is data.
    pub fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead())
    }

    /// The data's part of what was allocated since the start, in percent.
    pub fn dataset_percent(&self) -> f64 {
        percent(self.dataset(), self.used.saturating_sub(self.startup))
    }
}

/// `part` in percent of `whole`.
pub(in crate::admin) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// How many times `a` is `b`.
pub(in crate::admin) fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

pub(super) fn memory(cx: &mut Cx<'_>, text: &mut Text) {
    let usage = Usage::now(cx);
    text.bytes("used_memory", usage.used);
    text.bytes("used_memory_rss", usage.rss);
    text.bytes("used_memory_peak", usage.peak);
    text.field("used_memory_peak_time", usage.peak_at_s);
    text.field("used_memory_peak_perc", format_args!("{:.2}%", percent(usage.used, usage.peak)));
    text.field("used_memory_overhead", usage.overhead());
    text.field("used_memory_startup", usage.startup);
    text.field("used_memory_dataset", usage.dataset());
    text.field("used_memory_dataset_perc", format_args!("{:.2}%", usage.dataset_percent()));
    text.field("allocator_allocated", usage.heap.allocated);
    text.field("allocator_active", usage.heap.active);
    text.field("allocator_resident", usage.heap.resident);
    text.field("allocator_muzzy", 0);
    text.bytes("total_system_memory", usage.total_system);
    scripts(text);
    let maxmemory = cx.server.config.int(Directive::Maxmemory) as u64;
    text.field("maxmemory", maxmemory);
    text.field("maxmemory_human", human(maxmemory));
    text.field("maxmemory_policy", cx.server.config.text(Directive::MaxmemoryPolicy));
    fragmentation(&usage, text);
    text.field("mem_not_counted_for_evict", usage.not_counted);
    text.field("mem_replication_backlog", usage.backlog);
    text.field("mem_total_replication_buffers", usage.stream);
    text.field("mem_replicas_repl_buffer", usage.replicas);
    text.field("mem_replica_full_sync_buffer", 0);
    text.field("mem_clients_slaves", usage.replicas);
    text.field("mem_clients_normal", usage.clients);
    text.field("mem_cluster_links", 0);
    text.field("mem_aof_buffer", 0);
    text.field("mem_allocator", "jemalloc-5.3.0");
    text.field("mem_overhead_db_hashtable_rehashing", 0);
    text.field("active_defrag_running", 0);
    let lazy = &cx.server.eviction.lazy;
    text.field("lazyfree_pending_objects", lazy.objects.load(Relaxed));
    text.field("lazyfreed_objects", lazy.freed.load(Relaxed));
}

/// There are no scripts yet.
fn scripts(text: &mut Text) {
    text.field("used_memory_lua", 0);
    text.field("used_memory_vm_eval", 0);
    text.field("used_memory_lua_human", human(0));
    text.field("used_memory_scripts_eval", 0);
    text.field("number_of_cached_scripts", 0);
    text.field("number_of_functions", 0);
    text.field("number_of_libraries", 0);
    text.field("used_memory_vm_functions", 0);
    text.bytes("used_memory_vm_total", 0);
    text.field("used_memory_functions", 0);
    text.bytes("used_memory_scripts", 0);
}

fn fragmentation(usage: &Usage, text: &mut Text) {
    let (allocated, active, resident) =
        (usage.heap.allocated as u64, usage.heap.active as u64, usage.heap.resident as u64);
    let difference = |a: u64, b: u64| a as i64 - b as i64;
    text.field("allocator_frag_ratio", format_args!("{:.2}", ratio(active, allocated)));
    text.field("allocator_frag_bytes", difference(active, allocated));
    text.field("allocator_rss_ratio", format_args!("{:.2}", ratio(resident, active)));
    text.field("allocator_rss_bytes", difference(resident, active));
    text.field("rss_overhead_ratio", format_args!("{:.2}", ratio(usage.rss, resident)));
    text.field("rss_overhead_bytes", difference(usage.rss, resident));
    text.field("mem_fragmentation_ratio", format_args!("{:.2}", ratio(usage.rss, usage.used)));
    text.field("mem_fragmentation_bytes", difference(usage.rss, usage.used));
}
