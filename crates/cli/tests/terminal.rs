//! The interactive face in a pseudo terminal: what one types, and what the screen then shows.

mod support;

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use support::Server;

/// Longest wait for the screen to show something; only failures wait that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long output is waited for before other conditions are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

struct Terminal {
    parser: vt100::Parser,
    output: Receiver<Vec<u8>>,
    raw: Vec<u8>,
    input: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    fn start(args: &[&str], home: &std::path::Path) -> Self {
        let size = PtySize { rows: 40, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("pty");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_russet-cli"));
        command.args(args);
        command.env_clear();
        command.env("HOME", home);
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).expect("client starts");
        let mut reader = pair.master.try_clone_reader().expect("reader");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read) = reader.read(&mut chunk) {
                if read == 0 || sender.send(chunk[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let input = pair.master.take_writer().expect("writer");
        let size = |cells: u16| NonZero::new(cells).expect("not zero");
        let parser = vt100::Parser::new(size(40), size(100), 0);
        Self { parser, output, raw: Vec::new(), input, child, _master: pair.master }
    }

    fn send(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).expect("client reads");
        self.input.flush().expect("client reads");
    }

    /// Takes in output until the screen satisfies `shown`, which may also look at other things: it is asked
    /// again even when no output comes.
    fn wait(&mut self, what: &str, shown: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let screen = self.parser.screen().contents();
            if shown(&screen) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "{what} did not appear on:\n{screen}");
            match self.output.recv_timeout(LOOK_AGAIN) {
                Ok(bytes) => {
                    self.parser.process(&bytes);
                    self.raw.extend_from_slice(&bytes);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the client ended before {what}:\n{screen}"),
            }
        }
    }

    fn expect(&mut self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Waits for a fresh prompt in the last line.
    fn prompt(&mut self) {
        self.wait("the prompt", |screen| {
            screen.trim_end_matches('\n').lines().last().is_some_and(|line| line.trim_end().ends_with('>'))
        });
    }
}

fn home(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("russet-cli-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("directory");
    path
}

#[test]
fn a_session_at_the_terminal() {
    let server = Server::start();
    let home = home("session");
    let mut terminal = Terminal::start(&["-p", &server.port.to_string(), "--production"], &home);
    terminal.expect(&format!("PRODUCTION 127.0.0.1:{}> ", server.port));

    // Completion of a command, then of a live key; the reply is a table.
    terminal.send("hgeta\t");
    terminal.expect("hgetall ");
    terminal.send("us\t");
    terminal.expect("hgetall user:1");
    terminal.send("\r");
    let screen = terminal.expect("(2 rows)");
    assert!(screen.contains("│ name  ┆ Zoë"), "{screen}");
    terminal.prompt();

    // A hint while typing; Ctrl-C drops the line and stays.
    terminal.send("set k v ");
    terminal.expect("[NX|XX");
    terminal.send("\x03");
    terminal.prompt();

    // Ctrl-C ends a blocked command.
    terminal.send("brpop nokey 0\r");
    terminal.wait("the blocked command", |_| server.saw("BRPOP"));
    terminal.send("\x03");
    terminal.expect("(cancelled)");
    terminal.prompt();

    // The guard asks, and no means no.
    terminal.send("flushall\r");
    terminal.expect("Type 'yes' to run it:");
    terminal.send("no\r");
    terminal.expect("Not run.");
    terminal.prompt();
    assert!(!server.saw("FLUSHALL"));

    // A live view takes messages until Ctrl-C.
    terminal.send("subscribe ch\r");
    terminal.expect("\"subscribe\"");
    server.publish("hello there");
    terminal.expect("hello there");
    terminal.send("\x03");
    terminal.expect("back at the prompt");
    terminal.prompt();

    // Passwords stay out of the history file, the rest is in it.
    terminal.send("auth secret\r");
    terminal.expect("WRONGPASS");
    terminal.prompt();
    terminal.send(":peek user:1\r");
    terminal.expect("type      hash");
    terminal.prompt();
    terminal.send(":watch 1 ping\r");
    terminal.expect("Ctrl-C ends.");
    terminal.expect("PONG");
    terminal.send("\x03");
    terminal.prompt();
    terminal.send("\x04");
    assert_eq!(terminal.child.wait().expect("ends").exit_code(), 0);
    let history = std::fs::read_to_string(home.join(".russetcli_history")).expect("history");
    assert!(history.contains("hgetall user:1") && !history.contains("secret"), "{history}");
    std::fs::remove_dir_all(home).expect("remove");
}

#[test]
fn long_work_shows_progress_on_a_terminal() {
    let server = Server::start();
    let home = home("progress");
    let mut terminal = Terminal::start(&["-p", &server.port.to_string(), "--bigkeys"], &home);
    terminal.expect("Sampled 1 keys in the keyspace!");
    let raw = String::from_utf8_lossy(&terminal.raw).into_owned();
    assert!(raw.contains("/5 "), "no bar in {raw:?}");
    std::fs::remove_dir_all(home).expect("remove");
}

#[test]
fn scripts_may_span_lines() {
    let server = Server::start();
    let home = home("lines");
    let mut terminal = Terminal::start(&["-p", &server.port.to_string()], &home);
    terminal.prompt();
    terminal.send("set script \"return\r");
    terminal.send("1\"\r");
    terminal.expect("OK");
    terminal.prompt();
    terminal.send("get script\r");
    terminal.expect("\"return\\n1\"");
    std::fs::remove_dir_all(home).expect("remove");
}
