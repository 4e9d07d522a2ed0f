//! The shape of every command, read from a server's own `COMMAND DOCS`.
//!
//! Invariant: sorted by name, so that the same server gives the same list. Callers: `random::run`.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use testkit::reply::Reply;

use super::super::session::Side;

/// One argument of a command.
#[derive(Debug, Clone, Default)]
pub struct Argument {
    pub name: String,
    /// `key`, `string`, `integer`, `double`, `unix-time`, `pattern`, `pure-token`, `oneof`, `block`.
    pub kind: String,
    pub token: Option<String>,
    pub optional: bool,
    pub multiple: bool,
    pub multiple_token: bool,
    pub children: Vec<Argument>,
}

/// One command or subcommand.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// `set`, or `object` and `encoding`.
    pub words: Vec<String>,
    pub group: String,
    pub arguments: Vec<Argument>,
}

impl Command {
    /// Words joined by blanks.
    pub fn name(&self) -> String {
        self.words.join(" ")
    }
}

/// All commands that a server documents.
pub fn read(side: &mut Side) -> Result<Vec<Command>> {
    let docs = side.ask(&[b"COMMAND", b"DOCS"])?;
    ensure!(!docs.is_error() && !docs.items().is_empty(), "COMMAND DOCS: {}", docs.text());
    let mut all = BTreeMap::new();
    for (name, doc) in pairs(&docs) {
        add(&name, doc, &mut all);
    }
    Ok(all.into_values().collect())
}

fn add(name: &str, doc: &Reply, all: &mut BTreeMap<String, Command>) {
    let fields = pairs(doc);
    let find = |wanted: &str| fields.iter().find(|(n, _)| n == wanted).map(|(_, v)| *v);
    if let Some(subs) = find("subcommands") {
        for (sub, doc) in pairs(subs) {
            add(&sub, doc, all);
        }
        return;
    }
    let command = Command {
        words: name.split('|').map(String::from).collect(),
        group: find("group").map(Reply::text).unwrap_or_default(),
        arguments: find("arguments").map(arguments).unwrap_or_default(),
    };
    all.insert(name.to_string(), command);
}

fn arguments(list: &Reply) -> Vec<Argument> {
    list.items().into_iter().map(argument).collect()
}

fn argument(doc: &Reply) -> Argument {
    let mut argument = Argument::default();
    for (name, value) in pairs(doc) {
        match name.as_str() {
            "name" => argument.name = value.text(),
            "type" => argument.kind = value.text(),
            "token" => argument.token = Some(value.text()),
            "arguments" => argument.children = arguments(value),
            "flags" => {
                let flags: Vec<String> = value.items().into_iter().map(Reply::text).collect();
                argument.optional = flags.iter().any(|f| f == "optional");
                argument.multiple = flags.iter().any(|f| f == "multiple");
                argument.multiple_token = flags.iter().any(|f| f == "multiple_token");
            }
            _ => {}
        }
    }
    argument
}

/// Names and values of a map, or of a flat array as RESP2 has it.
fn pairs(reply: &Reply) -> Vec<(String, &Reply)> {
    let items = reply.items();
    items.chunks_exact(2).map(|pair| (pair[0].text(), pair[1])).collect()
}
