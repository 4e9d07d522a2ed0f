//! Whether listeners have to be woken, decided without a lock.
//!
//! What is told, and who listens, stands behind a lock of the caller's. Under it, who tells [`Bell::ring`]s, and who comes
//! or goes to listen says [`Bell::set_listeners`]. Between batches every worker asks [`Bell::take`], mostly in vain, and
//! wakes all listeners if it says so. Nothing is lost: the one that takes a ring off sees the listeners that were there when
//! it rang, because taking off is one step that reads the latest ring. `tests/model.rs` runs it under loom.

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
        self.rung.store(true, Ordering::Release);
    }

    /// How many listen from now on. To be called under the caller's lock.
    pub fn set_listeners(&self, listeners: usize) {
        self.listeners.store(listeners as u64, Ordering::Release);
    }

    /// Whether it rang since somebody last took it off, and somebody listens: who gets true wakes them.
    #[inline]
    pub fn take(&self) -> bool {
        self.rung.load(Ordering::Relaxed) && self.take_slowly()
    }

    #[cold]
    fn take_slowly(&self) -> bool {
        // Not a store: that could take off a ring which this thread has not seen, and whose listener it does not know.
        self.rung.swap(false, Ordering::AcqRel) && self.listeners.load(Ordering::Acquire) > 0
    }
}
