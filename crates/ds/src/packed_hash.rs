//! Small hashes: a flat listpack of field, value, field, value...; or, once a field has an expiry, of field, value, expiry.
//!
//! Expiries are Unix milliseconds, 0 for none, in ascending order with those without one at the end, as Redis keeps
//! them: the first triple tells when the hash must be looked at. Positions are those of field names. The caller keeps
//! the size limits and converts to [`crate::fields::Fields`] beyond them.

use crate::listpack::{Flat, FlatPack, FlatRef, LpPos, LpValue, MOST_AROUND, Pack, Room};

/// The largest expiry that fits the packed form, and files.
const MOST_MS: u64 = i64::MAX as u64;

/// Which of the two forms a listpack has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Field, value.
    Pairs,
    /// Field, value, expiry.
    Triples,
}

impl Form {
    fn width(self) -> usize {
        match self {
            Form::Pairs => 2,
            Form::Triples => 3,
        }
    }
}

/// A field as it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PackedField<'a> {
    pub name: LpValue<'a>,
    pub value: LpValue<'a>,
    /// Unix milliseconds.
    pub expire_ms: Option<u64>,
}

/// Number of fields.
pub fn len(pack: FlatRef<'_>, form: Form) -> usize {
    pack.len() / form.width()
}

/// All fields in their order.
pub fn iter(pack: FlatRef<'_>, form: Form) -> impl Iterator<Item = PackedField<'_>> {
    let mut elements = pack.iter();
    std::iter::from_fn(move || {
        let (name, value) = (elements.next()?, elements.next()?);
        let expire_ms = match form {
            Form::Pairs => None,
            Form::Triples => expiry(elements.next()?),
        };
        Some(PackedField { name, value, expire_ms })
    })
}

fn expiry(element: LpValue<'_>) -> Option<u64> {
    element.as_i64().filter(|&ms| ms > 0).map(|ms| ms as u64)
}

/// The element for an expiry. Times before 1970 are as past as its first millisecond.
fn expiry_element(expire_ms: Option<u64>) -> LpValue<'static> {
    LpValue::Int(expire_ms.map_or(0, |ms| ms.clamp(1, MOST_MS) as i64))
}

/// Where a field stands, and what it holds.
#[inline]
pub fn find<'a>(pack: FlatRef<'a>, form: Form, name: &[u8]) -> Option<(LpPos, PackedField<'a>)> {
    let pos = pack.find(pack.first(), name, form.width() - 1)?;
    let value_pos = pack.next(pos)?;
    let expire_ms = match form {
        Form::Pairs => None,
        Form::Triples => expiry(pack.value(pack.next(value_pos)?)),
    };
    Some((pos, PackedField { name: pack.value(pos), value: pack.value(value_pos), expire_ms }))
}

/// The earliest expiry of the triples of a hash.
pub fn next_expiry(pack: FlatRef<'_>) -> Option<u64> {
    iter(pack, Form::Triples).next()?.expire_ms
}

/// Number of fields with an expiry.
pub fn with_expiry_len(pack: FlatRef<'_>, form: Form) -> usize {
    match form {
        Form::Pairs => 0,
        Form::Triples => iter(pack, form).take_while(|field| field.expire_ms.is_some()).count(),
    }
}

/// Bytes that a field adds at most.
pub fn field_len(name: &[u8], value: &[u8]) -> usize {
    const EXPIRY: usize = 11;
    name.len() + value.len() + 2 * MOST_AROUND + EXPIRY
}

/// Adds a field or replaces value and expiry of the one with this name. With pairs there must be no expiry.
pub fn put<R: Room>(pack: &mut Pack<R, Flat>, form: Form, name: &[u8], value: &[u8], expire_ms: Option<u64>) {
    let old = find(pack.view(), form, name).map(|(pos, field)| (pos, field.expire_ms));
    put_over(pack, form, old, (name, value, expire_ms));
}

/// As [`put`], where the caller knows place and expiry of the field as it is, if it is there.
#[inline]
pub fn put_over<R: Room>(
    pack: &mut Pack<R, Flat>,
    form: Form,
    old: Option<(LpPos, Option<u64>)>,
    (name, value, expire_ms): (&[u8], &[u8], Option<u64>),
) {
    debug_assert!(form == Form::Triples || expire_ms.is_none(), "pairs have no expiry");
    let value = LpValue::from_bytes(value);
    if let Some((pos, old_ms)) = old {
        if old_ms == expire_ms {
            if let Some(pos) = pack.view().next(pos) {
                pack.replace(pos, value);
            }
            return;
        }
        remove(pack, form, pos);
    }
    place(pack, form, LpValue::from_bytes(name), value, expire_ms);
}

/// Inserts a field that is not there at its place.
fn place<R: Room>(
    pack: &mut Pack<R, Flat>,
    form: Form,
    name: LpValue<'_>,
    value: LpValue<'_>,
    expire_ms: Option<u64>,
) {
    let before = match (form, expire_ms) {
        (Form::Triples, Some(at)) => first_after(pack.view(), at),
        _ => None,
    };
    let pos = pack.insert_before(before, name);
    let pos = pack.insert_after(pos, value);
    if form == Form::Triples {
        pack.insert_after(pos, expiry_element(expire_ms));
    }
}

