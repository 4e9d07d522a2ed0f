//! The elements that are to be sorted.

use ds::entry::{Encoding, Kind};
use ds::listpack::LpValue;

use super::options::{By, Query};
use super::texts::Texts;
use crate::cx::Cx;
use crate::error::{Result, WRONG_TYPE};
use crate::list::ListRef;
use crate::set::view::SetRef;
use crate::zset::edit::unpack;
use crate::zset::view::View;

/// Elements, and which of them, once in order, are the result.
pub(super) struct Loaded {
    pub elements: Texts,
    pub window: (usize, usize),
}

/// The elements of a list, a set or a sorted set; none if the key is absent. May settle how they are to be ordered.
pub(super) fn load(cx: &mut Cx<'_>, key: &[u8], query: &mut Query<'_>) -> Result<Loaded> {
    let mut elements = Texts::default();
    unpack_zset(cx, key);
    let mut push = |value: LpValue<'_>| elements.push(|bytes| value.write_to(bytes));
    let Some(entry) = cx.find(key) else { return Ok(Loaded { elements, window: (0, 0) }) };
    let unsorted = query.by == By::Nothing;
    match entry.kind() {
        Kind::List => {
            let list = ListRef::of(entry).ok_or(WRONG_TYPE)?;
            let len = list.len();
            if unsorted {
                let (from, to) = query.window(len);
                let mut left = to - from;
                if left > 0 {
                    let first = if query.descending { len - 1 - from } else { from };
                    list.visit(first, !query.descending, |value| {
                        push(value);
                        left -= 1;
                        left > 0
                    });
                }
            } else {
                list.visit(0, true, |value| {
                    push(value);
                    true
                });
            }
        }
        Kind::Zset => {
            let zset = View::of(entry);
            let len = zset.len();
            let (from, to) = if unsorted { query.window(len) } else { (0, len) };
            let reverse = unsorted && query.descending;
            let ranks = if reverse { (len - to, len - from) } else { (from, to) };
            zset.visit(ranks, reverse, |name, _| push(name));
        }
        Kind::Set => {
            let set = SetRef::of(entry).ok_or(WRONG_TYPE)?;
            if unsorted && query.store.is_some() {
                // What is stored must be the same on every replica, which a set's own order is not.
                (query.by, query.alpha) = (By::Element, true);
            }
            if query.by == By::Nothing {
                let (from, to) = query.window(set.len());
                set.iter().skip(from).take(to - from).for_each(push);
            } else {
                set.iter().for_each(push);
            }
        }
        _ => return Err(WRONG_TYPE),
    }
    let len = elements.len();
    let window = if query.by == By::Nothing { (0, len) } else { query.window(len) };
    Ok(Loaded { elements, window })
}

/// As in the real servers, a sorted set is no listpack any more once it was sorted.
fn unpack_zset(cx: &mut Cx<'_>, key: &[u8]) {
    if cx.peek(key).is_some_and(|entry| entry.encoding() == Encoding::ZsetPacked)
        && let Some(mut slot) = cx.find_mut(key)
    {
        slot.update(unpack);
    }
}
