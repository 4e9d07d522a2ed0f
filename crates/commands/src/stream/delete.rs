//! XDEL, XDELEX, XSETID.

use config::Events;
use ds::stream::{Deletion, RefPolicy, StreamId};
use resp::writer::Writer;

use super::args::{strict_id, take_policy};
use super::{find, update};
use crate::args::{Args, int, int_or};
use crate::cx::Cx;
use crate::error::{CommandError, NO_SUCH_KEY, Result, SYNTAX};

pub(super) fn xdel(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    if find(cx, key)?.is_none() {
        out.int(0);
        return Ok(());
    }
    let ids = argv[2..].iter().map(|text| strict_id(text, 0)).collect::<Result<Vec<StreamId>>>()?;
    let deleted = update(cx, key, |stream| ids.iter().filter(|id| stream.delete(**id)).count())?.unwrap_or(0);
    if deleted > 0 {
        cx.changed(key);
        cx.effects.dirty += deleted as u64 - 1;
        cx.notify(Events::STREAM, "xdel", key);
    }
    out.int(deleted as i64);
    Ok(())
}

pub(super) fn xsetid(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const NEGATIVE: CommandError = CommandError::fixed("ERR entries_added must be positive");
    const BELOW_DELETED: CommandError = CommandError::fixed(
        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
    );
    const BELOW_TOP: CommandError =
        CommandError::fixed("ERR The ID specified in XSETID is smaller than the target stream top item");
    const BELOW_LENGTH: CommandError = CommandError::fixed(
        "ERR The entries_added specified in XSETID is smaller than the target stream length",
    );
    let key = argv[1];
    let id = strict_id(argv[2], 0)?;
    let (mut added, mut max_deleted) = (None, None);
    let mut args = Args::new(argv, 3);
    while !args.is_empty() {
        if args.take_with("ENTRIESADDED", 1) {
            added = Some(u64::try_from(int(args.arg()?)?).map_err(|_| NEGATIVE)?);
        } else if args.take_with("MAXDELETEDID", 1) {
            let deleted = strict_id(args.arg()?, 0)?;
            if id < deleted {
                return Err(BELOW_DELETED);
            }
            max_deleted = Some(deleted);
        } else {
            return Err(SYNTAX);
        }
    }
    let stream = find(cx, key)?.ok_or(NO_SUCH_KEY)?;
    if id < stream.meta().max_deleted_id {
        return Err(CommandError::fixed(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    let top = stream.range_rev(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id());
    if top.is_some_and(|top| id < top) {
        return Err(BELOW_TOP);
    }
    if top.is_some() && added.is_some_and(|added| added < stream.len()) {
        return Err(BELOW_LENGTH);
    }
    update(cx, key, |stream| stream.set_id(id, added, max_deleted))?;
    cx.changed(key);
    cx.notify(Events::STREAM, "xsetid", key);
    out.ok();
    Ok(())
}

/// `[KEEPREF | DELREF | ACKED] IDS number id...`
pub(super) struct Chosen<'a> {
    pub policy: RefPolicy,
    texts: &'a [&'a [u8]],
}

impl<'a> Chosen<'a> {
    pub(super) fn parse(argv: &'a [&'a [u8]], at: usize) -> Result<Chosen<'a>> {
        const NUMBER: CommandError = CommandError::fixed("ERR Number of IDs must be a positive integer");
        const MATCH: CommandError =
            CommandError::fixed("ERR The `numids` parameter must match the number of arguments");
        let mut args = Args::new(argv, at);
        let (mut policy, mut texts) = (None, None);
        while !args.is_empty() {
            if args.take_with("IDS", 1) {
                let number = int_or(args.arg()?, NUMBER)?;
                let number = usize::try_from(number).ok().filter(|&number| number > 0).ok_or(NUMBER)?;
                texts = Some(args.slice(number).map_err(|_| MATCH)?);
            } else if policy.is_none()
                && let Some(given) = take_policy(&mut args)
            {
                policy = Some(given);
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(Chosen { policy: policy.unwrap_or_default(), texts: texts.ok_or(SYNTAX)? })
    }

    /// The ids, which are read only where there may be entries of theirs.
    pub(super) fn ids(&self) -> Result<Vec<StreamId>> {
        self.texts.iter().map(|text| strict_id(text, 0)).collect()
    }

    /// How many ids there are.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}

pub(super) fn xdelex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let there = find(cx, key)?.is_some();
    let chosen = Chosen::parse(argv, 2)?;
    let ids = if there { chosen.ids()? } else { Vec::new() };
    let done = update(cx, key, |stream| {
        ids.iter().map(|id| stream.delete_with(*id, chosen.policy)).collect::<Vec<_>>()
    })?;
    let done = done.unwrap_or_else(|| vec![Deletion::NotFound; chosen.len()]);
    let deleted = done.iter().filter(|outcome| **outcome == Deletion::Deleted).count();
    if deleted > 0 {
        cx.changed(key);
        cx.effects.dirty += deleted as u64 - 1;
        cx.notify(Events::STREAM, "xdel", key);
    }
    out.array(done.len());
    for outcome in done {
        out.int(match outcome {
            Deletion::NotFound => -1,
            Deletion::Deleted => 1,
            Deletion::StillReferenced => 2,
        });
    }
    Ok(())
}
