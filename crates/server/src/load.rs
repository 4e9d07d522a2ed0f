//! Loading dump files: at the start, on DEBUG RELOAD, and after a full sync.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use commands::bridge;
use commands::server::Server;
use config::Directive;
use ds::entry::Entry;
use keyspace::{Access, Shard, shard_of};
use rdb::{Dialect, Event, Reader};

/// What a file said about itself.
#[derive(Default, Debug)]
pub struct Loaded {
    pub keys: u64,
    pub expired: u64,
    /// Keys whose collections had no elements: old servers wrote them by mistake.
    pub empty: u64,
    /// What deletes the keys and fields that expired, with its database, if the file names a history: replicas that go on
    /// with it have them still.
    pub deletions: Vec<(usize, Vec<Vec<u8>>)>,
    /// The replication history that the data set belongs to.
    pub history: Option<(String, u64)>,
    /// The database that its stream has selected there.
    pub stream_db: usize,
}

/// Puts an entry into a database; false if its key is there already.
pub type Place<'a> = dyn FnMut(usize, u64, Entry, u64) -> bool + 'a;

/// Puts entries into the keyspace one by one, each under its shard's lock.
pub fn into_keyspace(server: &Server) -> impl FnMut(usize, u64, Entry, u64) -> bool {
    |db, hash, entry, now_ms| loop {
        if let Some(mut access) = server.keyspace.access(&[shard_of(hash)]) {
            return place_in(access.shard(shard_of(hash)), db, hash, entry, now_ms);
        }
        std::thread::yield_now();
    }
}

fn place_in(shard: &mut Shard, db: usize, hash: u64, entry: Entry, now_ms: u64) -> bool {
    if shard.find(db, hash, entry.view().key()).is_some() {
        return false;
    }
    shard.insert(db, hash, entry, now_ms);
    true
}

/// Counts the bytes that a load has taken, for INFO.
struct Counted<'a, R> {
    source: R,
    server: &'a Server,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.server.persistence.load_done_bytes.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

/// A dump whose header is read and known: only then the data set need make room for it.
pub struct Opened<'a, R> {
    reader: Reader<Counted<'a, R>>,
}

/// The error's text, once it stands in the log.
fn refused(error: rdb::RdbError) -> String {
    crate::log::warning(&format!("Internal error in RDB reading: {error}"));
    error.to_string()
}

/// Opens a dump file.
pub fn open_file<'a>(server: &'a Server, path: &Path) -> Result<Opened<'a, File>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    server.persistence.load_total_bytes.store(bytes, Relaxed);
    server.persistence.load_started_s.store(sys::os::unix_ms() / 1000, Relaxed);
    server.persistence.load_done_bytes.store(0, Relaxed);
    let trust = server.persistence.trust(&server.config);
    Ok(Opened { reader: Reader::new(Counted { source: file, server }, trust).map_err(refused)? })
}

/// Loads a dump into the keyspace, which holds nothing; `keep_expired` for replicas, which leave expiry to their primary.
/// Refuses one with a type that has no place here, naming it and its offset.
pub fn load(
    server: &Server,
    opened: Opened<'_, impl Read>,
    keep_expired: bool,
    place: &mut Place<'_>,
) -> Result<Loaded, String> {
    let mut reader = opened.reader;
    let mut loaded = Loaded::default();
    let mut aux = (None, None);
    let mut db = 0usize;
    // Whose data it is: what the file says of its writer, else the file's format.
    let mut valkey = reader.header().dialect == Dialect::Valkey;
    while let Some(event) = reader.next_event().map_err(refused)? {
        match event {
            Event::SelectDb(number) if (number as usize) < server.keyspace.databases() => {
                db = number as usize
            }
            Event::SelectDb(number) => {
                return Err(format!(
                    "FATAL: Data file was created with a Redis server configured to handle more than {number} databases"
                ));
            }
            Event::Aux { name, value } if name == b"repl-id" => aux.0 = String::from_utf8(value).ok(),
            Event::Aux { name, value } if name == b"repl-stream-db" => {
                let db = ds::num::parse_u64(&value).and_then(|db| usize::try_from(db).ok());
                loaded.stream_db = db.filter(|db| *db < server.keyspace.databases()).unwrap_or(0);
            }
            Event::Aux { name, value } if name == b"repl-offset" => aux.1 = ds::num::parse_u64(&value),
            Event::Aux { name, .. } if name == b"valkey-ver" => valkey = true,
            Event::Aux { name, .. } if name == b"redis-ver" => valkey = false,
            Event::Key(mut record) => {
                let now_ms = sys::os::unix_ms();
                let expired = record.expire_ms.is_some_and(|at| at < now_ms as i64);
                let (fields, some_left) = match keep_expired || expired {
                    true => (Vec::new(), keep_expired),
                    false => bridge::take_expired_fields(&mut record.value, now_ms),
                };
                if aux.0.is_some() && !(some_left && fields.is_empty()) {
                    loaded.deletions.push((db, deletion(server, &record.key, some_left.then_some(fields))));
                }
                if !some_left {
                    loaded.expired += 1;
                    continue;
                }
                let hash = ds::hash::of(&record.key);
                let name = String::from_utf8_lossy(&record.key).into_owned();
                let entry = bridge::entry_of_record(record, now_ms, &server.config).map_err(|error| {
                    format!(
                        "Key '{name}' holds a {} (offset {}), a type that is not supported yet",
                        error.0,
                        reader.offset()
                    )
                })?;
                if !place(db, hash, entry, now_ms) {
                    return Err(format!("Duplicate key '{name}' in the file (offset {})", reader.offset()));
                }
                loaded.keys += 1;
                delay(server, loaded.keys);
            }
            Event::EmptyKey { key } => {
                loaded.empty += 1;
                crate::log::notice(&match server.config.flag(Directive::HideUserDataFromLog) {
                    true => "rdbLoadObject skipping empty key".to_owned(),
                    false => format!("rdbLoadObject skipping empty key: {}", String::from_utf8_lossy(&key)),
                });
            }
            Event::Function(_) => return Err("The file holds functions, which are not supported yet".into()),
            _ => {}
        }
    }
    server.persistence.valkey.store(valkey, Relaxed);
    loaded.history = aux.0.zip(aux.1);
    server.persistence.keys_loaded.store(loaded.keys, Relaxed);
    server.persistence.keys_expired_at_load.store(loaded.expired, Relaxed);
    Ok(loaded)
}

