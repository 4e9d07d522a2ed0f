//! Snapshots on their way to a file or to replicas.
//!
//! ```text
//!   a writer, shard locked:  entries that it will change -> front of its thread --+
//!   the saver, shard locked: entries that it meets       -> its own front --------+--> encoded by the saver -> target
//! ```
//!
//! Under a lock an entry is only copied, and a large collection is pinned. Encoding, compressing and writing happen on the
//! saver's thread between two holds, what writers left comes first, and the saver works in short turns (`sys::turns`), so that
//! a worker on the same core goes on. Memory for copies is bounded: the more of them wait, the less the saver rests, and
//! from [`Fronts::most`] bytes on commands that write wait until it has caught up.

mod file;
mod front;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use commands::bridge;
use commands::persistence::SaveEnd;
use commands::server::Server;
use config::Directive;
use ds::entry::EntryRef;
use keyspace::Access;
use keyspace::snapshot::{Sink, Walker};
use rdb::{Dialect, Eviction, Version, Writer};
use sys::turns::Turns;

pub use file::{DumpFile, dump_path, remove_temporary_files};
use front::{Front, Fronts, PIN_BYTES, Piece, PinnedKey, lock};

/// Bytes of the saver's own front from which it encodes them.
const OWN_BYTES: usize = 16 << 10;
/// Fewest bytes of copies from which commands wait for the saver; else a sixteenth of all memory in use.
const LEAST_BOUND: u64 = 16 << 20;
/// The walk goes on while less than this part of the bound waits.
const CALM: usize = 16;
/// Entries that are encoded between two looks at the time.
const ENTRIES_PER_LOOK: u64 = 8;

/// How much the saver hurries at least while it encodes what is pinned: writers copy each node of that which they change.
const PIN_URGENCY: f64 = 0.8;

/// Longest sleep of a delayed snapshot; then it looks whether it is still wanted.
const DELAY_STEP: Duration = Duration::from_millis(10);

/// Where a snapshot's bytes go.
pub trait Target: Send {
    /// Takes bytes; an error ends the encoding.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Whether anybody still wants them.
    fn is_wanted(&self) -> bool {
        true
    }
    /// Whether it takes bytes about as fast as they come, so that clients may wait for it: a disk does.
    fn is_prompt(&self) -> bool {
        false
    }
}

/// A target that remembers its first error, and passes the saver's turns while it is written to.
struct Output {
    server: &'static Server,
    target: Box<dyn Target>,
    error: Option<io::Error>,
    /// None for who saves alone.
    turns: Option<Turns>,
    fronts: Arc<Fronts>,
    /// [`PIN_URGENCY`] or 0.
    least_urgency: f64,
}

impl Output {
    /// Lets others run if it is time. No lock may be held.
    #[inline]
    fn pass(&mut self) {
        if let Some(turns) = &mut self.turns
            && turns.pass(self.fronts.urgency().max(self.least_urgency))
        {
            self.fronts.stock();
        }
    }
}

impl rdb::Sink for Output {
    fn put(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            // Writers wait for the saver, but for no disk: a stalled one must not stop the server.
            let behind = self.server.keyspace.is_snapshot_behind();
            self.server.keyspace.set_snapshot_behind(false);
            self.error = self.target.write(bytes).err();
            // Nobody reads the rest, so writers need not copy it.
            self.fronts.closed.fetch_or(self.error.is_some(), Relaxed);
            self.server.keyspace.set_snapshot_behind(behind);
        }
        self.pass();
    }
}

/// Who makes a file, or a stream, of a snapshot. See the module's text.
struct Saver {
    server: &'static Server,
    fronts: Arc<Fronts>,
    own: Front,
    own_bytes: usize,
    writer: Writer<Output>,
    /// The database that was written last.
    db: Option<usize>,
    eviction: fn(&Server, u32) -> Eviction,
    for_replicas: bool,
    /// Whether writers may be made to wait: not for a replica that reads slowly.
    may_hold_up: bool,
    /// `rdb-key-save-delay` as it was at the beginning, and the keys that were written, and waited for.
    delay: i64,
    keys: u64,
    delayed: u64,
}

