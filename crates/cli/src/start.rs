//! From words to work: parses the command line and hands over to a mode, a one-shot command or a prompt.

use std::io::{IsTerminal, Read};

use crate::face::Face;
use crate::flags::{self, Stop};
use crate::options::{Mode, Options};
use crate::session::Session;
use crate::{emit, hints, interactive, modes, oneshot, repl, say, tools, warn};

/// Runs the program; the exit code.
pub fn run(argv0: &str, argv: &[Vec<u8>]) -> i32 {
    let face = Face::from_program(argv0);
    match flags::parse(face, argv0, argv) {
        Ok(options) => work(options),
        Err(stop) => report(face, stop),
    }
}

fn report(face: Face, stop: Stop) -> i32 {
    match stop {
        Stop::Help => emit::out(flags::help::page(face).as_bytes()),
        Stop::Version => say!("{} {}\n", face.program(), face.version()),
        Stop::Usage => {
            warn!("{}", flags::help::page(face));
            return 1;
        }
        Stop::Refused(text) => {
            warn!("{text}");
            return 1;
        }
        Stop::Unrecognized(flag) => {
            warn!("Unrecognized option or bad number of args for: '{flag}'\n");
            return 1;
        }
    }
    0
}

/// Formats as for a terminal: there is one, or `FAKETTY` says so.
fn looks_like_terminal() -> bool {
    std::io::stdout().is_terminal() || std::env::var_os("FAKETTY").is_some()
}

/// People at both ends, and a terminal that can edit lines.
fn is_interactive() -> bool {
    let plain = std::env::var("TERM").is_ok_and(|term| term == "dumb" || term.is_empty());
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal() && !plain
}

fn work(mut options: Options) -> i32 {
    if let Err(text) = interactive::profiles::apply(&mut options) {
        warn!("{text}\n");
        return 1;
    }
    if options.auth_in_argv && !options.no_auth_warning {
        warn!(
            "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.\n"
        );
    }
    if options.askpass {
        options.auth = Some(ask_password("Please input password: "));
    }
    if options.face == Face::Russet
        && options.mode == Mode::Command
        && let Some(code) = tools::run(&options)
    {
        return code;
    }
    let mode = options.mode.clone();
    let mut session = Session::new(options, looks_like_terminal());
    match mode {
        Mode::Command => command(session),
        Mode::TestHint(line) => {
            let docs = hint_docs(&mut session);
            say!("{}\n", hints::hint(&docs, &line).unwrap_or_default());
            0
        }
        Mode::TestHintFile(file) => {
            let docs = hint_docs(&mut session);
            match std::fs::read_to_string(&file) {
                Ok(suite) => {
                    let (text, passed) = hints::run_suite(&docs, &suite);
                    emit::out(text.as_bytes());
                    i32::from(!passed)
                }
                Err(error) => {
                    warn!("Can't open file '{file}': {}\n", crate::connection::strerror(&error));
                    1
                }
            }
        }
        mode => modes::run(session, mode),
    }
}

fn hint_docs(session: &mut Session) -> crate::docs::Docs {
    session.connect(true);
    crate::docs::Docs::of_session(session)
}

fn command(mut session: Session) -> i32 {
    let words = session.options.words.clone();
    if let Some(file) = session.options.eval.clone() {
        if !session.connect(false) {
            return 1;
        }
        if session.options.ldb {
            return modes::ldb::run(&mut session, &file, &words);
        }
        return match oneshot::eval_command(&file, &words) {
            Ok(argv) => oneshot::repeat(&mut session, &argv),
            Err(oneshot::Refused(text)) => {
                warn!("{text}");
                1
            }
        };
    }
    if words.is_empty() && is_interactive() {
        return interactive::run(session);
    }
    if words.is_empty() {
        session.connect(false);
        return repl::run(&mut session);
    }
    let asks = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if session.options.production && asks && !interactive::guard::allows(&session, &words) {
        return 1;
    }
    if !session.connect(false) {
        return 1;
    }
    oneshot::run(&mut session, &words)
}

/// Reads a line without showing it; asks only where somebody can answer.
#[must_use]
pub fn ask_password(question: &str) -> String {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        warn!("{question}");
    }
    let before = rustix::termios::tcgetattr(&stdin).ok();
    if let Some(mut quiet) = before.clone() {
        quiet.local_modes.remove(rustix::termios::LocalModes::ECHO);
        let _ = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &quiet);
    }
    let mut line = Vec::new();
    for byte in stdin.lock().bytes().map_while(Result::ok) {
        if byte == b'\n' {
            break;
        }
        line.push(byte);
    }
    if let Some(before) = before {
        let _ = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &before);
        warn!("\n");
    }
    String::from_utf8_lossy(&line).into_owned()
}
