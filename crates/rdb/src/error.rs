//! What can be wrong with RDB bytes, and where.

use std::fmt;

use crate::Version;

/// An error with the place where it was found.
#[derive(Debug)]
pub struct RdbError {
    pub kind: ErrorKind,
    /// Bytes read when the error was found.
    pub offset: u64,
}

/// See the variants' texts in `Display`.
#[derive(Debug)]
pub enum ErrorKind {
    /// The source failed.
    Io(std::io::Error),
    /// The bytes end inside something.
    Truncated,
    /// No "REDIS" or "VALKEY" in front.
    BadMagic,
    /// A version that is newer than what is known.
    UnknownVersion(u32),
    /// A type of value or an opcode that is not known in this version.
    UnknownType { number: u8, version: Version },
    /// A value of a module.
    Module(String),
    /// A collection without elements. The value was read whole, so the reader can go on.
    Empty,
    /// Malformed; the text names what.
    Corrupt(&'static str),
    /// The checksum at the end does not fit the bytes.
    Checksum { stored: u64, computed: u64 },
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::Io(error) => write!(f, "read failed: {error}")?,
            ErrorKind::Truncated => f.write_str("unexpected end of data")?,
            ErrorKind::BadMagic => f.write_str("wrong signature, this is no RDB data")?,
            ErrorKind::UnknownVersion(version) => write!(f, "Can't handle RDB format version {version}")?,
            ErrorKind::UnknownType { number, version } if version.is_foreign() => {
                let version = version.number;
                write!(f, "Can't handle foreign type or opcode {number} in RDB with version {version}")?;
            }
            ErrorKind::UnknownType { number, .. } => {
                f.write_str("Unknown type or opcode when loading DB. Unrecoverable error, aborting now.")?;
                write!(f, " It is {number}")?;
            }
            ErrorKind::Module(name) => write!(f, "value of the module {name}, which is not here")?,
            ErrorKind::Empty => f.write_str("collection without elements")?,
            ErrorKind::Corrupt(what) => write!(f, "corrupt data: {what}")?,
            ErrorKind::Checksum { stored, computed } => {
                write!(f, "RDB CRC error, wrong checksum: expected {stored:016x}, computed {computed:016x}")?;
            }
        }
        write!(f, " at byte {}", self.offset)
    }
}

impl std::error::Error for RdbError {}
