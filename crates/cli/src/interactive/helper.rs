//! What the line editor asks while one types: completion, hints, colours, and whether the line is whole.
//!
//! Documentation and live keys come over a connection of its own, opened when first needed, so that the
//! prompt appears at once and the dialogue is never disturbed. A slow server costs a moment, not the prompt.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use resp::reply::Value;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Context, Helper};
use unicode_width::UnicodeWidthStr;

use super::{Settings, commands, pager};
use crate::connection::Connection;
use crate::docs::{Argument, Docs, Kind};
use crate::options::Options;
use crate::session::Session;
use crate::{hints, quote};

/// Longest wait for the server while typing.
const PATIENCE: Duration = Duration::from_millis(300);

/// Most keys offered.
const MAX_KEYS: usize = 50;

/// Keys of earlier lines that are offered even without a server.
const SEEN_KEYS: usize = 100;

/// Words that only the client knows.
const CLIENT_WORDS: &[&str] = &["help", "quit", "exit", "connect", "clear"];

/// The helper.
pub struct LineHelper {
    settings: Rc<RefCell<Settings>>,
    side: RefCell<Side>,
    /// Columns that the prompt takes.
    prompt_width: Cell<usize>,
}

/// The side connection and what it brought.
struct Side {
    options: Options,
    connection: Option<Connection>,
    /// Connecting failed: not tried again until the target changes.
    given_up: bool,
    docs: Option<Rc<Docs>>,
    seen: VecDeque<String>,
}

impl Side {
    fn connection(&mut self) -> Option<&mut Connection> {
        if self.connection.is_none() && !self.given_up {
            let mut options = self.options.clone();
            options.timeout = Some(PATIENCE);
            let mut session = Session::new(options, false);
            if session.connect(true) {
                self.connection = session.take_connection();
            }
            self.given_up = self.connection.is_none();
            if let Some(connection) = &self.connection {
                // Without the timeout a slow server would only be slower.
                let _ = connection.set_read_timeout(Some(PATIENCE));
            }
        }
        self.connection.as_mut()
    }

    fn ask(&mut self, argv: &[&[u8]]) -> Option<Value> {
        let reply = self.connection()?.call(argv);
        if reply.is_err() {
            self.connection = None;
            self.given_up = true;
        }
        reply.ok()
    }

    fn docs(&mut self) -> Rc<Docs> {
        if let Some(docs) = &self.docs {
            return Rc::clone(docs);
        }
        let reply = self.ask(&[b"COMMAND", b"DOCS"]);
        let docs = Rc::new(reply.as_ref().and_then(Docs::from_reply).unwrap_or_else(Docs::built_in));
        self.docs = Some(Rc::clone(&docs));
        docs
    }

    /// Keys that start with `prefix`, the server's first.
    fn keys(&mut self, prefix: &str) -> Vec<String> {
        let pattern = format!("{}*", escape_glob(prefix));
        let db = self.options.db.to_string();
        let mut found = Vec::new();
        let mut cursor = "0".to_owned();
        self.ask(&[b"SELECT", db.as_bytes()]);
        for _ in 0..20 {
            let Some(reply) =
                self.ask(&[b"SCAN", cursor.as_bytes(), b"MATCH", pattern.as_bytes(), b"COUNT", b"500"])
            else {
                break;
            };
            let Some([next, keys]) = reply.as_slice() else { break };
            let keys = keys.as_slice().unwrap_or_default();
            found.extend(
                keys.iter()
                    .filter_map(Value::as_bytes)
                    .filter_map(|key| std::str::from_utf8(key).ok())
                    .map(str::to_owned),
            );
            cursor = next.to_text();
            if cursor == "0" || found.len() >= MAX_KEYS {
                break;
            }
        }
        found.extend(self.seen.iter().filter(|key| key.starts_with(prefix)).cloned());
        found.sort();
        found.dedup();
        found.truncate(MAX_KEYS);
        found
    }
}

