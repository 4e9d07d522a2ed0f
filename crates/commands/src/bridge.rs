//! Between the entries of the keyspace and the values of dump files: saving, loading, DUMP and RESTORE.

use config::{Directive, Store};
use ds::entry::{Entry, EntryRef, PackedRef, Value, ValueRef};
use ds::fields::{self, FieldRef};
use ds::list::Fill;
use ds::object::{Object, Pinned};
use ds::packed_hash::{self, Form};
use ds::zset::packed;
use rdb::{Dialect, HashValue, KeyRecord, SaveValue, ZsetValue};

use crate::hash::edit::{Editor, Limits};

/// Runs `use_it` with the entry's value in the form that is saved.
pub fn with_saved<R>(entry: EntryRef<'_>, use_it: impl FnOnce(SaveValue<'_>) -> R) -> R {
    match entry.value() {
        ValueRef::Int(number) => use_it(SaveValue::Int(number)),
        ValueRef::Bytes(bytes) | ValueRef::Blob(bytes) => use_it(SaveValue::Str(bytes)),
        // Without an expiry left, a hash is saved as every version knows it.
        ValueRef::Packed(PackedRef::Hash(pack, Form::Triples))
            if packed_hash::next_expiry(pack).is_none() =>
        {
            use_it(SaveValue::HashPack(packed_hash::to_pairs(pack).view()))
        }
        ValueRef::Packed(packed) => use_it(packed_value(packed)),
        ValueRef::Object(object) => with_pinned(&object.pin(), use_it),
    }
}

