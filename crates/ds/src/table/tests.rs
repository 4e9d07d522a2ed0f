//! The table against a `BTreeMap`, with honest and with colliding hashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use proptest::prelude::*;
use sys::gate::Gate;

use super::*;

/// A boxed (key, value); `HASH` chooses the hash function.
struct Pair<const HASH: u8>(Box<(Vec<u8>, u64)>);

// SAFETY: the raw form is the box's pointer, and `borrow` reborrows it.
unsafe impl<const HASH: u8> Item for Pair<HASH> {
    type Ref<'a> = &'a (Vec<u8>, u64);
    fn into_raw(self) -> NonNull<u8> {
        NonNull::from(Box::leak(self.0)).cast()
    }
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        // SAFETY: from `into_raw`, by the trait's contract.
        Pair(unsafe { Box::from_raw(raw.cast().as_ptr()) })
    }
    unsafe fn borrow<'a>(raw: NonNull<u8>) -> Self::Ref<'a> {
        // SAFETY: from `into_raw` and alive, by the trait's contract.
        unsafe { raw.cast().as_ref() }
    }
    fn key<'a>(item: Self::Ref<'a>) -> &'a [u8]
    where
        Self: 'a,
    {
        &item.0
    }
    fn hash(key: &[u8]) -> u64 {
        match HASH {
            0 => crate::hash::of(key),
            // Equal in the top 40 bits.
            1 => crate::hash::of(key) >> 40 | 0xabcd_ef01_2300_0000 << 16,
            // Few values at all.
            _ => (crate::hash::of(key) % 3) << 62,
        }
    }
}

type Model = BTreeMap<Vec<u8>, u64>;

fn key(n: u32) -> Vec<u8> {
    format!("key:{n}").into_bytes()
}

fn put<const H: u8>(table: &mut Table<Pair<H>>, model: &mut Model, n: u32, value: u64) {
    let key = key(n);
    let hash = Pair::<H>::hash(&key);
    match table.find_mut(hash, &key) {
        // A new box, so that the address changes too.
        Some(mut slot) => slot.update(|item| *item = Pair(Box::new((key.clone(), value)))),
        None => table.insert(hash, Pair(Box::new((key.clone(), value)))),
    }
    model.insert(key, value);
}

fn delete<const H: u8>(table: &mut Table<Pair<H>>, model: &mut Model, n: u32) {
    let key = key(n);
    let removed = table.find_mut(Pair::<H>::hash(&key), &key).map(|slot| slot.remove().0.1);
    assert_eq!(removed, model.remove(&key));
    // Does nothing but when the last item has gone, also in the middle of a snapshot.
    table.release_if_empty();
    assert!(!table.is_empty() || table.index_bytes() == 0);
}

fn check<const H: u8>(table: &Table<Pair<H>>, model: &Model) {
    assert_eq!(table.len(), model.len());
    let all: Model = table.iter().cloned().collect();
    assert_eq!(&all, model);
    let mut scanned = Vec::new();
    let mut position = Some(Position::default());
    while let Some(at) = position {
        position = table.scan(at, |item| scanned.push(item.clone()));
    }
    assert_eq!(scanned.len(), model.len(), "a full scan gives each item once");
    for (key, value) in model {
        assert_eq!(table.find(Pair::<H>::hash(key), key).map(|pair| pair.1), Some(*value));
    }
}

