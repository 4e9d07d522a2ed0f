//! HyperLogLogs against a plain array of registers, and values that no server made.

use proptest::prelude::*;

use super::*;

fn registers(bytes: &[u8]) -> Registers {
    let mut registers = [0; REGISTERS];
    merge(bytes, &mut registers).expect("a good value");
    registers
}

/// Whatever way the processor allows gives what one register after the other gives.
#[cfg(target_arch = "x86_64")]
fn same_by_vectors(bytes: &[u8], model: &Registers) {
    let mut registers: Registers = std::array::from_fn(|index| (index % 7) as u8);
    let raised: Registers = std::array::from_fn(|index| registers[index].max(model[index]));
    let (mut stored, mut counted) = (vec![0xff; bytes.len()], [1; estimate::RANKS]);
    // SAFETY: the caller has looked for AVX2.
    unsafe {
        avx2::merge(bytes, &mut registers);
        avx2::store(model, &mut stored);
        avx2::add_up(model, &mut counted);
    }
    assert!(registers == raised && stored == bytes);
    for (rank, count) in counted.iter().enumerate() {
        let expected = model.iter().filter(|register| usize::from(**register) == rank).count();
        assert_eq!(*count as usize, 1 + expected, "of rank {rank}");
    }
}

/// As Valkey answered PFADD and GET.
#[test]
fn bytes_are_those_of_a_real_server() {
    let mut value = empty();
    assert_eq!(value, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
    for element in [b"a", b"b", b"c"] {
        assert_eq!(add(&mut value, element, 3000), Ok(true));
        assert_eq!(add(&mut value, element, 3000), Ok(false));
    }
    // PFDEBUG DECODE: Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603
    let expected = [(8436, 0), (1, 1), (4274, 0), (1, 2), (3068, 0), (1, 1), (603, 0)];
    let decoded: Vec<_> = sparse::runs(&value[HEADER_BYTES..])
        .map(|run| run.map(|run| (run.len, run.rank)).expect("good"))
        .collect();
    assert_eq!(decoded, expected);
    assert_eq!(count(&value), Ok(3));
}

/// As Valkey counted the numbers from 1 on, in decimal.
#[test]
fn counts_are_those_of_a_real_server() {
    let mut value = empty();
    let mut added = 0u64;
    for (elements, expected) in COUNTS {
        while added < elements {
            added += 1;
            add(&mut value, added.to_string().as_bytes(), 3000).expect("a good value");
        }
        assert_eq!(count(&value), Ok(expected), "after {elements}");
    }
    assert_eq!(encoding(&value), Some(Encoding::Dense));
}

const COUNTS: [(u64, u64); 10] = [
    (1, 1),
    (10, 10),
    (100, 100),
    (500, 503),
    (1000, 1001),
    (1700, 1709),
    (3000, 3005),
    (10000, 9988),
    (50000, 50353),
    (200000, 200292),
];

#[test]
fn the_cached_count_goes_stale() {
    let mut value = empty();
    assert_eq!(cached(&value), Some(0));
    set_cached(&mut value, 5);
    assert_eq!(cached(&value), Some(5));
    invalidate(&mut value);
    assert_eq!(cached(&value), None);
}

/// Any byte, and often one that begins a short XZERO.
fn code_byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), Just(0x40), 0x80..=0xffu8, 0..0x40u8]
}

proptest! {
    /// Whatever bytes follow each other, stepping over many codes comes to the same place as going from one to the next.
    #[test]
    fn codes_are_found_by_steps_of_a_word(codes in proptest::collection::vec(code_byte(), 0..60), index in 0..REGISTERS) {
        let (at, end, before) = sparse::skip(&codes, index);
        let (mut one, mut register, mut last) = (0, 0, 0);
        while one < at {
            let len = sparse::first_run(&codes[one..]).map(|run| (run.len, 1 + usize::from(run.is_extended())));
            let (len, bytes) = len.expect("whole codes are stepped over");
            (last, one, register) = (one, one + bytes, register + len);
        }
        prop_assert_eq!((at, end, before), (one, register, last));
        prop_assert!(end <= index);
    }

    #[test]
    fn both_forms_hold_what_was_added(
        ranks in proptest::collection::vec((0..REGISTERS, 1..=51u8), 1..400),
        narrow: bool,
        most_bytes in 0..600usize,
    ) {
        let mut model = [0u8; REGISTERS];
        let mut value = empty();
        for (index, rank) in ranks {
            // Close together, runs are split and joined a lot.
            let (index, rank) = if narrow { (index % 40, rank % 5 + 1) } else { (index, rank) };
            let raised = raise(&mut value, index, rank, most_bytes);
            prop_assert_eq!(raised, Ok(rank > model[index]));
            model[index] = rank.max(model[index]);
        }
        prop_assert!(registers(&value) == model);
        let count_now = count(&value);
        prop_assert_eq!(count_now, Ok(count_registers(&model)));
        let mut merged = empty();
        prop_assert_eq!(absorb(&mut merged, &model, false, most_bytes), Ok(()));
        prop_assert!(registers(&merged) == model);
        make_dense(&mut value).expect("a good value");
        prop_assert_eq!(encoding(&value), Some(Encoding::Dense));
        prop_assert!(registers(&value) == model);
        prop_assert_eq!(count(&value), count_now);
        prop_assert_eq!(absorb(&mut merged, &model, true, most_bytes), Ok(()));
        prop_assert!(merged[HEADER_BYTES..] == value[HEADER_BYTES..]);
        // Other tests may run without vectors meanwhile, and must not notice.
        set_simd(false);
        prop_assert!(registers(&value) == model);
        prop_assert_eq!(count(&value), count_now);
        prop_assert_eq!(absorb(&mut merged, &model, true, most_bytes), Ok(()));
        prop_assert!(merged[HEADER_BYTES..] == value[HEADER_BYTES..]);
        set_simd(true);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            same_by_vectors(&value[HEADER_BYTES..], &model);
        }
    }

    #[test]
    fn damaged_values_give_errors(
        codes in proptest::collection::vec(any::<u8>(), 0..300),
        elements in proptest::collection::vec(any::<u32>(), 20),
    ) {
        let mut value = [&empty()[..HEADER_BYTES], &codes].concat();
        let good = sparse::runs(&codes).all(|run| run.is_ok());
        prop_assert_eq!(count(&value).is_ok(), good);
        prop_assert_eq!(merge(&value, &mut [0; REGISTERS]).is_ok(), good);
        prop_assert_eq!(make_dense(&mut value.clone()).is_ok(), good);
        for element in elements {
            if add(&mut value, &element.to_le_bytes(), 250).is_err() {
                prop_assert!(!good);
            }
        }
    }
}
