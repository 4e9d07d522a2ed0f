//! Streams against a sorted map, and blocks against the bytes of a real server.

use std::collections::BTreeMap;

use super::*;
use proptest::prelude::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;
type Model = BTreeMap<StreamId, Fields>;

const LIMITS: BlockLimits = BlockLimits { bytes: 4096, entries: 5 };

fn fields(kind: u8, value: u8) -> Vec<Vec<u8>> {
    let text = |s: &str| s.as_bytes().to_vec();
    match kind % 4 {
        0 | 1 => vec![text("a"), vec![value; 3], text("b"), value.to_string().into_bytes()],
        2 => vec![text("12"), text("-77"), text("a"), vec![]],
        _ => vec![text("c"), vec![b'x'; usize::from(value) * 20]],
    }
}

fn collect<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<(StreamId, Fields)> {
    entries.map(|e| (e.id(), e.fields().map(|(f, v)| (f.to_vec(), v.to_vec())).collect())).collect()
}

fn check(stream: &Stream, model: &Model) {
    let all: Vec<_> = model.iter().map(|(id, f)| (*id, f.clone())).collect();
    assert_eq!(collect(stream.range(StreamId::MIN, StreamId::MAX)), all);
    let mut reversed = collect(stream.range_rev(StreamId::MIN, StreamId::MAX));
    reversed.reverse();
    assert_eq!(reversed, all);
    assert_eq!(stream.len(), model.len() as u64);
    assert_eq!(stream.first_id(), model.keys().next().copied().unwrap_or(StreamId::MIN));
    assert_eq!(stream.radix_nodes(), Radix::of(stream.blocks().map(Block::master)).nodes());
    for block in stream.blocks() {
        let pack = crate::listpack::Listpack::from_bytes(block.as_bytes().to_vec()).expect("valid");
        assert!(Block::from_listpack(block.master(), pack).is_ok());
    }
}

#[derive(Clone, Debug)]
enum Op {
    Add(u64, u8, u8),
    Delete(usize),
    Trim(TrimTo, bool),
    Range(u64, u64),
    Pin,
}

fn op() -> impl Strategy<Value = Op> {
    let to = prop_oneof![
        (0u64..40).prop_map(TrimTo::MaxLen),
        (0u64..100).prop_map(|ms| TrimTo::MinId(StreamId::new(ms, 1)))
    ];
    prop_oneof![
        20 => (0u64..3, any::<u8>(), any::<u8>()).prop_map(|(step, k, v)| Op::Add(step, k, v)),
        6 => any::<usize>().prop_map(Op::Delete),
        1 => (to, any::<bool>()).prop_map(|(to, approximate)| Op::Trim(to, approximate)),
        2 => (0u64..150, 0u64..150).prop_map(|(a, b)| Op::Range(a, b)),
        1 => Just(Op::Pin),
    ]
}

fn apply(stream: &mut Stream, model: &mut Model, op: &Op) {
    match *op {
        Op::Add(step, kind, value) => {
            let id = if step == 0 {
                stream.last_id().next()
            } else {
                Some(StreamId::new(stream.last_id().ms + step, 0))
            };
            let id = id.expect("small");
            let argv = fields(kind, value);
            let refs: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
            assert!(stream.append(id, &refs, LIMITS));
            assert!(!stream.append(id, &refs, LIMITS));
            model.insert(id, argv.chunks(2).map(|p| (p[0].clone(), p[1].clone())).collect());
        }
        Op::Delete(index) if !model.is_empty() => {
            let id = *model.keys().nth(index % model.len()).expect("in range");
            assert!(stream.delete(id));
            assert!(!stream.delete(id));
            model.remove(&id);
        }
        Op::Trim(to, approximate) => {
            let before = model.len() as u64;
            let removed = stream.trim(to, approximate, None, RefPolicy::Keep);
            let wanted = match to {
                TrimTo::MaxLen(keep) => before.saturating_sub(keep),
                TrimTo::MinId(min) => model.range(..min).count() as u64,
            };
            assert!(removed == wanted || approximate && removed < wanted && wanted - removed < 5);
            for _ in 0..removed {
                model.pop_first();
            }
        }
        Op::Range(a, b) => {
            let (from, to) = (StreamId::new(a, 1), StreamId::new(b, 0));
            let want: Vec<_> = if from <= to {
                model.range(from..=to).map(|(id, f)| (*id, f.clone())).collect()
            } else {
                vec![]
            };
            assert_eq!(collect(stream.range(from, to)), want);
            let mut reversed = collect(stream.range_rev(from, to));
            reversed.reverse();
            assert_eq!(reversed, want);
        }
        _ => {}
    }
}

