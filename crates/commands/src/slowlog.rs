//! The slow log's entries.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Arguments that an entry keeps, and bytes of each.
const MOST_ARGUMENTS: usize = 32;
const MOST_BYTES: usize = 128;

/// A command that took long.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: u64,
    /// Unix seconds.
    pub at_s: u64,
    pub usec: u64,
    pub argv: Vec<Vec<u8>>,
    pub address: String,
    pub name: Vec<u8>,
}

/// Newest first.
#[derive(Default)]
pub struct SlowLog {
    entries: Mutex<VecDeque<Entry>>,
    next_id: AtomicU64,
}

impl SlowLog {
    /// Adds a command; the log keeps `most` entries.
    pub fn push(&self, usec: u64, argv: &[&[u8]], address: &str, name: &[u8], most: usize) {
        if most == 0 {
            self.reset();
            return;
        }
        let entry = Entry {
            id: self.next_id.fetch_add(1, Relaxed),
            at_s: sys::os::unix_ms() / 1000,
            usec,
            argv: shortened(argv),
            address: address.to_owned(),
            name: name.to_vec(),
        };
        let mut entries = self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        entries.push_front(entry);
        entries.truncate(most);
    }

    /// The newest `count` entries.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        entries.iter().take(count).cloned().collect()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries.
    pub fn reset(&self) {
        self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
    }
}

fn shortened(argv: &[&[u8]]) -> Vec<Vec<u8>> {
    let cut = |arg: &&[u8]| match arg.len() {
        len if len > MOST_BYTES => {
            [&arg[..MOST_BYTES], format!("... ({} more bytes)", len - MOST_BYTES).as_bytes()].concat()
        }
        _ => arg.to_vec(),
    };
    if argv.len() <= MOST_ARGUMENTS {
        return argv.iter().map(cut).collect();
    }
    let mut kept: Vec<Vec<u8>> = argv[..MOST_ARGUMENTS - 1].iter().map(cut).collect();
    kept.push(format!("... ({} more arguments)", argv.len() - MOST_ARGUMENTS + 1).into_bytes());
    kept
}
