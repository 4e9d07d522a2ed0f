//! The memory limit: how much may be used, what is to go when it is more, and what is known of the past.
//!
//! The engine looks at [`Eviction::is_over`] before each command, with no lock held, and removes keys if it must; see its
//! module `evict`. Here is what both sides share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use config::{Directive, Store};
use ds::entry::EntryRef;

use crate::client::ClientType;
use crate::server::Server;

/// In which order keys go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Least recently used.
    Lru,
    /// Least often used.
    Lfu,
    /// Least recently changed.
    Lrm,
    Random,
    /// First to expire.
    Ttl,
}

/// `maxmemory-policy`, if it evicts at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    pub order: Order,
    /// Only keys that expire.
    pub volatile: bool,
}

const ORDERS: [(&str, Order); 5] = [
    ("lru", Order::Lru),
    ("lfu", Order::Lfu),
    ("lrm", Order::Lrm),
    ("random", Order::Random),
    ("ttl", Order::Ttl),
];
const VOLATILE: u8 = 0x80;
const NONE: u8 = u8::MAX;

impl Policy {
    /// From the directive's words; `None` for `noeviction`.
    pub fn parse(text: &str) -> Option<Policy> {
        let (keys, order) = text.split_once('-')?;
        let (_, order) = *ORDERS.iter().find(|(name, _)| *name == order)?;
        Some(Policy { order, volatile: keys == "volatile" })
    }

    fn to_code(self) -> u8 {
        let at = ORDERS.iter().position(|(_, order)| *order == self.order).unwrap_or_default();
        at as u8 | if self.volatile { VOLATILE } else { 0 }
    }

    fn from_code(code: u8) -> Option<Policy> {
        let (_, order) = *ORDERS.get(usize::from(code & !VOLATILE))?;
        Some(Policy { order, volatile: code & VOLATILE != 0 })
    }

    /// How much a key asks to be removed: the highest score goes first. `None` if it must stay.
    pub fn score(self, entry: EntryRef<'_>, now_ms: u64, lfu_decay_minutes: u64) -> Option<u64> {
        let expire_ms = entry.expire_ms();
        if self.volatile && expire_ms.is_none() {
            return None;
        }
        Some(match self.order {
            Order::Lru | Order::Lrm => crate::lru::idle_ms(entry.lru(), now_ms),
            Order::Lfu => 255 - u64::from(crate::lru::frequency(entry.lru(), now_ms, lfu_decay_minutes)),
            Order::Random => 0,
            Order::Ttl => u64::MAX - expire_ms.unwrap_or(u64::MAX),
        })
    }
}

/// See the module's text.
pub struct Eviction {
    /// Bytes; 0 is no limit.
    limit: AtomicU64,
    policy: AtomicU8,
    /// Since when the limit is exceeded (monotonic us), 0 if it is not; and how long it was, all together.
    exceeded_since_us: AtomicU64,
    exceeded_us: AtomicU64,
    /// `maxmemory-clients`, in bytes; 0 is no limit.
    clients_limit: AtomicU64,
    /// What is to be freed by another thread.
    pub lazy: Arc<LazyFree>,
}

impl Default for Eviction {
    fn default() -> Eviction {
        Eviction {
            limit: AtomicU64::new(0),
            policy: AtomicU8::new(NONE),
            exceeded_since_us: AtomicU64::new(0),
            exceeded_us: AtomicU64::new(0),
            clients_limit: AtomicU64::new(0),
            lazy: Arc::default(),
        }
    }
}

impl Eviction {
    /// Takes over what the configuration says.
    pub fn configure(&self, config: &Store) {
        self.limit.store(config.int(Directive::Maxmemory) as u64, Relaxed);
        // A share of the memory limit is kept as a negative number of percent.
        let clients = config.int(Directive::MaxmemoryClients);
        let share = |percent: u64| (u128::from(self.limit()) * u128::from(percent) / 100) as u64;
        let clients = if clients < 0 { share(clients.unsigned_abs()) } else { clients as u64 };
        self.clients_limit.store(clients, Relaxed);
        let policy = Policy::parse(&config.text(Directive::MaxmemoryPolicy));
        self.policy.store(policy.map_or(NONE, Policy::to_code), Relaxed);
    }

    /// The limit in bytes; 0 is none.
    pub fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// How much all clients together may take, in bytes; 0 is no limit.
    #[inline]
    pub fn clients_limit(&self) -> u64 {
        self.clients_limit.load(Relaxed)
    }

    /// What may be evicted.
    pub fn policy(&self) -> Option<Policy> {
        Policy::from_code(self.policy.load(Relaxed))
    }

    /// Whether more than the limit seems to be used; [`used_for_limit`] tells exactly.
    #[inline]
    pub fn is_over(&self) -> bool {
        let limit = self.limit();
        limit != 0 && sys::alloc::allocated_here() > limit || self.exceeded_since_us.load(Relaxed) != 0
    }

    /// Notes whether the limit is exceeded after an attempt to make room.
    pub fn note(&self, exceeded: bool) {
        let since = self.exceeded_since_us.load(Relaxed);
        if exceeded && since == 0 {
            self.exceeded_since_us.store(sys::os::monotonic_us().max(1), Relaxed);
        } else if !exceeded && since != 0 && self.exceeded_since_us.swap(0, Relaxed) != 0 {
            self.exceeded_us.fetch_add(sys::os::monotonic_us().saturating_sub(since), Relaxed);
        }
    }