/// The first triple that expires at `at` or later, or never. Redis puts the newest of equal ones first, too.
fn first_after(pack: FlatRef<'_>, at: u64) -> Option<LpPos> {
    pack.positions_from(pack.first()).step_by(Form::Triples.width()).find(|&pos| {
        let element = pack.next(pos).and_then(|pos| pack.next(pos)).map(|pos| pack.value(pos));
        element.and_then(expiry).is_none_or(|ms| ms >= at)
    })
}

/// Removes the field at `pos`.
pub fn remove<R: Room>(pack: &mut Pack<R, Flat>, form: Form, pos: LpPos) {
    pack.remove_span(pos, form.width());
}

/// Sets or removes the expiry of a field of triples; false if there is no such field.
pub fn set_expiry<R: Room>(pack: &mut Pack<R, Flat>, name: &[u8], expire_ms: Option<u64>) -> bool {
    let Some((pos, old)) = find(pack.view(), Form::Triples, name) else { return false };
    if old.expire_ms != expire_ms {
        let value = old.value.to_vec();
        remove(pack, Form::Triples, pos);
        place(pack, Form::Triples, LpValue::from_bytes(name), LpValue::from_bytes(&value), expire_ms);
    }
    true
}

/// The triples for pairs; no field expires.
pub fn to_triples(pairs: FlatRef<'_>) -> FlatPack {
    let mut pack = FlatPack::new();
    for field in iter(pairs, Form::Pairs) {
        pack.push_value(field.name);
        pack.push_value(field.value);
        pack.push_int(0);
    }
    pack
}

/// The pairs of triples; expiries are dropped.
pub fn to_pairs(triples: FlatRef<'_>) -> FlatPack {
    let mut pack = FlatPack::new();
    for field in iter(triples, Form::Triples) {
        pack.push_value(field.name);
        pack.push_value(field.value);
    }
    pack
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

    fn all(pack: &FlatPack, form: Form) -> Model {
        iter(pack.view(), form)
            .map(|field| (field.name.to_vec(), (field.value.to_vec(), field.expire_ms)))
            .collect()
    }

    proptest! {
        #[test]
        fn triples_agree_with_a_map_and_stay_in_order(
            steps in prop::collection::vec(("[a-e1-3]", "[a-z0-9]{0,3}", 0u64..4, 0u8..4), 0..80),
        ) {
            let mut pack = FlatPack::new();
            let mut model = Model::new();
            for (name, value, at, step) in steps {
                let (name, value) = (name.into_bytes(), value.into_bytes());
                let at = (at > 0).then_some(at * 1000);
                match step {
                    0 | 1 => {
                        put(&mut pack, Form::Triples, &name, &value, at);
                        model.insert(name, (value, at));
                    }
                    2 => {
                        let there = model.get_mut(&name).map(|old| old.1 = at).is_some();
                        prop_assert_eq!(set_expiry(&mut pack, &name, at), there);
                    }
                    _ => {
                        if let Some((pos, _)) = find(pack.view(), Form::Triples, &name) {
                            remove(&mut pack, Form::Triples, pos);
                        }
                        model.remove(&name);
                    }
                }
                prop_assert_eq!(&all(&pack, Form::Triples), &model);
                prop_assert_eq!(len(pack.view(), Form::Triples), model.len());
                let order: Vec<_> = iter(pack.view(), Form::Triples)
                    .map(|field| field.expire_ms.unwrap_or(u64::MAX)).collect();
                prop_assert!(order.is_sorted());
                prop_assert_eq!(next_expiry(pack.view()), model.values().filter_map(|field| field.1).min());
                prop_assert_eq!(with_expiry_len(pack.view(), Form::Triples), model.values().filter(|field| field.1.is_some()).count());
            }
        }

        #[test]
        fn pairs_agree_with_a_map(
            steps in prop::collection::vec(("[a-e1-3]", "[a-z0-9]{0,3}", any::<bool>()), 0..60),
        ) {
            let mut pack = FlatPack::new();
            let mut model = Model::new();
            for (name, value, removes) in steps {
                let (name, value) = (name.into_bytes(), value.into_bytes());
                let found = find(pack.view(), Form::Pairs, &name).map(|(pos, field)| (pos, field.value.to_vec()));
                prop_assert_eq!(found.as_ref().map(|found| &found.1), model.get(&name).map(|field| &field.0));
                if removes {
                    if let Some((pos, _)) = found {
                        remove(&mut pack, Form::Pairs, pos);
                    }
                    model.remove(&name);
                } else {
                    put(&mut pack, Form::Pairs, &name, &value, None);
                    model.insert(name, (value, None));
                }
                prop_assert_eq!(&all(&pack, Form::Pairs), &model);
            }
            let triples = to_triples(pack.view());
            prop_assert_eq!(all(&triples, Form::Triples), model);
            prop_assert!(to_pairs(triples.view()) == pack);
        }
    }

    #[test]
    fn a_new_field_never_takes_more_than_announced() {
        for (name, value) in
            [("a", "1"), ("f", ""), ("12", "-9223372036854775808"), ("long name", &"x".repeat(5000))]
        {
            let mut pack = FlatPack::new();
            let before = pack.as_bytes().len();
            put(&mut pack, Form::Triples, name.as_bytes(), value.as_bytes(), Some(u64::MAX));
            assert!(pack.as_bytes().len() - before <= field_len(name.as_bytes(), value.as_bytes()));
        }
    }
}
