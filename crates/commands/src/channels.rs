//! Pub/sub: who listens to which channel.
//!
//! PUBLISH holds the lock while it fills the mailboxes, so all subscribers see one order. A message is encoded once
//! per protocol version.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use resp::writer::{Chunk, Writer};
use sys::order::{Ordered, OrderedGuard, Rank};

use crate::client::{COPIED_BYTES, Client};

/// What the protocol adds to a part of a message, at most.
const PART_BYTES: usize = 16;

type Listeners = BTreeMap<u64, Arc<Client>>;
type Map = HashMap<Box<[u8]>, Listeners, foldhash::fast::RandomState>;

/// The three kinds of subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topic {
    Channel = 0,
    Pattern = 1,
    Shard = 2,
}

/// See the module's text.
pub struct Channels {
    inner: Ordered<[Map; 3]>,
}

impl Default for Channels {
    fn default() -> Self {
        Channels { inner: Ordered::new(Rank::Channels, Default::default()) }
    }
}

impl Channels {
    fn inner(&self) -> OrderedGuard<'_, [Map; 3]> {
        self.inner.lock()
    }

    /// Adds a listener; `confirm` runs under the lock, so that its message precedes any of the channel's.
    pub fn subscribe(&self, topic: Topic, name: &[u8], client: &Arc<Client>, confirm: impl FnOnce()) {
        let mut inner = self.inner();
        inner[topic as usize].entry(name.into()).or_default().insert(client.id, client.clone());
        confirm();
    }

    /// Removes a listener.
    pub fn unsubscribe(&self, topic: Topic, name: &[u8], client_id: u64) {
        let map = &mut self.inner()[topic as usize];
        if let Some(listeners) = map.get_mut(name) {
            listeners.remove(&client_id);
            if listeners.is_empty() {
                map.remove(name);
            }
        }
    }

    /// Sends a message to the listeners of `name`; `over_limit` decides about one whose mailbox holds so many bytes.
    /// Answers the number of receivers.
    pub fn publish(
        &self,
        shard: bool,
        name: &[u8],
        message: &[u8],
        over_limit: impl Fn(&Client, usize),
    ) -> usize {
        let inner = self.inner();
        let mut receivers = 0;
        let mut send = |listeners: &Listeners, parts: &[&[u8]]| {
            let mut encoded: [Option<Chunk>; 2] = [None, None];
            for client in listeners.values() {
                let resp3 = client.resp3.load(Relaxed);
                let chunk = encoded[usize::from(resp3)].get_or_insert_with(|| encode(resp3, parts));
                let waiting = client.deliver(chunk);
                over_limit(client, waiting);
                receivers += 1;
            }
        };
        let topic = if shard { Topic::Shard } else { Topic::Channel };
        let word: &[u8] = if shard { b"smessage" } else { b"message" };
        if let Some(listeners) = inner[topic as usize].get(name) {
            send(listeners, &[word, name, message]);
        }
        if !shard {
            for (pattern, listeners) in &inner[Topic::Pattern as usize] {
                if ds::glob::glob_match(pattern, name, false) {
                    send(listeners, &[b"pmessage", pattern, name, message]);
                }
            }
        }
        receivers
    }

    /// Number of listeners of a channel.
    pub fn listeners(&self, topic: Topic, name: &[u8]) -> usize {
        self.inner()[topic as usize].get(name).map_or(0, BTreeMap::len)
    }

    /// Number of channels (or patterns) that somebody listens to.
    pub fn len(&self, topic: Topic) -> usize {
        self.inner()[topic as usize].len()
    }

    /// Names of channels, those that match `pattern` if given.
    pub fn names(&self, topic: Topic, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let inner = self.inner();
        let wanted = |name: &[u8]| pattern.is_none_or(|pattern| ds::glob::glob_match(pattern, name, false));
        inner[topic as usize].keys().filter(|name| wanted(name)).cloned().collect()
    }
}

fn encode(resp3: bool, parts: &[&[u8]]) -> Chunk {
    let bytes = parts.iter().map(|part| part.len() + PART_BYTES).sum();
    let mut out = Writer::with_capacity(resp3, bytes);
    out.push(parts.len());
    parts.iter().for_each(|part| out.bulk(part));
    let message = out.take_bytes();
    if message.len() > COPIED_BYTES { Chunk::Shared(Arc::new(message)) } else { Chunk::Bytes(message) }
}
