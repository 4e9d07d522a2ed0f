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
const HASH_BITS: u32 = 14;

/// Compresses; None unless the result is shorter than `input` by four bytes or more.
pub fn compress(input: &[u8]) -> Option<Vec<u8>> {
    let limit = input.len().checked_sub(4).filter(|limit| *limit > 0)?;
    let mut out = Vec::with_capacity(limit.min(1 << 16));
    // Positions plus one of three-byte sequences; zero is empty.
    let mut seen = vec![0u32; 1 << HASH_BITS];
    let (mut at, mut literals) = (0, 0);
    while at + 2 < input.len() {
        let sequence = u32::from_le_bytes([input[at], input[at + 1], input[at + 2], 0]);
        let slot = (sequence.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize;
        let before = std::mem::replace(&mut seen[slot], u32::try_from(at + 1).ok()?) as usize;
        let found = before
            .checked_sub(1)
            .filter(|from| at - from <= MAX_OFFSET && input[*from..from + 3] == input[at..at + 3]);
        let Some(from) = found else {
            at += 1;
            continue;
        };
        put_literals(&mut out, &input[literals..at]);
        let most = MAX_COPY.min(input.len() - at);
        let len =
            3 + input[at + 3..at + most].iter().zip(&input[from + 3..]).take_while(|(a, b)| a == b).count();
        put_copy(&mut out, at - from - 1, len);
        at += len;
        literals = at;
        if out.len() > limit {
            return None;
        }
    }
    put_literals(&mut out, &input[literals..]);
    (out.len() <= limit).then_some(out)
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
        for i in from..from + count {
            let byte = out[i];
            out.push(byte);
        }
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
