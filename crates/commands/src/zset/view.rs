//! Reading a sorted set in either form: a listpack while it is small, a tree with an index beyond.
//!
//! Every range, whether it is given by rank, score or name, is first turned into ranks `from..to` in ascending order;
//! then one function visits them, forwards or backwards. Called by all handlers of sorted sets and of GEO.

use ds::entry::{EntryRef, Kind, PackedRef, ValueRef};
use ds::listpack::{FlatRef, LpValue};
use ds::num::IntText;
use ds::object::Object;
use ds::zset::{LexBound, ScoreBound, Zset, packed};

use crate::cx::Cx;
use crate::error::Result;

/// A sorted set, for reading.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    Packed(FlatRef<'a>),
    Tree(&'a Zset),
}

/// The sorted set of a key; counts the hit or miss.
pub(crate) fn find<'c>(cx: &'c mut Cx<'_>, key: &[u8]) -> Result<Option<View<'c>>> {
    Ok(cx.find_kind(key, Kind::Zset)?.map(View::of))
}

impl<'a> View<'a> {
    /// The sorted set of an entry that is one.
    pub(crate) fn of(entry: EntryRef<'a>) -> View<'a> {
        match entry.value() {
            ValueRef::Packed(PackedRef::Zset(pack)) => View::Packed(pack),
            ValueRef::Object(Object::Zset(zset)) => View::Tree(zset),
            _ => unreachable!("invariant: a zset is a listpack or a tree"),
        }
    }

    /// Number of members.
    pub(crate) fn len(self) -> usize {
        match self {
            View::Packed(pack) => packed::len(pack),
            View::Tree(zset) => zset.len(),
        }
    }

    /// The score of a member.
    pub(crate) fn score(self, name: &[u8]) -> Option<f64> {
        match self {
            View::Packed(pack) => packed::find(pack, name).map(|(_, score)| score),
            View::Tree(zset) => zset.score(name),
        }
    }

    /// Rank, lowest score first, and score of a member.
    pub(crate) fn rank(self, name: &[u8]) -> Option<(usize, f64)> {
        match self {
            View::Packed(pack) => packed::rank(pack, name),
            View::Tree(zset) => Some((zset.rank(name)?, zset.score(name)?)),
        }
    }

    /// Ranks `from..to` of the members with scores between two bounds.
    pub(crate) fn ranks_of_scores(self, start: ScoreBound, end: ScoreBound) -> (usize, usize) {
        let (from, to) = match self {
            View::Packed(pack) => (
                packed::count_before(pack, |_, score| start.is_below_start(score)),
                packed::count_before(pack, |_, score| end.is_within_end(score)),
            ),
            View::Tree(zset) => (zset.rank_of_score(start), zset.rank_after_score(end)),
        };
        (from, to.max(from))
    }

    /// Ranks `from..to` of the members with names between two bounds; all scores are equal.
    pub(crate) fn ranks_of_names(self, start: LexBound<'_>, end: LexBound<'_>) -> (usize, usize) {
        let (from, to) = match self {
            View::Packed(pack) => {
                let below = |name: LpValue<'_>| start.is_below_start(name.text(&mut IntText::new()));
                let within = |name: LpValue<'_>| end.is_within_end(name.text(&mut IntText::new()));
                (
                    packed::count_before(pack, |name, _| below(name)),
                    packed::count_before(pack, |name, _| within(name)),
                )
            }
            View::Tree(zset) => (zset.rank_of_lex(start), zset.rank_after_lex(end)),
        };
        (from, to.max(from))
    }

    /// Visits the members with ranks `from..to`, the last first if `reverse`. `to` is at most the length.
    pub(crate) fn visit(
        self,
        (from, to): (usize, usize),
        reverse: bool,
        mut visit: impl FnMut(LpValue<'a>, f64),
    ) {
        let count = to.saturating_sub(from);
        if count == 0 {
            return;
        }
        match (self, reverse) {
            (View::Packed(pack), false) => packed::iter_from(pack, packed::seek(pack, from))
                .take(count)
                .for_each(|(name, score)| visit(name, score)),
            (View::Packed(pack), true) => packed::visit_rev(pack, (from, to), visit),
            (View::Tree(zset), false) => {
                zset.iter_from(from).take(count).for_each(|(name, score)| visit(LpValue::Str(name), score));
            }
            (View::Tree(zset), true) => zset
                .iter_rev_from(to - 1)
                .take(count)
                .for_each(|(name, score)| visit(LpValue::Str(name), score)),
        }
    }

    /// Visits the members with scores between two bounds in order, as long as `visit` asks for more.
    pub(crate) fn visit_scores(
        self,
        start: ScoreBound,
        end: ScoreBound,
        mut visit: impl FnMut(LpValue<'a>, f64) -> bool,
    ) {
        let mut visit = |(name, score)| end.is_within_end(score) && visit(name, score);
        match self {
            View::Packed(pack) => {
                _ = packed::iter(pack).skip_while(|&(_, score)| start.is_below_start(score)).all(visit)
            }
            View::Tree(zset) => {
                _ = zset.iter_from_score(start).all(|(name, score)| visit((LpValue::Str(name), score)))
            }
        }
    }

    /// The member at a rank.
    pub(crate) fn at(self, rank: usize) -> Option<(LpValue<'a>, f64)> {
        match self {
            View::Packed(pack) => packed::iter_from(pack, Some(packed::seek(pack, rank)?)).next(),
            View::Tree(zset) => zset.at(rank).map(|(name, score)| (LpValue::Str(name), score)),
        }
    }

    /// Copies of the members with ranks `from..to`.
    pub(crate) fn collect(self, ranks: (usize, usize), reverse: bool) -> Vec<(Vec<u8>, f64)> {
        let mut members = Vec::with_capacity(ranks.1.saturating_sub(ranks.0));
        self.visit(ranks, reverse, |name, score| members.push((name.to_vec(), score)));
        members
    }
}
