//! A histogram of latencies in nanoseconds, exact to 1/32 of the value.
//!
//! Invariant: recording is one addition, so measuring does not slow the load down. Callers: `load`.

const LINEAR: u64 = 64;
const PART_BITS: u32 = 5;
const PARTS: usize = 1 << PART_BITS;
const BUCKETS: usize = LINEAR as usize + 58 * PARTS;

/// Counts per logarithmic bucket with linear parts.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; BUCKETS], total: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// The value in nanoseconds that a share `q` (0 to 1) of all does not exceed; 0 when empty.
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = ((self.total as f64 * q).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper(index).min(self.max);
            }
        }
        self.max
    }

    /// The largest value.
    pub fn max(&self) -> u64 {
        self.max
    }
}

/// Below 64 each value has a bucket; above, each power of two is cut into 32 parts.
fn bucket(value: u64) -> usize {
    if value < LINEAR {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - PART_BITS;
    LINEAR as usize + ((shift as usize - 1) << PART_BITS) + (value >> shift) as usize - PARTS
}

/// The largest value of a bucket.
fn upper(index: usize) -> u64 {
    if index < LINEAR as usize {
        return index as u64;
    }
    let above = index - LINEAR as usize;
    let shift = above / PARTS + 1;
    let part = (above % PARTS + PARTS) as u128;
    u64::try_from(((part + 1) << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        for value in (0..5000).chain([1 << 20, (1 << 40) + 12345, u64::MAX / 2]) {
            let top = upper(bucket(value));
            assert!(top >= value, "{value} is above its bucket {top}");
            assert!(top - value <= value / 16, "{value} is far below {top}");
        }
    }

    #[test]
    fn quantiles_of_a_known_sequence() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|v| histogram.record(v * 1000));
        for (q, expected) in [(0.5, 500_000u64), (0.99, 990_000), (0.999, 999_000)] {
            let got = histogram.quantile(q);
            assert!(got >= expected && got <= expected + expected / 16, "{q}: {got}");
        }
        assert_eq!(histogram.quantile(1.0), 1_000_000);
        assert_eq!(Histogram::default().quantile(0.5), 0);
    }
}
