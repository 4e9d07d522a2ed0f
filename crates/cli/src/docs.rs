//! What commands are for and how they are written: the server's COMMAND DOCS, or the built-in copy when
//! there is no server or it is too old to answer. Feeds `help`, hints and completion.

use resp::reply::{Decoder, Value};

use crate::emit;
use crate::session::Session;

/// Reply of a Valkey server, reduced to what is read here (see `data/README.md`).
const BUILT_IN: &[u8] = include_bytes!("../data/command-docs.resp");

/// What an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Text,
    /// A key.
    Key,
    /// Whole number.
    Integer,
    /// Number.
    Double,
    /// The token is all.
    PureToken,
    /// One of the inner arguments.
    OneOf,
    /// All of the inner arguments.
    Block,
}

/// One argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Shown in its place.
    pub display: String,
    /// What it takes.
    pub kind: Kind,
    /// Word that introduces it.
    pub token: Option<String>,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// The token is repeated too.
    pub multiple_token: bool,
    /// Inner arguments.
    pub inner: Vec<Argument>,
}

/// One command or subcommand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Upper case, words separated by a blank.
    pub name: String,
    /// What it does.
    pub summary: String,
    /// Version that brought it.
    pub since: String,
    /// Group.
    pub group: String,
    /// Big O.
    pub complexity: String,
    /// Arguments.
    pub arguments: Vec<Argument>,
}

impl Command {
    /// The arguments as one line.
    #[must_use]
    pub fn syntax(&self) -> String {
        join(&self.arguments, " ")
    }
}

/// Syntax of several arguments.
fn join(arguments: &[Argument], separator: &str) -> String {
    arguments.iter().map(Argument::syntax).collect::<Vec<_>>().join(separator)
}

impl Argument {
    /// The argument as help writes it.
    #[must_use]
    pub fn syntax(&self) -> String {
        let mut out = self.once(true);
        if self.multiple {
            out.push_str(&format!(" {}", self.again()));
        }
        if self.optional { format!("[{out}]") } else { out }
    }

    /// `[X ...]`, the invitation to repeat.
    #[must_use]
    pub fn again(&self) -> String {
        format!("[{} ...]", self.once(self.multiple_token))
    }

    /// One occurrence, with its token if `with_token`.
    fn once(&self, with_token: bool) -> String {
        let token = self.token_text();
        let body = match self.kind {
            Kind::PureToken => return token.unwrap_or_default(),
            Kind::OneOf => join(&self.inner, "|"),
            Kind::Block => join(&self.inner, " "),
            _ => self.display.clone(),
        };
        match token.filter(|_| with_token) {
            Some(token) => format!("{token} {body}"),
            None => body,
        }
    }

    /// The token, an empty one made visible.
    #[must_use]
    pub fn token_text(&self) -> Option<String> {
        self.token.as_ref().map(|token| if token.is_empty() { "\"\"".to_owned() } else { token.clone() })
    }
}

/// All commands, sorted by name.
#[derive(Clone, Debug, Default)]
pub struct Docs {
    commands: Vec<Command>,
}

impl Docs {
    /// The copy inside the program.
    #[must_use]
    pub fn built_in() -> Self {
        let mut decoder = Decoder::new();
        decoder.feed(BUILT_IN);
        let value = decoder.next().ok().flatten().unwrap_or(Value::Null);
        Self::from_reply(&value).unwrap_or_default()
    }

    /// Reads a reply to COMMAND DOCS; `None` when it is something else.
    #[must_use]
    pub fn from_reply(value: &Value) -> Option<Self> {
        let pairs = value.to_pairs().filter(|pairs| !pairs.is_empty())?;
        let mut commands = Vec::new();
        for (name, body) in pairs {
            collect(&name.to_text(), body, &mut commands);
        }
        commands.sort_by(|a, b| a.name.cmp(&b.name));
        Some(Self { commands })
    }

    /// Asks the server, else takes the built-in copy.
    pub fn of_session(session: &mut Session) -> Self {
        let reply = session.connection().and_then(|connection| connection.call(&["COMMAND", "DOCS"]).ok());
        reply.as_ref().and_then(Self::from_reply).unwrap_or_else(Self::built_in)
    }

    /// All commands.
    #[must_use]
    pub fn all(&self) -> &[Command] {
        &self.commands
    }

    /// The command that the first words name, longest name first, and how many words that took.
    #[must_use]
    pub fn find(&self, words: &[String]) -> Option<(&Command, usize)> {
        (1..=words.len().min(2)).rev().find_map(|count| {
            let name = words[..count].join(" ").to_ascii_uppercase();
            let at = self.commands.binary_search_by(|command| command.name.as_str().cmp(&name)).ok()?;
            Some((&self.commands[at], count))
        })
    }

