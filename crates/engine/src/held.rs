//! Replies that wait for the journal.
//!
//! Invariant: replies leave in their order, and none before the position that it depends on is released. Callers: whoever
//! sends replies.

use std::collections::VecDeque;

use resp::writer::Chunk;

/// See the module's text.
#[derive(Default)]
pub struct HeldReplies {
    replies: VecDeque<(Vec<Chunk>, u64)>,
}

impl HeldReplies {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Whether a reply that depends on `position` may leave at once.
    #[inline]
    pub fn lets_pass(&self, position: u64, released: u64) -> bool {
        self.replies.is_empty() && position <= released
    }

    /// Puts a reply behind those that wait.
    pub fn hold(&mut self, reply: Vec<Chunk>, position: u64) {
        self.replies.push_back((reply, position));
    }

    /// The next reply, if the journal is released up to its position.
    pub fn release(&mut self, released: u64) -> Option<Vec<Chunk>> {
        let (_, position) = self.replies.front()?;
        if *position <= released { self.replies.pop_front().map(|(reply, _)| reply) } else { None }
    }
}
