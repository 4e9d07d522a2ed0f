//! The lock of one shard: a spin lock that never sleeps.
//!
//! A holder never does I/O and never waits, so a lock is held for microseconds; a thread that still meets a
//! held lock after [`SPINS`] tries gives up and lets its connection wait instead of its worker.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicU64;
#[cfg(debug_assertions)]
use std::sync::atomic::AtomicUsize;

use crate::order::{Held, Rank};
#[cfg(debug_assertions)]
use crate::sync::this_thread;
use crate::sync::{AtomicBool, Ordering, pause, relax};

/// Tries before [`ShardLock::lock_or_give_up`] answers `None`: some 20 microseconds.
const SPINS: u32 = 400;

/// Acquisitions, in the whole process, that found the lock held.
pub static CONTENDED: AtomicU64 = AtomicU64::new(0);

/// A value behind a spin lock, on cache lines of its own: who takes the lock has the beginning of the value too.
#[repr(C, align(64))]
pub struct ShardLock<T> {
    held: AtomicBool,
    /// Which thread holds it, so that debug builds tell a thread that waits for itself.
    #[cfg(debug_assertions)]
    owner: AtomicUsize,
    data: UnsafeCell<T>,
}

// SAFETY: `data` is reached only through a `ShardGuard`, and `held` admits one guard at a time, with
// Acquire on taking and Release on giving back; so the lock hands a `T` from thread to thread.
unsafe impl<T: Send> Sync for ShardLock<T> {}

/// The right to use the value; gives the lock back when dropped.
pub struct ShardGuard<'a, T> {
    lock: &'a ShardLock<T>,
    _held: Held,
}

impl<T> ShardLock<T> {
    /// An unlocked lock around `data`.
    pub fn new(data: T) -> Self {
        ShardLock {
            held: AtomicBool::new(false),
            #[cfg(debug_assertions)]
            owner: AtomicUsize::new(0),
            data: UnsafeCell::new(data),
        }
    }

    /// Takes the lock if it is free now.
    #[inline]
    pub fn try_lock(&self) -> Option<ShardGuard<'_, T>> {
        let held = Held::new(Rank::Shard);
        self.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok().then(|| {
            #[cfg(debug_assertions)]
            self.owner.store(this_thread(), Ordering::Relaxed);
            ShardGuard { lock: self, _held: held }
        })
    }

    /// Takes the lock, spinning for some 20 microseconds at most; `None` if it stayed held.
    #[inline]
    pub fn lock_or_give_up(&self) -> Option<ShardGuard<'_, T>> {
        match self.try_lock() {
            Some(guard) => Some(guard),
            None => self.spin(SPINS),
        }
    }

    /// Takes the lock however long it takes. Only for threads that hold no other shard's lock and are no worker.
    pub fn lock(&self) -> ShardGuard<'_, T> {
        loop {
            if let Some(guard) = self.lock_or_give_up() {
                return guard;
            }
            // The holder may wait for this core. A thread that yields often is put behind by the kernel each time: with a
            // saver on the same core a worker got a tenth of it. One that sleeps is not.
            pause();
        }
    }

    #[cold]
    fn spin(&self, tries: u32) -> Option<ShardGuard<'_, T>> {
        CONTENDED.fetch_add(1, Ordering::Relaxed);
        #[cfg(debug_assertions)]
        assert!(
            !self.held.load(Ordering::Acquire) || self.owner.load(Ordering::Relaxed) != this_thread(),
            "a thread waits for a shard that it holds itself"
        );
        for _ in 0..tries {
            for _ in 0..8 {
                relax();
            }
            if !self.held.load(Ordering::Relaxed)
                && let Some(guard) = self.try_lock()
            {
                return Some(guard);
            }
        }
        None
    }

    /// The value of a lock that nobody else can reach.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

impl<T> Deref for ShardGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one of its lock (see `Sync`), so no `&mut` to the data exists.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for ShardGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one of its lock, and it is borrowed exclusively.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for ShardGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        self.lock.owner.store(0, Ordering::Relaxed);
        self.lock.held.store(false, Ordering::Release);
    }
}
