//! Starts a server process in a directory of its own and takes it down again.
//!
//! Invariant: a `Server` that is dropped leaves no process and no directory behind; it only ever signals
//! the process that it started. Callers: yardsticks and integration tests.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::CpuSet;

use crate::client::Client;
use crate::reply::Reply;

/// How long a server may take until it answers PING.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How often a lost race for a port is tried again.
const PORT_TRIES: u32 = 5;

static NEXT_DIR: AtomicU32 = AtomicU32::new(0);

/// What to start.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The server binary; it is started as `binary --port N ARGS`.
    pub binary: PathBuf,
    /// A word before everything else, for a binary that is several programs.
    pub subcommand: Option<String>,
    /// Arguments after the port.
    pub args: Vec<String>,
    /// The cores that it may use; all when empty.
    pub cpus: Vec<usize>,
    /// How long to wait for the first PONG; loading a large file takes its time.
    pub start_limit: Duration,
    /// A directory to start in, kept afterwards; a fresh one, removed afterwards, when `None`.
    pub dir: Option<PathBuf>,
}

impl Spec {
    /// `binary` without persistence, on all cores.
    pub fn new(binary: impl Into<PathBuf>) -> Spec {
        Spec {
            binary: binary.into(),
            subcommand: None,
            args: ["--save", "", "--bind", "127.0.0.1"].map(String::from).to_vec(),
            cpus: Vec::new(),
            start_limit: START_LIMIT,
            dir: None,
        }
    }

    /// Adds arguments, split at spaces.
    #[must_use]
    pub fn args(mut self, line: &str) -> Spec {
        self.args.extend(line.split_whitespace().map(String::from));
        self
    }

    /// Pins the process to these cores.
    #[must_use]
    pub fn cpus(mut self, cpus: &[usize]) -> Spec {
        self.cpus = cpus.to_vec();
        self
    }
}

/// A running server process.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    dir: PathBuf,
    keep_dir: bool,
}

impl Server {
    /// Starts a server and waits until it answers PING.
    ///
    /// # Errors
    /// When it cannot be started or does not answer; the end of its log is in the message.
    pub fn start(spec: &Spec) -> io::Result<Server> {
        let mut last = io::Error::other("never tried");
        for _ in 0..PORT_TRIES {
            match Server::try_start(spec) {
                Ok(server) => return Ok(server),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn try_start(spec: &Spec) -> io::Result<Server> {
        let port = free_port()?;
        let dir = match &spec.dir {
            Some(dir) => dir.clone(),
            None => fresh_dir()?,
        };
        let log = File::create(dir.join("log"))?;
        let child = with_cpus(&spec.cpus, || {
            Command::new(&spec.binary)
                .args(&spec.subcommand)
                .arg("--port")
                .arg(port.to_string())
                .args(&spec.args)
                .current_dir(&dir)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()
        })
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", spec.binary.display())))?;
        let mut server = Server { child, port, dir, keep_dir: spec.dir.is_some() };
        server.wait_ready(spec.start_limit)?;
        Ok(server)
    }

    fn wait_ready(&mut self, limit: Duration) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            if let Ok(mut client) = Client::connect(self.port, limit)
                && let Ok(reply) = client.words("PING")
                && (reply == Reply::Simple(b"PONG".to_vec()) || reply.text().starts_with("NOAUTH"))
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let log = self.log();
                let taken = log.contains("Address already in use");
                let kind = if taken { io::ErrorKind::AddrInUse } else { io::ErrorKind::Other };
                return Err(io::Error::new(kind, format!("the server ended with {status}:\n{}", tail(&log))));
            }
            if begin.elapsed() > limit {
                return Err(io::Error::other(format!("no PONG in {limit:?}:\n{}", tail(&self.log()))));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The working directory; its files go when the server is dropped.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Everything that it has printed so far.
    pub fn log(&self) -> String {
        fs::read(self.dir.join("log")).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// A new connection; replies may take a minute.
    ///
    /// # Errors
    /// When it does not accept.
    pub fn client(&self) -> io::Result<Client> {
        Client::connect(self.port, Duration::from_secs(60))
    }

    /// True while the process lives.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it as `kill -9` does and waits for its end.
    pub fn kill(&mut self) {
        // Both fail only when it has ended already, which is what is wanted.
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has no process any more.
    pub fn signal(&self, signal: rustix::process::Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("no process id"))?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it lives on.
    pub fn wait(&mut self, limit: Duration) -> io::Result<ExitStatus> {
        let begin = Instant::now();
        while begin.elapsed() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the server did not end"))
    }

    /// Ends it with SIGTERM and waits, so that it can save; returns whether it exited with 0.
    ///
    /// # Errors
    /// When the signal cannot be sent or the process does not end in time.
    pub fn terminate(&mut self, limit: Duration) -> io::Result<bool> {
        self.signal(rustix::process::Signal::TERM)?;
        Ok(self.wait(limit)?.success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if !self.keep_dir {
            _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// The last lines of a log, enough to see why a start failed.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// A port that was free a moment ago.
///
/// # Errors
/// When the machine has none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A new empty directory under the system's temporary one.
///
/// # Errors
/// When it cannot be made.
pub fn fresh_dir() -> io::Result<PathBuf> {
    let number = NEXT_DIR.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("russet-{}-{number}", std::process::id()));
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Runs `start` while this thread is pinned to `cpus`: a child process inherits that.
///
/// # Errors
/// Those of `start`, and when the kernel refuses the cores.
pub fn with_cpus<T>(cpus: &[usize], start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if cpus.is_empty() {
        return start();
    }
    let before = rustix::thread::sched_getaffinity(None)?;
    pin(cpus)?;
    let result = start();
    rustix::thread::sched_setaffinity(None, &before)?;
    result
}

/// Pins this thread to `cpus`.
///
/// # Errors
/// When the kernel refuses the cores.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|&cpu| set.set(cpu));
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ends_is_reported_with_its_output() {
        let spec = Spec { args: Vec::new(), ..Spec::new("/bin/echo") };
        let error = Server::start(&spec).expect_err("echo is no server").to_string();
        assert!(error.contains("ended") && error.contains("--port"), "{error}");
    }

    #[test]
    fn a_missing_binary_is_named() {
        let error = Server::start(&Spec::new("/nonexistent/server")).expect_err("missing").to_string();
        assert!(error.contains("/nonexistent/server"), "{error}");
    }
}
