//! Reading the configuration at the start: file, then standard input, then options; the last word wins.
//!
//! The three are joined into one text, as the real server does, so that line numbers in error reports agree.
//! Called by the server's `main` with a [`Files`] that does the I/O.

use std::fmt;
use std::io;

use crate::argv::Run;
use crate::directive::{Family, Kind, REDIS_VERSION, Row, Special, Status, VALKEY_VERSION, traits};
use crate::store::{Store, words_for};
use crate::table::{Directive, LINES};
use crate::text;
use crate::value::{self, Value};

/// What the grammar needs of the outside world. Paths are as written in the configuration.
pub trait Files {
    /// The content of a file.
    fn read(&mut self, path: &[u8]) -> io::Result<Vec<u8>>;
    /// The files that a pattern with `*`, `?` or `[` names, sorted.
    fn glob(&mut self, pattern: &[u8]) -> Vec<Vec<u8>>;
    /// Makes it the working directory and tells its absolute path.
    fn change_dir(&mut self, path: &[u8]) -> io::Result<Vec<u8>>;
}

/// Why the server does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fatal {
    /// A line that cannot be taken. Goes to standard error as it is displayed.
    Line {
        /// Counted from 1, within the joined text or the included file.
        number: usize,
        /// Without white space around it.
        line: String,
        /// What is wrong.
        message: String,
        /// In whose words.
        family: Family,
    },
    /// A file that cannot be read. Goes to the log as a warning.
    File {
        /// As written.
        path: String,
        /// The system's words.
        reason: String,
    },
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fatal::Line { number, line, message, family } => write!(
                f,
                "\n*** FATAL CONFIG FILE ERROR ({}) ***\n\
                 Reading the configuration file, at line {number}\n>>> '{line}'\n{message}\n",
                match family {
                    Family::Redis => format!("Redis {REDIS_VERSION}"),
                    Family::Valkey => format!("Version {VALKEY_VERSION}"),
                }
            ),
            Fatal::File { path, reason } => {
                write!(f, "Fatal error, can't open config file '{path}': {reason}")
            }
        }
    }
}

/// How deep `include` may nest.
const INCLUDE_DEPTH: usize = 32;

/// Reads everything that `run` names into the store. `stdin` is what standard input held.
pub fn load(store: &Store, run: &Run, stdin: &[u8], files: &mut dyn Files) -> Result<(), Fatal> {
    let mut joined = match &run.file {
        Some(path) => read(files, path)?,
        None => Vec::new(),
    };
    if run.stdin {
        joined.extend_from_slice(stdin);
    }
    if !run.options.is_empty() {
        joined.push(b'\n');
        joined.extend_from_slice(&run.options);
    }
    let mut loader = Loader { store, files, save_seen: false };
    loader.text(&joined, 0)
}

/// The system's words for an error, without the number that Rust adds.
pub fn system_words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn read(files: &mut dyn Files, path: &[u8]) -> Result<Vec<u8>, Fatal> {
    files.read(path).map_err(|error| Fatal::File {
        path: String::from_utf8_lossy(path).into_owned(),
        reason: system_words(&error),
    })
}

struct Loader<'a> {
    store: &'a Store,
    files: &'a mut dyn Files,
    /// The first `save` line replaces the default, further ones add to it.
    save_seen: bool,
}

/// What one line came to.
enum LineError {
    Wrong(String),
    Fatal(Fatal),
}

impl From<String> for LineError {
    fn from(message: String) -> Self {
        LineError::Wrong(message)
    }
}

