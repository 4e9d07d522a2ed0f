//! Reading a set in any of its forms: an intset or a listpack while it is small, a table beyond.
//!
//! A [`SetRef`] borrows from the shards that the command holds. [`find_all`] gives several at once, for the commands
//! that combine sets without copying them. Called by all handlers of sets, by sorted sets as a source, and by SORT.

use ds::entry::{EntryRef, Kind, PackedRef, ValueRef};
use ds::fields::Fields;
use ds::intset::IntsetRef;
use ds::listpack::{FlatRef, LpValue};
use ds::num::{IntText, parse_i64};
use ds::object::Object;

use crate::cx::Cx;
use crate::error::Result;

/// A set, for reading.
#[derive(Clone, Copy)]
pub(crate) enum SetRef<'a> {
    Ints(IntsetRef<'a>),
    Packed(FlatRef<'a>),
    Table(&'a Fields),
}

/// The set of a key; counts the hit or miss.
pub(crate) fn find<'c>(cx: &'c mut Cx<'_>, key: &[u8]) -> Result<Option<SetRef<'c>>> {
    Ok(cx.find_kind(key, Kind::Set)?.and_then(SetRef::of))
}

/// The sets of several keys, at once; `None` for each key that is absent. Counts hits and misses; an error if any of
/// them is something else.
pub(super) fn find_all<'c>(cx: &'c mut Cx<'_>, keys: &[&[u8]]) -> Result<Vec<Option<SetRef<'c>>>> {
    let mut there = Vec::with_capacity(keys.len());
    for key in keys {
        there.push(cx.find_kind(key, Kind::Set)?.is_some());
    }
    let cx = &*cx;
    let look = |(key, there): (&&[u8], bool)| cx.held(key).filter(|_| there).and_then(SetRef::of);
    Ok(keys.iter().zip(there).map(look).collect())
}

impl<'a> SetRef<'a> {
    /// The set of an entry; `None` if it holds something else.
    pub(crate) fn of(entry: EntryRef<'a>) -> Option<SetRef<'a>> {
        match entry.value() {
            ValueRef::Packed(PackedRef::Intset(ints)) => Some(SetRef::Ints(ints)),
            ValueRef::Packed(PackedRef::Set(pack)) => Some(SetRef::Packed(pack)),
            ValueRef::Object(Object::Set(set)) => Some(SetRef::Table(set)),
            _ => None,
        }
    }

    /// Number of members.
    pub(crate) fn len(self) -> usize {
        match self {
            SetRef::Ints(ints) => ints.len(),
            SetRef::Packed(pack) => pack.len(),
            SetRef::Table(set) => set.len(),
        }
    }

    /// Whether the set has this member.
    pub(crate) fn contains(self, name: &[u8]) -> bool {
        match self {
            SetRef::Ints(ints) => parse_i64(name).is_some_and(|number| ints.contains(number)),
            SetRef::Packed(pack) => pack.find(pack.first(), name, 0).is_some(),
            SetRef::Table(set) => set.contains(name),
        }
    }

    /// Whether the set has this member of another one.
    pub(super) fn has(self, member: LpValue<'_>) -> bool {
        match (self, member) {
            (SetRef::Ints(ints), LpValue::Int(number)) => ints.contains(number),
            (set, member) => set.contains(member.text(&mut IntText::new())),
        }
    }

    /// All members: integers in rising order, or in the order in which they came while the set is packed.
    pub(crate) fn iter(self) -> Iter<'a> {
        match self {
            SetRef::Ints(ints) => Iter::Ints(ints, 0),
            SetRef::Packed(pack) => Iter::Packed(pack, pack.first()),
            SetRef::Table(set) => Iter::Table(Box::new(set.iter().map(|member| member.name()))),
        }
    }
}

/// The members of a set.
pub(crate) enum Iter<'a> {
    Ints(IntsetRef<'a>, usize),
    Packed(FlatRef<'a>, Option<ds::listpack::LpPos>),
    Table(Box<dyn Iterator<Item = &'a [u8]> + 'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = LpValue<'a>;

    fn next(&mut self) -> Option<LpValue<'a>> {
        match self {
            Iter::Ints(ints, at) => {
                *at += 1;
                ints.get(*at - 1).map(LpValue::Int)
            }
            Iter::Packed(pack, at) => {
                let here = (*at)?;
                *at = pack.next(here);
                Some(pack.value(here))
            }
            Iter::Table(names) => names.next().map(LpValue::Str),
        }
    }
}