    /// Groups that have commands.
    #[must_use]
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = self.commands.iter().map(|command| command.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

fn text(body: &Value, field: &str) -> String {
    body.get(field).map(Value::to_text).unwrap_or_default()
}

fn collect(name: &str, body: &Value, out: &mut Vec<Command>) {
    let arguments = body.get("arguments").and_then(Value::as_slice).unwrap_or_default();
    out.push(Command {
        name: name.replace('|', " ").to_ascii_uppercase(),
        summary: text(body, "summary"),
        since: text(body, "since"),
        group: text(body, "group"),
        complexity: text(body, "complexity"),
        arguments: arguments.iter().map(argument).collect(),
    });
    for (name, body) in body.get("subcommands").and_then(Value::to_pairs).unwrap_or_default() {
        collect(&name.to_text(), body, out);
    }
}

fn argument(body: &Value) -> Argument {
    let flags: Vec<String> =
        body.get("flags").and_then(Value::as_slice).unwrap_or_default().iter().map(Value::to_text).collect();
    let has = |flag: &str| flags.iter().any(|known| known == flag);
    let inner = body.get("arguments").and_then(Value::as_slice).unwrap_or_default();
    let display = body.get("display_text").or_else(|| body.get("name")).map(Value::to_text);
    Argument {
        display: display.unwrap_or_default(),
        kind: match text(body, "type").as_str() {
            "key" => Kind::Key,
            "integer" | "unix-time" => Kind::Integer,
            "double" => Kind::Double,
            "pure-token" => Kind::PureToken,
            "oneof" => Kind::OneOf,
            "block" => Kind::Block,
            _ => Kind::Text,
        },
        token: body.get("token").map(Value::to_text),
        optional: has("optional"),
        multiple: has("multiple"),
        multiple_token: has("multiple_token"),
        inner: inner.iter().map(argument).collect(),
    }
}

/// `help`, `help @group`, `help command ...` on stdout.
pub fn print_help(session: &mut Session, topics: &[Vec<u8>]) {
    let topics: Vec<String> =
        topics.iter().map(|topic| String::from_utf8_lossy(topic).into_owned()).collect();
    if topics.is_empty() {
        emit::out(intro(session).as_bytes());
        return;
    }
    let docs = Docs::of_session(session);
    emit::out(help_text(&docs, &topics).as_bytes());
}

fn intro(session: &Session) -> String {
    let (face, program) = (session.options.face, session.options.face.program());
    format!(
        "{program} {}\nTo get help about {} commands type:\n      \
         \"help @<group>\" to get a list of commands in <group>\n      \
         \"help <command>\" for help on <command>\n      \
         \"help <tab>\" to get a list of possible help topics\n      \
         \"quit\" to exit\n\nTo set {program} preferences:\n      \
         \":set hints\" enable online hints\n      \
         \":set nohints\" disable online hints\nSet your preferences in ~/{}\n",
        face.version(),
        face.product(),
        face.dot_file("rc"),
    )
}

/// Help on a group or on the commands whose first words are `topics`.
#[must_use]
pub fn help_text(docs: &Docs, topics: &[String]) -> String {
    let mut out = "\r\n".to_owned();
    let group = topics[0].strip_prefix('@');
    for command in docs.all() {
        let hit = match group {
            Some(group) => command.group.eq_ignore_ascii_case(group),
            None => {
                let words: Vec<&str> = command.name.split(' ').collect();
                topics.len() <= words.len()
                    && topics.iter().zip(&words).all(|(topic, word)| topic.eq_ignore_ascii_case(word))
            }
        };
        if hit {
            out.push_str(&entry(command, group.is_none()));
        }
    }
    out
}

fn entry(command: &Command, with_group: bool) -> String {
    let mut out = format!("  \x1b[1m{}\x1b[0m \x1b[90m{}\x1b[0m\r\n", command.name, command.syntax());
    out.push_str(&format!("  \x1b[33msummary:\x1b[0m {}\r\n", command.summary));
    out.push_str(&format!("  \x1b[33msince:\x1b[0m {}\r\n", command.since));
    if with_group {
        out.push_str(&format!("  \x1b[33mgroup:\x1b[0m {}\r\n", command.group));
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_is_written_as_the_peers_do() {
        let docs = Docs::built_in();
        assert!(docs.all().len() > 300);
        for (name, syntax) in [
            ("GET", "key"),
            ("MGET", "key [key ...]"),
            ("BITFIELD_RO", "key [GET encoding offset [GET encoding offset ...]]"),
            ("SCAN", "cursor [MATCH pattern] [COUNT count] [TYPE type]"),
            ("ZRANDMEMBER", "key [count [WITHSCORES]]"),
            ("CONFIG SET", "parameter value [parameter value ...]"),
            (
                "MIGRATE",
                "host port key|\"\" destination-db timeout [COPY] [REPLACE] [AUTH password|AUTH2 username password] \
                 [KEYS key [key ...]]",
            ),
        ] {
            let words: Vec<String> = name.split(' ').map(str::to_owned).collect();
            let (command, _) = docs.find(&words).expect(name);
            assert_eq!(command.syntax(), syntax, "{name}");
        }
    }

    #[test]
    fn finds_the_longest_name() {
        let docs = Docs::built_in();
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            docs.find(&words("config set x")).map(|(command, used)| (command.name.clone(), used)),
            Some(("CONFIG SET".to_owned(), 2))
        );
        assert_eq!(docs.find(&words("get config")).map(|(_, used)| used), Some(1));
        assert!(docs.find(&words("nosuch")).is_none());
    }
}
