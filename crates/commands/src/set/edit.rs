//! Changing a set in any of its forms, and turning it into a larger form at the configured limits.
//!
//! ```text
//!   intset --(a member that is no integer)--> listpack --(too many, too long)--> table
//!      \--(too many integers, or members beyond the listpack's limits)-----------^
//! ```
//! A set that shrinks keeps its form. An [`Editor`] stands for the value while it is changed: integers are taken out of
//! their entry, a listpack and a table are changed in place. Called by the handlers that write.

use config::Directive;
use ds::entry::{Entry, Held, PackedRef, Value, ValueRef};
use ds::fields::Fields;
use ds::intset::Intset;
use ds::listpack::{Flat, FlatPack, LpValue, MOST_AROUND, Pack};
use ds::num::{IntText, parse_i64};
use ds::object::Object;

use super::view::SetRef;
use crate::server::Server;

/// More integers than this are never kept in an intset, whatever the limit says.
const MOST_INTS: usize = 1 << 30;

/// Bounds of the small forms.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    ints: usize,
    entries: usize,
    value_bytes: usize,
}

impl Limits {
    #[cfg(test)]
    pub(super) fn new(ints: usize, entries: usize, value_bytes: usize) -> Limits {
        Limits { ints, entries, value_bytes }
    }

    /// As configured.
    pub(crate) fn of(config: &config::Store) -> Limits {
        let limit = |directive| usize::try_from(config.int(directive)).unwrap_or(0);
        Limits {
            ints: limit(Directive::SetMaxIntsetEntries).min(MOST_INTS),
            entries: limit(Directive::SetMaxListpackEntries),
            value_bytes: limit(Directive::SetMaxListpackValue),
        }
    }

    /// As configured for a server.
    pub(super) fn of_server(server: &Server) -> Limits {
        Limits::of(&server.config)
    }
}

/// Members for which room is made before they have come.
const MOST_ROOM: usize = 2048;

