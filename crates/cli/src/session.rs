//! A dialogue with a server: the connection and what must be known about it (database, transaction,
//! protocol, subscriptions), commands with their replies printed, reconnects and cluster redirects.
//!
//! Invariant: `connection` is dropped as soon as the stream is out of step; the next command opens a new
//! one with the same credentials, database and protocol. Used by one-shot commands and by both prompts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use resp::reply::Value;

use crate::connection::{Address, Connection, ReadError};
use crate::face::Face;
use crate::options::{Options, Output, Protocol};
use crate::{emit, format, pubsub, warn};

/// Redirects followed for one command before giving up.
const MAX_REDIRECTS: u32 = 16;

/// How often a wait looks for Ctrl-C.
const INTERRUPT_CHECK: Duration = Duration::from_millis(100);

/// Prints replies in another than the classic formats. Given the command and its reply.
pub type Renderer = Box<dyn FnMut(&[Vec<u8>], &Value) -> bool>;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A reply was printed, error replies included.
    Done,
    /// The connection was lost or could not be made; said on stderr.
    Lost,
    /// Ctrl-C.
    Cancelled,
}

/// The dialogue.
pub struct Session {
    /// Flags; host and port move with redirects and `connect`.
    pub options: Options,
    /// Classic format in force.
    pub output: Output,
    /// Replies go to a terminal (or are made believe so).
    pub tty: bool,
    /// A prompt is running: errors are survived.
    pub interactive: bool,
    connection: Option<Connection>,
    /// Database selected on the connection.
    pub db: u32,
    /// Database to go back to when a transaction is discarded.
    db_before_multi: u32,
    /// Inside MULTI.
    pub in_multi: bool,
    /// RESP3 is spoken.
    pub resp3: bool,
    /// Subscriptions.
    pub pubsub: pubsub::State,
    /// Set by Ctrl-C when a prompt handles it.
    pub interrupt: Option<Arc<AtomicBool>>,
    /// Rich replies.
    pub renderer: Option<Renderer>,
    /// Show what a server says about itself.
    pub show_pushes: bool,
    /// Last reply was an error: exit code with `-e`.
    pub last_was_error: bool,
    shutting_down: bool,
    /// Seconds the last command took, for the prompt.
    pub elapsed: Duration,
}

impl Session {
    /// A session that is not connected yet.
    #[must_use]
    pub fn new(options: Options, tty: bool) -> Self {
        let output = options.output.unwrap_or(if tty { Output::Standard } else { Output::Raw });
        Self {
            output,
            tty,
            interactive: false,
            connection: None,
            db: 0,
            db_before_multi: 0,
            in_multi: false,
            resp3: false,
            pubsub: pubsub::State::default(),
            interrupt: None,
            renderer: None,
            show_pushes: options.show_pushes.unwrap_or(tty),
            last_was_error: false,
            shutting_down: false,
            elapsed: Duration::ZERO,
            options,
        }
    }

    /// True while a connection stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// The connection, for modes that speak to the server themselves.
    pub fn connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// Hands the connection over.
    pub fn take_connection(&mut self) -> Option<Connection> {
        self.connection.take()
    }

    /// Forgets the connection.
    pub fn disconnect(&mut self) {
        self.connection = None;
        self.in_multi = false;
        self.pubsub = pubsub::State::default();
    }

    /// Opens a connection anew and introduces the client. False, after a word on stderr unless `quiet`.
    pub fn connect(&mut self, quiet: bool) -> bool {
        self.disconnect();
        self.db = 0;
        self.resp3 = false;
        let address = Address::from_options(&self.options);
        match Connection::open(&address, &self.options) {
            Ok(connection) => self.connection = Some(connection),
            Err(reason) => {
                if !quiet {
                    let product = self.options.face.product();
                    warn!("Could not connect to {product} at {address}: {reason}\n");
                }
                return false;
            }
        }
        self.introduce()
    }

    /// AUTH, HELLO, CLIENT SETNAME, SELECT as far as asked for. Refusals are told but do not end anything.
    fn introduce(&mut self) -> bool {
        if let Some(password) = self.options.auth.clone() {
            let mut argv = vec!["AUTH".to_owned()];
            argv.extend(self.options.user.clone());
            argv.push(password);
            if !self.greet(&argv, "AUTH failed", true) {
                return self.is_connected();
            }
        }
        let wanted = self.options.protocol;
        if matches!(wanted, Protocol::Resp3 | Protocol::PreferResp3) {
            let argv = ["HELLO".to_owned(), "3".to_owned()];
            self.resp3 = self.greet(&argv, "HELLO 3 failed", wanted == Protocol::Resp3);
        }
        if let Some(name) = self.options.client_name.clone() {
            self.greet(&["CLIENT".to_owned(), "SETNAME".to_owned(), name], "CLIENT SETNAME failed", true);
        }
        let db = self.options.db;
        if db != 0 && self.greet(&["SELECT".to_owned(), db.to_string()], &format!("SELECT {db} failed"), true)
        {
            self.db = db;
        }
        self.is_connected()
    }

