//! What a handler works with: the keys it may touch, its client, and where its effects go.
//!
//! A handler sees only the shards that its row's plan has locked (debug builds and release builds alike refuse
//! others). It reads with [`Cx::find`], writes with [`Cx::find_mut`], [`Cx::put`] and [`Cx::remove`], and reports each
//! change with [`Cx::changed`] and [`Cx::notify`]. What the journal gets is the command as it was sent, unless the
//! handler says otherwise with [`Cx::propagate`] or [`Cx::propagate_nothing`].

use config::Events;
use ds::entry::{Entry, EntryRef, Kind, Value};
use keyspace::{Access, EntrySlot, shard_of};
use resp::writer::Writer;

use crate::block::BlockRequest;
use crate::effects::Effects;
use crate::error::{Result, WRONG_TYPE};
use crate::server::{Server, Touch};
use crate::session::Session;
use crate::stats::{Counter, WorkerStats};

/// See the module's text.
pub struct Cx<'a> {
    pub server: &'a Server,
    pub session: &'a mut Session,
    pub access: Access<'a>,
    pub effects: &'a mut Effects,
    pub stats: &'a WorkerStats,
    /// The number of those counters.
    pub worker: usize,
    /// The database that the command works on.
    pub db: usize,
    /// One time for the whole command, Unix milliseconds.
    pub now_ms: u64,
    /// Whether the command may wait (not inside MULTI or a script).
    pub may_block: bool,
    /// Set by a handler that wants to wait; the engine parks the client.
    pub block: Option<BlockRequest>,
    /// The hash that the plan has computed: (address, length, hash) of its argument. Only arguments are known by their
    /// addresses, since they stay where they are; what a handler makes may come to lie where another key has lain.
    pub planned_hash: (usize, usize, u64),
}

/// A handler: reads `argv` (the command's name first), writes one reply to `out` or returns the error.
pub type Handler = for<'a, 'b> fn(&'b mut Cx<'a>, &'b [&'b [u8]], &'b mut Writer) -> Result;

