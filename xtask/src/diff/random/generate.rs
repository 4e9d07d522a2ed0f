//! Turns the grammar of a command into one near-valid command line.
//!
//! Invariant: the choice depends on the random numbers alone. Callers: `random::run`.

use testkit::rng::Rng;

use super::super::compare::Class;
use super::grammar::{Argument, Command};
use super::values;

/// Commands that cannot be compared in a random run: they wait, choose at random and change data, or act on
/// the whole server.
const LEFT_OUT: &[&str] = &[
    "blpop",
    "brpop",
    "blmove",
    "blmpop",
    "brpoplpush",
    "bzpopmin",
    "bzpopmax",
    "bzmpop",
    "wait",
    "waitaof",
    "migrate",
    "spop",
    "restore-asking",
    "pfdebug",
    "pfselftest",
    "object freq",
    "object help",
    "xgroup help",
    "xinfo help",
    "hotkeys",
    // Undefined where scores differ, and it changes data.
    "zremrangebylex",
];
/// Groups that a run uses when none is named.
pub const USUAL_GROUPS: &[&str] = &[
    "string",
    "list",
    "hash",
    "set",
    "sorted-set",
    "stream",
    "bitmap",
    "hyperloglog",
    "geo",
    "generic",
    "transactions",
];

/// True when a command can take part.
pub fn suits(command: &Command) -> bool {
    !LEFT_OUT.contains(&command.name().as_str())
}

/// What is free in the reply of a command line. Ranges by name over unequal scores are undefined.
pub fn class_of(command: &Command, args: &[Vec<u8>]) -> Class {
    if command.name().contains("lex") || args.iter().any(|arg| arg == b"BYLEX") {
        return Class::Type;
    }
    match command.name().as_str() {
        "keys" | "smembers" | "sdiff" | "sinter" | "sunion" | "hkeys" | "hvals" | "sort" | "sort_ro" => {
            Class::Unordered
        }
        "hgetall" => Class::Pairs,
        "randomkey" | "srandmember" | "hrandfield" | "zrandmember" => Class::Type,
        "scan" | "sscan" | "hscan" | "zscan" | "dump" => Class::Type,
        "ttl" | "expiretime" | "httl" | "hexpiretime" | "object idletime" => Class::Near(10),
        "pttl" | "pexpiretime" | "hpttl" | "hpexpiretime" | "xpending" => Class::Near(10_000),
        name if name.starts_with("xinfo") => Class::Near(10_000),
        "exec" => Class::Type,
        _ => Class::Exact,
    }
}

/// One command line.
pub fn command_line(command: &Command, rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut line = Line { out: command.words.clone(), command, repeat: 1 + rng.below(3) as usize };
    for argument in &command.arguments {
        line.emit(argument, rng);
    }
    let mut out = line.out;
    if rng.one_in(15) {
        spoil(&mut out, command.words.len(), rng);
    }
    avoid_defects(&mut out);
    out.into_iter().map(String::into_bytes).collect()
}

/// What a real server gets wrong, and ours does not share (docs/compat.md).
fn avoid_defects(out: &mut [String]) {
    match out[0].as_str() {
        // They cut the index to 32 bits.
        "lset" => {
            if let Some(index) = out.get_mut(2)
                && index.parse::<i64>().is_ok_and(|index| i32::try_from(index).is_err())
            {
                *index = "7".into();
            }
        }
        // Redis 8.6.3 answers twice where a digest is none and the old value is wanted.
        "set" if out.iter().any(|word| word.starts_with("IFD")) => {
            out.iter_mut().skip(3).filter(|word| *word == "GET").for_each(|word| *word = "KEEPTTL".into());
        }
        // Valkey takes a key of this name for the word.
        name if name.starts_with('h') && out.get(1).is_some_and(|key| key == "FIELDS") => {
            out[1] = "hsh0".into();
        }
        // A store of what is undefined.
        "zrangestore" => {
            out.iter_mut().filter(|word| *word == "BYLEX").for_each(|word| *word = "BYSCORE".into());
        }
        _ => {}
    }
}

struct Line<'a> {
    out: Vec<String>,
    command: &'a Command,
    /// How often every repeatable argument of this line is repeated, so that lists that belong together
    /// (`STREAMS key... id...`) have the same length.
    repeat: usize,
}

impl Line<'_> {
    fn emit(&mut self, argument: &Argument, rng: &mut Rng) {
        let token = argument.token.as_deref().unwrap_or_default();
        if token == "BLOCK" || (argument.optional && rng.below(5) < 3) {
            return;
        }
        let times = if argument.multiple { self.repeat } else { 1 };
        let before = self.out.len();
        for turn in 0..times {
            if !token.is_empty() && token != "*" && (turn == 0 || argument.multiple_token) {
                self.out.push(token.to_string());
            }
            self.emit_once(argument, rng);
        }
        if argument.multiple
            && let Some(at) = self.count_hole(before)
        {
            self.out[at] = times.to_string();
        }
    }

    fn emit_once(&mut self, argument: &Argument, rng: &mut Rng) {
        match argument.kind.as_str() {
            "pure-token" => {
                // `*` lets each server choose an id of its own.
                if argument.token.as_deref() == Some("*") {
                    self.out.push(format!("{}-{}", 1 + rng.below(20), rng.below(5)));
                }
            }
            "oneof" => {
                if !argument.children.is_empty() {
                    let child = rng.pick(&argument.children).clone();
                    self.emit(&Argument { optional: false, ..child }, rng);
                }
            }
            "block" => argument.children.iter().for_each(|child| self.emit(child, rng)),
            "key" => self.out.push(values::key(&self.command.group, rng)),
            "integer" if ["numkeys", "numfields"].contains(&argument.name.as_str()) => {
                self.out.push(HOLE.to_string());
            }
            _ => self.out.push(values::value(self.command, argument, rng)),
        }
    }

    fn count_hole(&self, before: usize) -> Option<usize> {
        self.out[..before].iter().rposition(|word| word == HOLE)
    }
}

/// Stands for a number that is known when the list after it is complete.
const HOLE: &str = "\u{0}count";

/// Damages a line in one of the usual ways.
fn spoil(out: &mut Vec<String>, fixed: usize, rng: &mut Rng) {
    let at = fixed + rng.below((out.len() - fixed + 1) as u64) as usize;
    match rng.below(5) {
        0 if at < out.len() => _ = out.remove(at),
        1 if at < out.len() => out[at] = values::odd(rng),
        2 if at < out.len() => {
            let again = out[at].clone();
            out.insert(at, again);
        }
        3 => out.truncate(at),
        _ => out.push(values::odd(rng)),
    }
}
