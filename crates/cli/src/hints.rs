//! What may come next on a command line. The words typed so far are matched against the tree of arguments;
//! what is left of the tree is the hint.
//!
//! Rules: mandatory arguments match in order; neighbouring optional ones match in any order, each once; the
//! argument being typed comes first in the hint. A word that fits nowhere ends hinting: no hint is better
//! than a wrong one.

use crate::docs::{Argument, Command, Docs, Kind};

/// How far an argument is matched.
#[derive(Clone, Debug)]
struct Match {
    /// Words taken.
    words: usize,
    /// Nothing mandatory is missing.
    complete: bool,
    /// What is left to type, when the words ended inside.
    rest: String,
}

/// Hint for a line; `None` for an unknown command or words that fit nowhere. The last word counts only when
/// a blank follows it.
#[must_use]
pub fn hint(docs: &Docs, line: &str) -> Option<String> {
    let complete = match line.char_indices().rev().find(|(_, c)| c.is_whitespace()) {
        Some((at, _)) => &line[..at],
        None => "",
    };
    let words: Vec<String> = complete.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() {
        // Only the name so far: hint once it is one.
        let name = [line.trim().to_owned()];
        return docs.find(&name).map(|(command, _)| command.syntax()).filter(|syntax| !syntax.is_empty());
    }
    let (command, used) = docs.find(&words)?;
    arguments(command, &words[used..])
}

fn arguments(command: &Command, words: &[String]) -> Option<String> {
    let found = sequence(&command.arguments, words);
    (found.words == words.len()).then_some(found.rest)
}

/// Matches arguments in order.
fn sequence(arguments: &[Argument], words: &[String]) -> Match {
    let mut used = 0;
    let mut at = 0;
    // Left over of the argument matched last, shown before everything else.
    let mut tail = String::new();
    while at < arguments.len() {
        let end = group_end(arguments, at);
        if end > at {
            let (taken, rest, done) = optional_group(&arguments[at..end], &words[used..]);
            used += taken;
            if taken > 0 {
                tail.clear();
            }
            if used >= words.len() || !done {
                let after = join(&rest, &plain(&arguments[end..]));
                return Match {
                    words: used,
                    complete: mandatory_free(&arguments[end..]) && done,
                    rest: join(&tail, &after),
                };
            }
            at = end;
            continue;
        }
        if used >= words.len() {
            return Match { words: used, complete: false, rest: join(&tail, &plain(&arguments[at..])) };
        }
        let found = single(&arguments[at], &words[used..]);
        used += found.words;
        if found.words == 0 || (!found.complete && used < words.len()) {
            return Match { words: used, complete: false, rest: String::new() };
        }
        at += 1;
        if !found.complete {
            return Match { words: used, complete: false, rest: join(&found.rest, &plain(&arguments[at..])) };
        }
        tail = found.rest;
    }
    Match { words: used, complete: true, rest: tail }
}

/// End of the run of optional arguments that starts at `at`.
fn group_end(arguments: &[Argument], at: usize) -> usize {
    arguments[at..]
        .iter()
        .position(|argument| !argument.optional)
        .map_or(arguments.len(), |offset| at + offset)
}

fn mandatory_free(arguments: &[Argument]) -> bool {
    arguments.iter().all(|argument| argument.optional)
}

/// Matches optional arguments in any order: words taken, what is left, whether the last one is complete.
fn optional_group(group: &[Argument], words: &[String]) -> (usize, String, bool) {
    let mut used = 0;
    let mut open: Vec<&Argument> = group.iter().collect();
    let mut tail = String::new();
    while used < words.len() {
        let hit = open.iter().enumerate().find_map(|(index, argument)| {
            let found = single(argument, &words[used..]);
            (found.words > 0).then_some((index, found))
        });
        let Some((index, found)) = hit else { break };
        used += found.words;
        tail = found.rest;
        open.remove(index);
        if !found.complete {
            let rest = join(&tail, &plain_refs(&open));
            return (used, rest, false);
        }
    }
    (used, join(&tail, &plain_refs(&open)), true)
}

/// Matches one argument, repetitions included.
fn single(argument: &Argument, words: &[String]) -> Match {
    let mut found = once(argument, words, true);
    if found.words == 0 || !argument.multiple {
        return found;
    }
    while found.complete && found.words < words.len() {
        let next = once(argument, &words[found.words..], argument.multiple_token);
        if next.words == 0 || (!next.complete && found.words + next.words < words.len()) {
            break;
        }
        found = Match { words: found.words + next.words, ..next };
    }
    let closing = if argument.optional { "]" } else { "" };
    found.rest = format!("{}{closing}", join(&found.rest, &argument.again()));
    found
}