/// What the eviction policy wants to find again of an entry.
fn eviction(server: &Server) -> fn(&Server, u32) -> Eviction {
    let policy = server.config.text(Directive::MaxmemoryPolicy);
    if policy.ends_with("lfu") {
        |server, lru| {
            let decay = server.config.int(Directive::LfuDecayTime).max(0) as u64;
            Eviction::Frequency(commands::lru::frequency(lru, sys::os::unix_ms(), decay))
        }
    } else if policy.ends_with("lru") {
        |_, lru| Eviction::Idle(commands::lru::idle_ms(lru, sys::os::unix_ms()) / 1000)
    } else {
        |_, _| Eviction::None
    }
}

impl Saver {
    /// A saver into `target`, with the file's header written.
    fn new(
        server: &'static Server,
        access: &mut Access<'_>,
        target: Box<dyn Target>,
        dialect: Dialect,
        replication_offset: Option<u64>,
    ) -> Saver {
        let version = needed_version(server, access, dialect);
        let compress = server.config.flag(Directive::Rdbcompression);
        let used = sys::alloc::allocated();
        let fronts = Arc::new(Fronts::new((used as u64 / 16).max(LEAST_BOUND) as usize));
        let may_hold_up = target.is_prompt();
        let output =
            Output { server, target, error: None, turns: None, fronts: fronts.clone(), least_urgency: 0.0 };
        let mut writer = Writer::new(output, version, compress);
        writer.header();
        let now_s = (sys::os::unix_ms() / 1000).to_string();
        let used = used.to_string();
        let aux: [(&str, &str); 5] = [
            match server.persistence.dialect() {
                Dialect::Redis => ("redis-ver", config::REDIS_VERSION),
                Dialect::Valkey => ("valkey-ver", config::VALKEY_VERSION),
            },
            ("redis-bits", "64"),
            ("ctime", &now_s),
            ("used-mem", &used),
            ("aof-base", "0"),
        ];
        aux.iter().for_each(|(name, value)| writer.aux(name.as_bytes(), value.as_bytes()));
        if server.journal.is_recording() || replication_offset.is_some() {
            let offset = replication_offset.unwrap_or_else(|| server.journal.end());
            // A primary selects anew behind the snapshot; a replica's stream goes on in the database it is in.
            let replica = server.replication.is_replica();
            let db = if replica { server.replication.stream_db.load(Relaxed) } else { 0 };
            writer.aux(b"repl-stream-db", db.to_string().as_bytes());
            writer.aux(b"repl-id", server.replication.history().id.as_bytes());
            writer.aux(b"repl-offset", offset.to_string().as_bytes());
        }
        Saver {
            server,
            fronts,
            own: Front::default(),
            own_bytes: 0,
            writer,
            db: None,
            eviction: eviction(server),
            for_replicas: replication_offset.is_some(),
            may_hold_up,
            delay: server.config.int(Directive::RdbKeySaveDelay),
            keys: 0,
            delayed: 0,
        }
    }

    /// Nothing more is wanted after an error.
    fn has_failed(&self) -> bool {
        self.writer.sink().error.is_some()
    }

    fn fail(&mut self, error: io::Error) {
        self.writer.sink_mut().error.get_or_insert(error);
        self.fronts.closed.store(true, Relaxed);
    }

    /// BGSAVE CANCEL is for files, not for what replicas wait for.
    fn is_cancelled(&self) -> bool {
        !self.for_replicas && self.server.persistence.cancelled.load(Relaxed)
    }

    fn select(&mut self, db: usize) {
        if self.db != Some(db) {
            self.writer.select_db(db as u64);
            self.db = Some(db);
        }
    }

    fn encode(&mut self, pieces: &mut [Piece]) {
        for Piece { db, copies, .. } in pieces {
            if !self.has_failed() {
                self.select(*db);
                for entry in copies.iter() {
                    let eviction = (self.eviction)(self.server, entry.lru());
                    let expire_ms = entry.expire_ms().map(signed);
                    bridge::with_saved(entry, |value| {
                        self.writer.key(entry.key(), expire_ms, eviction, value)
                    });
                    self.keys += 1;
                    if self.keys.is_multiple_of(ENTRIES_PER_LOOK) {
                        self.writer.sink_mut().pass();
                    }
                }
            }
            copies.clear();
        }
    }

