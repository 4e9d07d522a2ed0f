//! What the gate and the shard lock are made of, in one place: the model test puts loom's own under the same code.

pub(crate) use std::hint::spin_loop as relax;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use std::thread::yield_now;

/// Gives the core away for some microseconds.
pub(crate) fn pause() {
    std::thread::sleep(std::time::Duration::from_micros(20));
}

/// A number that no other living thread has.
#[cfg(debug_assertions)]
pub(crate) fn this_thread() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}
