//! XREADGROUP.

use config::Events;
use ds::stream::{Nack, Stream, StreamId};
use resp::writer::Writer;

use super::args::strict_id;
use super::effects::GroupEffects;
use super::groups::consumer_of;
use super::read::{Read, begin_stream, reply_streams};
use super::{find, reply_entry, reply_id, update};
use crate::cx::Cx;
use crate::error::{CommandError, Result};

/// What is read of one stream.
#[derive(Clone, Copy)]
enum Wanted {
    /// Entries that nobody has read yet.
    New,
    /// Pending entries of the consumer behind this ID.
    History(StreamId),
}

fn meaningless(sign: char) -> CommandError {
    CommandError::new(format!(
        "ERR The {sign} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
         specifying a proper ID, or use the > ID to get new messages. The {sign} ID would just return an empty result set."
    ))
}

fn wanted(cx: &mut Cx<'_>, key: &[u8], group: &[u8], id: &[u8]) -> Result<Wanted> {
    if find(cx, key)?.is_none_or(|stream| stream.groups().get(group).is_none()) {
        return Err(CommandError::new(
            [
                &b"NOGROUP No such key '"[..],
                key,
                b"' or consumer group '",
                group,
                b"' in XREADGROUP with GROUP option",
            ]
            .concat(),
        ));
    }
    match id {
        b"$" => Err(meaningless('$')),
        b"+" => Err(meaningless('+')),
        b">" => Ok(Wanted::New),
        text => Ok(Wanted::History(strict_id(text, 0)?)),
    }
}

/// One stream's part of the command.
struct Part<'a> {
    read: &'a Read<'a>,
    key: &'a [u8],
    now_ms: i64,
    resp3: bool,
}

impl Part<'_> {
    /// Reads new entries; answers how many.
    fn new_entries(&self, stream: &mut Stream, effects: &mut GroupEffects, body: &mut Writer) -> u64 {
        let Some((name, consumer_name)) = self.read.group else { return 0 };
        let Some(group) = stream.groups().get(name) else { return 0 };
        let consumer = group.find_consumer(consumer_name).filter(|_| !self.read.noack);
        let (mut entries, mut ids) = (Writer::new(self.resp3), Vec::new());
        let count = stream.read_new(name, consumer, self.read.count, self.now_ms, |entry| {
            ids.push(entry.id());
            reply_entry(entry, &mut entries);
        });
        let count = count.unwrap_or(0);
        if count == 0 {
            return 0;
        }
        begin_stream(self.key, self.resp3, body);
        body.array(ids.len());
        body.append(&mut entries);
        if let Some(group) = stream.groups_mut().get_mut(name) {
            if let Some(consumer) = consumer {
                group.consumer_mut(consumer).active_ms = self.now_ms;
                let nack = Nack { delivery_ms: self.now_ms, deliveries: 1, consumer };
                for id in &ids {
                    effects.claimed((self.key, name), consumer_name, *id, nack, group.last_id);
                }
            }
            effects.moved(self.key, name, group);
        }
        count
    }

    /// Reads what is pending for the consumer; each counts as delivered once more.
    fn history(&self, stream: &mut Stream, after: StreamId, body: &mut Writer) {
        let Some((name, consumer_name)) = self.read.group else { return };
        begin_stream(self.key, self.resp3, body);
        let most = self.read.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let mut ids: Vec<StreamId> = Vec::new();
        if let Some(group) = stream.groups().get(name)
            && let Some(consumer) = group.find_consumer(consumer_name)
            && let Some(from) = after.next()
        {
            ids = group.consumer(consumer).pending_from(from).take(most).collect();
        }
        body.array(ids.len());
        for id in ids {
            let Some(entry) = stream.get(id) else {
                body.array(2);
                reply_id(id, body);
                body.null_array();
                continue;
            };
            reply_entry(entry, body);
            if let Some(group) = stream.groups_mut().get_mut(name)
                && let Some(nack) = group.pending(id).copied()
            {
                let deliveries = nack.deliveries.saturating_add(1);
                group.set_pending(id, Nack { delivery_ms: self.now_ms, deliveries, ..nack });
            }
        }
    }
}

pub(super) fn xreadgroup(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let read = Read::parse(argv, "xreadgroup")?;
    let Some((group, consumer)) = read.group else { return Ok(()) };
    let (resp3, now_ms) = (cx.session.resp3, cx.now_ms as i64);
    let wanted: Vec<Wanted> =
        read.keys.iter().zip(read.ids).map(|(key, id)| wanted(cx, key, group, id)).collect::<Result<_>>()?;
    let (mut body, mut effects) = (Writer::new(resp3), GroupEffects::default());
    let (mut served, mut changes) = (0, 0);
    for (key, wanted) in read.keys.iter().zip(wanted) {
        let part = Part { read: &read, key, now_ms, resp3 };
        let created = update(cx, key, |stream| {
            let group = stream.groups_mut().get_mut(group)?;
            consumer_of(group, consumer, now_ms).map(|(_, created)| created)
        })?;
        if created.flatten() == Some(true) {
            effects.created(key, group, consumer);
            changes += 1;
            cx.notify(Events::STREAM, "xgroup-createconsumer", key);
        }
        let count = update(cx, key, |stream| match wanted {
            Wanted::New => part.new_entries(stream, &mut effects, &mut body),
            Wanted::History(after) => {
                part.history(stream, after, &mut body);
                0
            }
        })?;
        let count = count.unwrap_or(0);
        changes += u64::from(count > 0);
        served += usize::from(count > 0 || matches!(wanted, Wanted::History(_)));
    }
    effects.apply(cx, changes);
    if served > 0 {
        reply_streams(served, body, resp3, out);
    } else {
        let ids: Vec<Vec<u8>> = read.ids.iter().map(|id| id.to_vec()).collect();
        read.wait(cx, "xreadgroup", &ids, out);
    }
    Ok(())
}
