//! The RDB file format and the payload of DUMP and RESTORE: a codec without I/O of its own.
//!
//! [`Reader`] loads every version of Redis up to 13 and Valkey's 80; [`Writer`] writes the lowest version that holds
//! the data. Everything that is read is validated, always; memory follows the bytes that arrived, not the
//! lengths that they announce. Elements of packed encodings are taken over as they are; those of hashes, sets and sorted sets lose and get
//! the frame of their listpack here. Called by the loader, the savers, full
//! synchronisation, and the commands DUMP, RESTORE and MIGRATE.
//!
//! Map: `input` bytes, lengths, strings; `value`, `stream` and `vectors` one value each; `ziplist` the encodings of old versions;
//! `reader` the file; `writer` and `save` the way out; `dump` payloads; `lzf` compression.

#![forbid(unsafe_code)]

mod dump;
mod error;
mod input;
mod lzf;
mod reader;
mod save;
mod stream;
mod value;
mod vectors;
mod writer;
mod ziplist;

pub use dump::{DumpError, dump, restore};
pub use error::{ErrorKind, RdbError};
pub use reader::{Event, Header, KeyRecord, Reader};
pub use save::{FieldTtl, SaveValue};
pub use value::{Field, HashValue, SetValue, Value, ZsetValue};
pub use writer::{Eviction, Sink, Writer};

/// Which server's numbering of types and versions applies: the two have diverged since version 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Redis,
    Valkey,
}

/// A version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub dialect: Dialect,
    pub number: u16,
}

impl Version {
    /// The lowest that we write; everything since Redis 7.0 loads it.
    pub const LOWEST: Version = Version { dialect: Dialect::Redis, number: 10 };
    /// Newest version of Redis that is known.
    pub const NEWEST_REDIS: u16 = 13;
    /// Newest version of Valkey that is known.
    pub const NEWEST_VALKEY: u16 = 80;

    /// A version of Redis' numbering.
    pub const fn redis(number: u16) -> Self {
        Self { dialect: Dialect::Redis, number }
    }

    /// The version behind a number alone, as in the footer of a payload; None if it is unknown.
    pub fn from_number(number: u16) -> Option<Self> {
        match number {
            1..=Self::NEWEST_REDIS => Some(Self::redis(number)),
            Self::NEWEST_VALKEY => Some(Self { dialect: Dialect::Valkey, number }),
            _ => None,
        }
    }

    /// Whether it lies between what is known of Redis and Valkey's first: other servers have made files of such versions.
    fn is_foreign(self) -> bool {
        self.dialect == Dialect::Redis && self.number > Self::NEWEST_REDIS
    }

    /// As [`Version::from_number`]; versions to come are taken for the dialect in whose range they lie.
    pub fn guess(number: u16) -> Option<Self> {
        match number {
            0 => None,
            1..Self::NEWEST_VALKEY => Some(Self::redis(number)),
            _ => Some(Self { dialect: Dialect::Valkey, number }),
        }
    }
}

/// What a reader lets pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Versions that are not known, as long as no unknown type comes (`rdb-version-check relaxed`).
    pub any_version: bool,
    /// Checksums that do not fit (DEBUG SET-SKIP-CHECKSUM-VALIDATION, for tests of what follows).
    pub any_checksum: bool,
}

/// Numbers of the types of values.
mod types {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    pub const ZSET_2: u8 = 5;
    pub const MODULE_PRE_GA: u8 = 6;
    pub const MODULE_2: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_3: u8 = 21;
    /// Redis before 7.4 was final: fields with absolute TTLs. Valkey: fields with TTLs.
    pub const HASH_22: u8 = 22;
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    pub const HASH_METADATA: u8 = 24;
    pub const HASH_LISTPACK_EX: u8 = 25;
    pub const STREAM_4: u8 = 26;
}

/// Opcodes between the keys of a file.
mod opcodes {
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION: u8 = 245;
    pub const FUNCTION_PRE_GA: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQUENCY: u8 = 249;
    pub const AUX: u8 = 250;
    pub const RESIZE_DB: u8 = 251;
    pub const EXPIRE_MS: u8 = 252;
    pub const EXPIRE_SECONDS: u8 = 253;
    pub const SELECT_DB: u8 = 254;
    pub const EOF: u8 = 255;
}

#[cfg(test)]
mod tests;
