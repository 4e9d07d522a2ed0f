//! Fields against a `HashMap`, with pins that must not change while the collection does.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;

type Model = HashMap<Vec<u8>, (Option<Vec<u8>>, Option<u64>)>;

fn name(n: u32) -> Vec<u8> {
    match n % 50 {
        0 => format!("a name of thirty bytes and more {n:0300}").into_bytes(),
        1 => format!("a name of thirty bytes and more {n}").into_bytes(),
        _ => format!("f{n}").into_bytes(),
    }
}

fn value(n: u32) -> Option<Vec<u8>> {
    match n % 40 {
        0 => None,
        1 => Some(vec![n as u8; 2000]),
        2 => Some(vec![n as u8; 300]),
        3 => Some(Vec::new()),
        _ => Some(n.to_string().into_bytes()),
    }
}

fn content<'a>(fields: impl Iterator<Item = FieldRef<'a>>) -> Model {
    let mut model = Model::new();
    for field in fields {
        let old = model.insert(field.name().to_vec(), (field.value().map(<[u8]>::to_vec), field.expire_ms()));
        assert!(old.is_none(), "each field once");
    }
    model
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u32, u32, Option<u64>),
    Add(u32),
    Remove(u32),
    Expire(u32, Option<u64>),
    Due(u64),
    Pin,
    Unpin,
}

fn op() -> impl Strategy<Value = Op> {
    let expiry = || prop_oneof![Just(None), (0u64..20_000).prop_map(Some)];
    prop_oneof![
        200 => (0u32..900, any::<u32>(), expiry()).prop_map(|(n, v, e)| Op::Insert(n, v, e)),
        80 => (0u32..900).prop_map(Op::Add),
        150 => (0u32..900).prop_map(Op::Remove),
        50 => (0u32..900, expiry()).prop_map(|(n, e)| Op::Expire(n, e)),
        3 => (0u64..20_000).prop_map(Op::Due),
        4 => Just(Op::Pin),
        3 => Just(Op::Unpin),
    ]
}

fn apply(fields: &mut Fields, model: &mut Model, op: &Op) {
    match *op {
        Op::Insert(n, v, expire_ms) => {
            let new = fields.insert(&name(n), value(v).as_deref(), expire_ms);
            assert_eq!(new, model.insert(name(n), (value(v), expire_ms)).is_none());
        }
        Op::Add(n) => {
            let new = fields.add(&name(n));
            assert_eq!(new, !model.contains_key(&name(n)));
            model.entry(name(n)).or_default();
        }
        Op::Remove(n) => assert_eq!(fields.remove(&name(n)), model.remove(&name(n)).is_some()),
        Op::Expire(n, expire_ms) => {
            let there = model.get_mut(&name(n)).map(|field| field.1 = expire_ms);
            assert_eq!(fields.set_expiry(&name(n), expire_ms), there.is_some());
        }
        Op::Due(now_ms) => {
            let mut names = fields.due(now_ms, usize::MAX);
            names.sort();
            for name in names {
                assert!(fields.remove(&name), "each due field once");
                let field = model.remove(&name).expect("only fields of the collection are due");
                assert!(field.1.is_some_and(|at| at < now_ms));
            }
            assert!(model.values().all(|field| field.1.is_none_or(|at| at + 8 >= now_ms)));
            assert!(fields.next_expiry().is_none_or(|at| at > now_ms));
        }
        Op::Pin | Op::Unpin => {}
    }
}

fn check(fields: &Fields, model: &Model) {
    assert_eq!(fields.len(), model.len());
    assert_eq!(&content(fields.iter()), model);
    let with_expiry = model.values().filter(|field| field.1.is_some());
    assert_eq!(fields.with_expiry_len(), with_expiry.clone().count());
    let earliest = with_expiry.filter_map(|field| field.1).min();
    assert_eq!(fields.next_expiry().is_some(), earliest.is_some());
    // Near times are filed up to a step late.
    assert!(fields.next_expiry().is_none_or(|at| earliest.is_some_and(|earliest| at <= earliest + 8)));
    for (name, (value, expire_ms)) in model {
        let field = fields.get(name).expect("in the model");
        assert_eq!((field.value(), field.expire_ms()), (value.as_deref(), *expire_ms));
        assert_eq!(field.blob().is_some(), value.as_ref().is_some_and(|value| value.len() > 1024));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 60 }))]
    #[test]
    fn behaves_like_a_map_and_pins_stay_as_they_were(
        start in 0u32..900,
        ops in prop::collection::vec(op(), 0..if cfg!(miri) { 100 } else { 2500 }),
    ) {
        let (mut fields, mut model) = (Fields::new(), Model::new());
        (0..start).for_each(|n| apply(&mut fields, &mut model, &Op::Insert(n, n, None)));
        let mut pins: Vec<(Pin, Model)> = Vec::new();
        for op in &ops {
            match op {
                Op::Pin => pins.push((fields.pin(), model.clone())),
                Op::Unpin => drop((!pins.is_empty()).then(|| pins.remove(0))),
                op => apply(&mut fields, &mut model, op),
            }
        }
        check(&fields, &model);
        check(&fields.clone(), &model);
        // The pins outlive the collection, and the last may be dropped by another thread.
        drop(fields);
        let reader = std::thread::spawn(move || {
            for (pin, model) in pins {
                assert_eq!(pin.len(), model.len());
                assert_eq!(content(pin.iter()), model);
            }
        });
        prop_assert!(reader.join().is_ok());
    }
}