/// A set that is being changed.
pub(crate) enum Editor<'a> {
    Ints(Intset),
    Packed(Pack<Held<'a>, Flat>),
    /// New, or just grown out of a small form.
    Own(Box<Fields>),
    Table(&'a mut Fields),
}

impl Editor<'_> {
    /// An empty set of the form that suits its first member, with `expected` members to come.
    pub(crate) fn new(first: &[u8], expected: usize, limits: Limits) -> Editor<'static> {
        if expected <= limits.ints && parse_i64(first).is_some() {
            Editor::Ints(Intset::new())
        } else if expected <= limits.entries {
            Editor::Packed(FlatPack::new().into())
        } else {
            // What is expected is an upper bound in most cases.
            Editor::Own(Box::new(Fields::with_room(expected.min(MOST_ROOM))))
        }
    }

    /// An empty set for `count` members of a file: more than an intset may have make a table from the start.
    pub(super) fn for_loading(count: usize, limits: Limits) -> Editor<'static> {
        if count > limits.ints {
            Editor::Own(Box::new(Fields::with_room(count)))
        } else {
            Editor::Ints(Intset::new())
        }
    }

    /// For reading.
    pub(crate) fn view(&self) -> SetRef<'_> {
        match self {
            Editor::Ints(ints) => SetRef::Ints(ints.view()),
            Editor::Packed(pack) => SetRef::Packed(pack.view()),
            Editor::Own(set) => SetRef::Table(set),
            Editor::Table(set) => SetRef::Table(set),
        }
    }

    /// Number of members.
    pub(crate) fn len(&self) -> usize {
        self.view().len()
    }

    /// Makes the set a table at once if `expected` members to come would make it one anyway.
    pub(super) fn expect(&mut self, expected: usize, limits: Limits) {
        match self {
            Editor::Ints(_) if expected > limits.ints => self.grow(),
            Editor::Packed(_) if expected > limits.entries => self.grow(),
            _ => {}
        }
    }

    /// Adds a member; false if it was there.
    pub(crate) fn add(&mut self, name: &[u8], limits: Limits) -> bool {
        if let Editor::Ints(_) = self {
            if let Some(number) = parse_i64(name) {
                return self.add_int(number, limits);
            }
            // A string among integers: it cannot be there.
            self.pack_ints(name, limits);
        }
        match self {
            Editor::Packed(pack) => {
                let view = pack.view();
                if view.find(view.first(), name, 0).is_some() {
                    return false;
                }
                let small = view.len() < limits.entries && name.len() <= limits.value_bytes;
                if small && pack.fits(name.len() + MOST_AROUND) {
                    pack.push_back(name);
                    return true;
                }
                self.grow();
                self.add(name, limits)
            }
            Editor::Own(set) => set.add(name),
            Editor::Table(set) => set.add(name),
            Editor::Ints(_) => unreachable!("invariant: integers were packed or put in a table above"),
        }
    }

    /// Adds a member of another set.
    pub(super) fn add_value(&mut self, member: LpValue<'_>, limits: Limits) -> bool {
        match member {
            LpValue::Int(number) => self.add_int(number, limits),
            LpValue::Str(name) => self.add(name, limits),
        }
    }

    fn add_int(&mut self, number: i64, limits: Limits) -> bool {
        let Editor::Ints(ints) = self else {
            return self.add(IntText::new().format(number), limits);
        };
        let new = ints.insert(number);
        if new && ints.view().len() > limits.ints {
            self.grow();
        }
        new
    }

    /// Turns integers into a listpack that has room for `name`, or into a table.
    fn pack_ints(&mut self, name: &[u8], limits: Limits) {
        let Editor::Ints(ints) = self else { return };
        let ints = ints.view();
        let digits = |index: usize| ints.get(index).map_or(0, |number| IntText::new().format(number).len());
        // They rise, so the longest is at an end.
        let longest = digits(0).max(digits(ints.len().wrapping_sub(1)));
        let mut pack = FlatPack::new();
        if ints.len() < limits.entries
            && name.len() <= limits.value_bytes
            && longest <= limits.value_bytes
            && pack.fits(longest * ints.len() + name.len())
        {
            ints.iter().for_each(|number| pack.push_int(number));
            *self = Editor::Packed(pack.into());
        } else {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let mut set = Box::new(Fields::with_room(self.len() + 1));
        let mut scratch = IntText::new();
        for member in self.view().iter() {
            set.add(member.text(&mut scratch));
        }
        *self = Editor::Own(set);
    }

    /// Removes a member; false if it was not there.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        match self {
            Editor::Ints(ints) => parse_i64(name).is_some_and(|number| ints.remove(number)),
            Editor::Packed(pack) => {
                let view = pack.view();
                let Some(at) = view.find(view.first(), name, 0) else { return false };
                pack.remove(at);
                true
            }
            Editor::Own(set) => set.remove(name),
            Editor::Table(set) => set.remove(name),
        }
    }

    /// Removes and gives the member with this index of a listpack; nothing if there is none.
    pub(super) fn take(&mut self, index: usize) -> Vec<u8> {
        let Editor::Packed(pack) = self else { unreachable!("invariant: the caller has looked at the form") };
        let Some(pos) = pack.view().seek(index as i64) else { return Vec::new() };
        let name = pack.view().value(pos).to_vec();
        pack.remove(pos);
        name
    }

    /// Removes the members with these indexes of a small form, which are rising.
    pub(super) fn remove_indexes(&mut self, indexes: &[usize]) {
        match self {
            Editor::Ints(ints) => {
                let numbers: Vec<_> = indexes.iter().filter_map(|&index| ints.view().get(index)).collect();
                for number in numbers {
                    ints.remove(number);
                }
            }
            Editor::Packed(pack) if indexes.len() == 1 => pack.remove_range(indexes[0] as i64, 1),
            Editor::Packed(pack) => {
                let mut kept = FlatPack::new();
                let mut gone = indexes.iter().copied().peekable();
                for (index, member) in pack.view().iter().enumerate() {
                    if gone.next_if_eq(&index).is_none() {
                        kept.push_value(member);
                    }
                }
                *pack = kept.into();
            }
            _ => unreachable!("invariant: only small forms have indexes"),
        }
    }

    /// Turns the set into an intset if all its members are integers and not too many.
    pub(super) fn try_ints(&mut self, limits: Limits) {
        if matches!(self, Editor::Ints(_)) || self.len() > limits.ints {
            return;
        }
        let mut ints = Intset::new();
        for member in self.view().iter() {
            let Some(number) = member.as_i64() else { return };
            ints.insert(number);
        }
        *self = Editor::Ints(ints);
    }

    /// Puts another set in the place of this one.
    pub(super) fn replace(&mut self, by: Editor<'static>) {
        *self = by;
    }

    /// The editor, unless what it changes stands in the entry.
    fn into_own(self) -> Option<Editor<'static>> {
        match self {
            Editor::Ints(ints) => Some(Editor::Ints(ints)),
            Editor::Packed(pack) => pack.outside().map(|pack| Editor::Packed(pack.into())),
            Editor::Own(set) => Some(Editor::Own(set)),
            Editor::Table(_) => None,
        }
    }

    /// Hands the value to `use_it` in the form that entries take; nothing if it is in its entry already.
    pub(crate) fn finish<R>(self, use_it: impl FnOnce(Value<'_>) -> R) -> Option<R> {
        match self {
            Editor::Ints(ints) => Some(use_it(Value::Packed(PackedRef::Intset(ints.view())))),
            Editor::Packed(pack) => {
                pack.outside().map(|pack| use_it(Value::Packed(PackedRef::Set(pack.view()))))
            }
            Editor::Own(set) => Some(use_it(Value::Object(Box::new(Object::Set(*set))))),
            Editor::Table(_) => None,
        }
    }
}

