//! A connection's own state, seen by nobody else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use keyspace::wait::{Waiter, WatchMark};

use crate::client::{Client, ClientType};
use crate::table::CommandRow;

/// A command that MULTI has queued.
pub struct Queued {
    pub row: &'static CommandRow,
    /// The row's id, for statistics.
    pub id: u16,
    pub argv: Vec<Vec<u8>>,
}

/// The transaction that is being collected.
#[derive(Default)]
pub struct Transaction {
    pub queue: Vec<Queued>,
    pub bytes: usize,
    /// A command was refused while queueing: EXEC must abort.
    pub dirty: bool,
}

/// CLIENT REPLY's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command's reply is dropped.
    SkipNext,
    /// This command's reply is dropped.
    Skip,
}

/// What REPLCONF has told about a replica that will ask for PSYNC.
#[derive(Clone, Debug, Default)]
pub struct ReplicaInfo {
    pub listening_port: u16,
    pub address: String,
    pub capa_eof: bool,
    pub capa_psync2: bool,
    /// Whether it is a Valkey that knows fields with an expiry, and thus only Valkey's form of them.
    pub valkey: bool,
    pub ack_offset: u64,
    /// Whether the replica has acknowledged something.
    pub acknowledged: bool,
    pub rdb_only: bool,
    /// The history that it was told to go on with.
    pub history: String,
    /// Whether it wants the stream only: its dump has no keys.
    pub without_data: bool,
}

/// What the connection's task must do next, besides sending replies.
pub enum Takeover {
    /// Stream the replication from here on: a full sync, or from an offset.
    Replica { psync: bool, from: Option<u64> },
    /// Send keys to another server, then run the request again with the outcome in [`Session::migrated`].
    Migrate(Box<crate::generic::migrate::Migration>),
    /// Close once all replies are sent.
    Close,
}

/// A client that waits for keys.
pub struct Blocked {
    pub waiter: Arc<Waiter>,
    pub db: usize,
    pub keys: Vec<Vec<u8>>,
    /// What names and arguments take, in all places where they are kept for the time of the wait.
    pub bytes: usize,
    /// Monotonic microseconds; `None` waits for ever.
    pub deadline_us: Option<u64>,
    /// WAIT: the number of replicas that must have acknowledged the client's last write.
    pub replicas: Option<usize>,
    /// The reply to a time-out.
    pub on_timeout: crate::block::TimeoutReply,
    /// The command, for the statistics and the logs that get it when the wait is over.
    pub command: BlockedCommand,
}

/// What a blocked client is in.
pub struct BlockedCommand {
    pub found: crate::table::Found,
    pub argv: Vec<Vec<u8>>,
    /// How long it ran before it waited.
    pub usec: u64,
}

impl BlockedCommand {
    /// Bytes of its arguments.
    pub fn argv_bytes(&self) -> usize {
        self.argv.iter().map(Vec::len).sum()
    }
}

/// What a watched key or a subscription costs on both sides beside the bytes of its name, about.
const NAME_BYTES: usize = 128;

/// See the module's text.
pub struct Session {
    pub client: Arc<Client>,
    pub db: usize,
    pub resp3: bool,
    pub authenticated: bool,
    /// Whether the client ever authenticated: its output is not limited any more if it did.
    pub was_authenticated: bool,
    pub kind: ClientType,
    pub transaction: Option<Transaction>,
    /// Watched keys with the mark that changes set.
    pub watched: Vec<(usize, Vec<u8>)>,
    pub watch_mark: Arc<WatchMark>,
    /// Channels, patterns, shard channels.
    pub subscriptions: [BTreeSet<Vec<u8>>; 3],
    /// Bytes of the names in `watched` and `subscriptions`.
    pub name_bytes: usize,
    pub reply_mode: ReplyMode,
    /// Whether the running command's output are messages, which CLIENT REPLY does not suppress.
    pub pushed: bool,
    pub no_touch: bool,
    /// CLIENT IMPORT-SOURCE ON: a tool that copies a data set to this server.
    pub import_source: bool,
    pub monitor: bool,
    pub readonly: bool,
    /// CLIENT CAPA REDIRECT: on a replica, commands on data are answered with the primary's address.
    pub redirects: bool,
    pub blocked: Option<Blocked>,
    pub replica: ReplicaInfo,
    pub takeover: Option<Takeover>,
    /// What became of keys that were sent elsewhere, for the second run of MIGRATE.
    pub migrated: Option<Box<crate::generic::migrate::Migration>>,
    /// Journal position behind the last write, for WAIT and for holding replies back.
    pub last_write: u64,
    /// Commands come from the primary's stream: no checks of roles, no replies.
    pub is_primary_link: bool,
    /// Whether the connection came over a loopback address or a local socket.
    pub is_local: bool,
    pub asking: bool,
    /// On the link to a primary: bytes of the stream that were run, or are queued in a transaction, and are still to be
    /// relayed.
    pub relay: Vec<u8>,
}

