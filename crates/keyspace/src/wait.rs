//! Clients that wait for keys (BLPOP and its kin), and keys that transactions watch.
//!
//! A waiter stands in the queue of each of its keys, oldest first. Several may want to settle it at once: two
//! keys, the timeout, CLIENT UNBLOCK, the end of the connection. Whoever wins [`Waiter::claim`] may try, and then either
//! settles the waiter or gives it back; the others wait for that moment, so that no key that became ready is forgotten.
//! A settled waiter that is met in a queue is dropped there.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use sys::claim::Claim;

/// (database, key).
type Key = (usize, Box<[u8]>);
type Map<V> = std::collections::HashMap<Key, V, foldhash::fast::RandomState>;

/// A blocked client.
pub struct Waiter {
    /// CLIENT ID.
    pub client_id: u64,
    /// Whether it wants to know when its key is deleted or becomes another type (XREADGROUP).
    pub on_delete: bool,
    claim: Claim,
    /// What the layers above need to serve it.
    pub request: Box<dyn Any + Send + Sync>,
}

impl Waiter {
    /// A waiter that nobody has claimed.
    pub fn new(client_id: u64, on_delete: bool, request: Box<dyn Any + Send + Sync>) -> Arc<Waiter> {
        Arc::new(Waiter { client_id, on_delete, claim: Claim::new(), request })
    }

    /// The right to settle this waiter; see [`Claim::claim`].
    pub fn claim(&self) -> bool {
        self.claim.claim()
    }

    /// Gives the right back, for a waiter that turned out not to be served.
    pub fn unclaim(&self) {
        self.claim.unclaim();
    }

    /// Ends the wait; what the client gets is in its place.
    pub fn settle(&self) {
        self.claim.settle();
    }

    /// Whether the wait is over.
    pub fn is_settled(&self) -> bool {
        self.claim.is_settled()
    }
}

/// Those who wait for one key, oldest first.
#[derive(Default)]
struct Queue {
    waiters: VecDeque<Arc<Waiter>>,
    /// How many of them have [`Waiter::on_delete`].
    on_delete: usize,
}

impl Queue {
    fn retain(&mut self, keep: impl Fn(&Arc<Waiter>) -> bool) {
        let on_delete = &mut self.on_delete;
        self.waiters.retain(|waiter| {
            let keep = keep(waiter);
            *on_delete -= usize::from(!keep && waiter.on_delete);
            keep
        });
    }
}

/// The queues of one shard.
#[derive(Default)]
pub struct WaitQueues(Map<Queue>);

impl WaitQueues {
    /// Whether nobody waits for any key of the shard.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of keys that somebody waits for.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Number of keys whose deletion somebody wants to know.
    pub fn for_deletion(&self) -> usize {
        self.0.values().filter(|queue| queue.on_delete > 0).count()
    }

    /// Whether somebody waits for this key.
    pub fn waits_for(&self, db: usize, key: &[u8]) -> bool {
        !self.is_empty() && self.0.contains_key(&(db, key.into()))
    }

    /// Puts a waiter at the end of a key's queue.
    pub(crate) fn push(&mut self, db: usize, key: &[u8], waiter: Arc<Waiter>) {
        let queue = self.0.entry((db, key.into())).or_default();
        if !queue.waiters.iter().any(|other| Arc::ptr_eq(other, &waiter)) {
            queue.on_delete += usize::from(waiter.on_delete);
            queue.waiters.push_back(waiter);
        }
    }

    /// The waiter at a place of a key's queue, 0 being the oldest; settled ones that are met are dropped and do not count.
    pub fn waiter(&mut self, db: usize, key: &[u8], place: usize) -> Option<Arc<Waiter>> {
        let at = (db, key.into());
        let queue = self.0.get_mut(&at)?;
        while let Some(waiter) = queue.waiters.get(place) {
            if !waiter.is_settled() {
                return Some(waiter.clone());
            }
            queue.on_delete -= usize::from(waiter.on_delete);
            queue.waiters.remove(place);
        }
        if queue.waiters.is_empty() {
            self.0.remove(&at);
        }
        None
    }

    /// Those who wait for a key, oldest first; settled ones are dropped.
    pub fn waiting(&mut self, db: usize, key: &[u8]) -> Vec<Arc<Waiter>> {
        let at = (db, key.into());
        let Some(queue) = self.0.get_mut(&at) else { return Vec::new() };
        queue.retain(|waiter| !waiter.is_settled());
        let waiting = queue.waiters.iter().cloned().collect();
        if queue.waiters.is_empty() {
            self.0.remove(&at);
        }
        waiting
    }

