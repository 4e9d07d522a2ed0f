//! The gate: lets one thread run alone, and tells when memory that was taken out of sight may be freed.
//!
//! Every thread that works on the keyspace owns a *slot*, a padded counter that is odd while the thread is
//! inside a batch. Entering is one store and one load and touches no shared line.
//!
//! ```text
//!   worker                              closer (inside no batch, holding no lock)
//!   1. slot += 1 (odd), SeqCst          1. take the closer's mutex
//!   2. closed? -> slot += 1, go wait    2. closed = true, SeqCst
//!   3. ... the batch ...                3. wait until every slot is even
//!   4. slot += 1 (even), Release        4. ... alone ...   5. closed = false
//! ```
//!
//! Both sides store, then load, all SeqCst: at least one sees the other. The same counters are the epoch for
//! memory: a block unlinked before a [`Gate::stamp`] is unreachable once [`Gate::passed`] says so. For the same reason the
//! pointer to such a block is stored and loaded SeqCst: a reader that the stamp has missed then sees the block unlinked.
//! `tests/model.rs` runs both under loom, `tests/threads.rs` on real threads.

use std::time::{Duration, Instant};

use crate::durations;
use crate::order::{Held, Rank};
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, relax, yield_now};

/// A value on its own pair of cache lines, so that its neighbours' writes do not slow it.
#[repr(align(128))]
struct Padded<T>(T);

/// See the module's text.
pub struct Gate {
    closed: Padded<AtomicBool>,
    slots: Box<[Padded<AtomicU64>]>,
    taken: AtomicU64,
    closer: Mutex<()>,
}

/// One thread's place at the gate. Not `Clone`: two threads in one slot would hide each other.
pub struct Slot(usize);

/// Proof of being inside a batch: the gate cannot close, and nothing retired meanwhile is freed.
pub struct BatchGuard<'a> {
    slot: &'a AtomicU64,
    _held: Held,
}

/// Proof of being alone.
pub struct GateGuard<'a> {
    gate: &'a Gate,
    since: Instant,
    _closer: MutexGuard<'a, ()>,
    _held: Held,
}

/// The counters at one moment; see [`Gate::passed`].
pub struct Stamp(Box<[u64]>);

impl Gate {
    /// A gate with room for `slots` threads.
    pub fn new(slots: usize) -> Self {
        Gate {
            closed: Padded(AtomicBool::new(false)),
            slots: (0..slots).map(|_| Padded(AtomicU64::new(0))).collect(),
            taken: AtomicU64::new(0),
            closer: Mutex::new(()),
        }
    }

    /// A slot of its own for the calling thread; `None` when all are taken.
    pub fn register(&self) -> Option<Slot> {
        let index = self.taken.fetch_add(1, Ordering::Relaxed) as usize;
        (index < self.slots.len()).then_some(Slot(index))
    }

    /// Enters a batch; `None` while the gate is closed. The slot is borrowed, so a batch cannot nest.
    #[inline]
    pub fn enter<'a>(&'a self, slot: &'a mut Slot) -> Option<BatchGuard<'a>> {
        let counter = &self.slots[slot.0].0;
        let value = counter.load(Ordering::Relaxed);
        counter.store(value + 1, Ordering::SeqCst);
        if self.closed.0.load(Ordering::SeqCst) {
            counter.store(value + 2, Ordering::Release);
            return None;
        }
        Some(BatchGuard { slot: counter, _held: Held::new(Rank::Gate) })
    }

    /// Whether somebody runs alone, or waits to.
    pub fn is_closed(&self) -> bool {
        self.closed.0.load(Ordering::Relaxed)
    }

    /// Closes the gate if no other closer is inside and all batches end within `patience`. The caller must be
    /// inside no batch.
    pub fn try_close(&self, patience: Duration) -> Option<GateGuard<'_>> {
        let held = Held::new(Rank::Gate);
        let closer = self.closer.try_lock().ok()?;
        let guard = self.shut(closer, held);
        let start = Instant::now();
        while !self.all_even() {
            if start.elapsed() > patience {
                return None;
            }
            relax();
        }
        Some(guard)
    }

    /// Closes the gate, waiting as long as it takes. The caller must be inside no batch.
    pub fn close(&self) -> GateGuard<'_> {
        let held = Held::new(Rank::Gate);
        let closer = self.closer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let guard = self.shut(closer, held);
        let mut spins = 0u32;
        while !self.all_even() {
            spins += 1;
            if spins.is_multiple_of(1000) {
                yield_now();
            }
            relax();
        }
        guard
    }

    fn shut<'a>(&'a self, closer: MutexGuard<'a, ()>, held: Held) -> GateGuard<'a> {
        self.closed.0.store(true, Ordering::SeqCst);
        GateGuard { gate: self, since: Instant::now(), _closer: closer, _held: held }
    }

    fn all_even(&self) -> bool {
        self.slots.iter().all(|slot| slot.0.load(Ordering::SeqCst) & 1 == 0)
    }

    /// The counters now.
    pub fn stamp(&self) -> Stamp {
        Stamp(self.slots.iter().map(|slot| slot.0.load(Ordering::SeqCst)).collect())
    }

    /// Whether every thread that was inside a batch at the stamp has left that batch since.
    pub fn passed(&self, stamp: &Stamp) -> bool {
        let left = |(slot, &then): (&Padded<AtomicU64>, &u64)| {
            then & 1 == 0 || slot.0.load(Ordering::SeqCst) != then
        };
        self.slots.iter().zip(&stamp.0).all(left)
    }
}

impl Drop for BatchGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let value = self.slot.load(Ordering::Relaxed);
        self.slot.store(value + 1, Ordering::Release);
    }
}

impl Drop for GateGuard<'_> {
    fn drop(&mut self) {
        self.gate.closed.0.store(false, Ordering::SeqCst);
        durations::GATE.record(self.since.elapsed().as_micros() as u64);
    }
}