impl Session {
    /// How much output may wait for this client.
    pub fn output_limit(&self, config: &config::Store) -> config::OutputLimit {
        let limits = config.output_limits();
        match self.kind {
            ClientType::PubSub => limits.pubsub,
            ClientType::Replica => limits.replica,
            _ => limits.normal,
        }
    }

    /// A new connection's state.
    pub fn new(client: Arc<Client>) -> Session {
        Session {
            client,
            db: 0,
            resp3: false,
            authenticated: false,
            was_authenticated: false,
            kind: ClientType::Normal,
            transaction: None,
            watched: Vec::new(),
            watch_mark: Arc::default(),
            subscriptions: Default::default(),
            name_bytes: 0,
            reply_mode: ReplyMode::On,
            pushed: false,
            no_touch: false,
            import_source: false,
            monitor: false,
            readonly: false,
            redirects: false,
            blocked: None,
            replica: ReplicaInfo::default(),
            takeover: None,
            migrated: None,
            last_write: 0,
            is_primary_link: false,
            is_local: true,
            asking: false,
            relay: Vec::new(),
        }
    }

    /// All subscriptions together.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions[0].len() + self.subscriptions[1].len()
    }

    /// Bytes of what the connection keeps beside its buffers, estimated.
    pub fn state_bytes(&self) -> u64 {
        let queued = self.transaction.as_ref().map_or(0, |transaction| transaction.bytes);
        let names = self.watched.len() + self.subscriptions.iter().map(BTreeSet::len).sum::<usize>();
        let blocked = self.blocked.as_ref().map_or(0, |blocked| blocked.bytes);
        // A name is kept here, and once more where the others find it.
        (queued + names * NAME_BYTES + self.name_bytes * 2 + blocked) as u64
    }

    /// Takes the watched keys away; the caller forgets them in their shards.
    pub fn take_watched(&mut self) -> Vec<(usize, Vec<u8>)> {
        self.name_bytes -= self.watched.iter().map(|(_, key)| key.len()).sum::<usize>();
        std::mem::take(&mut self.watched)
    }

    /// Copies what CLIENT LIST shows to the shared side.
    pub fn publish(&self) {
        self.client.resp3.store(self.resp3, Relaxed);
        let mut details = self.client.details();
        details.db = self.db;
        details.resp3 = self.resp3;
        details.subscriptions = std::array::from_fn(|i| self.subscriptions[i].len());
        details.queued = self.transaction.as_ref().map(|transaction| transaction.queue.len());
        details.queued_bytes = self.transaction.as_ref().map_or(0, |transaction| transaction.bytes);
        details.watched = self.watched.len();
        details.kind = self.kind;
        details.no_touch = self.no_touch;
        details.import_source = self.import_source;
        details.monitor = self.monitor;
        details.readonly = self.readonly;
        details.blocked = self.blocked.is_some();
        details.argv_bytes = self.blocked.as_ref().map_or(0, |blocked| blocked.command.argv_bytes());
        let ends = |blocked: &Blocked| blocked.on_timeout != crate::block::TimeoutReply::Never;
        details.unblockable = self.blocked.as_ref().is_some_and(ends);
    }
}
