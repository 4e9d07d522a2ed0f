//! XPENDING.

use ds::stream::StreamId;
use resp::writer::Writer;

use super::args::{interval_end, interval_start};
use super::claim::check_group;
use super::{find, reply_id};
use crate::args::int;
use crate::cx::Cx;
use crate::error::{Result, SYNTAX};

pub(super) fn xpending(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if argv.len() == 3 {
        return summary(cx, argv, out);
    }
    let (mut at, mut min_idle_ms) = (3, 0);
    if !(6..=9).contains(&argv.len()) {
        return Err(SYNTAX);
    }
    if argv[3].eq_ignore_ascii_case(b"idle") {
        min_idle_ms = int(argv[4])?;
        if argv.len() < 8 {
            return Err(SYNTAX);
        }
        at = 5;
    }
    let count = usize::try_from(int(argv[at + 2])?).unwrap_or(0);
    let (from, to) = (interval_start(argv[at])?, interval_end(argv[at + 1])?);
    check_group(cx, argv[1], argv[2])?;
    let now_ms = cx.now_ms as i64;
    let group = find(cx, argv[1])?.and_then(|stream| stream.groups().get(argv[2]));
    let Some(group) = group else { return Ok(()) };
    let only = match argv.get(at + 3).map(|name| group.find_consumer(name)) {
        Some(None) => {
            out.array(0);
            return Ok(());
        }
        only => only.flatten(),
    };
    let ids: Box<dyn Iterator<Item = StreamId>> = match only {
        Some(consumer) => Box::new(group.consumer(consumer).pending_from(from)),
        None => Box::new(group.pending_from(from).map(|entry| entry.id)),
    };
    let found: Vec<_> = ids
        .take_while(|id| *id <= to)
        .filter_map(|id| group.pending(id).map(|nack| (id, nack)))
        .filter(|(_, nack)| now_ms - nack.delivery_ms >= min_idle_ms)
        .take(count)
        .collect();
    out.array(found.len());
    for (id, nack) in found {
        out.array(4);
        reply_id(id, out);
        out.bulk(group.consumer(nack.consumer).name());
        out.int((now_ms - nack.delivery_ms).max(0));
        out.int(nack.deliveries as i64);
    }
    Ok(())
}

fn summary(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    check_group(cx, argv[1], argv[2])?;
    let group = find(cx, argv[1])?.and_then(|stream| stream.groups().get(argv[2]));
    let Some(group) = group else { return Ok(()) };
    out.array(4);
    out.int(group.pending_len() as i64);
    let first = group.pending_from(StreamId::MIN).next();
    let Some(first) = first else {
        out.null();
        out.null();
        out.null_array();
        return Ok(());
    };
    reply_id(first.id, out);
    let last = group.consumers().filter_map(|(_, consumer)| consumer.pending_last()).max();
    reply_id(last.unwrap_or(first.id), out);
    let busy: Vec<_> = group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0).collect();
    out.array(busy.len());
    for (_, consumer) in busy {
        out.array(2);
        out.bulk(consumer.name());
        out.bulk(consumer.pending_len().to_string().as_bytes());
    }
    Ok(())
}
