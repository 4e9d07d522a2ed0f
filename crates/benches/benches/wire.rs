//! Micro-benchmarks of the request parser and the reply writer.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use resp::request::{Decoder, Limits};
use resp::writer::Writer;
use testkit::client::encode;

const REQUESTS: usize = 100;

fn pipeline(value_bytes: usize) -> Vec<u8> {
    let value = vec![b'x'; value_bytes];
    let mut bytes = Vec::new();
    for i in 0..REQUESTS {
        encode(&mut bytes, &[b"SET".as_slice(), format!("key:{i:012}").as_bytes(), &value]);
    }
    bytes
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse 100 SETs");
    for value_bytes in [8, 64, 1024] {
        let bytes = pipeline(value_bytes);
        group.throughput(Throughput::Elements(REQUESTS as u64));
        group.bench_function(format!("values of {value_bytes}"), |b| {
            let limits = Limits { bulk_bytes: 512 << 20, authenticated: true, requests: REQUESTS };
            let mut decoder = Decoder::default();
            b.iter(|| {
                decoder.read_buffer().extend_from_slice(&bytes);
                decoder.parse(&limits).expect("sound requests");
                assert_eq!(decoder.len(), REQUESTS);
                decoder.finish(REQUESTS);
            });
        });
    }
    group.finish();
}

fn write(c: &mut Criterion) {
    let mut group = c.benchmark_group("write 100 replies");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    let value = [b'x'; 64];
    group.bench_function("bulk of 64", |b| {
        let mut out = Writer::new(false);
        b.iter(|| {
            (0..REQUESTS).for_each(|_| out.bulk(black_box(&value)));
            black_box(out.len());
            out.clear();
        });
    });
    group.bench_function("integer", |b| {
        let mut out = Writer::new(false);
        b.iter(|| {
            (0..REQUESTS as i64).for_each(|i| out.int(black_box(i * 1_000)));
            out.clear();
        });
    });
    group.bench_function("nested array", |b| {
        let mut out = Writer::new(true);
        b.iter(|| {
            out.array(REQUESTS);
            for _ in 0..REQUESTS {
                out.array(2);
                out.bulk(black_box(b"member"));
                out.double(black_box(b"1.5"));
            }
            out.clear();
        });
    });
    group.finish();
}

criterion_group!(benches, parse, write);
criterion_main!(benches);
