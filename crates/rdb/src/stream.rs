//! Streams in all four forms: blocks, counters, consumer groups, and from version 13 on idempotent producers.

use std::collections::HashMap;
use std::io::Read;

use ds::stream::{Block, Group, Groups, LagRule, Nack, Stream, StreamId, StreamMeta};

use crate::input::{Input, Result};
use crate::types;
use crate::value::listpack_of;

const DAMAGED_BLOCK: &str = "Stream listpack integrity check failed";

/// Reads a stream of the type `kind`.
pub(crate) fn read<R: Read>(input: &mut Input<R>, kind: u8) -> Result<Stream> {
    let mut blocks = Vec::new();
    for _ in 0..input.length()? {
        let key = input.string()?;
        let key = input.check(<[u8; 16]>::try_from(key).ok(), "key of a stream block")?;
        let pack = listpack_of(input, DAMAGED_BLOCK)?;
        blocks
            .push(input.check(Block::from_listpack(StreamId::from_be_bytes(key), pack).ok(), DAMAGED_BLOCK)?);
    }
    let mut meta = StreamMeta {
        length: input.length()?,
        last_id: id(input)?,
        first_id: StreamId::MIN,
        max_deleted_id: StreamId::MIN,
        entries_added: 0,
    };
    meta.entries_added = meta.length;
    if kind != types::STREAM {
        meta.first_id = id(input)?;
        meta.max_deleted_id = id(input)?;
        meta.entries_added = input.length()?;
    }
    let stream = Stream::from_parts(blocks, meta, Groups::default());
    let mut stream = input.check(stream, "counters or order of a stream")?;
    for _ in 0..input.length()? {
        group(input, kind, &mut stream)?;
    }
    if kind == types::STREAM_4 {
        idempotence(input, &mut stream)?;
    }
    Ok(stream)
}

fn id<R: Read>(input: &mut Input<R>) -> Result<StreamId> {
    Ok(StreamId::new(input.length()?, input.length()?))
}

fn raw_id<R: Read>(input: &mut Input<R>) -> Result<StreamId> {
    Ok(StreamId::from_be_bytes(input.array()?))
}

fn group<R: Read>(input: &mut Input<R>, kind: u8, stream: &mut Stream) -> Result<()> {
    let name = input.string()?;
    let last_id = id(input)?;
    let entries_read = if kind == types::STREAM {
        // Such a stream does not know deletions, on which the rules differ.
        stream.distance_from_start(last_id, LagRule::Redis)
    } else {
        // -1 is "not known".
        Some(input.length()?).filter(|read| *read <= i64::MAX as u64)
    };
    let mut group = Group::new(last_id, entries_read);
    let mut pending = HashMap::new();
    for _ in 0..input.length()? {
        let (id, delivery_ms, deliveries) = (raw_id(input)?, input.i64_le()?, input.length()?);
        if pending.insert(id, (delivery_ms, deliveries)).is_some() {
            return input.corrupt("Duplicated global PEL entry");
        }
    }
    for _ in 0..input.length()? {
        consumer(input, kind, &mut group, &mut pending)?;
    }
    if !pending.is_empty() {
        return input.corrupt("pending entry without a consumer");
    }
    if !stream.groups_mut().insert(&name, group) {
        return input.corrupt("Duplicated consumer group name");
    }
    Ok(())
}

fn consumer<R: Read>(
    input: &mut Input<R>,
    kind: u8,
    group: &mut Group,
    pending: &mut HashMap<StreamId, (i64, u64)>,
) -> Result<()> {
    let name = input.string()?;
    let seen_ms = input.i64_le()?;
    let active_ms = if kind >= types::STREAM_3 { input.i64_le()? } else { seen_ms };
    let id = input.check(group.create_consumer(&name, seen_ms), "Duplicate stream consumer detected")?;
    group.consumer_mut(id).active_ms = active_ms;
    for _ in 0..input.length()? {
        let entry = raw_id(input)?;
        if group.pending(entry).is_some() {
            return input.corrupt("Duplicated consumer PEL entry");
        }
        let found = pending.remove(&entry);
        let (delivery_ms, deliveries) = input.check(found, "Consumer entry not found in group global PEL")?;
        group.set_pending(entry, Nack { delivery_ms, deliveries, consumer: id });
    }
    Ok(())
}

fn idempotence<R: Read>(input: &mut Input<R>, stream: &mut Stream) -> Result<()> {
    stream.idempotence_mut().duration_s = input.length()?;
    let max_size = input.length()?;
    // What is in the file stays, even if it is more than the limit allows by now.
    stream.idempotence_mut().max_size = u64::MAX;
    for _ in 0..input.length()? {
        let producer = input.string()?;
        for _ in 0..input.length()? {
            let iid = input.string()?;
            let id = id(input)?;
            if stream.idempotence().find(&producer, &iid, 0).is_some() {
                return input.corrupt("duplicate idempotency id");
            }
            stream.idempotence_mut().restore(&producer, &iid, id);
        }
    }
    let state = stream.idempotence_mut();
    state.max_size = max_size;
    (state.added, state.duplicates) = (input.length()?, input.length()?);
    Ok(())
}
