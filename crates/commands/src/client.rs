//! The shared side of a connection: what other connections may see and do to it.
//!
//! The connection's own state is [`crate::session::Session`]; this part is in the registry ([`Clients`]), for CLIENT
//! LIST and KILL, and carries the mailbox through which messages reach the connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use resp::writer::Chunk;
use sys::order::{Ordered, Rank};

/// What sort of peer a connection has, as CLIENT LIST TYPE and the output limits tell them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientType {
    #[default]
    Normal,
    Replica,
    PubSub,
    Primary,
}

impl ClientType {
    /// As CLIENT LIST TYPE takes it.
    pub fn parse(name: &[u8]) -> Option<ClientType> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        match () {
            () if is("normal") => Some(ClientType::Normal),
            () if is("replica") || is("slave") => Some(ClientType::Replica),
            () if is("pubsub") => Some(ClientType::PubSub),
            () if is("master") || is("primary") => Some(ClientType::Primary),
            () => None,
        }
    }
}

/// What CLIENT LIST shows and only commands of the client itself change.
#[derive(Clone, Debug, Default)]
pub struct Details {
    pub name: Vec<u8>,
    pub lib_name: Vec<u8>,
    pub lib_version: Vec<u8>,
    pub user: Vec<u8>,
    pub db: usize,
    pub resp3: bool,
    /// Channels, patterns and shard channels.
    pub subscriptions: [usize; 3],
    /// Queued commands, if inside MULTI.
    pub queued: Option<usize>,
    /// Bytes of the queued commands.
    pub queued_bytes: usize,
    pub watched: usize,
    pub kind: ClientType,
    pub no_evict: bool,
    pub no_touch: bool,
    pub blocked: bool,
    /// Bytes of the arguments with which it is blocked.
    pub argv_bytes: usize,
    /// Blocked in a way that CLIENT UNBLOCK and a change of role may end.
    pub unblockable: bool,
    pub monitor: bool,
    pub readonly: bool,
    /// CLIENT CAPA REDIRECT: the client follows a failover by itself.
    pub capa_redirect: bool,
    /// CLIENT IMPORT-SOURCE ON.
    pub import_source: bool,
}

/// See the module's text.
pub struct Client {
    pub id: u64,
    /// The peer's address and our own, as `ip:port` or a socket's path.
    pub address: String,
    pub local_address: String,
    pub fd: i32,
    /// Unix milliseconds.
    pub created_ms: u64,
    /// When the client last sent something, Unix milliseconds.
    pub active_ms: AtomicU64,
    details: Mutex<Details>,
    /// Whether messages for it are in RESP3.
    pub resp3: AtomicBool,
    mailbox: Ordered<Mailbox>,
    has_mail: AtomicBool,
    killed: AtomicBool,
    /// Set by CLIENT KILL of itself: the reply still leaves.
    pub close_after_reply: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
    pub query_bytes: AtomicU64,
    /// What the query buffers take beyond the small one that any connection may have.
    pub buffer_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
    /// Bytes of what the connection keeps beside its buffers: queued commands, watches, subscriptions.
    pub state_bytes: AtomicU64,
    /// The part of [`Clients::bytes`] that is this client's.
    counted_bytes: AtomicU64,
    pub net_input: AtomicU64,
    pub net_output: AtomicU64,
    pub commands: AtomicU64,
    /// Row id of the last command, plus one; 0 before the first.
    last_row: AtomicU64,
    /// CLIENT UNBLOCK and CLIENT PAUSE reach a blocked client here: 0 nothing, 1 time out, 2 error,
    /// 3 another role, 4 no shutdown after all.
    pub unblock: AtomicI64,
}

/// Messages up to this size are copied into each mailbox; longer ones are shared.
pub const COPIED_BYTES: usize = 8 << 10;

#[derive(Default)]
struct Mailbox {
    chunks: Vec<Chunk>,
    bytes: usize,
}

