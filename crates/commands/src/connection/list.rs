//! CLIENT LIST and INFO: one line for each connection.

use std::sync::atomic::Ordering::Relaxed;

use config::Family;
use resp::writer::Writer;

use super::filter::Filter;
use crate::client::{Client, ClientType, Details};
use crate::cx::Cx;
use crate::error::Result;
use crate::table::table;

/// The letters of `flags=`.
pub(super) fn flags_of(client: &Client, details: &Details) -> String {
    let mut flags = String::new();
    let mut add = |holds: bool, letter: char| {
        if holds {
            flags.push(letter);
        }
    };
    add(details.monitor, 'O');
    add(details.kind == ClientType::Replica, 'S');
    add(details.kind == ClientType::Primary, 'M');
    add(details.kind == ClientType::PubSub, 'P');
    add(details.queued.is_some(), 'x');
    add(details.blocked, 'b');
    add(client.close_after_reply.load(Relaxed), 'c');
    add(client.is_killed(), 'A');
    add(client.local_address.ends_with(":0"), 'U');
    add(details.readonly, 'r');
    add(details.no_evict, 'e');
    add(details.no_touch, 'T');
    add(details.import_source, 'I');
    add(flags_is_empty(client, details), 'N');
    flags
}

fn flags_is_empty(client: &Client, details: &Details) -> bool {
    !(details.monitor
        || details.kind != ClientType::Normal
        || details.queued.is_some()
        || details.blocked
        || client.close_after_reply.load(Relaxed)
        || client.is_killed()
        || client.local_address.ends_with(":0")
        || details.readonly
        || details.no_evict
        || details.no_touch
        || details.import_source)
}

/// What stands in the log for what is of users, with `hide-user-data-from-log`.
pub const REDACTED: &str = "*redacted*";

/// The line of one connection for the log, as `hide-user-data-from-log` wants it.
pub fn log_line(client: &Client, now_ms: u64, config: &config::Store) -> String {
    let hide = config.flag(config::Directive::HideUserDataFromLog);
    line_of(client, now_ms, 0, config.family(), |bytes| match hide {
        true => REDACTED.to_owned(),
        false => String::from_utf8_lossy(bytes).into_owned(),
    })
}

/// The line of one connection, without its end. `argv_bytes` is what its running command's arguments take.
pub(super) fn line(client: &Client, now_ms: u64, argv_bytes: usize, family: Family) -> String {
    line_of(client, now_ms, argv_bytes, family, |bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// See [`line`]; `text` writes what the client's user chose: its name and user.
fn line_of(
    client: &Client,
    now_ms: u64,
    argv_bytes: usize,
    family: Family,
    text: impl Fn(&[u8]) -> String,
) -> String {
    let details = client.details();
    let age_s = now_ms.saturating_sub(client.created_ms) / 1000;
    let idle_s = now_ms.saturating_sub(client.active_ms.load(Relaxed)) / 1000;
    let flags = flags_of(client, &details);
    let [sub, psub, ssub] = details.subscriptions;
    let query = client.query_bytes.load(Relaxed);
    let output = client.output_bytes.load(Relaxed);
    let library = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let command = client.last_command();
    // What only one family tells.
    let (capa, thread) = match family {
        Family::Redis => ("", "io-thread=0 "),
        Family::Valkey if details.capa_redirect => ("capa=r ", ""),
        Family::Valkey => ("capa= ", ""),
    };
    format!(
        "id={} addr={} laddr={} fd={} name={} age={age_s} idle={idle_s} flags={flags} {capa}db={} sub={sub} psub={psub} \
         ssub={ssub} multi={} watch={} qbuf={query} qbuf-free={} argv-mem={} multi-mem={} rbs=0 rbp=0 obl=0 \
         oll={} omem={output} tot-mem={} events={} cmd={command} user={} redir=-1 resp={} lib-name={} lib-ver={} \
         {thread}tot-net-in={} tot-net-out={} tot-cmds={}",
        client.id,
        client.address,
        client.local_address,
        client.fd,
        text(&details.name),
        details.db,
        details.queued.map_or(-1, |queued| queued as i64),
        details.watched,
        client.buffer_bytes.load(Relaxed).saturating_sub(query),
        argv_bytes + details.argv_bytes,
        details.queued_bytes,
        u64::from(output > 0),
        client.memory_bytes() + argv_bytes as u64,
        if output > 0 { "rw" } else { "r" },
        text(&details.user),
        if details.resp3 { 3 } else { 2 },
        library(&details.lib_name),
        library(&details.lib_version),
        client.net_input.load(Relaxed),
        client.net_output.load(Relaxed),
        client.commands.load(Relaxed),
    )
}

/// What the shared side shows of the client that asks is brought up to date, and the running command is its last.
fn refresh_own(cx: &Cx<'_>, argv: &[&[u8]]) -> usize {
    cx.session.publish();
    if let Some(found) = table().find(argv[0]).and_then(|found| table().find_sub(found, argv[1])) {
        cx.session.client.note_command(found.id);
    }
    cx.session.client.active_ms.store(cx.now_ms, Relaxed);
    // To Redis the running command is still in the buffer.
    let query_bytes = match cx.family() {
        Family::Redis => protocol_bytes(argv),
        Family::Valkey => 0,
    };
    cx.session.client.query_bytes.store(query_bytes, Relaxed);
    argv.iter().map(|arg| arg.len()).sum()
}

/// Length of a request as an array of bulk strings.
fn protocol_bytes(argv: &[&[u8]]) -> u64 {
    let head = |number: usize| 3 + ds::num::decimal_len(number as i64);
    let bytes: usize = argv.iter().map(|arg| head(arg.len()) + arg.len() + 2).sum();
    (head(argv.len()) + bytes) as u64
}

pub(super) fn info(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let bytes = refresh_own(cx, argv);
    let mut text = line(&cx.session.client, cx.now_ms, bytes, cx.family());
    text.push('\n');
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn list(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let filter = match &argv[2..] {
        [word, ids @ ..]
            if cx.family() == Family::Redis && word.eq_ignore_ascii_case(b"ID") && !ids.is_empty() =>
        {
            Filter::of_ids(ids)?
        }
        words => Filter::parse(cx, words)?,
    };
    let own = cx.session.client.id;
    let bytes = refresh_own(cx, argv);
    let mut text = String::new();
    for client in cx.server.clients.all() {
        if client.is_killed() || (filter.skip_me == Some(true) && client.id == own) {
            continue;
        }
        if filter.matches(&client, cx.now_ms) {
            text.push_str(&line(&client, cx.now_ms, if client.id == own { bytes } else { 0 }, cx.family()));
            text.push('\n');
        }
    }
    out.verbatim("txt", text.as_bytes());
    Ok(())
}
