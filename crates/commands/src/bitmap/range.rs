//! BITCOUNT and BITPOS: a bitmap, or a range of it, as a whole.

use config::Family;
use ds::bits;
use ds::entry::Kind;
use ds::num::IntText;
use resp::writer::Writer;

use crate::args::int;
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::string::bytes_of;

const BAD_WANTED: CommandError = CommandError::fixed("ERR The bit argument must be 1 or 0.");

/// `[start [end [BYTE | BIT]]]`
struct Range {
    start: i64,
    /// The last one, which belongs to the range.
    end: Option<i64>,
    in_bits: bool,
}

impl Range {
    /// The unit is looked at before the end, but by Redis' BITCOUNT.
    fn parse(words: &[&[u8]], unit_last: bool) -> Result<Range> {
        let in_bits = |unit: &[u8]| match unit {
            unit if unit.eq_ignore_ascii_case(b"BIT") => Ok(true),
            unit if unit.eq_ignore_ascii_case(b"BYTE") => Ok(false),
            _ => Err(SYNTAX),
        };
        let (start, end, unit) = match *words {
            [] => (&b"0"[..], None, None),
            [start] => (start, None, None),
            [start, end] => (start, Some(end), None),
            [start, end, unit] => (start, Some(end), Some(unit)),
            _ => return Err(SYNTAX),
        };
        let start = int(start)?;
        if unit_last {
            end.map(int).transpose()?;
        }
        let in_bits = unit.map_or(Ok(false), in_bits)?;
        Ok(Range { start, end: end.map(int).transpose()?, in_bits })
    }

    /// The first and the last bit of the range in a string of `bytes` bytes; `None` if it is empty.
    fn bits(&self, bytes: usize) -> Option<(usize, usize)> {
        let unit = if self.in_bits { 1 } else { 8 };
        let length = bytes as i64 * (8 / unit);
        let end = self.end.unwrap_or(-1);
        if self.start < 0 && end < 0 && self.start > end {
            return None;
        }
        let from = |at: i64| if at < 0 { length.saturating_add(at).max(0) } else { at };
        let (start, end) = (from(self.start), from(end).min(length - 1));
        (start <= end).then(|| ((start * unit) as usize, (end * unit + unit - 1) as usize))
    }
}

pub(super) fn bitcount(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    // Only Valkey counts from a start to the end of the string.
    if argv.len() == 3 && cx.family() == Family::Redis {
        return Err(SYNTAX);
    }
    let range = Range::parse(&argv[2..], cx.family() == Family::Redis)?;
    let mut text = IntText::new();
    let count = cx.find_kind(argv[1], Kind::String)?.map_or(0, |entry| {
        let bytes = bytes_of(entry, &mut text);
        range.bits(bytes.len()).map_or(0, |(first, last)| bits::count_range(bytes, first, last))
    });
    out.int(count as i64);
    Ok(())
}

pub(super) fn bitpos(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let wanted = match int(argv[2])? {
        0 => false,
        1 => true,
        _ => return Err(BAD_WANTED),
    };
    let range = Range::parse(&argv[3..], false)?;
    let mut text = IntText::new();
    let Some(entry) = cx.find_kind(argv[1], Kind::String)? else {
        out.int(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let bytes = bytes_of(entry, &mut text);
    let place = range.bits(bytes.len()).and_then(|(first, last)| {
        // A string is thought to go on with zeros, unless an end is given.
        let behind = (!wanted && range.end.is_none()).then_some(bytes.len() * 8);
        bits::find(bytes, wanted, first, last).or(behind)
    });
    out.int(place.map_or(-1, |at| at as i64));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a real server cuts a string of 3 bytes.
    #[test]
    fn ranges_of_bits() {
        for (args, expected) in [
            ("", Some((0, 23))),
            ("1", Some((8, 23))),
            ("0 -1", Some((0, 23))),
            ("-1 -1", Some((16, 23))),
            ("-1 -2", None),
            ("-5 -4 BYTE", Some((0, 7))),
            ("5 9", None),
            ("0 9223372036854775807", Some((0, 23))),
            ("-9223372036854775808 0 bit", Some((0, 0))),
            ("3 9 BIT", Some((3, 9))),
            ("-3 -1 BIT", Some((21, 23))),
        ] {
            let words: Vec<&[u8]> = args.split_whitespace().map(str::as_bytes).collect();
            let range = Range::parse(&words, false).expect("valid");
            assert_eq!(range.bits(3), expected, "{args}");
            assert_eq!(range.bits(0), None);
        }
        for args in ["0 1 BITS", "0 1 BIT BIT", "a", "0 BIT"] {
            let words: Vec<&[u8]> = args.split_whitespace().map(str::as_bytes).collect();
            assert!(Range::parse(&words, false).is_err(), "{args}");
        }
    }
}
