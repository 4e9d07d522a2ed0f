//! Bits in a byte string: counting, finding, combining, and integers at any bit.
//!
//! Bit 0 is the highest bit of the first byte, as SETBIT and GETBIT number them. The loops over long strings are
//! written so that the compiler turns them into vector instructions. Called by the handlers of bitmaps.

/// Bytes that [`count`] adds up at once.
const BLOCK: usize = 8 * LANES * 8;
/// Words that are worked on side by side.
const LANES: usize = 4;

type Lanes = [u64; LANES];

/// Set bits of a string.
pub fn count(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= BLOCK && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has what the function asks for; it has no other precondition.
        return unsafe { count_avx2(bytes) };
    }
    count_blocks(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn count_avx2(bytes: &[u8]) -> u64 {
    count_blocks(bytes)
}

/// Adds words up bit by bit first (a carry-save adder: two words of weight 1 and a carry make one of weight 1 and one
/// of weight 2), so that only one in eight words is really counted.
#[inline(always)]
fn count_blocks(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let mut sums = [[0; LANES]; 3];
    let mut eights = 0;
    for block in blocks {
        eights += add_block(&mut sums, block);
    }
    let [ones, twos, fours] = sums.map(|lanes| population(&lanes));
    let (words, tail) = rest.as_chunks::<8>();
    let words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let tail: u64 = tail.iter().map(|byte| u64::from(byte.count_ones())).sum();
    8 * eights + 4 * fours + 2 * twos + ones + words + tail
}

#[inline(always)]
fn population(lanes: &Lanes) -> u64 {
    lanes.iter().map(|word| u64::from(word.count_ones())).sum()
}

/// Adds a block to the sums of weight 1, 2 and 4; answers how many eights came out.
#[inline(always)]
fn add_block(sums: &mut [Lanes; 3], block: &[u8; BLOCK]) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    let row = |n: usize| -> Lanes { std::array::from_fn(|lane| u64::from_ne_bytes(words[n * LANES + lane])) };
    let [ones, twos, fours] = sums;
    let twos_a = add(ones, row(0), row(1));
    let twos_b = add(ones, row(2), row(3));
    let fours_a = add(twos, twos_a, twos_b);
    let twos_a = add(ones, row(4), row(5));
    let twos_b = add(ones, row(6), row(7));
    let fours_b = add(twos, twos_a, twos_b);
    population(&add(fours, fours_a, fours_b))
}

/// Adds two words to a sum; answers the carries.
#[inline(always)]
fn add(sum: &mut Lanes, a: Lanes, b: Lanes) -> Lanes {
    let mut carry = [0; LANES];
    for lane in 0..LANES {
        let half = sum[lane] ^ a[lane];
        carry[lane] = (sum[lane] & a[lane]) | (half & b[lane]);
        sum[lane] = half ^ b[lane];
    }
    carry
}