/// A copy with room for an integer more.
fn with_room(bytes: &[u8]) -> Vec<u8> {
    const MEMBER_BYTES: usize = 8;
    let mut copy = Vec::with_capacity(bytes.len() + MEMBER_BYTES);
    copy.extend_from_slice(bytes);
    copy
}

/// Changes the set of an entry. What was taken out of it is written back only if `change` answers that there is something new, which
/// is the second of its results.
pub(super) fn edit<R>(entry: &mut Entry, change: impl FnOnce(&mut Editor<'_>) -> (R, bool)) -> R {
    const FORMS: &str = "invariant: a set is an intset, a listpack or a table";
    let mut editor = match entry.view().value() {
        ValueRef::Packed(PackedRef::Intset(ints)) => {
            Editor::Ints(Intset::from_valid(with_room(ints.as_bytes())))
        }
        ValueRef::Packed(..) => Editor::Packed(entry.held_pack().expect(FORMS)),
        _ => match entry.object_mut() {
            Some(Object::Set(set)) => Editor::Table(set),
            _ => unreachable!("{FORMS}"),
        },
    };
    let (result, changed) = change(&mut editor);
    if let Some(editor) = editor.into_own().filter(|_| changed) {
        editor.finish(|value| entry.set_value(value));
    }
    result
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// All forms, and the ways from one to another, agree with the model.
        #[test]
        fn agrees_with_a_set(
            steps in prop::collection::vec((0u8..7, prop_oneof!["-?[0-9]{1,3}", "[0-9]{20}", "[ab]{1,4}"]), 1..80),
            ints in 0usize..12, entries in 0usize..12,
        ) {
            let limits = Limits::new(ints, entries, 3);
            let mut entry = Entry::new(b"k", None, 0, Value::Packed(PackedRef::Intset(Intset::new().view())));
            let mut model = BTreeSet::new();
            for (step, name) in steps {
                let name = name.into_bytes();
                match step {
                    0..=3 => {
                        let new = edit(&mut entry, |editor| {
                            let new = editor.add(&name, limits);
                            (new, new)
                        });
                        prop_assert_eq!(new, model.insert(name));
                    }
                    4 => {
                        let gone = edit(&mut entry, |editor| {
                            let gone = editor.remove(&name);
                            (gone, gone)
                        });
                        prop_assert_eq!(gone, model.remove(&name));
                    }
                    5 => edit(&mut entry, |editor| {
                        let len = editor.len();
                        if !matches!(editor.view(), SetRef::Table(_)) && len > 2 {
                            let gone = [0, len - 1].map(|index| {
                                editor.view().iter().nth(index).expect("in range").to_vec()
                            });
                            editor.remove_indexes(&[0, len - 1]);
                            gone.iter().for_each(|name| assert!(model.remove(name)));
                        }
                        ((), true)
                    }),
                    _ => edit(&mut entry, |editor| {
                        editor.try_ints(limits);
                        ((), true)
                    }),
                }
                let set = SetRef::of(entry.view()).expect("a set");
                let members: BTreeSet<Vec<u8>> = set.iter().map(|member| member.to_vec()).collect();
                prop_assert_eq!((set.len(), &members), (model.len(), &model));
                for name in &model {
                    prop_assert!(set.contains(name) && set.has(LpValue::Str(name)));
                }
                if let SetRef::Ints(_) = set {
                    prop_assert!(set.len() <= ints.max(1));
                }
                if let SetRef::Packed(_) = set {
                    prop_assert!(set.len() <= entries && model.iter().all(|name| name.len() <= 3));
                }
            }
        }
    }
}