/// Matches one occurrence.
fn once(argument: &Argument, words: &[String], with_token: bool) -> Match {
    let nothing = Match { words: 0, complete: false, rest: String::new() };
    let Some(first) = words.first() else { return nothing };
    let mut used = 0;
    if let Some(token) = argument.token_text().filter(|_| with_token || argument.kind == Kind::PureToken) {
        if !first.eq_ignore_ascii_case(&token) {
            return nothing;
        }
        used = 1;
        if argument.kind == Kind::PureToken {
            return Match { words: 1, complete: true, rest: String::new() };
        }
        if words.len() == 1 {
            let body = Argument { token: None, optional: false, multiple: false, ..argument.clone() };
            return Match { words: 1, complete: false, rest: body.syntax() };
        }
    }
    let found = body(argument, &words[used..]);
    match found.words {
        0 => Match { words: used, ..found },
        more => Match { words: used + more, ..found },
    }
}

fn body(argument: &Argument, words: &[String]) -> Match {
    let fits = |fits: bool| Match { words: usize::from(fits), complete: fits, rest: String::new() };
    match argument.kind {
        Kind::Integer => fits(words[0].parse::<i64>().is_ok()),
        Kind::Double => fits(words[0].parse::<f64>().is_ok()),
        Kind::Text | Kind::Key => fits(true),
        Kind::PureToken => fits(false),
        Kind::Block => sequence(&argument.inner, words),
        Kind::OneOf => {
            let tried = argument.inner.iter().map(|inner| single(inner, words));
            let nothing = Match { words: 0, complete: false, rest: String::new() };
            tried.filter(|found| found.words > 0).reduce(better).unwrap_or(nothing)
        }
    }
}

/// The alternative that takes more words; the earlier one on a tie.
fn better(first: Match, second: Match) -> Match {
    let rank = |found: &Match| (found.words, found.complete);
    if rank(&second) > rank(&first) { second } else { first }
}

fn plain(arguments: &[Argument]) -> String {
    plain_refs(&arguments.iter().collect::<Vec<_>>())
}

fn plain_refs(arguments: &[&Argument]) -> String {
    arguments.iter().map(|argument| argument.syntax()).collect::<Vec<_>>().join(" ")
}

fn join(first: &str, second: &str) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second.to_owned(),
        (_, true) => first.to_owned(),
        _ => format!("{first} {second}"),
    }
}

/// `--test_hint_file`: each line holds an input and the hint expected, both quoted. The text to print.
#[must_use]
pub fn run_suite(docs: &Docs, suite: &str) -> (String, bool) {
    let (mut out, mut total, mut passed) = (String::new(), 0, 0);
    for line in suite.lines().filter(|line| !line.starts_with('#')) {
        let Some(words) = crate::quote::split(line.as_bytes()).filter(|words| !words.is_empty()) else {
            continue;
        };
        let text = |at: usize| words.get(at).map(|word| String::from_utf8_lossy(word).into_owned());
        let (Some(input), Some(expected)) = (text(0), text(1)) else {
            out.push_str(&format!("Missing expected hint for input '{}'\n", text(0).unwrap_or_default()));
            return (out, false);
        };
        let got = hint(docs, &input).unwrap_or_default();
        total += 1;
        if got == expected {
            passed += 1;
        } else {
            out.push_str(&format!("Test case '{input}' FAILED: expected '{expected}', got '{got}'\n"));
        }
    }
    let verdict = if passed == total { "SUCCESS" } else { "FAILURE" };
    out.push_str(&format!("{verdict}: {passed}/{total} passed\n"));
    (out, passed == total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints() {
        let docs = Docs::built_in();
        for (line, expected) in [
            ("GET", Some("key")),
            ("GET ", Some("key")),
            ("GET abc ", Some("")),
            ("XRANGE k 4 2 COU", Some("[COUNT count]")),
            ("XRANGE k 4 2 COUNT ", Some("count")),
            ("BITFIELD_RO k GET xyz ", Some("offset [GET encoding offset ...]]")),
            ("CONFIG SET param ", Some("value [parameter value ...]")),
            ("ZRANDMEMBER k 3 ", Some("[WITHSCORES]")),
            ("ZRANDMEMBER k cnt ", None),
            ("SCAN 2 COUNT ", Some("count [MATCH pattern] [TYPE type]")),
            ("ZADD key CH LT ", Some("[NX|XX] [INCR] score member [score member ...]")),
            ("ZADD key 0 ", Some("member [score member ...]")),
            ("SET key value FOOBAR ", None),
            (
                "GEORADIUS key 1 2 3 M COUNT 12 ASC ",
                Some("[WITHCOORD] [WITHDIST] [WITHHASH] [STORE key|STOREDIST key]"),
            ),
            ("NOSUCH a ", None),
        ] {
            assert_eq!(hint(&docs, line).as_deref(), expected, "{line}");
        }
    }
}
