//! What must hold of a string for SET, DELEX and DELIFEQ to act: its presence, its value, or its digest.

use ds::entry::{EntryRef, Kind, ValueRef};
use ds::num::IntText;
use twox_hash::XxHash3_64;

use crate::args::Args;
use crate::error::{CommandError, Result, WRONG_TYPE};

/// See the module's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition<'a> {
    None,
    Absent,
    Present,
    Equal(&'a [u8]),
    Different(&'a [u8]),
    DigestEqual(&'a [u8]),
    DigestDifferent(&'a [u8]),
}

impl<'a> Condition<'a> {
    /// Takes a comparison from the arguments: IFEQ, IFNE, IFDEQ or IFDNE with its operand.
    pub fn take_comparison(args: &mut Args<'a>) -> Result<Option<Condition<'a>>> {
        Ok(Some(if args.take_with("IFEQ", 1) {
            Condition::Equal(args.arg()?)
        } else if args.take_with("IFNE", 1) {
            Condition::Different(args.arg()?)
        } else if args.take_with("IFDEQ", 1) {
            Condition::DigestEqual(args.arg()?)
        } else if args.take_with("IFDNE", 1) {
            Condition::DigestDifferent(args.arg()?)
        } else {
            return Ok(None);
        }))
    }

    /// Whether the next word is that of this comparison.
    pub fn is_next(self, args: &Args<'_>) -> bool {
        let word = match self {
            Condition::None | Condition::Absent | Condition::Present => return false,
            Condition::Equal(_) => "IFEQ",
            Condition::Different(_) => "IFNE",
            Condition::DigestEqual(_) => "IFDEQ",
            Condition::DigestDifferent(_) => "IFDNE",
        };
        args.peek().is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Whether the value itself is looked at.
    pub fn compares(self) -> bool {
        !matches!(self, Condition::None | Condition::Absent | Condition::Present)
    }

    /// Whether the condition holds for what is there; an error if it cannot be compared.
    pub fn holds(self, found: Option<EntryRef<'_>>) -> Result<bool> {
        let Some(entry) = found else {
            return Ok(!matches!(self, Condition::Present | Condition::Equal(_) | Condition::DigestEqual(_)));
        };
        if self.compares() && entry.kind() != Kind::String {
            return Err(WRONG_TYPE);
        }
        Ok(match self {
            Condition::None | Condition::Present => true,
            Condition::Absent => false,
            Condition::Equal(bytes) => equals(entry, bytes),
            Condition::Different(bytes) => !equals(entry, bytes),
            Condition::DigestEqual(hex) => digest_equals(entry, hex)?,
            Condition::DigestDifferent(hex) => !digest_equals(entry, hex)?,
        })
    }
}

/// The bytes of a string value; an integer is written into `text`. Empty for other types.
pub(crate) fn bytes_of<'t>(entry: EntryRef<'t>, text: &'t mut IntText) -> &'t [u8] {
    match entry.value() {
        ValueRef::Int(number) => text.format(number),
        ValueRef::Bytes(bytes) | ValueRef::Blob(bytes) => bytes,
        ValueRef::Packed(..) | ValueRef::Object(_) => b"",
    }
}

/// Whether a string value equals `bytes`.
pub(super) fn equals(entry: EntryRef<'_>, bytes: &[u8]) -> bool {
    bytes_of(entry, &mut IntText::new()) == bytes
}

/// The digest of a string as DIGEST shows it: XXH3 with 64 bits in 16 hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("{:016x}", XxHash3_64::oneshot(bytes))
}

fn digest_equals(entry: EntryRef<'_>, hex: &[u8]) -> Result<bool> {
    if hex.len() != 16 {
        return Err(CommandError::fixed("ERR must be exactly 16 hexadecimal characters"));
    }
    Ok(digest(bytes_of(entry, &mut IntText::new())).as_bytes().eq_ignore_ascii_case(hex))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ds::entry::{Entry, Value};

    /// Digests that a Redis 8.6 server gave.
    #[test]
    fn digests_are_those_of_redis() {
        for (value, hex) in
            [(&b""[..], "2d06800538d394c2"), (b"foo", "ab6e5f64077e7d8a"), (b"12345", "f34099ede96b5581")]
        {
            assert_eq!(digest(value), hex);
        }
        let entry = Entry::new(b"k", None, 0, Value::Int(12345));
        let holds = |hex: &[u8]| Condition::DigestEqual(hex).holds(Some(entry.view()));
        assert_eq!(holds(b"F34099EDE96B5581"), Ok(true));
        assert_eq!(holds(b"zzzzzzzzzzzzzzzz"), Ok(false));
        assert!(holds(b"f34099ede96b558").is_err());
    }

    #[test]
    fn conditions_on_keys_that_are_not_there() {
        for (condition, holds) in [
            (Condition::None, true),
            (Condition::Absent, true),
            (Condition::Present, false),
            (Condition::Equal(b""), false),
            (Condition::Different(b""), true),
            (Condition::DigestEqual(b"x"), false),
            (Condition::DigestDifferent(b"x"), true),
        ] {
            assert_eq!(condition.holds(None), Ok(holds), "{condition:?}");
        }
    }
}
