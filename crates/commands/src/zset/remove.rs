//! ZREM and ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use config::Events;
use ds::entry::Kind;
use resp::writer::Writer;

use super::edit::{Editor, edit};
use super::range::{Range, lex_range, rank_range, score_range};
use super::view::View;
use crate::cx::Cx;
use crate::error::Result;

/// Removes members, with all effects; answers how many. `remove` tells how many it removed.
pub(super) fn remove(
    cx: &mut Cx<'_>,
    key: &[u8],
    event: &'static str,
    remove: impl FnOnce(&mut Editor<'_>) -> usize,
) -> Result<usize> {
    let Some(mut slot) = cx.find_mut_kind(key, Kind::Zset)? else { return Ok(0) };
    let (removed, left) = slot.update(|entry| edit(entry, |editor| (remove(editor), editor.len())));
    if removed > 0 {
        cx.effects.dirty += removed as u64 - 1;
        cx.notify(Events::ZSET, event, key);
        if left == 0 {
            cx.delete(key, false);
            cx.notify(Events::GENERIC, "del", key);
        } else {
            cx.changed(key);
        }
    }
    Ok(removed)
}

pub(super) fn zrem(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let removed = remove(cx, argv[1], "zrem", |editor| {
        argv[2..].iter().filter(|name| editor.remove(name).is_some()).count()
    })?;
    out.int(removed as i64);
    Ok(())
}

fn remove_range(
    cx: &mut Cx<'_>,
    key: &[u8],
    range: Range<'_>,
    event: &'static str,
    out: &mut Writer,
) -> Result {
    // Looked at first, so that a range of nothing copies nothing.
    let ranks = match cx.find_mut_kind(key, Kind::Zset)? {
        Some(slot) => range.ranks(View::of(slot.get()), false),
        None => (0, 0),
    };
    let count = ranks.1 - ranks.0;
    if count > 0 {
        remove(cx, key, event, |editor| {
            editor.remove_ranks(ranks);
            count
        })?;
    }
    out.int(count as i64);
    Ok(())
}

pub(super) fn zremrangebyrank(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    remove_range(cx, argv[1], rank_range(argv[2], argv[3])?, "zremrangebyrank", out)
}

pub(super) fn zremrangebyscore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    remove_range(cx, argv[1], score_range(argv[2], argv[3])?, "zremrangebyscore", out)
}

pub(super) fn zremrangebylex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    remove_range(cx, argv[1], lex_range(argv[2], argv[3])?, "zremrangebylex", out)
}