/// An entry of 2 GB of fields, and one of a single field that is too long, are refused before anything is copied: the parts
/// are one megabyte, over and over.
#[test]
fn what_is_too_large_for_a_block_is_refused() {
    let part = vec![b'x'; 1 << 20];
    let large = vec![&part[..]; 2048];
    let mut stream = Stream::new();
    assert!(!stream.append(StreamId::new(1, 0), &large, LIMITS));
    assert_eq!((stream.len(), stream.last_id()), (0, StreamId::new(0, 0)));
    assert!(stream.append(StreamId::new(1, 0), &large[..2], LIMITS));
    assert_eq!(stream.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn behaves_like_a_sorted_map(ops in proptest::collection::vec(op(), 0..200)) {
        let (mut stream, mut model, mut pins) = (Stream::new(), Model::new(), Vec::new());
        for op in &ops {
            if let Op::Pin = op {
                pins.push((stream.clone(), model.clone()));
            }
            apply(&mut stream, &mut model, op);
        }
        pins.push((stream, model));
        for (stream, model) in &pins {
            check(stream, model);
            let rebuilt = Stream::from_parts(stream.blocks().cloned().collect(), stream.meta(), Groups::default());
            check(&rebuilt.expect("consistent"), model);
        }
    }

    /// Pending lists against a map from ID to consumer.
    #[test]
    fn pending_entries(ops in proptest::collection::vec((0u64..60, 0usize..4, 0u8..4), 0..300)) {
        let mut group = Group::default();
        let mut consumers: Vec<Option<ConsumerId>> =
            (0..4u8).map(|n| group.create_consumer(&[b'c', n], 0)).collect();
        let mut model: BTreeMap<StreamId, usize> = BTreeMap::new();
        for (ms, who, action) in ops {
            let id = StreamId::new(ms, 0);
            let name = [b'c', who as u8];
            match (action, consumers[who]) {
                (0 | 1, Some(consumer)) => {
                    group.set_pending(id, Nack { delivery_ms: 5, deliveries: 1, consumer });
                    model.insert(id, who);
                }
                (2, _) => {
                    prop_assert_eq!(group.remove_pending(id).is_some(), model.remove(&id).is_some());
                }
                (3, Some(_)) if ms % 8 == 0 => {
                    let count = model.values().filter(|w| **w == who).count();
                    prop_assert_eq!(group.delete_consumer(&name), Some(count));
                    model.retain(|_, w| *w != who);
                    consumers[who] = None;
                }
                (_, None) => {
                    consumers[who] = group.create_consumer(&name, 0);
                    prop_assert!(consumers[who].is_some());
                }
                _ => {}
            }
        }
        prop_assert_eq!(group.pending_len(), model.len());
        let pending: Vec<_> = group.pending_from(StreamId::MIN).map(|e| (e.id, e.nack.consumer)).collect();
        let want: Vec<_> = model.iter().map(|(id, who)| (*id, consumers[*who].expect("alive"))).collect();
        prop_assert_eq!(pending, want);
        for (who, consumer) in consumers.iter().enumerate().filter_map(|(w, c)| c.map(|c| (w, c))) {
            let ids: Vec<_> = group.consumer(consumer).pending_from(StreamId::MIN).collect();
            prop_assert_eq!(ids, model.iter().filter(|(_, w)| **w == who).map(|(id, _)| *id).collect::<Vec<_>>());
        }
    }

    #[test]
    fn damaged_blocks_are_refused_or_readable(hits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..3)) {
        let mut stream = Stream::new();
        for n in 1..5u8 {
            stream.append(StreamId::new(u64::from(n), 0), &[b"a", &[n], b"bc", b"12"], LIMITS);
        }
        let block = stream.blocks().next().expect("one block").clone();
        let mut bytes = block.as_bytes().to_vec();
        for (at, byte) in hits {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(pack) = crate::listpack::Listpack::from_bytes(bytes)
            && let Ok(block) = Block::from_listpack(block.master(), pack)
        {
            prop_assert_eq!(block.entries().count(), block.entries_rev().count());
            prop_assert_eq!(block.entries().filter(|f| !f.deleted).count(), block.live());
        }
    }
}

/// The block in the DUMP of a stream after `XADD s 1-1 a 1` on a Redis 8.6.3.
#[test]
fn bytes_of_a_real_server() {
    let mut stream = Stream::new();
    stream.append(StreamId::new(1, 1), &[b"a", b"1"], LIMITS);
    let block = stream.blocks().next().expect("one block");
    let want = b"\x1c\0\0\0\n\0\x01\x01\0\x01\x01\x01\x81a\x02\0\x01\x02\x01\0\x01\0\x01\x01\x01\x04\x01\xff";
    assert_eq!(block.as_bytes(), want);
}

fn numbered(count: u64) -> Stream {
    let mut stream = Stream::new();
    for ms in 1..=count {
        stream.append(StreamId::new(ms, 0), &[b"a", b"1"], BlockLimits { bytes: 4096, entries: 100 });
    }
    stream
}

/// Lags of XINFO GROUPS on a Redis 8.6.3 for the same steps.
#[test]
fn lag_of_a_real_server() {
    let mut stream = numbered(10);
    let id = |ms| StreamId::new(ms, 0);
    for (name, last_id) in [(b"g", id(0)), (b"h", id(5)), (b"i", id(10)), (b"k", StreamId::new(3, 5))] {
        assert!(stream.groups_mut().insert(name, Group::new(last_id, None)));
    }
    let lags = |s: &Stream| {
        s.groups().iter().map(|(_, g)| (g.entries_read, s.lag(g, LagRule::Redis))).collect::<Vec<_>>()
    };
    let none = (None, None);
    assert_eq!(lags(&stream), [(None, Some(10)), none, (None, Some(0)), none]);
    stream.delete(id(7));
    assert_eq!(lags(&stream), [none, none, (None, Some(0)), none]);
    stream.trim(TrimTo::MaxLen(6), false, None, RefPolicy::Keep);
    assert_eq!(stream.read_new(b"g", None, Some(1), 0, |_| ()), Some(1));
    assert_eq!(stream.read_new(b"g", None, Some(3), 0, |_| ()), Some(3));
    assert_eq!(lags(&stream), [none, none, (None, Some(0)), none]);
    stream.trim(TrimTo::MaxLen(2), false, None, RefPolicy::Keep);
    assert_eq!(lags(&stream), [(None, Some(2)), (None, Some(2)), (None, Some(0)), (None, Some(2))]);
    assert_eq!(stream.read_new(b"h", None, Some(1), 0, |_| ()), Some(1));
    assert_eq!(lags(&stream), [(None, Some(2)), (Some(9), Some(1)), (None, Some(0)), (None, Some(2))]);
    stream.trim(TrimTo::MaxLen(0), false, None, RefPolicy::Keep);
    assert_eq!(lags(&stream), [(None, Some(0)), (Some(9), Some(0)), (None, Some(0)), (None, Some(0))]);
}

#[test]
fn reference_policies() {
    let mut stream = numbered(3);
    let id = |ms| StreamId::new(ms, 0);
    stream.groups_mut().insert(b"g", Group::default());
    let consumer = stream.groups_mut().get_mut(b"g").and_then(|g| g.create_consumer(b"c", 0));
    assert_eq!(stream.read_new(b"g", consumer, Some(2), 7, |_| ()), Some(2));
    assert_eq!(stream.delete_with(id(1), RefPolicy::Acked), Deletion::StillReferenced);
    assert_eq!(stream.delete_with(id(3), RefPolicy::Acked), Deletion::StillReferenced);
    stream.groups_mut().get_mut(b"g").and_then(|g| g.remove_pending(id(1)));
    assert_eq!(stream.delete_with(id(1), RefPolicy::Acked), Deletion::Deleted);
    assert_eq!(stream.delete_with(id(1), RefPolicy::Acked), Deletion::NotFound);
    assert_eq!(stream.trim(TrimTo::MaxLen(0), false, None, RefPolicy::Acked), 0);
    assert_eq!(stream.delete_with(id(2), RefPolicy::Delete), Deletion::Deleted);
    assert_eq!(stream.groups().get(b"g").map(Group::pending_len), Some(0));
}

/// The same with known counters: entries that were trimmed before they were read do not count.
#[test]
fn lag_behind_a_trim() {
    let mut stream = numbered(10);
    let id = |ms| StreamId::new(ms, 0);
    for (name, last_id, read) in [(b"h", id(3), 3), (b"m", StreamId::new(5, 5), 5), (b"z", id(0), 0)] {
        assert!(stream.groups_mut().insert(name, Group::new(last_id, Some(read))));
    }
    let lags = |s: &Stream| {
        s.groups().iter().map(|(_, g)| (g.entries_read, s.lag(g, LagRule::Redis))).collect::<Vec<_>>()
    };
    assert_eq!(lags(&stream), [(Some(3), Some(7)), (Some(5), Some(5)), (Some(0), Some(10))]);
    stream.trim(TrimTo::MaxLen(4), false, None, RefPolicy::Keep);
    assert_eq!(lags(&stream), [(Some(3), Some(4)), (Some(5), Some(4)), (Some(0), Some(4))]);
    stream.read_new(b"h", None, Some(1), 0, |_| ());
    stream.delete(id(9));
    assert_eq!(lags(&stream), [(Some(7), None), (Some(5), None), (Some(0), None)]);
    stream.read_new(b"z", None, Some(1), 0, |_| ());
    stream.read_new(b"m", None, Some(2), 0, |_| ());
    assert_eq!(lags(&stream), [(Some(7), None), (None, None), (None, None)]);
    stream.read_new(b"m", None, Some(1), 0, |_| ());
    stream.delete(id(7));
    stream.delete(id(8));
    assert_eq!(lags(&stream), [(Some(7), Some(1)), (Some(10), Some(0)), (None, Some(1))]);
}

/// Lags of XINFO GROUPS on a Valkey 9.1.2 for the same steps.
#[test]
fn lag_of_valkey() {
    let id = |ms| StreamId::new(ms, 0);
    let (lag, read) = (
        |s: &Stream, last, read| s.lag(&Group::new(id(last), read), LagRule::Valkey),
        |s: &mut Stream, name: &[u8], most| s.read_new(name, None, Some(most), 0, |_| ()),
    );
    let mut stream = numbered(10);
    stream.groups_mut().insert(b"g", Group::new(id(3), Some(3)));
    stream.trim(TrimTo::MaxLen(4), false, None, RefPolicy::Keep);
    assert_eq!([lag(&stream, 3, Some(3)), lag(&stream, 3, None)], [Some(7), Some(4)]);
    assert_eq!(read(&mut stream, b"g", 1), Some(1));
    assert_eq!(stream.groups().get(b"g").and_then(|g| g.entries_read), Some(7));
    stream.delete(id(7));
    assert_eq!(
        [lag(&stream, 0, None), lag(&stream, 6, None), lag(&stream, 7, Some(4)), lag(&stream, 8, Some(12))],
        [Some(3), None, Some(3), Some(-2)]
    );
    stream.trim(TrimTo::MaxLen(0), false, None, RefPolicy::Keep);
    assert_eq!([lag(&stream, 3, Some(3)), lag(&stream, 3, None)], [Some(7), Some(0)]);
}

/// A block without a live entry, which a trim in Redis can leave behind, is dropped.
#[test]
fn blocks_without_live_entries() {
    let dead =
        b"\x1c\0\0\0\n\0\x00\x01\x01\x01\x01\x01\x81a\x02\0\x01\x03\x01\0\x01\0\x01\x01\x01\x04\x01\xff";
    let pack = crate::listpack::Listpack::from_bytes(dead.to_vec()).expect("a listpack");
    let block = Block::from_listpack(StreamId::new(1, 1), pack).expect("a block");
    let meta = StreamMeta {
        length: 0,
        last_id: StreamId::new(1, 1),
        first_id: StreamId::MIN,
        max_deleted_id: StreamId::new(1, 1),
        entries_added: 1,
    };
    let stream = Stream::from_parts(vec![block], meta, Groups::default()).expect("consistent");
    assert_eq!((stream.block_count(), stream.len(), stream.first_id()), (0, 0, StreamId::MIN));
}

/// Bytes of all sealed blocks, and of the allocations that hold them.
fn sealed_bytes(stream: &Stream) -> (usize, usize) {
    let sealed: Vec<_> = stream.blocks().filter_map(|block| block.pack().allocation()).collect();
    let bytes = sealed.iter().map(|(len, _)| len).sum();
    let distinct: BTreeMap<_, _> = sealed.iter().map(|(_, at)| (at.as_ptr(), at.len())).collect();
    (bytes, distinct.values().map(|len| sys::alloc::usable(16 + len)).sum())
}

#[test]
fn many_blocks_share_allocations() {
    let value = |n: u64| format!("v:{n:012}").into_bytes();
    let rest = |stream: &Stream| -> Vec<u64> {
        let all = stream.range(StreamId::MIN, StreamId::MAX);
        all.inspect(|entry| assert!(entry.fields().all(|(_, v)| v.eq_bytes(&value(entry.id().ms)))))
            .map(|entry| entry.id().ms)
            .collect()
    };
    let mut stream = Stream::new();
    let mut expected: Vec<u64> = (1..=40_000).collect();
    for n in &expected {
        let limits = BlockLimits { bytes: 4096, entries: 100 };
        assert!(stream.append(StreamId::new(*n, 0), &[b"f", &value(*n)], limits));
    }
    let frozen = stream.clone();
    let parts = stream.blocks().map(|block| {
        let pack = crate::listpack::Listpack::from_bytes(block.as_bytes().to_vec()).expect("a listpack");
        Block::from_listpack(block.master(), pack).expect("a block")
    });
    let loaded = Stream::from_parts(parts.collect(), stream.meta(), Groups::default()).expect("consistent");
    for stream in [&stream, &loaded] {
        let (bytes, allocated) = sealed_bytes(stream);
        assert!(allocated < bytes + bytes / 24, "{allocated} for {bytes}");
        assert_eq!(rest(stream), expected);
    }
    // A change takes a block out of its bundle; the others, and a frozen view, see nothing of it.
    for n in [1, 20_050, 20_351, 39_999] {
        assert!(stream.delete(StreamId::new(n, 0)));
    }
    stream.trim(TrimTo::MinId(StreamId::new(350, 0)), false, None, RefPolicy::Keep);
    expected.retain(|n| *n >= 350 && ![20_050, 20_351, 39_999].contains(n));
    assert_eq!(rest(&stream), expected);
    assert_eq!(rest(&frozen), (1..=40_000).collect::<Vec<_>>());
    // Few blocks stay apart.
    stream.trim(TrimTo::MaxLen(10), false, None, RefPolicy::Keep);
    let apart = numbered(100 * BUNDLE_FROM_BLOCKS as u64);
    assert!(apart.blocks().all(|block| block.pack().allocation().is_none_or(|(len, at)| len == at.len())));
}
