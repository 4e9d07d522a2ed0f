//! Values on their way out: borrowed from wherever the data set keeps them.

use ds::intset::IntsetRef;
use ds::list::{Chunk, List};
use ds::listpack::{FlatPack, FlatRef, LpRef};
use ds::packed_hash::{self, Form};
use ds::stream::{Group, Stream, StreamId};
use ds::vector::VectorSet;

use crate::{Dialect, Sink, Version, Writer, types};

/// A field of a large hash with its expiry (Unix milliseconds).
pub type FieldTtl<'a> = (&'a [u8], &'a [u8], Option<i64>);

/// A value to be saved. Large collections come as their number of elements and an iterator that gives just as many.
pub enum SaveValue<'a> {
    Str(&'a [u8]),
    Int(i64),
    ListPack(LpRef<'a>),
    List(&'a List),
    Intset(IntsetRef<'a>),
    SetPack(FlatRef<'a>),
    Set(u64, &'a mut dyn Iterator<Item = &'a [u8]>),
    HashPack(FlatRef<'a>),
    /// A packed hash of [`ds::packed_hash::Form::Triples`], at least one of which has an expiry.
    HashPackTtl(FlatRef<'a>),
    Hash(u64, &'a mut dyn Iterator<Item = (&'a [u8], &'a [u8])>),
    /// With the least expiry of all fields.
    HashTtl(u64, i64, &'a mut dyn Iterator<Item = FieldTtl<'a>>),
    ZsetPack(FlatRef<'a>),
    /// Members in descending order load fastest in Redis.
    Zset(u64, &'a mut dyn Iterator<Item = (&'a [u8], f64)>),
    Stream(&'a Stream),
    /// Known to Redis 8 alone, in every version of the format.
    Vectors(&'a VectorSet),
}

impl SaveValue<'_> {
    /// The lowest version that holds the value without loss, of the dialect if only later versions do.
    pub fn lowest_version(&self, dialect: Dialect) -> Version {
        match self {
            SaveValue::HashTtl(..) | SaveValue::HashPackTtl(_) if dialect == Dialect::Valkey => {
                Version { dialect, number: Version::NEWEST_VALKEY }
            }
            SaveValue::HashTtl(..) | SaveValue::HashPackTtl(_) => Version::redis(12),
            SaveValue::Stream(stream) if !stream.idempotence().is_default() => Version::redis(13),
            SaveValue::Stream(stream) if has_consumers(stream) => Version::redis(11),
            _ => Version::LOWEST,
        }
    }

    /// The type that a file of this version holds the value as. Where nothing older does without loss of more than a
    /// consumer's time of activity, the type is newer than the version.
    pub(crate) fn kind(&self, version: Version) -> u8 {
        match self {
            SaveValue::Str(_) | SaveValue::Int(_) => types::STRING,
            SaveValue::ListPack(_) | SaveValue::List(_) => types::LIST_QUICKLIST_2,
            SaveValue::Intset(_) => types::SET_INTSET,
            // Before version 11 a set of strings is always a plain one.
            SaveValue::SetPack(_) if version.number >= 11 => types::SET_LISTPACK,
            SaveValue::SetPack(_) | SaveValue::Set(..) => types::SET,
            SaveValue::HashPack(_) => types::HASH_LISTPACK,
            SaveValue::Hash(..) => types::HASH,
            SaveValue::HashTtl(..) | SaveValue::HashPackTtl(_) if version.dialect == Dialect::Valkey => {
                types::HASH_22
            }
            SaveValue::HashPackTtl(_) => types::HASH_LISTPACK_EX,
            SaveValue::HashTtl(..) => types::HASH_METADATA,
            SaveValue::ZsetPack(_) => types::ZSET_LISTPACK,
            SaveValue::Zset(..) => types::ZSET_2,
            SaveValue::Stream(stream) => match version {
                Version { dialect: Dialect::Redis, .. } if !stream.idempotence().is_default() => {
                    types::STREAM_4
                }
                Version { number: 11.., .. } => types::STREAM_3,
                _ => types::STREAM_2,
            },
            SaveValue::Vectors(_) => types::MODULE_2,
        }
    }

    /// Writes the value without type and key.
    pub(crate) fn write<S: Sink>(self, kind: u8, out: &mut Writer<S>) {
        match self {
            SaveValue::Str(text) => out.string(text),
            SaveValue::Int(value) => out.integer(value),
            SaveValue::ListPack(pack) => {
                out.length(1);
                chunk(out, PACKED, pack.as_bytes());
            }
            SaveValue::List(list) => {
                out.length(list.chunk_count() as u64);
                list.chunks().for_each(|part| match part {
                    Chunk::Packed(pack) => chunk(out, PACKED, pack.as_bytes()),
                    Chunk::Plain(element) => chunk(out, PLAIN, element),
                });
            }
            SaveValue::SetPack(pack) if kind == types::SET => {
                out.length(pack.len() as u64);
                pack.iter().for_each(|member| out.string(&member.to_vec()));
            }
            SaveValue::Intset(set) => out.string(set.as_bytes()),
            SaveValue::SetPack(pack) | SaveValue::HashPack(pack) | SaveValue::ZsetPack(pack) => {
                out.listpack(pack);
            }
            SaveValue::Set(count, members) => {
                out.length(count);
                members.for_each(|member| out.string(member));
            }
            SaveValue::Hash(count, fields) => {
                out.length(count);
                fields.for_each(|(name, value)| {
                    out.string(name);
                    out.string(value);
                });
            }
            SaveValue::HashTtl(count, least, fields) => hash_ttl(out, kind, count, least, fields),
            SaveValue::HashPackTtl(pack) if kind == types::HASH_22 => packed_ttl(out, pack),
            SaveValue::HashPackTtl(pack) => {
                let least = packed_hash::next_expiry(pack).map_or(0, for_redis);
                out.raw(&least.to_le_bytes());
                let late =
                    packed_hash::iter(pack, Form::Triples).any(|field| field.expire_ms > Some(MOST_MS));
                if late { out.listpack(earlier(pack).view()) } else { out.listpack(pack) }
            }
            SaveValue::Zset(count, members) => {
                out.length(count);
                members.for_each(|(name, score)| {
                    out.string(name);
                    out.raw(&score.to_le_bytes());
                });
            }
            SaveValue::Stream(value) => stream(out, kind, value),
            SaveValue::Vectors(set) => crate::vectors::write(out, set),
        }
    }
}

/// The latest expiry of a field that Redis takes; it stops at files with much later ones.
const MOST_MS: u64 = (1 << 46) - 1;
const PLAIN: u64 = 1;
const PACKED: u64 = 2;

fn chunk<S: Sink>(out: &mut Writer<S>, container: u64, bytes: &[u8]) {
    out.length(container);
    out.string(bytes);
}

fn hash_ttl<S: Sink>(
    out: &mut Writer<S>,
    kind: u8,
    count: u64,
    least: i64,
    fields: &mut dyn Iterator<Item = FieldTtl<'_>>,
) {
    let valkey = kind == types::HASH_22;
    let least = if valkey { least } else { for_redis(least.unsigned_abs()) };
    if !valkey {
        out.raw(&least.to_le_bytes());
    }
    out.length(count);
    fields.for_each(|(name, value, expire_ms)| {
        if !valkey {
            let distance = |ms: i64| for_redis(ms.unsigned_abs()) - least + 1;
            out.length(expire_ms.map_or(0, |ms| distance(ms).max(1).unsigned_abs()));
        }
        out.string(name);
        out.string(value);
        if valkey {
            out.raw(&expire_ms.unwrap_or(-1).to_le_bytes());
        }
    });
}

/// An expiry that Redis takes.
fn for_redis(expire_ms: u64) -> i64 {
    expire_ms.min(MOST_MS) as i64
}

/// Packed triples with expiries that Redis takes.
fn earlier(pack: FlatRef<'_>) -> FlatPack {
    let mut out = FlatPack::new();
    for field in packed_hash::iter(pack, Form::Triples) {
        out.push_value(field.name);
        out.push_value(field.value);
        out.push_int(field.expire_ms.map_or(0, for_redis));
    }
    out
}

/// The fields of packed triples in Valkey's form.
fn packed_ttl<S: Sink>(out: &mut Writer<S>, pack: FlatRef<'_>) {
    out.length(packed_hash::len(pack, Form::Triples) as u64);
    for field in packed_hash::iter(pack, Form::Triples) {
        out.string(&field.name.to_vec());
        out.string(&field.value.to_vec());
        out.raw(&field.expire_ms.map_or(-1, |at| at as i64).to_le_bytes());
    }
}

fn has_consumers(stream: &Stream) -> bool {
    stream.groups().iter().any(|(_, group)| group.consumer_count() > 0)
}

fn id<S: Sink>(out: &mut Writer<S>, id: StreamId) {
    out.length(id.ms);
    out.length(id.seq);
}

fn stream<S: Sink>(out: &mut Writer<S>, kind: u8, stream: &Stream) {
    out.length(stream.block_count() as u64);
    for block in stream.blocks() {
        out.string(&block.master().to_be_bytes());
        out.string(block.as_bytes());
    }
    let meta = stream.meta();
    out.length(meta.length);
    id(out, meta.last_id);
    id(out, meta.first_id);
    id(out, meta.max_deleted_id);
    out.length(meta.entries_added);
    out.length(stream.groups().len() as u64);
    for (name, group) in stream.groups().iter() {
        out.string(name);
        save_group(out, kind, group);
    }
    if kind == types::STREAM_4 {
        idempotence(out, stream);
    }
}

fn save_group<S: Sink>(out: &mut Writer<S>, kind: u8, group: &Group) {
    id(out, group.last_id);
    out.length(group.entries_read.unwrap_or(u64::MAX));
    out.length(group.pending_len() as u64);
    for entry in group.pending_from(StreamId::MIN) {
        out.raw(&entry.id.to_be_bytes());
        out.raw(&entry.nack.delivery_ms.to_le_bytes());
        out.length(entry.nack.deliveries);
    }
    out.length(group.consumer_count() as u64);
    for (_, consumer) in group.consumers() {
        out.string(consumer.name());
        out.raw(&consumer.seen_ms.to_le_bytes());
        if kind >= types::STREAM_3 {
            out.raw(&consumer.active_ms.to_le_bytes());
        }
        out.length(consumer.pending_len() as u64);
        consumer.pending_from(StreamId::MIN).for_each(|entry| out.raw(&entry.to_be_bytes()));
    }
}

fn idempotence<S: Sink>(out: &mut Writer<S>, stream: &Stream) {
    let state = stream.idempotence();
    out.length(state.duration_s);
    out.length(state.max_size);
    out.length(state.producers().len() as u64);
    for (name, producer) in state.producers() {
        out.string(name);
        out.length(producer.len() as u64);
        for (iid, entry) in producer.iter() {
            out.string(iid);
            id(out, entry);
        }
    }
    out.length(state.added);
    out.length(state.duplicates);
}
