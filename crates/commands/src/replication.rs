//! The state of replication: this server's role, its history's identity, its replicas.
//!
//! The offset itself is the journal's end. A history has an id; after a promotion the old id stays valid, as the
//! second one, up to the offset of the promotion.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::client::Client;

/// How far the link to the primary is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    Connect,
    Connecting,
    /// Words are exchanged; no dump has begun.
    Handshake,
    Sync,
    Connected,
}

impl LinkState {
    /// As ROLE names it.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::Connect => "connect",
            LinkState::Connecting => "connecting",
            LinkState::Handshake => "handshake",
            LinkState::Sync => "sync",
            LinkState::Connected => "connected",
        }
    }
}

/// The link to a primary.
#[derive(Clone, Debug)]
pub struct PrimaryLink {
    pub host: String,
    pub port: u16,
    pub state: LinkState,
    /// Unix milliseconds of the last byte from the primary.
    pub last_io_ms: u64,
    /// Unix milliseconds since when the link is down; 0 while it is up.
    pub down_since_ms: u64,
    pub sync_total_bytes: i64,
    pub sync_read_bytes: u64,
    pub sync_last_io_ms: u64,
}

/// What stage a replica is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplicaState {
    WaitBgsave,
    SendBulk,
    Online,
}

impl ReplicaState {
    /// As INFO names it.
    pub fn name(self) -> &'static str {
        match self {
            ReplicaState::WaitBgsave => "wait_bgsave",
            ReplicaState::SendBulk => "send_bulk",
            ReplicaState::Online => "online",
        }
    }
}

/// One attached replica.
pub struct Replica {
    pub client: Arc<Client>,
    pub address: String,
    pub port: u16,
    pub state: Mutex<ReplicaState>,
    pub ack_offset: AtomicU64,
    /// Unix milliseconds of the last acknowledgement.
    pub ack_ms: AtomicU64,
}

/// Ids and link of this server's history.
#[derive(Clone, Debug)]
pub struct History {
    pub id: String,
    pub second_id: String,
    /// -1: none.
    pub second_offset: i64,
    /// The server that this one replicates.
    pub primary: Option<PrimaryLink>,
}

/// See the module's text.
pub struct Replication {
    history: Mutex<History>,
    is_replica: AtomicBool,
    link_up: AtomicBool,
    /// Counts the links to primaries: what an earlier one still does must not touch this server any more.
    links: AtomicU64,
    replicas: Mutex<Vec<Arc<Replica>>>,
    /// Replicas online whose lag is within `min-replicas-max-lag`.
    pub good_replicas: AtomicU64,
    /// Clients in WAIT, to be woken by acknowledgements.
    pub waiting: Mutex<Vec<Arc<Client>>>,
    /// On a replica, the database that the primary's stream has selected: for those that go on with it.
    pub stream_db: AtomicUsize,
    /// Keys with an expiry that clients wrote to a writable replica.
    local_expires: Mutex<LocalExpires>,
    /// On a replica, bytes of the stream that have come and have not run.
    pub unapplied_bytes: AtomicU64,
    /// Unix milliseconds since when no replica is attached.
    pub no_replicas_since_ms: AtomicU64,
}

impl Replica {
    /// Whether it takes the stream, its dump behind it.
    pub fn is_online(&self) -> bool {
        *self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) == ReplicaState::Online
    }
}

/// Keys that a writable replica must expire itself, because its primary does not know them. Ordered by time; a key whose
/// expiry has moved since is found by its entry when its time comes.
#[derive(Default)]
pub struct LocalExpires {
    by_time: BTreeSet<(u64, usize, Vec<u8>)>,
    times: HashMap<(usize, Vec<u8>), u64>,
}

impl LocalExpires {
    /// Notes that a key expires at `at_ms`.
    pub fn note(&mut self, db: usize, key: &[u8], at_ms: u64) {
        if let Some(before) = self.times.insert((db, key.to_vec()), at_ms) {
            self.by_time.remove(&(before, db, key.to_vec()));
        }
        self.by_time.insert((at_ms, db, key.to_vec()));
    }

    /// Takes the next key whose time is past.
    pub fn take_due(&mut self, now_ms: u64) -> Option<(usize, Vec<u8>)> {
        if self.by_time.first()?.0 >= now_ms {
            return None;
        }
        let (_, db, key) = self.by_time.pop_first()?;
        self.times.remove(&(db, key.clone()));
        Some((db, key))
    }

    /// When the next one is due, in Unix milliseconds.
    pub fn next_ms(&self) -> u64 {
        self.by_time.first().map_or(u64::MAX, |(at_ms, ..)| *at_ms)
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Forgets all: the data set is another, or this server expires all keys itself.
    pub fn clear(&mut self) {
        *self = LocalExpires::default();
    }
}

/// The id of no history.
const NO_ID: &str = "0000000000000000000000000000000000000000";

/// A random id of 40 hexadecimal digits.
pub fn random_id() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}{:08x}", word(), word(), word() as u32)
}

impl Default for Replication {
    fn default() -> Self {
        Self::new()
    }
}

