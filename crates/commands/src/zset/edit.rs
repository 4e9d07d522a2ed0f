//! Changing a sorted set in either form, and turning a small one into a large one at the configured limits.
//!
//! An [`Editor`] stands for the value while it is changed: the listpack in its entry, or the tree in its place. Called by
//! the handlers that write.

use config::Directive;
use ds::entry::{Entry, Held, PackedRef, Value};
use ds::listpack::{Flat, FlatPack, Pack};
use ds::object::Object;
use ds::zset::{Inserted, Zset, packed};

use super::view::View;
use crate::cx::Cx;
use crate::server::Server;

/// Bounds of the packed form.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    entries: usize,
    value_bytes: usize,
}

impl Limits {
    /// As configured.
    pub(crate) fn of(server: &Server) -> Limits {
        let limit = |directive| usize::try_from(server.config.int(directive)).unwrap_or(0);
        Limits {
            entries: limit(Directive::ZsetMaxListpackEntries),
            value_bytes: limit(Directive::ZsetMaxListpackValue),
        }
    }

    fn allow(self, entries: usize, value_bytes: usize) -> bool {
        entries <= self.entries && value_bytes <= self.value_bytes
    }
}

/// A sorted set that is being changed.
pub(crate) enum Editor<'a> {
    Packed(Pack<Held<'a>, Flat>),
    /// New, or just grown out of a listpack.
    Own(Box<Zset>),
    Tree(&'a mut Zset),
}

impl Editor<'_> {
    /// An empty one, for so many members of which the longest has so many bytes.
    pub(crate) fn new(limits: Limits, members: usize, longest: usize) -> Editor<'static> {
        if limits.allow(members, longest) {
            Editor::Packed(FlatPack::new().into())
        } else {
            Editor::Own(Box::default())
        }
    }

    /// Takes the form that so many more members would need of which the longest has so many bytes, whether or not they
    /// will be added.
    pub(crate) fn expect(&mut self, limits: Limits, members: usize, longest: usize) {
        if !limits.allow(members, longest) {
            self.grow();
        }
    }

    /// For reading.
    pub(crate) fn view(&self) -> View<'_> {
        match self {
            Editor::Packed(pack) => View::Packed(pack.view()),
            Editor::Own(zset) => View::Tree(zset),
            Editor::Tree(zset) => View::Tree(zset),
        }
    }

    /// Number of members.
    pub(crate) fn len(&self) -> usize {
        self.view().len()
    }

    /// Adds a member or changes its score, which is not NaN.
    pub(crate) fn set(&mut self, name: &[u8], score: f64, limits: Limits) -> Inserted {
        if let Editor::Packed(pack) = self {
            let (old, place) = packed::search(pack.view(), name, score);
            if let Some((at, old)) = old {
                if old != score {
                    packed::move_to(pack, at, place, name, score);
                    return Inserted::Updated(old);
                }
                return Inserted::Same;
            }
            let fits = pack.fits(packed::pair_len(name));
            if fits && limits.allow(packed::len(pack.view()) + 1, name.len()) {
                packed::insert_at(pack, place, name, score);
                return Inserted::Added;
            }
            self.grow();
        }
        match self {
            Editor::Own(zset) => zset.insert(name, score),
            Editor::Tree(zset) => zset.insert(name, score),
            Editor::Packed(_) => unreachable!("invariant: it was grown above"),
        }
    }

    /// Removes a member; gives its score.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<f64> {
        match self {
            Editor::Packed(pack) => {
                let (at, score) = packed::find(pack.view(), name)?;
                packed::remove(pack, at);
                Some(score)
            }
            Editor::Own(zset) => zset.remove(name),
            Editor::Tree(zset) => zset.remove(name),
        }
    }

    /// Removes the members with ranks `from..to`.
    pub(crate) fn remove_ranks(&mut self, (from, to): (usize, usize)) {
        match self {
            Editor::Packed(pack) => {
                if let Some(at) = packed::seek(pack.view(), from).filter(|_| to > from) {
                    pack.remove_span(at, 2 * (to - from));
                }
            }
            Editor::Own(zset) => zset.remove_ranks(from, to, |_, _| ()),
            Editor::Tree(zset) => zset.remove_ranks(from, to, |_, _| ()),
        }
    }

    fn grow(&mut self) {
        let Editor::Packed(pack) = self else { return };
        // Numbers among the names become text, in one buffer, so that all can be lent at once.
        let view = pack.view();
        let mut texts = Vec::new();
        let mut members = Vec::with_capacity(packed::len(view));
        for (name, score) in packed::iter(view) {
            let begin = texts.len();
            name.write_to(&mut texts);
            members.push((begin..texts.len(), score));
        }
        let members = members.into_iter().map(|(name, score)| (&texts[name], score));
        *self = Editor::Own(Box::new(Zset::from_sorted(members)));
    }

    /// The editor, if the value has left its entry.
    fn outside(self) -> Option<Editor<'static>> {
        match self {
            Editor::Packed(pack) => pack.outside().map(|pack| Editor::Packed(pack.into())),
            Editor::Own(zset) => Some(Editor::Own(zset)),
            Editor::Tree(_) => None,
        }
    }

    /// Hands the value to `use_it` in the form that entries take; nothing if it is in its entry already.
    pub(crate) fn finish<R>(self, use_it: impl FnOnce(Value<'_>) -> R) -> Option<R> {
        match self {
            Editor::Packed(pack) => {
                pack.outside().map(|pack| use_it(Value::Packed(PackedRef::Zset(pack.view()))))
            }
            Editor::Own(zset) => Some(use_it(Value::Object(Box::new(Object::Zset(*zset))))),
            Editor::Tree(_) => None,
        }
    }
}

