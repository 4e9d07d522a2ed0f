//! XCLAIM and XAUTOCLAIM: pending entries change hands.

use config::Events;
use ds::stream::{ConsumerId, Finder, Groups, Nack, StreamId};
use resp::writer::Writer;

use super::args::{interval_start, strict_id};
use super::effects::GroupEffects;
use super::groups::consumer_of;
use super::{find, reply_entry, reply_id, update};
use crate::args::{Args, int_or};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};

/// `NOGROUP No such key 'k' or consumer group 'g'`
pub(super) fn check_group(cx: &mut Cx<'_>, key: &[u8], group: &[u8]) -> Result {
    if find(cx, key)?.is_some_and(|stream| stream.groups().get(group).is_some()) {
        return Ok(());
    }
    let text = [&b"NOGROUP No such key '"[..], key, b"' or consumer group '", group, b"'"].concat();
    Err(CommandError::new(text))
}

fn number(given: &[u8], what: &str, name: &str) -> Result<i64> {
    int_or(given, CommandError::new(format!("ERR Invalid {what} argument for {name}")))
}

/// How entries are claimed.
struct Claim<'a> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    min_idle_ms: i64,
    now_ms: i64,
    delivery_ms: i64,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: Option<StreamId>,
}

/// What became of one entry.
#[derive(PartialEq, Eq)]
enum Outcome {
    Passed,
    Claimed,
    /// It is no longer in the stream, and no longer pending.
    Dropped,
}

