//! What the journal gets for changes of consumer groups.

use ds::stream::{Group, Nack, StreamId};

use super::id_text;
use crate::cx::Cx;

/// Commands that bring a copy of the group to the same state.
pub(super) struct GroupEffects {
    commands: Vec<Vec<Vec<u8>>>,
    /// Whether anybody gets them.
    recorded: bool,
}

fn owned(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

impl GroupEffects {
    /// None so far.
    pub(super) fn new(cx: &Cx<'_>) -> GroupEffects {
        GroupEffects { commands: Vec::new(), recorded: cx.is_recorded() }
    }

    /// A consumer came into being.
    pub(super) fn created(&mut self, key: &[u8], group: &[u8], consumer: &[u8]) {
        if self.recorded {
            self.commands.push(owned(&[b"XGROUP", b"CREATECONSUMER", key, group, consumer]));
        }
    }

    /// An entry is pending now as `nack` says; or no more, if it is no longer in the stream.
    pub(super) fn claimed(
        &mut self,
        (key, group): (&[u8], &[u8]),
        consumer: &[u8],
        id: StreamId,
        nack: Nack,
        last_id: StreamId,
    ) {
        if !self.recorded {
            return;
        }
        let (time, count) = (nack.delivery_ms.to_string(), nack.deliveries.to_string());
        let (id, last_id) = (id_text(id), id_text(last_id));
        self.commands.push(owned(&[
            b"XCLAIM",
            key,
            group,
            consumer,
            b"0",
            &id,
            b"TIME",
            time.as_bytes(),
            b"RETRYCOUNT",
            count.as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            &last_id,
        ]));
    }

    /// The group has read further.
    pub(super) fn moved(&mut self, key: &[u8], name: &[u8], group: &Group) {
        if !self.recorded {
            return;
        }
        let read = group.entries_read.map_or_else(|| "-1".to_owned(), |read| read.to_string());
        let last_id = id_text(group.last_id);
        self.commands.push(owned(&[
            b"XGROUP",
            b"SETID",
            key,
            name,
            &last_id,
            b"ENTRIESREAD",
            read.as_bytes(),
        ]));
    }

    /// Gives all of it to the journal in place of the command.
    pub(super) fn apply(self, cx: &mut Cx<'_>, changes: u64) {
        cx.effects.dirty += changes;
        cx.propagate_nothing();
        for (at, argv) in self.commands.iter().enumerate() {
            // A claim makes the consumer itself.
            let follows =
                self.commands.get(at + 1).filter(|next| argv[1] == b"CREATECONSUMER" && next[0] == b"XCLAIM");
            if follows.is_none_or(|next| next[1..4] != argv[2..5]) {
                cx.propagate(argv);
            }
        }
    }
}
