//! Who expires keys may sleep until the next time that a shard has published; an earlier one wakes him.
//!
//! The two sides meet without a fence: one notes until when he sleeps and then looks at the times, the other stores a time and
//! then looks at the note. Each may miss the other's store while it is still on its way to the other core. So he who wants to sleep
//! looks once more, a good while after he noted it; only then does he sleep long.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Wakes one sleeper, from any thread.
pub type Wake = Box<dyn Fn() + Send + Sync>;

struct Sleeper {
    /// Unix milliseconds; 0 while nobody sleeps.
    until_ms: AtomicU64,
    wake: Wake,
}

/// See the module's text. Sleeper `n` of `count` has every `count`-th shard from `n` on.
#[derive(Default)]
pub(crate) struct Sleepers(OnceLock<Box<[Sleeper]>>);

impl Sleepers {
    /// Says who there is, once.
    pub fn set(&self, wakes: Vec<Wake>) {
        let sleeper = |wake| Sleeper { until_ms: AtomicU64::new(0), wake };
        // A second time would be a second set of workers, which there is not.
        let _ = self.0.set(wakes.into_iter().map(sleeper).collect());
    }

    /// Notes until when one sleeps; 0 when he is awake.
    pub fn note(&self, index: usize, until_ms: u64) {
        if let Some(sleeper) = self.0.get().and_then(|all| all.get(index)) {
            sleeper.until_ms.store(until_ms, Relaxed);
        }
    }

    /// Wakes who has the shard if he would sleep longer than until `at_ms`.
    #[inline]
    pub fn rouse(&self, shard: u16, at_ms: u64) {
        let Some(all) = self.0.get() else { return };
        let sleeper = &all[usize::from(shard) % all.len()];
        if at_ms < sleeper.until_ms.load(Relaxed) {
            sleeper.until_ms.store(0, Relaxed);
            (sleeper.wake)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn an_earlier_time_wakes_who_has_the_shard_once() {
        let woken: Vec<Arc<AtomicU64>> = (0..2).map(|_| Arc::default()).collect();
        let wake = |count: &Arc<AtomicU64>| -> Wake {
            let count = count.clone();
            Box::new(move || _ = count.fetch_add(1, Relaxed))
        };
        let sleepers = Sleepers::default();
        sleepers.rouse(1, 0);
        sleepers.set(woken.iter().map(wake).collect());
        let counts = || [woken[0].load(Relaxed), woken[1].load(Relaxed)];
        sleepers.rouse(3, 0);
        assert_eq!(counts(), [0, 0], "nobody sleeps");
        sleepers.note(1, 100);
        sleepers.rouse(2, 50);
        sleepers.rouse(3, 100);
        assert_eq!(counts(), [0, 0], "another's shard, and a time that is early enough");
        sleepers.rouse(3, 99);
        sleepers.rouse(3, 98);
        assert_eq!(counts(), [0, 1]);
    }
}
