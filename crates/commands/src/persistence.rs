//! The state of saving and loading, as LASTSAVE and INFO persistence tell it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

/// See the module's text. Times are Unix seconds unless named otherwise; -1 means never.
pub struct Persistence {
    /// Changes since the last save.
    pub dirty: AtomicU64,
    /// `dirty` when the running save began.
    pub dirty_at_start: AtomicU64,
    pub last_save_s: AtomicU64,
    pub last_try_s: AtomicU64,
    pub last_ok: AtomicBool,
    pub last_duration_s: AtomicI64,
    /// Whether a background save runs.
    pub saving: AtomicBool,
    /// Whether a snapshot for replicas is being made or is on its way to them.
    pub transferring: AtomicBool,
    pub save_started_s: AtomicU64,
    /// BGSAVE SCHEDULE: another one is wanted.
    pub scheduled: AtomicBool,
    /// BGSAVE CANCEL.
    pub cancelled: AtomicBool,
    pub saves: AtomicU64,
    /// Saves that failed since the last one that did not.
    pub failures: AtomicU64,
    pub keys_loaded: AtomicU64,
    pub keys_expired_at_load: AtomicU64,
    pub load_started_s: AtomicU64,
    pub load_total_bytes: AtomicU64,
    pub load_done_bytes: AtomicU64,
    /// Whether the data set came from a Valkey: what Redis and Valkey write differently is then written as Valkey does.
    pub valkey: AtomicBool,
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION.
    pub any_checksum: AtomicBool,
}

impl Default for Persistence {
    fn default() -> Self {
        Self::new()
    }
}

/// How a save ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaveEnd {
    Saved,
    Failed,
    /// On request, which says nothing about the disk: the last result stays.
    Cancelled,
}

impl Persistence {
    /// Whose types the dump file and DUMP use where the two families differ.
    pub fn dialect(&self) -> rdb::Dialect {
        if self.valkey.load(Relaxed) { rdb::Dialect::Valkey } else { rdb::Dialect::Redis }
    }

    /// What files and payloads of RESTORE may be like.
    pub fn trust(&self, config: &config::Store) -> rdb::Trust {
        const RELAXED: usize = 1;
        rdb::Trust {
            any_version: config.choice(config::Directive::RdbVersionCheck) == RELAXED,
            any_checksum: self.any_checksum.load(Relaxed),
        }
    }

    /// Nothing saved yet; the start counts as the last save.
    pub fn new() -> Persistence {
        Persistence {
            dirty: AtomicU64::new(0),
            dirty_at_start: AtomicU64::new(0),
            last_save_s: AtomicU64::new(sys::os::unix_ms() / 1000),
            last_try_s: AtomicU64::new(0),
            last_ok: AtomicBool::new(true),
            last_duration_s: AtomicI64::new(-1),
            saving: AtomicBool::new(false),
            transferring: AtomicBool::new(false),
            save_started_s: AtomicU64::new(0),
            scheduled: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            saves: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            keys_loaded: AtomicU64::new(0),
            keys_expired_at_load: AtomicU64::new(0),
            load_started_s: AtomicU64::new(0),
            load_total_bytes: AtomicU64::new(0),
            load_done_bytes: AtomicU64::new(0),
            valkey: AtomicBool::new(false),
            any_checksum: AtomicBool::new(false),
        }
    }

    /// Whether a snapshot of any kind runs: the next one waits for it.
    pub fn is_busy(&self) -> bool {
        self.saving.load(Relaxed) || self.transferring.load(Relaxed)
    }

    /// Marks a save as running; false if one is.
    pub fn begin(&self) -> bool {
        if self.saving.swap(true, Relaxed) {
            return false;
        }
        self.cancelled.store(false, Relaxed);
        self.dirty_at_start.store(self.dirty.load(Relaxed), Relaxed);
        self.save_started_s.store(sys::os::unix_ms() / 1000, Relaxed);
        self.last_try_s.store(sys::os::unix_ms() / 1000, Relaxed);
        true
    }

    /// Marks the running save as ended, which nobody waited for in vain if it failed: SAVE tells its client.
    pub fn end_in_foreground(&self, ok: bool) {
        if ok {
            self.end(SaveEnd::Saved);
        } else {
            self.saving.store(false, Relaxed);
        }
    }

    /// Gives the running save up, if there is one. False if there is none.
    pub fn cancel(&self) -> bool {
        let running = self.saving.load(Relaxed);
        if running {
            self.cancelled.store(true, Relaxed);
        }
        running
    }

    /// Marks the running save as ended.
    pub fn end(&self, how: SaveEnd) {
        let now = sys::os::unix_ms() / 1000;
        if how == SaveEnd::Saved {
            self.dirty.fetch_sub(self.dirty_at_start.load(Relaxed).min(self.dirty.load(Relaxed)), Relaxed);
            self.last_save_s.store(now, Relaxed);
            self.saves.fetch_add(1, Relaxed);
            self.failures.store(0, Relaxed);
        } else if how == SaveEnd::Failed {
            self.failures.fetch_add(1, Relaxed);
        }
        if how != SaveEnd::Cancelled {
            self.last_ok.store(how == SaveEnd::Saved, Relaxed);
        }
        self.last_duration_s.store(now.saturating_sub(self.save_started_s.load(Relaxed)) as i64, Relaxed);
        self.saving.store(false, Relaxed);
    }
}
