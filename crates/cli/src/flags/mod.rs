//! The command line: one table of flags, from which parsing, help, completions, man page and docs come.
//!
//! Invariant: a flag exists in exactly one row. Parsing follows the peers: flags come first, each its own
//! word, no `=`, no bundling; the first word without a dash starts the command.

mod apply;
mod cluster;
mod connection;
pub mod help;
mod modes;

use crate::face::Face;
use crate::options::Options;

/// One flag.
pub struct Flag {
    /// Spellings; the first one is shown.
    pub names: &'static [&'static str],
    /// What it does.
    pub apply: Apply,
    /// Its lines on the help page.
    pub help: Help,
}

/// How a flag takes effect.
pub enum Apply {
    /// No value.
    Switch(fn(&mut Options)),
    /// The next word.
    Value(fn(&mut Options, &[u8]) -> Result<(), Stop>),
    /// As many words as it likes.
    Many(fn(&mut Options, &mut Rest<'_>) -> Result<(), Stop>),
    /// Ends parsing.
    Stop(Stop),
}

/// A flag's lines on the help page of each name, laid out.
pub enum Help {
    /// Alike everywhere.
    Same(&'static str),
    /// Worded differently.
    Differs {
        /// Under `redis-cli`, and ours.
        redis: &'static str,
        /// Under `valkey-cli`.
        valkey: &'static str,
    },
    /// Not in Valkey's.
    RedisOnly(&'static str),
    /// Not in Redis'.
    ValkeyOnly(&'static str),
    /// Only ours.
    Own(&'static str),
    /// On no page.
    Hidden,
}

impl Help {
    /// The lines for one name.
    #[must_use]
    pub fn lines(&self, face: Face) -> Option<&'static str> {
        match (self, face) {
            (Self::Hidden, _)
            | (Self::RedisOnly(_), Face::Valkey)
            | (Self::ValkeyOnly(_), Face::Redis)
            | (Self::Own(_), Face::Redis | Face::Valkey) => None,
            (Self::Same(lines) | Self::RedisOnly(lines) | Self::ValkeyOnly(lines) | Self::Own(lines), _) => {
                Some(lines)
            }
            (Self::Differs { valkey, .. }, Face::Valkey) => Some(valkey),
            (Self::Differs { redis, .. }, _) => Some(redis),
        }
    }
}

/// Why parsing ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `--help`: page on stdout, exit 0.
    Help,
    /// Wrong use: page on stderr, exit 1.
    Usage,
    /// `--version`
    Version,
    /// Text for stderr, exit 1.
    Refused(String),
    /// Unknown flag or missing value.
    Unrecognized(String),
}

/// Words not yet looked at.
pub struct Rest<'a> {
    argv: &'a [Vec<u8>],
    at: usize,
}

impl Rest<'_> {
    fn next(&mut self) -> Option<&[u8]> {
        let word = self.argv.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// Takes words up to the next flag.
    pub fn until_flag(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(word) = self.argv.get(self.at).filter(|word| word.first() != Some(&b'-')) {
            out.push(text(word));
            self.at += 1;
        }
        out
    }
}

/// Bytes of the command line as text, invalid UTF-8 replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn clamp(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// All rows.
pub fn table() -> impl Iterator<Item = &'static Flag> {
    connection::FLAGS.iter().chain(modes::FLAGS).chain(cluster::FLAGS)
}

fn find(name: &[u8]) -> Option<&'static Flag> {
    table().find(|flag| flag.names.iter().any(|known| known.as_bytes() == name))
}

/// Reads the words behind `argv[0]`.
///
/// # Errors
/// [`Stop`] says what to print and how to exit.
pub fn parse(face: Face, argv0: &str, argv: &[Vec<u8>]) -> Result<Options, Stop> {
    let mut options = Options::new(face, argv0);
    options.auth = face.env("AUTH").filter(|auth| !auth.is_empty());
    options.cluster.yes = face.env("CLUSTER_YES").is_some_and(|value| value == "1");
    let mut rest = Rest { argv, at: 0 };
    while let Some(word) = rest.argv.get(rest.at).filter(|word| word.first() == Some(&b'-')) {
        rest.at += 1;
        if word == b"-h" && rest.at == argv.len() {
            return Err(Stop::Help);
        }
        let unrecognized = || Stop::Unrecognized(text(word));
        let flag = find(word).ok_or_else(unrecognized)?;
        match &flag.apply {
            Apply::Switch(set) => set(&mut options),
            Apply::Value(set) => {
                let value = rest.next().ok_or_else(unrecognized)?.to_vec();
                set(&mut options, &value)?;
            }
            Apply::Many(set) => set(&mut options, &mut rest)?,
            Apply::Stop(stop) => return Err(stop.clone()),
        }
    }
    options.words = argv[rest.at..].to_vec();
    check(&options)?;
    Ok(options)
}

/// Combinations that make no sense.
fn check(options: &Options) -> Result<(), Stop> {
    let refuse = |message: &str| Err(Stop::Refused(format!("{message}\n")));
    if options.cluster_mode && options.socket.is_some() {
        return refuse("Options -c and -s are mutually exclusive.");
    }
    if options.conflicting_protocols {
        return refuse("Options -2 and -3 are mutually exclusive.");
    }
    if options.stdin_last_arg && options.stdin_tag.is_some() {
        return refuse("Options -x and -X are mutually exclusive.");
    }
    if options.conflicting_ip {
        return refuse("Options -4 and -6 are mutually exclusive.");
    }
    if options.mptcp && options.socket.is_some() {
        return refuse("Options --mptcp is only supported by TCP.");
    }
    if options.ldb && options.eval.is_none() {
        return refuse(&format!(
            "Options --ldb and --ldb-sync-mode require --eval.\nTry {} --help for more information.",
            options.argv0
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Output, Protocol};
    use std::collections::HashSet;

    fn run(line: &str) -> Result<Options, Stop> {
        let words: Vec<Vec<u8>> = line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
        parse(Face::Redis, "redis-cli", &words)
    }

    #[test]
    fn spellings_are_unique_and_dashed() {
        let mut seen = HashSet::new();
        for flag in table() {
            for name in flag.names {
                assert!(name.starts_with('-'), "{name}");
                assert!(seen.insert(name), "{name} twice");
            }
        }
    }

    #[test]
    fn help_lines_start_with_their_flag() {
        for flag in table() {
            for face in [Face::Redis, Face::Valkey, Face::Russet] {
                if let Some(lines) = flag.help.lines(face) {
                    assert!(lines.trim_start().starts_with(flag.names[0]), "{lines}");
                }
            }
        }
    }

    #[test]
    fn values_arrive() {
        let options = run("-h a -p 7 -n 3 -r 5 -i 0.5 --user u -a p --csv -3 set k -v").expect("parses");
        assert_eq!((options.host.as_str(), options.port, options.db), ("a", 7, 3));
        assert_eq!((options.repeat, options.interval.as_millis()), (5, 500));
        assert_eq!(options.output, Some(Output::Csv));
        assert_eq!(options.protocol, Protocol::Resp3);
        assert_eq!(options.words, [b"set".to_vec(), b"k".to_vec(), b"-v".to_vec()]);
        let options = run("--cluster create a:1 b:2 --cluster-replicas 1 --cluster-yes").expect("parses");
        assert_eq!(options.cluster.argv, ["create", "a:1", "b:2"]);
        assert_eq!((options.cluster.replicas, options.cluster.yes), (1, true));
        let options = run("--json").expect("parses");
        assert_eq!(options.protocol, Protocol::PreferResp3);
        let options = run("-2 --json").expect("parses");
        assert_eq!(options.protocol, Protocol::Resp2);
    }

    #[test]
    fn refusals() {
        for (line, message) in [
            ("-p 70000", "Invalid server port.\n"),
            ("-t abc", "Invalid connection timeout for -t.\n"),
            ("-2 -3", "Options -2 and -3 are mutually exclusive.\n"),
            ("-c -s /x", "Options -c and -s are mutually exclusive.\n"),
            ("-x -X t", "Options -x and -X are mutually exclusive.\n"),
            ("-4 -6", "Options -4 and -6 are mutually exclusive.\n"),
            ("--top -1", "--top should be followed by a positive integer.\n"),
            ("--memkeys-samples x", "--memkeys-samples conversion error.\n"),
            ("-u http://x", "Invalid URI scheme\n"),
        ] {
            assert_eq!(run(line).err(), Some(Stop::Refused(message.to_owned())), "{line}");
        }
        assert_eq!(run("--foo").err(), Some(Stop::Unrecognized("--foo".to_owned())));
        assert_eq!(run("-p").err(), Some(Stop::Unrecognized("-p".to_owned())));
        assert_eq!(run("-h").err(), Some(Stop::Help));
        assert_eq!(run("-v").err(), Some(Stop::Version));
    }
}
