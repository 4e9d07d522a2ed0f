//! The language of differential scripts.
//!
//! ```text
//! # comment
//! ! reference redis            the real server: `redis`, `valkey`, or `either` (default: both in turn)
//! ! protocol 3                 2, 3, or both (default)
//! ! args --maxmemory 1mb       server arguments; the script then has servers of its own
//! ! blocked 1                  wait until so many clients are blocked on each side
//! ! pause 20                   milliseconds for which time must really pass
//! ! keyspace off               do not compare the whole keyspace at the end
//! SET k v                      command on connection 0, replies compared byte for byte
//! @valkey GEOSEARCH ...        only in the run against this one
//! @unordered SMEMBERS s        with a class for what is free (see `compare::Class`)
//! 1> GET k                     command on connection 1
//! 1>> BLPOP k 0                sent only; its reply is read later
//! 1<                           reads one frame from connection 1 (a late reply, a push)
//! 1< any 2                     reads two frames whose order is free
//! 1< closed                    the connection must be closed
//! 1< nothing                   no frame may be waiting (checked by a PING)
//! raw> "*1\r\n$4\r\nPING\r\n"  bytes as they are, one frame read; `1raw>` on another connection
//! $id = XADD s * f v           keeps each side's reply text; `${id}` inserts it, `${id.1}` element 1
//! ```
//!
//! Words are bare or in double quotes with `\n \r \t \\ \" \xHH`; `<1000*ab>` repeats. Invariant: a script
//! that does not parse is an error with its line. Callers: runner, random (which prints scripts).

use anyhow::{Context, Result, bail};

use super::compare::Class;

/// Which real servers a script is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    Valkey,
    Redis,
    /// Each in a run of its own, in which ours goes by its name. Where only one has a feature, the step says so
    /// (`@redis`, `@valkey`).
    Either,
}

/// A piece of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Bytes(Vec<u8>),
    /// Text of a kept reply, or of one of its elements.
    Variable(String, Option<usize>),
}

/// One argument.
pub type Word = Vec<Part>;

/// What one line does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send and compare the reply.
    Call(Vec<Word>),
    /// Send only.
    Send(Vec<Word>),
    /// Send bytes, compare one frame.
    Raw(Word),
    Receive,
    /// Read so many frames; their order is free.
    ReceiveAny(usize),
    Closed,
    Nothing,
    Blocked(usize),
    Pause(u64),
}

/// One line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub line: usize,
    pub text: String,
    pub connection: usize,
    pub class: Class,
    /// The only reference that counts for this step.
    pub only: Option<Reference>,
    pub keep: Option<String>,
    pub action: Action,
}

/// A parsed script.
#[derive(Debug, Clone)]
pub struct Script {
    pub name: String,
    pub reference: Reference,
    pub protocols: Vec<u8>,
    pub args: Option<String>,
    pub keyspace: bool,
    pub steps: Vec<Step>,
}

