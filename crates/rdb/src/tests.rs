//! Files and payloads of real servers, round trips, and damaged bytes.

use std::collections::BTreeMap;

use ds::intset::Intset;
use ds::list::{Fill, List};
use ds::listpack::{FlatPack, Listpack, LpValue};
use ds::num::format_f64;
use ds::packed_hash::{self, Form};
use ds::stream::{AddId, BlockLimits, Group, Nack, Stream, StreamId};
use ds::vector::VectorSet;
use ds::zset::{Zset, packed};
use proptest::prelude::*;

use crate::*;

const REDIS: &[u8] = include_bytes!("fixtures/redis-8.6.3.rdb");
const VALKEY: &[u8] = include_bytes!("fixtures/valkey-9.1.2.rdb");

/// A text that two equal values share, whatever their encoding.
fn canonical(value: &Value) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let sorted = |mut parts: Vec<String>| {
        parts.sort();
        parts.join(" ")
    };
    let element = |value: LpValue<'_>| text(&value.to_vec());
    match value {
        Value::Str(s) => format!("string {}", text(s)),
        Value::List(list) => format!("list {}", list.iter().map(element).collect::<Vec<_>>().join(" ")),
        Value::Set(set) => format!(
            "set {}",
            sorted(match set {
                SetValue::Intset(set) => set.view().iter().map(|n| n.to_string()).collect(),
                SetValue::Packed(pack) => pack.iter().map(element).collect(),
                SetValue::Members(members) => members.iter().map(|m| text(m)).collect(),
                SetValue::Large(set) => set.iter().map(|m| text(m.name())).collect(),
            })
        ),
        Value::Hash(HashValue::Packed(pack)) => {
            let parts: Vec<_> = pack.iter().map(element).collect();
            format!("hash {}", sorted(parts.chunks(2).map(|p| format!("{}={}@None", p[0], p[1])).collect()))
        }
        Value::Hash(HashValue::Fields(fields)) => {
            let part = |f: &Field| format!("{}={}@{:?}", text(&f.name), text(&f.value), f.expire_ms);
            format!("hash {}", sorted(fields.iter().map(part).collect()))
        }
        Value::Zset(zset) => {
            let part = |name: &[u8], score| {
                let mut out = Vec::new();
                format_f64(score, &mut out);
                format!("{}:{}", text(name), text(&out))
            };
            let parts: Vec<_> = match zset {
                ZsetValue::Packed(pack) => {
                    packed::iter(pack.view()).map(|(name, score)| part(&name.to_vec(), score)).collect()
                }
                ZsetValue::Large(zset) => zset.iter().map(|(name, score)| part(name, score)).collect(),
            };
            format!("zset {}", parts.join(" "))
        }
        Value::Stream(stream) => format!("stream {}", canonical_stream(stream)),
        Value::Vectors(set) => format!("vectorset {}", canonical_vectors(set)),
    }
}

fn canonical_vectors(set: &VectorSet) -> String {
    let matrix: Option<Vec<f32>> = set.projection().map(|projection| projection.rows(set.dim()).collect());
    let mut out = format!("{set:?} {} {matrix:?}", set.m());
    for slot in set.from_name(b"") {
        let element = set.element(slot);
        let name = element.name.escape_ascii();
        out += &format!(" {} {name} {:?} {:?}", element.id, element.attribute, set.raw(slot));
        out += &format!(" {:x} {:x}", element.norm.to_bits(), element.range.to_bits());
        for (level, links) in element.levels().enumerate() {
            let ids: Vec<u64> = links.iter().map(|other| set.element(*other).id).collect();
            out += &format!(" {ids:?} {:?}", element.worst(level));
        }
    }
    out
}