impl<'a> Claim<'a> {
    fn new(cx: &Cx<'_>, argv: &'a [&'a [u8]], min_idle_ms: i64) -> Claim<'a> {
        let now_ms = cx.now_ms as i64;
        Claim {
            key: argv[1],
            group: argv[2],
            consumer: argv[3],
            min_idle_ms: min_idle_ms.max(0),
            now_ms,
            delivery_ms: now_ms,
            deliveries: None,
            force: false,
            just_id: false,
            last_id: None,
        }
    }

    /// XCLAIM's options, behind the IDs.
    fn options(&mut self, args: &mut Args<'_>) -> Result {
        const NAME: &str = "XCLAIM";
        while !args.is_empty() {
            if args.take("FORCE") {
                self.force = true;
            } else if args.take("JUSTID") {
                self.just_id = true;
            } else if args.take_with("IDLE", 1) {
                let idle = number(args.arg()?, "IDLE option", NAME)?;
                self.set_delivery(self.now_ms.saturating_sub(idle));
            } else if args.take_with("TIME", 1) {
                let time = number(args.arg()?, "TIME option", NAME)?;
                self.set_delivery(time);
            } else if args.take_with("RETRYCOUNT", 1) {
                self.deliveries = u64::try_from(number(args.arg()?, "RETRYCOUNT option", NAME)?).ok();
            } else if args.take_with("LASTID", 1) {
                self.last_id = Some(strict_id(args.arg()?, 0)?);
            } else {
                let text = [&b"ERR Unrecognized XCLAIM option '"[..], args.arg()?, b"'"].concat();
                return Err(CommandError::new(text));
            }
        }
        Ok(())
    }

    /// A time that makes no sense counts as now.
    fn set_delivery(&mut self, time_ms: i64) {
        self.delivery_ms = if (0..=self.now_ms).contains(&time_ms) { time_ms } else { self.now_ms };
    }

    fn one(
        &self,
        (entries, groups): (&mut Finder<'_>, &mut Groups),
        id: StreamId,
        consumer: ConsumerId,
        effects: &mut GroupEffects,
        body: &mut Writer,
    ) -> Outcome {
        let Some(group) = groups.get_mut(self.group) else { return Outcome::Passed };
        let old = group.pending(id).copied();
        let Some(entry) = entries.get(id) else {
            let Some(nack) = old else { return Outcome::Passed };
            effects.claimed((self.key, self.group), self.consumer, id, nack, group.last_id);
            group.remove_pending(id);
            return Outcome::Dropped;
        };
        let deliveries = match old {
            None if !self.force => return Outcome::Passed,
            Some(nack) if self.now_ms - nack.delivery_ms < self.min_idle_ms => return Outcome::Passed,
            Some(nack) => nack.deliveries,
            None => 1,
        };
        let deliveries = self.deliveries.unwrap_or(deliveries.saturating_add(u64::from(!self.just_id)));
        let nack = Nack { delivery_ms: self.delivery_ms, deliveries, consumer };
        group.set_pending(id, nack);
        group.consumer_mut(consumer).active_ms = self.now_ms;
        effects.claimed((self.key, self.group), self.consumer, id, nack, group.last_id);
        if self.just_id {
            reply_id(id, body)
        } else {
            reply_entry(entry, body)
        }
        Outcome::Claimed
    }

    /// The consumer, made if need be, and whether the group's last ID moved.
    fn begin(&self, cx: &mut Cx<'_>, effects: &mut GroupEffects) -> Result<Option<(ConsumerId, bool, u64)>> {
        let begun = update(cx, self.key, |stream| {
            let group = stream.groups_mut().get_mut(self.group)?;
            let moved = self.last_id.is_some_and(|last| last > group.last_id);
            if let Some(last) = self.last_id.filter(|_| moved) {
                group.last_id = last;
            }
            consumer_of(group, self.consumer, self.now_ms).map(|(id, created)| (id, created, moved))
        })?;
        let Some((id, created, moved)) = begun.flatten() else { return Ok(None) };
        if created {
            effects.created(self.key, self.group, self.consumer);
            cx.notify(Events::STREAM, "xgroup-createconsumer", self.key);
        }
        Ok(Some((id, moved, u64::from(created))))
    }
}

pub(super) fn xclaim(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    check_group(cx, argv[1], argv[2])?;
    let mut claim = Claim::new(cx, argv, number(argv[4], "min-idle-time", "XCLAIM")?);
    let ids: Vec<StreamId> = argv[5..].iter().map_while(|text| strict_id(text, 0).ok()).collect();
    claim.options(&mut Args::new(argv, 5 + ids.len()))?;
    let mut effects = GroupEffects::new(cx);
    let Some((consumer, moved, mut changes)) = claim.begin(cx, &mut effects)? else { return Ok(()) };
    let (mut body, mut claimed) = (Writer::new(cx.session.resp3), 0);
    update(cx, claim.key, |stream| {
        let mut told = false;
        let (mut entries, groups) = stream.finder_and_groups();
        for id in ids {
            let outcome = claim.one((&mut entries, groups), id, consumer, &mut effects, &mut body);
            claimed += usize::from(outcome == Outcome::Claimed);
            changes += u64::from(outcome != Outcome::Passed);
            told |= outcome != Outcome::Passed;
        }
        // A claim tells the last ID itself.
        if moved
            && !told
            && let Some(group) = groups.get(claim.group)
        {
            effects.moved(claim.key, claim.group, group);
            changes += 1;
        }
    })?;
    effects.apply(cx, changes);
    out.array(claimed);
    out.append(&mut body);
    Ok(())
}

pub(super) fn xautoclaim(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const COUNT: CommandError = CommandError::fixed("ERR COUNT must be > 0");
    // What the peers could allocate ids for.
    const MOST: usize = (i64::MAX / 16) as usize;
    let min_idle_ms = number(argv[4], "min-idle-time", "XAUTOCLAIM")?;
    let start = interval_start(argv[5])?;
    let (mut left, mut just_id) = (100, false);
    let mut args = Args::new(argv, 6);
    while !args.is_empty() {
        if args.take_with("COUNT", 1) {
            let given = int_or(args.arg()?, COUNT)?;
            left = usize::try_from(given).ok().filter(|given| (1..=MOST).contains(given)).ok_or(COUNT)?;
        } else if args.take("JUSTID") {
            just_id = true;
        } else {
            return Err(SYNTAX);
        }
    }
    check_group(cx, argv[1], argv[2])?;
    let claim = Claim { just_id, ..Claim::new(cx, argv, min_idle_ms) };
    let mut effects = GroupEffects::new(cx);
    let Some((consumer, _, mut changes)) = claim.begin(cx, &mut effects)? else { return Ok(()) };
    let (mut body, mut claimed, mut dropped) = (Writer::new(cx.session.resp3), 0, Vec::new());
    let cursor = update(cx, claim.key, |stream| {
        // As the peers do, at most ten entries are looked at for each one that is wanted.
        let most = left.saturating_mul(10);
        let pending = stream.groups().get(claim.group).map(|group| {
            group.pending_from(start).map(|entry| entry.id).take(most.saturating_add(1)).collect::<Vec<_>>()
        });
        let pending = pending.unwrap_or_default();
        let (mut entries, groups) = stream.finder_and_groups();
        for (at, id) in pending.iter().enumerate() {
            if left == 0 || at == most {
                return *id;
            }
            match claim.one((&mut entries, groups), *id, consumer, &mut effects, &mut body) {
                Outcome::Passed => continue,
                Outcome::Claimed => claimed += 1,
                Outcome::Dropped => dropped.push(*id),
            }
            changes += 1;
            left -= 1;
        }
        StreamId::MIN
    })?;
    effects.apply(cx, changes);
    out.array(3);
    reply_id(cursor.unwrap_or_default(), out);
    out.array(claimed);
    out.append(&mut body);
    out.array(dropped.len());
    dropped.into_iter().for_each(|id| reply_id(id, out));
    Ok(())
}