impl Script {
    /// Parses a script; `name` is used in reports.
    pub fn parse(name: &str, text: &str) -> Result<Script> {
        let mut script = Script {
            name: name.to_string(),
            reference: Reference::Either,
            protocols: vec![2, 3],
            args: None,
            keyspace: true,
            steps: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                script.line(index + 1, line).with_context(|| format!("{name}:{}: {line}", index + 1))?;
            }
        }
        Ok(script)
    }

    fn line(&mut self, number: usize, line: &str) -> Result<()> {
        if let Some(directive) = line.strip_prefix('!') {
            return self.directive(number, line, directive.trim());
        }
        let mut step = Step {
            line: number,
            text: line.to_string(),
            connection: 0,
            class: Class::Exact,
            only: None,
            keep: None,
            action: Action::Receive,
        };
        let mut rest = line;
        if let Some(named) = rest.strip_prefix('$') {
            let (name, command) = named.split_once('=').context("$name = COMMAND")?;
            step.keep = Some(name.trim().to_string());
            // What is kept differs from side to side; only its type is compared unless a class says more.
            step.class = Class::Type;
            rest = command.trim();
        }
        while let Some(class) = rest.strip_prefix('@') {
            let (name, command) = class.split_once(' ').context("a class needs a command")?;
            rest = match name {
                "redis" | "valkey" => {
                    step.only = Some(if name == "redis" { Reference::Redis } else { Reference::Valkey });
                    command.trim()
                }
                _ => {
                    let (parsed, left) = Class::parse(name, command)?;
                    step.class = parsed;
                    left.trim()
                }
            };
        }
        step.action = action(rest, &mut step.connection)?;
        if matches!(step.action, Action::ReceiveAny(_)) {
            step.class = Class::Unordered;
        }
        self.steps.push(step);
        Ok(())
    }

    fn directive(&mut self, number: usize, line: &str, text: &str) -> Result<()> {
        let (name, value) = text.split_once(' ').unwrap_or((text, ""));
        let mut push = |action| {
            let text = line.to_string();
            self.steps.push(Step {
                line: number,
                text,
                connection: 0,
                class: Class::Exact,
                only: None,
                keep: None,
                action,
            });
        };
        match (name, value) {
            ("reference", "valkey") => self.reference = Reference::Valkey,
            ("reference", "redis") => self.reference = Reference::Redis,
            ("reference", "either") => self.reference = Reference::Either,
            ("protocol", "both") => self.protocols = vec![2, 3],
            ("protocol", number) => self.protocols = vec![number.parse()?],
            ("args", args) => self.args = Some(args.to_string()),
            ("keyspace", "off") => self.keyspace = false,
            ("blocked", count) => push(Action::Blocked(count.parse()?)),
            ("pause", ms) => push(Action::Pause(ms.parse()?)),
            _ => bail!("unknown directive"),
        }
        Ok(())
    }
}

/// What a line does, after keeping and class are taken off; sets the connection that it names.
fn action(text: &str, connection: &mut usize) -> Result<Action> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let marked = &text[digits..];
    let number = || text[..digits].parse::<usize>();
    if let Some(bytes) = marked.strip_prefix("raw>") {
        *connection = number().unwrap_or(0);
        let parsed = words(bytes.trim())?;
        let [word] = parsed.as_slice() else { bail!("raw takes one word") };
        return Ok(Action::Raw(word.clone()));
    }
    if digits > 0 && marked.starts_with(['>', '<']) {
        *connection = number()?;
        if let Some(what) = marked.strip_prefix('<') {
            return match what.trim() {
                "" => Ok(Action::Receive),
                "closed" => Ok(Action::Closed),
                "nothing" => Ok(Action::Nothing),
                other => match other.strip_prefix("any ").map(str::parse) {
                    Some(Ok(count)) => Ok(Action::ReceiveAny(count)),
                    _ => bail!("< {other}"),
                },
            };
        }
        let sent_only = marked.starts_with(">>");
        let command = words(marked.trim_start_matches('>').trim())?;
        return Ok(if sent_only { Action::Send(command) } else { Action::Call(command) });
    }
    Ok(Action::Call(words(text)?))
}

