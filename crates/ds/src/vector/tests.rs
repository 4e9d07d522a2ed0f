//! Vector sets: the graph's invariants, recall against looking at everything, and loading.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A generator for tests (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn vector(&mut self, dim: usize) -> Vec<f32> {
        (0..dim).map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }
}

fn shape(dim: usize, quant: Quant, m: usize) -> Shape {
    Shape { dim, quant, m, projection: None }
}

fn plain(count: usize, ef: usize) -> Search<'static> {
    Search { count, ef, most_looked_at: usize::MAX, accept: None }
}

/// Panics unless links are mutual, within limits, and every level is connected.
fn validate(set: &VectorSet) {
    let slots: Vec<Slot> = set.slots().collect();
    assert_eq!(slots.len(), set.len());
    assert_eq!(set.entry.is_none(), slots.is_empty());
    let top = slots.iter().map(|slot| set.node(*slot).levels.len()).max().unwrap_or(0);
    assert_eq!(set.max_level() + 1, top.max(1));
    for level in 0..top {
        let here: Vec<Slot> =
            slots.iter().copied().filter(|slot| set.node(*slot).levels.len() > level).collect();
        for slot in &here {
            let links = &set.node(*slot).levels[level];
            assert!(!links.to.contains(slot), "a link to itself");
            assert_eq!(links.to.iter().collect::<BTreeSet<_>>().len(), links.to.len(), "a link twice");
            for other in &links.to {
                assert!(set.node(*other).levels[level].to.contains(slot), "a link that is not mutual");
            }
            if !links.to.is_empty() {
                let far = links.to.iter().map(|other| set.distance(*slot, *other)).max_by(f32::total_cmp);
                assert_eq!(far, Some(links.worst_distance));
                assert_eq!(set.distance(*slot, links.to[links.worst as usize]), links.worst_distance);
            }
        }
        let mut reached = BTreeSet::from([here[0]]);
        let mut open = vec![here[0]];
        while let Some(slot) = open.pop() {
            for other in &set.node(slot).levels[level].to {
                if reached.insert(*other) {
                    open.push(*other);
                }
            }
        }
        assert_eq!(reached.len(), here.len(), "level {level} is connected");
    }
}

/// The share of the true `count` nearest that the graph finds.
fn recall(set: &VectorSet, dice: &mut Dice, count: usize, ef: usize) -> f64 {
    let mut hits = 0;
    for _ in 0..50 {
        let query = set.encode(&dice.vector(set.dim()));
        let truth: BTreeSet<Slot> =
            set.search_all(&query, plain(count, 0)).iter().map(|found| found.0).collect();
        let found = set.search(&query, plain(count, ef));
        assert!(found.windows(2).all(|pair| pair[0].1 <= pair[1].1), "nearest first");
        hits += found.iter().filter(|found| truth.contains(&found.0)).count();
    }
    hits as f64 / (50 * count) as f64
}

#[test]
fn most_of_the_nearest_are_found() {
    for (quant, least) in [(Quant::F32, 0.95), (Quant::Q8, 0.95), (Quant::Bin, 0.9)] {
        let mut dice = Dice(7);
        let mut set = VectorSet::new(shape(24, quant, 16));
        for i in 0..3000 {
            set.insert(format!("e{i}").as_bytes(), &dice.vector(24), 200, dice.next());
        }
        validate(&set);
        let before = recall(&set, &mut dice, 10, 100);
        assert!(before >= least, "{quant:?}: {before}");
        // Two of three go; what is left is found as well as before.
        for i in (0..3000).filter(|i| i % 3 != 0) {
            assert!(set.remove(format!("e{i}").as_bytes()));
        }
        validate(&set);
        assert_eq!(set.len(), 1000);
        let after = recall(&set, &mut dice, 10, 100);
        assert!(after >= least, "{quant:?} after removals: {after}");
    }
}

#[test]
fn clusters_stay_reachable() {
    let mut dice = Dice(3);
    let mut set = VectorSet::new(shape(8, Quant::Q8, 4));
    let centers: Vec<Vec<f32>> = (0..5).map(|_| dice.vector(8)).collect();
    for i in 0..600 {
        // One cluster after the other: the first ones' lists are full when the last arrives.
        let near =
            dice.vector(8).iter().zip(&centers[i / 120]).map(|(a, b)| a * 0.001 + b).collect::<Vec<_>>();
        set.insert(format!("e{i}").as_bytes(), &near, 10, dice.next());
    }
    validate(&set);
    let query = set.encode(&centers[0]);
    assert_eq!(set.search(&query, plain(600, 600)).len(), 600);
}

