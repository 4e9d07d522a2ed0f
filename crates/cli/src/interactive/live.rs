//! Live views: subscriptions and MONITOR run until Ctrl-C, which leads back to the prompt.

use crate::session::{Session, lower};
use crate::{say, warn};

/// A command that ends only by Ctrl-C.
#[must_use]
pub fn is_endless(words: &[Vec<u8>]) -> bool {
    matches!(lower(words.first()).as_str(), "monitor" | "subscribe" | "psubscribe" | "ssubscribe")
}

/// Prints messages until Ctrl-C, then opens a fresh connection without subscriptions.
pub fn subscribed(session: &mut Session) {
    if let Err(error) = session.stream_forever() {
        if error.is_interrupt() {
            say!("(back at the prompt, unsubscribed)\n");
        } else {
            warn!("Error: {error}\n");
        }
    }
    session.connect(true);
}