fn against_model<const H: u8>(steps: &[(bool, u32)], hints: bool) {
    let mut table: Table<Pair<H>> = match hints {
        true => Table::with_hints(Hints::new(1, Arc::new(Gate::new(1))), 0),
        false => Table::default(),
    };
    let mut model = Model::new();
    for (i, &(add, n)) in steps.iter().enumerate() {
        match add {
            true => put(&mut table, &mut model, n, i as u64),
            false => delete(&mut table, &mut model, n),
        }
    }
    check(&table, &model);
    (0..1000).for_each(|n| delete(&mut table, &mut model, n));
    put(&mut table, &mut model, 1, 1);
    check(&table, &model);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 40 }))]
    #[test]
    fn behaves_like_a_map(steps in prop::collection::vec((prop::bool::weighted(0.6), 0u32..900), 0..3000), hints: bool) {
        against_model::<0>(&steps, hints);
    }

    #[test]
    fn behaves_like_a_map_when_hashes_collide(steps in prop::collection::vec((prop::bool::weighted(0.6), 0u32..900), 0..2500)) {
        against_model::<1>(&steps, false);
        against_model::<2>(&steps[..steps.len() / 4], false);
    }

    /// What is there from the first to the last step comes exactly once; what comes and goes, at most once per life.
    #[test]
    fn a_scan_survives_growth_and_shrinking(seed: u64, start in 1u32..4000) {
        let mut table: Table<Pair<0>> = Table::default();
        let mut model = Model::new();
        (0..start).for_each(|n| put(&mut table, &mut model, n, 0));
        let mut random = seed | 1;
        let mut seen = BTreeMap::<Vec<u8>, u32>::new();
        let mut position = Some(Position::default());
        let (mut next_new, mut next_old) = (100_000, 10);
        while let Some(at) = position {
            position = table.scan(at, |item| *seen.entry(item.0.clone()).or_default() += 1);
            for _ in 0..random % 29 {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                if seed % 2 == 0 {
                    put(&mut table, &mut model, next_new, 0);
                    next_new += 1;
                } else if next_old < start {
                    delete(&mut table, &mut model, next_old);
                    next_old += 1;
                }
            }
        }
        (0..start.min(10)).for_each(|n| assert_eq!(seen.get(&key(n)), Some(&1)));
        prop_assert!(seen.values().all(|&times| times == 1));
    }

    /// The snapshot holds exactly what the table held at its beginning, whatever is written meanwhile.
    #[test]
    fn a_snapshot_is_the_state_of_its_beginning(start in 0u32..3000, steps in prop::collection::vec((prop::bool::weighted(0.5), 0u32..4000), 0..3000)) {
        #[derive(Default)]
        struct Saved(Mutex<Vec<(Vec<u8>, u64)>>);
        impl SaveHook<Pair<0>> for Saved {
            fn save<'a>(&self, items: &mut dyn Iterator<Item = &'a (Vec<u8>, u64)>)
            where
                Pair<0>: 'a,
            {
                self.0.lock().expect("no test thread panicked").extend(items.cloned());
            }

            fn number(&self) -> usize {
                7
            }
        }
        let mut table: Table<Pair<0>> = Table::default();
        let mut model = Model::new();
        for round in 0..2 {
            (0..start).for_each(|n| put(&mut table, &mut model, n, round));
            let saved = Arc::new(Saved::default());
            let at_start = model.clone();
            table.begin_snapshot(saved.clone());
            let walked = Saved::default();
            let mut walk = |number: usize, item: &(Vec<u8>, u64)| {
                assert_eq!(number, 7);
                walked.save(&mut std::iter::once(item));
            };
            let mut position = Some(Position::default());
            for (i, &(add, n)) in steps.iter().enumerate() {
                match add {
                    true => put(&mut table, &mut model, n, i as u64 + 10),
                    false => delete(&mut table, &mut model, n),
                }
                position = position.filter(|_| i % 16 == 0).and_then(|at| table.save_some(at, &mut walk)).or(position);
            }
            position = Some(Position::default());
            while let Some(at) = position {
                position = table.save_some(at, &mut walk);
            }
            table.end_snapshot();
            let mut saved = std::mem::take(&mut *saved.0.lock().expect("no test thread panicked"));
            saved.append(&mut walked.0.into_inner().expect("no test thread panicked"));
            prop_assert_eq!(saved.len(), at_start.len());
            prop_assert_eq!(saved.into_iter().collect::<Model>(), at_start);
            check(&table, &model);
            (0..5000).for_each(|n| delete(&mut table, &mut model, n));
            prop_assert!(table.is_empty());
        }
    }
}

#[test]
fn equal_top_bits_do_not_blow_up_the_directory() {
    let mut table: Table<Pair<1>> = Table::default();
    let mut model = Model::new();
    let count = if cfg!(miri) { 1000 } else { 100_000 };
    (0..count).for_each(|n| put(&mut table, &mut model, n, 1));
    assert!(table.index_bytes() < 1 << 20);
    (0..count).filter(|n| n % 3 > 0).for_each(|n| delete(&mut table, &mut model, n));
    check(&table, &model);
}

