//! Listpack against a vector of strings, and against bytes that a real server wrote.

use super::*;
use proptest::prelude::*;

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (-5000i64..5000).prop_map(|n| n.to_string().into_bytes()),
        (-0x90_0000i64..0x90_0000).prop_map(|n| n.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..80),
        Just(vec![b'x'; 130]),
        Just(vec![b'y'; 5000]),
        Just(vec![b'z'; 16383]),
    ]
}

#[derive(Clone, Debug)]
enum Op {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    InsertAfter(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    Split(usize),
    Append(Vec<Vec<u8>>),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => element().prop_map(Op::PushBack),
        2 => element().prop_map(Op::PushFront),
        2 => (any::<usize>(), element()).prop_map(|(i, e)| Op::InsertAfter(i, e)),
        2 => (any::<usize>(), element()).prop_map(|(i, e)| Op::Replace(i, e)),
        2 => (any::<usize>(), 1usize..4).prop_map(|(i, n)| Op::Remove(i, n)),
        1 => any::<usize>().prop_map(Op::Split),
        1 => proptest::collection::vec(element(), 0..3).prop_map(Op::Append),
    ]
}

fn apply(pack: &mut Listpack, model: &mut Vec<Vec<u8>>, op: Op) {
    let at = |i: usize, model: &[Vec<u8>]| if model.is_empty() { None } else { Some(i % model.len()) };
    match op {
        Op::PushBack(e) => {
            pack.push_back(&e);
            model.push(e);
        }
        Op::PushFront(e) => {
            pack.push_front(&e);
            model.insert(0, e);
        }
        Op::InsertAfter(i, e) => {
            if let Some(i) = at(i, model) {
                let pos = pack.view().seek(i as i64).expect("in range");
                let new = pack.insert_after(pos, LpValue::from_bytes(&e));
                assert!(pack.view().value(new).eq_bytes(&e));
                model.insert(i + 1, e);
            }
        }
        Op::Replace(i, e) => {
            if let Some(i) = at(i, model) {
                let pos = pack.view().seek(i as i64 - model.len() as i64).expect("in range");
                pack.replace(pos, LpValue::from_bytes(&e));
                model[i] = e;
            }
        }
        Op::Remove(i, n) => {
            if let Some(i) = at(i, model) {
                pack.remove_range(i as i64, n);
                model.drain(i..(i + n).min(model.len()));
            }
        }
        Op::Split(i) => {
            if let Some(i) = at(i, model) {
                let pos = pack.view().seek(i as i64).expect("in range");
                let tail = pack.split_off(pos);
                let rest = model.split_off(i);
                assert_eq!(tail.iter().map(|v| v.to_vec()).collect::<Vec<_>>(), rest);
                assert_eq!(validate(tail.as_bytes()), Ok(rest.len()));
            }
        }
        Op::Append(elements) => {
            let other: Listpack = elements.iter().map(Vec::as_slice).collect();
            pack.append(other.view());
            model.extend(elements);
        }
    }
}

proptest! {
    #[test]
    fn behaves_like_a_vector(ops in proptest::collection::vec(op(), 0..60)) {
        let (mut pack, mut model) = (Listpack::new(), Vec::new());
        for op in ops {
            apply(&mut pack, &mut model, op);
            prop_assert_eq!(validate(pack.as_bytes()), Ok(model.len()));
        }
        prop_assert_eq!(pack.len(), model.len());
        prop_assert_eq!(pack.iter().map(|v| v.to_vec()).collect::<Vec<_>>(), model.clone());
        let mut reversed = pack.view().iter_rev().map(|v| v.to_vec()).collect::<Vec<_>>();
        reversed.reverse();
        prop_assert_eq!(&reversed, &model);
        let size: usize = model.iter().map(|e| encoded_len(e)).sum();
        prop_assert_eq!(pack.as_bytes().len(), size + 7);
        for (i, e) in model.iter().enumerate() {
            let value = pack.view().get(i as i64).expect("in range");
            prop_assert!(value.eq_bytes(e));
            prop_assert_eq!(value.text_len(), e.len());
            let found = pack.view().find(pack.view().first(), e, 0).expect("present");
            let first = model.iter().position(|m| m == e).expect("present");
            prop_assert_eq!(Some(found), pack.view().seek(first as i64));
        }
        prop_assert!(pack.view().get(model.len() as i64).is_none());
        prop_assert!(pack.view().get(-(model.len() as i64) - 1).is_none());
    }

    /// Whatever passes validation can be read in both directions.
    #[test]
    fn damaged_bytes_are_refused_or_readable(
        elements in proptest::collection::vec(element(), 1..6),
        hits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = elements.iter().map(Vec::as_slice).collect::<Listpack>().into_bytes();
        for (at, byte) in hits {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(count) = validate(&bytes) {
            let pack = LpRef::new(&bytes);
            prop_assert_eq!(pack.iter().count(), count);
            prop_assert_eq!(pack.iter_rev().count(), count);
        }
    }

    #[test]
    fn any_bytes_are_safe(bytes: Vec<u8>) {
        let _ = validate(&bytes);
    }
}

/// Whoever adds what a client sent asks first; no sum of lengths wraps around.
#[test]
fn what_grows_beyond_a_gigabyte_does_not_fit() {
    let mut pack = Listpack::new();
    let empty = pack.view().as_bytes().len();
    assert!(pack.fits(MAX_BYTES - empty));
    for extra in [MAX_BYTES - empty + 1, MAX_BYTES, 5 << 30, usize::MAX] {
        assert!(!pack.fits(extra), "{extra}");
    }
    pack.push_back(b"element");
    assert!(!pack.fits(MAX_BYTES - empty));
}

#[test]
fn more_than_65534_elements() {
    let mut pack = Listpack::new();
    for n in 0..70_000 {
        pack.push_int(n % 100);
    }
    assert_eq!(pack.len(), 70_000);
    assert_eq!(validate(pack.as_bytes()), Ok(70_000));
    assert_eq!(pack.view().get(69_999), Some(LpValue::Int(99)));
    assert_eq!(pack.view().get(-1), Some(LpValue::Int(99)));
    pack.remove_range(10, 60_000);
    assert_eq!(validate(pack.as_bytes()), Ok(10_000));
}

/// The listpack inside the DUMP of a list of these elements
/// on a Redis 8.6.3.
#[test]
fn bytes_of_a_real_server() {
    let elements = GOLDEN_ELEMENTS.iter().map(|e| e.as_bytes());
    let pack: Listpack = elements.collect();
    assert_eq!(pack.as_bytes(), GOLDEN_BYTES);
}

const GOLDEN_ELEMENTS: [&str; 16] = [
    "0",
    "127",
    "128",
    "-1",
    "4095",
    "-4096",
    "4096",
    "32767",
    "-32769",
    "8388608",
    "-2147483649",
    "9223372036854775807",
    "foo",
    "01",
    "",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];
const GOLDEN_BYTES: &[u8] = &[
    140, 0, 0, 0, 16, 0, 0, 1, 127, 1, 192, 128, 2, 223, 255, 2, 207, 255, 2, 208, 0, 2, 241, 0, 16, 3, 241,
    255, 127, 3, 242, 255, 127, 255, 4, 243, 0, 0, 128, 0, 5, 244, 255, 255, 255, 127, 255, 255, 255, 255, 9,
    244, 255, 255, 255, 255, 255, 255, 255, 127, 9, 131, 102, 111, 111, 4, 130, 48, 49, 3, 128, 1, 224, 64,
    120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120,
    120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120,
    120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120,
    120, 66, 255,
];