fn packed_value(packed: PackedRef<'_>) -> SaveValue<'_> {
    match packed {
        PackedRef::List(pack) => SaveValue::ListPack(pack),
        PackedRef::Intset(ints) => SaveValue::Intset(ints),
        PackedRef::Set(pack) => SaveValue::SetPack(pack),
        PackedRef::Hash(pack, Form::Pairs) => SaveValue::HashPack(pack),
        PackedRef::Hash(pack, Form::Triples) => SaveValue::HashPackTtl(pack),
        PackedRef::Zset(pack) => SaveValue::ZsetPack(pack),
    }
}

/// Runs `use_it` with a pinned collection in the form that is saved.
pub fn with_pinned<R>(pinned: &Pinned, use_it: impl FnOnce(SaveValue<'_>) -> R) -> R {
    match pinned {
        Pinned::List(list) => use_it(SaveValue::List(list)),
        Pinned::Stream(stream) => use_it(SaveValue::Stream(stream)),
        Pinned::Vectors(set) => use_it(SaveValue::Vectors(set)),
        Pinned::Set(set) => {
            let mut members = set.iter().map(FieldRef::name);
            use_it(SaveValue::Set(set.len() as u64, &mut members))
        }
        Pinned::Hash(hash) => pinned_hash(hash, use_it),
        Pinned::Zset(zset) if zset.is_empty() => use_it(SaveValue::Zset(0, &mut std::iter::empty())),
        Pinned::Zset(zset) => {
            let mut members = zset.iter_rev_from(zset.len() - 1);
            use_it(SaveValue::Zset(zset.len() as u64, &mut members))
        }
    }
}

fn pinned_hash<R>(hash: &fields::Pin, use_it: impl FnOnce(SaveValue<'_>) -> R) -> R {
    let fields = || hash.iter().filter_map(|field| Some((field.name(), field.value()?, field.expire_ms())));
    let signed = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let count = hash.len() as u64;
    if hash.with_expiry_len() == 0 {
        return use_it(SaveValue::Hash(count, &mut fields().map(|(name, value, _)| (name, value))));
    }
    let least = fields().filter_map(|(.., expire_ms)| expire_ms).min().unwrap_or(0);
    let mut fields = fields().map(|(name, value, expire_ms)| (name, value, expire_ms.map(signed)));
    use_it(SaveValue::HashTtl(count, signed(least), &mut fields))
}

/// The payload of DUMP, in the words of `dialect` where the two families differ.
pub fn dump(entry: EntryRef<'_>, compress: bool, dialect: Dialect) -> Vec<u8> {
    with_saved(entry, |value| rdb::dump(value, compress, dialect))
}

/// Takes the fields whose time is past out of a loaded hash; their names, and whether others are left. Only for who may
/// expire.
pub fn take_expired_fields(value: &mut rdb::Value, now_ms: u64) -> (Vec<Vec<u8>>, bool) {
    let rdb::Value::Hash(HashValue::Fields(fields)) = value else { return (Vec::new(), true) };
    let expired = fields.extract_if(.., |field| field.expire_ms.is_some_and(|at| at < now_ms as i64));
    (expired.map(|field| field.name).collect(), !fields.is_empty())
}

/// Why a loaded value has no place in the keyspace: the name of its type.
#[derive(Debug, Clone, Copy)]
pub struct NotSupported(pub &'static str);

/// The entry for a loaded value, in the encoding that the configuration's limits ask for.
pub fn entry_of(
    key: &[u8],
    value: rdb::Value,
    expire_ms: Option<u64>,
    lru: u32,
    config: &Store,
) -> Result<Entry, NotSupported> {
    let entry = |value: Value<'_>| Entry::new(key, expire_ms, lru, value);
    let object = |object: Object| entry(Value::Object(Box::new(object)));
    Ok(match value {
        rdb::Value::Str(bytes) => match (bytes.len() <= 20).then(|| ds::num::parse_i64(&bytes)).flatten() {
            Some(number) => entry(Value::Int(number)),
            None if bytes.len() > ds::entry::INLINE_BYTES => {
                entry(Value::Blob(ds::blob::Blob::from_vec(bytes)))
            }
            None => entry(Value::Bytes(&bytes)),
        },
        rdb::Value::List(list) => {
            let fill = Fill::from_config(config.int(Directive::ListMaxListpackSize));
            match list.as_small(fill) {
                Some(pack) => entry(Value::Packed(PackedRef::List(pack.view()))),
                None => object(Object::List(list)),
            }
        }
        rdb::Value::Zset(ZsetValue::Large(zset)) => object(Object::Zset(zset)),
        rdb::Value::Zset(ZsetValue::Packed(pack)) => {
            let small = packed::len(pack.view()) as i64 <= config.int(Directive::ZsetMaxListpackEntries)
                && packed::iter(pack.view()).all(|(member, _)| {
                    member.text_len() as i64 <= config.int(Directive::ZsetMaxListpackValue)
                });
            if small {
                entry(Value::Packed(PackedRef::Zset(pack.view())))
            } else {
                let mut zset = ds::zset::Zset::new();
                for (member, score) in packed::iter(pack.view()) {
                    zset.insert(&member.to_vec(), score);
                }
                object(Object::Zset(zset))
            }
        }
        rdb::Value::Stream(stream) => object(Object::Stream(stream)),
        rdb::Value::Vectors(set) => object(Object::Vectors(*set)),
        rdb::Value::Set(set) => {
            let editor = crate::set::loaded(set, crate::set::edit::Limits::of(config));
            editor.finish(entry).ok_or(NotSupported("set"))?
        }
        rdb::Value::Hash(HashValue::Packed(pack)) => {
            let limits = Limits::of(config);
            let longest = pack.iter().map(|text| text.text_len()).max().unwrap_or(0);
            if limits.allow(pack.len() / 2, longest) {
                entry(Value::Packed(PackedRef::Hash(pack.view(), Form::Pairs)))
            } else {
                let texts: Vec<_> = pack.iter().map(|text| text.to_vec()).collect();
                hash_of(texts.chunks_exact(2).map(|pair| (&pair[0][..], &pair[1][..], None)), limits, entry)
            }
        }
        rdb::Value::Hash(HashValue::Fields(fields)) => {
            let expiry = |field: &rdb::Field| field.expire_ms.map(|at| at.max(0) as u64);
            let fields = fields.iter().map(|field| (&field.name[..], &field.value[..], expiry(field)));
            hash_of(fields, Limits::of(config), entry)
        }
    })
}

/// A hash of fields that all differ.
fn hash_of<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8], Option<u64>)> + Clone,
    limits: Limits,
    entry: impl FnOnce(Value<'_>) -> Entry,
) -> Entry {
    let longest = fields.clone().map(|(name, value, _)| name.len().max(value.len())).max();
    let mut editor = Editor::new(limits, fields.clone().count(), longest.unwrap_or(0));
    fields.for_each(|(name, value, expire_ms)| editor.add(name, value, expire_ms, limits));
    editor.finish(entry).expect("invariant: a new hash is not in an entry yet")
}

/// The entry for a key of a dump file; see [`entry_of`].
pub fn entry_of_record(record: KeyRecord, now_ms: u64, config: &Store) -> Result<Entry, NotSupported> {
    let lru = match (record.frequency, record.idle_s) {
        (Some(counter), _) => crate::lru::with_frequency(counter, now_ms),
        (None, Some(idle_s)) => crate::lru::from_idle(idle_s, now_ms),
        (None, None) => crate::lru::clock(now_ms),
    };
    let expire_ms = record.expire_ms.map(|at| at.max(0) as u64);
    entry_of(&record.key, record.value, expire_ms, lru, config)
}