/// Changes the sorted set of an entry.
pub(crate) fn edit<R>(entry: &mut Entry, change: impl FnOnce(&mut Editor<'_>) -> R) -> R {
    if let Some(Object::Zset(zset)) = entry.object_mut() {
        return change(&mut Editor::Tree(zset));
    }
    let Some(pack) = entry.held_pack() else { unreachable!("invariant: a zset is a listpack or a tree") };
    let mut editor = Editor::Packed(pack);
    let result = change(&mut editor);
    if let Some(left) = editor.outside() {
        left.finish(|value| entry.set_value(value));
    }
    result
}

/// Makes a sorted set a tree, however small it is.
pub(crate) fn unpack(entry: &mut Entry) {
    edit(entry, |editor| editor.grow());
}

/// Puts sorted members, each once, under a key, whatever was there. There is at least one.
pub(crate) fn put_sorted<'a>(
    cx: &mut Cx<'_>,
    key: &[u8],
    members: impl ExactSizeIterator<Item = (&'a [u8], f64)> + Clone,
) {
    let limits = Limits::of(cx.server);
    let longest = members.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut editor = Editor::new(limits, members.len(), longest);
    if let Editor::Packed(pack) = &mut editor {
        for (name, score) in members.clone() {
            if !pack.fits(packed::pair_len(name)) {
                editor = Editor::Own(Box::default());
                break;
            }
            packed::push(pack, name, score);
        }
    }
    if let Editor::Own(zset) = &mut editor {
        **zset = Zset::from_sorted(members);
    }
    editor.finish(|value| cx.put(key, value, None));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use ds::zset::{LexBound, ScoreBound};
    use proptest::prelude::*;

    /// The members as the view gives them.
    fn all(view: View<'_>) -> Vec<(Vec<u8>, f64)> {
        view.collect((0, view.len()), false)
    }

    /// The members in order, from a model that knows only names and scores.
    fn expected(model: &BTreeMap<Vec<u8>, f64>) -> Vec<(Vec<u8>, f64)> {
        let mut members: Vec<_> = model.iter().map(|(name, score)| (name.clone(), *score)).collect();
        members.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        members
    }

    proptest! {
        /// Small and large forms, and the way from one to the other, agree with the model.
        #[test]
        fn agrees_with_a_map(
            steps in prop::collection::vec((0u8..4, "[ab0-9]{1,3}", -3i32..4), 1..60),
            entries in 0usize..12,
        ) {
            let limits = Limits { entries, value_bytes: 2 };
            let mut entry = Entry::new(b"k", None, 0, Value::Packed(PackedRef::Zset(FlatPack::new().view())));
            let mut model = BTreeMap::new();
            for (step, name, score) in steps {
                let (name, score) = (name.into_bytes(), f64::from(score) / 2.0);
                match step {
                    0..=1 => {
                        let done = edit(&mut entry, |editor| editor.set(&name, score, limits));
                        let old = model.insert(name, score);
                        prop_assert_eq!(done, match old {
                            None => Inserted::Added,
                            Some(old) if old == score => Inserted::Same,
                            Some(old) => Inserted::Updated(old),
                        });
                    }
                    2 => prop_assert_eq!(edit(&mut entry, |editor| editor.remove(&name)), model.remove(&name)),
                    _ => {
                        let members = expected(&model);
                        let from = members.len() / 3;
                        let to = members.len().min(from + 2);
                        edit(&mut entry, |editor| editor.remove_ranks((from, to)));
                        for (name, _) in &members[from..to] {
                            model.remove(name);
                        }
                    }
                }
                let members = expected(&model);
                let view = View::of(entry.view());
                prop_assert_eq!(&all(view), &members);
                for (rank, (name, score)) in members.iter().enumerate() {
                    prop_assert_eq!(view.rank(name), Some((rank, *score)));
                    prop_assert_eq!(view.at(rank).map(|(name, score)| (name.to_vec(), score)), Some((name.clone(), *score)));
                }
                let within = |score: f64| score > -0.5 && score <= 1.0;
                let ranks = view.ranks_of_scores(ScoreBound::Excluding(-0.5), ScoreBound::Including(1.0));
                let mut some: Vec<_> = members.iter().filter(|(_, score)| within(*score)).cloned().collect();
                some.reverse();
                prop_assert_eq!(view.collect(ranks, true), some);
            }
        }

        /// Ranges of names, where all scores are equal.
        #[test]
        fn names_between_bounds(names in prop::collection::btree_set("[a-c]{0,2}", 0..12), entries in 0usize..12) {
            let limits = Limits { entries, value_bytes: 64 };
            let mut editor = Editor::new(limits, 0, 0);
            for name in &names {
                editor.set(name.as_bytes(), 0.0, limits);
            }
            let view = editor.view();
            for (start, end) in [(LexBound::Least, LexBound::Greatest), (LexBound::Including(b"b"), LexBound::Excluding(b"c")),
                (LexBound::Excluding(b"c"), LexBound::Including(b"b")), (LexBound::Greatest, LexBound::Least)] {
                let expected: Vec<_> = names.iter().map(|name| name.as_bytes().to_vec())
                    .filter(|name| !start.is_below_start(name) && end.is_within_end(name)).collect();
                let found: Vec<_> = view.collect(view.ranks_of_names(start, end), false).into_iter().map(|(name, _)| name).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
