//! Micro-benchmarks of the data structures: hash table, sorted set, listpack, glob, numbers.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ds::entry::{Entry, Value};
use ds::glob::glob_match;
use ds::listpack::Listpack;
use ds::num::{format_f64, parse_f64, parse_i64};
use ds::table::Table;
use ds::zset::Zset;
use testkit::rng::Rng;

const MEMBERS: u64 = 100_000;

fn member(number: u64) -> String {
    format!("m:{number:012}")
}

fn filled() -> Zset {
    let mut zset = Zset::new();
    let mut rng = Rng::new(1);
    for number in 0..MEMBERS {
        zset.insert(member(number).as_bytes(), rng.below(MEMBERS) as f64);
    }
    zset
}

/// The table of keys, as each shard has one.
fn table(c: &mut Criterion) {
    let mut group = c.benchmark_group("table of 100,000");
    let keys: Vec<String> = (0..2 * MEMBERS).map(member).collect();
    let entry = |key: &str| Entry::new(key.as_bytes(), None, 0, Value::Bytes(b"value"));
    let hash = |key: &str| ds::hash::of(key.as_bytes());
    let (here, absent) = keys.split_at(MEMBERS as usize);
    let mut table: Table<Entry> = Table::default();
    for key in here {
        table.insert(hash(key), entry(key));
    }
    let mut rng = Rng::new(3);
    group.bench_function("find", |b| {
        b.iter(|| {
            let key = &here[rng.below(MEMBERS) as usize];
            black_box(table.find(hash(key), key.as_bytes()).is_some())
        });
    });
    group.bench_function("find what is absent", |b| {
        b.iter(|| {
            let key = &absent[rng.below(MEMBERS) as usize];
            black_box(table.find(hash(key), key.as_bytes()).is_some())
        });
    });
    group.bench_function("insert, then remove", |b| {
        b.iter(|| {
            let key = &absent[rng.below(MEMBERS) as usize];
            table.insert(hash(key), entry(key));
            let slot = table.find_mut(hash(key), key.as_bytes()).expect("just inserted");
            black_box(slot.remove());
        });
    });
    group.finish();
}

/// The B+tree together with its member index, which is the hash table.
fn zset(c: &mut Criterion) {
    let mut group = c.benchmark_group("zset of 100,000");
    let mut zset = filled();
    let mut rng = Rng::new(2);
    group.bench_function("score (hash table)", |b| {
        b.iter(|| black_box(zset.score(member(rng.below(MEMBERS)).as_bytes())));
    });
    group.bench_function("rank (B+tree)", |b| {
        b.iter(|| black_box(zset.rank(member(rng.below(MEMBERS)).as_bytes())));
    });
    group.bench_function("change a score", |b| {
        b.iter(|| {
            let score = rng.below(MEMBERS) as f64;
            zset.insert(member(rng.below(MEMBERS)).as_bytes(), score);
        });
    });
    group.bench_function("100 in order from a rank", |b| {
        b.iter(|| {
            let from = rng.below(MEMBERS - 100) as usize;
            black_box(zset.iter_from(from).take(100).count());
        });
    });
    group.bench_function("pin, then change a score", |b| {
        b.iter(|| {
            let pin = zset.pin();
            zset.insert(member(rng.below(MEMBERS)).as_bytes(), 1.0);
            black_box(pin.len());
        });
    });
    group.finish();
}

fn listpack(c: &mut Criterion) {
    let mut group = c.benchmark_group("listpack of 128");
    let mut pack = Listpack::new();
    (0..128).for_each(|i| pack.push_back(member(i).as_bytes()));
    let last = member(127);
    group.bench_function("find the last", |b| {
        b.iter(|| black_box(pack.view().find(pack.view().first(), last.as_bytes(), 0)));
    });
    group.bench_function("walk", |b| b.iter(|| black_box(pack.iter().count())));
    group.bench_function("push to the front", |b| {
        b.iter_batched_ref(
            || Listpack::from_valid(pack.as_bytes().to_vec()),
            |pack| pack.push_front(b"front"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn text(c: &mut Criterion) {
    let mut group = c.benchmark_group("text");
    group.bench_function("parse integer", |b| b.iter(|| black_box(parse_i64(black_box(b"-1234567890123")))));
    group
        .bench_function("parse double", |b| b.iter(|| black_box(parse_f64(black_box(b"3.141592653589793")))));
    group.bench_function("format double", |b| {
        let mut out = Vec::new();
        b.iter(|| {
            out.clear();
            format_f64(black_box(2.149_592_653_589_7), &mut out);
        });
    });
    group.bench_function("glob user:*:name", |b| {
        b.iter(|| black_box(glob_match(b"user:*:name", black_box(b"user:123456:name"), false)));
    });
    group.finish();
}

criterion_group!(benches, table, zset, listpack, text);
criterion_main!(benches);