fn escape_glob(text: &str) -> String {
    text.chars().flat_map(|c| if "*?[]\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

impl LineHelper {
    /// A helper for the server that the flags name.
    #[must_use]
    pub fn new(options: Options, settings: Rc<RefCell<Settings>>) -> Self {
        let side = Side { options, connection: None, given_up: false, docs: None, seen: VecDeque::new() };
        Self { settings, side: RefCell::new(side), prompt_width: Cell::new(0) }
    }

    /// The prompt that the next line stands behind.
    pub fn prompt(&self, text: &str) {
        self.prompt_width.set(text.width());
    }

    /// Another server from now on.
    pub fn reconnect(&self, options: Options) {
        let mut side = self.side.borrow_mut();
        *side = Side { options, connection: None, given_up: false, docs: None, seen: VecDeque::new() };
    }

    /// Learns the key of a line that was run.
    pub fn seen(&self, words: &[Vec<u8>]) {
        let mut side = self.side.borrow_mut();
        let texts: Vec<String> =
            words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let docs = side.docs();
        let Some((command, used)) = docs.find(&texts) else { return };
        let takes_key = command.arguments.first().is_some_and(|argument| argument.kind == Kind::Key);
        if let Some(key) = texts.get(used).filter(|_| takes_key) {
            if side.seen.len() == SEEN_KEYS {
                side.seen.pop_front();
            }
            side.seen.push_back(key.clone());
        }
    }

    fn candidates(&self, line: &str) -> (usize, Vec<String>) {
        let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let (head, word) = line.split_at(start);
        let before: Vec<String> = head.split_whitespace().map(str::to_owned).collect();
        let mut side = self.side.borrow_mut();
        let docs = side.docs();
        let names = || docs.all().iter().map(|command| command.name.as_str());
        let found = match before.as_slice() {
            [] => {
                let first = names().filter(|name| !name.contains(' ')).map(|name| in_case(name, word));
                let own = CLIENT_WORDS.iter().copied().chain(commands::names()).map(str::to_owned);
                matching(first.chain(own), word)
            }
            [help, rest @ ..] if help.eq_ignore_ascii_case("help") || help == "?" => {
                let groups = docs.groups().into_iter().map(|group| format!("@{group}"));
                matching(
                    names()
                        .map(str::to_owned)
                        .filter(|name| tail_of(name, rest).is_some())
                        .filter_map(|name| tail_of(&name, rest))
                        .chain(groups),
                    word,
                )
            }
            words => {
                let words = strip_prefixes(words);
                let subs = names().filter_map(|name| tail_of(name, words)).map(|sub| in_case(&sub, word));
                let mut found = matching(subs, word);
                if found.is_empty() {
                    found = arguments(&docs, &mut side, words, word);
                }
                found
            }
        };
        (start, found)
    }
}

/// `:watch 2` and a count in front do not change what is completed.
fn strip_prefixes(words: &[String]) -> &[String] {
    match words {
        [first, rest @ ..] if first == ":watch" || first.bytes().all(|byte| byte.is_ascii_digit()) => {
            strip_prefixes(rest)
        }
        [first, ..] if first == ":peek" => words,
        _ => words,
    }
}

/// The word behind `words` in a command's name.
fn tail_of(name: &str, words: &[String]) -> Option<String> {
    let parts: Vec<&str> = name.split(' ').collect();
    let fits = parts.len() == words.len() + 1
        && parts.iter().zip(words).all(|(part, word)| part.eq_ignore_ascii_case(word));
    fits.then(|| parts[words.len()].to_owned())
}

/// Lower case when the user types lower case.
fn in_case(name: &str, word: &str) -> String {
    let lower = word.chars().next().is_some_and(char::is_lowercase);
    if lower { name.to_ascii_lowercase() } else { name.to_owned() }
}

fn matching(names: impl Iterator<Item = String>, word: &str) -> Vec<String> {
    let fits = |name: &String| name.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    let mut found: Vec<String> = names.filter(fits).collect();
    found.sort();
    found.dedup();
    found
}

/// Options that may follow, or keys where a key is due.
fn arguments(docs: &Docs, side: &mut Side, words: &[String], word: &str) -> Vec<String> {
    let peek = words.first().is_some_and(|first| first == ":peek");
    let line = format!("{} ", words.join(" "));
    let hint = hints::hint(docs, &line).unwrap_or_default();
    let next = hint.split([' ', '|', '[', ']']).find(|part| !part.is_empty()).unwrap_or_default();
    let key_due = docs
        .find(words)
        .is_some_and(|(command, _)| key_names(&command.arguments).iter().any(|name| name == next));
    if peek || (key_due && next.chars().any(char::is_lowercase)) {
        let keys = side.keys(word.trim_start_matches('"'));
        return keys.into_iter().map(|key| quoted(&key)).collect();
    }
    let is_token = |part: &&str| {
        part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase() || c == '-' || c.is_ascii_digit())
    };
    let tokens = hint.split([' ', '|', '[', ']']).filter(is_token).map(|token| in_case(token, word));
    matching(tokens, word)
}

fn key_names(arguments: &[Argument]) -> Vec<String> {
    let own = |argument: &Argument| {
        if argument.kind == Kind::Key { vec![argument.display.clone()] } else { key_names(&argument.inner) }
    };
    arguments.iter().flat_map(own).collect()
}

/// A key as the prompt reads it back.
fn quoted(key: &str) -> String {
    let plain =
        !key.is_empty() && key.bytes().all(|byte| byte > b' ' && !b"\"'\\".contains(&byte) && byte < 0x7f);
    if plain { key.to_owned() } else { String::from_utf8_lossy(&quote::repr(key.as_bytes())).into_owned() }
}

impl Helper for LineHelper {}

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, found) = self.candidates(&line[..pos]);
        let one = found.len() == 1;
        let pair = |text: String| Pair {
            replacement: if one { format!("{text} ") } else { text.clone() },
            display: text,
        };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

impl Hinter for LineHelper {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        if pos < line.len()
            || line.trim().is_empty()
            || !self.settings.borrow().hints
            || line.starts_with(':')
        {
            return None;
        }
        let docs = self.side.borrow_mut().docs();
        let hint = hints::hint(&docs, line).filter(|hint| !hint.is_empty())?;
        let blank = if line.ends_with(char::is_whitespace) { "" } else { " " };
        let used = self.prompt_width.get() + line.width() + blank.len();
        Some(format!("{blank}{}", fitting(&hint, used, pager::screen().0)?))
    }
}

