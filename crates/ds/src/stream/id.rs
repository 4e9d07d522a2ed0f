//! Stream entry IDs: `milliseconds-sequence`, ordered as a pair.

use crate::num::parse_u64_lenient;

/// An entry ID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds part.
    pub ms: u64,
    /// Sequence part.
    pub seq: u64,
}

/// An ID as XADD takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddId {
    /// `*`
    Auto,
    /// `ms-*`
    AutoSeq(u64),
    /// `ms-seq` or `ms`, which is `ms-0`
    Exact(StreamId),
}

/// Most bytes of an ID's text.
const MOST_TEXT: usize = 41;

/// The text of an ID, on the stack.
pub struct IdText {
    bytes: [u8; MOST_TEXT],
    len: usize,
}

impl IdText {
    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }
}

impl std::ops::Deref for IdText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl StreamId {
    /// `0-0`: before every entry, for no entry may have it.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The greatest ID.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// An ID from its parts.
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The least greater ID.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The greatest lesser ID.
    pub fn prev(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Parses `ms-seq`, or `ms` with the sequence given by the caller (0 for a start, the maximum for an end).
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<Self> {
        match memchr::memchr(b'-', text) {
            None => Some(Self { ms: parse_u64_lenient(text)?, seq: missing_seq }),
            Some(at) => {
                Some(Self { ms: parse_u64_lenient(&text[..at])?, seq: parse_u64_lenient(&text[at + 1..])? })
            }
        }
    }

    /// Parses the end of a range: as [`StreamId::parse`], or `-` and `+` for the least and the greatest ID.
    pub fn parse_bound(text: &[u8], missing_seq: u64) -> Option<Self> {
        match text {
            b"-" => Some(Self::MIN),
            b"+" => Some(Self::MAX),
            _ => Self::parse(text, missing_seq),
        }
    }

    /// The 16 bytes of the ID in RDB files: both parts big endian.
    pub fn to_be_bytes(self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.ms.to_be_bytes());
        out[8..].copy_from_slice(&self.seq.to_be_bytes());
        out
    }

    /// Reads what [`StreamId::to_be_bytes`] gives.
    pub fn from_be_bytes(bytes: [u8; 16]) -> Self {
        let wide = u128::from_be_bytes(bytes);
        Self { ms: (wide >> 64) as u64, seq: wide as u64 }
    }

    /// Appends the text `ms-seq`.
    pub fn write_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text());
    }

    /// The text `ms-seq`.
    pub fn text(self) -> IdText {
        let mut text = IdText { bytes: [0; MOST_TEXT], len: 0 };
        text.push(itoa::Buffer::new().format(self.ms).as_bytes());
        text.push(b"-");
        text.push(itoa::Buffer::new().format(self.seq).as_bytes());
        text
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl AddId {
    /// Parses the ID argument of XADD.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"*" => Some(Self::Auto),
            [ms @ .., b'-', b'*'] => parse_u64_lenient(ms).map(Self::AutoSeq),
            _ => StreamId::parse(text, 0).map(Self::Exact),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let id = StreamId::new;
        for (text, want) in [
            ("5", Some(id(5, 9))),
            ("5-3", Some(id(5, 3))),
            ("05-03", Some(id(5, 3))),
            ("5-", None),
            ("-5", None),
            ("", None),
            ("5-3-1", None),
            ("18446744073709551615-18446744073709551615", Some(StreamId::MAX)),
            ("18446744073709551616-1", None),
        ] {
            assert_eq!(StreamId::parse(text.as_bytes(), 9), want, "{text}");
        }
        assert_eq!(StreamId::parse_bound(b"-", 0), Some(StreamId::MIN));
        assert_eq!(StreamId::parse_bound(b"+", 0), Some(StreamId::MAX));
        assert_eq!(AddId::parse(b"*"), Some(AddId::Auto));
        assert_eq!(AddId::parse(b"7-*"), Some(AddId::AutoSeq(7)));
        assert_eq!(AddId::parse(b"-*"), None);
        assert_eq!(AddId::parse(b"7"), Some(AddId::Exact(id(7, 0))));
    }

    #[test]
    fn neighbours() {
        let id = StreamId::new;
        assert_eq!(id(1, u64::MAX).next(), Some(id(2, 0)));
        assert_eq!(id(2, 0).prev(), Some(id(1, u64::MAX)));
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.prev()), (None, None));
        assert_eq!(StreamId::from_be_bytes(id(3, 4).to_be_bytes()), id(3, 4));
        let mut text = Vec::new();
        id(3, 4).write_to(&mut text);
        assert_eq!(text, id(3, 4).to_string().into_bytes());
    }
}
