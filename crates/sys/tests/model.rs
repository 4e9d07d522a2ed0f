//! Gate and shard lock under loom: every interleaving, with every value that a load may see, at a small size.
//!
//! The sources are compiled a second time here, upon loom's atomics (`sync`). Loom knows SeqCst of fences alone; an access
//! that is SeqCst is therefore a fence beside an acquiring or releasing access. That orders a little more than the access
//! itself: a single SeqCst that is missing where another stands beside it goes unseen, a missing pair does not.

/// What `sys::sync` is to the server.
mod sync {
    pub use loom::hint::spin_loop as relax;
    pub use loom::sync::atomic::Ordering;
    use loom::sync::atomic::{self, fence};
    pub use loom::sync::{Mutex, MutexGuard};
    pub use loom::thread::yield_now;
    pub use loom::thread::yield_now as pause;

    macro_rules! sequential {
        ($name:ident, $of:ty) => {
            pub struct $name(atomic::$name);

            impl $name {
                pub fn new(value: $of) -> Self {
                    $name(atomic::$name::new(value))
                }

                pub fn load(&self, order: Ordering) -> $of {
                    match order {
                        Ordering::SeqCst => {
                            fence(Ordering::SeqCst);
                            self.0.load(Ordering::Acquire)
                        }
                        order => self.0.load(order),
                    }
                }

                pub fn store(&self, value: $of, order: Ordering) {
                    match order {
                        Ordering::SeqCst => {
                            self.0.store(value, Ordering::Release);
                            fence(Ordering::SeqCst);
                        }
                        order => self.0.store(value, order),
                    }
                }
            }
        };
    }

    sequential!(AtomicBool, bool);
    sequential!(AtomicU64, u64);

    impl AtomicU64 {
        pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            self.0.fetch_add(value, order)
        }
    }

    impl AtomicBool {
        pub fn compare_exchange(
            &self,
            from: bool,
            to: bool,
            ok: Ordering,
            no: Ordering,
        ) -> Result<bool, bool> {
            self.0.compare_exchange(from, to, ok, no)
        }
    }

    /// Loom's threads share one of the system's.
    #[cfg(debug_assertions)]
    pub fn this_thread() -> usize {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        loom::thread::current().id().hash(&mut hasher);
        hasher.finish() as usize | 1
    }
}

/// What `sys::order` is to the server. It counts by the system's threads, of which loom has one.
mod order {
    pub enum Rank {
        Gate,
        Shard,
    }

    pub struct Held;

    impl Held {
        pub fn new(_: Rank) -> Held {
            Held
        }
    }
}

// The model uses a part of them.
#[allow(dead_code)]
#[path = "../src/gate.rs"]
mod gate;
#[allow(dead_code)]
#[path = "../src/lock.rs"]
mod lock;

use gate::Gate;
use lock::ShardLock;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use sync::{AtomicBool, Ordering};

/// A cell that loom watches: two accesses that nothing orders fail the test.
struct Watched(UnsafeCell<u64>);

// SAFETY: loom reports accesses that race instead of letting them happen.
unsafe impl Sync for Watched {}

impl Watched {
    fn new() -> Watched {
        Watched(UnsafeCell::new(0))
    }

    fn get(&self) -> u64 {
        // SAFETY: loom hands out a pointer that is valid for the call, and watches for races.
        self.0.with(|value| unsafe { *value })
    }

    fn add(&self) -> u64 {
        // SAFETY: as above.
        self.0.with_mut(|value| unsafe {
            *value += 1;
            *value
        })
    }
}

#[test]
fn a_shard_has_one_holder_who_sees_what_the_one_before_did() {
    loom::model(|| {
        let lock = Arc::new(ShardLock::new(Watched::new()));
        let other = lock.clone();
        let thread = thread::spawn(move || other.lock().add());
        let mine = lock.try_lock().map(|guard| guard.add());
        let theirs = thread.join().expect("the thread ended well");
        assert_eq!(lock.lock().get(), theirs.max(mine.unwrap_or(0)));
    });
}

#[test]
fn who_is_alone_is_alone() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(1));
        let shared = Arc::new(Watched::new());
        let worker = {
            let (gate, shared) = (gate.clone(), shared.clone());
            thread::spawn(move || {
                let mut slot = gate.register().expect("a slot is free");
                for _ in 0..2 {
                    if let Some(_batch) = gate.enter(&mut slot) {
                        shared.get();
                    }
                }
            })
        };
        let alone = gate.close();
        shared.add();
        drop(alone);
        worker.join().expect("the worker ended well");
    });
}

#[test]
fn what_is_unlinked_before_a_stamp_is_out_of_sight_when_it_passes() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(1));
        let (linked, block) = (Arc::new(AtomicBool::new(true)), Arc::new(Watched::new()));
        let reader = {
            let (gate, linked, block) = (gate.clone(), linked.clone(), block.clone());
            thread::spawn(move || {
                let mut slot = gate.register().expect("a slot is free");
                if let Some(_batch) = gate.enter(&mut slot)
                    && linked.load(Ordering::SeqCst)
                {
                    block.get();
                }
            })
        };
        linked.store(false, Ordering::SeqCst);
        let stamp = gate.stamp();
        if gate.passed(&stamp) {
            // As if it was freed.
            block.add();
        }
        reader.join().expect("the reader ended well");
    });
}