    /// How long the limit is exceeded now, and how long it was in all, in milliseconds.
    pub fn exceeded_ms(&self) -> (u64, u64) {
        let now = match self.exceeded_since_us.load(Relaxed) {
            0 => 0,
            since => sys::os::monotonic_us().saturating_sub(since),
        };
        (now / 1000, (now + self.exceeded_us.load(Relaxed)) / 1000)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        self.exceeded_us.store(0, Relaxed);
        self.exceeded_since_us.store(0, Relaxed);
        self.lazy.freed.store(0, Relaxed);
    }
}

/// What is waiting to be freed by another thread.
#[derive(Default)]
pub struct LazyFree {
    pub objects: AtomicU64,
    /// Estimated.
    pub bytes: AtomicU64,
    /// Objects that are freed.
    pub freed: AtomicU64,
}

/// Something on its way to the thread that frees it.
pub struct Garbage<T> {
    /// Freed first, then counted.
    content: Option<T>,
    objects: u64,
    bytes: u64,
    counts: Arc<LazyFree>,
}

impl<T> Garbage<T> {
    /// Counts `content`, of `objects` objects and about `bytes` bytes, as waiting until it is dropped.
    pub fn new(content: T, objects: u64, bytes: u64, counts: &Arc<LazyFree>) -> Garbage<T> {
        counts.objects.fetch_add(objects, Relaxed);
        counts.bytes.fetch_add(bytes, Relaxed);
        Garbage { content: Some(content), objects, bytes, counts: counts.clone() }
    }
}

impl<T> Drop for Garbage<T> {
    fn drop(&mut self) {
        drop(self.content.take());
        sys::alloc::publish();
        self.counts.freed.fetch_add(self.objects, Relaxed);
        self.counts.bytes.fetch_sub(self.bytes, Relaxed);
        self.counts.objects.fetch_sub(self.objects, Relaxed);
    }
}

/// Bytes that the limit does not see: what the backlog holds for slow replicas beyond its size, and what waits in the
/// sockets of replicas. Evicting for their sake would only send them more.
fn not_counted(server: &Server, backlog: BacklogBytes) -> u64 {
    let mut bytes = backlog.beyond();
    if server.replication.replicas().is_empty() {
        return bytes;
    }
    for client in server.clients.all() {
        if client.details().kind == ClientType::Replica {
            bytes += client.output_bytes.load(Relaxed);
        }
    }
    bytes
}

/// The backlog's part of the memory, bytes.
#[derive(Clone, Copy)]
pub struct BacklogBytes {
    pub size: u64,
    pub allocated: u64,
}

impl BacklogBytes {
    /// What is kept beyond its size for replicas that have not fetched it yet.
    pub fn beyond(self) -> u64 {
        self.allocated.saturating_sub(self.size)
    }
}

/// What is in use at one moment, bytes: what a slow replica leaves at once is not missed in one figure and seen in the
/// other.
#[derive(Clone, Copy)]
pub struct Used {
    pub allocated: u64,
    pub not_counted: u64,
    pub backlog: BacklogBytes,
}

impl Used {
    /// Looks.
    pub fn now(server: &Server) -> Used {
        sys::alloc::publish();
        let (allocated, backlog) = server.journal.beside_backlog(|size, allocated| {
            let backlog = BacklogBytes { size: size as u64, allocated: allocated as u64 };
            (sys::alloc::allocated(), backlog)
        });
        Used { allocated, not_counted: not_counted(server, backlog), backlog }
    }
}

/// Bytes in use that count for the limit; those that are about to be freed do not.
pub fn used_for_limit(server: &Server) -> u64 {
    let used = Used::now(server);
    used.allocated.saturating_sub(server.eviction.lazy.bytes.load(Relaxed) + used.not_counted)
}

#[cfg(test)]
mod tests {
    use ds::entry::{Entry, Value};

    use super::*;

    #[test]
    fn policies_survive_their_code() {
        for keys in ["allkeys", "volatile"] {
            for (name, order) in ORDERS {
                let policy = Policy::parse(&format!("{keys}-{name}")).expect("a policy");
                assert_eq!(policy, Policy { order, volatile: keys == "volatile" });
                assert_eq!(Policy::from_code(policy.to_code()), Some(policy));
            }
        }
        assert_eq!((Policy::parse("noeviction"), Policy::from_code(NONE)), (None, None));
    }

    #[test]
    fn scores_order_keys() {
        let now = 1_000_000_000;
        let entry = |lru, expire_ms| Entry::new(b"k", expire_ms, lru, Value::Int(1));
        let score = |policy: &str, entry: &Entry| {
            Policy::parse(policy).expect("a policy").score(entry.view(), now, 1)
        };
        let (old, new) = (crate::lru::from_idle(100, now), crate::lru::clock(now));
        assert!(score("allkeys-lru", &entry(old, None)) > score("allkeys-lru", &entry(new, None)));
        assert_eq!(score("volatile-lru", &entry(old, None)), None);
        let soon = score("volatile-ttl", &entry(new, Some(now + 5)));
        assert!(soon > score("volatile-ttl", &entry(old, Some(now + 9))));
        let (rare, often) = (crate::lru::with_frequency(1, now), crate::lru::with_frequency(200, now));
        assert!(score("allkeys-lfu", &entry(rare, None)) > score("allkeys-lfu", &entry(often, None)));
    }

    #[test]
    fn garbage_counts_until_it_is_gone() {
        let counts = Arc::<LazyFree>::default();
        let garbage = Garbage::new(vec![1], 3, 100, &counts);
        let read = || [&counts.objects, &counts.bytes, &counts.freed].map(|count| count.load(Relaxed));
        assert_eq!(read(), [3, 100, 0]);
        drop(garbage);
        assert_eq!(read(), [0, 0, 3]);
    }
}
