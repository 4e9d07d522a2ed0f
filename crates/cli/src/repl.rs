//! The classic prompt without a terminal that can edit: lines from stdin, replies to stdout. On dumb terminals the
//! prompt is shown. Also what runs under `FAKETTY`, which makes the formats those of a terminal.

use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags};

use crate::connection::poll_once;
use crate::interactive::prompt;
use crate::options::Output;
use crate::session::{Outcome, Session, lower};
use crate::{docs, emit, number, quote, say, warn};

/// Lines of stdin, read only as far as needed, so that a poll tells the truth.
pub struct Lines {
    buffer: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// Nothing read yet.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { buffer: Vec::new(), ended: false }
    }

    fn has_line(&self) -> bool {
        self.ended || self.buffer.contains(&b'\n')
    }

    /// Reads once from stdin.
    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        let read = io::stdin().lock().read(&mut chunk)?;
        self.ended = read == 0;
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(())
    }

    /// The next line without its line feed; `None` at the end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Vec<u8>> {
        while !self.has_line() {
            if self.fill().is_err() {
                self.ended = true;
            }
        }
        match self.buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                let mut line: Vec<u8> = self.buffer.drain(..=at).collect();
                line.pop();
                Some(line)
            }
            None if self.buffer.is_empty() => None,
            None => Some(std::mem::take(&mut self.buffer)),
        }
    }
}

/// Runs until the input ends or says so; the exit code.
pub fn run(session: &mut Session) -> i32 {
    run_lines(session, &mut Lines::new())
}

/// [`run`] on lines already begun.
pub fn run_lines(session: &mut Session, lines: &mut Lines) -> i32 {
    session.interactive = true;
    let shows_prompt = io::stdin().is_terminal() && io::stdout().is_terminal();
    loop {
        if session.pubsub.active() {
            wait_subscribed(session, lines);
        }
        if shows_prompt {
            say!("{}", prompt::text(session, ""));
            emit::flush();
        }
        let Some(line) = lines.next() else { return 0 };
        if let Step::Quit = step(session, &line) {
            return 0;
        }
    }
}

/// While subscribed: prints messages until a line of input begins.
fn wait_subscribed(session: &mut Session, lines: &Lines) {
    while session.pubsub.active() {
        announce(session);
        let (input, messages) = if lines.has_line() { (false, false) } else { wait_either(session) };
        erase(session);
        if messages && let Err(error) = session.drain_pushes() {
            warn!("Error: {error}\n");
            session.disconnect();
        }
        // Once a line has begun, the rest of it is waited for.
        if input || lines.has_line() {
            return;
        }
    }
}

/// Waits for input or for the server: which of the two is ready.
fn wait_either(session: &mut Session) -> (bool, bool) {
    let Some(connection) = session.connection() else { return (true, false) };
    let stdin = io::stdin();
    let mut fds = [
        PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(connection.fd(), PollFlags::IN),
    ];
    let _ = poll_once(&mut fds, None);
    (!fds[0].revents().is_empty(), !fds[1].revents().is_empty())
}

const READING: &str = "Reading messages... (press Ctrl-C to quit or any key to type command)\r";

fn is_colour_terminal() -> bool {
    std::env::var("TERM").is_ok_and(|term| term.contains("xterm"))
}

fn announce(session: &Session) {
    if session.output == Output::Standard {
        if is_colour_terminal() {
            say!("\x1b[1;90m{READING}\x1b[0m");
        } else {
            say!("{READING}");
        }
        emit::flush();
    }
}

fn erase(session: &Session) {
    if session.output == Output::Standard {
        say!("\x1b[K");
        emit::flush();
    }
}

/// What a line leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Next line, please.
    Continue,
    /// The user wants to leave.
    Quit,
    /// Ctrl-C ended the command.
    Cancelled,
}

