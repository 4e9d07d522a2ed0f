//! Changing a hash in either form, and turning a small one into a large one at the configured limits.
//!
//! An [`Editor`] stands for the value while it is changed: the listpack in its entry, or the table in its place. Called by
//! the handlers that write.

use config::{Directive, Store};
use ds::entry::{Encoding, Entry, Held, PackedRef, Value};
use ds::fields::Fields;
use ds::listpack::{Flat, FlatPack, LpPos, Pack};
use ds::num::IntText;
use ds::object::Object;
use ds::packed_hash::{self as packed, Form, PackedField};

use super::view::{Stored, View, is_live};

/// Bounds of the packed forms.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    entries: usize,
    value_bytes: usize,
}

impl Limits {
    /// As configured.
    pub(crate) fn of(config: &Store) -> Limits {
        let limit = |directive| usize::try_from(config.int(directive)).unwrap_or(0);
        Limits {
            entries: limit(Directive::HashMaxListpackEntries),
            value_bytes: limit(Directive::HashMaxListpackValue),
        }
    }

    /// Whether so many fields, the longest name or value having so many bytes, may be packed.
    pub(crate) fn allow(self, entries: usize, longest: usize) -> bool {
        entries <= self.entries && longest <= self.value_bytes
    }
}

/// What becomes of a field's expiry when its value is set.
#[derive(Clone, Copy)]
pub(super) enum Expiry {
    /// It stays, if the field is there.
    Keep,
    /// Unix ms.
    Set(Option<u64>),
}

/// What setting a field found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Put {
    Added,
    Replaced,
    /// A field that had expired; to the client it is a new one.
    OverExpired,
}

