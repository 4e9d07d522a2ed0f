//! Values: what a key in a file or a payload holds, decoded and checked.

use std::collections::HashSet;
use std::io::Read;

use ds::intset::Intset;
use ds::list::{Chunk, Fill, List};
use ds::listpack::{FlatPack, Listpack, LpValue};
use ds::num::IntText;
use ds::stream::Stream;
use ds::vector::VectorSet;
use ds::zset::{Inserted, Zset, packed};

use crate::input::{Input, Result};
use crate::types;
use crate::ziplist::{ziplist_to_listpack, zipmap_to_listpack};
use crate::{Dialect, ErrorKind, Version};

/// For telling whether strings of one value are all different.
type FastState = foldhash::fast::RandomState;
type FastSet<T> = HashSet<T, FastState>;

/// Room made for elements before any has arrived.
const FIRST_CAPACITY: u64 = 1024;
/// Chunks of lists from files that have none of their own.
const LIST_FILL: i64 = -2;

/// A loaded value. Packed forms are valid and not empty, whatever their size: the loader compares it with the limits.
#[derive(Debug)]
pub enum Value {
    Str(Vec<u8>),
    /// See [`List::as_small`] for the small form.
    List(List),
    Set(SetValue),
    Hash(HashValue),
    Zset(ZsetValue),
    Stream(Stream),
    Vectors(Box<VectorSet>),
}

/// A set without duplicates.
#[derive(Debug)]
pub enum SetValue {
    Intset(Intset),
    Packed(FlatPack),
    /// Up to [`FIRST_CAPACITY`] members, in the order of the file.
    Members(Vec<Vec<u8>>),
    Large(ds::fields::Fields),
}

/// A hash without duplicate fields.
#[derive(Debug)]
pub enum HashValue {
    /// See [`ds::packed_hash::Form::Pairs`].
    Packed(FlatPack),
    Fields(Vec<Field>),
}

/// One field of a hash.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    /// Expiry, Unix milliseconds.
    pub expire_ms: Option<i64>,
}

/// A sorted set.
#[derive(Debug)]
pub enum ZsetValue {
    /// See [`ds::zset::packed`].
    Packed(FlatPack),
    Large(Zset),
}

/// Reads the value of a type.
pub(crate) fn read<R: Read>(input: &mut Input<R>, kind: u8, version: Version) -> Result<Value> {
    let valkey = version.dialect == Dialect::Valkey;
    Ok(match kind {
        types::STRING => Value::Str(input.string()?),
        types::LIST => Value::List(plain_list(input)?),
        types::LIST_ZIPLIST => Value::List(List::from_pack(filled(input, ziplist)?)),
        types::LIST_QUICKLIST => Value::List(quicklist(input)?),
        types::LIST_QUICKLIST_2 => Value::List(quicklist_2(input)?),
        types::SET => Value::Set(plain_set(input)?),
        types::SET_INTSET => Value::Set(SetValue::Intset(intset(input)?)),
        types::SET_LISTPACK => Value::Set(SetValue::Packed(unique(input, listpack, 1)?)),
        types::HASH => Value::Hash(HashValue::Fields(fields(input, Ttl::None)?)),
        types::HASH_ZIPMAP => Value::Hash(HashValue::Packed(unique(input, zipmap, 2)?)),
        types::HASH_ZIPLIST => Value::Hash(HashValue::Packed(unique(input, ziplist, 2)?)),
        types::HASH_LISTPACK => Value::Hash(HashValue::Packed(unique(input, listpack, 2)?)),
        types::HASH_22 if valkey => Value::Hash(HashValue::Fields(fields(input, Ttl::Behind)?)),
        types::HASH_22 => Value::Hash(HashValue::Fields(fields(input, Ttl::Absolute)?)),
        types::HASH_METADATA if !valkey => {
            let least = input.i64_le()?;
            Value::Hash(HashValue::Fields(fields(input, Ttl::RelativeTo(least))?))
        }
        types::HASH_LISTPACK_EX if !valkey => {
            input.i64_le()?;
            Value::Hash(HashValue::Fields(triples(input)?))
        }
        types::HASH_LISTPACK_EX_PRE_GA if !valkey => Value::Hash(HashValue::Fields(triples(input)?)),
        types::ZSET => Value::Zset(ZsetValue::Large(zset(input, score_text)?)),
        types::ZSET_2 => Value::Zset(ZsetValue::Large(zset(input, score_binary)?)),
        types::ZSET_ZIPLIST => Value::Zset(ZsetValue::Packed(zset_pack(input, |input| {
            ziplist_of(input, "Zset ziplist integrity check failed")
        })?)),
        types::ZSET_LISTPACK => Value::Zset(ZsetValue::Packed(zset_pack(input, |input| {
            listpack_of(input, "Zset listpack integrity check failed")
        })?)),
        types::STREAM | types::STREAM_2 | types::STREAM_3 => Value::Stream(crate::stream::read(input, kind)?),
        types::STREAM_4 if !valkey => Value::Stream(crate::stream::read(input, kind)?),
        types::MODULE_2 => match input.length()? {
            crate::vectors::MODULE => Value::Vectors(Box::new(crate::vectors::read(input)?)),
            id => return input.fail(ErrorKind::Module(module_name(id))),
        },
        types::MODULE_PRE_GA => {
            let id = input.length()?;
            return input.fail(ErrorKind::Module(module_name(id)));
        }
        number => return input.fail(ErrorKind::UnknownType { number, version }),
    })
}

