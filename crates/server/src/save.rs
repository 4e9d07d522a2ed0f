//! Snapshots on their way to a file or to replicas.
//!
//! While a snapshot runs, entries arrive under their shards' locks, from the saver's walk and from writers that are about
//! to change them. Small ones are encoded at once into the *front*, a buffer of whole records; large collections are
//! pinned. Between two holds of a lock the saver moves the front to the *target* and encodes what is pinned there. So no
//! lock is held for longer than it takes to encode one line of entries.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use commands::bridge;
use commands::persistence::SaveEnd;
use commands::server::Server;
use config::Directive;
use ds::entry::{EntryRef, ValueRef};
use ds::object::Pinned;
use keyspace::Access;
use keyspace::snapshot::Sink;
use rdb::{Dialect, Eviction, Version, Writer};

/// Bytes of the front that make the saver move it.
const FRONT_BYTES: usize = 64 << 10;
/// Bytes written between two requests to the kernel to start writing them out.
const WRITEBACK_BYTES: u64 = 4 << 20;

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
}

/// A target that remembers its first error and its place.
struct Output {
    target: Box<dyn Target>,
    error: Option<io::Error>,
}

impl rdb::Sink for Output {
    fn put(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = self.target.write(bytes).err();
        }
    }
}

struct Front {
    writer: Writer<Vec<u8>>,
    db: Option<usize>,
    pinned: Vec<PinnedKey>,
}

struct PinnedKey {
    db: usize,
    key: Vec<u8>,
    expire_ms: Option<i64>,
    eviction: Eviction,
    value: Pinned,
}

struct Back {
    writer: Writer<Output>,
    db: Option<usize>,
}

/// One running snapshot. See the module's text.
pub struct Snapshot {
    server: &'static Server,
    front: Mutex<Front>,
    /// Bytes in the front, to be looked at without its lock.
    waiting: AtomicU64,
    back: Mutex<Back>,
    failed: AtomicBool,
    keys: AtomicU64,
    /// `rdb-key-save-delay` as it was at the beginning, and the keys that were waited for.
    delay: i64,
    for_replicas: bool,
    delayed: AtomicU64,
    version: Version,
    compress: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Snapshot {
    /// A snapshot into `target`, with the file's header written.
    pub fn new(
        server: &'static Server,
        access: &mut Access<'_>,
        target: Box<dyn Target>,
        dialect: Dialect,
        replication_offset: Option<u64>,
    ) -> Snapshot {
        let version = needed_version(server, access, dialect);
        let compress = server.config.flag(Directive::Rdbcompression);
        let mut writer = Writer::new(Output { target, error: None }, version, compress);
        writer.header();
        let now_s = (sys::os::unix_ms() / 1000).to_string();
        let used = sys::alloc::allocated().to_string();
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
        Snapshot {
            server,
            front: Mutex::new(Front {
                writer: Writer::new(Vec::new(), version, compress),
                db: None,
                pinned: Vec::new(),
            }),
            waiting: AtomicU64::new(0),
            back: Mutex::new(Back { writer, db: None }),
            failed: AtomicBool::new(false),
            keys: AtomicU64::new(0),
            delay: server.config.int(Directive::RdbKeySaveDelay),
            for_replicas: replication_offset.is_some(),
            delayed: AtomicU64::new(0),
            version,
            compress,
        }
    }

    /// BGSAVE CANCEL is for files, not for what replicas wait for.
    fn is_cancelled(&self) -> bool {
        !self.for_replicas && self.server.persistence.cancelled.load(Relaxed)
    }

    /// What a pinned value will take is not known: each one is reason enough to move the front.
    fn note_waiting(&self, front: &Front) {
        let waiting = front.writer.sink().len() + front.pinned.len() * FRONT_BYTES;
        self.waiting.store(waiting as u64, Relaxed);
    }

    /// Moves what has gathered to the target.
    fn drain(&self) {
        let (bytes, db, pinned) = {
            let mut front = lock(&self.front);
            let fresh = Writer::new(Vec::with_capacity(FRONT_BYTES), self.version, self.compress);
            let bytes = std::mem::replace(&mut front.writer, fresh).into_sink();
            self.waiting.store(0, Relaxed);
            (bytes, front.db.take(), std::mem::take(&mut front.pinned))
        };
        let mut back = lock(&self.back);
        let Back { writer, db: last_db } = &mut *back;
        if !bytes.is_empty() {
            writer.raw(&bytes);
            *last_db = db;
        }
        for pin in pinned {
            if *last_db != Some(pin.db) {
                writer.select_db(pin.db as u64);
                *last_db = Some(pin.db);
            }
            bridge::with_pinned(&pin.value, |value| writer.key(&pin.key, pin.expire_ms, pin.eviction, value));
        }
        if writer.sink().error.is_some() {
            self.failed.store(true, Relaxed);
        }
    }

    /// Writes the end of the file; answers the first error of the target.
    fn finish(self) -> io::Result<()> {
        self.drain();
        if self.failed.load(Relaxed) {
            let back = self.back.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
            let output = back.writer.into_sink();
            return Err(output.error.unwrap_or_else(|| io::Error::other("cancelled")));
        }
        let back = self.back.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let output = back.writer.finish(self.server.config.flag(Directive::Rdbchecksum));
        output.error.map_or(Ok(()), Err)
    }

    /// `rdb-key-save-delay`, which tests use: microseconds for each key, or one for each so many keys if it is negative.
    /// Only the walk waits, and no lock is held.
    fn wait_as_told(&self) {
        let keys = self.keys.load(Relaxed);
        let new = keys - self.delayed.swap(keys, Relaxed);
        let micros = match self.delay {
            0.. => new.saturating_mul(self.delay.unsigned_abs()),
            _ => new / self.delay.unsigned_abs(),
        };
        let until = Instant::now() + Duration::from_micros(micros);
        while let left @ 1.. = until.saturating_duration_since(Instant::now()).as_micros() {
            if self.is_cancelled() || self.failed.load(Relaxed) {
                return;
            }
            if !lock(&self.back).writer.sink().target.is_wanted() {
                self.failed.store(true, Relaxed);
            }
            std::thread::sleep(DELAY_STEP.min(Duration::from_micros(left as u64)));
        }
    }

    fn eviction(&self, entry: EntryRef<'_>) -> Eviction {
        let policy = self.server.config.text(Directive::MaxmemoryPolicy);
        let now_ms = sys::os::unix_ms();
        if policy.ends_with("lfu") {
            let decay = self.server.config.int(Directive::LfuDecayTime).max(0) as u64;
            Eviction::Frequency(commands::lru::frequency(entry.lru(), now_ms, decay))
        } else if policy.ends_with("lru") {
            Eviction::Idle(commands::lru::idle_ms(entry.lru(), now_ms) / 1000)
        } else {
            Eviction::None
        }
    }
}

impl Sink for Snapshot {
    fn save(&self, db: usize, entry: EntryRef<'_>) {
        if self.failed.load(Relaxed) {
            return;
        }
        self.keys.fetch_add(1, Relaxed);
        let eviction = self.eviction(entry);
        let expire_ms = entry.expire_ms().map(|at| at.min(i64::MAX as u64) as i64);
        let mut front = lock(&self.front);
        if let ValueRef::Object(object) = entry.value() {
            front.pinned.push(PinnedKey {
                db,
                key: entry.key().to_vec(),
                expire_ms,
                eviction,
                value: object.pin(),
            });
            self.note_waiting(&front);
            return;
        }
        if front.db != Some(db) {
            front.writer.select_db(db as u64);
            front.db = Some(db);
        }
        bridge::with_saved(entry, |value| front.writer.key(entry.key(), expire_ms, eviction, value));
        self.note_waiting(&front);
    }

