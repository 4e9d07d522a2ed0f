//! The keyed hash that places keys: SipHash-1-3.
//!
//! A client sees the order of SCAN and could otherwise choose keys that collide. One seed serves the whole
//! process: `hash-seed` from the configuration, or random bytes. It must be set before the first key.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

static SEED: OnceLock<(u64, u64)> = OnceLock::new();

/// Fixes the seed to one that all bytes of `text` decide; false if another was in use already. Processes with the same
/// seed place keys alike: a SCAN that one began can go on in the other.
pub fn set_seed(text: &[u8]) -> bool {
    SEED.set((sip13(0, 0, text), sip13(0, 1, text))).is_ok()
}

fn random_seed() -> (u64, u64) {
    // std seeds every `RandomState` from the system's randomness.
    let word = || RandomState::new().build_hasher().finish();
    (word(), word())
}

/// The 64-bit hash of `key`.
#[inline]
pub fn of(key: &[u8]) -> u64 {
    let &(k0, k1) = SEED.get_or_init(random_seed);
    sip13(k0, k1, key)
}

#[inline(always)]
fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

/// SipHash with one round per word and three at the end.
#[inline]
fn sip13(k0: u64, k1: u64, data: &[u8]) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, tail) = data.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        v[3] ^= word;
        round(&mut v);
        v[0] ^= word;
    }
    let mut last = (data.len() as u64) << 56;
    for (i, &byte) in tail.iter().enumerate() {
        last |= u64::from(byte) << (8 * i);
    }
    v[3] ^= last;
    round(&mut v);
    v[0] ^= last;
    v[2] ^= 0xff;
    round(&mut v);
    round(&mut v);
    round(&mut v);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(deprecated)]
    fn agrees_with_the_standard_library() {
        // std's DefaultHasher is SipHash-1-3 with a zero key; `write` without a length suffix is the plain hash.
        for len in 0..70usize {
            let data: Vec<u8> = (0..len).map(|i| (i * 37) as u8).collect();
            let mut std_hasher = std::collections::hash_map::DefaultHasher::new();
            std_hasher.write(&data);
            assert_eq!(sip13(0, 0, &data), std_hasher.finish(), "length {len}");
        }
    }
}
