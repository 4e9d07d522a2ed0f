//! Distances of two vectors of unit length, between 0 (same direction) and 2 (opposite), in the three stored forms.
//!
//! The loops are written so that the compiler turns them into vector instructions; they are compiled twice, the second time
//! for processors with AVX2. Redis sums vectors of fewer than 16 numbers one after the other, and so do we: small examples
//! agree to the last bit.

/// Independent sums, so that additions need not wait for each other.
const LANES: usize = 16;

/// One loop, compiled for every processor and for those with AVX2.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident, $avx2:ident, $body:ident, $item:ty => $sum:ty) => {
        $(#[$doc])*
        #[inline]
        fn $name(a: &[$item], b: &[$item]) -> $sum {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
                // SAFETY: the processor has what the function asks for; it has no other precondition.
                return unsafe { $avx2(a, b) };
            }
            $body(a, b)
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,popcnt")]
        fn $avx2(a: &[$item], b: &[$item]) -> $sum {
            $body(a, b)
        }
    };
}

kernel!(
    /// The inner product.
    dot_f32, dot_f32_avx2, dot_f32_body, f32 => f32
);
kernel!(
    /// The inner product; 65,536 products of 7-bit numbers fit.
    dot_i8, dot_i8_avx2, dot_i8_body, i8 => i32
);
kernel!(
    /// The number of different bits.
    hamming, hamming_avx2, hamming_body, u64 => u32
);

#[inline(always)]
fn dot_f32_body(a: &[f32], b: &[f32]) -> f32 {
    let (heads_a, rest_a) = a.as_chunks::<LANES>();
    let (heads_b, rest_b) = b.as_chunks::<LANES>();
    let mut lanes = [0f32; LANES];
    for (a, b) in heads_a.iter().zip(heads_b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    rest_a.iter().zip(rest_b).fold(lanes[0], |sum, (a, b)| sum + a * b)
}

#[inline(always)]
fn dot_i8_body(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(i16::from(*a) * i16::from(*b))).sum()
}

#[inline(always)]
fn hamming_body(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

/// Of numbers as they are.
#[inline]
pub(super) fn of_f32(a: &[f32], b: &[f32]) -> f32 {
    1.0 - dot_f32(a, b)
}

/// Of numbers as 127th parts of their vector's range.
#[inline]
pub(super) fn of_i8(a: &[i8], range_a: f32, b: &[i8], range_b: f32) -> f32 {
    (1.0 - dot_i8(a, b) as f32 * ((range_a / 127.0) * (range_b / 127.0))).clamp(0.0, 2.0)
}

/// Of signs: the share of those that differ.
#[inline]
pub(super) fn of_bits(a: &[u64], b: &[u64], dim: usize) -> f32 {
    (hamming(a, b) * 2) as f32 / dim as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The forms for all processors and for this one agree.
        #[test]
        fn kernels_agree(pairs in prop::collection::vec((any::<i8>(), any::<i8>(), any::<u64>(), any::<u64>()), 0..200)) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.iter().map(|pair| (pair.0.max(-127), pair.1.max(-127))).unzip();
            let exact: i64 = a.iter().zip(&b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
            prop_assert_eq!(i64::from(dot_i8(&a, &b)), exact);
            prop_assert_eq!(dot_i8(&a, &b), dot_i8_body(&a, &b));
            let floats = |numbers: &[i8]| -> Vec<f32> { numbers.iter().map(|n| f32::from(*n) / 127.0).collect() };
            let (a, b) = (floats(&a), floats(&b));
            prop_assert_eq!(dot_f32(&a, &b).to_bits(), dot_f32_body(&a, &b).to_bits());
            prop_assert!((f64::from(dot_f32(&a, &b)) - exact as f64 / 16_129.0).abs() < 1e-3);
            let (a, b): (Vec<u64>, Vec<u64>) = pairs.iter().map(|pair| (pair.2, pair.3)).unzip();
            let exact: u32 = a.iter().zip(&b).map(|(a, b)| (0..64).filter(|bit| (a ^ b) >> bit & 1 == 1).count() as u32).sum();
            prop_assert_eq!(hamming(&a, &b), exact);
        }
    }
}
