//! Modes of work other than running a command: one module per family.

mod bigkeys;
mod hotkeys;
mod intrinsic;
mod keystats;
mod latency;
pub mod ldb;
mod lru;
mod pipe;
pub mod progress;
pub mod rdb;
pub mod replica;
mod scan;
mod spark;
mod stat;
mod vset;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use resp::reply::Value;

use crate::connection::Connection;
use crate::options::{Mode, Options};
use crate::session::Session;
use crate::warn;

/// Ends a mode: the exit code is 1, the text goes to stderr.
#[derive(Debug)]
pub struct Failure(pub String);

impl<T: std::fmt::Display> From<T> for Failure {
    fn from(error: T) -> Self {
        Self(format!("Error: {error}"))
    }
}

/// What a mode works with.
pub struct Context {
    /// Flags.
    pub options: Options,
    /// Introduced connection.
    pub connection: Connection,
    /// Formats are those of a terminal.
    pub tty: bool,
    /// Set by Ctrl-C once [`Context::catch_interrupts`] was called.
    pub interrupted: Arc<AtomicBool>,
}

impl Context {
    /// One command; an error reply ends the mode.
    ///
    /// # Errors
    /// The connection's, or the server's words.
    pub fn call<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<Value, Failure> {
        match self.connection.call(argv)? {
            Value::Error(text) => Err(Failure(format!("Error: {}", String::from_utf8_lossy(&text)))),
            value => Ok(value),
        }
    }

    /// Ctrl-C sets a flag instead of killing, so that a summary can be shown.
    pub fn catch_interrupts(&self) {
        // Failing means that Ctrl-C kills: nothing worse.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&self.interrupted));
    }

    /// Ctrl-C came.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Our own name on a terminal: extras may be drawn.
    #[must_use]
    pub fn is_rich(&self) -> bool {
        use std::io::IsTerminal;
        self.options.face == crate::face::Face::Russet && std::io::stdout().is_terminal()
    }
}

/// Runs a mode; the exit code.
pub fn run(mut session: Session, mode: Mode) -> i32 {
    if let Mode::IntrinsicLatency(seconds) = mode {
        intrinsic::run(seconds);
        return 0;
    }
    if mode == Mode::Cluster {
        return crate::cluster::run(&session.options);
    }
    if mode == Mode::Pipe && session.options.stdin_last_arg {
        return 1;
    }
    if !session.connect(false) {
        return 1;
    }
    let Some(connection) = session.take_connection() else { return 1 };
    let (options, tty) = (session.options, session.tty);
    let mut context = Context { options, connection, tty, interrupted: Arc::default() };
    let result = match mode {
        Mode::Stat => stat::run(&mut context),
        Mode::Latency => latency::run(&mut context, false),
        Mode::LatencyHistory => latency::run(&mut context, true),
        Mode::LatencyDist => latency::distribution(&mut context),
        Mode::VsetRecall(key) => vset::run(&mut context, &key),
        Mode::LruTest(keys) => lru::run(&mut context, keys),
        Mode::Replica => replica::run(&mut context),
        Mode::Rdb(file, functions) => rdb::run(&mut context, &file, functions),
        Mode::Pipe => return pipe::run(context),
        Mode::BigKeys => bigkeys::run(&mut context, false),
        Mode::MemKeys => bigkeys::run(&mut context, true),
        Mode::KeyStats => keystats::run(&mut context),
        Mode::HotKeys => hotkeys::run(&mut context),
        Mode::Scan => scan::run(&mut context),
        Mode::Command
        | Mode::TestHint(_)
        | Mode::TestHintFile(_)
        | Mode::IntrinsicLatency(_)
        | Mode::Cluster => Ok(()),
    };
    match result {
        Ok(()) => 0,
        Err(Failure(text)) => {
            crate::emit::flush();
            warn!("{text}\n");
            1
        }
    }
}
