//! Reading a hash, whichever form it has. Fields whose time is past are not seen.

use ds::entry::{EntryRef, Kind, PackedRef, ValueRef};
use ds::fields::{FieldRef, Fields};
use ds::listpack::{FlatRef, LpValue};
use ds::object::Object;
use ds::packed_hash::{self as packed, Form, PackedField};

use crate::cx::Cx;
use crate::error::Result;

/// How far a large hash's bound for its next expiry may lie behind the real one.
const BOUND_MS: u64 = 16;

/// The two forms, as they are stored.
#[derive(Clone, Copy)]
pub(crate) enum Stored<'a> {
    Packed(FlatRef<'a>, Form),
    Large(&'a Fields),
}

/// A hash as a command sees it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub stored: Stored<'a>,
    /// Fields that expired before this time (Unix ms) are not there.
    pub now_ms: u64,
}

/// The hash under a key; counts the hit or miss.
#[inline]
pub(super) fn find<'c>(cx: &'c mut Cx<'_>, key: &[u8]) -> Result<Option<View<'c>>> {
    let now_ms = cx.field_clock();
    Ok(cx.find_kind(key, Kind::Hash)?.map(|entry| View::of(entry, now_ms)))
}

/// As [`find`], for a command that writes: hits and misses are not counted.
#[inline]
pub(super) fn find_to_change<'c>(cx: &'c mut Cx<'_>, key: &[u8]) -> Result<Option<View<'c>>> {
    let now_ms = cx.field_clock();
    Ok(cx.find_mut_kind(key, Kind::Hash)?.map(|slot| View::of(slot.into_ref(), now_ms)))
}

/// Whether a field with this expiry is to be seen.
#[inline]
pub(super) fn is_live(expire_ms: Option<u64>, now_ms: u64) -> bool {
    expire_ms.is_none_or(|at| now_ms <= at)
}

fn of_large(field: FieldRef<'_>) -> PackedField<'_> {
    PackedField {
        name: LpValue::Str(field.name()),
        value: LpValue::Str(field.value().unwrap_or_default()),
        expire_ms: field.expire_ms(),
    }
}

impl<'a> Stored<'a> {
    /// The value of an entry that is a hash.
    pub(crate) fn of(entry: EntryRef<'a>) -> Stored<'a> {
        match entry.value() {
            ValueRef::Packed(PackedRef::Hash(pack, form)) => Stored::Packed(pack, form),
            ValueRef::Object(Object::Hash(fields)) => Stored::Large(fields),
            _ => unreachable!("invariant: a hash is a listpack or a table"),
        }
    }

    /// Fields, expired ones included.
    pub(crate) fn len(self) -> usize {
        match self {
            Stored::Packed(pack, form) => packed::len(pack, form),
            Stored::Large(fields) => fields.len(),
        }
    }

    /// A field, expired or not.
    pub(crate) fn get(self, name: &[u8]) -> Option<PackedField<'a>> {
        match self {
            Stored::Packed(pack, form) => packed::find(pack, form, name).map(|(_, field)| field),
            Stored::Large(fields) => fields.get(name).map(of_large),
        }
    }

    /// Shows all fields, expired or not.
    pub(crate) fn visit(self, mut visit: impl FnMut(PackedField<'a>)) {
        match self {
            Stored::Packed(pack, form) => packed::iter(pack, form).for_each(visit),
            Stored::Large(fields) => fields.iter().for_each(|field| visit(of_large(field))),
        }
    }
}

impl<'a> View<'a> {
    /// The hash of an entry that is one.
    pub(crate) fn of(entry: EntryRef<'a>, now_ms: u64) -> View<'a> {
        View { stored: Stored::of(entry), now_ms }
    }

    /// A field that is there.
    #[inline]
    pub(crate) fn get(self, name: &[u8]) -> Option<PackedField<'a>> {
        self.stored.get(name).filter(|field| is_live(field.expire_ms, self.now_ms))
    }

    /// Whether a field has expired; errs towards yes by some ms.
    pub(super) fn has_expired(self) -> bool {
        match self.stored {
            Stored::Packed(_, Form::Pairs) => false,
            Stored::Packed(pack, Form::Triples) => !is_live(packed::next_expiry(pack), self.now_ms),
            Stored::Large(fields) => !is_live(fields.next_expiry(), self.now_ms.saturating_add(BOUND_MS)),
        }
    }

    /// Fields that are there.
    pub(crate) fn len(self) -> usize {
        if !self.has_expired() {
            return self.stored.len();
        }
        let mut count = 0;
        self.visit(|_| count += 1);
        count
    }

    /// Shows the fields that are there.
    pub(crate) fn visit(self, mut visit: impl FnMut(PackedField<'a>)) {
        let now_ms = self.now_ms;
        self.stored.visit(|field| {
            if is_live(field.expire_ms, now_ms) {
                visit(field);
            }
        });
    }

    /// The fields that are there.
    pub(crate) fn collect(self) -> Vec<PackedField<'a>> {
        let mut fields = Vec::new();
        self.visit(|field| fields.push(field));
        fields
    }

    /// One field at random; `None` if none is there. Looks at all fields if the hash is small, or many have expired.
    pub(crate) fn random(self, mut random: impl FnMut() -> u64) -> Option<PackedField<'a>> {
        /// Draws that may hit an expired field before all are looked at.
        const DRAWS: usize = 32;
        if let Stored::Large(fields) = self.stored {
            for _ in 0..DRAWS {
                let field = of_large(fields.random(&mut random)?);
                if is_live(field.expire_ms, self.now_ms) {
                    return Some(field);
                }
            }
        }
        let there = self.collect();
        let at = (u128::from(random()) * there.len() as u128) >> 64;
        there.get(at as usize).copied()
    }
}
