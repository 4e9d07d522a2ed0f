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
//! from [`Fronts::most`] bytes on commands wait until it has caught up.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use commands::bridge;
use commands::persistence::SaveEnd;
use commands::server::Server;
use config::Directive;
use ds::entry::{Copies, EntryRef};
use ds::object::Pinned;
use keyspace::Access;
use keyspace::snapshot::{Sink, Walker};
use rdb::{Dialect, Eviction, Version, Writer};
use sys::turns::Turns;

/// Bytes of copies in one piece.
const PIECE_BYTES: usize = 32 << 10;
/// Pieces that are encoded between two looks at how many wait: some milliseconds.
const PIECES_AT_ONCE: usize = 8;
/// Empty pieces that a front keeps.
const SPARE_PIECES: usize = 4;
/// Bytes of the saver's own front from which it encodes them.
const OWN_BYTES: usize = 16 << 10;
/// What a pinned collection counts for while it waits: enough to be encoded soon, for what it costs while pinned is unknown.
const PIN_BYTES: usize = 64 << 10;
/// Fronts of writers; a thread always uses the same one.
const FRONTS: usize = 8;
/// Fewest bytes of copies from which commands wait for the saver; else a sixteenth of all memory in use.
const LEAST_BOUND: u64 = 16 << 20;
/// The walk goes on while less than this part of the bound waits.
const CALM: usize = 16;
/// Entries that are encoded between two looks at the time.
const ENTRIES_PER_LOOK: u64 = 8;
/// Bytes written between two requests to the kernel to start writing them out.
const WRITEBACK_BYTES: u64 = 1 << 20;

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
    target: Box<dyn Target>,
    error: Option<io::Error>,
    /// None for who saves alone.
    turns: Option<Turns>,
    fronts: Arc<Fronts>,
}

impl Output {
    /// Lets others run if it is time. No lock may be held.
    #[inline]
    fn pass(&mut self) {
        if let Some(turns) = &mut self.turns {
            turns.pass(self.fronts.urgency());
        }
    }
}

impl rdb::Sink for Output {
    fn put(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = self.target.write(bytes).err();
        }
        self.pass();
    }
}

/// Entries of one database, copied.
struct Piece {
    db: usize,
    copies: Copies,
    /// Bytes that they keep in memory.
    weight: usize,
}

struct PinnedKey {
    db: usize,
    key: Vec<u8>,
    expire_ms: Option<u64>,
    lru: u32,
    value: Pinned,
}

/// Entries as they were, until the saver encodes them.
#[derive(Default)]
struct Front {
    /// At most one of each database is not full: the last one of it.
    pieces: Vec<Piece>,
    pinned: Vec<PinnedKey>,
    spare: Vec<Copies>,
}

impl Front {
    /// Copies or pins an entry; answers the bytes that it counts for.
    fn add(&mut self, db: usize, entry: EntryRef<'_>) -> usize {
        let bytes = Copies::size(entry);
        let open = self.pieces.iter_mut().rev().find(|piece| piece.db == db);
        let piece = match open {
            Some(piece) if piece.copies.room() >= bytes => piece,
            _ => {
                let spare = self.spare.pop().filter(|spare| spare.room() >= bytes);
                let copies = spare.unwrap_or_else(|| Copies::with_capacity(bytes.max(PIECE_BYTES)));
                self.pieces.push(Piece { db, copies, weight: 0 });
                self.pieces.last_mut().expect("invariant: one was pushed just now")
            }
        };
        let Some(object) = piece.copies.push(entry) else {
            // A share of a long string keeps it in memory, whatever the writer makes of it.
            let weight = bytes + entry.blob().map_or(0, |blob| blob.len());
            piece.weight += weight;
            return weight;
        };
        self.pinned.push(PinnedKey {
            db,
            key: entry.key().to_vec(),
            expire_ms: entry.expire_ms(),
            lru: entry.lru(),
            value: object.pin(),
        });
        PIN_BYTES
    }

    /// Takes what waits here, the oldest pieces if there are many.
    fn take(&mut self) -> (Vec<Piece>, Vec<PinnedKey>) {
        let some = self.pieces.len().min(PIECES_AT_ONCE);
        (self.pieces.drain(..some).collect(), std::mem::take(&mut self.pinned))
    }

    /// Takes pieces back that are empty again.
    fn reuse(&mut self, pieces: Vec<Piece>) {
        let free = SPARE_PIECES.saturating_sub(self.spare.len());
        let usual =
            pieces.into_iter().map(|piece| piece.copies).filter(|copies| copies.room() == PIECE_BYTES);
        self.spare.extend(usual.take(free));
    }
}

