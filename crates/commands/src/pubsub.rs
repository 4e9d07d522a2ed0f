//! Channels, patterns and shard channels.

use resp::writer::Writer;

use crate::channels::Topic;
use crate::client::{Client, ClientType};
use crate::cx::Cx;
use crate::error::{Result, wrong_syntax};
use crate::row::{Plan, flag::*, key::*};
use crate::server::Server;
use crate::session::Session;
use crate::table::CommandRow as Row;

const SUB: u64 = PUBSUB | NOSCRIPT | LOADING | STALE;
const SEND: u64 = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE;

pub(crate) const ROWS: &[Row] = &[
    Row::new("psubscribe", -2, SUB | DENYOOM_IN_REDIS | SENTINEL, 0, &[], psubscribe).plan(Plan::Connection),
    Row::new("publish", 3, SEND | SENTINEL, 0, &[], publish).plan(Plan::Registry),
    Row::container("pubsub", -2, 0, 0, SUBCOMMANDS),
    Row::new("punsubscribe", -1, SUB | SENTINEL, 0, &[], punsubscribe).plan(Plan::Connection),
    Row::new("spublish", 3, SEND, 0, &[one(1, NOT_KEY)], spublish).plan(Plan::Registry),
    Row::new("ssubscribe", -2, SUB | DENYOOM_IN_REDIS, 0, &[range(1, -1, 1, NOT_KEY)], ssubscribe)
        .plan(Plan::Connection),
    Row::new("subscribe", -2, SUB | DENYOOM_IN_REDIS | SENTINEL, 0, &[], subscribe).plan(Plan::Connection),
    Row::new("sunsubscribe", -1, SUB, 0, &[range(1, -1, 1, NOT_KEY)], sunsubscribe).plan(Plan::Connection),
    Row::new("unsubscribe", -1, SUB | SENTINEL, 0, &[], unsubscribe).plan(Plan::Connection),
];

const ASK: u64 = PUBSUB | LOADING | STALE;
const SUBCOMMANDS: &[Row] = &[
    Row::new("channels", -2, ASK, 0, &[], channels).plan(Plan::Registry),
    Row::new("help", 2, LOADING | STALE, 0, &[], help).plan(Plan::Connection),
    Row::new("numpat", 2, ASK, 0, &[], numpat).plan(Plan::Registry),
    Row::new("numsub", -2, ASK, 0, &[], numsub).plan(Plan::Registry),
    Row::new("shardchannels", -2, ASK, 0, &[], shard_channels).plan(Plan::Registry),
    Row::new("shardnumsub", -2, ASK, 0, &[], shard_numsub).plan(Plan::Registry),
];

const HELP: &[&str] = &[
    "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "SHARDCHANNELS [<pattern>]",
    "    Return the currently active shard level channels matching a <pattern> (default: '*').",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Return the number of subscribers for the specified shard level channel(s)",
    "HELP",
    "    Print this help.",
];

/// The words that confirm a subscription or its end.
const WORDS: [(&[u8], &[u8]); 3] =
    [(b"subscribe", b"unsubscribe"), (b"psubscribe", b"punsubscribe"), (b"ssubscribe", b"sunsubscribe")];

/// Number of subscriptions that a confirmation tells: shard channels are counted on their own.
fn count(session: &Session, topic: Topic) -> i64 {
    match topic {
        Topic::Shard => session.subscriptions[2].len() as i64,
        _ => session.subscription_count() as i64,
    }
}

fn confirm(out: &mut Writer, word: &[u8], name: Option<&[u8]>, count: i64) {
    out.push(3);
    out.bulk(word);
    match name {
        Some(name) => out.bulk(name),
        None => out.null(),
    }
    out.int(count);
}

/// Subscribes to each of `names`. The confirmation is written while the channel is locked; mailboxes are emptied only
/// behind the replies, so it precedes the channel's first message.
fn add(cx: &mut Cx<'_>, topic: Topic, names: &[&[u8]], out: &mut Writer) -> Result {
    for name in names {
        if cx.session.subscriptions[topic as usize].insert(name.to_vec()) {
            cx.session.name_bytes += name.len();
        }
        let count = count(cx.session, topic);
        let client = cx.session.client.clone();
        cx.server
            .channels
            .subscribe(topic, name, &client, || confirm(out, WORDS[topic as usize].0, Some(name), count));
    }
    note_confirmed(cx.session);
    Ok(())
}