/// The name inside a module's 64-bit ID: nine characters of six bits.
pub(crate) fn module_name(id: u64) -> String {
    const CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).map(|i| CHARS[(id >> (58 - 6 * i)) as usize & 63] as char).collect()
}

/// A count of elements, at least one.
fn count<R: Read>(input: &mut Input<R>) -> Result<u64> {
    match input.length()? {
        0 => input.fail(ErrorKind::Empty),
        count => Ok(count),
    }
}

fn with_room<T>(count: u64) -> Vec<T> {
    Vec::with_capacity(count.min(FIRST_CAPACITY) as usize)
}

fn listpack<R: Read>(input: &mut Input<R>) -> Result<Listpack> {
    listpack_of(input, "Listpack integrity check failed")
}

/// A listpack; `damaged` says in the log what was no valid one.
pub(crate) fn listpack_of<R: Read>(input: &mut Input<R>, damaged: &'static str) -> Result<Listpack> {
    let bytes = input.string()?;
    input.check(Listpack::from_bytes(bytes).ok(), damaged)
}

fn ziplist<R: Read>(input: &mut Input<R>) -> Result<Listpack> {
    ziplist_of(input, "Ziplist integrity check failed")
}

fn ziplist_of<R: Read>(input: &mut Input<R>, damaged: &'static str) -> Result<Listpack> {
    let bytes = input.string()?;
    input.check(ziplist_to_listpack(&bytes), damaged)
}

/// A zipmap, which is never empty.
fn zipmap<R: Read>(input: &mut Input<R>) -> Result<Listpack> {
    let bytes = input.string()?;
    let pack = zipmap_to_listpack(&bytes).filter(|pack| !pack.is_empty());
    input.check(pack, "Zipmap integrity check failed")
}

/// A packed value with elements, as a file has it.
fn filled<R: Read>(
    input: &mut Input<R>,
    read: impl FnOnce(&mut Input<R>) -> Result<Listpack>,
) -> Result<Listpack> {
    let pack = read(input)?;
    if pack.is_empty() { input.fail(ErrorKind::Empty) } else { Ok(pack) }
}

fn intset<R: Read>(input: &mut Input<R>) -> Result<Intset> {
    let bytes = input.string()?;
    let set = input.check(Intset::from_bytes(bytes).ok(), "intset")?;
    if set.view().is_empty() { input.fail(ErrorKind::Empty) } else { Ok(set) }
}

