//! XLEN, XRANGE, XREVRANGE.

use resp::writer::Writer;

use super::args::{interval_end, interval_start};
use super::{find, reply_entry};
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{Result, SYNTAX};

pub(super) fn xlen(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    out.int(find(cx, argv[1])?.map_or(0, |stream| stream.len() as i64));
    Ok(())
}

/// Writes the number of the entries and the entries themselves, of which only the number is not known before.
pub(super) fn reply_entries<'a>(
    entries: impl Iterator<Item = ds::stream::Entry<'a>>,
    resp3: bool,
    out: &mut Writer,
) -> usize {
    let mut body = Writer::new(resp3);
    let mut count = 0;
    for entry in entries {
        reply_entry(entry, &mut body);
        count += 1;
    }
    out.array(count);
    out.append(&mut body);
    count
}

fn range(cx: &mut Cx<'_>, argv: &[&[u8]], backward: bool, out: &mut Writer) -> Result {
    let (first, last) = if backward { (argv[3], argv[2]) } else { (argv[2], argv[3]) };
    let (from, to) = (interval_start(first)?, interval_end(last)?);
    let mut count = None;
    let mut args = Args::new(argv, 4);
    while !args.is_empty() {
        if !args.take_with("COUNT", 1) {
            return Err(SYNTAX);
        }
        count = Some(usize::try_from(args.int()?).unwrap_or(0));
    }
    let resp3 = cx.session.resp3;
    let Some(stream) = find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    let count = count.unwrap_or(usize::MAX);
    if count == 0 {
        out.null_array();
    } else if backward {
        reply_entries(stream.range_rev(from, to).take(count), resp3, out);
    } else {
        reply_entries(stream.range(from, to).take(count), resp3, out);
    }
    Ok(())
}

pub(super) fn xrange(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    range(cx, argv, false, out)
}

pub(super) fn xrevrange(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    range(cx, argv, true, out)
}
