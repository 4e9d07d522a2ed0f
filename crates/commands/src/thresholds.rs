//! What each finished command is held against, copied out of the configuration to one cache line.
//!
//! Read after every command; written by [`Thresholds::configure`] at the start and behind the gate.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use config::{Directive, Store};

/// A threshold that nothing reaches.
const OFF: u64 = u64::MAX;

/// See the module's text.
#[derive(Default)]
#[repr(align(64))]
pub struct Thresholds {
    /// Whether each command has a histogram of its times.
    tracks_latency: AtomicBool,
    /// Microseconds, for the latency monitor.
    latency_us: AtomicU64,
    /// Microseconds, for the slow log.
    slow_us: AtomicU64,
    request_bytes: AtomicU64,
    reply_bytes: AtomicU64,
}

impl Thresholds {
    /// Copies the directives.
    pub fn configure(&self, config: &Store) {
        self.tracks_latency.store(config.flag(Directive::LatencyTracking), Relaxed);
        let latency_ms = config.unsigned(Directive::LatencyMonitorThreshold);
        let latency_us = if latency_ms == 0 { OFF } else { latency_ms.saturating_mul(1000) };
        self.latency_us.store(latency_us, Relaxed);
        // A negative threshold is off: without its sign it is larger than anything.
        self.slow_us.store(config.unsigned(Directive::SlowlogLogSlowerThan), Relaxed);
        self.request_bytes.store(config.unsigned(Directive::CommandlogRequestLargerThan), Relaxed);
        self.reply_bytes.store(config.unsigned(Directive::CommandlogReplyLargerThan), Relaxed);
    }

    /// Whether each command has a histogram of its times.
    #[inline]
    pub fn tracks_latency(&self) -> bool {
        self.tracks_latency.load(Relaxed)
    }

    /// Whether the latency monitor notes an event of so many microseconds.
    #[inline]
    pub fn is_late(&self, usec: u64) -> bool {
        usec >= self.latency_us.load(Relaxed)
    }

    /// Whether the slow log notes a command of so many microseconds.
    #[inline]
    pub fn is_slow(&self, usec: u64) -> bool {
        usec >= self.slow_us.load(Relaxed)
    }

    /// Whether the log of large requests notes so many bytes.
    #[inline]
    pub fn is_large_request(&self, bytes: u64) -> bool {
        bytes >= self.request_bytes.load(Relaxed)
    }

    /// Whether the log of large replies notes so many bytes.
    #[inline]
    pub fn is_large_reply(&self, bytes: u64) -> bool {
        bytes >= self.reply_bytes.load(Relaxed)
    }
}