    /// Whether somebody wants to know that this key is deleted.
    pub fn wants_deletion(&self, db: usize, key: &[u8]) -> bool {
        self.0.get(&(db, key.into())).is_some_and(|queue| queue.on_delete > 0)
    }

    /// Takes a waiter out of a key's queue.
    pub fn remove(&mut self, db: usize, key: &[u8], waiter: &Arc<Waiter>) {
        let at = (db, key.into());
        if let Some(queue) = self.0.get_mut(&at) {
            queue.retain(|other| !Arc::ptr_eq(other, waiter));
            if queue.waiters.is_empty() {
                self.0.remove(&at);
            }
        }
    }

    /// The keys of a database that somebody waits for.
    pub fn keys(&self, db: usize) -> Vec<Box<[u8]>> {
        self.0.keys().filter(|(at, _)| *at == db).map(|(_, key)| key.clone()).collect()
    }

    /// All keys that somebody waits for, with how many do.
    pub fn lengths(&self) -> impl Iterator<Item = (usize, &[u8], usize)> {
        self.0.iter().map(|((db, key), queue)| (*db, &**key, queue.waiters.len()))
    }
}

/// One client's WATCH state: set by whoever changes a watched key.
#[derive(Default)]
pub struct WatchMark(AtomicU8);

impl WatchMark {
    /// A watched key was changed.
    pub fn touch(&self) {
        self.0.store(1, Ordering::Release);
    }

    /// Whether a watched key was changed.
    pub fn is_touched(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }
}

/// What stands under a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    Absent,
    /// There only because nobody has deleted it yet.
    Expired,
    Alive,
}

/// The watched keys of one shard.
#[derive(Default)]
pub struct Watches(Map<Vec<Watch>>);

struct Watch {
    mark: Arc<WatchMark>,
    /// Whether the key was there but had expired: its deletion is then no change.
    was_expired: bool,
}

impl Watches {
    /// Whether no key of the shard is watched.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of watched keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Watches a key; `was_expired` if it is there only because nobody has deleted it yet.
    pub(crate) fn add(&mut self, db: usize, key: &[u8], mark: Arc<WatchMark>, was_expired: bool) {
        self.0.entry((db, key.into())).or_default().push(Watch { mark, was_expired });
    }

    /// Whether the key had expired when it was watched, and has not been deleted since.
    pub fn saw_expired(&self, db: usize, key: &[u8], mark: &Arc<WatchMark>) -> bool {
        let watches = self.0.get(&(db, key.into()));
        watches.into_iter().flatten().any(|watch| watch.was_expired && Arc::ptr_eq(&watch.mark, mark))
    }

    /// Watches a key no more.
    pub fn remove(&mut self, db: usize, key: &[u8], mark: &Arc<WatchMark>) {
        let at = (db, key.into());
        if let Some(watches) = self.0.get_mut(&at) {
            watches.retain(|watch| !Arc::ptr_eq(&watch.mark, mark));
            if watches.is_empty() {
                self.0.remove(&at);
            }
        }
    }

    /// A key was changed: tells everybody who watches it.
    pub fn touch(&self, db: usize, key: &[u8]) {
        if let Some(watches) = self.0.get(&(db, key.into())) {
            watches.iter().for_each(|watch| watch.mark.touch());
        }
    }

    /// Another key, or none, takes the place of a key (or of none, if not `had`): tells everybody for whom that is a change.
    pub fn exchange(&mut self, db: usize, key: &[u8], had: bool, gets: Presence) {
        for watch in self.0.get_mut(&(db, key.into())).into_iter().flatten() {
            if gets == Presence::Alive || (had && !watch.was_expired) {
                watch.mark.touch();
            }
            watch.was_expired = gets == Presence::Expired;
        }
    }

    /// A key was deleted because it had expired: tells those who knew it alive.
    pub fn expire(&mut self, db: usize, key: &[u8]) {
        if self.is_empty() {
            return;
        }
        for watch in self.0.get_mut(&(db, key.into())).into_iter().flatten() {
            if !std::mem::take(&mut watch.was_expired) {
                watch.mark.touch();
            }
        }
    }

