//! Bytes, lengths and strings into a sink, and the file around the keys.

use crc_fast::{CrcAlgorithm, Digest};
use ds::listpack::FlatRef;
use ds::num::parse_i64;

use crate::lzf::Compressor;
use crate::{Dialect, SaveValue, Version, opcodes};

/// Strings from this length on are compressed.
const COMPRESS_FROM: usize = 21;
/// Strings up to this length may be integers.
const INTEGER_UPTO: usize = 11;
/// Bytes gathered before the sink gets them.
const BUFFER: usize = 16 * 1024;

/// Where the bytes go. A sink that can fail remembers it and drops what follows; its owner asks it at the end.
pub trait Sink {
    /// Takes bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// What a key carries for the eviction policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Nothing: the policy needs none.
    None,
    /// Seconds without access.
    Idle(u64),
    /// LFU counter.
    Frequency(u8),
}

/// Writes a file, or the parts of one.
pub struct Writer<S: Sink> {
    sink: S,
    buffer: Vec<u8>,
    digest: Digest,
    version: Version,
    compressor: Option<Compressor>,
    /// The packed value that is being written, framed.
    framed: Vec<u8>,
}

impl<S: Sink> Writer<S> {
    /// A writer for a version; `compress` as in `rdbcompression`.
    pub fn new(sink: S, version: Version, compress: bool) -> Self {
        let digest = Digest::new(CrcAlgorithm::Crc64Redis);
        let compressor = compress.then(Compressor::default);
        Self { sink, buffer: Vec::with_capacity(256), digest, version, compressor, framed: Vec::new() }
    }

    /// Header of the file.
    pub fn header(&mut self) {
        let text = match self.version.dialect {
            Dialect::Redis => format!("REDIS{:04}", self.version.number),
            Dialect::Valkey => format!("VALKEY{:03}", self.version.number),
        };
        self.raw(text.as_bytes());
    }

    /// A fact about the file.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.raw(&[opcodes::AUX]);
        self.string(name);
        self.string(value);
    }

    /// The database of the keys that follow.
    pub fn select_db(&mut self, db: u64) {
        self.raw(&[opcodes::SELECT_DB]);
        self.length(db);
    }

    /// Numbers of keys, and of keys with an expiry, in this database.
    pub fn resize_db(&mut self, keys: u64, expires: u64) {
        self.raw(&[opcodes::RESIZE_DB]);
        self.length(keys);
        self.length(expires);
    }

    /// Numbers of keys in a slot. Needs version 12.
    pub fn slot_info(&mut self, slot: u64, keys: u64, expires: u64) {
        self.raw(&[opcodes::SLOT_INFO]);
        [slot, keys, expires].into_iter().for_each(|n| self.length(n));
    }

    /// The source text of a function library.
    pub fn function(&mut self, source: &[u8]) {
        self.raw(&[opcodes::FUNCTION]);
        self.string(source);
    }

    /// A key with its expiry (Unix milliseconds) and value.
    pub fn key(&mut self, key: &[u8], expire_ms: Option<i64>, eviction: Eviction, value: SaveValue<'_>) {
        if let Some(expire_ms) = expire_ms {
            self.raw(&[opcodes::EXPIRE_MS]);
            self.raw(&expire_ms.to_le_bytes());
        }
        match eviction {
            Eviction::None => {}
            Eviction::Idle(seconds) => {
                self.raw(&[opcodes::IDLE]);
                self.length(seconds);
            }
            Eviction::Frequency(counter) => self.raw(&[opcodes::FREQUENCY, counter]),
        }
        let kind = value.kind(self.version);
        self.raw(&[kind]);
        self.string(key);
        value.write(kind, self);
    }

    /// The end of the file; `checksum` as in `rdbchecksum`. Gives the sink back.
    pub fn finish(mut self, checksum: bool) -> S {
        self.raw(&[opcodes::EOF]);
        self.flush();
        let sum = if checksum { self.digest.finalize() } else { 0 };
        self.sink.put(&sum.to_le_bytes());
        self.sink
    }

    /// Gives the sink back with all bytes written so far and nothing more.
    pub fn into_sink(mut self) -> S {
        self.flush();
        self.sink
    }

    /// The sink; bytes still gathered here are not in it.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    /// The sink, for asking it about errors or making it send.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Hands all gathered bytes to the sink.
    pub fn flush(&mut self) {
        self.digest.update(&self.buffer);
        self.sink.put(&self.buffer);
        self.buffer.clear();
    }

    /// Bytes that are part of a file already: whole records of another writer.
    pub fn raw(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush();
        }
        if bytes.len() > BUFFER {
            self.digest.update(bytes);
            self.sink.put(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    pub(crate) fn length(&mut self, len: u64) {
        match len {
            0..=0x3f => self.raw(&[len as u8]),
            0x40..=0x3fff => self.raw(&[0x40 | (len >> 8) as u8, len as u8]),
            0x4000..=0xffff_ffff => {
                self.raw(&[0x80]);
                self.raw(&(len as u32).to_be_bytes());
            }
            _ => {
                self.raw(&[0x81]);
                self.raw(&len.to_be_bytes());
            }
        }
    }

    /// An integer as a string: in 8, 16 or 32 bits, else as its text.
    pub(crate) fn integer(&mut self, value: i64) {
        let bytes = value.to_le_bytes();
        if i8::try_from(value).is_ok() {
            self.raw(&[0xc0, bytes[0]]);
        } else if i16::try_from(value).is_ok() {
            self.raw(&[0xc1, bytes[0], bytes[1]]);
        } else if i32::try_from(value).is_ok() {
            self.raw(&[0xc2]);
            self.raw(&bytes[..4]);
        } else {
            let mut text = ds::num::IntText::new();
            let text = text.format(value);
            self.length(text.len() as u64);
            self.raw(text);
        }
    }

    pub(crate) fn string(&mut self, text: &[u8]) {
        if text.len() <= INTEGER_UPTO
            && let Some(value) = parse_i64(text).filter(|value| i32::try_from(*value).is_ok())
        {
            return self.integer(value);
        }
        if text.len() >= COMPRESS_FROM
            && let Some(mut compressor) = self.compressor.take()
        {
            let packed = compressor.compress(text).map(|packed| self.packed(packed, text.len()));
            self.compressor = Some(compressor);
            if packed.is_some() {
                return;
            }
        }
        self.length(text.len() as u64);
        self.raw(text);
    }

    /// A flat listpack, in the layout of files.
    pub(crate) fn listpack(&mut self, pack: FlatRef<'_>) {
        let mut framed = std::mem::take(&mut self.framed);
        framed.clear();
        pack.write_framed(&mut framed);
        self.string(&framed);
        self.framed = framed;
    }

    /// A string of `len` bytes, compressed.
    fn packed(&mut self, packed: &[u8], len: usize) {
        self.raw(&[0xc3]);
        self.length(packed.len() as u64);
        self.length(len as u64);
        self.raw(packed);
    }
}