/// Runs one line: a count, a client command, or a server command.
pub fn step(session: &mut Session, line: &[u8]) -> Step {
    let strict = session.options.face == crate::face::Face::Redis;
    let Some(argv) = quote::split_with(line, strict) else {
        say!("Invalid argument(s)\n");
        emit::flush();
        return Step::Continue;
    };
    let Some((count, argv)) = repetition(&argv) else {
        say!("Invalid {} repeat command option value.\n", session.options.face.program());
        return Step::Continue;
    };
    let Some(first) = argv.first() else { return Step::Continue };
    if first.first() == Some(&b':') {
        preference(session, argv);
        return Step::Continue;
    }
    match (lower(Some(first)).as_str(), argv.len()) {
        ("quit" | "exit", _) => return Step::Quit,
        ("restart", 1) => say!("Use 'restart' only in Lua debugging mode.\n"),
        ("connect", 3) => {
            session.options.host = String::from_utf8_lossy(&argv[1]).into_owned();
            session.options.port = u16::try_from(number::leading_i64(&argv[2])).unwrap_or(0);
            session.options.socket = None;
            session.connect(false);
        }
        ("clear", 1) => say!("\x1b[H\x1b[2J"),
        ("help" | "?", _) => docs::print_help(session, &argv[1..]),
        _ => return run_counted(session, count, argv),
    }
    emit::flush();
    Step::Continue
}

/// A leading number repeats the command. `None` when it is no fit number.
fn repetition(argv: &[Vec<u8>]) -> Option<(i64, &[Vec<u8>])> {
    let Some(first) = argv.first().filter(|_| argv.len() > 1) else { return Some((1, argv)) };
    if !first.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
        return Some((1, argv));
    }
    match std::str::from_utf8(first).ok().map(str::parse::<i64>) {
        Some(Ok(count)) if count > 0 => Some((count, &argv[1..])),
        Some(Ok(_)) => None,
        Some(Err(_)) if first.iter().all(u8::is_ascii_digit) => None,
        _ => Some((1, argv)),
    }
}

fn run_counted(session: &mut Session, count: i64, argv: &[Vec<u8>]) -> Step {
    for turn in 0..count {
        match session.run(argv) {
            Outcome::Done => {}
            Outcome::Lost => break,
            Outcome::Cancelled => return Step::Cancelled,
        }
        if turn + 1 < count && !session.options.interval.is_zero() {
            std::thread::sleep(session.options.interval);
        }
    }
    let seconds = session.elapsed.as_secs_f64();
    if seconds >= 0.5 && session.output == Output::Standard {
        say!("({seconds:.2}s)\n");
    }
    emit::flush();
    Step::Continue
}

/// `:set hints`, `:set nohints`, `:get pubsub`.
pub fn preference(session: &mut Session, argv: &[Vec<u8>]) {
    let program = session.options.face.program();
    let name = String::from_utf8_lossy(&argv[0]).into_owned();
    let value = String::from_utf8_lossy(argv.get(1).map_or(&[][..], Vec::as_slice)).into_owned();
    match (name.as_str(), argv.len()) {
        (":set", 2..) if matches!(value.as_str(), "hints" | "nohints") => {}
        (":set", 2..) => say!("unknown {program} preference '{value}'\n"),
        (":get", 2..) if session.options.face != crate::face::Face::Redis => match value.as_str() {
            "pubsub" => say!("{}\n", i32::from(session.pubsub.active())),
            _ => say!("unknown {program} get option '{value}'\n"),
        },
        _ => say!("unknown {program} internal command '{name}'\n"),
    }
    emit::flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let words =
            |line: &str| -> Vec<Vec<u8>> { line.split(' ').map(|word| word.as_bytes().to_vec()).collect() };
        for (line, expected) in [
            ("3 incr c", Some((3, 2))),
            ("get x", Some((1, 2))),
            ("2", Some((1, 1))),
            ("0 ping", None),
            ("-1 ping", None),
            ("99999999999999999999 ping", None),
        ] {
            let argv = words(line);
            let found = repetition(&argv).map(|(count, rest)| (count, rest.len()));
            assert_eq!(found, expected, "{line}");
        }
    }
}
