//! A position that is held back, and who waits until it is let go.
//!
//! The position is read without a lock, but it moves under the list's lock, and who waits looks once more under it: nobody is
//! left waiting for a position that has been let go.
//! `tests/model.rs` runs it under loom.

use crate::sync::{AtomicU64, Mutex, Ordering};

/// See the module's text.
pub struct Hold<W> {
    position: AtomicU64,
    waiting: Mutex<Vec<W>>,
}

impl<W> Default for Hold<W> {
    fn default() -> Self {
        Hold { position: AtomicU64::new(u64::MAX), waiting: Mutex::new(Vec::new()) }
    }
}

impl<W> Hold<W> {
    /// What lies up to here is not held.
    #[inline]
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Holds what lies behind `position`, nothing if that is `u64::MAX`. Answers all who waited, to be woken: they look, and
    /// wait again if they must.
    #[must_use]
    pub fn move_to(&self, position: u64) -> Vec<W> {
        let mut waiting = self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.position.store(position, Ordering::Release);
        std::mem::take(&mut *waiting)
    }

    /// Waits until the hold moves next; gives `waiter` back if it has let `position` go already.
    #[must_use]
    pub fn wait(&self, position: u64, waiter: W) -> Option<W> {
        let mut waiting = self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if position <= self.position() {
            return Some(waiter);
        }
        waiting.push(waiter);
        None
    }
}