impl Replication {
    /// A primary with a history of its own.
    pub fn new() -> Replication {
        Replication {
            history: Mutex::new(History {
                id: random_id(),
                second_id: NO_ID.to_owned(),
                second_offset: -1,
                primary: None,
            }),
            is_replica: AtomicBool::new(false),
            link_up: AtomicBool::new(false),
            links: AtomicU64::new(0),
            replicas: Mutex::default(),
            good_replicas: AtomicU64::new(0),
            local_expires: Mutex::default(),
            unapplied_bytes: AtomicU64::new(0),
            waiting: Mutex::default(),
            stream_db: AtomicUsize::new(0),
            no_replicas_since_ms: AtomicU64::new(sys::os::unix_ms()),
        }
    }

    /// Ids and link, for reading or changing.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What a writable replica must expire itself.
    pub fn local_expires(&self) -> MutexGuard<'_, LocalExpires> {
        self.local_expires.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether this server replicates another.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.is_replica.load(Relaxed)
    }

    /// Whether the link to the primary is up.
    pub fn link_up(&self) -> bool {
        self.link_up.load(Relaxed)
    }

    /// The number of the link to a primary, or of being one.
    pub fn link(&self) -> u64 {
        self.links.load(Relaxed)
    }

    /// Makes this server a replica of `primary`, or a primary.
    pub fn set_primary(&self, primary: Option<(String, u16)>) {
        let mut history = self.history();
        self.is_replica.store(primary.is_some(), Relaxed);
        self.link_up.store(false, Relaxed);
        self.links.fetch_add(1, Relaxed);
        self.no_replicas_since_ms.store(sys::os::unix_ms(), Relaxed);
        self.local_expires().clear();
        self.unapplied_bytes.store(0, Relaxed);
        history.primary = primary.map(|(host, port)| PrimaryLink {
            host,
            port,
            state: LinkState::Connect,
            last_io_ms: 0,
            down_since_ms: sys::os::unix_ms(),
            sync_total_bytes: -1,
            sync_read_bytes: 0,
            sync_last_io_ms: 0,
        });
    }

    /// Begins a new history at `offset`; the old one stays valid up to there, as the second.
    pub fn promote(&self, offset: u64) {
        let mut history = self.history();
        history.second_id = std::mem::replace(&mut history.id, random_id());
        history.second_offset = offset as i64 + 1;
    }

    /// The primary goes on under `id`, which may be new; what this server has stays valid as the second history.
    pub fn go_on(&self, id: &str, journal: &journal::Journal) {
        let mut history = self.history();
        if history.id == id {
            return;
        }
        history.second_id = std::mem::replace(&mut history.id, id.to_owned());
        history.second_offset = journal.end() as i64 + 1;
        drop(history);
        // Replicas of this server learn the new id when they come again.
        self.drop_replicas(journal);
    }

    /// The data set is the primary's now, with history `id` at `offset`, and a journal of `size` bytes begins there.
    pub fn start_over(&self, id: &str, offset: u64, size: usize, journal: &journal::Journal) {
        // Replicas of this server have another history now: they must come again.
        self.drop_replicas(journal);
        journal.start(size, offset);
        let mut history = self.history();
        history.id = id.to_owned();
        history.second_id = NO_ID.to_owned();
        history.second_offset = -1;
    }

    /// Changes the link's state.
    pub fn set_link(&self, change: impl FnOnce(&mut PrimaryLink)) {
        let mut history = self.history();
        if let Some(link) = &mut history.primary {
            change(link);
            self.link_up.store(link.state == LinkState::Connected, Relaxed);
        }
    }

    /// The attached replicas.
    pub fn replicas(&self) -> Vec<Arc<Replica>> {
        self.replicas.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Adds a replica.
    pub fn add_replica(&self, replica: Arc<Replica>) {
        self.replicas.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(replica);
    }

    /// Ends the links of all replicas, which then come again: the history has another id. They are detached first, so that
    /// nothing of the new history reaches them under the old id.
    pub fn drop_replicas(&self, journal: &journal::Journal) {
        journal.detach_all();
        self.replicas().iter().for_each(|replica| replica.client.kill());
    }

    /// Counts anew the replicas that are online and have spoken within `max_lag_s`.
    pub fn count_good(&self, max_lag_s: u64) {
        let now_ms = sys::os::unix_ms();
        let good = self.replicas().into_iter().filter(|replica| {
            replica.is_online() && now_ms.saturating_sub(replica.ack_ms.load(Relaxed)) <= max_lag_s * 1000
        });
        self.good_replicas.store(good.count() as u64, Relaxed);
    }

    /// Removes a replica.
    pub fn remove_replica(&self, client_id: u64) {
        let mut replicas = self.replicas.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        replicas.retain(|replica| replica.client.id != client_id);
        if replicas.is_empty() {
            self.no_replicas_since_ms.store(sys::os::unix_ms(), Relaxed);
        }
    }

    /// Replicas that have acknowledged `offset`.
    pub fn acknowledged(&self, offset: u64) -> usize {
        self.replicas()
            .iter()
            .filter(|replica| replica.is_online())
            .filter(|replica| replica.ack_offset.load(Relaxed) >= offset)
            .count()
    }
}