    fn encode_pinned(&mut self, pinned: Vec<PinnedKey>) {
        if !pinned.is_empty() {
            // Nobody waits for that.
            self.server.keyspace.set_snapshot_behind(false);
        }
        self.writer.sink_mut().least_urgency = PIN_URGENCY;
        for pin in pinned {
            if self.has_failed() {
                break;
            }
            self.select(pin.db);
            let eviction = (self.eviction)(self.server, pin.lru);
            bridge::with_pinned(&pin.value, |value| {
                self.writer.key(&pin.key, pin.expire_ms.map(signed), eviction, value);
            });
            self.keys += 1;
            self.writer.sink_mut().pass();
        }
        self.writer.sink_mut().least_urgency = 0.0;
    }

    /// Encodes some of what writers have saved until now, small entries first: their copies take room.
    fn catch_up(&mut self) {
        let fronts = self.fronts.clone();
        let mut all_pinned = Vec::new();
        for front in &fronts.fronts {
            let (mut pieces, pinned) = lock(front).take();
            for piece in &mut pieces {
                self.encode(std::slice::from_mut(piece));
                fronts.waiting.fetch_sub(piece.weight, Relaxed);
            }
            fronts.waiting.fetch_sub(pinned.len() * PIN_BYTES, Relaxed);
            all_pinned.extend(pinned);
            fronts.spare.put_back(pieces);
        }
        self.encode_pinned(all_pinned);
    }

    fn encode_own(&mut self) {
        self.own_bytes = 0;
        while !(self.own.pieces.is_empty() && self.own.pinned.is_empty()) {
            let (mut pieces, pinned) = self.own.take();
            self.encode(&mut pieces);
            self.fronts.spare.put_back(pieces);
            self.encode_pinned(pinned);
        }
    }

    /// Encodes all that waits; commands go on meanwhile unless too much does.
    fn work_off(&mut self) {
        loop {
            let behind = self.may_hold_up && self.fronts.is_full();
            self.server.keyspace.set_snapshot_behind(behind);
            if self.fronts.waiting.load(Relaxed) <= self.fronts.most / CALM {
                break;
            }
            self.catch_up();
        }
        if self.own_bytes >= OWN_BYTES {
            self.encode_own();
        }
    }

    /// Writes the end of the file; answers the first error of the target.
    fn finish(mut self) -> io::Result<()> {
        while self.fronts.waiting.load(Relaxed) > 0 {
            self.catch_up();
        }
        self.encode_own();
        let output = match self.has_failed() {
            true => self.writer.into_sink(),
            false => self.writer.finish(self.server.config.flag(Directive::Rdbchecksum)),
        };
        output.error.map_or(Ok(()), Err)
    }

    /// `rdb-key-save-delay`, which tests use: microseconds for each key, or one for each so many keys if it is negative.
    /// Only the walk waits, and no lock is held.
    fn wait_as_told(&mut self) {
        let new = self.keys - std::mem::replace(&mut self.delayed, self.keys);
        let micros = match self.delay {
            0.. => new.saturating_mul(self.delay.unsigned_abs()),
            _ => new / self.delay.unsigned_abs(),
        };
        let until = Instant::now() + Duration::from_micros(micros);
        while let left @ 1.. = until.saturating_duration_since(Instant::now()).as_micros() {
            if self.is_cancelled() || self.has_failed() {
                return;
            }
            if !self.writer.sink().target.is_wanted() {
                return self.fail(io::Error::other("nobody wants it"));
            }
            std::thread::sleep(DELAY_STEP.min(Duration::from_micros(left as u64)));
            if self.fronts.is_full() {
                self.work_off();
            }
        }
    }
}

fn signed(expire_ms: u64) -> i64 {
    expire_ms.min(i64::MAX as u64) as i64
}

impl Walker for Saver {
    fn take(&mut self, db: usize, entry: EntryRef<'_>) {
        if !self.has_failed() {
            self.own_bytes += self.own.add(db, entry, &self.fronts.spare);
        }
    }

    fn pass(&mut self) {
        if self.delay != 0 {
            self.encode_own();
            self.wait_as_told();
        }
        if self.is_cancelled() {
            self.fail(io::Error::other("cancelled"));
        }
        self.work_off();
        self.writer.sink_mut().pass();
        self.fronts.stock();
    }
}