/// A hash that is being changed.
pub(crate) enum Editor<'a> {
    Packed(Pack<Held<'a>, Flat>, Form),
    /// New, or just grown out of a listpack.
    Own(Box<Fields>),
    Large(&'a mut Fields),
}

impl Editor<'_> {
    /// An empty one, for so many fields of which the longest name or value has so many bytes.
    pub(crate) fn new(limits: Limits, fields: usize, longest: usize) -> Editor<'static> {
        if limits.allow(fields, longest) {
            Editor::Packed(FlatPack::new().into(), Form::Pairs)
        } else {
            Editor::Own(Box::new(Fields::with_room(fields)))
        }
    }

    /// For reading.
    pub(crate) fn stored(&self) -> Stored<'_> {
        match self {
            Editor::Packed(pack, form) => Stored::Packed(pack.view(), *form),
            Editor::Own(fields) => Stored::Large(fields),
            Editor::Large(fields) => Stored::Large(fields),
        }
    }

    /// A field that is there at `now_ms`.
    pub(super) fn get(&self, name: &[u8], now_ms: u64) -> Option<PackedField<'_>> {
        View { stored: self.stored(), now_ms }.get(name)
    }

    /// Fields, expired ones included.
    pub(crate) fn len(&self) -> usize {
        self.stored().len()
    }

    /// Sets a field.
    pub(super) fn put(
        &mut self,
        name: &[u8],
        value: &[u8],
        expiry: Expiry,
        limits: Limits,
        now_ms: u64,
    ) -> Put {
        let place = match self {
            Editor::Packed(pack, form) => packed::find(pack.view(), *form, name),
            _ => None,
        };
        let place = place.map(|(pos, field)| (pos, field.expire_ms));
        let old = match self {
            Editor::Packed(..) => place.map(|(_, expire_ms)| expire_ms),
            _ => self.stored().get(name).map(|field| field.expire_ms),
        };
        let (done, kept) = match old {
            None => (Put::Added, None),
            Some(expire_ms) if is_live(expire_ms, now_ms) => (Put::Replaced, expire_ms),
            Some(_) => (Put::OverExpired, None),
        };
        let expire_ms = match expiry {
            Expiry::Keep => kept,
            Expiry::Set(expire_ms) => expire_ms,
        };
        self.place((name, value, expire_ms), place, limits);
        done
    }

    /// Stores a new field.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8], expire_ms: Option<u64>, limits: Limits) {
        self.place((name, value, expire_ms), None, limits);
    }

    /// Stores a field; `old` is where one of its name stands in a pack, and when that expires.
    fn place(
        &mut self,
        (name, value, expire_ms): (&[u8], &[u8], Option<u64>),
        mut old: Option<(LpPos, Option<u64>)>,
        limits: Limits,
    ) {
        if let Editor::Packed(pack, form) = self {
            let entries = packed::len(pack.view(), *form) + usize::from(old.is_none());
            let fits = pack.fits(packed::field_len(name, value));
            if fits && limits.allow(entries, name.len().max(value.len())) {
                if expire_ms.is_some() && with_expiries(pack, form) {
                    old = packed::find(pack.view(), *form, name).map(|(pos, field)| (pos, field.expire_ms));
                }
                packed::put_over(pack, *form, old, (name, value, expire_ms));
                return;
            }
            self.grow();
        }
        self.fields().insert(name, Some(value), expire_ms);
    }

    /// Removes a field that is there at `now_ms`.
    pub(super) fn remove(&mut self, name: &[u8], now_ms: u64) -> bool {
        match self {
            Editor::Packed(pack, form) => match packed::find(pack.view(), *form, name) {
                Some((pos, field)) if is_live(field.expire_ms, now_ms) => {
                    packed::remove(pack, *form, pos);
                    true
                }
                _ => false,
            },
            editor => {
                let fields = editor.fields();
                fields.get(name).is_some_and(|field| is_live(field.expire_ms(), now_ms))
                    && fields.remove(name)
            }
        }
    }

    /// Sets or removes the expiry of a field; nothing if there is no such field.
    pub(super) fn set_expiry(&mut self, name: &[u8], expire_ms: Option<u64>) {
        match self {
            Editor::Packed(pack, form) => {
                if expire_ms.is_some() {
                    with_expiries(pack, form);
                }
                if *form == Form::Triples {
                    packed::set_expiry(pack, name, expire_ms);
                }
            }
            editor => {
                editor.fields().set_expiry(name, expire_ms);
            }
        }
    }

    /// Removes up to `most` fields that expired before `now_ms`; gives their names.
    pub(super) fn take_expired(&mut self, now_ms: u64, most: usize) -> Vec<Vec<u8>> {
        match self {
            Editor::Packed(_, Form::Pairs) => Vec::new(),
            Editor::Packed(pack, form) => {
                // The earliest come first.
                let names: Vec<_> = packed::iter(pack.view(), *form)
                    .take(most)
                    .take_while(|field| !is_live(field.expire_ms, now_ms))
                    .map(|field| field.name.to_vec())
                    .collect();
                if let Some(first) = pack.view().first().filter(|_| !names.is_empty()) {
                    pack.remove_span(first, 3 * names.len());
                }
                names
            }
            editor => {
                let fields = editor.fields();
                let names = fields.due(now_ms, most);
                for name in &names {
                    fields.remove(name);
                }
                names
            }
        }
    }

    /// The table of a large hash.
    fn fields(&mut self) -> &mut Fields {
        match self {
            Editor::Own(fields) => fields,
            Editor::Large(fields) => fields,
            Editor::Packed(..) => unreachable!("invariant: the caller has looked for the packed forms"),
        }
    }

    fn grow(&mut self) {
        let Editor::Packed(pack, form) = self else { return };
        let mut fields = Box::<Fields>::default();
        let (mut name, mut value) = (IntText::new(), IntText::new());
        for field in packed::iter(pack.view(), *form) {
            fields.insert(field.name.text(&mut name), Some(field.value.text(&mut value)), field.expire_ms);
        }
        *self = Editor::Own(fields);
    }

    /// The editor, if the value has left its entry.
    fn outside(self) -> Option<Editor<'static>> {
        match self {
            Editor::Packed(pack, form) => pack.outside().map(|pack| Editor::Packed(pack.into(), form)),
            Editor::Own(fields) => Some(Editor::Own(fields)),
            Editor::Large(_) => None,
        }
    }

    /// Hands the value to `use_it` in the form that entries take; nothing if it is in its entry already.
    pub(crate) fn finish<R>(self, use_it: impl FnOnce(Value<'_>) -> R) -> Option<R> {
        match self {
            Editor::Packed(pack, form) => {
                pack.outside().map(|pack| use_it(Value::Packed(PackedRef::Hash(pack.view(), form))))
            }
            Editor::Own(fields) => Some(use_it(Value::Object(Box::new(Object::Hash(*fields))))),
            Editor::Large(_) => None,
        }
    }
}

impl Editor<'_> {
    /// Makes room for expiries, which a table always has; one takes the place of a pack that what is to come does not fit.
    pub(super) fn make_room(&mut self, fits: bool) {
        if !fits {
            self.grow();
        } else if let Editor::Packed(pack, form) = self {
            with_expiries(pack, form);
        }
    }
}

