//! One side of a comparison: a server, its named connections and kept replies.
//!
//! Invariant: connection 0 exists after `reset`, in the script's protocol, on an empty server.
//! Callers: script runner and random runner.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use testkit::client::{Client, encode};
use testkit::process::{Server, Spec};
use testkit::reply::Reply;

use super::script::{Action, Part, Step, Word};

/// A reply that takes longer counts as none.
const REPLY_LIMIT: Duration = Duration::from_secs(5);

/// What a step got from one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    Frame(Vec<u8>),
    /// Nothing to compare.
    Nothing,
    /// No reply in time, the connection closed, or bytes that are no reply.
    Broken(String),
}

impl Got {
    /// For reports.
    pub fn shown(&self) -> String {
        match self {
            Got::Frame(bytes) => Reply::parse(bytes).map_or_else(|e| e.to_string(), |r| r.render()),
            Got::Nothing => "nothing".into(),
            Got::Broken(why) => format!("({why})"),
        }
    }
}

impl Got {
    /// The command that this reply calls unknown.
    pub fn unknown_command(&self) -> Option<String> {
        let Got::Frame(bytes) = self else { return None };
        let text = String::from_utf8_lossy(bytes);
        let rest = text.strip_prefix("-ERR unknown command '")?;
        rest.split('\'').next().map(str::to_ascii_lowercase)
    }
}

/// A server and the connections to it.
pub struct Side {
    server: Server,
    connections: BTreeMap<usize, Client>,
    kept: HashMap<String, Reply>,
    protocol: u8,
}

impl Side {
    /// Starts a server for comparisons.
    pub fn start(binary: &Path, args: &str) -> Result<Side> {
        let spec =
            Spec::new(binary).args("--enable-debug-command yes --enable-protected-configs yes").args(args);
        let plain = Spec::new(binary).args(args);
        // A server that does not know the first arguments yet is compared without them.
        let server = Server::start(&spec).or_else(|_| Server::start(&plain));
        let server = server.with_context(|| format!("starting {}", binary.display()))?;
        Ok(Side { server, connections: BTreeMap::new(), kept: HashMap::new(), protocol: 2 })
    }

    /// Empties the server and opens connection 0 in `protocol`.
    pub fn reset(&mut self, protocol: u8) -> Result<()> {
        self.connections.clear();
        self.kept.clear();
        self.protocol = protocol;
        ensure!(self.server.alive(), "the server has ended:\n{}", last_lines(&self.server.log()));
        let mut client = self.server.client()?;
        for line in ["FLUSHALL", "SCRIPT FLUSH", "FUNCTION FLUSH", "CONFIG RESETSTAT", "SLOWLOG RESET"] {
            client.words(line)?;
        }
        self.connection(0).map(|_| ())
    }

    /// Drops all connections; the next use opens them anew.
    pub fn reconnect(&mut self) {
        self.connections.clear();
    }

    /// The connection of this number, opened when it is new.
    pub fn connection(&mut self, number: usize) -> Result<&mut Client> {
        if !self.connections.contains_key(&number) {
            let mut client = Client::connect(self.server.port(), REPLY_LIMIT)?;
            if self.protocol == 3 {
                let reply = client.words("HELLO 3")?;
                ensure!(!reply.is_error(), "HELLO 3: {}", reply.render());
            }
            self.connections.insert(number, client);
        }
        self.connections.get_mut(&number).context("invariant: just inserted")
    }

    /// Runs one step.
    pub fn step(&mut self, step: &Step) -> Got {
        match self.try_step(step) {
            Ok(got) => got,
            Err(error) => {
                // A connection that broke is opened anew by its next use.
                self.connections.remove(&step.connection);
                Got::Broken(format!("{error:#}"))
            }
        }
    }