/// Set bits from bit `first` to bit `last`, both included and inside the string.
pub fn count_range(bytes: &[u8], first: usize, last: usize) -> u64 {
    let part = &bytes[first / 8..=last / 8];
    let before = part[0] & !head_mask(first);
    let behind = part[part.len() - 1] & !tail_mask(last);
    count(part) - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// Bits of a byte from bit `first % 8` on.
fn head_mask(first: usize) -> u8 {
    0xff >> (first % 8)
}

/// Bits of a byte up to bit `last % 8`.
fn tail_mask(last: usize) -> u8 {
    0xff << (7 - last % 8)
}

/// The first bit that is `wanted` from bit `first` to bit `last`, both included and inside the string.
pub fn find(bytes: &[u8], wanted: bool, first: usize, last: usize) -> Option<usize> {
    let flip = if wanted { 0x00 } else { 0xff };
    let (head, tail) = (first / 8, last / 8);
    let found = |at: usize, mask: u8| {
        let candidates = (bytes[at] ^ flip) & mask;
        (candidates != 0).then(|| at * 8 + candidates.leading_zeros() as usize)
    };
    if head == tail {
        return found(head, head_mask(first) & tail_mask(last));
    }
    found(head, head_mask(first)).or_else(|| {
        let between = &bytes[head + 1..tail];
        match first_other(between, flip) {
            Some(at) => found(head + 1 + at, 0xff),
            None => found(tail, tail_mask(last)),
        }
    })
}

/// The first byte that is not `byte`.
fn first_other(bytes: &[u8], byte: u8) -> Option<usize> {
    let (chunks, _) = bytes.as_chunks::<64>();
    let same = |chunk: &&[u8; 64]| chunk.iter().fold(0, |differs, b| differs | (b ^ byte)) == 0;
    let start = chunks.iter().take_while(same).count() * 64;
    bytes[start..].iter().position(|&b| b != byte).map(|at| start + at)
}

/// A bit; those behind the end are 0.
pub fn get(bytes: &[u8], offset: usize) -> bool {
    bytes.get(offset / 8).is_some_and(|byte| byte & (0x80 >> (offset % 8)) != 0)
}

/// Sets a bit that lies inside the string; answers what it was.
pub fn set(bytes: &mut [u8], offset: usize, bit: bool) -> bool {
    let (byte, mask) = (&mut bytes[offset / 8], 0x80 >> (offset % 8));
    let old = *byte & mask != 0;
    *byte = if bit { *byte | mask } else { *byte & !mask };
    old
}

/// Bytes that an integer of `width` bits touches, the first one's number aside.
fn span(offset: usize, width: u32) -> usize {
    (offset % 8 + width as usize).div_ceil(8)
}

/// The unsigned integer of `width` (1 to 64) bits at bit `offset`; what lies behind the end reads as 0.
pub fn get_uint(bytes: &[u8], offset: usize, width: u32) -> u64 {
    let mut window = [0; 16];
    let there = bytes.get(offset / 8..).unwrap_or_default();
    let there = &there[..there.len().min(span(offset, width))];
    window[..there.len()].copy_from_slice(there);
    (u128::from_be_bytes(window) << (offset % 8) >> (128 - width)) as u64
}

/// Writes the low `width` (1 to 64) bits of a number at bit `offset`; all of them lie inside the string.
pub fn set_uint(bytes: &mut [u8], offset: usize, width: u32, value: u64) {
    let place = &mut bytes[offset / 8..][..span(offset, width)];
    let mut window = [0; 16];
    window[..place.len()].copy_from_slice(place);
    let shift = 128 - width - (offset % 8) as u32;
    let mask = (u128::MAX >> (128 - width)) << shift;
    let changed = (u128::from_be_bytes(window) & !mask) | ((u128::from(value) << shift) & mask);
    place.copy_from_slice(&changed.to_be_bytes()[..place.len()]);
}

/// How BITOP combines strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Combine {
    And,
    Or,
    Xor,
    /// Of one string.
    Not,
    /// Set in the first string and in no other.
    Diff,
    /// Set in another string and not in the first.
    Diff1,
    /// Set in the first string and in another.
    AndOr,
    /// Set in exactly one string.
    One,
}

/// Bytes of each string that are combined before going on: what is in the making stays in the nearest cache.
const STRIPE: usize = 4096;

/// Shortest result for which it pays to ask what the processor can do.
const WIDE: usize = 256;

/// Fills `out` with the combination of the sources, each of which is thought to go on with zeros.
pub fn combine(how: Combine, sources: &[&[u8]], out: &mut [u8]) {
    let how = match how {
        // Of two strings it is the same, and takes no second sum.
        Combine::One if sources.len() == 2 => Combine::Xor,
        how => how,
    };
    #[cfg(target_arch = "x86_64")]
    if out.len() >= WIDE && is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function asks for; it has no other precondition.
        return unsafe { combine_avx2(how, sources, out) };
    }
    combine_stripes(how, sources, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn combine_avx2(how: Combine, sources: &[&[u8]], out: &mut [u8]) {
    combine_stripes(how, sources, out);
}

#[inline(always)]
fn combine_stripes(how: Combine, sources: &[&[u8]], out: &mut [u8]) {
    for (n, out) in out.chunks_mut(STRIPE).enumerate() {
        let (start, length) = (n * STRIPE, out.len());
        let parts = sources.iter().map(|source| {
            let rest = source.get(start..).unwrap_or_default();
            &rest[..rest.len().min(length)]
        });
        combine_stripe(how, parts, out);
    }
}

#[inline(always)]
fn combine_stripe<'a>(how: Combine, mut parts: impl Iterator<Item = &'a [u8]>, out: &mut [u8]) {
    let first = parts.next().unwrap_or_default();
    match how {
        Combine::Diff1 | Combine::AndOr => {
            out.fill(0);
            parts.for_each(|part| each(out, part, |out, byte| *out |= byte));
            match how {
                Combine::Diff1 => each(out, first, |out, byte| *out &= !byte),
                _ => and(out, first),
            }
            return;
        }
        _ => {
            out[..first.len()].copy_from_slice(first);
            out[first.len()..].fill(0);
        }
    }
    match how {
        Combine::And => parts.for_each(|part| and(out, part)),
        Combine::Or => parts.for_each(|part| each(out, part, |out, byte| *out |= byte)),
        Combine::Xor => parts.for_each(|part| each(out, part, |out, byte| *out ^= byte)),
        Combine::Diff => parts.for_each(|part| each(out, part, |out, byte| *out &= !byte)),
        Combine::Not => out.iter_mut().for_each(|byte| *byte = !*byte),
        Combine::One => {
            let mut twice = [0; STRIPE];
            let twice = &mut twice[..out.len()];
            for part in parts {
                for ((out, twice), byte) in out.iter_mut().zip(twice.iter_mut()).zip(part) {
                    *twice |= *out & byte;
                    *out |= byte;
                }
            }
            each(out, twice, |out, byte| *out &= !byte);
        }
        Combine::Diff1 | Combine::AndOr => {}
    }
}

