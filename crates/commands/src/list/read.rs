//! LLEN, LRANGE, LINDEX, LPOS.

use resp::writer::Writer;

use super::pop::reply_element;
use super::store::ListRef;
use crate::args::{Args, int, int_or};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};

pub(super) fn llen(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    out.int(ListRef::find(cx, argv[1])?.map_or(0, |list| list.len() as i64));
    Ok(())
}

/// The elements `start..=end`, counted from the end if negative, as a half-open range inside `0..len`.
pub(super) fn span(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    let from_end = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (start, end) = (from_end(start).max(0), from_end(end).min(len - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

pub(super) fn lrange(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (start, end) = (int(argv[2])?, int(argv[3])?);
    let Some(list) = ListRef::find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    let span = span(start, end, list.len());
    out.array(span.len());
    let mut left = span.len();
    if left > 0 {
        list.visit(span.start, true, |value| {
            reply_element(value, out);
            left -= 1;
            left > 0
        });
    }
    Ok(())
}

pub(super) fn lindex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let Some(list) = ListRef::find(cx, argv[1])? else {
        out.null();
        return Ok(());
    };
    let index = int(argv[2])?;
    match list.index(index).and_then(|index| list.get(index)) {
        Some(value) => reply_element(value, out),
        None => out.null(),
    }
    Ok(())
}

/// LPOS's options.
struct Search {
    /// Matches to pass before the first that counts.
    skip: u64,
    forward: bool,
    /// COUNT, 0 for all; without it the first match is the whole reply.
    count: Option<u64>,
    /// Elements to look at, 0 for all.
    max_len: u64,
}

impl Search {
    fn parse(argv: &[&[u8]]) -> Result<Search> {
        const ZERO: CommandError = CommandError::fixed(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
             start from the end of the list",
        );
        const RANGE: CommandError = CommandError::fixed(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        );
        const COUNT: CommandError = CommandError::fixed("ERR COUNT can't be negative");
        const MAX_LEN: CommandError = CommandError::fixed("ERR MAXLEN can't be negative");
        let positive = |arg, error: CommandError| -> Result<u64> {
            u64::try_from(int_or(arg, error.clone())?).map_err(|_| error)
        };
        let (mut rank, mut count, mut max_len) = (1, None, 0);
        let mut args = Args::new(argv, 3);
        while !args.is_empty() {
            if args.take_with("RANK", 1) {
                rank = match args.int()? {
                    0 => return Err(ZERO),
                    i64::MIN => return Err(RANGE),
                    rank => rank,
                };
            } else if args.take_with("COUNT", 1) {
                count = Some(positive(args.arg()?, COUNT)?);
            } else if args.take_with("MAXLEN", 1) {
                max_len = positive(args.arg()?, MAX_LEN)?;
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(Search { skip: rank.unsigned_abs() - 1, forward: rank > 0, count, max_len })
    }

    /// Indexes of the matches.
    fn run(&self, list: ListRef<'_>, element: &[u8]) -> Vec<usize> {
        let most = match self.count {
            None => 1,
            Some(0) => u64::MAX,
            Some(count) => count,
        };
        let (mut skip, mut seen, mut found) = (self.skip, 0u64, Vec::new());
        let len = list.len();
        let first = if self.forward { 0 } else { len - 1 };
        let wanted = ds::listpack::LpValue::from_bytes(element);
        list.visit(first, self.forward, |value| {
            if value.is(wanted, element) {
                if skip > 0 {
                    skip -= 1;
                } else {
                    let at = seen as usize;
                    found.push(if self.forward { at } else { len - 1 - at });
                }
            }
            seen += 1;
            (found.len() as u64) < most && (self.max_len == 0 || seen < self.max_len)
        });
        found
    }
}

pub(super) fn lpos(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let search = Search::parse(argv)?;
    let found = ListRef::find(cx, argv[1])?.map(|list| search.run(list, argv[2])).unwrap_or_default();
    if search.count.is_some() {
        out.array(found.len());
        found.iter().for_each(|&index| out.int(index as i64));
    } else {
        match found.first() {
            Some(&index) => out.int(index as i64),
            None => out.null(),
        }
    }
    Ok(())
}
