//! XREADGROUP.

use config::Events;
use ds::stream::{Entry, Group, Nack, Stream, StreamId};
use resp::writer::Writer;
use smallvec::SmallVec;

use super::args::strict_id;
use super::effects::GroupEffects;
use super::groups::consumer_of;
use super::read::{Read, begin_stream, reply_streams};
use super::{find, reply_entry, reply_fields, reply_id, update};
use crate::cx::Cx;
use crate::error::{CommandError, Result};

/// Room for the reply to a command that reads an entry or two.
const BODY_BYTES: usize = 512;

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
        text => match strict_id(text, 0)? {
            // The peers have no other mark for `>`, so that this says the same.
            StreamId::MAX => Ok(Wanted::New),
            after => Ok(Wanted::History(after)),
        },
    }
}

fn idle_ms(now_ms: i64, delivery_ms: i64) -> u64 {
    u64::try_from(now_ms.saturating_sub(delivery_ms)).unwrap_or(0)
}

/// `[id, [field, value, ...], idle, deliveries]`
fn reply_delivery(entry: Entry<'_>, idle_ms: u64, deliveries: u64, out: &mut Writer) {
    out.array(4);
    reply_id(entry.id(), out);
    reply_fields(entry, out);
    out.int(idle_ms as i64);
    out.int(deliveries as i64);
}

/// Milliseconds until a pending entry may have waited for `claim_ms`. One that comes to be pending meanwhile has to wait
/// for all of them, so that no other event needs to be watched.
fn next_claim_ms(cx: &mut Cx<'_>, read: &Read<'_>, group: &[u8], claim_ms: u64) -> Result<u64> {
    // Entries that are pending but gone from the stream are due for ever.
    const SHORTEST_MS: u64 = 20;
    let now_ms = cx.now_ms as i64;
    let until_due = |group: &Group| {
        let idle = group.pending_from(StreamId::MIN).map(|entry| idle_ms(now_ms, entry.nack.delivery_ms));
        let waiting = idle.filter(|idle| *idle < claim_ms).max().unwrap_or(0);
        claim_ms - waiting
    };
    let mut next = claim_ms;
    for key in read.keys {
        let pending = find(cx, key)?.and_then(|stream| stream.groups().get(group)).map(until_due);
        next = next.min(pending.unwrap_or(claim_ms));
    }
    Ok(next.max(SHORTEST_MS))
}

/// One stream's part of the command.
struct Part<'a> {
    read: &'a Read<'a>,
    key: &'a [u8],
    now_ms: i64,
    resp3: bool,
}