#[test]
fn a_pin_is_read_while_the_collection_is_written() {
    let count = if cfg!(miri) { 300u32 } else { 20_000 };
    let (mut fields, mut model) = (Fields::new(), Model::new());
    (0..count).for_each(|n| apply(&mut fields, &mut model, &Op::Insert(n, n, None)));
    for round in 0..3 {
        let (pin, at_pin) = (fields.pin(), model.clone());
        let reader = std::thread::spawn(move || assert_eq!(content(pin.iter()), at_pin));
        for n in 0..count {
            let op = if n % 3 == round { Op::Remove(n) } else { Op::Insert(n + 7, n, Some(u64::from(n))) };
            apply(&mut fields, &mut model, &op);
        }
        assert!(reader.join().is_ok());
        check(&fields, &model);
    }
}

#[test]
fn a_scan_gives_every_field_once() {
    let mut fields = Fields::new();
    (0..5000).for_each(|n| assert!(fields.add(&name(n))));
    let mut seen = BTreeMap::<Vec<u8>, u32>::new();
    let mut position = Some(Position::default());
    while let Some(at) = position {
        let at = Position::from_wide_bits(at.to_wide_bits()).expect("a position of this table");
        position = fields.scan(at, |field| *seen.entry(field.name().to_vec()).or_default() += 1);
    }
    assert!(seen.len() == 5000 && seen.values().all(|&times| times == 1));
}

#[test]
fn random_fields_are_fairly_drawn() {
    let mut state = 42u64;
    let mut draw = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state ^ state >> 29
    };
    // Sizes at which some segments have split and others have not.
    for count in [1u32, 64, 450, 700, 3000] {
        let fields: Fields = {
            let mut fields = Fields::new();
            (0..count).for_each(|n| assert!(fields.add(&name(n))));
            fields
        };
        let mut counts = BTreeMap::<Vec<u8>, f64>::new();
        let per_field = 200.0;
        (0..count * 200).for_each(|_| {
            *counts.entry(fields.random(&mut draw).expect("not empty").name().to_vec()).or_default() += 1.0
        });
        // The statistic of a fair draw has mean `count` and deviation sqrt(2 count).
        let chi: f64 = counts.values().map(|n| (n - per_field) * (n - per_field) / per_field).sum();
        let deviation = (2.0 * f64::from(count)).sqrt();
        assert_eq!(counts.len(), count as usize);
        assert!(chi < f64::from(count) + 6.0 * deviation, "{chi} for {count}");
    }
}

#[test]
fn room_that_was_made_is_used_or_given_back() {
    for (room, count) in [(0, 500), (1, 1), (300, 300), (300, 10), (5000, 2000)] {
        let mut fields = Fields::with_room(room);
        (0..count).for_each(|n| assert!(fields.add(&name(n))));
        assert!((0..count).all(|n| fields.contains(&name(n))) && fields.iter().count() == count as usize);
        (0..count).for_each(|n| assert!(fields.remove(&name(n))));
        assert!(fields.is_empty() && fields.memory_bytes() < 1000, "{}", fields.memory_bytes());
    }
    assert!(Fields::with_room(100).random(|| 1).is_none());
}

#[test]
fn fields_cost_what_they_should() {
    let count = 200_000u32;
    for (value, most) in [(None, 32), (Some(&b"fourteen bytes"[..]), 50)] {
        let mut fields = Fields::new();
        (0..count).for_each(|n| assert!(fields.insert(format!("name{n:010}").as_bytes(), value, None)));
        let each = fields.memory_bytes() / count as usize;
        assert!(each <= most, "{each} bytes for each field");
    }
}

#[test]
fn due_fields_come_in_portions_and_bounds_come_closer() {
    let mut fields = Fields::new();
    let start = 1_700_000_000_000;
    (0..1000u32).for_each(|n| assert!(fields.insert(&name(n), Some(b"v"), Some(start + u64::from(n)))));
    assert!(fields.due(start, 100).is_empty());
    assert!(fields.next_expiry().is_some_and(|at| at >= start && at <= start + 8));
    // Near times are filed up to a step late, so nothing expires in the last step before this moment.
    (490..500).for_each(|n| assert!(fields.set_expiry(&name(n), Some(start + 100))));
    let first = fields.due(start + 500, 100);
    assert!(first.len() >= 100 && first.len() < 1000);
    first.iter().for_each(|name| assert!(fields.remove(name)));
    let mut left = 500 - first.len();
    while left > 0 {
        let names = fields.due(start + 500, 70);
        assert!(!names.is_empty());
        left -= names.len();
        names.iter().for_each(|name| assert!(fields.remove(name)));
    }
    assert!(fields.due(start + 500, 70).is_empty());
    assert_eq!(fields.with_expiry_len(), 500);
    (500..1000).for_each(|n| assert!(fields.set_expiry(&name(n), None)));
    assert_eq!((fields.next_expiry(), fields.with_expiry_len()), (None, 0));
}
