//! The right to end something once, wanted by several threads.

use crate::sync::{AtomicU64, Ordering, yield_now};

/// Nobody works on it.
const FREE: u64 = 0;
/// Somebody tries to settle it.
const CLAIMED: u64 = 1;
/// It has ended.
const SETTLED: u64 = 2;

/// See the module's text. `tests/model.rs` runs it under loom.
pub struct Claim(AtomicU64);

impl Default for Claim {
    fn default() -> Self {
        Claim::new()
    }
}

impl Claim {
    /// Claimed by nobody.
    pub fn new() -> Claim {
        Claim(AtomicU64::new(FREE))
    }

    /// The right to settle; false if it is settled. Waits while another thread holds the right: that thread must wait for
    /// nothing until it has called [`Claim::settle`] or [`Claim::unclaim`].
    pub fn claim(&self) -> bool {
        loop {
            match self.0.compare_exchange(FREE, CLAIMED, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return true,
                Err(SETTLED) => return false,
                Err(_) => yield_now(),
            }
        }
    }

    /// Gives the right back.
    pub fn unclaim(&self) {
        self.0.store(FREE, Ordering::Release);
    }

    /// Ends it: whoever sees that sees also what was done before.
    pub fn settle(&self) {
        self.0.store(SETTLED, Ordering::Release);
    }

    /// Whether it has ended.
    pub fn is_settled(&self) -> bool {
        self.0.load(Ordering::Acquire) == SETTLED
    }
}
