//! Dense registers by vectors of 32. The functions give the same as their namesakes in [`super::dense`], which calls
//! these where the processor has AVX2.
//!
//! ```text
//!   24 bytes: two halves of 12, each at an end of 16 that are loaded, so that none beyond is touched
//!   word:     32 bits for four registers: d c b a of 6 bits and a byte of zero, or a byte for each
//! ```

#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::*;

use super::estimate::RANKS;
use super::{REGISTERS, Registers};

fn vector(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: both are 32 bytes, of which any value is a good one.
    unsafe { std::mem::transmute(*bytes) }
}

fn bytes(vector: __m256i) -> [u8; 32] {
    // SAFETY: as above.
    unsafe { std::mem::transmute(vector) }
}

fn half(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: both are 16 bytes, of which any value is a good one.
    unsafe { std::mem::transmute(*bytes) }
}

/// 32 registers of 6 bits as bytes.
#[target_feature(enable = "avx2")]
fn unpack(group: &[u8; 24]) -> __m256i {
    // Three bytes to each word; a negative number gives zero.
    let spread = _mm256_setr_epi8(
        0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, //
        4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1,
    );
    let [first, last] = [group.first_chunk(), group.last_chunk()].map(|bytes| bytes.map(half));
    let zero = _mm_setzero_si128();
    let words = _mm256_shuffle_epi8(_mm256_set_m128i(last.unwrap_or(zero), first.unwrap_or(zero)), spread);
    let a = _mm256_and_si256(words, _mm256_set1_epi32(0x3f));
    let b = _mm256_and_si256(_mm256_slli_epi32::<2>(words), _mm256_set1_epi32(0x3f00));
    let c = _mm256_and_si256(_mm256_slli_epi32::<4>(words), _mm256_set1_epi32(0x3f_0000));
    let d = _mm256_and_si256(_mm256_slli_epi32::<6>(words), _mm256_set1_epi32(0x3f00_0000));
    _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d))
}

/// The reverse. Registers are at most 63.
#[target_feature(enable = "avx2")]
fn pack(registers: &[u8; 32]) -> [u8; 24] {
    // a + 64 b and c + 64 d, then both: 24 bits in a word.
    let pairs = _mm256_maddubs_epi16(vector(registers), _mm256_set1_epi16(64 << 8 | 1));
    let words = _mm256_madd_epi16(pairs, _mm256_set1_epi32(4096 << 16 | 1));
    let squeeze = _mm256_setr_epi8(
        0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, //
        0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
    );
    let both = bytes(_mm256_shuffle_epi8(words, squeeze));
    let mut group = [0; 24];
    group[..12].copy_from_slice(&both[..12]);
    group[12..].copy_from_slice(&both[16..28]);
    group
}

#[target_feature(enable = "avx2")]
pub(super) fn merge(dense: &[u8], registers: &mut Registers) {
    for (target, group) in registers.as_chunks_mut().0.iter_mut().zip(dense.as_chunks().0) {
        *target = bytes(_mm256_max_epu8(vector(target), unpack(group)));
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn store(registers: &Registers, dense: &mut [u8]) {
    for (group, registers) in dense.as_chunks_mut().0.iter_mut().zip(registers.as_chunks().0) {
        *group = pack(registers);
    }
}

/// A register's value at a time: that of most is one of some dozen.
#[target_feature(enable = "avx2")]
pub(super) fn add_up(registers: &Registers, histogram: &mut [u32; RANKS]) {
    let mut left = REGISTERS as u32;
    for (rank, count) in (0..).zip(histogram) {
        let with_rank = occurrences(registers, rank);
        *count += with_rank;
        left -= with_rank;
        if left == 0 {
            return;
        }
    }
}

#[target_feature(enable = "avx2")]
fn occurrences(registers: &Registers, rank: u8) -> u32 {
    const VECTORS: usize = REGISTERS / 32;
    // A byte counts up to 255.
    const STEP: usize = 128;
    const { assert!(VECTORS.is_multiple_of(STEP)) };
    let wanted = _mm256_set1_epi8(rank as i8);
    let mut sums = _mm256_setzero_si256();
    for part in registers.as_chunks::<{ 32 * STEP }>().0 {
        let mut counts = _mm256_setzero_si256();
        for registers in part.as_chunks().0 {
            counts = _mm256_sub_epi8(counts, _mm256_cmpeq_epi8(vector(registers), wanted));
        }
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(counts, _mm256_setzero_si256()));
    }
    bytes(sums).as_chunks::<8>().0.iter().map(|sum| u64::from_le_bytes(*sum) as u32).sum()
}
