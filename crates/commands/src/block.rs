//! Blocking: what a handler asks for when its keys are empty, and what the engine needs to serve it later.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use resp::writer::Writer;

use crate::client::Client;
use crate::server::ShutdownMode;

/// What a client gets when its time is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeoutReply {
    Null,
    NullArray,
    /// WAIT: the number of replicas that acknowledged so far.
    Acknowledged,
    /// WAITAOF: how many have synced so far, here and among the replicas.
    Synced,
    /// SHUTDOWN: there is none; the process ends, or says that it does not.
    Never,
}

/// The reply of WAITAOF: nothing is ever synced without an append-only file.
pub fn reply_synced(out: &mut Writer) {
    out.array(2);
    out.int(0);
    out.int(0);
}

/// A handler's wish to wait: each key with the command that serves the client from that key alone.
pub struct BlockRequest {
    pub keys: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    /// Milliseconds; 0 waits for ever.
    pub timeout_ms: u64,
    pub on_timeout: TimeoutReply,
    /// Whether the client is to be served an error when the key is deleted (XREADGROUP).
    pub unblock_on_delete: bool,
    /// Milliseconds after which the command is tried again although no key became ready (XREADGROUP CLAIM).
    pub retry_ms: Option<u64>,
    /// WAIT: the number of replicas to wait for.
    pub replicas: Option<usize>,
    /// SHUTDOWN: ordered once the client is parked, so that a refusal finds it waiting.
    pub shutdown: Option<ShutdownMode>,
}

impl BlockRequest {
    /// A wish to wait for keys.
    pub fn keys(
        keys: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
        timeout_ms: u64,
        on_timeout: TimeoutReply,
    ) -> BlockRequest {
        BlockRequest {
            keys,
            timeout_ms,
            on_timeout,
            unblock_on_delete: false,
            retry_ms: None,
            replicas: None,
            shutdown: None,
        }
    }

    /// A wish to wait for the end of the process.
    pub fn shutdown(mode: ShutdownMode) -> BlockRequest {
        BlockRequest { shutdown: Some(mode), ..BlockRequest::keys(Vec::new(), 0, TimeoutReply::Never) }
    }
}

/// What stands behind a [`keyspace::wait::Waiter`].
pub struct BlockedRequest {
    pub client: Arc<Client>,
    pub db: usize,
    pub resp3: bool,
    /// (key, argv) as in [`BlockRequest`].
    pub keys: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    /// When the command is tried again, in monotonic microseconds; `u64::MAX` for never.
    pub retry_us: AtomicU64,
    /// Filled by whoever serves it, before the client is woken: the reply and the journal position it depends on.
    pub outcome: Mutex<Option<(Writer, u64)>>,
}

impl BlockedRequest {
    /// The command that serves this client from `key`.
    pub fn argv_for(&self, key: &[u8]) -> Option<&[Vec<u8>]> {
        self.keys.iter().find(|(name, _)| name == key).map(|(_, argv)| &argv[..])
    }

    /// Leaves the reply for the client, with the journal position that it depends on.
    pub fn put_outcome(&self, reply: Writer, position: u64) {
        *self.outcome.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some((reply, position));
    }

    /// Takes the reply, if there is one.
    pub fn take_outcome(&self) -> Option<(Writer, u64)> {
        self.outcome.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}
