//! Bytes, lengths and strings out of a source, with offset and checksum.

use std::io::Read;

use crc_fast::{CrcAlgorithm, Digest};
use ds::num::format_i64;

use crate::lzf;
use crate::{ErrorKind, RdbError};

/// Bytes asked from a source at once, unless it has less.
const BUFFER: usize = 64 * 1024;

pub(crate) type Result<T> = std::result::Result<T, RdbError>;

/// A buffered source. Small reads cost a bounds check; the checksum runs over whole buffers.
pub(crate) struct Input<R> {
    source: R,
    buffer: Vec<u8>,
    at: usize,
    /// Bytes of the buffer that the checksum has seen.
    summed: usize,
    /// Bytes that left the buffer before.
    passed: u64,
    /// Bytes asked from the source at once.
    step: usize,
    /// Bytes of the whole source, where that is known.
    total: Option<u64>,
    /// `None` where nobody asks for the checksum.
    digest: Option<Digest>,
}

/// A length, or one of the special encodings of strings.
pub(crate) enum Length {
    Plain(u64),
    Encoded(u8),
}

const ENCODED_INT8: u8 = 0;
const ENCODED_INT16: u8 = 1;
const ENCODED_INT32: u8 = 2;
const ENCODED_LZF: u8 = 3;

impl<'a> Input<&'a [u8]> {
    /// Over bytes whose checksum nobody asks for.
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Self {
        Self {
            step: bytes.len().clamp(1, BUFFER),
            total: Some(bytes.len() as u64),
            digest: None,
            ..Self::new(bytes)
        }
    }
}

impl<R: Read> Input<R> {
    pub(crate) fn new(source: R) -> Self {
        let digest = Some(Digest::new(CrcAlgorithm::Crc64Redis));
        Self { source, buffer: Vec::new(), at: 0, summed: 0, passed: 0, step: BUFFER, total: None, digest }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.passed + self.at as u64
    }

    pub(crate) fn fail<T>(&self, kind: ErrorKind) -> Result<T> {
        Err(RdbError { kind, offset: self.offset() })
    }

    pub(crate) fn corrupt<T>(&self, what: &'static str) -> Result<T> {
        self.fail(ErrorKind::Corrupt(what))
    }

    /// `value`, or an error that names what is corrupt.
    pub(crate) fn check<T>(&self, value: Option<T>, what: &'static str) -> Result<T> {
        match value {
            Some(value) => Ok(value),
            None => self.corrupt(what),
        }
    }

    /// Bytes that were taken from the source but not read.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// The checksum of everything read; 0 for one that is not summed.
    pub(crate) fn checksum(&mut self) -> u64 {
        self.sum();
        self.digest.as_ref().map_or(0, Digest::finalize)
    }

    fn sum(&mut self) {
        if let Some(digest) = &mut self.digest {
            digest.update(&self.buffer[self.summed..self.at]);
        }
        self.summed = self.at;
    }

    /// For how many of `count` elements room may be made that have at least `least` bytes each: not for more than can come,
    /// nor, where that is not known, for more than `unknown`.
    pub(crate) fn room(&self, count: u64, least: u64, unknown: u64) -> usize {
        let can_come = self.total.map_or(unknown, |total| (total - self.offset()) / least);
        count.min(can_come) as usize
    }

    /// Reads another buffer behind the last byte; all of the present one must have been read.
    fn refill(&mut self) -> Result<()> {
        self.sum();
        self.passed += self.at as u64;
        self.buffer.resize(self.step, 0);
        (self.at, self.summed) = (0, 0);
        let count = loop {
            match self.source.read(&mut self.buffer) {
                Ok(count) => break Ok(count),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.buffer.truncate(*count.as_ref().unwrap_or(&0));
        match count {
            Ok(0) => self.fail(ErrorKind::Truncated),
            Ok(_) => Ok(()),
            Err(error) => self.fail(ErrorKind::Io(error)),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        if self.at == self.buffer.len() {
            self.refill()?;
        }
        self.at += 1;
        Ok(self.buffer[self.at - 1])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        if let Some(&bytes) = self.unread().first_chunk() {
            self.at += N;
            return Ok(bytes);
        }
        let mut out = [0; N];
        for byte in &mut out {
            *byte = self.byte()?;
        }
        Ok(out)
    }

    /// Reads `len` bytes, allocating as they arrive.
    pub(crate) fn bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        let Ok(len) = usize::try_from(len) else { return self.corrupt("length") };
        let mut out = Vec::with_capacity(len.min(BUFFER));
        while out.len() < len {
            if self.at == self.buffer.len() {
                self.refill()?;
            }
            let take = (len - out.len()).min(self.buffer.len() - self.at);
            if out.capacity() < out.len() + take {
                // At most twice what has arrived; exact at the end, for the string stays.
                out.reserve_exact((len - out.len()).min((2 * out.len()).max(take)));
            }
            out.extend_from_slice(&self.buffer[self.at..self.at + take]);
            self.at += take;
        }
        Ok(out)
    }

    pub(crate) fn length_or_encoding(&mut self) -> Result<Length> {
        let first = self.byte()?;
        let low = u64::from(first & 0x3f);
        Ok(match first >> 6 {
            0 => Length::Plain(low),
            1 => Length::Plain(low << 8 | u64::from(self.byte()?)),
            3 => Length::Encoded(first & 0x3f),
            _ if first == 0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            _ if first == 0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            _ => return self.corrupt("length encoding"),
        })
    }

    pub(crate) fn length(&mut self) -> Result<u64> {
        match self.length_or_encoding()? {
            Length::Plain(len) => Ok(len),
            Length::Encoded(_) => self.corrupt("a string where a length belongs"),
        }
    }

    pub(crate) fn string(&mut self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        match self.length_or_encoding()? {
            Length::Plain(len) => return self.bytes(len),
            Length::Encoded(ENCODED_INT8) => format_i64(i64::from(self.byte()? as i8), &mut text),
            Length::Encoded(ENCODED_INT16) => {
                format_i64(i64::from(i16::from_le_bytes(self.array()?)), &mut text)
            }
            Length::Encoded(ENCODED_INT32) => {
                format_i64(i64::from(i32::from_le_bytes(self.array()?)), &mut text)
            }
            Length::Encoded(ENCODED_LZF) => {
                let (packed, len) = (self.length()?, self.length()?);
                let packed = self.bytes(packed)?;
                let text = usize::try_from(len).ok().and_then(|len| lzf::decompress(&packed, len));
                return self.check(text, "compressed string");
            }
            Length::Encoded(_) => return self.corrupt("string encoding"),
        }
        Ok(text)
    }

    pub(crate) fn i64_le(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }
}