impl Client {
    /// A new connection's shared side; `wake` makes its task look at mailbox and flags.
    pub fn new(
        id: u64,
        address: String,
        local_address: String,
        fd: i32,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Client {
        let now = sys::os::unix_ms();
        Client {
            id,
            address,
            local_address,
            fd,
            created_ms: now,
            active_ms: AtomicU64::new(now),
            resp3: AtomicBool::new(false),
            details: Mutex::new(Details { user: b"default".to_vec(), ..Details::default() }),
            mailbox: Ordered::new(Rank::Mailbox, Mailbox::default()),
            has_mail: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            close_after_reply: AtomicBool::new(false),
            wake,
            query_bytes: AtomicU64::new(0),
            buffer_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            state_bytes: AtomicU64::new(0),
            counted_bytes: AtomicU64::new(0),
            net_input: AtomicU64::new(0),
            net_output: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            last_row: AtomicU64::new(0),
            unblock: AtomicI64::new(0),
        }
    }

    /// Notes the row of the command that runs.
    #[inline]
    pub fn note_command(&self, id: u16) {
        self.last_row.store(u64::from(id) + 1, Relaxed);
    }

    /// The full name of the last command, `NULL` if there was none.
    pub fn last_command(&self) -> &'static str {
        match self.last_row.load(Relaxed).checked_sub(1) {
            Some(id) => crate::table::table().full_name(id as u16),
            None => "NULL",
        }
    }

    /// The peer's address as MONITOR shows it: a local socket has its kind in front.
    pub fn shown_address(&self) -> String {
        match self.address.strip_suffix(":0") {
            Some(path) => format!("unix:{path}"),
            None => self.address.clone(),
        }
    }

    /// What CLIENT LIST shows, for reading or changing.
    pub fn details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Puts a message into the mailbox; answers how many bytes wait there now. Short ones are put together, so that they
    /// leave with one write.
    pub fn deliver(&self, message: &Chunk) -> usize {
        let bytes = {
            let mut mailbox = self.mailbox.lock();
            let content = message.as_slice();
            mailbox.bytes += content.len();
            match mailbox.chunks.last_mut() {
                Some(Chunk::Bytes(last)) if last.len() + content.len() <= COPIED_BYTES => {
                    last.extend_from_slice(content);
                }
                _ if content.len() <= COPIED_BYTES => mailbox.chunks.push(Chunk::Bytes(content.to_vec())),
                _ => mailbox.chunks.push(message.clone()),
            }
            mailbox.bytes
        };
        if !self.has_mail.swap(true, Relaxed) {
            (self.wake)();
        }
        bytes
    }

    /// Bytes of memory that the connection takes, its large buffers included.
    pub fn memory_bytes(&self) -> u64 {
        CONNECTION_BYTES
            + self.buffer_bytes.load(Relaxed)
            + self.output_bytes.load(Relaxed)
            + self.state_bytes.load(Relaxed)
    }

    /// Whether `maxmemory-clients` is about this client at all, and may end it.
    fn evictable(&self) -> (bool, bool) {
        let details = self.details();
        let counts = matches!(details.kind, ClientType::Normal | ClientType::PubSub) && !self.is_killed();
        (counts, counts && !details.no_evict)
    }

    /// Whether messages wait.
    pub fn has_mail(&self) -> bool {
        self.has_mail.load(Relaxed)
    }

    /// Takes all messages.
    pub fn collect(&self) -> Vec<Chunk> {
        let mut mailbox = self.mailbox.lock();
        self.has_mail.store(false, Relaxed);
        mailbox.bytes = 0;
        std::mem::take(&mut mailbox.chunks)
    }

    /// Ends the connection as soon as its task looks.
    pub fn kill(&self) {
        self.killed.store(true, Relaxed);
        (self.wake)();
    }

    /// Whether the connection is to end.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }

    /// Makes the connection's task look again.
    pub fn wake(&self) {
        (self.wake)();
    }
}

