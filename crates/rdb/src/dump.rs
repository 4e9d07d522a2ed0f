//! Payloads of DUMP and RESTORE: type, value, version u16, checksum u64, both little endian.

use crc_fast::{CrcAlgorithm, checksum};

use crate::input::Input;
use crate::value;
use crate::{Dialect, RdbError, SaveValue, Trust, Value, Version, Writer};

const FOOTER: usize = 10;

/// Why a payload is refused.
#[derive(Debug)]
pub enum DumpError {
    /// Too short, unknown version, or the checksum does not fit: "DUMP payload version or checksum are wrong".
    VersionOrChecksum,
    /// The value is malformed or unknown: "Bad data format".
    BadData(RdbError),
}

/// The payload of a value, in the lowest version that holds it, of `dialect` if only later ones do; a packed set is kept
/// packed, as Redis and Valkey have done since 7.2.
pub fn dump(value: SaveValue<'_>, compress: bool, dialect: Dialect) -> Vec<u8> {
    let version = match value {
        SaveValue::SetPack(_) => Version::redis(11),
        _ => value.lowest_version(dialect),
    };
    let mut out = Writer::new(Vec::new(), version, compress);
    let kind = value.kind(version);
    out.raw(&[kind]);
    value.write(kind, &mut out);
    let mut bytes = out.into_sink();
    bytes.extend_from_slice(&version.number.to_le_bytes());
    let sum = checksum(CrcAlgorithm::Crc64Redis, &bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The value in a payload. A checksum of zero means that there is none, as in Redis.
pub fn restore(payload: &[u8], trust: Trust) -> Result<Value, DumpError> {
    let (body, footer) = payload
        .split_last_chunk::<FOOTER>()
        .filter(|(body, _)| !body.is_empty())
        .ok_or(DumpError::VersionOrChecksum)?;
    let [v0, v1, sum @ ..] = *footer;
    let number = u16::from_le_bytes([v0, v1]);
    let version = if trust.any_version { Version::guess(number) } else { Version::from_number(number) };
    let version = version.ok_or(DumpError::VersionOrChecksum)?;
    let stored = u64::from_le_bytes(sum);
    if !trust.any_checksum
        && stored != 0
        && stored != checksum(CrcAlgorithm::Crc64Redis, &payload[..payload.len() - 8])
    {
        return Err(DumpError::VersionOrChecksum);
    }
    let mut input = Input::of_bytes(body);
    let read = input.byte().and_then(|kind| value::read(&mut input, kind, version));
    let value = read.map_err(DumpError::BadData)?;
    if input.offset() != body.len() as u64 {
        return Err(DumpError::BadData(RdbError {
            kind: crate::ErrorKind::Corrupt("bytes behind the value"),
            offset: input.offset(),
        }));
    }
    Ok(value)
}