/// The lowest version that everything in the data set fits; a stream with consumers asks for its own type anyway, so
/// the file's version need not rise with it. Fields with an expiry have a type of each family's own.
fn needed_version(server: &Server, access: &mut Access<'_>, dialect: Dialect) -> Version {
    let volatile = (0..keyspace::SHARDS as u16).any(|shard| {
        let shard = access.shard(shard);
        (0..server.keyspace.databases()).any(|db| shard.with_volatile_fields(db) > 0)
    });
    match (volatile, dialect) {
        (false, _) => Version::LOWEST,
        (true, Dialect::Redis) => Version::redis(12),
        (true, Dialect::Valkey) => Version { dialect, number: Version::NEWEST_VALKEY },
    }
}

/// What of the data set is saved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    All,
    /// For who wants to see what comes, not what is there.
    NoKeys,
}

/// Begins a snapshot at this moment and walks it on a thread of its own; `done` gets the result there.
pub fn begin(
    server: &'static Server,
    access: &mut Access<'_>,
    (target, what): (Box<dyn Target>, What),
    dialect: Dialect,
    replication_offset: Option<u64>,
    done: impl FnOnce(io::Result<()>) + Send + 'static,
) -> Result<(), String> {
    let mut saver = Saver::new(server, access, target, dialect, replication_offset);
    let for_replicas = saver.for_replicas;
    let sink: Arc<dyn Sink> = saver.fronts.clone();
    // The thread comes first: a snapshot that has begun must have somebody who ends it.
    let (go, may_go) = std::sync::mpsc::channel();
    let walk = move || {
        if may_go.recv().is_err() {
            return;
        }
        saver.writer.sink_mut().turns = Some(Turns::begin());
        if what == What::All {
            server.keyspace.walk_snapshot(&mut saver);
        }
        // The hooks are off: nothing comes to the fronts any more.
        let result = saver.finish();
        if for_replicas {
            server.persistence.transferring.store(false, Relaxed);
        }
        done(result);
    };
    let thread = std::thread::Builder::new().name("saver".into());
    thread.spawn(walk).map_err(|error| error.to_string())?;
    if what == What::All && !server.keyspace.begin_snapshot(access, &sink) {
        return Err("Background save already in progress".into());
    }
    if for_replicas {
        server.persistence.transferring.store(true, Relaxed);
    }
    go.send(()).map_err(|error| error.to_string())
}

/// BGSAVE: the caller is alone and has marked the save as running.
pub fn begin_to_file(server: &'static Server, access: &mut Access<'_>) -> Result<(), String> {
    let file = DumpFile::create(server).map_err(|error| {
        crate::log::warning(&format!("Failed opening the temp RDB file for saving: {error}"));
        config::load::system_words(&error)
    })?;
    let target = file.target();
    let start_ms = sys::os::unix_ms();
    begin(server, access, (target, What::All), server.persistence.dialect(), None, move |result| {
        let result = file.settle(result);
        match &result {
            Ok(()) => {
                let seconds = (sys::os::unix_ms() - start_ms) as f64 / 1000.0;
                crate::log::notice(&format!("DB saved on disk: {seconds:.3} seconds"));
                crate::log::notice("Background saving terminated with success");
            }
            Err(error) => crate::log::warning(&format!(
                "Background saving error: {}",
                config::load::system_words(error)
            )),
        }
        server.persistence.end(match result {
            Ok(()) => SaveEnd::Saved,
            Err(_) if server.persistence.cancelled.load(Relaxed) => SaveEnd::Cancelled,
            Err(_) => SaveEnd::Failed,
        });
    })?;
    crate::log::notice("Background saving started");
    Ok(())
}

/// SAVE: everything at once, by the one that is alone.
pub fn save_alone(server: &'static Server, access: &mut Access<'_>) -> Result<(), String> {
    let file = DumpFile::alone(server).map_err(|error| error.to_string())?;
    let mut saver = Saver::new(server, access, file.target(), server.persistence.dialect(), None);
    for db in 0..server.keyspace.databases() {
        for shard in 0..keyspace::SHARDS as u16 {
            access.shard(shard).iter(db).for_each(|entry| saver.take(db, entry));
            saver.pass();
        }
    }
    let result = file.settle(saver.finish());
    match &result {
        Ok(()) => crate::log::notice("DB saved on disk"),
        Err(error) => {
            crate::log::warning(&format!("Error saving DB on disk: {}", config::load::system_words(error)))
        }
    }
    result.map_err(|error| error.to_string())
}