    fn greet(&mut self, argv: &[String], complaint: &str, loud: bool) -> bool {
        match self.call(argv) {
            Ok(Value::Error(text)) => {
                if loud {
                    warn!("{complaint}: {}\n", String::from_utf8_lossy(&text));
                }
                false
            }
            Ok(_) => true,
            Err(error) => {
                if !error.is_interrupt() {
                    self.complain(&error);
                }
                self.connection = None;
                false
            }
        }
    }

    /// One command and its reply, neither printed nor learnt from. Ctrl-C ends it when a prompt handles it.
    ///
    /// # Errors
    /// The connection is gone or out of step: the caller drops it.
    pub fn call<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<Value, ReadError> {
        self.connection.as_mut().ok_or(ReadError::Closed)?.send(argv)?;
        loop {
            match self.wait()? {
                Value::Push(_) => {}
                value => return Ok(value),
            }
        }
    }

    /// Says on stderr, in one line, why there is no reply.
    fn complain(&self, error: &ReadError) {
        // The classic clients show the byte and leave the rest to the reader.
        if error.is_tls_alert() && !self.options.tls.on && self.options.face == Face::Russet {
            warn!("Error: the server speaks TLS on this port (--tls)\n");
        } else {
            warn!("Error: {error}\n");
        }
    }

    /// Runs one command and prints what comes back; connects first when needed.
    pub fn run(&mut self, argv: &[Vec<u8>]) -> Outcome {
        if self.connection.is_none() && !self.connect(false) {
            return Outcome::Lost;
        }
        let started = Instant::now();
        let mut asking = false;
        for _ in 0..=MAX_REDIRECTS {
            let outcome = match self.exchange(argv, asking) {
                Ok(Some(redirect)) => {
                    asking = redirect.ask;
                    if !self.follow(&redirect) {
                        return Outcome::Lost;
                    }
                    continue;
                }
                Ok(None) => Outcome::Done,
                Err(error) => self.lost(&error),
            };
            self.elapsed = started.elapsed();
            return outcome;
        }
        warn!("Error: too many redirections\n");
        Outcome::Done
    }

    fn lost(&mut self, error: &ReadError) -> Outcome {
        self.disconnect();
        if error.is_interrupt() {
            return Outcome::Cancelled;
        }
        if self.shutting_down {
            self.shutting_down = false;
            return Outcome::Done;
        }
        self.complain(error);
        Outcome::Lost
    }

    /// Sends, then reads until the command is answered.
    fn exchange(&mut self, argv: &[Vec<u8>], asking: bool) -> Result<Option<Redirect>, ReadError> {
        let name = lower(argv.first());
        self.shutting_down = name == "shutdown";
        if asking {
            self.call(&["ASKING"])?;
        }
        self.connection.as_mut().ok_or(ReadError::Closed)?.send(argv)?;
        let mut confirmations = self.pubsub.confirmations(argv);
        loop {
            let value = self.wait()?;
            if self.pubsub.is_push(&value, self.resp3) {
                let confirmed = self.pubsub.observe(&value);
                self.print_push(&value);
                if confirmed && confirmations > 0 {
                    confirmations -= 1;
                    if confirmations == 0 {
                        self.last_was_error = false;
                        break;
                    }
                }
                continue;
            }
            if let Some(redirect) = self.redirect(&value) {
                return Ok(Some(redirect));
            }
            self.learn(&name, argv, &value);
            self.print(argv, &value);
            break;
        }
        let monitoring = name == "monitor" && !self.last_was_error;
        if monitoring || (self.pubsub.active() && !self.interactive) {
            self.stream_forever()?;
        }
        Ok(None)
    }

    /// Prints what comes until the connection ends or Ctrl-C.
    ///
    /// # Errors
    /// Always ends with one.
    pub fn stream_forever(&mut self) -> Result<(), ReadError> {
        loop {
            let value = self.wait()?;
            self.pubsub.observe(&value);
            self.print(&[], &value);
            emit::flush();
        }
    }

    /// The next value; Ctrl-C ends the wait with an interrupt error when a prompt handles it.
    fn wait(&mut self) -> Result<Value, ReadError> {
        let connection = self.connection.as_mut().ok_or(ReadError::Closed)?;
        let Some(flag) = &self.interrupt else { return connection.read() };
        loop {
            if let Some(value) = connection.buffered()? {
                return Ok(value);
            }
            if flag.swap(false, Ordering::Relaxed) {
                return Err(ReadError::Io(std::io::ErrorKind::Interrupted.into()));
            }
            if connection.wait(INTERRUPT_CHECK)? {
                connection.fill()?;
            }
        }
    }