impl<'a> Cx<'a> {
    /// The hash of a key; computed once for the argument that the plan has hashed.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let (address, len, hash) = self.planned_hash;
        if address == key.as_ptr() as usize && len == key.len() { hash } else { ds::hash::of(key) }
    }

    /// Whose words and whose order of checks hold where the two differ.
    pub fn family(&self) -> config::Family {
        self.server.config.family()
    }

    /// Whether this server may delete expired keys itself: replicas leave that to their primary, while clients are paused
    /// nothing changes, and while data is imported (`import-mode`) the tool that imports decides.
    pub fn may_expire(&self) -> bool {
        !self.server.replication.is_replica()
            && !self.server.is_paused(self.now_ms)
            && !self.server.config.flag(config::Directive::ImportMode)
    }

    /// Whether expired keys and fields are there for this client: for what comes from a primary or a file, and for a tool
    /// that imports data (CLIENT IMPORT-SOURCE).
    pub fn sees_expired(&self) -> bool {
        self.session.is_primary_link
            || self.server.is_loading()
            || (self.session.import_source && self.server.config.flag(config::Directive::ImportMode))
    }

    /// Whether the key is there, has expired and counts as absent for this client.
    fn is_due(&mut self, key: &[u8], hash: u64) -> bool {
        let (db, now_ms) = (self.db, self.now_ms);
        let entry = self.access.shard(shard_of(hash)).find(db, hash, key);
        entry.is_some_and(|entry| entry.expire_ms().is_some_and(|at| now_ms > at)) && !self.sees_expired()
    }

    /// Deletes the key if it has expired. True if the key counts as absent.
    fn expire_if_due(&mut self, key: &[u8], hash: u64) -> bool {
        let db = self.db;
        let now_ms = self.now_ms;
        let Some(entry) = self.access.shard(shard_of(hash)).find(db, hash, key) else { return true };
        if entry.expire_ms().is_none_or(|at| now_ms <= at) || self.sees_expired() {
            return false;
        }
        if self.may_expire() {
            self.delete_expired(key, hash);
        }
        true
    }

    /// The time before which the expiry of a key or a hash's field must lie for it to count as gone for this client.
    pub fn field_clock(&self) -> u64 {
        if self.sees_expired() { 0 } else { self.now_ms }
    }

    /// Whether a time to live that is already past deletes at once: a replica, a loader and a server whose
    /// data is imported keep the key as told.
    pub fn may_delete_past(&self) -> bool {
        !self.server.is_loading()
            && !self.session.is_primary_link
            && !self.server.replication.is_replica()
            && !self.server.config.flag(config::Directive::ImportMode)
    }

    /// Removes an expired key, with all that follows from it. It does not count as a change by the command, which would
    /// then be journaled too.
    #[cold]
    pub fn delete_expired(&mut self, key: &[u8], hash: u64) {
        if self.remove_expired(key, hash) {
            self.stats.add(Counter::ExpiredKeys, 1);
            self.notify(Events::EXPIRED, "expired", key);
        }
    }

    /// As [`Cx::delete_expired`], for a key that has just been given a time that is past: to Redis that is a deletion.
    pub fn delete_outdated(&mut self, key: &[u8], hash: u64) {
        match self.family() {
            config::Family::Valkey => self.delete_expired(key, hash),
            config::Family::Redis => {
                if self.remove_expired(key, hash) {
                    self.notify(Events::GENERIC, "del", key);
                }
            }
        }
    }

    fn remove_expired(&mut self, key: &[u8], hash: u64) -> bool {
        let (db, now_ms) = (self.db, self.now_ms);
        let shard = self.access.shard(shard_of(hash));
        let Some(entry) = shard.find_mut(db, hash, key, now_ms).map(EntrySlot::remove) else { return false };
        let lazy = self.server.config.flag(config::Directive::LazyfreeLazyExpire);
        self.server.discard(entry, lazy);
        self.access.shard(shard_of(hash)).watches.expire(db, key);
        self.note_ready(key, hash);
        let word: &[u8] = if lazy { b"UNLINK" } else { b"DEL" };
        self.propagate_also(&[word, key]);
        true
    }

    /// Removes a key to make room, with all that follows from it; like an expiry no change by a command. Answers whether
    /// it was there.
    pub fn evict(&mut self, key: &[u8], hash: u64) -> bool {
        let (db, now_ms) = (self.db, self.now_ms);
        let shard = self.access.shard(shard_of(hash));
        let Some(entry) = shard.find_mut(db, hash, key, now_ms).map(EntrySlot::remove) else { return false };
        let lazy = self.server.config.flag(config::Directive::LazyfreeLazyEviction);
        self.server.discard(entry, lazy);
        self.stats.add(Counter::EvictedKeys, 1);
        self.note_touched(key, hash);
        // A replica that evicts for itself tells nobody: its stream is its primary's.
        if !self.server.replication.is_replica() {
            let word: &[u8] = if lazy { b"UNLINK" } else { b"DEL" };
            self.propagate_also(&[word, key]);
        }
        self.notify(Events::EVICTED, "evicted", key);
        true
    }

    /// The entry of a key, for reading: counts the hit or miss and marks the use.
    #[inline]
    pub fn find(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.look_up(key, self.server.touch_read(self.session.no_touch))
    }

    /// As [`Cx::find`], but looking at the key does not count as a use of it (EXISTS, TTL, TYPE).
    pub fn find_untouched(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.look_up(key, Touch::Not)
    }

    /// As [`Cx::find`]; the use is marked as `touch` says.
    #[inline]
    pub fn look_up(&mut self, key: &[u8], touch: Touch) -> Option<EntryRef<'_>> {
        let hash = self.hash(key);
        let (db, now_ms) = (self.db, self.now_ms);
        if !self.access.shard(shard_of(hash)).nothing_due(db, now_ms) && self.is_due(key, hash) {
            self.expire_if_due(key, hash);
            self.miss(key);
            return None;
        }
        let stats = self.stats;
        let found = self.access.shard(shard_of(hash)).find(db, hash, key);
        match found {
            Some(entry) => {
                stats.add(Counter::KeyspaceHits, 1);
                touch.apply(entry, now_ms);
            }
            None => {
                stats.add(Counter::KeyspaceMisses, 1);
                if self.server.notifies(Events::KEY_MISS) {
                    self.effects.events.push((Events(Events::KEY_MISS), "keymiss", db, key.to_vec()));
                }
            }
        }
        found
    }

    #[cold]
    fn miss(&mut self, key: &[u8]) {
        self.stats.add(Counter::KeyspaceMisses, 1);
        self.notify(Events::KEY_MISS, "keymiss", key);
    }

    /// The entry of a key without counting, marking or expiring anything; an expired one counts as absent.
    pub fn peek(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let hash = self.hash(key);
        let (db, now_ms) = (self.db, self.now_ms);
        let ignore = self.sees_expired();
        let entry = self.access.shard(shard_of(hash)).find(db, hash, key)?;
        (ignore || entry.expire_ms().is_none_or(|at| now_ms <= at)).then_some(entry)
    }

    /// The entry of a key as it lies in the table, expired or not.
    pub fn peek_any(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let (db, hash) = (self.db, self.hash(key));
        self.access.shard(shard_of(hash)).find(db, hash, key)
    }

    /// When a key expires, or has expired, if it ever does.
    pub fn peek_expiry(&mut self, key: &[u8]) -> Option<u64> {
        self.peek_any(key)?.expire_ms()
    }

    /// The entry of a key that this command has found before: nothing is counted, marked or expired, and several may be
    /// looked at together.
    pub fn held(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        let hash = ds::hash::of(key);
        self.access.held(shard_of(hash))?.find(self.db, hash, key)
    }

    /// As [`Cx::find`]; an error if the value is of another type.
    #[inline]
    pub fn find_kind(&mut self, key: &[u8], kind: Kind) -> Result<Option<EntryRef<'_>>> {
        match self.find(key) {
            Some(entry) if entry.kind() != kind => Err(WRONG_TYPE),
            found => Ok(found),
        }
    }

    /// The entry of a key, for changing it. A running snapshot has its copy before this returns.
    #[inline]
    pub fn find_mut(&mut self, key: &[u8]) -> Option<EntrySlot<'_>> {
        let hash = self.hash(key);
        let (db, now_ms) = (self.db, self.now_ms);
        if !self.access.shard(shard_of(hash)).nothing_due(db, now_ms) && self.is_due(key, hash) {
            self.expire_if_due(key, hash);
            return None;
        }
        let touch = self.server.touch(self.session.no_touch);
        let slot = self.access.shard(shard_of(hash)).find_mut(db, hash, key, now_ms)?;
        touch.apply(slot.get(), now_ms);
        Some(slot)
    }

    /// As [`Cx::find_mut`]; an error if the value is of another type.
    pub fn find_mut_kind(&mut self, key: &[u8], kind: Kind) -> Result<Option<EntrySlot<'_>>> {
        match self.find_mut(key) {
            Some(slot) if slot.get().kind() != kind => Err(WRONG_TYPE),
            found => Ok(found),
        }
    }

    /// Sets a key to a value, whatever was there; `expire_ms` is Unix milliseconds. Answers whether the key is new.
    pub fn put(&mut self, key: &[u8], value: Value<'_>, expire_ms: Option<u64>) -> bool {
        let kind = value.kind();
        let old = self.store(key, value, expire_ms);
        self.note_overwritten(key, old, kind);
        old.is_none()
    }

    /// As [`Cx::put`], for a new state of the value that was there. Answers what kind that was.
    pub fn store(&mut self, key: &[u8], value: Value<'_>, expire_ms: Option<u64>) -> Option<Kind> {
        let hash = self.hash(key);
        let (db, now_ms) = (self.db, self.now_ms);
        let lru = self.server.fresh_lru(now_ms);
        let shard = self.access.shard(shard_of(hash));
        match shard.find_mut(db, hash, key, now_ms) {
            Some(mut slot) => {
                if slot.get().expire_ms().is_some_and(|at| now_ms > at) {
                    return self.store_over_expired(key, value, expire_ms);
                }
                let old_kind = slot.get().kind();
                let heavy = matches!(slot.get().value(), ds::entry::ValueRef::Object(_));
                if heavy {
                    let old = slot.replace(Entry::new(key, expire_ms, lru, value));
                    self.server
                        .discard(old, self.server.config.flag(config::Directive::LazyfreeLazyServerDel));
                } else {
                    slot.update(|entry| entry.set_value(value));
                    slot.get().set_lru(lru);
                    if slot.get().expire_ms() != expire_ms {
                        slot.set_expire_ms(expire_ms);
                    }
                }
                Some(old_kind)
            }
            None => {
                shard.insert(db, hash, Entry::new(key, expire_ms, lru, value), now_ms);
                self.came_into_being(key);
                None
            }
        }
    }

    /// The key that is to be set has expired: it goes first, as if somebody had looked at it.
    #[cold]
    fn store_over_expired(&mut self, key: &[u8], value: Value<'_>, expire_ms: Option<u64>) -> Option<Kind> {
        let hash = self.hash(key);
        if self.may_delete_past() {
            self.delete_expired(key, hash);
        } else {
            let (db, now_ms) = (self.db, self.now_ms);
            let slot = self.access.shard(shard_of(hash)).find_mut(db, hash, key, now_ms);
            drop(slot.map(EntrySlot::remove));
        }
        self.store(key, value, expire_ms)
    }

    /// Publishes that a value, of a kind that is told, took the place of an old one, if there was any.
    #[inline]
    pub fn note_overwritten(&mut self, key: &[u8], old: Option<Kind>, new: Kind) {
        if let Some(old) = old
            && self.server.notifies(Events::OVERWRITTEN | Events::TYPE_CHANGED)
        {
            self.notify(Events::OVERWRITTEN, "overwritten", key);
            if old != new {
                self.notify(Events::TYPE_CHANGED, "type_changed", key);
            }
        }
    }

    /// Adds an entry whose key is not there.
    pub fn insert(&mut self, entry: Entry) {
        let hash = ds::hash::of(entry.view().key());
        let (db, now_ms) = (self.db, self.now_ms);
        if self.server.notifies(Events::NEW) {
            let key = entry.view().key().to_vec();
            self.notify(Events::NEW, "new", &key);
        }
        self.access.shard(shard_of(hash)).insert(db, hash, entry, now_ms);
    }

    fn came_into_being(&mut self, key: &[u8]) {
        if self.server.notifies(Events::NEW) {
            self.notify(Events::NEW, "new", key);
        }
    }

    /// Takes a key out of the database; the caller reports the change.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let hash = self.hash(key);
        let (db, now_ms) = (self.db, self.now_ms);
        if self.expire_if_due(key, hash) {
            return None;
        }
        Some(self.access.shard(shard_of(hash)).find_mut(db, hash, key, now_ms)?.remove())
    }

    /// Deletes a key and frees its value, elsewhere if it is large and `lazy`. Reports the change, but no event.
    pub fn delete(&mut self, key: &[u8], lazy: bool) -> bool {
        let Some(entry) = self.remove(key) else { return false };
        self.server.discard(entry, lazy);
        self.changed(key);
        true
    }

    /// Reports one change of a key: watchers are told, the change is counted, the journal will get the command.
    #[inline]
    pub fn changed(&mut self, key: &[u8]) {
        let hash = self.hash(key);
        self.note_touched(key, hash);
        self.effects.dirty += 1;
    }

    /// Tells watchers that a key is not what it was.
    #[inline]
    pub fn note_touched(&mut self, key: &[u8], hash: u64) {
        let shard = self.access.shard(shard_of(hash));
        if !shard.watches.is_empty() {
            shard.watches.touch(self.db, key);
        }
        self.note_ready(key, hash);
    }

    /// Remembers a key that somebody waits for.
    #[inline]
    fn note_ready(&mut self, key: &[u8], hash: u64) {
        let shard = self.access.shard(shard_of(hash));
        if !shard.queues.is_empty() && shard.queues.waits_for(self.db, key) {
            self.effects.ready.push((self.db, key.to_vec()));
        }
    }

    /// Publishes a keyspace event, if anybody asked for its class (`Events::STRING` and so on).
    #[inline]
    pub fn notify(&mut self, class: u32, event: &'static str, key: &[u8]) {
        if self.server.notifies(class) {
            self.effects.events.push((Events(class), event, self.db, key.to_vec()));
        }
    }

    /// What the journal gets instead of the command as it was sent. May be called several times: all of it is one
    /// unit.
    pub fn propagate<A: AsRef<[u8]>>(&mut self, argv: &[A]) {
        self.effects.explicit = true;
        self.propagate_also(argv);
    }

    /// What the journal gets in front of the command.
    pub fn propagate_also<A: AsRef<[u8]>>(&mut self, argv: &[A]) {
        if self.is_recorded() {
            self.effects.unit.push(self.db, argv);
        }
    }

    /// Whether anybody gets what is propagated: if not, it need not be put together.
    #[inline]
    pub fn is_recorded(&self) -> bool {
        self.server.journal.is_recording()
    }

    /// The journal gets nothing for this command (what was propagated before it stays).
    pub fn propagate_nothing(&mut self) {
        self.effects.explicit = true;
    }

    /// Shows every shard to `visit`, one at a time. Inside a transaction this command makes all of it run alone.
    pub fn each_shard(&mut self, mut visit: impl FnMut(&mut keyspace::Shard)) {
        let server = self.server;
        for shard in 0..keyspace::SHARDS as u16 {
            if self.access.is_all() {
                visit(self.access.shard(shard));
            } else {
                visit(&mut server.keyspace.lock(shard));
            }
        }
    }

    /// Runs `work` with another database as the current one.
    pub fn with_db<R>(&mut self, db: usize, work: impl FnOnce(&mut Cx<'a>) -> R) -> R {
        let before = std::mem::replace(&mut self.db, db);
        let result = work(self);
        self.db = before;
        result
    }

    /// Runs `work` for another client: its connection, its database. A wish to wait is left in [`Cx::block`].
    pub fn in_place_of<R>(&mut self, session: &mut Session, work: impl FnOnce(&mut Cx<'a>) -> R) -> R {
        std::mem::swap(self.session, session);
        let before = (self.db, self.may_block);
        self.db = self.session.db;
        self.may_block = true;
        let result = work(self);
        (self.db, self.may_block) = before;
        std::mem::swap(self.session, session);
        result
    }
}
