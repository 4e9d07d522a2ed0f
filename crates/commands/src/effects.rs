//! What a command did, beside its reply: effects for the journal, keyspace events, keys that became ready.

use config::Events;
use journal::Unit;

/// Collected while the locks are held; settled by the engine before they are released.
#[derive(Default)]
pub struct Effects {
    /// What the journal gets.
    pub unit: Unit,
    /// Changes, as `rdb_changes_since_last_save` counts them.
    pub dirty: u64,
    /// (class, event, database, key).
    pub events: Vec<(Events, &'static str, usize, Vec<u8>)>,
    /// Keys that may serve somebody who waits.
    pub ready: Vec<(usize, Vec<u8>)>,
    /// Whether the running command has said itself what the journal gets.
    pub explicit: bool,
}

impl Effects {
    /// Ready for the next unit.
    #[inline]
    pub fn clear(&mut self) {
        self.unit.clear();
        self.dirty = 0;
        self.events.clear();
        self.ready.clear();
        self.explicit = false;
    }
}