/// Splits a command line into words.
pub fn words(text: &str) -> Result<Vec<Word>> {
    let mut chars = text.chars().peekable();
    let mut all = Vec::new();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.peek() {
            None => return Ok(all),
            Some('"') => {
                chars.next();
                all.push(quoted(&mut chars)?);
            }
            Some('<') => all.push(repeated(&mut chars)?),
            Some(_) => {
                let mut bare = String::new();
                while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
                    bare.push(c);
                }
                all.push(with_variables(bare.into_bytes())?);
            }
        }
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn quoted(chars: &mut Chars<'_>) -> Result<Word> {
    let mut bytes = Vec::new();
    let mut word = Vec::new();
    loop {
        match chars.next().context("a quote without its end")? {
            '"' => {
                if !bytes.is_empty() || word.is_empty() {
                    word.push(Part::Bytes(bytes));
                }
                return Ok(word);
            }
            '$' if chars.peek() == Some(&'{') => {
                let mut name = String::from("$");
                while !name.ends_with('}') {
                    name.push(chars.next().context("${ without }")?);
                }
                if !bytes.is_empty() {
                    word.push(Part::Bytes(std::mem::take(&mut bytes)));
                }
                word.extend(with_variables(name.into_bytes())?);
            }
            '\\' => bytes.push(match chars.next().context("a backslash at the end")? {
                'n' => b'\n',
                'r' => b'\r',
                't' => b'\t',
                'x' => {
                    let hex: String = chars.by_ref().take(2).collect();
                    u8::from_str_radix(&hex, 16).context("\\xHH")?
                }
                other => other as u8,
            }),
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// `<N*text>`; a word that only begins with `<` is itself.
fn repeated(chars: &mut Chars<'_>) -> Result<Word> {
    let mut bare = String::new();
    while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
        bare.push(c);
    }
    let inner = bare.strip_prefix('<').and_then(|b| b.strip_suffix('>')).and_then(|b| b.split_once('*'));
    match inner.map(|(count, text)| (count.parse::<usize>(), text)) {
        Some((Ok(count), text)) => Ok(vec![Part::Bytes(text.repeat(count).into_bytes())]),
        _ => with_variables(bare.into_bytes()),
    }
}

/// Finds `${name}` and `${name.N}` in a word.
fn with_variables(bytes: Vec<u8>) -> Result<Word> {
    let mut parts = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some(at) = rest.windows(2).position(|w| w == b"${") {
        let end = rest[at..].iter().position(|&b| b == b'}').context("${ without }")? + at;
        let name = std::str::from_utf8(&rest[at + 2..end])?;
        if at > 0 {
            parts.push(Part::Bytes(rest[..at].to_vec()));
        }
        parts.push(match name.split_once('.') {
            Some((name, index)) => Part::Variable(name.to_string(), Some(index.parse()?)),
            None => Part::Variable(name.to_string(), None),
        });
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(Part::Bytes(rest.to_vec()));
    }
    Ok(parts)
}

/// Writes an argument so that `words` reads it back.
pub fn quote(arg: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_graphic() && !b"\"\\<#!@$".contains(b);
    if !arg.is_empty() && arg.iter().all(plain) {
        return String::from_utf8_lossy(arg).into_owned();
    }
    let escaped: String = arg
        .iter()
        .map(|&b| match b {
            b'"' => "\\\"".to_string(),
            b'\\' => "\\\\".to_string(),
            b'$' => "\\x24".to_string(),
            0x20..=0x7e => (b as char).to_string(),
            _ => format!("\\x{b:02x}"),
        })
        .collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<Vec<u8>> {
        let word = |w: Word| match w.as_slice() {
            [Part::Bytes(b)] => b.clone(),
            other => panic!("{other:?}"),
        };
        words(text).expect(text).into_iter().map(word).collect()
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(plain("SET k v"), [b"SET".to_vec(), b"k".to_vec(), b"v".to_vec()]);
        assert_eq!(plain(r#"A "" "a b\x00\n\"""#), [b"A".to_vec(), vec![], b"a b\0\n\"".to_vec()]);
        assert_eq!(plain("<3*ab> < <b"), [b"ababab".to_vec(), b"<".to_vec(), b"<b".to_vec()]);
        for bad in ["\"open", "\"\\x0", "${a"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quoting_is_read_back() {
        let all: Vec<u8> = (0..=255).collect();
        for arg in [&b""[..], b"plain", b"<3*x>", b"${v}", b"#", &all] {
            assert_eq!(plain(&quote(arg)), [arg.to_vec()]);
        }
    }

    #[test]
    fn every_kind_of_line() {
        let text = "! protocol 3\n# note\n@unordered SMEMBERS s\n1>> BLPOP k 0\n1<\n1< closed\n$id = XADD s * a b\nXDEL s ${id}\nraw> \"\\r\\n\"\n! blocked 1";
        let script = Script::parse("t", text).expect("script");
        assert_eq!(script.protocols, [3]);
        let shown: Vec<(usize, &Class)> = script.steps.iter().map(|s| (s.connection, &s.class)).collect();
        assert_eq!(shown[0], (0, &Class::Unordered));
        assert_eq!(shown[1].0, 1);
        assert_eq!(script.steps[3].action, Action::Closed);
        assert_eq!(script.steps[4].keep.as_deref(), Some("id"));
        assert!(
            matches!(&script.steps[5].action, Action::Call(w) if w[2] == [Part::Variable("id".into(), None)])
        );
        assert_eq!(script.steps[7].action, Action::Blocked(1));
        assert!(Script::parse("t", "! nonsense").is_err());
    }
}
