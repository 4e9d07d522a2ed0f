//! Lists against a vector of strings, with pins.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    Pop(bool),
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    RemoveEqual(Vec<u8>, usize, bool),
    Trim(usize, usize),
    Fill(usize),
    Pin,
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-20i64..20).prop_map(|n| n.to_string().into_bytes()),
        2 => proptest::collection::vec(any::<u8>(), 0..60),
        1 => (100usize..6000).prop_map(|n| vec![b'x'; n]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<usize>;
    prop_oneof![
        10 => element().prop_map(Op::PushBack),
        10 => element().prop_map(Op::PushFront),
        3 => any::<bool>().prop_map(Op::Pop),
        5 => (index(), element()).prop_map(|(i, e)| Op::Set(i, e)),
        5 => (index(), element()).prop_map(|(i, e)| Op::Insert(i, e)),
        3 => (index(), 0usize..30).prop_map(|(i, n)| Op::Remove(i, n)),
        3 => (element(), 1usize..4, any::<bool>()).prop_map(|(e, n, b)| Op::RemoveEqual(e, n, b)),
        1 => (index(), index()).prop_map(|(a, b)| Op::Trim(a, b)),
        2 => (1usize..200).prop_map(Op::Fill),
        1 => Just(Op::Pin),
    ]
}

fn apply(list: &mut List, model: &mut Vec<Vec<u8>>, fill: Fill, op: Op) {
    let len = model.len().max(1);
    match op {
        Op::PushBack(e) => {
            list.push_back(&e, fill);
            model.push(e);
        }
        Op::PushFront(e) => {
            list.push_front(&e, fill);
            model.insert(0, e);
        }
        Op::Pop(true) => assert_eq!(list.pop_back(), model.pop()),
        Op::Pop(false) => {
            let want = if model.is_empty() { None } else { Some(model.remove(0)) };
            assert_eq!(list.pop_front(), want);
        }
        Op::Set(i, e) => {
            let i = i % len;
            assert_eq!(list.set(i, &e, fill), i < model.len());
            if let Some(slot) = model.get_mut(i) {
                *slot = e;
            }
        }
        Op::Insert(i, e) => {
            let i = i % (model.len() + 1);
            list.insert(i, &e, fill);
            model.insert(i, e);
        }
        Op::Remove(i, n) => {
            let i = i % len;
            let end = (i + n).min(model.len());
            assert_eq!(list.remove_range(i, n), end - i.min(end));
            model.drain(i.min(end)..end);
        }
        Op::RemoveEqual(e, n, from_back) => {
            let mut places: Vec<usize> = (0..model.len()).filter(|i| model[*i] == e).collect();
            if from_back {
                places.reverse();
            }
            places.truncate(n);
            assert_eq!(list.remove_equal(&e, n, from_back), places.len());
            places.sort_unstable();
            places.iter().rev().for_each(|i| _ = model.remove(*i));
        }
        Op::Trim(a, b) => {
            let (from, to) = (a % len / 4, model.len() - b % len / 4);
            list.trim(from, to);
            model.truncate(to);
            model.drain(..from.min(model.len()));
        }
        Op::Fill(n) => {
            for n in 0..n {
                let e = n.to_string().into_bytes();
                list.push_back(&e, fill);
                model.push(e);
            }
        }
        Op::Pin => {}
    }
}

fn check(list: &List, model: &[Vec<u8>]) {
    let all = |values: Iter<'_>| values.map(|v| v.to_vec()).collect::<Vec<_>>();
    assert_eq!(list.len(), model.len());
    assert_eq!(all(list.iter()), model);
    for i in [0, 1, model.len() / 2, model.len().saturating_sub(1), model.len()] {
        assert_eq!(list.get(i).map(|v| v.to_vec()).as_ref(), model.get(i));
        assert_eq!(all(list.iter_from(i)), model.get(i..).unwrap_or(&[]));
        let mut back = all(list.iter_rev_from(i));
        back.reverse();
        assert_eq!(back, model.get(..=i).unwrap_or(&[]));
    }
    assert!(list.chunks().all(|chunk| chunk.weight() > 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn behaves_like_a_vector(size in prop_oneof![Just(-1i64), 1i64..20], ops in proptest::collection::vec(op(), 0..120)) {
        let fill = Fill::from_config(size);
        let (mut list, mut model, mut pins) = (List::new(), Vec::new(), Vec::new());
        for op in ops {
            if matches!(op, Op::Pin) {
                pins.push((list.clone(), model.clone()));
            }
            apply(&mut list, &mut model, fill, op);
        }
        pins.push((list, model));
        pins.iter().for_each(|(list, model)| check(list, model));
    }
}

#[test]
fn limits_of_the_directive() {
    assert_eq!(Fill::from_config(-2), Fill { elements: usize::MAX, bytes: 8192 });
    assert_eq!(Fill::from_config(-5), Fill { elements: usize::MAX, bytes: 65536 });
    assert_eq!(Fill::from_config(128), Fill { elements: 128, bytes: 8192 });
}

#[test]
fn chunks_keep_to_the_limit() {
    let fill = Fill::from_config(-1);
    let mut list = List::new();
    (0..5000).for_each(|n: u32| list.push_back(&n.to_be_bytes(), fill));
    list.push_back(&[7; 5000], fill);
    for chunk in list.chunks() {
        match chunk {
            Chunk::Packed(pack) => assert!(pack.as_bytes().len() <= 4096),
            Chunk::Plain(element) => assert_eq!(element.len(), 5000),
        }
    }
    assert!(list.chunk_count() < 14);
    assert!(list.as_small(fill).is_none());
}