impl Part<'_> {
    /// Reads entries that others left, if CLAIM asks for them, then new ones; answers how many.
    fn unread(&self, stream: &mut Stream, effects: &mut GroupEffects, body: &mut Writer) -> u64 {
        let mut entries = Writer::with_capacity(self.resp3, BODY_BYTES);
        let claimed = self.left_entries(stream, effects, &mut entries);
        let count = claimed
            + match self.read.count.map(|count| count - claimed.min(count)) {
                Some(0) => 0,
                left => self.new_entries(stream, left, effects, &mut entries),
            };
        if count > 0 {
            begin_stream(self.key, self.resp3, body);
            body.array(count as usize);
            body.append(&mut entries);
        }
        count
    }

    /// Takes over entries that have been pending for long enough, the longest first.
    fn left_entries(&self, stream: &mut Stream, effects: &mut GroupEffects, entries: &mut Writer) -> u64 {
        let (Some((name, consumer_name)), Some(claim_ms)) = (self.read.group, self.read.claim_ms) else {
            return 0;
        };
        let Some(group) = stream.groups().get(name) else { return 0 };
        let Some(consumer) = group.find_consumer(consumer_name) else { return 0 };
        let mut left: Vec<(i64, StreamId, u64)> = group
            .pending_from(StreamId::MIN)
            .map(|entry| (entry.nack.delivery_ms, entry.id, entry.nack.deliveries))
            .filter(|(delivery_ms, ..)| idle_ms(self.now_ms, *delivery_ms) >= claim_ms)
            .collect();
        left.sort_unstable();
        let mut count = 0;
        for (delivery_ms, id, deliveries) in left {
            if self.read.count.is_some_and(|most| count >= most) {
                break;
            }
            // What is no longer in the stream stays as it is.
            let Some(entry) = stream.get(id) else { continue };
            reply_delivery(entry, idle_ms(self.now_ms, delivery_ms), deliveries, entries);
            let Some(group) = stream.groups_mut().get_mut(name) else { break };
            let nack = Nack { delivery_ms: self.now_ms, deliveries: deliveries.saturating_add(1), consumer };
            group.set_pending(id, nack);
            group.consumer_mut(consumer).active_ms = self.now_ms;
            effects.claimed((self.key, name), consumer_name, id, nack, group.last_id);
            count += 1;
        }
        count
    }

    /// Reads new entries; answers how many.
    fn new_entries(
        &self,
        stream: &mut Stream,
        most: Option<u64>,
        effects: &mut GroupEffects,
        entries: &mut Writer,
    ) -> u64 {
        let Some((name, consumer_name)) = self.read.group else { return 0 };
        let Some(group) = stream.groups().get(name) else { return 0 };
        let consumer = group.find_consumer(consumer_name).filter(|_| !self.read.noack);
        let mut ids = Vec::new();
        let count = stream.read_new(name, consumer, most, self.now_ms, |entry| {
            ids.push(entry.id());
            match self.read.claim_ms {
                Some(_) => reply_delivery(entry, 0, 0, entries),
                None => reply_entry(entry, entries),
            }
        });
        let count = count.unwrap_or(0);
        if count == 0 {
            return 0;
        }
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
        let (mut entries, groups) = stream.finder_and_groups();
        for id in ids {
            let Some(entry) = entries.get(id) else {
                body.array(2);
                reply_id(id, body);
                body.null_array();
                continue;
            };
            reply_entry(entry, body);
            if let Some(group) = groups.get_mut(name)
                && let Some(nack) = group.pending(id).copied()
            {
                let deliveries = nack.deliveries.saturating_add(1);
                group.set_pending(id, Nack { delivery_ms: self.now_ms, deliveries, ..nack });
            }
        }
    }
}

pub(super) fn xreadgroup(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let read = Read::parse(argv, "xreadgroup", cx.family())?;
    let Some((group, consumer)) = read.group else { return Ok(()) };
    let (resp3, now_ms) = (cx.session.resp3, cx.now_ms as i64);
    let wanted: SmallVec<[Wanted; 4]> =
        read.keys.iter().zip(read.ids).map(|(key, id)| wanted(cx, key, group, id)).collect::<Result<_>>()?;
    let (mut body, mut effects) = (Writer::with_capacity(resp3, BODY_BYTES), GroupEffects::new(cx));
    let (mut served, mut changes) = (0, 0);
    for (key, wanted) in read.keys.iter().zip(wanted) {
        let part = Part { read: &read, key, now_ms, resp3 };
        let done = update(cx, key, |stream| {
            let state = stream.groups_mut().get_mut(group);
            let created =
                state.and_then(|group| consumer_of(group, consumer, now_ms)).is_some_and(|(_, new)| new);
            if created {
                effects.created(key, group, consumer);
            }
            let count = match wanted {
                Wanted::New => part.unread(stream, &mut effects, &mut body),
                Wanted::History(after) => {
                    part.history(stream, after, &mut body);
                    0
                }
            };
            (created, count)
        })?;
        let (created, count) = done.unwrap_or_default();
        if created {
            changes += 1;
            cx.notify(Events::STREAM, "xgroup-createconsumer", key);
        }
        changes += u64::from(count > 0);
        served += usize::from(count > 0 || matches!(wanted, Wanted::History(_)));
    }
    effects.apply(cx, changes);
    if served > 0 {
        reply_streams(served, body, resp3, out);
    } else {
        let ids: Vec<Vec<u8>> = read.ids.iter().map(|id| id.to_vec()).collect();
        read.wait(cx, "xreadgroup", &ids, out);
        if let (Some(claim_ms), true) = (read.claim_ms, cx.block.is_some()) {
            let retry_ms = next_claim_ms(cx, &read, group, claim_ms)?;
            if let Some(request) = &mut cx.block {
                request.retry_ms = Some(retry_ms);
            }
        }
    }
    Ok(())
}