impl Loader<'_> {
    fn text(&mut self, text: &[u8], depth: usize) -> Result<(), Fatal> {
        for (index, line) in text.split(|c| *c == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            self.line(line, depth).map_err(|error| match error {
                LineError::Fatal(fatal) => fatal,
                LineError::Wrong(message) => Fatal::Line {
                    number: index + 1,
                    line: String::from_utf8_lossy(line).into_owned(),
                    message,
                    family: self.store.family(),
                },
            })?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], depth: usize) -> Result<(), LineError> {
        let words = text::split(line).map_err(|_| "Unbalanced quotes in configuration line".to_owned())?;
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let Some((name, arguments)) = words.split_first() else { return Ok(()) };
        match Directive::find(name) {
            Some(directive) => self.directive(directive.row(), arguments).map_err(LineError::Wrong),
            None => self.other_line(name, arguments, depth),
        }
    }

    fn directive(&mut self, row: &Row, arguments: &[&[u8]]) -> Result<(), String> {
        let words = match arguments {
            [one] if row.has(traits::MULTI) => words_for(row, one),
            _ => arguments.to_vec(),
        };
        let _writing = self.store.lock();
        let current = self.store.value(row.id);
        let mut value = value::parse(row, &words, &current, self.store.family())?;
        match row.kind {
            Kind::Special(Special::Save) => {
                if self.save_seen {
                    value = sum_of_save_lines(&current, value);
                }
                self.save_seen = true;
            }
            Kind::Special(Special::Dir) => {
                let absolute = self.files.change_dir(&value.text).map_err(|e| system_words(&e))?;
                value.text = absolute.into();
            }
            _ => {}
        }
        self.store.put(row.id, &value);
        Ok(())
    }

    /// A word that is no directive.
    fn other_line(&mut self, name: &[u8], arguments: &[&[u8]], depth: usize) -> Result<(), LineError> {
        let row = LINES.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(name));
        let row = row.filter(|row| (row.args.0..=row.args.1).contains(&arguments.len()));
        let Some(row) = row else {
            return Err("Bad directive or wrong number of arguments".to_owned().into());
        };
        match (row.name, row.status) {
            ("include", _) => self.include(arguments[0], depth),
            ("sentinel", Status::Refused(_)) => {
                Err("sentinel directive while not in sentinel mode".to_owned().into())
            }
            (_, Status::Refused(what)) => Err(format!("not supported yet: {what}").into()),
            _ => Ok(()),
        }
    }

    /// A pattern may name no file at all; a plain name must exist.
    fn include(&mut self, path: &[u8], depth: usize) -> Result<(), LineError> {
        if depth >= INCLUDE_DEPTH {
            return Err("include files are nested too deeply".to_owned().into());
        }
        let paths = if path.iter().any(|c| matches!(c, b'*' | b'?' | b'[')) {
            self.files.glob(path)
        } else {
            vec![path.to_vec()]
        };
        for path in paths {
            let text = read(self.files, &path).map_err(LineError::Fatal)?;
            self.text(&text, depth + 1).map_err(LineError::Fatal)?;
        }
        Ok(())
    }
}

