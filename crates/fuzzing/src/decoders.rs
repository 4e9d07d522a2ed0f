//! Targets for single decoders: anything may come in, only sound values may come out.
//!
//! Invariant: what a decoder accepts must survive its own round trip. Callers: `TARGETS`.

use ds::glob::glob_match;
use ds::hll;
use ds::intset::Intset;
use ds::listpack::Listpack;
use ds::num::{LongDouble, format_f64, format_i64, parse_f64, parse_i64, parse_u64};
use ds::vector::filter::Filter;
use rdb::Reader;
use resp::request::{Decoder, Limits};

/// Requests that one run of the decoder may hold.
const BATCH: usize = 128;

fn limits(authenticated: bool) -> Limits {
    Limits { bulk_bytes: 512 << 20, authenticated, requests: BATCH }
}

/// All requests of `pieces`, and the error that ended them.
fn decode(pieces: &[&[u8]], authenticated: bool) -> (Vec<Vec<Vec<u8>>>, Option<String>) {
    let mut decoder = Decoder::default();
    let mut requests = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let take = rest.len().min(decoder.read_limit());
            decoder.read_buffer().extend_from_slice(&rest[..take]);
            rest = &rest[take..];
            let error = decoder.parse(&limits(authenticated)).err();
            let done = decoder.len();
            requests.extend((0..done).map(|i| decoder.args(i).map(<[u8]>::to_vec).collect::<Vec<_>>()));
            decoder.finish(done);
            if let Some(error) = error {
                return (requests, Some(error.0));
            }
            if rest.is_empty() && done < BATCH {
                break;
            }
        }
    }
    (requests, None)
}

/// The request parser: however the bytes are split, the requests are the same.
pub fn request(data: &[u8]) {
    let Some((&split, data)) = data.split_first() else { return };
    let authenticated = split & 1 == 1;
    let at = (split as usize * data.len()) / 256;
    let whole = decode(&[data], authenticated);
    let halves = decode(&[&data[..at], &data[at..]], authenticated);
    assert_eq!(whole, halves, "split at {at}");
    if data.len() <= 300 {
        let bytes: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(whole, decode(&bytes, authenticated), "byte by byte");
    }
}

/// Words of an inline request hold no more bytes than the line.
pub fn inline(data: &[u8]) {
    if let Some(words) = resp::inline::split_words(data) {
        assert!(words.iter().map(Vec::len).sum::<usize>() <= data.len());
    }
}

/// A fuzzer seldom guesses a checksum, and what lies behind it is to be tested.
const TRUST: rdb::Trust = rdb::Trust { any_version: true, any_checksum: true };

/// A whole dump file.
pub fn rdb(data: &[u8]) {
    let Ok(mut reader) = Reader::new(data, TRUST) else { return };
    let mut events = 0;
    while let Ok(Some(_)) = reader.next_event() {
        events += 1;
        assert!(events <= data.len() + 1, "more events than bytes");
    }
    assert!(reader.offset() <= data.len() as u64);
}