/// What writers saved, in a front for each of their threads.
struct Fronts {
    fronts: [Mutex<Front>; FRONTS],
    /// Bytes in them that the saver has not taken.
    waiting: AtomicUsize,
    /// Bytes from which commands wait.
    most: usize,
    /// Nobody wants the rest: there is nothing to be saved any more.
    closed: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The front of the calling thread.
fn own_front() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static OWN: Cell<usize> = const { Cell::new(usize::MAX) });
    if OWN.get() == usize::MAX {
        OWN.set(NEXT.fetch_add(1, Relaxed) % FRONTS);
    }
    OWN.get()
}

impl Fronts {
    fn new(most: usize) -> Fronts {
        Fronts {
            fronts: std::array::from_fn(|_| Mutex::default()),
            waiting: AtomicUsize::new(0),
            most,
            closed: AtomicBool::new(false),
        }
    }

    /// Whether more waits than may.
    fn is_full(&self) -> bool {
        self.waiting.load(Relaxed) >= self.most
    }

    /// How much the saver should hurry, 0 to 1.
    fn urgency(&self) -> f64 {
        (self.waiting.load(Relaxed) as f64 * 2.0 / self.most as f64).min(1.0)
    }
}

impl Sink for Fronts {
    fn save(&self, db: usize, entries: &mut dyn Iterator<Item = EntryRef<'_>>) {
        if self.closed.load(Relaxed) {
            return;
        }
        let mut front = lock(&self.fronts[own_front()]);
        let bytes: usize = entries.map(|entry| front.add(db, entry)).sum();
        self.waiting.fetch_add(bytes, Relaxed);
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
        let output = Output { target, error: None, turns: None, fronts: fronts.clone() };
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
        for pin in pinned {
            if self.has_failed() {
                return;
            }
            self.select(pin.db);
            let eviction = (self.eviction)(self.server, pin.lru);
            bridge::with_pinned(&pin.value, |value| {
                self.writer.key(&pin.key, pin.expire_ms.map(signed), eviction, value);
            });
            self.keys += 1;
            self.writer.sink_mut().pass();
        }
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
            lock(front).reuse(pieces);
        }
        self.encode_pinned(all_pinned);
    }

    fn encode_own(&mut self) {
        self.own_bytes = 0;
        while !(self.own.pieces.is_empty() && self.own.pinned.is_empty()) {
            let (mut pieces, pinned) = self.own.take();
            self.encode(&mut pieces);
            self.own.reuse(pieces);
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
            self.own_bytes += self.own.add(db, entry);
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

/// A file that gets its name once it is complete and on disk.
pub struct DumpFile {
    file: Arc<File>,
    path: PathBuf,
    temporary: PathBuf,
}

struct FileTarget {
    file: Arc<File>,
    written: u64,
    started: u64,
}

impl Target for FileTarget {
    fn is_prompt(&self) -> bool {
        true
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        self.written += bytes.len() as u64;
        if self.written - self.started >= WRITEBACK_BYTES {
            sys::os::start_writeback(&self.file, self.started, self.written - self.started);
            self.started = self.written;
        }
        Ok(())
    }
}

impl DumpFile {
    /// Creates the temporary file of a snapshot that runs beside others, next to `dir`/`dbfilename`.
    pub fn create(server: &Server) -> io::Result<DumpFile> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        DumpFile::named(server, format!("{}{number}.rdb", temporary_start()))
    }

    /// The same for who saves alone; the peers' name for it.
    fn alone(server: &Server) -> io::Result<DumpFile> {
        DumpFile::named(server, format!("{}rdb", temporary_start()))
    }

    fn named(server: &Server, temporary: String) -> io::Result<DumpFile> {
        let file = Arc::new(File::create(&temporary)?);
        Ok(DumpFile { file, path: dump_path(server), temporary: temporary.into() })
    }

    /// The file as a snapshot's target.
    pub fn target(&self) -> Box<dyn Target> {
        Box::new(FileTarget { file: self.file.clone(), written: 0, started: 0 })
    }

    /// Makes the file durable and gives it its name, or removes it if the snapshot failed.
    pub fn settle(self, result: io::Result<()>) -> io::Result<()> {
        let rename = || {
            std::fs::rename(&self.temporary, &self.path).inspect_err(|error| {
                let (from, to, reason) =
                    (self.temporary.display(), self.path.display(), config::load::system_words(error));
                let root = std::env::current_dir().unwrap_or_default();
                crate::log::warning(&format!(
                    "Error moving temp DB file {from} on the final destination {to} (in server root dir {}): {reason}",
                    root.display()
                ));
            })
        };
        let result = result
            .and_then(|()| self.file.sync_all())
            .and_then(|()| rename())
            .and_then(|()| File::open(".")?.sync_all());
        if result.is_err() {
            // The error that counts is the first one.
            let _ = std::fs::remove_file(&self.temporary);
        }
        result
    }
}

/// What the names of the files begin with that this process is writing.
fn temporary_start() -> String {
    format!("temp-{}.", std::process::id())
}

/// Removes what this process was writing, before it ends in the middle of it.
pub fn remove_temporary_files() {
    let start = temporary_start();
    for entry in std::fs::read_dir(".").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(&start) {
            // It may have got its name meanwhile.
            let _ = std::fs::remove_file(name);
        }
    }
}