/// The stored bits go through all their states: kept by a split, made anew, converted by a merge. A cursor of any time goes on
/// where it stood.
#[test]
fn many_splits_and_merges_lose_nothing() {
    let mut table: Table<Pair<0>> = Table::default();
    let mut model = Model::new();
    let most = if cfg!(miri) { 4000 } else { 150_000 };
    let mut cursors = vec![Position::default()];
    let look = |table: &Table<Pair<0>>, model: &Model, cursors: &mut Vec<Position>| {
        check(table, model);
        for &cursor in cursors.iter() {
            let (mut position, mut seen) = (Some(cursor), BTreeSet::new());
            while let Some(at) = position {
                position = table.scan(at, |item| assert!(seen.insert(item.0.clone())));
            }
            let behind = |key: &&Vec<u8>| Position::of(Pair::<0>::hash(key)) >= cursor;
            assert_eq!(seen, model.keys().filter(behind).cloned().collect());
        }
        // One more from the middle of the table as it is.
        let mut position = Some(Position::of(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(cursors.len() as u64)));
        (0..3).for_each(|_| position = position.and_then(|at| table.scan(at, |_| ())));
        cursors.extend(position);
    };
    let mut count = 500;
    while count < most {
        (model.len() as u32..count).for_each(|n| put(&mut table, &mut model, n, 1));
        look(&table, &model, &mut cursors);
        count *= 3;
    }
    while model.len() > 100 {
        let (left, all) = (model.len() as u32 / 3, model.len() as u32);
        (left..all).for_each(|n| delete(&mut table, &mut model, n));
        look(&table, &model, &mut cursors);
    }
}

#[test]
fn memory_follows_the_items_both_ways() {
    let mut table: Table<Pair<0>> = Table::default();
    let mut model = Model::new();
    let count = if cfg!(miri) { 2000 } else { 50_000 };
    (0..count).for_each(|n| put(&mut table, &mut model, n, 1));
    let per_item = table.index_bytes() as f64 / f64::from(count);
    assert!((9.0..15.0).contains(&per_item), "{per_item} bytes of index per item");
    (0..count).for_each(|n| delete(&mut table, &mut model, n));
    assert!(table.index_bytes() < 1024, "{} bytes remain", table.index_bytes());
}

#[test]
fn random_items_are_fairly_drawn() {
    let mut table: Table<Pair<0>> = Table::default();
    (0..100).for_each(|n| put(&mut table, &mut Model::new(), n, 1));
    let mut state = 42u64;
    let mut draw = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state ^ state >> 29
    };
    let mut counts = BTreeMap::<Vec<u8>, u32>::new();
    (0..20_000)
        .for_each(|_| *counts.entry(table.random(&mut draw).expect("not empty").0.clone()).or_default() += 1);
    assert!(counts.len() == 100 && counts.values().all(|&n| (120..300).contains(&n)), "{counts:?}");
}

#[test]
fn taking_a_table_keeps_its_snapshot_with_it() {
    let mut table: Table<Pair<0>> = Table::default();
    let mut model = Model::new();
    (0..500).for_each(|n| put(&mut table, &mut model, n, 1));
    let taken = table.take();
    assert!(table.is_empty() && taken.len() == 500);
    put(&mut table, &mut Model::new(), 1, 2);
    assert_eq!(table.iter().map(|pair| &pair.0).collect::<BTreeSet<_>>().len(), 1);
}

/// Items may be moved between stash lines when room is short; none is lost or hidden, and room is not given up early.
#[test]
fn a_segment_takes_items_until_it_is_nearly_full() {
    let last = CLASSES.len() - 1;
    let (mut taken, mut slots, mut state) = (0, 0, 7u64);
    for _ in 0..if cfg!(miri) { 1 } else { 50 } {
        let segment = SegmentRef::allocate(last, Reach::ALL, false);
        let mut items = BTreeMap::new();
        loop {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let bits = (state >> 40) as u32;
            // Only ever compared, never followed.
            let pointer = NonNull::without_provenance((items.len() + 1).try_into().expect("not zero"));
            if !segment.push(pointer, bits) {
                break;
            }
            items.insert(pointer, bits);
        }
        assert_eq!(segment.items().collect::<BTreeMap<_, _>>(), items);
        let found = |(&pointer, &bits): (&_, &_)| segment.find(bits, |other| other == pointer).is_some();
        assert!(items.iter().all(found));
        (taken, slots) = (taken + items.len(), slots + segment.lines().len() * line::SLOTS);
        // SAFETY: the segment was never published.
        unsafe { segment.free() }
    }
    assert!(taken * 100 > slots * 87, "{taken} of {slots}");
}
