//! BITFIELD: integers of any width at any bit of a string.

use config::Events;
use ds::bits;
use ds::entry::Kind;
use ds::num::{self, IntText};
use resp::writer::Writer;

use super::offset;
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::string::{bytes_of, change_bytes};

const BAD_TYPE: CommandError = CommandError::fixed(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);
const BAD_OVERFLOW: CommandError = CommandError::fixed("ERR Invalid OVERFLOW type specified");
const ONLY_GET: CommandError = CommandError::fixed("ERR BITFIELD_RO only supports the GET subcommand");

/// What happens to a number that does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

/// `i16`, `u8`: the type of an integer of 1 to 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct IntType {
    signed: bool,
    width: u32,
}

impl IntType {
    fn parse(arg: &[u8]) -> Result<IntType> {
        let (signed, digits) = match arg.split_first() {
            Some((b'i', digits)) => (true, digits),
            Some((b'u', digits)) => (false, digits),
            _ => return Err(BAD_TYPE),
        };
        let most = if signed { 64 } else { 63 };
        match num::parse_i64(digits) {
            Some(width) if (1..=most).contains(&width) => Ok(IntType { signed, width: width as u32 }),
            _ => Err(BAD_TYPE),
        }
    }

    /// A number from its bits.
    fn number(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        if self.signed { (bits << unused) as i64 >> unused } else { bits as i64 }
    }

    /// The number of this type for `exact`; `None` if it does not fit and must.
    fn fit(self, exact: i128, overflow: Overflow) -> Option<i64> {
        let (least, most) = match self.signed {
            true => (-1 << (self.width - 1), (1 << (self.width - 1)) - 1),
            false => (0, (1 << self.width) - 1),
        };
        match overflow {
            _ if (least..=most).contains(&exact) => Some(exact as i64),
            Overflow::Wrap => Some(self.number(exact as u64 & (u64::MAX >> (64 - self.width)))),
            Overflow::Saturate => Some(exact.clamp(least, most) as i64),
            Overflow::Fail => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    action: Action,
    kind: IntType,
    offset: usize,
}

impl Operation {
    fn writes(&self) -> bool {
        self.action != Action::Get
    }

    /// Bytes that the string needs.
    fn end(&self) -> usize {
        (self.offset + self.kind.width as usize).div_ceil(8)
    }

    fn read(&self, bytes: &[u8]) -> i64 {
        self.kind.number(bits::get_uint(bytes, self.offset, self.kind.width))
    }

    /// Answers the reply and whether something was changed.
    fn run(&self, bytes: &mut [u8]) -> (Option<i64>, bool) {
        let old = self.read(bytes);
        let (new, reply) = match self.action {
            Action::Get => return (Some(old), false),
            Action::Set(value, overflow) => {
                // An unsigned type takes a negative number for a large one.
                let exact = if self.kind.signed { i128::from(value) } else { i128::from(value as u64) };
                let new = self.kind.fit(exact, overflow);
                (new, new.map(|_| old))
            }
            Action::Add(delta, overflow) => {
                let new = self.kind.fit(i128::from(old) + i128::from(delta), overflow);
                (new, new)
            }
        };
        if let Some(new) = new {
            bits::set_uint(bytes, self.offset, self.kind.width, new as u64);
        }
        (reply, new.is_some_and(|new| new != old))
    }
}

fn parse(cx: &Cx<'_>, argv: &[&[u8]]) -> Result<Vec<Operation>> {
    let mut args = Args::new(argv, 2);
    let mut overflow = Overflow::Wrap;
    let mut operations = Vec::new();
    while !args.is_empty() {
        if args.take_with("OVERFLOW", 1) {
            overflow = match args.arg()? {
                word if word.eq_ignore_ascii_case(b"WRAP") => Overflow::Wrap,
                word if word.eq_ignore_ascii_case(b"SAT") => Overflow::Saturate,
                word if word.eq_ignore_ascii_case(b"FAIL") => Overflow::Fail,
                _ => return Err(BAD_OVERFLOW),
            };
            continue;
        }
        let action: fn(i64, Overflow) -> Action = if args.take_with("GET", 2) {
            |_, _| Action::Get
        } else if args.take_with("SET", 3) {
            Action::Set
        } else if args.take_with("INCRBY", 3) {
            Action::Add
        } else {
            return Err(SYNTAX);
        };
        let kind = IntType::parse(args.arg()?)?;
        let offset = offset(cx, args.arg()?, Some(kind.width))?;
        let number = if action(0, overflow) == Action::Get { 0 } else { args.int()? };
        operations.push(Operation { action: action(number, overflow), kind, offset });
    }
    Ok(operations)
}

pub(super) fn bitfield(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let operations = parse(cx, argv)?;
    let Some(length) = operations.iter().filter(|op| op.writes()).map(Operation::end).max() else {
        return reply_all(cx, argv[1], &operations, out);
    };
    let key = argv[1];
    let mut replies = Vec::with_capacity(operations.len());
    let changed = change_bytes(cx, key, length, |bytes, grew| {
        let mut changed = grew;
        for operation in &operations {
            let (reply, changes) = operation.run(bytes);
            replies.push(reply);
            changed |= changes;
        }
        changed
    })?;
    if changed {
        cx.changed(key);
        cx.notify(Events::STRING, "setbit", key);
    }
    out.array(replies.len());
    for reply in replies {
        match reply {
            Some(number) => out.int(number),
            None => out.null(),
        }
    }
    Ok(())
}

pub(super) fn bitfield_ro(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let operations = parse(cx, argv)?;
    if operations.iter().any(Operation::writes) {
        return Err(ONLY_GET);
    }
    reply_all(cx, argv[1], &operations, out)
}

/// Replies operations that only read.
fn reply_all(cx: &mut Cx<'_>, key: &[u8], operations: &[Operation], out: &mut Writer) -> Result {
    let mut text = IntText::new();
    let bytes = cx.find_kind(key, Kind::String)?.map_or(&b""[..], |entry| bytes_of(entry, &mut text));
    out.array(operations.len());
    operations.iter().for_each(|operation| out.int(operation.read(bytes)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        for (text, valid) in [
            ("u1", true),
            ("i64", true),
            ("u63", true),
            ("u64", false),
            ("i65", false),
            ("i0", false),
            ("u", false),
            ("", false),
            ("x8", false),
            ("u+8", false),
            ("U8", false),
        ] {
            assert_eq!(IntType::parse(text.as_bytes()).is_ok(), valid, "{text}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit() {
        let kind = |text: &str| IntType::parse(text.as_bytes()).expect("valid");
        for (text, exact, wrapped, saturated) in [
            ("u8", 256, 0, 255),
            ("u8", -1, 255, 0),
            ("i8", 128, -128, 127),
            ("i8", -129, 127, -128),
            ("u63", 1 << 63, 0, i64::MAX),
            ("i64", 1 << 63, i64::MIN, i64::MAX),
            ("i1", 1, -1, 0),
            ("i1", -1, -1, -1),
        ] {
            assert_eq!(kind(text).fit(exact, Overflow::Wrap), Some(wrapped), "{text}");
            assert_eq!(kind(text).fit(exact, Overflow::Saturate), Some(saturated), "{text}");
            let fits = wrapped == saturated;
            assert_eq!(kind(text).fit(exact, Overflow::Fail).is_some(), fits, "{text}");
        }
    }
}
