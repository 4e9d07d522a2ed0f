//! TIME, ROLE, LASTSAVE, MONITOR, SHUTDOWN, MODULE.

use std::sync::atomic::Ordering::Relaxed;

use config::Directive;
use resp::writer::Writer;

use crate::args::Args;
use crate::block::BlockRequest;
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::replication::ReplicaState;
use crate::server::{LogLevel, ShutdownMode};

pub(super) fn time(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let now_us = cx.server.clock.unix_us();
    out.array(2);
    out.bulk_int((now_us / 1_000_000) as i64);
    out.bulk_int((now_us % 1_000_000) as i64);
    Ok(())
}

pub(super) fn role(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let replication = &cx.server.replication;
    let link = replication.history().primary.clone();
    if let Some(link) = link {
        out.array(5);
        out.bulk(b"slave");
        out.bulk(link.host.as_bytes());
        out.int(i64::from(link.port));
        out.bulk(link.state.name().as_bytes());
        let connected = replication.link_up();
        out.int(if connected { cx.server.journal.end() as i64 } else { -1 });
        return Ok(());
    }
    let online: Vec<_> = replication
        .replicas()
        .into_iter()
        .filter(|replica| {
            let state = replica.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *state == ReplicaState::Online
        })
        .collect();
    out.array(3);
    out.bulk(b"master");
    out.int(cx.server.journal.end() as i64);
    out.array(online.len());
    for replica in online {
        out.array(3);
        out.bulk(replica.address.as_bytes());
        out.bulk_int(i64::from(replica.port));
        out.bulk_int(replica.ack_offset.load(Relaxed) as i64);
    }
    Ok(())
}

/// From here on the connection gets a line for each command that anybody sends.
pub(super) fn monitor(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    if !cx.may_block {
        return Err(CommandError::fixed("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if !std::mem::replace(&mut cx.session.monitor, true) {
        let mut monitors = cx.server.monitors.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        monitors.push(cx.session.client.clone());
        cx.server.monitor_count.store(monitors.len() as u64, Relaxed);
    }
    out.ok();
    Ok(())
}

/// No reply if the server ends: the connection is closed by its end. Until then the client is blocked, and gets an error
/// if the server lives on.
pub(super) fn shutdown(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut mode = ShutdownMode::default();
    let (mut abort, mut args) = (false, Args::new(argv, 1));
    while !args.is_empty() {
        if args.take("NOSAVE") {
            if mode.save == Some(true) {
                return Err(SYNTAX);
            }
            mode.save = Some(false);
        } else if args.take("SAVE") {
            if mode.save == Some(false) {
                return Err(SYNTAX);
            }
            mode.save = Some(true);
        } else if args.take("NOW") {
            mode.now = true;
        } else if args.take("FORCE") {
            mode.force = true;
        } else if args.take("ABORT") {
            abort = true;
        } else if !args.take("SAFE") && !args.take("FAILOVER") {
            return Err(SYNTAX);
        }
    }
    if abort {
        if argv.len() > 2 {
            return Err(SYNTAX);
        }
        if !cx.server.shell().abort_shutdown() {
            return Err(CommandError::fixed("ERR No shutdown in progress."));
        }
        out.ok();
        return Ok(());
    }
    if !cx.may_block && !mode.now {
        return Err(CommandError::fixed(
            "ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client",
        ));
    }
    cx.block = Some(BlockRequest::shutdown(mode));
    Ok(())
}

/// There are no modules.
pub(super) fn module_list(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    out.array(0);
    Ok(())
}

/// Modules are code for another server's interior: none can be loaded.
pub(super) fn module_load(cx: &mut Cx<'_>, argv: &[&[u8]], _: &mut Writer) -> Result {
    super::refuse_protected(cx, "MODULE", Directive::EnableModuleCommand)?;
    let path = String::from_utf8_lossy(argv[2]);
    let text = format!("Module {path} failed to load: this server has no interface for modules");
    cx.server.log(LogLevel::Warning, &text);
    Err(CommandError::fixed("ERR Error loading the extension. Please check the server logs."))
}

pub(super) fn module_unload(cx: &mut Cx<'_>, _: &[&[u8]], _: &mut Writer) -> Result {
    super::refuse_protected(cx, "MODULE", Directive::EnableModuleCommand)?;
    Err(CommandError::fixed("ERR Error unloading module: no such module with that name"))
}