#[inline(always)]
fn each(out: &mut [u8], part: &[u8], change: impl Fn(&mut u8, u8)) {
    out.iter_mut().zip(part).for_each(|(out, &byte)| change(out, byte));
}

#[inline(always)]
fn and(out: &mut [u8], part: &[u8]) {
    each(out, part, |out, byte| *out &= byte);
    out[part.len()..].fill(0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(bytes: &[u8]) -> Vec<bool> {
        (0..bytes.len() * 8).map(|at| get(bytes, at)).collect()
    }

    fn strings() -> impl Strategy<Value = Vec<u8>> {
        // Runs of equal bytes, long enough for every loop, and noise.
        let run = (prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 0..700usize);
        proptest::collection::vec(run, 0..5)
            .prop_map(|runs| runs.into_iter().flat_map(|(byte, n)| vec![byte; n]).collect())
    }

    proptest! {
        #[test]
        fn counts_and_finds_as_bit_by_bit(bytes in strings(), a: usize, b: usize) {
            let model = bits(&bytes);
            prop_assert_eq!(count(&bytes), model.iter().filter(|&&bit| bit).count() as u64);
            prop_assert_eq!(count_blocks(&bytes), count(&bytes));
            if !model.is_empty() {
                let (a, b) = (a % model.len(), b % model.len());
                let (first, last) = (a.min(b), a.max(b));
                let set = model[first..=last].iter().filter(|&&bit| bit).count() as u64;
                prop_assert_eq!(count_range(&bytes, first, last), set);
                for wanted in [false, true] {
                    let place = model[first..=last].iter().position(|&bit| bit == wanted);
                    prop_assert_eq!(find(&bytes, wanted, first, last), place.map(|at| first + at));
                }
            }
        }

        #[test]
        fn integers_keep_their_value_and_their_neighbours(
            bytes in proptest::collection::vec(any::<u8>(), 20),
            offset in 0..96usize,
            width in 1..=64u32,
            value: u64,
        ) {
            let mut changed = bytes.clone();
            set_uint(&mut changed, offset, width, value);
            prop_assert_eq!(get_uint(&changed, offset, width), value & (u64::MAX >> (64 - width)));
            let (before, after) = (bits(&bytes), bits(&changed));
            let end = offset + width as usize;
            prop_assert_eq!(&before[..offset], &after[..offset]);
            prop_assert_eq!(&before[end..], &after[end..]);
            let slow = (offset..end).fold(0, |number, at| number << 1 | u64::from(get(&changed, at)));
            prop_assert_eq!(get_uint(&changed, offset, width), slow);
        }

        #[test]
        fn combines_as_bit_by_bit(sources in proptest::collection::vec(strings(), 1..5)) {
            let length = sources.iter().map(Vec::len).max().unwrap_or(0);
            let refs: Vec<&[u8]> = sources.iter().map(|source| &source[..]).collect();
            let mut out = vec![0xa5; length];
            for how in [Combine::And, Combine::Or, Combine::Xor, Combine::Diff, Combine::Diff1, Combine::AndOr,
                Combine::One, Combine::Not]
            {
                let sources = if how == Combine::Not { &refs[..1] } else { &refs[..] };
                combine(how, sources, &mut out);
                for at in 0..length * 8 {
                    let first = get(sources[0], at);
                    let others = sources[1..].iter().filter(|source| get(source, at)).count();
                    let expected = match how {
                        Combine::And => first && others == sources.len() - 1,
                        Combine::Or => first || others > 0,
                        Combine::Xor => (others + usize::from(first)) % 2 == 1,
                        Combine::Not => !first,
                        Combine::Diff => first && others == 0,
                        Combine::Diff1 => !first && others > 0,
                        Combine::AndOr => first && others > 0,
                        Combine::One => others + usize::from(first) == 1,
                    };
                    prop_assert_eq!(get(&out, at), expected, "{:?} at {}", how, at);
                }
            }
        }
    }

    #[test]
    fn what_lies_behind_the_end_reads_as_zero() {
        assert_eq!(
            (get_uint(b"\xff", 4, 8), get_uint(b"", 0, 64), get_uint(b"\xff", 1 << 40, 3)),
            (0xf0, 0, 0)
        );
        let mut bytes = *b"\0\0";
        assert!(!set(&mut bytes, 7, true) && set(&mut bytes, 7, true));
        assert_eq!(bytes, *b"\x01\0");
    }
}