/// What deletes a key, or some fields of a hash.
fn deletion(server: &Server, key: &[u8], fields: Option<Vec<Vec<u8>>>) -> Vec<Vec<u8>> {
    let word: &[u8] = match &fields {
        Some(_) => b"HDEL",
        None if server.config.flag(Directive::LazyfreeLazyExpire) => b"UNLINK",
        None => b"DEL",
    };
    [word.to_vec(), key.to_vec()].into_iter().chain(fields.into_iter().flatten()).collect()
}

/// `key-load-delay`, which tests use: microseconds for each key, or one for each so many keys if it is negative.
fn delay(server: &Server, keys: u64) {
    let delay = server.config.int(Directive::KeyLoadDelay);
    if delay > 0 {
        std::thread::sleep(Duration::from_micros(delay.unsigned_abs()));
    } else if delay < 0 && keys.is_multiple_of(delay.unsigned_abs()) {
        std::thread::sleep(Duration::from_micros(1));
    }
}

/// Loads the dump file, for the one that is alone: in the place of the data set if `flush`, else on top of it.
pub fn load_alone(server: &Server, access: &mut Access<'_>, flush: bool) -> Result<(), String> {
    let opened = open_file(server, &crate::save::dump_path(server))?;
    let databases = if flush { server.keyspace.databases() } else { 0 };
    let old: Vec<_> = (0..databases).flat_map(|db| access.take_database(db)).collect();
    server.set_loading(true);
    let result = load(server, opened, server.replication.is_replica(), &mut |db, hash, entry, now_ms| {
        let shard = access.shard(shard_of(hash));
        if !flush && let Some(old) = shard.find_mut(db, hash, entry.view().key(), now_ms) {
            drop(old.remove());
        }
        place_in(shard, db, hash, entry, now_ms)
    });
    server.set_loading(false);
    drop(server.keyspace.hand_to_snapshot(old));
    result.map(drop)
}

/// Loads the dump file at the start, if there is one.
pub fn load_at_start(server: &'static Server) -> Result<(), String> {
    let path = crate::save::dump_path(server);
    if !path.exists() || path.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(());
    }
    let start_ms = sys::os::unix_ms();
    let keep_expired = server.replication.is_replica();
    let loaded = open_file(server, &path)
        .and_then(|opened| load(server, opened, keep_expired, &mut into_keyspace(server)))
        .map_err(|error| {
            crate::log::warning("Terminating server after rdb file reading failure.");
            format!("Fatal error loading the DB, check server logs. Exiting. {}: {error}", path.display())
        })?;
    let seconds = (sys::os::unix_ms() - start_ms) as f64 / 1000.0;
    crate::log::notice(&format!(
        "Done loading RDB, keys loaded: {}, keys expired: {}, empty keys skipped: {}.",
        loaded.keys, loaded.expired, loaded.empty
    ));
    crate::log::notice(&format!("DB loaded from disk: {seconds:.3} seconds"));
    if let Some((id, offset)) = loaded.history {
        server.replication.stream_db.store(loaded.stream_db, Relaxed);
        crate::replica::adopt_history(server, &id, offset, &loaded.deletions);
    }
    Ok(())
}