impl Highlighter for LineHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        // The documentation is fetched with the first letter, not before the first prompt.
        if line.is_empty() || !self.settings.borrow().color {
            return Cow::Borrowed(line);
        }
        let docs = self.side.borrow_mut().docs();
        Cow::Owned(colour(&docs, line))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        let code = if prompt.starts_with("PRODUCTION") || prompt.starts_with("not connected") {
            "31;1"
        } else {
            "36"
        };
        Cow::Owned(self.settings.borrow().paint(code, prompt))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.settings.borrow().dim(hint))
    }

    fn highlight_candidate<'c>(&self, candidate: &'c str, _: CompletionType) -> Cow<'c, str> {
        Cow::Borrowed(candidate)
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.settings.borrow().color
    }
}

/// As much of a hint as the rest of the row takes, so that lines below do not jump while one types.
fn fitting(hint: &str, used: usize, columns: usize) -> Option<Cow<'_, str>> {
    // The row's last column stays free: some terminals wrap as soon as it is filled.
    let room = columns.saturating_sub(used % columns.max(1) + 1);
    if hint.width() <= room {
        return Some(Cow::Borrowed(hint));
    }
    let short: String = hint.chars().take(room.checked_sub(1)?).collect();
    (!short.trim().is_empty()).then(|| Cow::Owned(format!("{}…", short.trim_end())))
}

/// Command names green (red when unknown), strings yellow, numbers cyan.
fn colour(docs: &Docs, line: &str) -> String {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let known = docs.find(&words).map_or(0, |(_, used)| used);
    let container = words.first().is_some_and(|first| docs.find(std::slice::from_ref(first)).is_some());
    let mut out = String::new();
    let mut index = 0;
    for part in line.split_inclusive(char::is_whitespace) {
        let word = part.trim_end();
        if word.is_empty() {
            out.push_str(part);
            continue;
        }
        let client = CLIENT_WORDS.contains(&word) || word.starts_with(':') || word == "?";
        let code = match index {
            index if index < known.max(usize::from(container)) => "32;1",
            0 if client => "35",
            0 if word.bytes().all(|byte| byte.is_ascii_digit()) => "36",
            0 => "31",
            _ if word.starts_with(['"', '\'']) => "33",
            _ if word.parse::<f64>().is_ok() => "36",
            _ => "",
        };
        let blank = &part[word.len()..];
        if code.is_empty() {
            out.push_str(part);
        } else {
            out.push_str(&format!("\x1b[{code}m{word}\x1b[0m{blank}"));
        }
        index += 1;
    }
    out
}

impl Validator for LineHelper {
    /// An open quote goes on in the next line, so that scripts can be typed as they are.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let whole = quote::split(context.input().as_bytes()).is_some();
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Face;

    fn helper() -> LineHelper {
        let mut options = Options::new(Face::Russet, "");
        options.socket = Some("/nonexistent".to_owned());
        let settings = Rc::new(RefCell::new(Settings::new(&options)));
        LineHelper::new(options, settings)
    }

    #[test]
    fn completes_without_a_server() {
        let helper = helper();
        for (line, expected) in [
            ("hgeta", vec!["hgetall"]),
            ("HGETA", vec!["HGETALL"]),
            ("config re", vec!["resetstat", "rewrite"]),
            (":wa", vec![":watch"]),
            ("set k v e", vec!["ex", "exat"]),
            ("help @bit", vec!["@bitmap"]),
            (":watch 2 hgeta", vec!["hgetall"]),
            ("nosuch x", vec![]),
        ] {
            assert_eq!(helper.candidates(line).1, expected, "{line}");
        }
        helper.seen(&[b"get".to_vec(), b"user:1".to_vec()]);
        assert_eq!(helper.candidates("get us"), (4, vec!["user:1".to_owned()]));
    }

    #[test]
    fn colours_tell_known_from_unknown() {
        let docs = Docs::built_in();
        assert_eq!(colour(&docs, "get a"), "\x1b[32;1mget\x1b[0m a");
        assert_eq!(colour(&docs, "gett a"), "\x1b[31mgett\x1b[0m a");
        assert_eq!(colour(&docs, "set a 1"), "\x1b[32;1mset\x1b[0m a \x1b[36m1\x1b[0m");
    }

    #[test]
    fn hints_end_with_the_row() {
        assert_eq!(fitting("key value", 10, 80).as_deref(), Some("key value"));
        assert_eq!(fitting("key value", 10, 17).as_deref(), Some("key v…"));
        assert_eq!(fitting("key value", 95, 80).as_deref(), Some("key value"));
        assert_eq!(fitting("key value", 79, 80), None);
        assert_eq!(fitting("key value", 3, 0), None);
    }

    #[test]
    fn odd_keys_are_quoted() {
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("a:b"), "a:b");
    }
}
