//! COMMAND: what this server knows about its commands. Rendering is in `introspect`.

use std::sync::OnceLock;

use config::Family;
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::introspect::{self, Filter};
use crate::row::{Plan, acl, flag::*};
use crate::table::{CommandRow as Row, table};

const EVERYWHERE: u64 = LOADING | STALE | SENTINEL;

pub(crate) const ROWS: &[Row] =
    &[Row::new("command", -1, EVERYWHERE, acl::CONNECTION, &[], all).plan(Plan::Connection).subs(SUBS)];

const SUBS: &[Row] = &[
    sub("count", 2, count),
    sub("docs", -2, docs),
    sub("getkeys", -3, getkeys),
    sub("getkeysandflags", -3, getkeysandflags),
    sub("help", 2, help),
    sub("info", -2, info),
    sub("list", -2, list),
];

const fn sub(name: &'static str, arity: i16, run: crate::cx::Handler) -> Row {
    Row::new(name, arity, EVERYWHERE, acl::CONNECTION, &[], run).plan(Plan::Connection)
}

fn rows() -> &'static [&'static Row] {
    static ROWS: OnceLock<Vec<&Row>> = OnceLock::new();
    ROWS.get_or_init(|| table().commands().collect())
}

/// Many clients ask for everything when they begin, so it is rendered once for each protocol.
fn all(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let rendered = &cx.server.rendered_commands[usize::from(out.resp3)];
    out.raw(rendered.get_or_init(|| {
        let mut all = Writer::new(out.resp3);
        introspect::info::<_, &[u8]>(rows(), &[], cx.server.config.family(), &mut all);
        let mut bytes = all.take_bytes();
        bytes.shrink_to_fit();
        bytes
    }));
    Ok(())
}

fn count(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    introspect::count(rows(), out);
    Ok(())
}

fn info(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    introspect::info(rows(), &argv[2..], cx.server.config.family(), out);
    Ok(())
}

fn docs(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    introspect::docs(rows(), &argv[2..], cx.server.config.family(), out);
    Ok(())
}

fn list(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let filter = Filter::parse(&argv[2..]).ok_or(SYNTAX)?;
    let matches = |pattern: &[u8], name: &[u8]| ds::glob::glob_match(pattern, name, true);
    introspect::list(rows(), filter, matches, out);
    Ok(())
}

fn getkeys(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    keys(argv, None, out)
}

fn getkeysandflags(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    keys(argv, Some(cx.family()), out)
}

fn keys(argv: &[&[u8]], flags: Option<Family>, out: &mut Writer) -> Result {
    introspect::getkeys(rows(), &argv[2..], flags, out)
        .map_err(|text| CommandError::new(format!("ERR {text}")))
}

const HELP: &[&str] = &[
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full Redis command.",
    "HELP",
    "    Print this help.",
];

/// Valkey leaves the name out.
fn help(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let lines: Vec<String> = match cx.family() {
        Family::Redis => HELP.iter().map(|&line| line.to_owned()).collect(),
        Family::Valkey => HELP.iter().map(|line| line.replace("Redis ", "")).collect(),
    };
    crate::reply_help(&lines.iter().map(String::as_str).collect::<Vec<_>>(), out);
    Ok(())
}
