//! The machine below the engine: locks, the gate, the counting allocator and the operating system's calls.
//!
//! One of the two crates that may contain `unsafe`; everything public here is a safe interface.
//!
//! - [`lock`]: the shard lock, a spin lock that never sleeps.
//! - [`gate`]: the batch counters that let one thread run alone. - [`limbo`]: memory that may still be in somebody's sight.
//! - [`claim`]: the right to end something once. - [`bell`]: whether listeners have to be woken. - [`hold`]: who waits for a
//!   position.
//! - [`order`]: the order in which locks are taken, asserted in debug builds.
//! - [`alloc`]: jemalloc with a running count of allocated bytes.
//! - [`ticks`]: a cheap clock for durations; [`clock`]: the time by which data lives.
//! - [`durations`]: how long the gate is closed, and other times that must stay short. - [`work`]: how long a snapshot holds
//!   locks, by the clock and in CPU time. - [`turns`]: background work in short turns.
//! - [`crash`]: what happens when the process ends by a fault.
//! - [`title`]: what `ps` shows of the process. - [`collate`]: the order of texts in a locale.
//! - [`os`]: clocks, resident size, CPU times, affinity, limits, signals.

pub mod alloc;
pub mod bell;
pub mod claim;
pub mod clock;
pub mod collate;
pub mod crash;
pub mod durations;
pub mod gate;
pub mod hold;
pub mod limbo;
pub mod lock;
pub mod order;
pub mod os;
mod sync;
pub mod ticks;
pub mod title;
pub mod turns;
pub mod work;
