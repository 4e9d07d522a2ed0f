//! Blocks of memory that are out of sight for who comes now, but maybe not for who came before.
//!
//! ```text
//!   writer: unlink a block (SeqCst) -> retire it                    reader, inside a batch: load the pointer (SeqCst), use it
//!   bag:    open ---------------------> sealed under a stamp -----> free, once every batch of the stamp has ended
//! ```
//!
//! `tests/model.rs` runs it under loom together with the gate, as a table that splits a segment in front of a reader.

use crate::gate::{Gate, Stamp};
use crate::sync::Mutex;

/// See the module's text.
pub struct Limbo<T>(Mutex<Bag<T>>);

struct Bag<T> {
    open: Vec<T>,
    sealed: Vec<T>,
    stamp: Option<Stamp>,
}

impl<T> Default for Limbo<T> {
    fn default() -> Self {
        Limbo(Mutex::new(Bag { open: Vec::new(), sealed: Vec::new(), stamp: None }))
    }
}

impl<T> Limbo<T> {
    /// Takes blocks that the caller has just unlinked, and gives back those that no thread inside a batch at `gate` can
    /// see any more.
    #[must_use]
    pub fn retire(&self, gate: &Gate, blocks: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut bag = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        bag.open.extend(blocks);
        if bag.stamp.as_ref().is_some_and(|stamp| !gate.passed(stamp)) {
            return Vec::new();
        }
        let open = std::mem::take(&mut bag.open);
        bag.stamp = Some(gate.stamp());
        std::mem::replace(&mut bag.sealed, open)
    }

    /// All that is left, for who knows that nobody can see any of it.
    pub fn take_all(&mut self) -> Vec<T> {
        let bag = self.0.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        bag.open.drain(..).chain(bag.sealed.drain(..)).collect()
    }
}