    /// The watched keys of a database.
    pub fn keys(&self, db: usize) -> Vec<Box<[u8]>> {
        self.0.keys().filter(|(at, _)| *at == db).map(|(_, key)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_are_first_in_first_out_and_settled_once() {
        let mut queues = WaitQueues::default();
        let waiters: Vec<_> = (0..3).map(|id| Waiter::new(id, id == 2, Box::new(()))).collect();
        waiters.iter().for_each(|waiter| queues.push(1, b"k", waiter.clone()));
        queues.push(1, b"k", waiters[0].clone());
        assert!(queues.waits_for(1, b"k") && !queues.waits_for(0, b"k"));
        assert!(waiters[0].claim());
        waiters[0].unclaim();
        assert!(waiters[0].claim() && !waiters[0].is_settled());
        waiters[0].settle();
        assert!(!waiters[0].claim());
        let ids: Vec<_> = queues.waiting(1, b"k").iter().map(|waiter| waiter.client_id).collect();
        assert_eq!(ids, [1, 2]);
        assert_eq!(queues.waiter(1, b"k", 1).map(|waiter| waiter.client_id), Some(2));
        assert!(queues.wants_deletion(1, b"k"));
        queues.remove(1, b"k", &waiters[1]);
        queues.remove(1, b"k", &waiters[2]);
        assert!(queues.is_empty());
    }

    #[test]
    fn marks_are_touched_by_their_keys_only() {
        let mut watches = Watches::default();
        let mark = Arc::new(WatchMark::default());
        watches.add(0, b"a", mark.clone(), false);
        watches.touch(0, b"b");
        watches.touch(1, b"a");
        assert!(!mark.is_touched());
        watches.touch(0, b"a");
        assert!(mark.is_touched());
        watches.remove(0, b"a", &mark);
        assert!(watches.is_empty());
    }

    #[test]
    fn an_exchange_is_a_change_unless_nothing_alive_was_or_is_there() {
        use Presence::{Absent, Alive, Expired};
        let touched = |was_expired: bool, is_there: bool, then: Presence| {
            let (mut watches, mark) = (Watches::default(), Arc::new(WatchMark::default()));
            watches.add(0, b"a", mark.clone(), was_expired);
            watches.exchange(0, b"a", is_there, then);
            assert_eq!(watches.saw_expired(0, b"a", &mark), then == Expired);
            mark.is_touched()
        };
        assert!([Absent, Expired, Alive].iter().all(|&then| touched(false, true, then)));
        assert!(touched(true, true, Alive) && touched(false, false, Alive));
        assert!(
            ![Absent, Expired].iter().any(|&then| touched(true, true, then) || touched(false, false, then))
        );
    }

    #[test]
    fn a_key_that_had_expired_before_is_deleted_without_notice() {
        let mut watches = Watches::default();
        let (early, late) = (Arc::new(WatchMark::default()), Arc::new(WatchMark::default()));
        watches.add(0, b"a", early.clone(), false);
        watches.add(0, b"a", late.clone(), true);
        assert!(watches.saw_expired(0, b"a", &late) && !watches.saw_expired(0, b"a", &early));
        watches.expire(0, b"a");
        assert!(early.is_touched() && !late.is_touched());
        // What comes after the deletion is a change like any other.
        assert!(!watches.saw_expired(0, b"a", &late));
        watches.expire(0, b"a");
        assert!(late.is_touched());
    }

    #[test]
    fn an_exchange_tells_those_for_whom_something_changed() {
        // (had expired when it was watched, there before, there afterwards, told)
        for (was_expired, had, gets, told) in [
            (false, true, Presence::Absent, true),
            (true, true, Presence::Absent, false),
            (false, false, Presence::Absent, false),
            (false, false, Presence::Expired, false),
            (true, true, Presence::Expired, false),
            (false, true, Presence::Expired, true),
            (false, false, Presence::Alive, true),
            (true, true, Presence::Alive, true),
        ] {
            let mut watches = Watches::default();
            let mark = Arc::new(WatchMark::default());
            watches.add(0, b"a", mark.clone(), was_expired);
            watches.exchange(0, b"a", had, gets);
            assert_eq!(mark.is_touched(), told, "{was_expired} {had} {gets:?}");
            assert_eq!(watches.saw_expired(0, b"a", &mark), gets == Presence::Expired);
        }
    }
}
