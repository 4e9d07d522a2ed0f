//! Gate and shard lock on real threads; `model.rs` has all their interleavings at a small size.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use russet_sys::gate::Gate;
use russet_sys::lock::ShardLock;

#[test]
fn nobody_is_inside_while_somebody_is_alone() {
    let gate = Arc::new(Gate::new(4));
    let inside = Arc::new(AtomicU64::new(0));
    let rounds = if cfg!(miri) { 20 } else { 3000 };
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (gate, inside) = (gate.clone(), inside.clone());
            std::thread::spawn(move || {
                let mut slot = gate.register().expect("a slot is free");
                let mut done = 0;
                while done < rounds {
                    if let Some(_batch) = gate.enter(&mut slot) {
                        inside.fetch_add(1, Ordering::Relaxed);
                        inside.fetch_sub(1, Ordering::Relaxed);
                        done += 1;
                    } else {
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    for _ in 0..rounds / 10 {
        let _alone = gate.close();
        assert_eq!(inside.load(Ordering::Relaxed), 0);
    }
    for worker in workers {
        worker.join().expect("a worker ended well");
    }
}

#[test]
fn a_stamp_passes_when_the_batch_ends() {
    let gate = Gate::new(2);
    let mut slot = gate.register().expect("a slot is free");
    let batch = gate.enter(&mut slot);
    let stamp = gate.stamp();
    let elsewhere = || gate.try_close(Duration::from_micros(10)).is_none();
    let refused = std::thread::scope(|scope| scope.spawn(elsewhere).join());
    assert!(!gate.passed(&stamp) && refused.expect("no panic"));
    drop(batch);
    assert!(gate.passed(&stamp) && gate.try_close(Duration::from_micros(10)).is_some());
    assert!(gate.enter(&mut slot).is_some());
}

#[test]
fn slots_run_out_politely() {
    let gate = Gate::new(1);
    assert!(gate.register().is_some() && gate.register().is_none());
}

#[test]
fn counts_exactly_under_contention() {
    let lock = Arc::new(ShardLock::new(0u64));
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let lock = lock.clone();
            std::thread::spawn(move || (0..rounds).for_each(|_| *lock.lock() += 1))
        })
        .collect();
    for thread in threads {
        thread.join().expect("a counting thread ended well");
    }
    assert_eq!(*lock.lock(), 4 * rounds);
}

#[test]
fn a_held_lock_is_not_given_twice() {
    let lock = ShardLock::new(());
    let held = lock.try_lock();
    let lock = &lock;
    let elsewhere = || std::thread::scope(|s| s.spawn(|| lock.lock_or_give_up().is_none()).join());
    assert!(held.is_some() && lock.try_lock().is_none() && elsewhere().expect("no panic"));
    drop(held);
    assert!(lock.try_lock().is_some());
}
