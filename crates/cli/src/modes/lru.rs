//! `--lru-test N`: a cache workload where 80 % of the requests go to 20 % of the keys.

use std::time::{Duration, Instant};

use resp::reply::Value;

use super::{Context, Failure};
use crate::{emit, say};

const PIPELINE: usize = 250;

/// Numbers from 0 to 1, each call the next (xorshift; no need for better).
pub struct Dice(u64);

impl Dice {
    /// Seeded by the clock.
    #[must_use]
    pub fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or(1) | 1)
    }

    /// The next number, 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next number in 0..1.
    #[allow(clippy::cast_precision_loss)]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A key number from 0 to `keys`, small ones far likelier: a power law that gives 80-20.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn skewed(dice: &mut Dice, keys: u64) -> u64 {
    const ALPHA: f64 = 6.2;
    let max = keys as f64 + 1.0;
    let drawn = ((max.powf(ALPHA + 1.0) - 1.0) * dice.unit() + 1.0).powf(1.0 / (ALPHA + 1.0));
    keys.saturating_sub(drawn as u64)
}

/// Runs until killed; one line per second.
pub fn run(context: &mut Context, keys: u64) -> Result<(), Failure> {
    let mut dice = Dice::new();
    loop {
        let began = Instant::now();
        let (mut hits, mut misses) = (0u64, 0u64);
        while began.elapsed() < Duration::from_secs(1) {
            // Fill first, then read: that is what a cache in front of something does.
            let missing = round(context, &mut dice, keys, &mut hits, &mut misses)?;
            if !missing.is_empty() {
                context.connection.pipeline(&missing)?;
            }
        }
        let total = hits + misses;
        let percent = |part| super::bigkeys::share(part, total);
        say!(
            "{total} Gets/sec | Hits: {hits} ({:.2}%) | Misses: {misses} ({:.2}%)\n",
            percent(hits),
            percent(misses)
        );
        emit::flush();
    }
}

/// One pipeline of GETs; the SETs that its misses ask for.
fn round(
    context: &mut Context,
    dice: &mut Dice,
    keys: u64,
    hits: &mut u64,
    misses: &mut u64,
) -> Result<Vec<Vec<Vec<u8>>>, Failure> {
    let names: Vec<Vec<u8>> =
        (0..PIPELINE).map(|_| format!("lru:{}", skewed(dice, keys)).into_bytes()).collect();
    let commands: Vec<_> = names.iter().map(|name| vec![b"GET".to_vec(), name.clone()]).collect();
    let mut sets = Vec::new();
    for (name, reply) in names.into_iter().zip(context.connection.pipeline(&commands)?) {
        match reply {
            Value::Null => {
                *misses += 1;
                sets.push(vec![
                    b"SET".to_vec(),
                    name,
                    format!("{:05x}", dice.bits() & 0xf_ffff).into_bytes(),
                ]);
            }
            Value::Error(text) => return Err(Failure(String::from_utf8_lossy(&text).into_owned())),
            _ => *hits += 1,
        }
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_requests_go_to_few_keys() {
        let mut dice = Dice(42);
        let low = (0..10_000).filter(|_| skewed(&mut dice, 1000) < 200).count();
        assert!((7000..9500).contains(&low), "{low}");
    }
}
