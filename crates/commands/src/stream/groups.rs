//! XGROUP, XACK, XACKDEL.

use config::{Events, Family};
use ds::entry::Value;
use ds::object::Object;
use ds::stream::{ConsumerId, Deletion, Group, Stream, StreamId};
use resp::writer::Writer;

use super::args::{INVALID_ID, strict_id};
use super::delete::Chosen;
use super::idempotent::new_stream;
use super::info::no_group;
use super::{find, update};
use crate::args::{Args, int};
use crate::cx::Cx;
use crate::error::{CommandError, Result, wrong_syntax};

const HELP: &[&str] = &[
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
    "HELP",
    "    Print this help.",
];

pub(super) fn help(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    crate::reply_help(HELP, out);
    Ok(())
}

const NO_KEY: CommandError = CommandError::fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
     to create an empty stream automatically.",
);

/// The consumer of this name; made if there is none (second answer). Marks it as seen.
pub(super) fn consumer_of(group: &mut Group, name: &[u8], now_ms: i64) -> Option<(ConsumerId, bool)> {
    let found = group.find_consumer(name);
    let id = found.or_else(|| group.create_consumer(name, now_ms))?;
    group.consumer_mut(id).seen_ms = now_ms;
    Some((id, found.is_none()))
}

/// Options of CREATE and SETID.
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    /// MKSTREAM is for CREATE alone.
    fn parse(argv: &[&[u8]], creates: bool) -> Result<Options> {
        let wrong = || wrong_syntax("xgroup", argv[1]);
        const RANGE: CommandError = CommandError::fixed("ERR value for ENTRIESREAD must be positive or -1");
        let mut options = Options { make_stream: false, entries_read: None };
        let mut args = Args::new(argv, 5);
        while !args.is_empty() {
            if creates && args.take("MKSTREAM") {
                options.make_stream = true;
            } else if args.take_with("ENTRIESREAD", 1) {
                options.entries_read = match int(args.arg()?)? {
                    -1 => None,
                    read => Some(u64::try_from(read).map_err(|_| RANGE)?),
                };
            } else {
                return Err(wrong());
            }
        }
        // Repeated options are read, and then they are too many.
        if argv.len() > if creates { 8 } else { 7 } {
            return Err(wrong());
        }
        Ok(options)
    }

    /// In Redis no group has read more than was ever added; Valkey believes what it is told.
    fn entries_read(&self, stream: &Stream, family: Family) -> Option<u64> {
        match family {
            Family::Redis => self.entries_read.map(|read| read.min(stream.meta().entries_added)),
            Family::Valkey => self.entries_read,
        }
    }
}

fn group_id(
    text: &[u8],
    stream: Option<&Stream>,
    parse: fn(&[u8], u64) -> Option<StreamId>,
) -> Result<StreamId> {
    match text {
        b"$" => Ok(stream.map_or(StreamId::MIN, Stream::last_id)),
        text => parse(text, 0).ok_or(INVALID_ID),
    }
}

pub(super) fn create(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const BUSY: CommandError = CommandError::fixed("BUSYGROUP Consumer Group name already exists");
    let (key, name) = (argv[2], argv[3]);
    let options = Options::parse(argv, true)?;
    let stream = find(cx, key)?;
    let missing = stream.is_none();
    if missing && !options.make_stream {
        return Err(NO_KEY);
    }
    let id = group_id(argv[4], stream, StreamId::parse)?;
    if missing {
        let stream = new_stream(cx);
        cx.put(key, Value::Object(Box::new(Object::Stream(stream))), None);
    }
    let family = cx.family();
    let made = update(cx, key, |stream| {
        let group = Group::new(id, options.entries_read(stream, family));
        stream.groups_mut().insert(name, group)
    })?;
    if made != Some(true) {
        return Err(BUSY);
    }
    cx.changed(key);
    cx.notify(Events::STREAM, "xgroup-create", key);
    out.ok();
    Ok(())
}

/// An error unless the key and, if asked for, the group exist.
fn check(cx: &mut Cx<'_>, key: &[u8], group: Option<&[u8]>) -> Result {
    let stream = find(cx, key)?.ok_or(NO_KEY)?;
    match group {
        Some(group) if stream.groups().get(group).is_none() => Err(no_group(group, key)),
        _ => Ok(()),
    }
}

