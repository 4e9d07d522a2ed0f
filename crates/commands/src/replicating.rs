//! REPLICAOF, REPLCONF, PSYNC, SYNC, WAIT.

use std::sync::atomic::Ordering::Relaxed;

use config::Family;
use ds::num;
use resp::writer::Writer;

use crate::args::int;
use crate::block::{BlockRequest, TimeoutReply};
use crate::client::ClientType;
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::row::{Plan, acl, flag::*};
use crate::server::LogLevel;
use crate::session::Takeover;
use crate::stats::Counter;
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new("psync", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, 0, &[], psync)
        .plan(Plan::Connection),
    Row::new("replconf", -1, ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY, 0, &[], replconf)
        .plan(Plan::Connection),
    Row::new("replicaof", 3, ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING, 0, &[], replicaof),
    Row::new("slaveof", 3, ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING, 0, &[], replicaof),
    Row::new("sync", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, 0, &[], psync).plan(Plan::Connection),
    Row::new("wait", 3, BLOCKING, acl::CONNECTION, &[], wait).plan(Plan::Registry),
    Row::new("waitaof", 4, BLOCKING, acl::CONNECTION, &[], waitaof).plan(Plan::Registry),
];

fn replicaof(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let server = cx.server;
    if argv[1].eq_ignore_ascii_case(b"no") && argv[2].eq_ignore_ascii_case(b"one") {
        if server.replication.is_replica() {
            server.replication.promote(server.journal.end());
            server.replication.set_primary(None);
            note(server, "no one");
            // They learn the new id when they come again, with a partial resynchronization.
            server.replication.drop_replicas(&server.journal);
            server.journal.forget_database();
            server.shell().replicate(None);
        }
        out.ok();
        return Ok(());
    }
    if cx.session.kind == ClientType::Replica {
        return Err(CommandError::fixed("ERR Command is not valid when client is a replica."));
    }
    let port = int(argv[2]).ok().filter(|port| (0..=65535).contains(port));
    let port = port.ok_or(CommandError::fixed("ERR Invalid master port"))? as u16;
    let host = String::from_utf8_lossy(argv[1]).into_owned();
    let same = server
        .replication
        .history()
        .primary
        .as_ref()
        .is_some_and(|link| link.host == host && link.port == port);
    if same {
        out.simple("OK Already connected to specified master");
        return Ok(());
    }
    server.replication.set_primary(Some((host.clone(), port)));
    note(server, &format!("{host} {port}"));
    server.shell().replicate(Some((host, port)));
    unblock_all(cx);
    out.ok();
    Ok(())
}

/// CONFIG GET and CONFIG REWRITE know the role as it is now.
fn note(server: &crate::server::Server, words: &str) {
    let noted = server.config.note(config::Directive::Replicaof, words.as_bytes());
    debug_assert!(noted.is_ok(), "what was accepted is a value of the directive");
}

/// Clients that wait for keys would wait for ever on a replica.
fn unblock_all(cx: &Cx<'_>) {
    for client in cx.server.clients.all() {
        if client.details().unblockable {
            client.unblock.store(3, Relaxed);
            client.wake();
        }
    }
}

fn replconf(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if argv.len().is_multiple_of(2) {
        return Err(SYNTAX);
    }
    for pair in argv[1..].chunks_exact(2) {
        let (name, value) = (pair[0].to_ascii_lowercase(), pair[1]);
        match &name[..] {
            b"listening-port" => {
                // What is no port is shown as none.
                cx.session.replica.listening_port = u16::try_from(int(value)?).unwrap_or(0);
            }
            b"ip-address" => cx.session.replica.address = String::from_utf8_lossy(value).into_owned(),
            b"capa" => {
                cx.session.replica.capa_eof |= value.eq_ignore_ascii_case(b"eof");
                cx.session.replica.capa_psync2 |= value.eq_ignore_ascii_case(b"psync2");
            }
            // Redis neither says nor knows a version: under its name a Valkey's is taken as it comes.
            b"version" => match version(value) {
                // A Valkey 9 or later, or one that knows its files as Russet does.
                Some([major, ..]) => cx.session.replica.valkey = major >= 9,
                None if cx.family() == Family::Valkey => return Err(unrecognized("version format", value)),
                None => {}
            },
            b"ack" => {
                acknowledge(cx, value);
                cx.session.replica.acknowledged = true;
                return Ok(());
            }
            b"fack" => return Ok(()),
            b"getack" => {
                if cx.session.is_primary_link {
                    // Answered by the link itself, which knows the offset that is applied.
                    cx.session.replica.ack_offset = u64::MAX;
                }
                return Ok(());
            }
            b"rdb-only" => {
                let wanted = int(value)?;
                if !(0..=1).contains(&wanted) {
                    return Err(CommandError::fixed("ERR value is out of range, value must between 0 and 1"));
                }
                cx.session.replica.rdb_only = wanted == 1;
            }
            b"rdb-filter-only" => {
                // Of what can be asked for there are no functions yet, and keys cannot be asked for.
                let mut wanted = value.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
                if let Some(word) = wanted.find(|word| !word.eq_ignore_ascii_case(b"functions")) {
                    let shown = String::from_utf8_lossy(word);
                    return Err(CommandError::new(format!(
                        "ERR Unsupported rdb-filter-only option: {shown}"
                    )));
                }
                cx.session.replica.without_data = true;
            }
            _ => return Err(unrecognized("REPLCONF option", pair[0])),
        }
    }
    out.ok();
    Ok(())
}

fn unrecognized(what: &str, word: &[u8]) -> CommandError {
    CommandError::new(format!("ERR Unrecognized {what}: {}", String::from_utf8_lossy(word)))
}

