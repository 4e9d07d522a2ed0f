//! The server's command line: which configuration file, and which options as configuration lines.
//!
//! `--name` opens a line and takes the words up to the next `--name`; the word right behind a name is its value
//! even if it begins with `--`, but for `--save` (then `save ""`) and `--sentinel` (no value). `"--port 6380"` in
//! one word works. `-` first or last reads standard input. Called by the server's `main`.

use crate::text;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `-v`, `--version`
    Version,
    /// `-h`, `--help`
    Help,
    /// `--test-memory` and its argument, if any
    TestMemory(Option<Vec<u8>>),
    /// `--check-system`
    CheckSystem,
    /// Start the server.
    Run(Run),
}

/// How to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Configuration file as given.
    pub file: Option<Vec<u8>>,
    /// Configuration comes from standard input, too.
    pub stdin: bool,
    /// Lines made of the options.
    pub options: Vec<u8>,
}

/// Reads the words behind the program's name.
pub fn parse(args: &[Vec<u8>]) -> Command {
    let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    match words.as_slice() {
        [b"-v" | b"--version", ..] => Command::Version,
        [b"-h" | b"--help", ..] => Command::Help,
        [b"--check-system", ..] => Command::CheckSystem,
        [b"--test-memory"] => Command::TestMemory(None),
        [b"--test-memory", megabytes] => Command::TestMemory(Some(megabytes.to_vec())),
        words => Command::Run(run(words)),
    }
}

fn run(words: &[&[u8]]) -> Run {
    let mut run = Run::default();
    let mut rest = words;
    if let [first, after @ ..] = rest
        && !first.starts_with(b"-")
    {
        run.file = Some(first.to_vec());
        rest = after;
    }
    if let [b"-", after @ ..] = rest {
        run.stdin = true;
        rest = after;
    }
    if let [before @ .., b"-"] = rest {
        run.stdin = true;
        rest = before;
    }
    run.options = option_lines(rest);
    run
}

/// One line for each option, values quoted.
fn option_lines(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut name_may_follow = true;
    for (i, word) in words.iter().enumerate() {
        let Some(option) = word.strip_prefix(b"--").filter(|_| name_may_follow) else {
            out.extend_from_slice(text::quote(word).as_bytes());
            out.push(b' ');
            name_may_follow = true;
            continue;
        };
        if !out.is_empty() {
            out.push(b'\n');
        }
        out.extend_from_slice(option);
        out.push(b' ');
        // With its value in the same word, the next may be a name again.
        name_may_follow = text::split(word).is_ok_and(|parts| parts.len() > 1);
        let next = words.get(i + 1);
        if !name_may_follow && next.is_none_or(|next| next.starts_with(b"--")) {
            if option.eq_ignore_ascii_case(b"save") {
                out.extend_from_slice(b"\"\"");
                name_may_follow = true;
            } else if option.eq_ignore_ascii_case(b"sentinel") {
                name_may_follow = true;
            }
        }
    }
    out
}

/// The help text for a program of that name. One family prints it to standard error with exit code 1
/// (`redis-server`), the other to standard output with 0 (`valkey-server`).
pub fn help(program: &str) -> String {
    let (family, _) = program.split_once('-').unwrap_or((program, ""));
    format!(
        "Usage: ./{program} [/path/to/{family}.conf] [options] [-]\n       \
         ./{program} - (read config from stdin)\n       \
         ./{program} -v or --version\n       \
         ./{program} -h or --help\n       \
         ./{program} --test-memory <megabytes>\n       \
         ./{program} --check-system\n\n\
         Examples:\n       \
         ./{program} (run the server with default conf)\n       \
         echo 'maxmemory 128mb' | ./{program} -\n       \
         ./{program} /etc/{family}/6379.conf\n       \
         ./{program} --port 7777\n       \
         ./{program} --port 7777 --replicaof 127.0.0.1 8888\n       \
         ./{program} /etc/my{family}.conf --loglevel verbose -\n       \
         ./{program} /etc/my{family}.conf --loglevel verbose\n\n\
         Sentinel mode:\n       \
         ./{program} /etc/sentinel.conf --sentinel\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<Vec<u8>> {
        list.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    /// Lines as the real server quotes them in its error report.
    #[test]
    fn options_become_lines() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["--port", "abc"], &["port \"abc\""]),
            (&["--port", "1", "2"], &["port \"1\" \"2\""]),
            (&["--port"], &["port"]),
            (&["--port", "--hz", "5"], &["port \"--hz\" \"5\""]),
            (&["--port", "1", "--hz", "5"], &["port \"1\"", "hz \"5\""]),
            (&["--save", "--port", "1"], &["save \"\"", "port \"1\""]),
            (&["--port", "1", "--save"], &["port \"1\"", "save \"\""]),
            (&["--save", ""], &["save \"\""]),
            (&["--save", "900 1 300 10"], &["save \"900 1 300 10\""]),
            (&["--port 6380", "--hz", "5"], &["port 6380", "hz \"5\""]),
            (&["--sentinel", "--port", "1"], &["sentinel", "port \"1\""]),
            (&["--requirepass", "a \"b"], &["requirepass \"a \\\"b\""]),
        ];
        for (args, expected) in cases {
            let Command::Run(run) = parse(&words(args)) else { panic!("{args:?} starts the server") };
            let lines: Vec<_> =
                run.options.split(|c| *c == b'\n').map(|l| l.trim_ascii_end().to_vec()).collect();
            assert_eq!(lines, words(expected), "{args:?}");
        }
    }

    #[test]
    fn file_and_stdin() {
        let cases: &[(&[&str], Option<&str>, bool)] = &[
            (&[], None, false),
            (&["a.conf"], Some("a.conf"), false),
            (&["a.conf", "-"], Some("a.conf"), true),
            (&["-"], None, true),
            (&["-", "--port", "1"], None, true),
            (&["--port", "1", "-"], None, true),
            (&["a.conf", "--port", "1", "-"], Some("a.conf"), true),
        ];
        for (args, file, stdin) in cases {
            let Command::Run(run) = parse(&words(args)) else { panic!("{args:?} starts the server") };
            assert_eq!((run.file, run.stdin), (file.map(|f| f.as_bytes().to_vec()), *stdin), "{args:?}");
        }
    }

    #[test]
    fn other_commands() {
        assert_eq!(parse(&words(&["-v"])), Command::Version);
        assert_eq!(parse(&words(&["--help"])), Command::Help);
        assert_eq!(parse(&words(&["--test-memory", "5"])), Command::TestMemory(Some(b"5".to_vec())));
        assert_eq!(parse(&words(&["-v", "x"])), Command::Version);
        assert!(
            help("redis-server").starts_with("Usage: ./redis-server [/path/to/redis.conf] [options] [-]\n")
        );
    }
}