#[test]
fn equal_vectors_and_vectors_without_direction_are_all_found() {
    let mut set = VectorSet::new(shape(3, Quant::F32, 4));
    let mut dice = Dice(5);
    for i in 0..200 {
        let vector = match i % 4 {
            0 => [0.0; 3],
            1 => [f32::NAN, 1.0, 0.0],
            2 => [f32::INFINITY, 0.0, 1.0],
            _ => [1.0, 2.0, 3.0],
        };
        set.insert(format!("e{i}").as_bytes(), &vector, 20, dice.next());
    }
    for vector in [[1.0, 2.0, 3.0], [f32::NAN; 3], [0.0; 3]] {
        let query = set.encode(&vector);
        assert_eq!(set.search(&query, plain(200, 200)).len(), 200);
        assert_eq!(set.search_all(&query, plain(200, 200)).len(), 200);
    }
    for i in 0..200 {
        assert!(set.remove(format!("e{i}").as_bytes()));
    }
    assert!(set.is_empty() && set.entry.is_none());
}

#[test]
fn filters_and_their_effort() {
    let mut dice = Dice(11);
    let mut set = VectorSet::new(shape(8, Quant::F32, 8));
    for i in 0..500 {
        let (slot, _) = set.insert(format!("e{i}").as_bytes(), &dice.vector(8), 100, dice.next());
        set.set_attribute(slot, Some(if i % 50 == 0 { b"yes" } else { b"no" }));
    }
    let query = set.encode(&dice.vector(8));
    let mut accept = |element: Element<'_>| element.attribute == Some(b"yes");
    let search = Search { count: 10, ef: 10, most_looked_at: usize::MAX, accept: Some(&mut accept) };
    let all = set.search(&query, search);
    assert_eq!(all.len(), 10);
    let mut accept = |element: Element<'_>| element.attribute == Some(b"yes");
    let search = Search { count: 10, ef: 10, most_looked_at: 20, accept: Some(&mut accept) };
    assert!(set.search(&query, search).len() < 10, "few are looked at, few are found");
    let mut accept = |element: Element<'_>| element.attribute == Some(b"yes");
    let search = Search { count: 10, ef: 0, most_looked_at: 0, accept: Some(&mut accept) };
    assert_eq!(set.search_all(&query, search), all);
}

/// A set as a file would have it, and back.
fn reload(set: &VectorSet) -> Option<VectorSet> {
    let mut parts = Parts::new(Shape {
        dim: set.dim(),
        quant: set.quant(),
        m: set.m(),
        projection: set.projection().cloned(),
    })?;
    for slot in set.slots() {
        let element = set.element(slot);
        let vector = Encoded::from_raw(set.quant(), set.dim(), &set.raw(slot), element.norm, element.range)?;
        let ids = |links: &[Slot]| links.iter().map(|slot| set.element(*slot).id).collect();
        let levels = element
            .levels()
            .enumerate()
            .map(|(level, links)| (ids(links), Some(element.worst(level))))
            .collect();
        let node = LoadedNode {
            name: element.name.to_vec(),
            attribute: element.attribute.map(<[u8]>::to_vec),
            vector,
            id: element.id,
            levels,
        };
        if !parts.push(node) {
            return None;
        }
    }
    parts.finish()
}

#[test]
fn parts_of_a_file_are_checked() {
    let node = |name: &str, id: u64, levels: &[&[u64]]| LoadedNode {
        name: name.into(),
        attribute: None,
        vector: Encoded::new(Quant::F32, &[id as f32, 1.0]),
        id,
        levels: levels.iter().map(|links| (links.to_vec(), None)).collect(),
    };
    let load = |nodes: Vec<LoadedNode>| {
        let mut parts = Parts::new(shape(2, Quant::F32, 16)).expect("a good shape");
        nodes.into_iter().all(|node| parts.push(node)).then(|| parts.finish()).flatten()
    };
    let set = load(vec![node("b", 2, &[&[1]]), node("a", 1, &[&[2]])]).expect("a good set");
    validate(&set);
    assert_eq!((set.len(), set.last_id()), (2, 2));
    let bad: [Vec<LoadedNode>; 8] = [
        vec![node("b", 2, &[&[]]), node("a", 1, &[&[2]])],
        vec![node("b", 2, &[&[1, 2]]), node("a", 1, &[&[2]])],
        vec![node("b", 2, &[&[1, 1]]), node("a", 1, &[&[2, 2]])],
        vec![node("b", 2, &[&[1, 1]]), node("a", 1, &[&[]])],
        vec![node("b", 2, &[&[1, 9]]), node("a", 1, &[&[2]])],
        vec![node("b", 1, &[&[]]), node("a", 1, &[&[]])],
        vec![node("a", 2, &[&[1]]), node("a", 1, &[&[2]])],
        vec![node("b", 2, &[&[1], &[1]]), node("a", 1, &[&[2]])],
    ];
    assert!(bad.into_iter().all(|nodes| load(nodes).is_none()));
    assert!(load(vec![node("b", 0, &[&[]])]).is_none() && load(vec![node("b", 1, &[])]).is_none());
    for shape in [
        shape(0, Quant::F32, 16),
        shape(MOST_DIM + 1, Quant::F32, 16),
        shape(2, Quant::F32, 3),
        shape(2, Quant::F32, 5000),
    ] {
        assert!(Parts::new(shape).is_none());
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u8, u64),
    Remove(u8),
    Attribute(u8, Option<u8>),
    Pin,
    Reload,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        20 => (any::<u8>(), any::<u64>()).prop_map(|(name, seed)| Op::Insert(name, seed)),
        14 => any::<u8>().prop_map(Op::Remove),
        4 => (any::<u8>(), any::<Option<u8>>()).prop_map(|(name, attribute)| Op::Attribute(name, attribute)),
        1 => Just(Op::Pin),
        1 => Just(Op::Reload),
    ]
}

