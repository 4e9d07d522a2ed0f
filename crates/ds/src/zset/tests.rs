//! Both forms of a zset against a sorted set of pairs, with pins.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use proptest::prelude::*;

/// Score as an ordered integer: the tests use scores that are multiples of 1/4.
type Model = BTreeSet<(i64, Vec<u8>)>;

#[derive(Clone, Debug)]
enum Op {
    Insert(Vec<u8>, i64),
    Fill(u32, u32, i64),
    Remove(usize),
    RemoveRanks(usize, usize),
    Pin,
    Unpin,
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(b'a'..b'd', 1..4),
        1 => (0u32..2000).prop_map(|n| n.to_string().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        20 => (name(), -8i64..8).prop_map(|(n, s)| Op::Insert(n, s)),
        3 => (0u32..2000, 1u32..400, -3i64..4).prop_map(|(from, count, step)| Op::Fill(from, count, step)),
        15 => any::<usize>().prop_map(Op::Remove),
        1 => (any::<usize>(), 0usize..300).prop_map(|(from, count)| Op::RemoveRanks(from, count)),
        1 => Just(Op::Pin),
        1 => Just(Op::Unpin),
    ]
}

fn score(units: i64) -> f64 {
    units as f64 / 4.0
}

fn insert(zset: &mut Zset, scores: &mut BTreeMap<Vec<u8>, i64>, name: &[u8], units: i64) {
    let want = match scores.insert(name.to_vec(), units) {
        None => Inserted::Added,
        Some(old) if old == units => Inserted::Same,
        Some(old) => Inserted::Updated(score(old)),
    };
    assert_eq!(zset.insert(name, score(units)), want);
}

fn sorted(scores: &BTreeMap<Vec<u8>, i64>) -> Model {
    scores.iter().map(|(name, units)| (*units, name.clone())).collect()
}

fn apply(zset: &mut Zset, scores: &mut BTreeMap<Vec<u8>, i64>, op: &Op) {
    match op {
        Op::Insert(name, units) => insert(zset, scores, name, *units),
        Op::Fill(from, count, step) => {
            for n in *from..from + count {
                insert(zset, scores, format!("{n:05}").as_bytes(), i64::from(n) * step);
            }
        }
        Op::Remove(index) if !scores.is_empty() => {
            let (name, units) =
                scores.iter().nth(index % scores.len()).map(|(n, u)| (n.clone(), *u)).expect("in range");
            assert_eq!(zset.remove(&name), Some(score(units)));
            assert_eq!(zset.remove(&name), None);
            scores.remove(&name);
        }
        Op::RemoveRanks(from, count) if !scores.is_empty() => {
            let from = from % scores.len();
            let want: Vec<_> = sorted(scores).into_iter().skip(from).take(*count).collect();
            let mut got = Vec::new();
            zset.remove_ranks(from, from + count, |name, score| {
                got.push(((score * 4.0) as i64, name.to_vec()))
            });
            assert_eq!(got, want);
            want.iter().for_each(|(_, name)| _ = scores.remove(name));
        }
        _ => {}
    }
}

fn pairs<'a>(members: impl Iterator<Item = (&'a [u8], f64)>) -> Vec<(i64, Vec<u8>)> {
    members.map(|(name, score)| ((score * 4.0) as i64, name.to_vec())).collect()
}