/// `9.1.2`: three numbers that fit a byte each.
fn version(text: &[u8]) -> Option<[u8; 3]> {
    let mut parts = text.split(|&byte| byte == b'.').map(|part| num::parse_u64(part)?.try_into().ok());
    let version = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(version)
}

/// A replica tells how far it is. No reply.
fn acknowledge(cx: &Cx<'_>, value: &[u8]) {
    let (Some(offset), ClientType::Replica) = (num::parse_u64(value), cx.session.kind) else { return };
    let replicas = cx.server.replication.replicas();
    if let Some(replica) = replicas.iter().find(|replica| replica.client.id == cx.session.client.id) {
        replica.ack_offset.fetch_max(offset, Relaxed);
        replica.ack_ms.store(cx.now_ms, Relaxed);
    }
    let waiting = std::mem::take(
        &mut *cx.server.replication.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()),
    );
    waiting.iter().for_each(|client| client.wake());
}

fn psync(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if cx.session.kind == ClientType::Replica {
        return Ok(());
    }
    let server = cx.server;
    if server.replication.is_replica() && !server.replication.link_up() {
        return Err(CommandError::fixed("NOMASTERLINK Can't SYNC while not connected with my master"));
    }
    let mut from = None;
    let psync = argv.len() >= 3;
    if let (Some(id), Some(offset)) = (argv.get(1), argv.get(2)) {
        let offset = int(offset).inspect_err(|_| {
            let address = &cx.session.client.address;
            let text = format!("Replica {address} asks for synchronization but with a wrong offset");
            server.log(LogLevel::Warning, &text);
        })?;
        from = resume_from(cx, id, offset);
        if from.is_none() && *id != b"?" {
            cx.stats.add(Counter::SyncPartialErr, 1);
        }
        if from.is_some() {
            let history = server.replication.history();
            cx.session.replica.history = history.id.clone();
            if cx.session.replica.capa_psync2 {
                out.raw(format!("+CONTINUE {}\r\n", history.id).as_bytes());
            } else {
                out.raw(b"+CONTINUE\r\n");
            }
        }
    }
    cx.session.kind = ClientType::Replica;
    cx.session.takeover = Some(Takeover::Replica { psync, from });
    Ok(())
}

/// The journal's position from which a replica can go on that is at `offset` (the first byte it lacks) of history `id`.
fn resume_from(cx: &Cx<'_>, id: &[u8], offset: i64) -> Option<u64> {
    let server = cx.server;
    let history = server.replication.history().clone();
    let mine = id.eq_ignore_ascii_case(history.id.as_bytes());
    let before = id.eq_ignore_ascii_case(history.second_id.as_bytes()) && offset <= history.second_offset;
    let position = u64::try_from(offset).ok()?.checked_sub(1)?;
    ((mine || before) && server.journal.covers(position)).then_some(position)
}

fn wait(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if cx.server.replication.is_replica() {
        return Err(CommandError::fixed(
            "ERR WAIT cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.",
        ));
    }
    let wanted = int(argv[1])?;
    let timeout = num::parse_i64(argv[2])
        .ok_or(CommandError::fixed("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout).map_err(|_| CommandError::fixed("ERR timeout is negative"))?;
    in_range(cx.now_ms, timeout_ms)?;
    let acknowledged = cx.server.replication.acknowledged(cx.session.last_write);
    if acknowledged as i64 >= wanted || !cx.may_block {
        out.int(acknowledged as i64);
        return Ok(());
    }
    ask_for_acknowledgement(cx.server);
    let waiting = &cx.server.replication.waiting;
    waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(cx.session.client.clone());
    cx.block = Some(BlockRequest {
        retry_ms: None,
        replicas: Some(wanted as usize),
        ..BlockRequest::keys(Vec::new(), timeout_ms, TimeoutReply::Acknowledged)
    });
    Ok(())
}

/// WAITAOF numlocal numreplicas timeout. There is no append-only file here, and replicas report none.
fn waitaof(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const LOCAL: CommandError = CommandError::fixed("ERR value is out of range, value must between 0 and 1");
    const REPLICAS: CommandError = CommandError::fixed("ERR value is out of range, must be positive");
    const NO_FILE: CommandError =
        CommandError::fixed("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
    if cx.server.replication.is_replica() {
        return Err(CommandError::fixed(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.",
        ));
    }
    let local = int(argv[1])?;
    if !(0..=1).contains(&local) {
        return Err(LOCAL);
    }
    let wanted = num::parse_i64(argv[2]).and_then(|count| usize::try_from(count).ok()).ok_or(REPLICAS)?;
    let timeout = num::parse_i64(argv[3])
        .ok_or(CommandError::fixed("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout).map_err(|_| CommandError::fixed("ERR timeout is negative"))?;
    in_range(cx.now_ms, timeout_ms)?;
    if local > 0 {
        return Err(NO_FILE);
    }
    if wanted == 0 || !cx.may_block {
        crate::block::reply_synced(out);
        return Ok(());
    }
    cx.block = Some(BlockRequest::keys(Vec::new(), timeout_ms, TimeoutReply::Synced));
    Ok(())
}

/// The end of a wait must be a time that there is.
fn in_range(now_ms: u64, timeout_ms: u64) -> Result {
    match now_ms.checked_add(timeout_ms).is_some_and(|end| i64::try_from(end).is_ok()) {
        true => Ok(()),
        false => Err(CommandError::fixed("ERR timeout is out of range")),
    }
}

/// Asks all replicas, through the stream, how far they are.
pub fn ask_for_acknowledgement(server: &crate::server::Server) {
    if server.journal.is_recording() {
        server.journal.append_raw(&journal::record::command(&["REPLCONF", "GETACK", "*"]));
    }
}