/// An attribute and a vector.
type Attributed = (Option<Vec<u8>>, Vec<f32>);

/// Name, attribute and vector of an element.
type Content = (Vec<u8>, Option<Vec<u8>>, Vec<u8>);

/// All elements in the order of their names.
fn contents(set: &VectorSet) -> Vec<Content> {
    let element = |slot| {
        (set.element(slot).name.to_vec(), set.element(slot).attribute.map(<[u8]>::to_vec), set.raw(slot))
    };
    set.from_name(b"").map(element).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// A set agrees with a map, keeps its invariants, and its clones keep what they saw.
    #[test]
    fn behaves_like_a_map(
        quant in prop::sample::select(vec![Quant::F32, Quant::Q8, Quant::Bin]),
        m in 4usize..7,
        ops in prop::collection::vec(op(), 0..250),
    ) {
        let mut set = VectorSet::new(shape(3, quant, m));
        let mut model: BTreeMap<Vec<u8>, Attributed> = BTreeMap::new();
        let mut pins = Vec::new();
        for op in ops {
            match op {
                Op::Insert(name, seed) => {
                    let (name, mut dice) = (vec![name % 80], Dice(seed));
                    let vector = dice.vector(3);
                    let (slot, new) = set.insert(&name, &vector, 8, dice.next());
                    prop_assert_eq!(set.find(&name), Some(slot));
                    prop_assert_eq!(new, !model.contains_key(&name));
                    let attribute = model.get(&name).and_then(|old| old.0.clone());
                    model.insert(name, (attribute, vector));
                }
                Op::Remove(name) => {
                    let name = vec![name % 80];
                    prop_assert_eq!(set.remove(&name), model.remove(&name).is_some());
                }
                Op::Attribute(name, attribute) => {
                    let (name, attribute) = (vec![name % 80], attribute.map(|byte| vec![byte]));
                    let slot = set.find(&name);
                    prop_assert_eq!(slot.is_some(), model.contains_key(&name));
                    if let (Some(slot), Some(entry)) = (slot, model.get_mut(&name)) {
                        set.set_attribute(slot, attribute.as_deref());
                        entry.0 = attribute;
                    }
                }
                Op::Pin => pins.push((set.clone(), contents(&set))),
                Op::Reload => {
                    let loaded = reload(&set);
                    prop_assert!(loaded.is_some());
                    set = loaded.unwrap_or(set);
                }
            }
        }
        validate(&set);
        let expected: Vec<_> = model.iter().map(|(name, (attribute, vector))| {
            let mut codes = Codes::new(quant, 3);
            codes.set(0, &Encoded::new(quant, vector).code);
            (name.clone(), attribute.clone(), codes.raw(0))
        }).collect();
        prop_assert_eq!(contents(&set), expected);
        prop_assert_eq!(set.attribute_count(), model.values().filter(|entry| entry.0.is_some()).count());
        prop_assert_eq!((0..=set.len()).map_while(|rank| set.by_rank(rank)).count(), set.len());
        let query = set.encode(&[1.0, 2.0, 3.0]);
        prop_assert_eq!(set.search(&query, plain(100, 100)).len(), set.len(), "all are reached");
        for (pin, seen) in pins {
            prop_assert_eq!(contents(&pin), seen);
            validate(&pin);
        }
    }
}