fn check(zset: &Zset, scores: &BTreeMap<Vec<u8>, i64>) {
    zset.tree.check();
    let want: Vec<_> = sorted(scores).into_iter().collect();
    assert_eq!(pairs(zset.iter()), want);
    assert_eq!(zset.len(), want.len());
    for (rank, (units, name)) in want.iter().enumerate() {
        assert_eq!(zset.rank(name), Some(rank));
        assert_eq!(zset.score(name), Some(score(*units)));
        assert_eq!(zset.at(rank), Some((&name[..], score(*units))));
    }
    for start in [0, 1, want.len() / 2, want.len()] {
        assert_eq!(pairs(zset.iter_from(start)), want[start.min(want.len())..]);
        let mut back = pairs(zset.iter_rev_from(start));
        back.reverse();
        assert_eq!(back, want[..want.len().min(start + 1)]);
    }
    for units in -9..9 {
        let count = |test: &dyn Fn(i64) -> bool| want.iter().filter(|(u, _)| test(*u)).count();
        let bound = score(units);
        assert_eq!(zset.rank_of_score(ScoreBound::Including(bound)), count(&|u| u < units));
        assert_eq!(zset.rank_of_score(ScoreBound::Excluding(bound)), count(&|u| u <= units));
        assert_eq!(zset.rank_after_score(ScoreBound::Including(bound)), count(&|u| u <= units));
        assert_eq!(zset.rank_after_score(ScoreBound::Excluding(bound)), count(&|u| u < units));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn large_form_behaves_like_a_sorted_set(ops in proptest::collection::vec(op(), 0..150)) {
        let (mut zset, mut scores) = (Zset::new(), BTreeMap::new());
        let mut pins = Vec::new();
        for op in &ops {
            match op {
                Op::Pin => pins.push((zset.pin(), sorted(&scores).into_iter().collect::<Vec<_>>())),
                Op::Unpin => { pins.pop(); }
                op => apply(&mut zset, &mut scores, op),
            }
        }
        check(&zset, &scores);
        check(&zset.clone(), &scores);
        let members: Vec<_> = zset.iter().map(|(name, score)| (name.to_vec(), score)).collect();
        let mut made = Zset::from_sorted(members.iter().map(|(name, score)| (&name[..], *score)));
        drop(zset);
        check(&made, &scores);
        let edits = ops.iter().filter(|op| !matches!(op, Op::Pin | Op::Unpin));
        edits.for_each(|op| apply(&mut made, &mut scores, op));
        check(&made, &scores);
        for (pin, want) in &pins {
            prop_assert_eq!(&pairs(pin.iter_from(0)), want);
            let mut back = pairs(pin.iter_rev_from(usize::MAX));
            back.reverse();
            prop_assert_eq!(&back, want);
        }
    }

    #[test]
    fn small_form_behaves_like_a_sorted_set(ops in proptest::collection::vec((name(), -8i64..8, 0u8..4), 0..60)) {
        let (mut pack, mut scores) = (crate::listpack::FlatPack::new(), BTreeMap::<Vec<u8>, i64>::new());
        for (name, units, action) in ops {
            if action == 0 {
                let found = packed::find(pack.view(), &name);
                prop_assert_eq!(found.map(|(_, s)| s), scores.remove(&name).map(score));
                if let Some((pos, _)) = found {
                    packed::remove(&mut pack, pos);
                }
            } else {
                let before = pack.as_bytes().len();
                let old = packed::set(&mut pack, &name, score(units));
                prop_assert_eq!(old, scores.insert(name.clone(), units).map(score));
                if old.is_none() {
                    prop_assert!(pack.as_bytes().len() - before <= packed::pair_len(&name));
                }
            }
            let want: Vec<_> = sorted(&scores).into_iter().collect();
            let got: Vec<_> = packed::iter(pack.view()).map(|(n, s)| ((s * 4.0) as i64, n.to_vec())).collect();
            prop_assert_eq!(&got, &want);
            let (from, to) = (want.len() / 3, want.len());
            let mut back = Vec::new();
            packed::visit_rev(pack.view(), (from, to), |name, score| back.push(((score * 4.0) as i64, name.to_vec())));
            prop_assert!(back.iter().eq(want[from..to].iter().rev()));
            prop_assert_eq!(packed::is_valid(pack.view()), !want.is_empty());
            if let Some((rank, (_, name))) = want.iter().enumerate().next_back() {
                prop_assert_eq!(packed::rank(pack.view(), name).map(|(r, _)| r), Some(rank));
                prop_assert_eq!(packed::seek(pack.view(), rank), packed::find(pack.view(), name).map(|(p, _)| p));
            }
        }
    }
}

/// Backwards over a small sorted set, with and without room for the places on the stack.
#[test]
fn small_form_is_shown_from_its_end() {
    for len in [0usize, 1, 2, 31, 32, 33, 34, 200] {
        let mut pack = crate::listpack::FlatPack::new();
        (0..len).for_each(|n| packed::push(&mut pack, format!("m{n}").as_bytes(), n as f64));
        for (from, to) in
            [(0, len), (0, len.min(32)), (len / 2, len), (len.saturating_sub(33), len), (len, len)]
        {
            let mut ranks = Vec::new();
            packed::visit_rev(pack.view(), (from, to), |name, score| {
                assert_eq!(name.to_vec(), format!("m{score}").into_bytes());
                ranks.push(score as usize);
            });
            assert_eq!(ranks, (from..to).rev().collect::<Vec<_>>(), "{len} {from} {to}");
        }
    }
}

#[test]
fn lex_bounds() {
    let zset: Zset = ["a", "b", "c", "d"].iter().map(|name| (name.as_bytes(), 0.0)).collect();
    let ranks = |start, end| (zset.rank_of_lex(start), zset.rank_after_lex(end));
    assert_eq!(ranks(LexBound::Least, LexBound::Greatest), (0, 4));
    assert_eq!(ranks(LexBound::Including(b"b"), LexBound::Including(b"c")), (1, 3));
    assert_eq!(ranks(LexBound::Excluding(b"b"), LexBound::Excluding(b"c")), (2, 2));
    assert_eq!(ranks(LexBound::Greatest, LexBound::Least), (4, 0));
    assert_eq!(ranks(LexBound::Including(b"bb"), LexBound::Including(b"zz")), (2, 4));
}

#[test]
fn infinities_and_negative_zero() {
    let mut zset = Zset::new();
    for (name, score) in [("z", 0.0), ("n", f64::NEG_INFINITY), ("p", f64::INFINITY), ("a", -0.0)] {
        zset.insert(name.as_bytes(), score);
    }
    let names: Vec<_> = zset.iter().map(|(name, _)| name.to_vec()).collect();
    assert_eq!(names, [b"n", b"a", b"z", b"p"]);
    assert_eq!(zset.insert(b"a", 0.0), Inserted::Same);
}

/// A pin is read on another thread while the zset loses every member.
#[test]
fn pins_outlive_removals_on_another_thread() {
    let mut zset = Zset::new();
    for n in 0..5000u32 {
        zset.insert(&n.to_be_bytes(), f64::from(n));
    }
    let pin = zset.pin();
    let reader = std::thread::spawn(move || {
        let mut sum = 0u64;
        for (name, score) in pin.iter_from(0) {
            assert_eq!(f64::from(u32::from_be_bytes(name.try_into().expect("four bytes"))), score);
            sum += score as u64;
        }
        sum
    });
    for n in 0..5000u32 {
        zset.insert(&n.to_be_bytes(), 1.5);
        zset.remove(&n.to_be_bytes());
    }
    assert!(zset.is_empty());
    assert_eq!(reader.join().expect("reader"), 4999 * 2500);
}

/// The budget for members that arrive in random order: 56 bytes for a name of 14 bytes, 60 at most.
#[test]
fn memory_per_member() {
    let mut zset = Zset::new();
    let mut state = 1u64;
    const COUNT: usize = 200_000;
    while zset.len() < COUNT {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        zset.insert(format!("member:{:07}", state >> 40).as_bytes(), (state >> 33) as f64);
    }
    let per_member = zset.memory_bytes() as f64 / COUNT as f64;
    assert!(per_member < 57.0, "{per_member} bytes per member");
}
