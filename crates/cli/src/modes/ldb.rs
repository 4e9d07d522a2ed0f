//! `--ldb --eval FILE`: the client side of the Lua debugger. The server answers each word of the dialogue with
//! lines that carry a mark; marks choose the colours. `<endsession>` ends the session, then the script's own
//! reply follows.

use std::io::{IsTerminal, Write};

use resp::reply::Value;

use crate::options::Output;
use crate::session::Session;
use crate::{emit, format, oneshot, quote, repl, say, warn};

/// How a session went.
enum End {
    /// The script has run, or was aborted.
    Script,
    /// Once more, please.
    Restart,
    /// The user leaves.
    Quit,
}

/// Runs debugging sessions, then the prompt; the exit code.
pub fn run(session: &mut Session, file: &str, words: &[Vec<u8>]) -> i32 {
    session.output = session.options.output.unwrap_or(Output::Standard);
    let mut lines = repl::Lines::new();
    loop {
        let argv = match oneshot::eval_command(file, words) {
            Ok(argv) => argv,
            Err(oneshot::Refused(text)) => {
                warn!("{text}");
                return 1;
            }
        };
        match debug(session, &argv, &mut lines) {
            Ok(End::Script) => break,
            Ok(End::Quit) => return 0,
            Ok(End::Restart) => {
                if !session.connect(false) {
                    return 1;
                }
                say!("\n");
            }
            Err(text) => {
                warn!("Error: {text}\n");
                return 1;
            }
        }
    }
    if !session.connect(false) {
        return 1;
    }
    repl::run_lines(session, &mut lines)
}

fn debug(session: &mut Session, argv: &[Vec<u8>], lines: &mut repl::Lines) -> Result<End, String> {
    let sync = session.options.ldb_sync;
    let connection = session.connection().ok_or("not connected")?;
    let answer = connection.call(&["SCRIPT", "DEBUG", if sync { "sync" } else { "yes" }]);
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.is_error() {
        return Err(answer.to_text());
    }
    let first = connection.call(argv).map_err(|error| error.to_string())?;
    say!(
        "Lua debugging session started, please use:\nquit    -- End the session.\nrestart -- Restart the script in \
         debug mode again.\nhelp    -- Show Lua script debugging commands.\n\n"
    );
    if first.as_slice().is_none() || ended(&first) {
        // It did not even begin: most likely the script does not compile. Its reply says so.
        let reason =
            if ended(&first) { connection.reply().map_err(|error| error.to_string())? } else { first };
        say!("\nEval debugging session can't start:\n");
        emit::out(&format::reply(&reason, session.output, false, &session.options));
        return Ok(End::Quit);
    }
    show(&first);
    loop {
        let Some(line) = prompt(lines) else { return Ok(End::Quit) };
        let Some(words) = quote::split(&line) else {
            say!("Invalid argument(s)\n");
            continue;
        };
        let Some(word) = words.first() else { continue };
        match word.as_slice() {
            b"restart" if words.len() == 1 => return Ok(End::Restart),
            b"quit" | b"exit" => return Ok(End::Quit),
            _ => {}
        }
        let connection = session.connection().ok_or("not connected")?;
        let reply = connection.call(&words).map_err(|error| error.to_string())?;
        show(&reply);
        if ended(&reply) {
            let result = connection.reply().map_err(|error| error.to_string())?;
            say!("\n");
            emit::out(&format::reply(&result, session.output, false, &session.options));
            say!(
                "\n(Lua debugging session ended{})\n\n",
                if sync { "" } else { " -- dataset changes rolled back" }
            );
            return Ok(End::Script);
        }
    }
}

fn prompt(lines: &mut repl::Lines) -> Option<Vec<u8>> {
    emit::flush();
    if std::io::stdin().is_terminal() {
        say!("lua debugger> ");
        // A prompt that cannot be shown is no reason to stop.
        let _ = std::io::stdout().flush();
    }
    lines.next()
}

const END: &[u8] = b"<endsession>";

fn ended(reply: &Value) -> bool {
    reply.as_slice().and_then(<[Value]>::last).and_then(Value::as_bytes) == Some(END)
}

fn show(reply: &Value) {
    match reply.as_slice() {
        Some(items) => {
            for line in items.iter().filter_map(Value::as_bytes).filter(|line| *line != END) {
                say!("{}\n", paint(&String::from_utf8_lossy(line)));
            }
        }
        None => say!("{}\n", paint(&reply.to_text())),
    }
}

/// Colours by the mark in front.
fn paint(line: &str) -> String {
    let bytes = line.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
    let (bold, colour) = match line {
        line if line.starts_with("<debug>") => (1, 37),
        line if line.starts_with("<redis>") || line.starts_with("<command>") => (0, 32),
        line if line.starts_with("<reply>") => (0, 36),
        line if line.starts_with("<error>") => (0, 31),
        line if line.starts_with("<hint>") => (1, 36),
        line if line.starts_with("<value>") || line.starts_with("<retval>") => (0, 35),
        line if line.starts_with("->") => (0, 33),
        _ if at(2) == b'#' => (1, 37),
        _ => (0, 37),
    };
    format!("\x1b[{bold};{colour};49m{line}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_choose_colours() {
        for (line, start) in [
            ("-> 1   local a", "\x1b[0;33;49m"),
            ("  #3     a[i]", "\x1b[1;37;49m"),
            ("<error> x", "\x1b[0;31;49m"),
            ("<reply> NULL", "\x1b[0;36;49m"),
            ("* Stopped at 1", "\x1b[0;37;49m"),
        ] {
            assert!(paint(line).starts_with(start), "{line}");
        }
        assert!(ended(&Value::Array(vec![Value::Simple(END.to_vec())])));
        assert!(!ended(&Value::Null));
    }
}
