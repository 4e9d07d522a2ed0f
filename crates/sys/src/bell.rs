//! Whether listeners have to be woken, to be asked without a lock.
//!
//! What is told, and who listens, stands behind a lock of the caller's. Under it, who tells [`Bell::ring`]s, and who comes
//! or goes to listen says [`Bell::set_listeners`]. Between batches every worker asks [`Bell::is_due`], mostly in vain; if it
//! is, the worker takes the lock, calls [`Bell::silence`] and wakes all listeners.
//!
//! All is written under the lock, so the last who told while somebody listened sees that listener, and its own ring or that
//! somebody silenced it afterwards, who then wakes them. `tests/model.rs` runs it under loom.

use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// See the module's text.
pub struct Bell {
    rung: AtomicBool,
    listeners: AtomicU64,
}

impl Default for Bell {
    fn default() -> Self {
        Bell::new()
    }
}

impl Bell {
    /// Not rung; nobody listens.
    pub fn new() -> Bell {
        Bell { rung: AtomicBool::new(false), listeners: AtomicU64::new(0) }
    }

    /// There is something new. To be called under the caller's lock.
    #[inline]
    pub fn ring(&self) {
        self.rung.store(true, Ordering::Relaxed);
    }

    /// Whoever listens is about to be woken. To be called under the caller's lock.
    pub fn silence(&self) {
        self.rung.store(false, Ordering::Relaxed);
    }

    /// How many listen from now on. To be called under the caller's lock.
    pub fn set_listeners(&self, listeners: usize) {
        self.listeners.store(listeners as u64, Ordering::Relaxed);
    }

    /// Whether it rang since it was silenced, and somebody listens. To be called, without the lock, by whoever told.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.rung.load(Ordering::Relaxed) && self.listeners.load(Ordering::Relaxed) > 0
    }
}
