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
    ReplaceInt(usize, i64),
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
        2 => (any::<usize>(), prop_oneof![any::<i64>(), -5000i64..5000]).prop_map(|(i, n)| Op::ReplaceInt(i, n)),
        2 => (any::<usize>(), 1usize..4).prop_map(|(i, n)| Op::Remove(i, n)),
        1 => any::<usize>().prop_map(Op::Split),
        1 => proptest::collection::vec(element(), 0..3).prop_map(Op::Append),
    ]
}

/// Does to `pack` and `model` what every layout can; gives an operation back that needs a framed one.
fn apply<L: Layout>(pack: &mut Pack<Vec<u8>, L>, model: &mut Vec<Vec<u8>>, op: Op) -> Option<Op> {
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
        Op::ReplaceInt(i, n) => {
            if let Some(i) = at(i, model) {
                let pos = pack.view().seek(i as i64).expect("in range");
                pack.replace_int(pos, n);
                model[i] = n.to_string().into_bytes();
            }
        }
        framed => return Some(framed),
    }
    None
}

fn apply_framed(pack: &mut Listpack, model: &mut Vec<Vec<u8>>, op: Op) {
    match op {
        Op::Split(i) if !model.is_empty() => {
            let i = i % model.len();
            let pos = pack.view().seek(i as i64).expect("in range");
            let tail = pack.split_off(pos);
            let rest = model.split_off(i);
            assert_eq!(tail.iter().map(|v| v.to_vec()).collect::<Vec<_>>(), rest);
            assert_eq!(validate(tail.as_bytes()), Ok(rest.len()));
        }
        Op::Append(elements) => {
            let other: Listpack = elements.iter().map(Vec::as_slice).collect();
            pack.append(other.view());
            model.extend(elements);
        }
        _ => {}
    }
}

/// Whether a listpack of either layout reads as the model.
fn reads_like<L: Layout>(pack: LpRef<'_, L>, model: &[Vec<u8>]) -> Result<(), TestCaseError> {
    prop_assert_eq!((pack.len(), pack.is_empty()), (model.len(), model.is_empty()));
    prop_assert_eq!(pack.iter().map(|v| v.to_vec()).collect::<Vec<_>>(), model);
    for (i, e) in model.iter().enumerate() {
        let value = pack.get(i as i64).expect("in range");
        prop_assert!(value.eq_bytes(e));
        prop_assert_eq!(value.text_len(), e.len());
        prop_assert_eq!(pack.get(i as i64 - model.len() as i64), Some(value));
        let found = pack.find(pack.first(), e, 0).expect("present");
        let first = model.iter().position(|m| m == e).expect("present");
        prop_assert_eq!(Some(found), pack.seek(first as i64));
        prop_assert!(pack.reads(found, model[first..].iter().map(Vec::as_slice)));
        let mut reader = Reader::new(pack, pack.first().expect("not empty"));
        prop_assert_eq!(reader.pass(i), Some(()));
        prop_assert_eq!(reader.pos(), pack.seek(i as i64));
        prop_assert!(reader.is(e, parse_i64(e)));
    }
    prop_assert!(pack.get(model.len() as i64).is_none());
    prop_assert!(pack.get(-(model.len() as i64) - 1).is_none());
    prop_assert!(pack.get(i64::MIN).is_none() && pack.get(i64::MAX).is_none());
    Ok(())
}

proptest! {
    #[test]
    fn behaves_like_a_vector(ops in proptest::collection::vec(op(), 0..60)) {
        let (mut pack, mut model) = (Listpack::new(), Vec::new());
        for op in ops {
            if let Some(op) = apply(&mut pack, &mut model, op) {
                apply_framed(&mut pack, &mut model, op);
            }
            prop_assert_eq!(validate(pack.as_bytes()), Ok(model.len()));
        }
        reads_like(pack.view(), &model)?;
        let mut reversed = pack.view().iter_rev().map(|v| v.to_vec()).collect::<Vec<_>>();
        reversed.reverse();
        prop_assert_eq!(&reversed, &model);
        let size: usize = model.iter().map(|e| encoded_len(e)).sum();
        prop_assert_eq!(pack.as_bytes().len(), size + 7);
        reads_like(pack.into_flat().view(), &model)?;
    }

    /// A flat listpack goes through the same states as a framed one, and each state is the other's without its frame.
    #[test]
    fn flat_behaves_like_framed(ops in proptest::collection::vec(op(), 0..60)) {
        let (mut flat, mut framed) = (FlatPack::new(), Listpack::new());
        let (mut model, mut same) = (Vec::new(), Vec::new());
        let mut saved = Vec::new();
        for op in ops {
            if apply(&mut flat, &mut model, op.clone()).is_none() {
                apply(&mut framed, &mut same, op);
            }
            prop_assert!(flat.view().to_framed() == framed);
            prop_assert!(framed.clone().into_flat() == flat);
            // One behind the other in a buffer, as a saver has them.
            let begin = saved.len();
            flat.view().write_framed(&mut saved);
            prop_assert_eq!(&saved[begin..], framed.as_bytes());
            if saved.len() > 1 << 16 {
                saved.clear();
            }
        }
        prop_assert_eq!(&model, &same);
        reads_like(flat.view(), &model)?;
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
            let pack = Listpack::from_valid(bytes.clone());
            prop_assert_eq!(pack.iter().count(), count);
            prop_assert_eq!(pack.view().iter_rev().count(), count);
            // What is kept flat comes back as it was.
            let flat = pack.into_flat();
            prop_assert_eq!(flat.iter().count(), count);
            prop_assert_eq!(flat.view().to_framed().into_bytes(), bytes);
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
    fn fill_and_shrink<L: Layout>() -> (Pack<Vec<u8>, L>, Pack<Vec<u8>, L>) {
        let mut pack = Pack::<Vec<u8>, L>::new();
        for n in 0..70_000 {
            pack.push_int(n % 100);
        }
        assert_eq!(pack.len(), 70_000);
        assert_eq!(pack.view().get(69_999), Some(LpValue::Int(99)));
        assert_eq!(pack.view().get(-1), Some(LpValue::Int(99)));
        assert_eq!(pack.view().get(-70_001), None);
        let full = pack.clone();
        pack.remove_range(10, 60_000);
        assert_eq!(pack.len(), 10_000);
        (full, pack)
    }
    let (full, pack) = fill_and_shrink::<Framed>();
    assert_eq!((validate(full.as_bytes()), validate(pack.as_bytes())), (Ok(70_000), Ok(10_000)));
    let (full_flat, flat) = fill_and_shrink::<Flat>();
    assert!(full_flat.view().to_framed() == full && flat.view().to_framed() == pack);
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
