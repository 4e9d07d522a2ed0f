//! Small sorted sets: a flat listpack of member, score, member, score... in the order of (score, member).
//!
//! Scores are stored as Redis stores them: integers as integers, others as their shortest text. Positions are those of
//! members. The caller keeps the size limits and converts to [`super::Zset`] beyond them.

use crate::listpack::{Flat, FlatRef, LpPos, LpValue, MOST_AROUND, Pack, Reader, Room};
use crate::num::{IntText, double_as_integer, format_f64, parse_i64};

/// Members with scores, in order. The score of a damaged pair (impossible after [`is_valid`]) is 0.
pub fn iter(pack: FlatRef<'_>) -> impl Iterator<Item = (LpValue<'_>, f64)> {
    iter_from(pack, pack.first())
}

/// Members from a member's position on.
pub fn iter_from(pack: FlatRef<'_>, pos: Option<LpPos>) -> impl Iterator<Item = (LpValue<'_>, f64)> {
    let mut elements = pack.iter_from(pos);
    std::iter::from_fn(move || {
        let member = elements.next()?;
        Some((member, elements.next()?.as_f64().unwrap_or(0.0)))
    })
}

/// Shows the members with ranks `from..to`, last first. Nothing leads back from a member to the one before: the places
/// are noted on the way forward.
pub fn visit_rev<'a>(pack: FlatRef<'a>, (from, to): (usize, usize), mut visit: impl FnMut(LpValue<'a>, f64)) {
    /// Members whose places need no allocation.
    const FEW: usize = 32;
    let (count, Some(first)) = (to.saturating_sub(from), seek(pack, from)) else { return };
    let (mut few, mut many) = ([first; FEW], Vec::new());
    let places = match few.get_mut(..count) {
        Some(places) => places,
        None => {
            many.resize(count, first);
            &mut many[..]
        }
    };
    let (mut reader, mut noted) = (Reader::new(pack, first), 0);
    while let Some((place, pos)) = places.get_mut(noted).zip(reader.pos()) {
        *place = pos;
        noted += 1;
        reader.pass_one();
        reader.pass_one();
    }
    for &pos in places[..noted].iter().rev() {
        let mut reader = Reader::new(pack, pos);
        if let Some(member) = reader.element() {
            visit(member, reader.score().unwrap_or(0.0));
        }
    }
}

/// Number of members.
pub fn len(pack: FlatRef<'_>) -> usize {
    pack.len() / 2
}

/// The member at a rank, as its position.
pub fn seek(pack: FlatRef<'_>, rank: usize) -> Option<LpPos> {
    pack.seek(i64::try_from(rank).ok()?.checked_mul(2)?)
}

/// Position and score of a member.
pub fn find(pack: FlatRef<'_>, name: &[u8]) -> Option<(LpPos, f64)> {
    let pos = pack.find(pack.first(), name, 1)?;
    Some((pos, score_at(pack, pos)))
}

/// Rank and score of a member.
pub fn rank(pack: FlatRef<'_>, name: &[u8]) -> Option<(usize, f64)> {
    iter(pack)
        .enumerate()
        .find(|(_, (member, _))| member.eq_bytes(name))
        .map(|(rank, (_, score))| (rank, score))
}

/// How many members, from the first on, fulfil `before`.
pub fn count_before(pack: FlatRef<'_>, before: impl Fn(LpValue<'_>, f64) -> bool) -> usize {
    iter(pack).take_while(|(member, score)| before(*member, *score)).count()
}

fn score_at(pack: FlatRef<'_>, member: LpPos) -> f64 {
    pack.next(member).and_then(|pos| pack.value(pos).as_f64()).unwrap_or(0.0)
}

/// Position and score of a member, if it is there; and the member before which one of this name and score belongs, `None` for
/// the end. One pass answers both.
pub fn search(pack: FlatRef<'_>, name: &[u8], score: f64) -> (Option<(LpPos, f64)>, Option<LpPos>) {
    let wanted = parse_i64(name);
    let (mut found, mut place) = (None, None);
    let Some(first) = pack.first() else { return (None, None) };
    let mut reader = Reader::new(pack, first);
    while let Some(pos) = reader.pos() {
        let is_it = found.is_none() && reader.is(name, wanted);
        reader.pass_one();
        if is_it {
            // The member itself, whose score may change, is no bound.
            found = Some((pos, reader.score().unwrap_or(0.0)));
        } else if place.is_some() {
            reader.pass_one();
        } else if is_behind(pack, (pos, reader.score().unwrap_or(0.0)), name, score) {
            place = Some(pos);
        }
        if found.is_some() && place.is_some() {
            break;
        }
    }
    (found, place)
}

