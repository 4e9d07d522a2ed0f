//! Telling subscriptions' messages from replies, and counting subscriptions.

use std::collections::HashSet;

use resp::reply::Value;

/// What the server has confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    channels: HashSet<Vec<u8>>,
    patterns: HashSet<Vec<u8>>,
    shard_channels: HashSet<Vec<u8>>,
}

/// First elements of messages and confirmations.
const MESSAGES: &[&str] = &["message", "pmessage", "smessage"];
const CONFIRMATIONS: &[&str] =
    &["subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe"];

impl State {
    /// Subscribed to anything.
    #[must_use]
    pub fn active(&self) -> bool {
        !(self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty())
    }

    /// Out of band data: a push, or in RESP2 an array in the shape of a message.
    #[must_use]
    pub fn is_push(&self, value: &Value, resp3: bool) -> bool {
        match value {
            Value::Push(_) => true,
            Value::Array(_) => !resp3 && (is_message(value) || is_confirmation(value)),
            _ => false,
        }
    }

    /// Learns from a confirmation; true when `value` was one.
    pub fn observe(&mut self, value: &Value) -> bool {
        let Some([kind, channel, _]) = value.as_slice() else { return false };
        let kind = kind.to_text();
        let Some(set) = self.set(&kind) else { return false };
        let channel = channel.as_bytes().unwrap_or_default();
        if kind.contains("un") {
            set.remove(channel);
        } else {
            set.insert(channel.to_vec());
        }
        true
    }

    /// The set that a confirmation or command is about.
    fn set(&mut self, kind: &str) -> Option<&mut HashSet<Vec<u8>>> {
        match kind {
            "subscribe" | "unsubscribe" => Some(&mut self.channels),
            "psubscribe" | "punsubscribe" => Some(&mut self.patterns),
            "ssubscribe" | "sunsubscribe" => Some(&mut self.shard_channels),
            _ => None,
        }
    }

    /// How many confirmations a command brings; 0 = it is answered by a reply.
    #[must_use]
    pub fn confirmations(&mut self, argv: &[Vec<u8>]) -> usize {
        let name = crate::session::lower(argv.first());
        match self.set(&name) {
            None => 0,
            // Without names, leaving leaves everything.
            Some(set) if argv.len() == 1 => set.len().max(1),
            Some(_) => argv.len() - 1,
        }
    }
}

fn first_is(value: &Value, names: &[&str], lengths: &[usize]) -> bool {
    let Some(items) = value.as_slice() else { return false };
    let name = items.first().and_then(Value::as_bytes).unwrap_or_default();
    lengths.contains(&items.len()) && names.iter().any(|known| known.as_bytes() == name)
}

/// A published message.
#[must_use]
pub fn is_message(value: &Value) -> bool {
    first_is(value, MESSAGES, &[3, 4])
}

/// A confirmation of a subscription's start or end.
#[must_use]
pub fn is_confirmation(value: &Value) -> bool {
    first_is(value, CONFIRMATIONS, &[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn counts_all_kinds() {
        let mut state = State::default();
        for (kind, active) in [
            ("subscribe", true),
            ("psubscribe", true),
            ("ssubscribe", true),
            ("unsubscribe", true),
            ("punsubscribe", true),
            ("sunsubscribe", false),
        ] {
            assert!(state.observe(&Value::Push(vec![bulk(kind), bulk("ch"), Value::Integer(0)])), "{kind}");
            assert_eq!(state.active(), active, "{kind}");
        }
        assert!(!state.observe(&Value::Null));
    }

    #[test]
    fn messages_are_told_from_replies() {
        let state = State::default();
        let message = Value::Array(vec![bulk("message"), bulk("ch"), bulk("x")]);
        assert!(state.is_push(&message, false));
        assert!(!state.is_push(&message, true));
        assert!(state.is_push(&Value::Push(vec![]), true));
    }

    #[test]
    fn confirmations_are_expected() {
        let mut state = State::default();
        assert_eq!(state.confirmations(&words("SUBSCRIBE a b")), 2);
        assert_eq!(state.confirmations(&words("unsubscribe")), 1);
        for channel in ["a", "b", "c"] {
            state.observe(&Value::Push(vec![bulk("subscribe"), bulk(channel), Value::Integer(1)]));
        }
        assert_eq!(state.confirmations(&words("unsubscribe")), 3);
        assert_eq!(state.confirmations(&words("get b")), 0);
    }
}