    fn pace(&self) -> bool {
        if self.delay != 0 {
            self.wait_as_told();
        }
        if self.is_cancelled() {
            self.failed.store(true, Relaxed);
        }
        if self.waiting.load(Relaxed) >= FRONT_BYTES as u64 {
            self.drain();
        }
        !self.failed.load(Relaxed)
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
    let snapshot = Arc::new(Snapshot::new(server, access, target, dialect, replication_offset));
    let for_replicas = snapshot.for_replicas;
    let sink: Arc<dyn Sink> = snapshot.clone();
    // The thread comes first: a snapshot that has begun must have somebody who ends it.
    let (go, may_go) = std::sync::mpsc::channel();
    let walk = move || {
        if may_go.recv().is_err() {
            return;
        }
        server.keyspace.walk_snapshot(&*snapshot);
        // The hooks are off: nobody else holds the snapshot now but one that is just leaving `save`.
        let mut snapshot = snapshot;
        let snapshot = loop {
            match Arc::try_unwrap(snapshot) {
                Ok(snapshot) => break snapshot,
                Err(shared) => {
                    snapshot = shared;
                    std::thread::yield_now();
                }
            }
        };
        let result = snapshot.finish();
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
    let snapshot = Snapshot::new(server, access, file.target(), server.persistence.dialect(), None);
    for db in 0..server.keyspace.databases() {
        for shard in 0..keyspace::SHARDS as u16 {
            access.shard(shard).iter(db).for_each(|entry| snapshot.save(db, entry));
            snapshot.pace();
        }
    }
    let result = file.settle(snapshot.finish());
    match &result {
        Ok(()) => crate::log::notice("DB saved on disk"),
        Err(error) => {
            crate::log::warning(&format!("Error saving DB on disk: {}", config::load::system_words(error)))
        }
    }
    result.map_err(|error| error.to_string())
}
