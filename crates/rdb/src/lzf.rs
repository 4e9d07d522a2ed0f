//! LZF: the compression of strings in RDB files.
//!
//! ```text
//! 000lllll                      l + 1 literal bytes follow
//! lllooooo oooooooo             copy l + 2 bytes (l < 7) from o + 1 bytes back
//! 111ooooo llllllll oooooooo    copy l + 9 bytes
//! ```

const MAX_LITERAL: usize = 32;
const MAX_OFFSET: usize = 1 << 13;
const MAX_COPY: usize = 264;
/// The table of sequences has at least as many slots as the input has bytes, within these powers of two.
const LEAST_BITS: u32 = 8;
const MOST_BITS: u32 = 14;

/// Compresses many strings with one table, which is never cleared between them: most strings are far shorter than it.
#[derive(Default)]
pub struct Compressor {
    /// By the hash of three bytes: `base` + their last position in the input + 1. What is not above `base` is of an input
    /// before.
    seen: Vec<u32>,
    base: u32,
    out: Vec<u8>,
}

impl Compressor {
    /// Compresses; None unless the result is shorter than `input` by four bytes or more.
    pub fn compress(&mut self, input: &[u8]) -> Option<&[u8]> {
        let limit = input.len().checked_sub(4).filter(|limit| *limit > 0)?;
        let bits = (usize::BITS - input.len().leading_zeros()).clamp(LEAST_BITS, MOST_BITS);
        let base = self.make_room(input.len(), bits)?;
        let (seen, out) = (&mut self.seen[..1 << bits], &mut self.out);
        out.clear();
        let (mut at, mut literals) = (0, 0);
        while at + 2 < input.len() {
            let sequence = u32::from_le_bytes([input[at], input[at + 1], input[at + 2], 0]);
            let slot = (sequence.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize;
            let before = std::mem::replace(&mut seen[slot], base + at as u32 + 1);
            let found = before
                .checked_sub(base + 1)
                .map(|from| from as usize)
                .filter(|from| at - from <= MAX_OFFSET && input[*from..from + 3] == input[at..at + 3]);
            let Some(from) = found else {
                at += 1;
                continue;
            };
            put_literals(out, &input[literals..at]);
            let most = MAX_COPY.min(input.len() - at);
            let len = 3 + equal_bytes(&input[at + 3..at + most], &input[from + 3..]);
            put_copy(out, at - from - 1, len);
            at += len;
            literals = at;
            if out.len() > limit {
                return None;
            }
        }
        // What is left may say already that it is of no use, as it is with most short strings.
        if out.len() + (input.len() - literals) >= limit {
            return None;
        }
        put_literals(out, &input[literals..]);
        (out.len() <= limit).then_some(out)
    }

    /// Makes the table large enough and moves `base` behind all that stands in it; None for what no table can count.
    fn make_room(&mut self, len: usize, bits: u32) -> Option<u32> {
        let len = u32::try_from(len).ok().filter(|len| *len < u32::MAX - 1)?;
        if self.seen.len() < 1 << bits {
            self.seen.resize(1 << bits, 0);
        }
        let base = self.base;
        if let Some(next) = base.checked_add(len + 1) {
            self.base = next;
            return Some(base);
        }
        self.seen.fill(0);
        self.base = len + 1;
        Some(0)
    }
}

/// How many bytes are equal at the begin, at most all of `a`; `b` is longer.
fn equal_bytes(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    for (at, (a, b)) in words.enumerate() {
        let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differs != 0 {
            return 8 * at + differs.trailing_zeros() as usize / 8;
        }
    }
    let whole = a.len() / 8 * 8;
    whole + a[whole..].iter().zip(&b[whole..]).take_while(|(a, b)| a == b).count()
}

fn put_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(MAX_LITERAL) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn put_copy(out: &mut Vec<u8>, offset: usize, len: usize) {
    let high = (offset >> 8) as u8;
    if len < 9 {
        out.push((len as u8 - 2) << 5 | high);
    } else {
        out.extend_from_slice(&[7 << 5 | high, (len - 9) as u8]);
    }
    out.push(offset as u8);
}

/// Decompresses to exactly `len` bytes; None if the input is malformed or gives another length.
pub fn decompress(input: &[u8], len: usize) -> Option<Vec<u8>> {
    // No three bytes of input can give more, so a lie about the length allocates nothing.
    if len > input.len().saturating_mul(MAX_COPY) {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    let mut rest = input;
    while let Some((&control, after)) = rest.split_first() {
        rest = after;
        if control < 32 {
            let (literals, after) = rest.split_at_checked(usize::from(control) + 1)?;
            if out.len() + literals.len() > len {
                return None;
            }
            out.extend_from_slice(literals);
            rest = after;
            continue;
        }
        let mut count = usize::from(control >> 5) + 2;
        if count == 9 {
            let (&more, after) = rest.split_first()?;
            count += usize::from(more);
            rest = after;
        }
        let (&low, after) = rest.split_first()?;
        rest = after;
        let from = out.len().checked_sub((usize::from(control & 31) << 8 | usize::from(low)) + 1)?;
        if out.len() + count > len {
            return None;
        }
        // What is copied may be longer than its distance: then it is the begin of itself, and doubles each time.
        while count > 0 {
            let run = count.min(out.len() - from);
            out.extend_from_within(from..from + run);
            count -= run;
        }
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compress(input: &[u8]) -> Option<Vec<u8>> {
        Compressor::default().compress(input).map(<[u8]>::to_vec)
    }

    /// One table for many inputs finds nothing of the inputs before, even when its positions begin anew.
    #[test]
    fn inputs_do_not_see_each_other() {
        let inputs: Vec<Vec<u8>> =
            (0..200u32).map(|n| format!("{n}:{}", "abcdef".repeat(n as usize % 40)).into_bytes()).collect();
        for base in [0, u32::MAX - 3000] {
            let mut shared = Compressor { base, ..Compressor::default() };
            for input in &inputs {
                assert_eq!(shared.compress(input).map(<[u8]>::to_vec), compress(input));
            }
        }
    }

    proptest! {
        #[test]
        fn round_trip(words in proptest::collection::vec("[ab]{1,6}", 0..400), tail: Vec<u8>) {
            let input = [words.concat().into_bytes(), tail].concat();
            if let Some(packed) = compress(&input) {
                prop_assert!(packed.len() + 4 <= input.len());
                prop_assert_eq!(decompress(&packed, input.len()), Some(input.clone()));
                prop_assert_eq!(decompress(&packed, input.len() + 1), None);
                prop_assert_eq!(decompress(&packed, input.len() - 1), None);
            }
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>, len in 0usize..5000) {
            let _ = decompress(&bytes, len);
        }
    }

    #[test]
    fn ratios() {
        let zeros = vec![0u8; 100_000];
        let packed = compress(&zeros).map(|p| p.len());
        assert!(packed.is_some_and(|len| len < 1300));
        assert_eq!(decompress(&[0, 1], 1 << 40), None);
        assert_eq!(compress(b"abcdefghijklmnopqrstuvwxyz"), None);
    }
}