/// Groups of `width` elements whose first ones are all different.
fn unique<R: Read>(
    input: &mut Input<R>,
    read: impl FnOnce(&mut Input<R>) -> Result<Listpack>,
    width: usize,
) -> Result<FlatPack> {
    let pack = filled(input, read)?.into_flat();
    if !pack.len().is_multiple_of(width) || !all_differ(&pack, width) {
        return input.corrupt("integrity check failed: duplicate or odd elements in a packed set or hash");
    }
    Ok(pack)
}

/// Whether each `width`-th element is another string. Equal hashes are rare enough to look at all strings then.
fn all_differ(pack: &FlatPack, width: usize) -> bool {
    let mut hashes: Vec<u64> = Vec::with_capacity(pack.len() / width);
    for element in pack.iter().step_by(width) {
        hashes.push(ds::hash::of(element.text(&mut IntText::new())));
    }
    hashes.sort_unstable();
    let mut strings = FastSet::default();
    hashes.windows(2).all(|pair| pair[0] != pair[1])
        || pack.iter().step_by(width).all(|element| strings.insert(element.to_vec()))
}

fn plain_list<R: Read>(input: &mut Input<R>) -> Result<List> {
    let fill = Fill::from_config(LIST_FILL);
    let mut list = List::new();
    for _ in 0..count(input)? {
        list.push_back(&input.string()?, fill);
    }
    Ok(list)
}

fn quicklist<R: Read>(input: &mut Input<R>) -> Result<List> {
    let mut list = List::new();
    for _ in 0..count(input)? {
        list.push_chunk(Chunk::Packed(ziplist(input)?.into()));
    }
    if list.is_empty() { input.fail(ErrorKind::Empty) } else { Ok(list) }
}

fn quicklist_2<R: Read>(input: &mut Input<R>) -> Result<List> {
    const PLAIN: u64 = 1;
    const PACKED: u64 = 2;
    let mut list = List::new();
    for _ in 0..count(input)? {
        match input.length()? {
            PLAIN => match input.string()? {
                element if element.is_empty() => return input.corrupt("empty list node"),
                element => list.push_chunk(Chunk::Plain(element.into())),
            },
            PACKED => list.push_chunk(Chunk::Packed(listpack(input)?.into())),
            _ => return input.corrupt("container of a list node"),
        }
    }
    if list.is_empty() { input.fail(ErrorKind::Empty) } else { Ok(list) }
}

fn plain_set<R: Read>(input: &mut Input<R>) -> Result<SetValue> {
    let count = count(input)?;
    if count <= FIRST_CAPACITY {
        return Ok(SetValue::Members(members(input, count)?));
    }
    let mut set = ds::fields::Fields::with_room(input.room(count, 4, FIRST_CAPACITY));
    for _ in 0..count {
        if !set.add(&input.string()?) {
            return input.corrupt("duplicate set members");
        }
    }
    Ok(SetValue::Large(set))
}

fn members<R: Read>(input: &mut Input<R>, count: u64) -> Result<Vec<Vec<u8>>> {
    let mut members = with_room(count);
    for _ in 0..count {
        members.push(input.string()?);
    }
    let mut seen = FastSet::with_capacity_and_hasher(members.len(), FastState::default());
    if !members.iter().all(|member| seen.insert(member)) {
        return input.corrupt("duplicate set members");
    }
    Ok(members)
}

/// How a hash holds the expiry of its fields.
#[derive(Clone, Copy)]
enum Ttl {
    None,
    /// A length before the field: 0 for none, else the Unix milliseconds.
    Absolute,
    /// A length before the field: 0 for none, else the distance from the least expiry plus one.
    RelativeTo(i64),
    /// Eight bytes after the value: -1 for none, else the Unix milliseconds.
    Behind,
}