    /// Prints what arrived without waiting, for prompts that are subscribed.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn drain_pushes(&mut self) -> Result<(), ReadError> {
        let connection = self.connection.as_mut().ok_or(ReadError::Closed)?;
        connection.fill()?;
        while let Some(value) = self.connection.as_mut().ok_or(ReadError::Closed)?.buffered()? {
            self.pubsub.observe(&value);
            self.print(&[], &value);
        }
        emit::flush();
        Ok(())
    }

    /// What a reply changes about the connection.
    fn learn(&mut self, name: &str, argv: &[Vec<u8>], value: &Value) {
        self.last_was_error = value.is_error();
        if value.is_error() {
            if name == "exec" {
                self.in_multi = false;
            }
            return;
        }
        match (name, argv.len()) {
            ("select", 2) => {
                let db = u32::try_from(crate::number::leading_i64(&argv[1])).unwrap_or(0);
                self.db = db;
                self.options.db = db;
            }
            ("auth", _) if self.options.db != self.db => {
                let db = self.options.db;
                if self.greet(&["SELECT".to_owned(), db.to_string()], &format!("SELECT {db} failed"), true) {
                    self.db = db;
                }
            }
            ("multi", 1) => {
                self.in_multi = true;
                self.db_before_multi = self.db;
            }
            ("exec", 1) => self.in_multi = false,
            ("discard", 1) => {
                self.in_multi = false;
                self.db = self.db_before_multi;
                self.options.db = self.db;
            }
            ("reset", 1) => {
                self.in_multi = false;
                self.resp3 = false;
                self.db = 0;
                self.options.db = 0;
                self.pubsub = pubsub::State::default();
            }
            ("hello", 2..) => {
                self.resp3 = argv[1] == b"3";
                self.options.protocol = if self.resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
            }
            _ => {}
        }
    }

    /// Prints a reply, or the error and exit with `-e`.
    fn print(&mut self, argv: &[Vec<u8>], value: &Value) {
        if self.options.error_exit
            && !self.interactive
            && let Value::Error(text) = value
        {
            emit::flush();
            warn!("{}\n", String::from_utf8_lossy(text));
            std::process::exit(1);
        }
        if let Some(render) = &mut self.renderer
            && render(argv, value)
        {
            return;
        }
        let verbatim = format::is_verbatim(argv);
        emit::out(&format::reply(value, self.output, verbatim, &self.options));
        emit::flush();
    }

    /// Out of band data outside of subscriptions is shown on terminals only.
    fn print_push(&mut self, value: &Value) {
        let invalidation = value.as_slice().filter(|items| {
            items.len() == 2 && items[0].as_bytes() == Some(b"invalidate") && !self.pubsub.active()
        });
        if let Some([_, keys]) = invalidation {
            if self.show_pushes && self.output == Output::Standard {
                let names = keys.as_slice().unwrap_or_default();
                let names: Vec<String> = names.iter().map(|key| format!("'{}'", key.to_text())).collect();
                emit::out(format!("-> invalidate: {}\n", names.join(", ")).as_bytes());
            } else if self.show_pushes {
                self.print(&[], value);
            }
            return;
        }
        if self.show_pushes
            || pubsub::is_message(value)
            || pubsub::is_confirmation(value)
            || self.pubsub.active()
        {
            self.print(&[], value);
        }
    }

    fn redirect(&self, value: &Value) -> Option<Redirect> {
        let Value::Error(text) = value else { return None };
        if !self.options.cluster_mode {
            return None;
        }
        Redirect::parse(&String::from_utf8_lossy(text))
    }

    fn follow(&mut self, redirect: &Redirect) -> bool {
        if redirect.host.is_empty() {
            // The node does not know its own name: the one that we used is good.
            let peer = self.connection.as_ref().and_then(Connection::peer_ip);
            self.options.host = peer.unwrap_or_else(|| self.options.host.clone());
        } else {
            self.options.host.clone_from(&redirect.host);
        }
        self.options.port = redirect.port;
        if self.interactive {
            let (host, port) = (&self.options.host, redirect.port);
            emit::out(
                format!("-> Redirected to slot [{}] located at {host}:{port}\n", redirect.slot).as_bytes(),
            );
        }
        self.connect(false)
    }
}

/// A cluster's "not here".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// ASK (this once) instead of MOVED.
    pub ask: bool,
    /// Slot of the key.
    pub slot: u16,
    /// Empty when the node gives none.
    pub host: String,
    /// Port to go to.
    pub port: u16,
}

impl Redirect {
    /// Reads `MOVED 3999 127.0.0.1:6381` and `ASK ...`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let ask = match words.next()? {
            "ASK" => true,
            "MOVED" => false,
            _ => return None,
        };
        let slot = words.next()?.parse().ok()?;
        let (host, port) = words.next()?.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self { ask, slot, host, port: port.parse().ok()? })
    }
}

/// A word of a command in lower case.
#[must_use]
pub fn lower(word: Option<&Vec<u8>>) -> String {
    word.map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects() {
        let parsed = |text| Redirect::parse(text);
        assert_eq!(
            parsed("MOVED 3999 127.0.0.1:6381"),
            Some(Redirect { ask: false, slot: 3999, host: "127.0.0.1".to_owned(), port: 6381 })
        );
        assert_eq!(
            parsed("ASK 1 ::1:7000"),
            Some(Redirect { ask: true, slot: 1, host: "::1".to_owned(), port: 7000 })
        );
        assert_eq!(parsed("MOVED 5 :7000").map(|redirect| redirect.host), Some(String::new()));
        for bad in ["ERR x", "MOVED", "MOVED x 1:2", "ASK 1 host", "ASK 1 host:99999"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
