//! A pseudo terminal with the client in it, and a screen that understands what it draws.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longest wait for the screen to show something; only failures wait that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long output is waited for before other conditions are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The client in a terminal of 40 rows and 100 columns.
pub struct Terminal {
    parser: vt100::Parser,
    output: Receiver<Vec<u8>>,
    /// All output so far, control sequences included.
    pub raw: Vec<u8>,
    input: Box<dyn Write + Send>,
    /// The client, or what runs it.
    pub child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts the client.
    pub fn start(args: &[&str], home: &std::path::Path) -> Self {
        Self::start_with(env!("CARGO_BIN_EXE_russet-cli"), args, home, &[])
    }

    /// Starts a program with more in its environment.
    pub fn start_with(program: &str, args: &[&str], home: &std::path::Path, env: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: 40, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("pty");
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env_clear();
        command.env("HOME", home);
        command.env("TERM", "xterm-256color");
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        for (name, value) in env {
            command.env(name, value);
        }
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
        Self { parser: parser(), output, raw: Vec::new(), input, child, _master: pair.master }
    }

    /// Types. From here on the screen holds only what is drawn after these keys, so that nothing older is taken for
    /// an answer to them: wait for the prompt first.
    pub fn send(&mut self, keys: &str) {
        self.parser = parser();
        self.input.write_all(keys.as_bytes()).expect("client reads");
        self.input.flush().expect("client reads");
    }

    /// Takes in output until the screen satisfies `shown`, which may also look at other things: it is asked
    /// again even when no output comes.
    pub fn wait(&mut self, what: &str, shown: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let screen = self.parser.screen().contents();
            if shown(&screen) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "{what} did not appear on:\n{screen}");
            match self.output.recv_timeout(LOOK_AGAIN) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the client ended before {what}:\n{screen}"),
            }
        }
    }

    /// Waits until the screen holds `text`.
    pub fn expect(&mut self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Types a command and waits until the screen shows `text` and the prompt is back.
    pub fn run(&mut self, line: &str, text: &str) -> String {
        self.send(&format!("{line}\r"));
        let screen = self.expect(text);
        self.prompt();
        screen
    }

    /// Ctrl-D; the exit code.
    pub fn leave(&mut self) -> u32 {
        self.send("\x04");
        self.code()
    }

    /// Waits for the end; the exit code.
    pub fn code(&mut self) -> u32 {
        self.drain();
        self.child.wait().expect("ends").exit_code()
    }

    /// Output as text, control sequences included.
    pub fn raw_text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Takes in all output up to the end of the client.
    pub fn drain(&mut self) -> String {
        loop {
            match self.output.recv_timeout(PATIENCE) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Disconnected) => return self.raw_text(),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the client does not end:\n{}", self.parser.screen().contents())
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.parser.process(bytes);
        self.raw.extend_from_slice(bytes);
    }

    /// Waits for a fresh prompt in the last line.
    pub fn prompt(&mut self) {
        self.wait("the prompt", |screen| {
            screen.trim_end_matches('\n').lines().last().is_some_and(|line| line.trim_end().ends_with('>'))
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A client that is still there belongs to a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parser() -> vt100::Parser {
    let size = |cells: u16| NonZero::new(cells).expect("not zero");
    vt100::Parser::new(size(40), size(100), 0)
}

/// A fresh home directory.
pub fn home(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("russet-cli-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("directory");
    path
}