/// Whether the member at `pos`, which has the score `own`, comes behind one of this name and score.
#[inline]
fn is_behind(pack: FlatRef<'_>, (pos, own): (LpPos, f64), name: &[u8], score: f64) -> bool {
    own > score || own == score && pack.value(pos).text(&mut IntText::new()) > name
}

/// Inserts a member before another, which [`search`] has found.
pub fn insert_at<R: Room>(pack: &mut Pack<R, Flat>, place: Option<LpPos>, name: &[u8], score: f64) {
    let pos = pack.insert_before(place, LpValue::from_bytes(name));
    with_score(score, |value| pack.insert_after(pos, value));
}

/// Gives the member at `at` another score, which belongs before `place`; both are what [`search`] has found.
pub fn move_to<R: Room>(pack: &mut Pack<R, Flat>, at: LpPos, place: Option<LpPos>, name: &[u8], score: f64) {
    let view = pack.view();
    let score_pos = view.next(at);
    let next = score_pos.and_then(|pos| view.next(pos));
    if let Some(pos) = score_pos.filter(|_| place == next) {
        // It stays where it is.
        return with_score(score, |value| pack.replace(pos, value));
    }
    let before = pack.view().as_bytes().len();
    remove(pack, at);
    let gone = before - pack.view().as_bytes().len();
    let place = place.map(|place| if place > at { LpPos(place.0 - gone) } else { place });
    insert_at(pack, place, name, score);
}

/// Appends a member that comes after all others.
pub fn push<R: Room>(pack: &mut Pack<R, Flat>, name: &[u8], score: f64) {
    pack.push_back(name);
    with_score(score, |value| pack.push_value(value));
}

/// Removes the member at `pos`; gives the position of the next one.
pub fn remove<R: Room>(pack: &mut Pack<R, Flat>, pos: LpPos) -> Option<LpPos> {
    pack.remove_span(pos, 2)
}

/// Adds a member or changes its score; gives the old score.
pub fn set<R: Room>(pack: &mut Pack<R, Flat>, name: &[u8], score: f64) -> Option<f64> {
    let (old, place) = search(pack.view(), name, score);
    match old {
        Some((_, old)) if old == score => {}
        Some((at, _)) => move_to(pack, at, place, name, score),
        None => insert_at(pack, place, name, score),
    }
    old.map(|(_, old)| old)
}

/// Bytes that a member and its score add to the listpack at most.
pub fn pair_len(name: &[u8]) -> usize {
    /// The longest text of a score.
    const SCORE: usize = 32;
    name.len() + SCORE + 2 * MOST_AROUND
}

fn with_score<R>(score: f64, store: impl FnOnce(LpValue<'_>) -> R) -> R {
    match double_as_integer(score) {
        Some(integer) => store(LpValue::Int(integer)),
        None => {
            let mut text = Vec::with_capacity(24);
            format_f64(score, &mut text);
            store(LpValue::Str(&text))
        }
    }
}

/// Whether a listpack from outside is a zset: pairs in order, scores that are numbers, no member twice, not empty.
pub fn is_valid(pack: FlatRef<'_>) -> bool {
    if pack.is_empty() || !pack.len().is_multiple_of(2) {
        return false;
    }
    let mut seen = std::collections::HashSet::with_capacity(pack.len() / 2);
    let mut last: Option<(f64, Vec<u8>)> = None;
    let mut elements = pack.iter();
    while let (Some(member), Some(score)) = (elements.next(), elements.next()) {
        let Some(score) = score.as_f64() else { return false };
        let name = member.to_vec();
        if let Some((last_score, last_name)) = &last
            && (*last_score > score || *last_score == score && *last_name >= name)
        {
            return false;
        }
        if !seen.insert(name.clone()) {
            return false;
        }
        last = Some((score, name));
    }
    true
}