fn canonical_stream(stream: &Stream) -> String {
    let mut out = format!("{:?}", stream.meta());
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        let fields: Vec<_> = entry.fields().map(|(f, v)| (f.to_vec(), v.to_vec())).collect();
        out += &format!(" {} {fields:?}", entry.id());
    }
    for (name, group) in stream.groups().iter() {
        out += &format!(" group {name:?} {} {:?}", group.last_id, group.entries_read);
        for (_, consumer) in group.consumers() {
            let times = (consumer.seen_ms, consumer.active_ms);
            out += &format!(" consumer {:?} {times:?}", consumer.name());
            for id in consumer.pending_from(StreamId::MIN) {
                let nack = group.pending(id).expect("in the group's list");
                out += &format!(" {id} {} {}", nack.delivery_ms, nack.deliveries);
            }
        }
    }
    let idempotence = stream.idempotence();
    out += &format!(" {} {}", idempotence.duration_s, idempotence.max_size);
    for (name, producer) in idempotence.producers() {
        out += &format!(" {name:?} {:?}", producer.iter().collect::<Vec<_>>());
    }
    out + &format!(" {} {}", idempotence.added, idempotence.duplicates)
}

/// Saves a value that was loaded.
fn with_save<R>(value: &Value, save: impl FnOnce(SaveValue<'_>) -> R) -> R {
    match value {
        Value::Str(text) => save(SaveValue::Str(text)),
        Value::List(list) => save(SaveValue::List(list)),
        Value::Set(SetValue::Intset(set)) => save(SaveValue::Intset(set.view())),
        Value::Set(SetValue::Packed(pack)) => save(SaveValue::SetPack(pack.view())),
        Value::Set(SetValue::Members(members)) => {
            save(SaveValue::Set(members.len() as u64, &mut members.iter().map(Vec::as_slice)))
        }
        Value::Set(SetValue::Large(set)) => {
            let pin = set.pin();
            save(SaveValue::Set(pin.len() as u64, &mut pin.iter().map(|member| member.name())))
        }
        Value::Hash(HashValue::Packed(pack)) => save(SaveValue::HashPack(pack.view())),
        Value::Hash(HashValue::Fields(fields)) => {
            let count = fields.len() as u64;
            match fields.iter().filter_map(|field| field.expire_ms).min() {
                None => save(SaveValue::Hash(count, &mut fields.iter().map(|f| (&f.name[..], &f.value[..])))),
                Some(least) => {
                    let mut parts = fields.iter().map(|f| (&f.name[..], &f.value[..], f.expire_ms));
                    save(SaveValue::HashTtl(count, least, &mut parts))
                }
            }
        }
        Value::Zset(ZsetValue::Packed(pack)) => save(SaveValue::ZsetPack(pack.view())),
        Value::Zset(ZsetValue::Large(zset)) => {
            save(SaveValue::Zset(zset.len() as u64, &mut zset.iter_rev_from(usize::MAX)))
        }
        Value::Stream(stream) => save(SaveValue::Stream(stream)),
        Value::Vectors(set) => save(SaveValue::Vectors(set)),
    }
}

type Keys = BTreeMap<(u64, String), (String, Option<i64>)>;

struct Loaded {
    keys: Keys,
    values: Vec<(Vec<u8>, Value)>,
    aux: Vec<String>,
    functions: usize,
    checksum: Option<u64>,
}

fn load(bytes: &[u8]) -> Result<Loaded, RdbError> {
    let mut reader = Reader::new(bytes, Trust::default())?;
    let mut out = Loaded { keys: Keys::new(), values: vec![], aux: vec![], functions: 0, checksum: None };
    let mut db = 0;
    while let Some(event) = reader.next_event()? {
        match event {
            Event::Aux { name, .. } => out.aux.push(String::from_utf8_lossy(&name).into_owned()),
            Event::SelectDb(number) => db = number,
            Event::Function(_) => out.functions += 1,
            Event::Key(record) => {
                let name = record.key.escape_ascii().to_string();
                out.keys.insert((db, name), (canonical(&record.value), record.expire_ms));
                out.values.push((record.key, record.value));
            }
            Event::End { checksum } => out.checksum = checksum,
            _ => {}
        }
    }
    Ok(out)
}

#[test]
fn large_sets_come_back() {
    let mut set = ds::fields::Fields::new();
    (0..3000).for_each(|n| assert!(set.add(format!("member {n}").as_bytes())));
    let value = Value::Set(SetValue::Large(set));
    let payload = with_save(&value, |saved| dump(saved, true, Dialect::Redis));
    let loaded = restore(&payload, Trust::default()).expect("just saved");
    assert!(matches!(loaded, Value::Set(SetValue::Large(_))));
    assert_eq!(canonical(&loaded), canonical(&value));
}

#[test]
fn files_of_real_servers() {
    for (bytes, dialect, server) in
        [(REDIS, Dialect::Redis, "redis-ver"), (VALKEY, Dialect::Valkey, "valkey-ver")]
    {
        let header = Reader::new(bytes, Trust::default()).expect("header").header();
        assert_eq!(header.dialect, dialect);
        let loaded = load(bytes).expect("a good file");
        assert!(loaded.checksum.is_some());
        assert!(loaded.aux.iter().any(|name| name == server), "{:?}", loaded.aux);
        assert_eq!(loaded.functions, 1);
        let get = |key: &str| {
            loaded.keys.get(&(0, key.to_owned())).map(|(value, _)| value.as_str()).unwrap_or("missing")
        };
        assert_eq!(get("str"), "string hello");
        assert_eq!(get("int16"), "string 1000");
        assert_eq!(get("int64"), "string 9223372036854775807");
        assert_eq!(get("lzf"), format!("string {}{}", "a".repeat(300), "b".repeat(100)));
        assert_eq!(get("smalllist"), "list a 1 -300 foo");
        let big: Vec<_> = (0..1500).map(|i| format!("{i}-element")).chain(["p".repeat(9000)]).collect();
        assert_eq!(get("biglist"), format!("list {}", big.join(" ")));
        assert_eq!(get("intset"), "set -70000 1 2");
        assert_eq!(get("smallset"), "set 3 a b");
        assert_eq!(get("smallhash"), "hash f=v@None g=12@None");
        assert_eq!(get("smallzset"), "zset c:-inf a:1 b:2.5 e:1e+20 d:inf");
        assert!(get("bigzset").starts_with("zset zmember0:0.25 zmember43:1.25 "));
        assert_eq!(get("ttlhash"), "hash a=1@Some(4000000000000) b=2@None");
        let ttls = format!("hash a=1@Some(4000000000123) b=2@None c={}@Some(4000000000000)", "x".repeat(80));
        assert_eq!(get("bigttlhash"), ttls);
        assert!(get("stream").contains("length: 249") && get("stream").contains("251-5 [([111, 116"));
        assert_eq!(loaded.keys[&(0, "ttl".into())].1, Some(4_000_000_000_000));
        assert_eq!(loaded.keys[&(3, "indb3".into())].0, "string x");
        assert_eq!(get("idmp").contains("[([105, 49], StreamId"), dialect == Dialect::Redis);
    }
}

/// What was loaded is written in every version, and loads as the same again.
#[test]
fn every_value_round_trips() {
    let versions = [
        Version::LOWEST,
        Version::redis(11),
        Version::redis(13),
        Version { dialect: Dialect::Valkey, number: 80 },
    ];
    for bytes in [REDIS, VALKEY] {
        for (version, compress) in versions.into_iter().zip([true, false, true, false]) {
            let loaded = load(bytes).expect("a good file");
            let mut writer = Writer::new(Vec::new(), version, compress);
            writer.header();
            writer.aux(b"russet-ver", b"1");
            writer.select_db(0);
            writer.resize_db(loaded.values.len() as u64, 1);
            for (key, value) in &loaded.values {
                with_save(value, |value| writer.key(key, Some(77), Eviction::Idle(5), value));
            }
            let again = load(&writer.finish(true)).expect("our own file");
            assert!(again.checksum.is_some());
            assert_eq!(again.values.len(), loaded.values.len());
            for ((key, value), (_, old)) in again.values.iter().zip(&loaded.values) {
                let lossy = matches!(value, Value::Stream(_)) && version.number == 10
                    || key == b"idmp" && version.dialect == Dialect::Valkey;
                if !lossy {
                    assert_eq!(canonical(value), canonical(old), "{}", key.escape_ascii());
                }
            }
            assert!(again.keys.values().all(|(_, expire_ms)| *expire_ms == Some(77)));
        }
    }
}

#[test]
fn payloads_round_trip() {
    for (key, value) in load(REDIS).expect("a good file").values {
        for (compress, dialect) in [(false, Dialect::Redis), (true, Dialect::Redis), (true, Dialect::Valkey)]
        {
            let payload = with_save(&value, |value| dump(value, compress, dialect));
            let again = restore(&payload, Trust::default()).expect("our own payload");
            assert_eq!(canonical(&again), canonical(&value), "{}", key.escape_ascii());
            let mut damaged = payload.clone();
            damaged[payload.len() / 2] ^= 1;
            assert!(matches!(restore(&damaged, Trust::default()), Err(DumpError::VersionOrChecksum)));
        }
    }
}

/// Packed hashes with expiries in both families' types; Redis takes no expiry beyond its limit.
#[test]
fn packed_fields_with_expiries() {
    const LIMIT: u64 = (1 << 46) - 1;
    for (at, kept) in [(1, 1), (1_999_999_999_999, 1_999_999_999_999), (LIMIT, LIMIT), (1 << 60, LIMIT)] {
        let mut pack = FlatPack::new();
        for (name, value, expire_ms) in [("a", "1", None), ("b", "two", Some(at)), ("c", "3", Some(1 << 61))]
        {
            packed_hash::put(&mut pack, Form::Triples, name.as_bytes(), value.as_bytes(), expire_ms);
        }
        for (dialect, kind, kept, latest) in [
            (Dialect::Redis, types::HASH_LISTPACK_EX, kept, LIMIT),
            (Dialect::Valkey, types::HASH_22, at, 1 << 61),
        ] {
            let payload = dump(SaveValue::HashPackTtl(pack.view()), false, dialect);
            assert_eq!(payload[0], kind);
            let Ok(Value::Hash(HashValue::Fields(fields))) = restore(&payload, Trust::default()) else {
                panic!("a hash")
            };
            let found: Vec<_> = fields.iter().map(|field| (&field.name[..], field.expire_ms)).collect();
            let expected: [(&[u8], _); 3] =
                [(b"b", Some(kept as i64)), (b"c", Some(latest as i64)), (b"a", None)];
            assert_eq!(found, expected);
        }
    }
}

/// Payloads of Redis: numbers as they are with attributes and levels; 8 bits behind a projection; bits.
const VECTORS: [&[u8]; 3] = [
    include_bytes!("fixtures/vectorset-f32.dump"),
    include_bytes!("fixtures/vectorset-q8.dump"),
    include_bytes!("fixtures/vectorset-bin.dump"),
];

/// Vector sets of Redis load, and are written with the same contents; where nothing is left to chance, with the same bytes.
#[test]
fn vector_sets() {
    for (payload, text) in VECTORS.into_iter().zip([
        "VectorSet of 40 vectors of 3 f32",
        "VectorSet of 10 vectors of 5 int8",
        "VectorSet of 4 vectors of 70 bin",
    ]) {
        let value = restore(payload, Trust::default()).expect("Redis' payload");
        let Value::Vectors(set) = &value else { panic!("a vector set") };
        assert_eq!(format!("{set:?}"), text);
        for (compress, dialect) in [(true, Dialect::Redis), (false, Dialect::Valkey)] {
            let again = with_save(&value, |value| dump(value, compress, dialect));
            assert_eq!(
                canonical(&restore(&again, Trust::default()).expect("our own payload")),
                canonical(&value)
            );
        }
        damage_vectors(payload);
    }
}

/// Cuts are refused; what passes after other damage can be used.
fn damage_vectors(payload: &[u8]) {
    let body = &payload[..payload.len() - 10];
    for cut in 0..body.len() {
        assert!(restore(&unsigned(&body[..cut], 13), Trust::default()).is_err(), "cut at {cut}");
    }
    for at in 0..body.len() {
        for flip in [1, 0x40, 0x80] {
            let mut damaged = body.to_vec();
            damaged[at] ^= flip;
            let Ok(Value::Vectors(mut set)) = restore(&unsigned(&damaged, 13), Trust::default()) else {
                continue;
            };
            set.insert(b"new", &vec![1.0; set.dim()], 10, 4);
            let names: Vec<Vec<u8>> = set.slots().map(|slot| set.element(slot).name.to_vec()).collect();
            names.iter().for_each(|name| assert!(set.remove(name)));
            assert!(set.is_empty());
        }
    }
}

/// Numbers that announce much more than follows take no memory.
#[test]
fn vector_sets_that_lie() {
    let module = [&[types::MODULE_2, 0x81], &crate::vectors::MODULE.to_be_bytes()[..]].concat();
    let number = |number: u64| [&[2, 0x81], &number.to_be_bytes()[..]].concat();
    for numbers in [
        vec![65_536, u64::MAX, 16 << 8, 0],
        vec![65_537, 1, 16 << 8, 0],
        vec![0, 0, 16 << 8, 0],
        vec![2, 1, 3 << 8, 0],
        vec![2, 1, 16 << 8 | 3, 0],
        vec![2, 0, 16 << 8, 0],
        vec![65_536, 1, 16 << 8, 1, 65_536],
    ] {
        let body = [module.clone(), numbers.into_iter().flat_map(number).collect(), vec![0]].concat();
        assert!(matches!(restore(&unsigned(&body, 13), Trust::default()), Err(DumpError::BadData(_))));
    }
}

/// DUMP of `SET k abc` in version 10, the lowest that both servers write and accept.
#[test]
fn payload_bytes() {
    let payload = dump(SaveValue::Str(b"abc"), true, Dialect::Redis);
    assert_eq!(payload[..7], *b"\x00\x03abc\x0a\x00");
    for (number, known) in
        [(0, false), (1, true), (13, true), (14, false), (79, false), (80, true), (81, false)]
    {
        let mut other = payload[..5].to_vec();
        other.extend_from_slice(&u16::to_le_bytes(number));
        other.extend_from_slice(&[0; 8]);
        assert_eq!(restore(&other, Trust::default()).is_ok(), known, "{number}");
    }
    assert!(matches!(restore(b"\x00\x03abc", Trust::default()), Err(DumpError::VersionOrChecksum)));
}

/// A payload without checksum around a body.
fn unsigned(body: &[u8], version: u16) -> Vec<u8> {
    [body, &version.to_le_bytes(), &[0; 8]].concat()
}

#[test]
fn refused_values() {
    let mut odd = Listpack::new();
    ["a", "1", "b"].iter().for_each(|e| odd.push_back(e.as_bytes()));
    let pack = |elements: &[&str]| elements.iter().map(|e| e.as_bytes()).collect::<Listpack>().into_bytes();
    let with_pack = |kind: u8, bytes: &[u8]| [&[kind, bytes.len() as u8], bytes].concat();
    for (what, body, version) in [
        ("empty set", vec![types::SET, 0], 10),
        ("empty list", vec![types::LIST_QUICKLIST_2, 0], 10),
        ("plain list node without a byte", b"\x12\x01\x01\x00".to_vec(), 10),
        ("list node without elements", with_pack_in_list(&pack(&[])), 10),
        ("empty listpack hash", with_pack(types::HASH_LISTPACK, &pack(&[])), 10),
        ("empty ziplist list", b"\x0a\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff".to_vec(), 10),
        ("empty zipmap hash", b"\x09\x02\x00\xff".to_vec(), 10),
        ("empty listpack zset", with_pack(types::ZSET_LISTPACK, &pack(&[])), 10),
        ("empty listpack set", with_pack(types::SET_LISTPACK, &pack(&[])), 11),
        ("empty intset", with_pack(types::SET_INTSET, Intset::new().as_bytes()), 10),
        ("duplicate set members", b"\x02\x02\x01a\x01a".to_vec(), 10),
        ("duplicate hash fields", b"\x04\x02\x01a\x01x\x01a\x01y".to_vec(), 10),
        ("duplicate fields in a listpack", with_pack(types::HASH_LISTPACK, &pack(&["a", "1", "a", "2"])), 10),
        ("duplicate members in a listpack", with_pack(types::SET_LISTPACK, &pack(&["a", "a"])), 11),
        ("odd listpack hash", with_pack(types::HASH_LISTPACK, odd.as_bytes()), 10),
        ("NaN in a listpack zset", with_pack(types::ZSET_LISTPACK, &pack(&["a", "nan"])), 10),
        ("duplicate zset members", with_pack(types::ZSET_LISTPACK, &pack(&["a", "1", "a", "2"])), 10),
        ("NaN score", [b"\x05\x01\x01a", &f64::NAN.to_le_bytes()[..]].concat(), 10),
        ("size 2^63", [&[types::HASH, 0x81], &(1u64 << 63).to_be_bytes()[..], b"\x01a\x01b"].concat(), 10),
        ("string of 2^62", [&[types::STRING, 0x81], &(1u64 << 62).to_be_bytes()[..], b"abc"].concat(), 10),
        (
            "LZF that lies",
            [&[types::STRING, 0xc3, 2, 0x80], &u32::MAX.to_be_bytes()[..], b"\x00a"].concat(),
            10,
        ),
        ("negative TTL", with_pack(types::HASH_LISTPACK_EX_PRE_GA, &pack(&["a", "1", "-5"])), 12),
        ("unknown type", vec![27, 0], 13),
        ("Redis' type in Valkey", vec![types::STREAM_4, 0], 80),
        ("module", vec![types::MODULE_2, 0x81, 1, 2, 3, 4, 5, 6, 7, 8, 0], 10),
        ("bytes behind", b"\x00\x01a\x00".to_vec(), 10),
    ] {
        assert!(
            matches!(restore(&unsigned(&body, version), Trust::default()), Err(DumpError::BadData(_))),
            "{what}"
        );
    }
}

fn with_pack_in_list(pack: &[u8]) -> Vec<u8> {
    [&[types::LIST_QUICKLIST_2, 1, 2, pack.len() as u8], pack].concat()
}

/// Encodings that only old servers wrote.
#[test]
fn old_encodings() {
    let ziplist = b"\x13\0\0\0\x0e\0\0\0\x02\0\0\x02ab\x04\xf3\xff";
    let with = |kind: u8, bytes: &[u8]| [&[kind, bytes.len() as u8], bytes].concat();
    let ziplist = &{
        let mut z = ziplist.to_vec();
        z[0] = z.len() as u8;
        z
    }[..];
    for (body, want) in [
        (with(types::LIST_ZIPLIST, ziplist), "list ab 2"),
        ([&[types::LIST_QUICKLIST, 1, ziplist.len() as u8], ziplist].concat(), "list ab 2"),
        (with(types::HASH_ZIPLIST, ziplist), "hash ab=2@None"),
        (with(types::ZSET_ZIPLIST, ziplist), "zset ab:2"),
        (with(types::HASH_ZIPMAP, b"\x01\x01a\x01\x00b\xff"), "hash a=b@None"),
        (b"\x01\x02\x01a\xc0\x07".to_vec(), "list a 7"),
        (b"\x03\x02\x01a\x031.5\x01b\xff".to_vec(), "zset b:-inf a:1.5"),
    ] {
        let value = restore(&unsigned(&body, 6), Trust::default()).expect(want);
        assert_eq!(canonical(&value), want);
    }
    // Redis 7.4's release candidates: absolute TTLs in front of the fields.
    let value =
        restore(&unsigned(b"\x16\x02\x05\x01a\x01x\x00\x01b\x01y", 12), Trust::default()).expect("hash");
    assert_eq!(canonical(&value), "hash a=x@Some(5) b=y@None");
}

#[test]
fn old_and_strange_files() {
    let load = |bytes: &[u8]| load(bytes).map(|l| (l.values.len(), l.checksum));
    assert_eq!(load(b"REDIS0001\xfe\x00\xfd\x05\0\0\0\x00\x01a\x01b\xff").expect("version 1"), (1, None));
    // An empty collection is passed over, the data of a module too, a zero checksum means none.
    let module = b"\xf7\x81\x01\x02\x03\x04\x05\x06\x07\x08\x02\x01\x05\x01x\x00";
    let file =
        [b"REDIS0010", &module[..], b"\xf8\x05\xf9\x07\x02\x01k\x00\x00\x01a\x01b\xff", &[0; 8]].concat();
    assert_eq!(load(&file).expect("good"), (1, None));
    for (bytes, want) in [
        (&b"REDIS0014"[..], "Can't handle RDB format version 14"),
        (b"VALKEY081", "Can't handle RDB format version 81"),
        (b"REDISabcd", "wrong signature"),
        (b"rubbish..", "wrong signature"),
        (
            b"REDIS0010\x1b\x01k\x00",
            "Unknown type or opcode when loading DB. Unrecoverable error, aborting now. It is 27 at byte 10",
        ),
        (
            b"REDIS0010\xf3",
            "Unknown type or opcode when loading DB. Unrecoverable error, aborting now. It is 243 at byte 10",
        ),
        (b"REDIS0010\x00\x01k\x05ab", "unexpected end of data"),
        (b"REDIS0010\xff\x01\0\0\0\0\0\0\0", "RDB CRC error, wrong checksum"),
    ] {
        let error = load(bytes).expect_err(want).to_string();
        assert!(error.starts_with(want), "{error}");
    }
}

/// Bytes behind the end stay available: a replica's command stream follows at once.
#[test]
fn unread_bytes() {
    let file = [REDIS, b"*1\r\n$4\r\nPING\r\n"].concat();
    let mut reader = Reader::new(&file[..], Trust::default()).expect("header");
    while reader.next_event().expect("good").is_some() {}
    assert_eq!(reader.offset(), REDIS.len() as u64);
    let rest = &file[REDIS.len()..];
    assert!(rest.starts_with(reader.unread()));
}

/// Every cut and many flips: an error, or values that can be used; never a panic.
#[test]
fn damaged_files() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for file in [REDIS, VALKEY] {
        for _ in 0..300 {
            let cut = random() % file.len();
            assert!(load(&file[..cut]).is_err(), "cut at {cut}");
        }
        for _ in 0..1500 {
            let mut damaged = file.to_vec();
            for _ in 0..random() % 3 + 1 {
                let at = random() % file.len();
                damaged[at] = random() as u8;
            }
            let _ = load(&damaged);
        }
    }
    for (_, value) in load(REDIS).expect("good").values {
        let payload = with_save(&value, |value| dump(value, random() % 2 == 0, Dialect::Redis));
        for _ in 0..150 {
            let mut damaged = payload.clone();
            let end = damaged.len() - 8;
            damaged[end..].fill(0);
            damaged[random() % (end - 2)] = random() as u8;
            if let Ok(value) = restore(&damaged, Trust::default()) {
                let _ = canonical(&value);
                let _ = with_save(&value, |value| dump(value, false, Dialect::Redis));
            }
        }
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (-200i64..200).prop_map(|n| n.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..40),
        "[ab]{0,200}".prop_map(String::into_bytes),
        Just(vec![b'z'; 70_000]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn strings_and_collections(elements in proptest::collection::btree_map(text(), any::<f64>(), 1..20), compress: bool) {
        let round = |value: &Value| {
            let payload = with_save(value, |value| dump(value, compress, Dialect::Redis));
            restore(&payload, Trust::default()).map(|value| canonical(&value)).expect("our own payload")
        };
        let mut list = List::new();
        let mut zset = Zset::new();
        let (mut set, mut hash, mut small) = (FlatPack::new(), FlatPack::new(), FlatPack::new());
        for (text, score) in &elements {
            let score = if score.is_nan() { 0.0 } else { *score };
            list.push_back(text, Fill::from_config(-1));
            zset.insert(text, score);
            set.push_back(text);
            packed_hash::put(&mut hash, Form::Pairs, text, text, None);
            packed::set(&mut small, text, score);
        }
        let texts: Vec<Vec<u8>> = elements.keys().cloned().collect();
        let field = |t: &Vec<u8>, i: usize| Field { name: t.clone(), value: t.clone(), expire_ms: i.is_multiple_of(3).then_some(i as i64 * 7 + 1) };
        for value in [
            Value::Str(texts[0].clone()),
            Value::List(list),
            Value::Zset(ZsetValue::Large(zset)),
            Value::Zset(ZsetValue::Packed(small)),
            Value::Set(SetValue::Packed(set)),
            Value::Hash(HashValue::Packed(hash)),
            Value::Set(SetValue::Members(texts.clone())),
            Value::Hash(HashValue::Fields(texts.iter().enumerate().map(|(i, t)| field(t, i)).collect())),
        ] {
            prop_assert_eq!(round(&value), canonical(&value));
        }
    }

    #[test]
    fn streams(adds in proptest::collection::vec((0u64..3, text()), 0..40), reads in 0u64..30, acks in proptest::collection::vec(0u64..60, 0..10)) {
        let mut stream = Stream::new();
        for (step, text) in &adds {
            let now = stream.last_id().ms + step;
            let id = stream.resolve_id(AddId::Auto, now).expect("far from the end");
            stream.append(id, &[b"f", text], BlockLimits { bytes: 4096, entries: 7 });
        }
        stream.groups_mut().insert(b"g", Group::new(StreamId::MIN, Some(0)));
        let consumer = stream.groups_mut().get_mut(b"g").and_then(|g| g.create_consumer(b"c", 9));
        stream.read_new(b"g", consumer, Some(reads), 1234, |_| ());
        for ms in acks {
            stream.delete(StreamId::new(ms, 0));
            let group = stream.groups_mut().get_mut(b"g").expect("present");
            group.remove_pending(StreamId::new(ms, 1));
            let consumer = group.find_consumer(b"c").expect("present");
            group.set_pending(StreamId::new(ms, 2), Nack { delivery_ms: 5, deliveries: 3, consumer });
        }
        stream.idempotence_mut().record(b"p", b"i", StreamId::new(1, 1));
        let value = Value::Stream(stream);
        let payload = with_save(&value, |value| dump(value, true, Dialect::Redis));
        prop_assert_eq!(restore(&payload, Trust::default()).map(|v| canonical(&v)).expect("our own"), canonical(&value));
    }

    #[test]
    fn any_bytes_are_safe(bytes: Vec<u8>, kind in 0u8..28, version in prop_oneof![Just(13u16), Just(80)]) {
        let _ = restore(&unsigned(&[&[kind], &bytes[..]].concat(), version), Trust::default());
        let _ = load(&[b"REDIS0013", &bytes[..]].concat());
    }
}
