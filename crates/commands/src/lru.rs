//! The 24 bits per entry that eviction reads: an LRU clock in seconds, or an LFU counter.
//!
//! LFU: 16 bits of minutes since the last decay, 8 bits of a logarithmic counter.

/// Counter of a new key.
const START: u32 = 5;

/// The LRU clock: seconds, modulo 2^24.
#[inline]
pub fn clock(now_ms: u64) -> u32 {
    (now_ms / 1000) as u32 & 0xff_ffff
}

/// Milliseconds since the entry was used.
pub fn idle_ms(lru: u32, now_ms: u64) -> u64 {
    u64::from(clock(now_ms).wrapping_sub(lru) & 0xff_ffff) * 1000
}

/// The 24 bits for an entry that was idle for so many seconds.
pub fn from_idle(seconds: u64, now_ms: u64) -> u32 {
    clock(now_ms).wrapping_sub(seconds.min(0xff_ffff) as u32) & 0xff_ffff
}

fn minutes(now_ms: u64) -> u32 {
    (now_ms / 60_000) as u32 & 0xffff
}

/// The 24 bits of a new entry under LFU.
pub fn fresh_frequency(now_ms: u64) -> u32 {
    with_frequency(START as u8, now_ms)
}

/// The 24 bits for a given counter.
pub fn with_frequency(counter: u8, now_ms: u64) -> u32 {
    minutes(now_ms) << 8 | u32::from(counter)
}

/// The counter after the decay that is due.
pub fn frequency(lru: u32, now_ms: u64, decay_minutes: u64) -> u8 {
    let elapsed = minutes(now_ms).wrapping_sub(lru >> 8) & 0xffff;
    let periods = u64::from(elapsed).checked_div(decay_minutes).unwrap_or(0);
    (lru & 0xff).saturating_sub(periods.min(255) as u32) as u8
}

/// The 24 bits after one more use; the counter grows with a probability that falls as it grows.
pub fn used(lru: u32, now_ms: u64, log_factor: u64, decay_minutes: u64, random: u64) -> u32 {
    let counter = frequency(lru, now_ms, decay_minutes);
    let base = u64::from(counter).saturating_sub(u64::from(START));
    let grows = counter < 255 && random.is_multiple_of(base * log_factor + 1);
    with_frequency(counter + u8::from(grows), now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_wrap_and_counters_decay() {
        let now = 0xff_ffff_u64 * 1000 + 5000;
        assert_eq!(idle_ms(clock(now), now + 3000), 3000);
        assert_eq!(idle_ms(from_idle(10, now), now), 10_000);
        let start = fresh_frequency(0);
        assert_eq!(
            (frequency(start, 0, 1), frequency(start, 180_000, 1), frequency(start, 180_000, 0)),
            (5, 2, 5)
        );
        let many =
            (0..1000u64).fold(start, |lru, n| used(lru, 0, 10, 1, n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        assert!((10..100).contains(&frequency(many, 0, 1)));
    }
}