/// A DUMP payload, and a value of a version that is known.
pub fn restore(data: &[u8]) {
    _ = rdb::restore(data, TRUST);
    let mut payload = data.to_vec();
    payload.extend_from_slice(&[11, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    _ = rdb::restore(&payload, TRUST);
}

/// A listpack that validates reads the same in both directions, with and without its frame, and survives edits.
pub fn listpack(data: &[u8]) {
    let Ok(mut pack) = Listpack::from_bytes(data.to_vec()) else { return };
    let forward: Vec<Vec<u8>> = pack.iter().map(|v| v.to_vec()).collect();
    let mut backward: Vec<Vec<u8>> = pack.view().iter_rev().map(|v| v.to_vec()).collect();
    backward.reverse();
    assert_eq!(forward, backward);
    assert_eq!(pack.len(), forward.len());
    let flat = pack.clone().into_flat();
    assert!(flat.iter().map(|v| v.to_vec()).eq(forward.iter().cloned()));
    assert_eq!(flat.view().to_framed().as_bytes(), data);
    if pack.fits(16) {
        pack.push_front(b"front");
        pack.push_back(b"12345");
        assert_eq!(pack.len(), forward.len() + 2);
        let bytes = pack.into_bytes();
        assert!(Listpack::from_bytes(bytes).is_ok(), "an edited listpack must validate");
    }
}

/// An intset that validates is sorted, finds its members, and stays valid.
pub fn intset(data: &[u8]) {
    let Ok(mut set) = Intset::from_bytes(data.to_vec()) else { return };
    let members: Vec<i64> = set.view().iter().collect();
    assert!(members.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(members.iter().all(|&m| set.view().contains(m)));
    let new = members.first().map_or(7, |first| first.wrapping_mul(31));
    assert_eq!(set.insert(new), !members.contains(&new));
    assert!(Intset::from_bytes(set.into_bytes()).is_ok());
}

/// A HyperLogLog that counts keeps its registers through every change of form; one that does not gives errors.
pub fn hll(data: &[u8]) {
    let Some((&limit, value)) = data.split_first() else { return };
    let most_bytes = usize::from(limit) * 16;
    if hll::encoding(value).is_none() {
        return;
    }
    let mut value = value.to_vec();
    let mut before = Box::new([0; hll::REGISTERS]);
    let good = hll::merge(&value, &mut before).is_ok();
    assert_eq!(hll::count(&value).is_ok(), good);
    for element in data.chunks(3) {
        if hll::add(&mut value, element, most_bytes).is_err() {
            assert!(!good, "a good value takes any element");
            return;
        }
    }
    let mut after = Box::new([0; hll::REGISTERS]);
    assert_eq!(hll::merge(&value, &mut after).is_ok(), good);
    if good {
        assert!(before.iter().zip(after.iter()).all(|(before, after)| before <= after));
        let count = hll::count(&value);
        assert!(hll::make_dense(&mut value).is_ok());
        assert_eq!(hll::count(&value), count);
    }
}

/// Patterns end in bounded time; a text without wildcards matches itself.
pub fn glob(data: &[u8]) {
    let at = data.iter().position(|&b| b == 0).unwrap_or(data.len());
    let (pattern, text) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    let exact = glob_match(pattern, text, false);
    // A class that excludes can match less when case is ignored.
    let classes = pattern.contains(&b'[');
    assert!(!exact || classes || glob_match(pattern, text, true), "a match must not end by ignoring case");
    if !text.iter().any(|b| b"*?[]\\^-".contains(b)) {
        assert!(glob_match(text, text, false));
    }
    assert!(glob_match(b"*", text, false));
}

/// Numbers print to text that reads back as the same number.
pub fn number(data: &[u8]) {
    if let Some(value) = parse_i64(data) {
        let mut text = Vec::new();
        format_i64(value, &mut text);
        assert_eq!(text, data, "an integer has one text");
    }
    if let Some(value) = parse_u64(data) {
        assert_eq!(value.to_string().as_bytes(), data);
    }
    if let Some(value) = parse_f64(data).filter(|v| v.is_finite()) {
        let mut text = Vec::new();
        format_f64(value, &mut text);
        assert_eq!(parse_f64(&text), Some(value), "{:?}", String::from_utf8_lossy(&text));
    }
    if let Some(value) = LongDouble::parse(data) {
        _ = value.format();
    }
}

/// A vector set behind its module's id: one that loads can be changed and saved, and loads again.
pub fn vectorset(data: &[u8]) {
    let module = [7, 0x81, 0xbd, 0xe7, 0x2d, 0xa2, 0xbb, 0x1e, 0xb4, 0x00];
    let payload = [&module[..], data, &[13, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let Ok(rdb::Value::Vectors(mut set)) = rdb::restore(&payload, TRUST) else { return };
    let first = set.by_rank(0).map(|slot| set.element(slot).name.to_vec()).unwrap_or_default();
    set.insert(b"new", &vec![1.0; set.dim()], 10, 4);
    assert!(set.remove(&first) || first.is_empty());
    let len = set.len();
    if len == 0 {
        return;
    }
    let saved = rdb::dump(rdb::SaveValue::Vectors(&set), true, rdb::Dialect::Redis);
    match rdb::restore(&saved, TRUST) {
        Ok(rdb::Value::Vectors(again)) => assert_eq!(again.len(), len),
        other => panic!("a changed set must load: {other:?}"),
    }
}

/// An expression, and behind a zero byte the attribute that it looks at.
pub fn filter(data: &[u8]) {
    let at = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    if let Ok(filter) = Filter::compile(&data[..at]) {
        assert!(!filter.matches(None));
        filter.matches(Some(data.get(at + 1..).unwrap_or_default()));
    }
}
