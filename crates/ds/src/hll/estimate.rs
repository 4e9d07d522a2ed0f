//! From registers to a count: the improved raw estimator of Otmar Ertl, "New cardinality estimation algorithms for
//! HyperLogLog sketches" (2017), algorithm 6. It needs no tables of bias and no switch to linear counting.

use super::{RANK_BITS, REGISTERS};

/// Values that a register of 6 bits can have.
pub const RANKS: usize = 64;
/// 1 / (2 ln 2)
const ALPHA_INF: f64 = 0.721_347_520_444_481_7;

/// The count for a histogram of the registers' values. Values over 51 come only from damaged data and count nothing.
pub fn count(histogram: &[u32; RANKS]) -> u64 {
    let m = REGISTERS as f64;
    let last = RANK_BITS as usize;
    let mut z = m * tau((m - f64::from(histogram[last + 1])) / m);
    for &registers in histogram[1..=last].iter().rev() {
        z = (z + f64::from(registers)) * 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    (ALPHA_INF * m * m / z).round() as u64
}

/// x + sum of x^(2^k) 2^(k-1)
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// (1 - x - sum of (1 - x^(2^-k))^2 2^-k) / 3
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
