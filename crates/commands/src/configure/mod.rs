//! CONFIG: the values of directives and how they change. The grammar and the table are the `config` crate's.

use std::sync::PoisonError;

use config::{Access, Directive, Extent, Refusal, SetError};
use resp::writer::Writer;

use crate::cx::{Cx, Handler};
use crate::error::{CommandError, Result, SYNTAX};
use crate::row::{Plan, flag::*};
use crate::server::{LogLevel, Server};
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[Row::container(
    "config",
    -2,
    0,
    0,
    &[
        sub("get", -3, get).plan(Plan::Registry),
        Row::new("help", 2, LOADING | STALE, 0, &[], help as Handler).plan(Plan::Connection),
        sub("resetstat", 2, resetstat).plan(Plan::Registry),
        sub("rewrite", 2, rewrite),
        sub("set", -4, set),
    ],
)];

const fn sub(name: &'static str, arity: i16, run: Handler) -> Row {
    Row::new(name, arity, ADMIN | NOSCRIPT | LOADING | STALE, 0, &[], run)
}

fn get(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let matches = |pattern: &[u8], name: &[u8]| ds::glob::glob_match(pattern, name, true);
    let found = cx.server.config.get(&argv[2..], matches);
    out.map(found.len());
    for (name, value) in found {
        out.bulk(&name);
        out.bulk(&value);
    }
    Ok(())
}

fn set(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let words = &argv[2..];
    if !words.len().is_multiple_of(2) {
        return Err(SYNTAX);
    }
    let pairs: Vec<_> = words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let server = cx.server;
    let access = Access { protected: may_change_protected(cx), loading: server.is_loading() };
    match server.config.set(&pairs, access, &mut |changed| apply(server, changed)) {
        Ok(changed) => {
            if changed.contains(&Directive::Dir)
                && let Ok(dir) = std::env::current_dir()
            {
                server.config.note_dir(dir.to_string_lossy().as_bytes());
            }
            out.ok();
            Ok(())
        }
        Err(SetError::Loading) => Err(crate::error::loading(&cx.server.config)),
        Err(SetError::Refused(text)) => Err(CommandError::new(format!("ERR {text}"))),
    }
}

/// `enable-protected-configs`: no, yes, or for connections from this machine.
fn may_change_protected(cx: &Cx<'_>) -> bool {
    match &*cx.server.config.text(Directive::EnableProtectedConfigs) {
        "yes" => true,
        "local" => cx.session.is_local,
        _ => false,
    }
}

/// Brings about what a change means: here for the engine, in the shell for sockets, files and threads.
fn apply(server: &Server, changed: &[Directive]) -> std::result::Result<(), Refusal> {
    server.apply_config();
    if changed.contains(&Directive::Maxmemory) {
        warn_of_less_memory(server);
    }
    if changed.contains(&Directive::LocaleCollate) && !server.apply_collation() {
        return Err(Refusal {
            directive: Directive::LocaleCollate,
            reason: "Invalid locale name".to_owned(),
        });
    }
    for &directive in changed {
        server.shell().reconfigure(directive).map_err(|reason| Refusal { directive, reason })?;
    }
    Ok(())
}

fn warn_of_less_memory(server: &Server) {
    let (limit, used) = (server.eviction.limit(), crate::eviction::used_for_limit(server));
    if limit > 0 && limit < used {
        let text = format!(
            "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory usage ({used}). \
             This will result in key eviction and/or the inability to accept new write commands depending on the \
             maxmemory-policy."
        );
        server.log(LogLevel::Warning, &text);
    }
}

fn resetstat(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    cx.server.reset_stats();
    out.ok();
    Ok(())
}

fn rewrite(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    rewrite_file(cx, Extent::Changed)?;
    out.ok();
    Ok(())
}

/// Brings the configuration file up to what holds now.
pub(crate) fn rewrite_file(cx: &Cx<'_>, extent: Extent) -> Result {
    let server = cx.server;
    let path = server.config_file.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if path.is_empty() {
        return Err(CommandError::fixed("ERR The server is running without a config file"));
    }
    server
        .shell()
        .replace_file(&path, &mut |old| config::rewrite(&server.config, old, extent, &[]))
        .map_err(|reason| CommandError::new(format!("ERR Rewriting config file: {reason}")))
}

fn help(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    crate::reply_help(
        &[
            "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
            "HELP",
            "    Print this help.",
        ],
        out,
    );
    Ok(())
}