/// What all commands here end with: the confirmations are messages, and the connection may have become another kind.
fn note_confirmed(session: &mut Session) {
    session.pushed = true;
    note_kind(session);
}

fn note_kind(session: &mut Session) {
    if matches!(session.kind, ClientType::Normal | ClientType::PubSub) {
        let subscribed = session.subscriptions.iter().any(|names| !names.is_empty());
        session.kind = if subscribed { ClientType::PubSub } else { ClientType::Normal };
    }
}

/// Unsubscribes from `names`, or from all if there are none.
fn drop_some(cx: &mut Cx<'_>, topic: Topic, names: &[&[u8]], out: &mut Writer) -> Result {
    let all: Vec<Vec<u8>> = match names {
        [] => cx.session.subscriptions[topic as usize].iter().cloned().collect(),
        names => names.iter().map(|name| name.to_vec()).collect(),
    };
    for name in &all {
        if cx.session.subscriptions[topic as usize].remove(name) {
            cx.session.name_bytes -= name.len();
        }
        cx.server.channels.unsubscribe(topic, name, cx.session.client.id);
        confirm(out, WORDS[topic as usize].1, Some(name), count(cx.session, topic));
    }
    if all.is_empty() {
        confirm(out, WORDS[topic as usize].1, None, count(cx.session, topic));
    }
    note_confirmed(cx.session);
    Ok(())
}

/// Ends all subscriptions of a connection, silently.
pub(crate) fn drop_all(server: &Server, session: &mut Session) {
    for topic in [Topic::Channel, Topic::Pattern, Topic::Shard] {
        for name in std::mem::take(&mut session.subscriptions[topic as usize]) {
            server.channels.unsubscribe(topic, &name, session.client.id);
        }
    }
    note_kind(session);
}

fn subscribe(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    add(cx, Topic::Channel, &argv[1..], out)
}

fn psubscribe(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    add(cx, Topic::Pattern, &argv[1..], out)
}

fn ssubscribe(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    add(cx, Topic::Shard, &argv[1..], out)
}

fn unsubscribe(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    drop_some(cx, Topic::Channel, &argv[1..], out)
}

fn punsubscribe(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    drop_some(cx, Topic::Pattern, &argv[1..], out)
}

fn sunsubscribe(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    drop_some(cx, Topic::Shard, &argv[1..], out)
}

/// Bytes in a mailbox below which no limit is looked at.
const UNLIMITED_BYTES: usize = 32 << 10;

/// Drops a subscriber whose messages pile up beyond its hard limit.
pub fn over_limit(server: &Server, client: &Client, bytes: usize) {
    if bytes > UNLIMITED_BYTES {
        let limit = server.config.output_limits().pubsub.hard_bytes;
        if limit > 0 && bytes as u64 > limit {
            client.kill();
        }
    }
}

fn send(cx: &mut Cx<'_>, shard: bool, argv: &[&[u8]], out: &mut Writer) -> Result {
    let server = cx.server;
    let check = |client: &Client, bytes| over_limit(server, client, bytes);
    let receivers = server.channels.publish(shard, argv[1], argv[2], check);
    // Replicas publish too; nothing in the data set changes.
    cx.propagate(argv);
    out.int(receivers as i64);
    Ok(())
}

fn publish(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    send(cx, false, argv, out)
}

fn spublish(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    send(cx, true, argv, out)
}

fn names(cx: &mut Cx<'_>, topic: Topic, argv: &[&[u8]], out: &mut Writer) -> Result {
    if argv.len() > 3 {
        return Err(wrong_syntax("pubsub", argv[1]));
    }
    let names = cx.server.channels.names(topic, argv.get(2).copied());
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name));
    Ok(())
}

fn channels(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    names(cx, Topic::Channel, argv, out)
}

fn shard_channels(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    names(cx, Topic::Shard, argv, out)
}

fn numpat(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    out.int(cx.server.channels.len(Topic::Pattern) as i64);
    Ok(())
}

fn counts(cx: &mut Cx<'_>, topic: Topic, argv: &[&[u8]], out: &mut Writer) -> Result {
    // Flat in RESP3 too, as with the peers.
    out.array(2 * (argv.len() - 2));
    for name in &argv[2..] {
        out.bulk(name);
        out.int(cx.server.channels.listeners(topic, name) as i64);
    }
    Ok(())
}

fn numsub(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    counts(cx, Topic::Channel, argv, out)
}

fn shard_numsub(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    counts(cx, Topic::Shard, argv, out)
}

fn help(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    crate::reply_help(HELP, out);
    Ok(())
}