/// Bytes of the structures behind a connection, beside its buffers.
const CONNECTION_BYTES: u64 = (size_of::<Client>() + size_of::<crate::session::Session>()) as u64;
/// Changes of a client's memory that are too small to be told to all.
const STEP_BYTES: u64 = 1024;

/// All connections, by id.
#[derive(Default)]
pub struct Clients {
    /// Bytes of all of them together, within [`STEP_BYTES`] each.
    bytes: AtomicU64,
    next_id: AtomicU64,
    by_id: RwLock<BTreeMap<u64, Arc<Client>>>,
    /// The number of them, for `maxclients`.
    pub count: AtomicU64,
}

impl Clients {
    /// The next CLIENT ID.
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed) + 1
    }

    /// Adds a connection.
    pub fn add(&self, client: Arc<Client>) {
        self.by_id.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(client.id, client);
    }

    /// Removes a connection.
    pub fn remove(&self, id: u64) {
        let removed = self.by_id.write().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(&id);
        if let Some(client) = removed {
            self.bytes.fetch_sub(client.counted_bytes.swap(0, Relaxed), Relaxed);
        }
    }

    /// Tells all how much memory a client takes now; only for the client's own task.
    #[inline]
    pub fn note_memory(&self, client: &Client) {
        let now = client.memory_bytes();
        if now.abs_diff(client.counted_bytes.load(Relaxed)) >= STEP_BYTES && !client.is_killed() {
            let before = client.counted_bytes.swap(now, Relaxed);
            self.bytes.fetch_add(now.wrapping_sub(before), Relaxed);
        }
    }

    /// Ends clients, the largest first, until those that are left take no more than `limit` bytes. Answers those that
    /// were ended.
    pub fn evict(&self, limit: u64) -> Vec<Arc<Client>> {
        if self.bytes.load(Relaxed) <= limit {
            return Vec::new();
        }
        let mut total = 0;
        let mut candidates = Vec::new();
        for client in self.all() {
            let (counts, may_go) = client.evictable();
            let bytes = client.memory_bytes();
            total += if counts { bytes } else { 0 };
            if may_go {
                candidates.push((bytes, client));
            }
        }
        candidates.sort_unstable_by_key(|(bytes, client)| std::cmp::Reverse((*bytes, client.id)));
        let mut evicted = Vec::new();
        for (bytes, client) in candidates {
            if total <= limit {
                break;
            }
            total -= bytes;
            client.kill();
            self.bytes.fetch_sub(client.counted_bytes.swap(0, Relaxed), Relaxed);
            evicted.push(client);
        }
        evicted
    }

    /// A connection by its id.
    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.by_id.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&id).cloned()
    }

    /// All connections, oldest first.
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.by_id.read().unwrap_or_else(|poisoned| poisoned.into_inner()).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(clients: &Clients, buffer_bytes: u64) -> Arc<Client> {
        let client =
            Arc::new(Client::new(clients.next_id(), String::new(), String::new(), -1, Box::new(|| ())));
        clients.add(client.clone());
        client.buffer_bytes.store(buffer_bytes, Relaxed);
        clients.note_memory(&client);
        client
    }

    #[test]
    fn the_largest_clients_go_until_the_rest_fits() {
        let clients = Clients::default();
        let sizes = [10_000u64, 500_000, 90_000, 2_000_000, 1_000_000];
        let all = sizes.map(|size| client(&clients, size));
        all[4].details().no_evict = true;
        let killed = |clients: &[Arc<Client>; 5]| clients.each_ref().map(|client| client.is_killed());
        let rest = all.iter().map(|client| client.memory_bytes()).sum::<u64>();
        assert!(clients.evict(rest).is_empty());
        assert_eq!(clients.evict(rest - 1).len(), 1);
        assert_eq!(killed(&all), [false, false, false, true, false]);
        assert_eq!(clients.evict(1_000_000).len(), 3);
        assert_eq!(killed(&all), [true, true, true, true, false]);
        all.iter().for_each(|client| clients.remove(client.id));
        assert_eq!(clients.bytes.load(Relaxed), 0);
    }
}