/// An empty line takes all save points back.
fn sum_of_save_lines(before: &Value, mut line: Value) -> Value {
    if !before.text.is_empty() && !line.text.is_empty() {
        line.text = [&before.text[..], &line.text[..]].join(&b' ').into();
        line.number += before.number;
    }
    line
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::argv;
    use crate::store::Environment;

    /// Files by name.
    struct Fake(BTreeMap<&'static str, &'static str>);

    impl Files for Fake {
        fn read(&mut self, path: &[u8]) -> io::Result<Vec<u8>> {
            let path = std::str::from_utf8(path).expect("text");
            self.0.get(path).map(|t| t.as_bytes().to_vec()).ok_or(io::Error::from_raw_os_error(2))
        }

        fn glob(&mut self, pattern: &[u8]) -> Vec<Vec<u8>> {
            let prefix = pattern.strip_suffix(b"*").unwrap_or(pattern);
            self.0
                .keys()
                .filter(|k| k.as_bytes().starts_with(prefix))
                .map(|k| k.as_bytes().to_vec())
                .collect()
        }

        fn change_dir(&mut self, path: &[u8]) -> io::Result<Vec<u8>> {
            if path == b"/nonexist" { Err(io::Error::from_raw_os_error(2)) } else { Ok(path.to_vec()) }
        }
    }

    fn store() -> Store {
        Store::new(&Environment { cores: 2, dir: b"/".to_vec(), family: Family::Redis })
    }

    fn start(
        args: &[&str],
        stdin: &str,
        files: &[(&'static str, &'static str)],
    ) -> (Store, Result<(), Fatal>) {
        let args: Vec<_> = args.iter().map(|a| a.as_bytes().to_vec()).collect();
        let argv::Command::Run(run) = argv::parse(&args) else { panic!("starts the server") };
        let store = store();
        let result = load(&store, &run, stdin.as_bytes(), &mut Fake(files.iter().copied().collect()));
        (store, result)
    }

    fn line_error(conf: &'static str) -> String {
        match start(&["c"], "", &[("c", conf)]).1 {
            Ok(()) => "fine".to_owned(),
            Err(Fatal::Line { number, message, .. }) => format!("{number}: {message}"),
            Err(file) => file.to_string(),
        }
    }

    /// Recorded from Redis 8.6.3 (the unknown word from Valkey 9.1.2).
    #[test]
    fn complaints() {
        let cases = [
            ("port 1\nfoo bar\n", "2: Bad directive or wrong number of arguments"),
            ("port\n", "1: wrong number of arguments"),
            ("port 1 2\n", "1: wrong number of arguments"),
            ("hz 10\nport \"1\"x\n", "2: Unbalanced quotes in configuration line"),
            ("save 1\n", "1: Invalid save parameters"),
            ("oom-score-adj-values 1 2\n", "1: wrong number of arguments"),
            ("dir /nonexist\n", "1: No such file or directory"),
            (
                "include /nonexist\n",
                "Fatal error, can't open config file '/nonexist': No such file or directory",
            ),
            ("include a b\n", "1: Bad directive or wrong number of arguments"),
            ("sentinel monitor a b\n", "1: sentinel directive while not in sentinel mode"),
            ("user\n", "1: Bad directive or wrong number of arguments"),
            ("rename-command get\n", "1: Bad directive or wrong number of arguments"),
            ("include c\n", "1: include files are nested too deeply"),
            ("save\n", "fine"),
            ("list-max-ziplist-entries 512\nIO-threads-do-reads yes\nlua-replicate-commands x\n", "fine"),
            ("list-max-ziplist-value 1 2\n", "1: Bad directive or wrong number of arguments"),
            ("  # note\n\n PORT 7 \r\n", "fine"),
        ];
        for (conf, expected) in cases {
            assert_eq!(line_error(conf), expected, "{conf}");
        }
    }

    #[test]
    fn report_of_a_bad_option() {
        let (_, result) = start(&["--port", "abc"], "", &[]);
        assert_eq!(
            result.map_err(|fatal| fatal.to_string()),
            Err("\n*** FATAL CONFIG FILE ERROR (Redis 8.6.3) ***\n\
                 Reading the configuration file, at line 2\n>>> 'port \"abc\"'\n\
                 argument couldn't be parsed into an integer\n"
                .to_owned())
        );
    }

    #[test]
    fn the_last_word_wins() {
        let files =
            [("c", "port 1\nhz 11\ninclude inc*\ntimeout 3\n"), ("inc1", "timeout 1\n"), ("inc2", "hz 12\n")];
        let (store, result) = start(&["c", "--port", "3", "-"], "port 2\ntcp-backlog 9\n", &files);
        assert_eq!(result, Ok(()));
        let ints = [Directive::Port, Directive::Hz, Directive::Timeout, Directive::TcpBacklog];
        assert_eq!(ints.map(|d| store.int(d)), [3, 12, 3, 9]);
    }

    #[test]
    fn save_lines_add_up() {
        let cases: &[(&'static str, &[&str], &str)] = &[
            ("", &[], "3600 1 300 100 60 10000"),
            ("save 900 1\nsave 300 10\n", &[], "900 1 300 10"),
            ("save 900 1\n", &["--save", "50 60"], "900 1 50 60"),
            ("save 900 1\nsave \"\"\n", &[], ""),
            ("save \"\"\nsave 5 6\n", &[], "5 6"),
            ("", &["--save"], ""),
            ("", &["--save", "", "--port", "1"], ""),
        ];
        for (conf, options, expected) in cases {
            let args: Vec<_> = std::iter::once("c").chain(options.iter().copied()).collect();
            let (store, result) = start(&args, "", &[("c", conf)]);
            assert_eq!(result, Ok(()));
            assert_eq!(&*store.text(Directive::Save), *expected, "{conf:?} {options:?}");
        }
    }

    #[test]
    fn one_word_with_several_values() {
        let (store, result) = start(&["--bind", "127.0.0.1 ::1", "--oom-score-adj-values 1 2 3"], "", &[]);
        assert_eq!(result, Ok(()));
        assert_eq!(store.bind_addresses(), ["127.0.0.1", "::1"]);
        assert_eq!(&*store.text(Directive::OomScoreAdjValues), "1 2 3");
    }
}