    fn try_step(&mut self, step: &Step) -> Result<Got> {
        match &step.action {
            Action::Call(words) => {
                self.send(step.connection, words)?;
                self.receive(step)
            }
            Action::Send(words) => self.send(step.connection, words).map(|()| Got::Nothing),
            Action::Raw(word) => {
                let bytes = self.expand(word)?;
                self.connection(step.connection)?.send_raw(&bytes)?;
                self.receive(step)
            }
            Action::Receive => self.receive(step),
            Action::ReceiveAny(count) => {
                let mut all = format!("*{count}\r\n").into_bytes();
                for _ in 0..*count {
                    all.extend(self.connection(step.connection)?.read_frame()?);
                }
                Ok(Got::Frame(all))
            }
            Action::Closed => match self.connection(step.connection)?.read_frame() {
                Ok(frame) => Ok(Got::Frame(frame)),
                Err(e) if is_closed(&e) => {
                    self.connections.remove(&step.connection);
                    Ok(Got::Nothing)
                }
                Err(e) => Err(e.into()),
            },
            Action::Nothing => {
                let frame = {
                    let client = self.connection(step.connection)?;
                    client.send(&["PING"])?;
                    client.read_frame()?
                };
                Ok(Got::Frame(frame))
            }
            Action::Blocked(count) => self.wait_blocked(*count).map(|()| Got::Nothing),
            Action::Pause(ms) => {
                thread::sleep(Duration::from_millis(*ms));
                Ok(Got::Nothing)
            }
        }
    }

    /// Sends ready-made arguments on connection 0 and returns the frame.
    pub fn call(&mut self, args: &[Vec<u8>]) -> Got {
        let mut run = || -> Result<Vec<u8>> {
            let client = self.connection(0)?;
            client.send(args)?;
            Ok(client.read_frame()?)
        };
        match run() {
            Ok(frame) => Got::Frame(frame),
            Err(error) => {
                self.connections.remove(&0);
                Got::Broken(format!("{error:#}"))
            }
        }
    }

    /// Sends ready-made arguments on connection 0 and returns the parsed reply.
    pub fn ask(&mut self, args: &[&[u8]]) -> Result<Reply> {
        let reply = self.connection(0)?.call(args)?;
        Ok(reply)
    }

    /// True while the server process lives.
    pub fn alive(&mut self) -> bool {
        self.server.alive()
    }

    /// What the server has printed.
    pub fn log(&self) -> String {
        self.server.log()
    }

    fn send(&mut self, connection: usize, words: &[Word]) -> Result<()> {
        let args = words.iter().map(|word| self.expand(word)).collect::<Result<Vec<_>>>()?;
        let mut bytes = Vec::new();
        encode(&mut bytes, &args);
        Ok(self.connection(connection)?.send_raw(&bytes)?)
    }

    fn receive(&mut self, step: &Step) -> Result<Got> {
        let frame = self.connection(step.connection)?.read_frame().map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                anyhow::anyhow!("connection closed")
            }
            io::ErrorKind::TimedOut => anyhow::anyhow!("no reply in {REPLY_LIMIT:?}"),
            _ => e.into(),
        })?;
        if let Some(name) = &step.keep {
            self.kept.insert(name.clone(), Reply::parse(&frame)?);
        }
        Ok(Got::Frame(frame))
    }

    fn expand(&self, word: &Word) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for part in word {
            match part {
                Part::Bytes(b) => bytes.extend_from_slice(b),
                Part::Variable(name, index) => {
                    let reply = self.kept.get(name).with_context(|| format!("${{{name}}} was never kept"))?;
                    let items = reply.items();
                    let chosen = match index {
                        Some(i) => {
                            items.get(*i).copied().with_context(|| format!("${{{name}.{i}}} is not there"))?
                        }
                        None => reply,
                    };
                    match chosen.bytes() {
                        Some(b) => bytes.extend_from_slice(b),
                        None => bytes.extend_from_slice(chosen.text().as_bytes()),
                    }
                }
            }
        }
        Ok(bytes)
    }

    fn wait_blocked(&mut self, count: usize) -> Result<()> {
        let mut client = self.server.client()?;
        let begun = Instant::now();
        loop {
            let now = client.info("blocked_clients")?;
            if now.as_deref() == Some(count.to_string().as_str()) {
                return Ok(());
            }
            if now.is_none() {
                // A server without INFO: give the client the time to arrive.
                thread::sleep(Duration::from_millis(50));
                return Ok(());
            }
            if begun.elapsed() > REPLY_LIMIT {
                bail!("blocked_clients is {now:?}, waited for {count}");
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
