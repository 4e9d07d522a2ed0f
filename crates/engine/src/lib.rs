//! The engine: from parsed requests to replies, without sockets and without a clock of its own.
//!
//! The way of a request: [`batch`] takes a connection's complete requests, prefetches what they will touch and runs
//! them in order; [`admit`] decides whether a command may run; [`run`] locks what its plan names, calls the handler
//! and settles the effects; [`exec`] does the same for a transaction; [`block`] parks clients and serves them.
//! [`cron`] is the regular work, [`evict`] keeps the memory limit.
//!
//! There is one path: clients, EXEC, blocked clients and the replication link all end in [`run::call`].

#![forbid(unsafe_code)]

pub mod admit;
pub mod batch;
pub mod block;
pub mod cron;
pub mod evict;
pub mod exec;
pub mod held;
pub mod primary_stream;
pub mod run;

use commands::effects::Effects;
use resp::request::Spare;
use sys::gate::Slot;
use sys::work::Onlooker;

/// One thread that runs commands: its place at the gate, its counters, and buffers that it uses again and again.
pub struct Worker {
    pub index: usize,
    pub slot: Slot,
    /// What connections read into while nothing of theirs is left over.
    pub spare_input: Spare,
    /// The same for what they reply from.
    pub spare_output: Vec<u8>,
    /// Set by who does the regular work while there is none; the next batch takes it and calls it.
    pub at_rest: Option<Box<dyn FnOnce()>>,
    onlooker: Onlooker,
    scratch: Scratch,
}

/// What a batch needs beside the slot.
#[derive(Default)]
struct Scratch {
    planned: Vec<batch::Planned>,
    effects: Effects,
    /// Changes not yet added to the server's count.
    dirty: u64,
    /// Monotonic microseconds when the last command ended.
    clock_us: u64,
    /// Blocked clients that could not be served under the locks of the one that made their key ready.
    deferred: Vec<block::Deferred>,
    /// Keys that go first when memory runs out.
    eviction: evict::Pool,
}

/// Room for replies from the start.
const SPARE_BYTES: usize = 16 << 10;

impl Worker {
    /// A worker; `index` names its counters.
    pub fn new(index: usize, slot: Slot) -> Worker {
        Worker {
            index,
            slot,
            spare_input: Spare::default(),
            spare_output: Vec::with_capacity(SPARE_BYTES),
            at_rest: None,
            onlooker: Onlooker::default(),
            scratch: Scratch::default(),
        }
    }
}

/// The rows that the engine itself treats in a special way, found once in the table.
struct Special {
    exec: u16,
    multi: u16,
    discard: u16,
    watch: u16,
    quit: u16,
    reset: u16,
}

fn special() -> &'static Special {
    static SPECIAL: std::sync::OnceLock<Special> = std::sync::OnceLock::new();
    let id = |name: &str| commands::table::table().find(name.as_bytes()).map_or(u16::MAX, |found| found.id);
    SPECIAL.get_or_init(|| Special {
        exec: id("exec"),
        multi: id("multi"),
        discard: id("discard"),
        watch: id("watch"),
        quit: id("quit"),
        reset: id("reset"),
    })
}