/// Makes room for expiries; answers whether there was none, in which case nothing is where it was.
fn with_expiries(pack: &mut Pack<Held<'_>, Flat>, form: &mut Form) -> bool {
    let made = *form == Form::Pairs;
    if made {
        *pack = packed::to_triples(pack.view()).into();
        *form = Form::Triples;
    }
    made
}

/// Changes the hash of an entry.
pub(super) fn edit<R>(entry: &mut Entry, now_ms: u64, change: impl FnOnce(&mut Editor<'_>) -> R) -> R {
    let form = if entry.view().encoding() == Encoding::HashPackedTtl { Form::Triples } else { Form::Pairs };
    if let Some(Object::Hash(fields)) = entry.object_mut() {
        fields.tell_time(now_ms);
        return change(&mut Editor::Large(fields));
    }
    let Some(pack) = entry.held_pack() else { unreachable!("invariant: a hash is a listpack or a table") };
    let mut editor = Editor::Packed(pack, form);
    let result = change(&mut editor);
    if let Some(left) = editor.outside() {
        left.finish(|value| entry.set_value(value));
    }
    result
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

    fn all(entry: &Entry) -> Model {
        let mut model = Model::new();
        Stored::of(entry.view()).visit(|field| {
            let old = model.insert(field.name.to_vec(), (field.value.to_vec(), field.expire_ms));
            assert!(old.is_none(), "each field once");
        });
        model
    }

    proptest! {
        /// All forms, and the way from one to the other, agree with the model, the clock running.
        #[test]
        fn agrees_with_a_map(
            steps in prop::collection::vec((0u8..6, "[ab0-9]{1,3}", "[a-c0-9]{0,3}", 0u64..6), 1..80),
            entries in 0usize..12,
        ) {
            let limits = Limits { entries, value_bytes: 2 };
            let empty = Value::Packed(PackedRef::Hash(FlatPack::new().view(), Form::Pairs)).into_entry();
            let mut entry = empty;
            let mut model = Model::new();
            let mut now = 0u64;
            for (step, name, value, at) in steps {
                now += 100;
                let (name, value) = (name.into_bytes(), value.into_bytes());
                let at = (at > 0).then_some(now + at * 100 - 250 % (now + at * 100));
                let live = |field: &(Vec<u8>, Option<u64>)| is_live(field.1, now);
                match step {
                    0..=2 => {
                        let expiry = if step == 0 { Expiry::Keep } else { Expiry::Set(at) };
                        let done = edit(&mut entry, now, |editor| editor.put(&name, &value, expiry, limits, now));
                        let old = model.get(&name).cloned();
                        prop_assert_eq!(done, match &old {
                            None => Put::Added,
                            Some(old) if live(old) => Put::Replaced,
                            Some(_) => Put::OverExpired,
                        });
                        let kept = old.filter(|old| live(old)).and_then(|old| old.1);
                        model.insert(name, (value, if step == 0 { kept } else { at }));
                    }
                    3 => {
                        let there = model.get(&name).is_some_and(live);
                        prop_assert_eq!(edit(&mut entry, now, |editor| editor.remove(&name, now)), there);
                        if there {
                            model.remove(&name);
                        }
                    }
                    4 => {
                        edit(&mut entry, now, |editor| editor.set_expiry(&name, at));
                        if let Some(field) = model.get_mut(&name) {
                            field.1 = at;
                        }
                    }
                    _ => {
                        let mut names = edit(&mut entry, now, |editor| editor.take_expired(now, usize::MAX));
                        names.sort();
                        let expired: Vec<_> = model.iter().filter(|(_, field)| !live(field)).map(|(name, _)| name.clone()).collect();
                        prop_assert_eq!(&names, &expired);
                        names.iter().for_each(|name| drop(model.remove(name)));
                    }
                }
                prop_assert_eq!(&all(&entry), &model);
                let view = View::of(entry.view(), now);
                let there = model.values().filter(|field| is_live(field.1, now)).count();
                prop_assert_eq!((view.len(), view.collect().len()), (there, there));
                for (name, field) in &model {
                    let seen = view.get(name).map(|field| field.value.to_vec());
                    prop_assert_eq!(seen, is_live(field.1, now).then(|| field.0.clone()));
                }
                let mut state = now;
                let drawn = view.random(|| { state = state.wrapping_mul(6364136223846793005).wrapping_add(1); state });
                prop_assert_eq!(drawn.is_some(), there > 0);
            }
        }
    }

    trait IntoEntry {
        fn into_entry(self) -> Entry;
    }

    impl IntoEntry for Value<'_> {
        fn into_entry(self) -> Entry {
            Entry::new(b"k", None, 0, self)
        }
    }
}