pub(super) fn set_id(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, name) = (argv[2], argv[3]);
    let options = Options::parse(argv, false)?;
    check(cx, key, Some(name))?;
    let id = group_id(argv[4], find(cx, key)?, StreamId::parse_bound)?;
    let family = cx.family();
    update(cx, key, |stream| {
        let entries_read = options.entries_read(stream, family);
        if let Some(group) = stream.groups_mut().get_mut(name) {
            (group.last_id, group.entries_read) = (id, entries_read);
        }
    })?;
    cx.changed(key);
    cx.notify(Events::STREAM, "xgroup-setid", key);
    out.ok();
    Ok(())
}

pub(super) fn destroy(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[2];
    check(cx, key, None)?;
    let gone = update(cx, key, |stream| stream.groups_mut().remove(argv[3]))?.unwrap_or(false);
    if gone {
        // Those who wait for the group are told that it is gone.
        cx.changed(key);
        cx.notify(Events::STREAM, "xgroup-destroy", key);
    }
    out.int(i64::from(gone));
    Ok(())
}

pub(super) fn create_consumer(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, name, now_ms) = (argv[2], argv[3], cx.now_ms as i64);
    check(cx, key, Some(name))?;
    let created = update(cx, key, |stream| {
        stream.groups_mut().get_mut(name).and_then(|group| group.create_consumer(argv[4], now_ms)).is_some()
    })?;
    let created = created.unwrap_or(false);
    if created {
        cx.changed(key);
        cx.notify(Events::STREAM, "xgroup-createconsumer", key);
    }
    out.int(i64::from(created));
    Ok(())
}

pub(super) fn delete_consumer(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, name) = (argv[2], argv[3]);
    check(cx, key, Some(name))?;
    let pending = update(cx, key, |stream| {
        stream.groups_mut().get_mut(name).and_then(|group| group.delete_consumer(argv[4]))
    })?;
    let pending = pending.flatten();
    if pending.is_some() {
        cx.changed(key);
        cx.notify(Events::STREAM, "xgroup-delconsumer", key);
    }
    out.int(pending.unwrap_or(0) as i64);
    Ok(())
}

pub(super) fn xack(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, name) = (argv[1], argv[2]);
    if find(cx, key)?.is_none_or(|stream| stream.groups().get(name).is_none()) {
        out.int(0);
        return Ok(());
    }
    let ids = argv[3..].iter().map(|text| strict_id(text, 0)).collect::<Result<Vec<_>>>()?;
    let acked = update(cx, key, |stream| {
        let Some(group) = stream.groups_mut().get_mut(name) else { return 0 };
        ids.iter().filter(|id| group.remove_pending(**id).is_some()).count()
    })?;
    let acked = acked.unwrap_or(0);
    cx.effects.dirty += acked as u64;
    out.int(acked as i64);
    Ok(())
}

/// Acknowledges entries and deletes them as the policy allows.
pub(super) fn xackdel(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, name) = (argv[1], argv[2]);
    let there = find(cx, key)?.is_some_and(|stream| stream.groups().get(name).is_some());
    let chosen = Chosen::parse(argv, 3)?;
    let ids = if there { chosen.ids()? } else { Vec::new() };
    let done = update(cx, key, |stream| {
        let mut done = Vec::with_capacity(ids.len());
        for id in &ids {
            let group = stream.groups_mut().get_mut(name);
            if group.and_then(|group| group.remove_pending(*id)).is_none() {
                done.push(None);
                continue;
            }
            done.push(Some(stream.delete_with(*id, chosen.policy)));
        }
        done
    })?;
    let done = done.filter(|_| there).unwrap_or_else(|| vec![None; chosen.len()]);
    if done.iter().any(Option::is_some) {
        cx.changed(key);
    }
    if done.contains(&Some(Deletion::Deleted)) {
        cx.notify(Events::STREAM, "xdel", key);
    }
    out.array(done.len());
    for outcome in done {
        out.int(match outcome {
            None => -1,
            Some(Deletion::StillReferenced) => 2,
            Some(Deletion::Deleted | Deletion::NotFound) => 1,
        });
    }
    Ok(())
}