fn fields<R: Read>(input: &mut Input<R>, ttl: Ttl) -> Result<Vec<Field>> {
    let count = count(input)?;
    let mut fields: Vec<Field> = with_room(count);
    for _ in 0..count {
        let mut expire_ms = match ttl {
            Ttl::None | Ttl::Behind => None,
            Ttl::Absolute => expiry(input, 0, 0)?,
            Ttl::RelativeTo(least) => expiry(input, least, 1)?,
        };
        let (name, value) = (input.string()?, input.string()?);
        if let Ttl::Behind = ttl {
            expire_ms = match input.i64_le()? {
                -1 => None,
                ms @ 0.. => Some(ms),
                _ => return input.corrupt("expiry of a field"),
            };
        }
        fields.push(Field { name, value, expire_ms });
    }
    no_duplicates(input, fields)
}

fn expiry<R: Read>(input: &mut Input<R>, least: i64, bias: u64) -> Result<Option<i64>> {
    let distance = input.length()?;
    if distance == 0 {
        return Ok(None);
    }
    let at =
        i64::try_from(distance - bias).ok().and_then(|base| least.checked_add(base)).filter(|at| *at >= 0);
    input.check(at, "expiry of a field").map(Some)
}

fn no_duplicates<R: Read>(input: &Input<R>, fields: Vec<Field>) -> Result<Vec<Field>> {
    let mut seen = FastSet::with_capacity_and_hasher(fields.len(), FastState::default());
    if !fields.iter().all(|field| seen.insert(&field.name)) {
        return input.corrupt("duplicate hash fields");
    }
    Ok(fields)
}

/// Groups of field, value, expiry (0 for none).
fn triples<R: Read>(input: &mut Input<R>) -> Result<Vec<Field>> {
    let pack = unique(input, listpack, 3)?;
    let mut fields = Vec::with_capacity(pack.len() / 3);
    let mut elements = pack.iter();
    while let (Some(name), Some(value), Some(expire)) = (elements.next(), elements.next(), elements.next()) {
        let expire_ms = match expire {
            LpValue::Int(0) => None,
            LpValue::Int(ms @ 1..) => Some(ms),
            _ => return input.corrupt("expiry of a field"),
        };
        fields.push(Field { name: name.to_vec(), value: value.to_vec(), expire_ms });
    }
    Ok(fields)
}

/// Bytes of the shortest member of a sorted set with its score, but for those of old files.
const LEAST_MEMBER: u64 = 9;

fn zset<R: Read>(input: &mut Input<R>, score: impl Fn(&mut Input<R>) -> Result<f64>) -> Result<Zset> {
    let count = count(input)?;
    let mut zset = Zset::with_room(input.room(count, LEAST_MEMBER, FIRST_CAPACITY));
    for _ in 0..count {
        let name = input.string()?;
        let score = score(input)?;
        if score.is_nan() || zset.insert(&name, score) != Inserted::Added {
            return input.corrupt("NAN score or duplicate members of a sorted set");
        }
    }
    Ok(zset)
}

fn score_binary<R: Read>(input: &mut Input<R>) -> Result<f64> {
    Ok(f64::from_le_bytes(input.array()?))
}

fn score_text<R: Read>(input: &mut Input<R>) -> Result<f64> {
    match input.byte()? {
        253 => Ok(f64::NAN),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => {
            let text = input.bytes(u64::from(len))?;
            input.check(ds::num::parse_f64(&text), "score of a sorted set")
        }
    }
}

fn zset_pack<R: Read>(
    input: &mut Input<R>,
    read: impl FnOnce(&mut Input<R>) -> Result<Listpack>,
) -> Result<FlatPack> {
    let pack = filled(input, read)?.into_flat();
    if packed::is_valid(pack.view()) {
        Ok(pack)
    } else {
        input
            .corrupt("integrity check failed: duplicates, odd elements or a NAN score in a packed sorted set")
    }
}
