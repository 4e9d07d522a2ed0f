//! What all connections share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use config::{Directive, Events, Store};
use ds::entry::{Entry, EntryRef};
use journal::Journal;
use keyspace::{Access, Keyspace};
use sys::collate::Collation;

use crate::channels::Channels;
use crate::client::Clients;
use crate::eviction::{Eviction, Garbage, Order};
use crate::persistence::Persistence;
use crate::replication::Replication;
use crate::stats::{Counter, WorkerStats};

/// Work for the program around the engine: everything with sockets, files or threads.
pub trait Shell: Send + Sync {
    /// Saves everything while the caller is alone, to the dump file.
    fn save_alone(&self, access: &mut Access<'_>) -> Result<(), String>;
    /// Begins a snapshot at this moment, the caller being alone, and saves it in the background. The caller has marked the
    /// save as running.
    fn begin_save(&self, access: &mut Access<'_>) -> Result<(), String>;
    /// Loads the dump file while the caller is alone: in the place of the data set if `flush`, else on top of it.
    fn load_alone(&self, access: &mut Access<'_>, flush: bool) -> Result<(), String>;
    /// Frees something large on another thread.
    fn free_later(&self, garbage: Box<dyn std::any::Any + Send>);
    /// Starts, changes or ends the link to a primary.
    fn replicate(&self, primary: Option<(String, u16)>);
    /// Ends the process in good order; returns at once.
    fn shutdown(&self, how: ShutdownMode);
    /// Gives up a shutdown that waits; false if there is none.
    fn abort_shutdown(&self) -> bool;
    /// A directive changed that the shell acts upon.
    fn reconfigure(&self, directive: Directive) -> Result<(), String>;
    /// Replaces a file as a whole, durably, by what `make` turns its content (empty if there is none) into. An
    /// error is in the system's words.
    fn replace_file(&self, path: &str, make: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> Result<(), String>;
    /// Writes one line to the log.
    fn log(&self, level: LogLevel, text: &str);
}

/// SHUTDOWN's options.
#[derive(Clone, Copy, Default, Debug)]
pub struct ShutdownMode {
    /// SAVE, NOSAVE, or as the save points say.
    pub save: Option<bool>,
    pub now: bool,
    pub force: bool,
}

/// Log levels, with their marks in a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
}

/// See the module's text.
pub struct Server {
    pub keyspace: Keyspace,
    pub clock: sys::clock::Clock,
    pub config: Arc<Store>,
    pub clients: Clients,
    pub channels: Channels,
    pub journal: Journal,
    pub replication: Replication,
    pub persistence: Persistence,
    /// One for each worker, and one for the threads beside them.
    pub workers: Vec<WorkerStats>,
    pub run_id: String,
    pub started_ms: u64,
    /// The executable and the configuration file, absolute.
    pub executable: String,
    pub config_file: Mutex<String>,
    pub shell: OnceLock<Box<dyn Shell>>,
    events: AtomicU32,
    loading: AtomicBool,
    /// Whether eviction wants LFU counters instead of the LRU clock.
    lfu: AtomicBool,
    /// Whether eviction wants to know of changes only.
    lrm: AtomicBool,
    /// CLIENT PAUSE: until when (Unix ms), and whether for writes only.
    pub paused_until_ms: AtomicU64,
    pub pause_writes_only: AtomicBool,
    /// Clients whose next command waits for the end of the pause, by their ids.
    pub postponed: Mutex<HashMap<u64, Arc<crate::client::Client>>>,
    /// Clients in SHUTDOWN.
    pub awaiting_end: Mutex<Vec<Arc<crate::client::Client>>>,
    /// While a shutdown waits for replicas: until when at most, Unix ms.
    pub shutdown_until_ms: AtomicU64,
    /// Connections in MONITOR.
    pub monitors: Mutex<Vec<Arc<crate::client::Client>>>,
    pub monitor_count: AtomicU64,
    pub slow_log: crate::slowlog::SlowLog,
    /// Commands whose request, or whose reply, was large.
    pub large_requests: crate::slowlog::SlowLog,
    pub large_replies: crate::slowlog::SlowLog,
    pub latency: crate::latency::Monitor,
    pub samples: crate::samples::Samples,
    /// The replies to COMMAND in RESP2 and RESP3, once they were asked for.
    pub rendered_commands: [OnceLock<Vec<u8>>; 2],
    pub errors: crate::errorstats::ErrorStats,
    pub thresholds: crate::thresholds::Thresholds,
    pub hot_keys: crate::hot_keys::HotKeys,
    pub active_expire: AtomicBool,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: AtomicBool,
    /// Connections to other servers that MIGRATE keeps.
    pub migrate_sockets: AtomicU64,
    pub blocked_clients: AtomicI64,
    /// Of these, those with a deadline.
    pub timed_clients: AtomicI64,
    random: AtomicU64,
    pub eviction: Eviction,
    /// How SORT orders texts; none: by their bytes.
    collation: RwLock<Option<Arc<Collation>>>,
}

impl Server {
    /// A server with empty databases. `workers` counters are made, one for each thread that runs commands.
    pub fn new(config: Arc<Store>, workers: usize, rows: usize) -> Server {
        let gate = Arc::new(sys::gate::Gate::new(workers + 8));
        let databases = config.int(Directive::Databases).max(1) as usize;
        let server = Server {
            keyspace: Keyspace::new(databases, gate),
            clock: sys::clock::Clock::default(),
            clients: Clients::default(),
            channels: Channels::default(),
            journal: Journal::new(),
            replication: Replication::new(),
            persistence: Persistence::new(),
            workers: (0..workers).map(|_| WorkerStats::new(rows)).collect(),
            run_id: crate::replication::random_id(),
            started_ms: sys::os::unix_ms(),
            executable: std::env::current_exe()
                .map_or_else(|_| String::new(), |path| path.display().to_string()),
            config_file: Mutex::default(),
            shell: OnceLock::new(),
            events: AtomicU32::new(0),
            loading: AtomicBool::new(false),
            lfu: AtomicBool::new(false),
            lrm: AtomicBool::new(false),
            paused_until_ms: AtomicU64::new(0),
            pause_writes_only: AtomicBool::new(false),
            postponed: Mutex::default(),
            awaiting_end: Mutex::default(),
            shutdown_until_ms: AtomicU64::new(0),
            monitors: Mutex::default(),
            monitor_count: AtomicU64::new(0),
            slow_log: crate::slowlog::SlowLog::default(),
            large_requests: crate::slowlog::SlowLog::default(),
            large_replies: crate::slowlog::SlowLog::default(),
            latency: crate::latency::Monitor::default(),
            samples: crate::samples::Samples::default(),
            rendered_commands: Default::default(),
            errors: crate::errorstats::ErrorStats::default(),
            thresholds: crate::thresholds::Thresholds::default(),
            hot_keys: crate::hot_keys::HotKeys::new(workers),
            active_expire: AtomicBool::new(true),
            cron_paused: AtomicBool::new(false),
            migrate_sockets: AtomicU64::new(0),
            blocked_clients: AtomicI64::new(0),
            timed_clients: AtomicI64::new(0),
            random: AtomicU64::new(ds::hash::of(b"random numbers")),
            eviction: Eviction::default(),
            collation: RwLock::default(),
            config,
        };
        server.apply_config();
        server
    }

    /// Whether CLIENT PAUSE, or a shutdown that waits, holds clients back.
    pub fn is_paused(&self, now_ms: u64) -> bool {
        self.paused_until_ms.load(SeqCst) > now_ms
    }

    /// Sets the end of the pause and wakes those who wait for it: they look again.
    pub fn set_pause(&self, until_ms: u64, writes_only: bool) {
        self.pause_writes_only.store(writes_only, SeqCst);
        self.paused_until_ms.store(until_ms, SeqCst);
        let postponed = self.postponed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        postponed.values().for_each(|client| client.wake());
    }

    /// Copies what hot paths need out of the configuration.
    pub fn apply_config(&self) {
        self.events.store(self.config.events().0, Relaxed);
        self.eviction.configure(&self.config);
        self.thresholds.configure(&self.config);
        self.replication.count_good(self.config.int(Directive::MinReplicasMaxLag).max(0) as u64);
        let order = self.eviction.policy().map(|policy| policy.order);
        self.lfu.store(order == Some(Order::Lfu), Relaxed);
        self.lrm.store(order == Some(Order::Lrm), Relaxed);
        if self.journal.is_recording() {
            self.journal.resize(self.config.int(Directive::ReplBacklogSize).max(0) as usize);
        }
    }

    /// How texts are ordered; none: by their bytes.
    pub fn collation(&self) -> Option<Arc<Collation>> {
        self.collation.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Takes the order of texts from `locale-collate`; false if the system does not have it. An environment that names one
    /// that is not there is no fault of the configuration.
    pub fn apply_collation(&self) -> bool {
        let name = self.config.text(Directive::LocaleCollate);
        let collation = match &*name {
            "C" | "POSIX" => None,
            name => Collation::new(name),
        };
        let known = collation.is_some() || matches!(&*name, "" | "C" | "POSIX");
        if known {
            let mut current = self.collation.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            *current = collation.map(Arc::new);
        }
        known
    }

    /// The program around the engine.
    pub fn shell(&self) -> &dyn Shell {
        &**self.shell.get().expect("invariant: the shell is set before the first connection")
    }

    /// Writes one line to the log.
    pub fn log(&self, level: LogLevel, text: &str) {
        if let Some(shell) = self.shell.get() {
            shell.log(level, text);
        }
    }

    /// Whether events of this class are published.
    #[inline]
    pub fn notifies(&self, class: u32) -> bool {
        let events = self.events.load(Relaxed);
        events & class != 0 && events & (Events::KEYSPACE | Events::KEYEVENT) != 0
    }

    /// The classes and channels that are published.
    pub fn events(&self) -> Events {
        Events(self.events.load(Relaxed))
    }

    /// Whether a data set is being loaded.
    #[inline]
    pub fn is_loading(&self) -> bool {
        self.loading.load(Relaxed)
    }

    /// Says that a data set is being loaded, or is no more.
    pub fn set_loading(&self, loading: bool) {
        self.loading.store(loading, Relaxed);
    }

    /// How reading an entry is marked.
    #[inline]
    pub fn touch_read(&self, no_touch: bool) -> Touch {
        if self.lrm.load(Relaxed) { Touch::Not } else { self.touch(no_touch) }
    }

    /// How changing an entry is marked.
    #[inline]
    pub fn touch(&self, no_touch: bool) -> Touch {
        match (no_touch, self.lfu.load(Relaxed)) {
            (true, _) => Touch::Not,
            (false, true) => Touch::Frequency {
                log_factor: self.config.int(Directive::LfuLogFactor).max(0) as u64,
                decay_minutes: self.config.int(Directive::LfuDecayTime).max(0) as u64,
                random: self.random(),
            },
            (false, false) => Touch::Clock,
        }
    }

    /// Whether eviction counts frequencies.
    pub fn counts_frequency(&self) -> bool {
        self.lfu.load(Relaxed)
    }

    /// The 24 bits of a new entry.
    #[inline]
    pub fn fresh_lru(&self, now_ms: u64) -> u32 {
        if self.lfu.load(Relaxed) { crate::lru::fresh_frequency(now_ms) } else { crate::lru::clock(now_ms) }
    }

    /// Frees an entry: on another thread if it is large and `lazy`.
    pub fn discard(&self, entry: Entry, lazy: bool) {
        let large = matches!(entry.view().value(), ds::entry::ValueRef::Object(object) if object.len() > 64);
        match self.shell.get() {
            Some(shell) if large && lazy => {
                let bytes = entry.view().memory_bytes() as u64;
                shell.free_later(Box::new(Garbage::new(entry, 1, bytes, &self.eviction.lazy)));
            }
            _ => drop(entry),
        }
    }

    /// A uniform 64-bit number (SplitMix64; not for secrets).
    pub fn random(&self) -> u64 {
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&self) {
        crate::admin::reset_locks();
        self.workers.iter().for_each(WorkerStats::reset);
        self.errors.reset();
        self.eviction.reset();
    }

    /// A counter over all workers.
    pub fn total(&self, counter: Counter) -> u64 {
        self.workers.iter().map(|worker| worker.get(counter)).sum()
    }
}

/// See [`Server::touch`].
#[derive(Clone, Copy)]
pub enum Touch {
    Not,
    Clock,
    Frequency { log_factor: u64, decay_minutes: u64, random: u64 },
}

impl Touch {
    /// Marks a use of the entry.
    #[inline]
    pub fn apply(self, entry: EntryRef<'_>, now_ms: u64) {
        match self {
            Touch::Not => {}
            Touch::Clock => {
                let clock = crate::lru::clock(now_ms);
                // Written only when it changes: most reads leave the line clean.
                if entry.lru() != clock {
                    entry.set_lru(clock);
                }
            }
            Touch::Frequency { log_factor, decay_minutes, random } => {
                entry.set_lru(crate::lru::used(entry.lru(), now_ms, log_factor, decay_minutes, random));
            }
        }
    }
}
