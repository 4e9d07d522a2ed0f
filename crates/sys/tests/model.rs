//! The hand-made synchronisation under loom: every interleaving, with every value that a load may see, at a small size.
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

        pub fn compare_exchange(&self, from: u64, to: u64, ok: Ordering, no: Ordering) -> Result<u64, u64> {
            self.0.compare_exchange(from, to, ok, no)
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
#[path = "../src/bell.rs"]
mod bell;
#[path = "../src/claim.rs"]
mod claim;
#[allow(dead_code)]
#[path = "../src/durations.rs"]
mod durations;
#[allow(dead_code)]
#[path = "../src/gate.rs"]
mod gate;
#[path = "../src/hold.rs"]
mod hold;
#[allow(dead_code)]
#[path = "../src/limbo.rs"]
mod limbo;
#[allow(dead_code)]
#[path = "../src/lock.rs"]
mod lock;

use bell::Bell;
use claim::Claim;
use gate::Gate;
use hold::Hold;
use limbo::Limbo;
use lock::ShardLock;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use sync::{AtomicBool, AtomicU64, Ordering};

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

/// A reader follows directory and segment without a lock, as the prefetch passes do, while the table splits a segment and
/// then grows its directory. What is freed is written to: loom sees whether the reader could still be there.
#[test]
fn a_segment_that_splits_in_front_of_a_reader_outlives_its_batch() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(1));
        // Blocks 0 and 1 are segments, 2 and 3 directories; a directory's word names a segment.
        let blocks: Arc<[Watched; 4]> = Arc::new(std::array::from_fn(|_| Watched::new()));
        let (directory, words) =
            (Arc::new(AtomicU64::new(2)), Arc::new([AtomicU64::new(0), AtomicU64::new(1)]));
        let reader = {
            let (gate, blocks, directory, words) =
                (gate.clone(), blocks.clone(), directory.clone(), words.clone());
            thread::spawn(move || {
                let mut slot = gate.register().expect("a slot is free");
                if let Some(_batch) = gate.enter(&mut slot) {
                    let at = directory.load(Ordering::SeqCst) as usize;
                    blocks[at].get();
                    let segment = words[at - 2].load(Ordering::SeqCst) as usize;
                    blocks[segment].get();
                }
            })
        };
        let limbo = Limbo::default();
        let retire = |block: Option<usize>| {
            for freed in limbo.retire(&gate, block) {
                blocks[freed].add();
            }
        };
        // The new segment is made before it is shown.
        blocks[1].add();
        words[0].store(1, Ordering::SeqCst);
        retire(Some(0));
        blocks[3].add();
        directory.store(3, Ordering::SeqCst);
        retire(Some(2));
        retire(None);
        reader.join().expect("the reader ended well");
    });
}

/// Whoever waits for a position is woken by its release, or told that there is nothing to wait for.
#[test]
fn nobody_waits_for_a_position_that_has_been_let_go() {
    loom::model(|| {
        let hold = Arc::new(Hold::<()>::default());
        assert!(hold.move_to(0).is_empty());
        let sync = {
            let hold = hold.clone();
            thread::spawn(move || hold.move_to(5).len() + hold.move_to(9).len())
        };
        let mut told = 0;
        for position in [3, 8] {
            told += usize::from(hold.wait(position, ()).is_some());
        }
        let woken = sync.join().expect("the thread ended well");
        assert_eq!(told + woken, 2);
        assert_eq!(hold.position(), 9);
    });
}

/// Two who want to settle, and one that gives up first: the right is with one at a time, it comes to an end once, and
/// whoever finds the end sees what was done for it.
#[test]
fn what_is_claimed_is_settled_once() {
    loom::model(|| {
        let (claim, served) = (Arc::new(Claim::new()), Arc::new(Watched::new()));
        let threads: Vec<_> = [false, true]
            .into_iter()
            .map(|gives_up| {
                let (claim, served) = (claim.clone(), served.clone());
                thread::spawn(move || {
                    if gives_up && claim.claim() {
                        served.get();
                        claim.unclaim();
                    }
                    if claim.claim() {
                        served.add();
                        claim.settle();
                    } else {
                        assert_eq!(served.get(), 1);
                    }
                })
            })
            .collect();
        if claim.is_settled() {
            assert_eq!(served.get(), 1);
        }
        for thread in threads {
            thread.join().expect("the thread ended well");
        }
        assert!(claim.is_settled() && !claim.claim() && served.get() == 1);
    });
}

/// What the journal does with its bell: its end, how far the reader has come, and whether the reader was woken since.
#[derive(Default)]
struct Log {
    end: u64,
    reader: Option<u64>,
    woken: bool,
}

/// A reader that comes while two workers append is not left asleep in front of something new.
#[test]
fn a_reader_hears_of_what_is_appended() {
    loom::model(|| {
        let (bell, log) = (Arc::new(Bell::new()), Arc::new(loom::sync::Mutex::new(Log::default())));
        let append_and_wake = |bell: &Bell, log: &loom::sync::Mutex<Log>| {
            let mut inner = log.lock().expect("no panic");
            inner.end += 1;
            bell.ring();
            drop(inner);
            if bell.is_due() {
                let mut inner = log.lock().expect("no panic");
                bell.silence();
                inner.woken |= inner.reader.is_some();
            }
        };
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (bell, log) = (bell.clone(), log.clone());
                thread::spawn(move || append_and_wake(&bell, &log))
            })
            .collect();
        {
            let mut inner = log.lock().expect("no panic");
            inner.reader = Some(inner.end);
            bell.set_listeners(1);
        }
        for worker in workers {
            worker.join().expect("the worker ended well");
        }
        let inner = log.lock().expect("no panic");
        assert!(inner.reader == Some(inner.end) || inner.woken, "a reader sleeps in front of news");
    });
}