/// Where the dump file is: the working directory is `dir`.
pub fn dump_path(server: &Server) -> PathBuf {
    PathBuf::from(&*server.config.text(Directive::Dbfilename))
}

/// Begins a snapshot at this moment and walks it on a thread of its own; `done` gets the result there.
pub fn begin(
    server: &'static Server,
    access: &mut Access<'_>,
    target: Box<dyn Target>,
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
        server.keyspace.walk_snapshot(&mut saver);
        // The hooks are off: nothing comes to the fronts any more.
        let result = saver.finish();
        if for_replicas {
            server.persistence.transferring.store(false, Relaxed);
        }
        done(result);
    };
    let thread = std::thread::Builder::new().name("saver".into());
    thread.spawn(walk).map_err(|error| error.to_string())?;
    if !server.keyspace.begin_snapshot(access, &sink) {
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
    begin(server, access, target, server.persistence.dialect(), None, move |result| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use ds::blob::Blob;
    use ds::entry::{Entry, Value};

    /// Keys that wait in the fronts, with their databases, and the bytes that they count for.
    fn waiting(fronts: &Fronts) -> (Vec<(usize, Vec<u8>)>, usize) {
        let mut keys = Vec::new();
        for front in &fronts.fronts {
            for piece in &lock(front).pieces {
                keys.extend(piece.copies.iter().map(|entry| (piece.db, entry.key().to_vec())));
            }
        }
        keys.sort();
        (keys, fronts.waiting.load(Relaxed))
    }

    #[test]
    fn what_writers_save_is_copied_once_by_database_and_long_strings_are_shared() {
        let fronts = Fronts::new(1 << 20);
        let long = Blob::from_vec(vec![1; 500_000]);
        let small = Entry::new(b"small", Some(5), 0, Value::Bytes(&[2; 100]));
        let other = Entry::new(b"other", None, 0, Value::Int(7));
        let shared = Entry::new(b"long", None, 0, Value::Blob(long.clone()));
        let list = Box::new(ds::object::Object::List(ds::list::List::new()));
        let list = Entry::new(b"list", None, 0, Value::Object(list));
        let save = |db, entries: &[&Entry]| fronts.save(db, &mut entries.iter().map(|entry| entry.view()));
        save(0, &[&small, &shared]);
        save(3, &[&other]);
        save(0, &[&other, &list]);
        let sizes: usize =
            [&small, &shared, &other, &other].iter().map(|entry| Copies::size(entry.view())).sum();
        drop((small, other, shared, list));
        let (keys, bytes) = waiting(&fronts);
        let key = |db, key: &[u8]| (db, key.to_vec());
        assert_eq!(keys, [key(0, b"long"), key(0, b"other"), key(0, b"small"), key(3, b"other")]);
        assert_eq!(bytes, sizes + 500_000 + PIN_BYTES);
        assert!(fronts.urgency() == 1.0 && !fronts.is_full());
        let (pieces, pinned) = lock(&fronts.fronts[own_front()]).take();
        assert_eq!((pieces.len(), pinned.len(), &pinned[0].key[..]), (2, 1, &b"list"[..]));
        assert_eq!(pieces.iter().map(|piece| piece.weight).sum::<usize>() + PIN_BYTES, bytes);
        fronts.closed.store(true, Relaxed);
        save(0, &[&Entry::new(b"late", None, 0, Value::Int(1))]);
        assert_eq!(waiting(&fronts).0, []);
    }

    #[test]
    fn pieces_are_of_one_size_and_used_again() {
        let mut front = Front::default();
        let large = Entry::new(&[b'l'; 2 * PIECE_BYTES], None, 0, Value::Int(1));
        let small = Entry::new(&[b's'; 1000], None, 0, Value::Int(1));
        front.add(0, large.view());
        for _ in 0..100 {
            front.add(0, small.view());
        }
        let (mut pieces, _) = front.take();
        assert_eq!(pieces.iter().map(|piece| piece.copies.iter().count()).sum::<usize>(), 101);
        assert!(pieces[1..].iter().all(|piece| piece.copies.len() + piece.copies.room() == PIECE_BYTES));
        pieces.iter_mut().for_each(|piece| piece.copies.clear());
        let usual = pieces.len() - 1;
        front.reuse(pieces);
        assert_eq!(front.spare.len(), usual.min(SPARE_PIECES));
        front.add(1, small.view());
        assert_eq!(front.spare.len(), usual.min(SPARE_PIECES) - 1);
    }
}
