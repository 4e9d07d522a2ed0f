//! The process among others: its pid file, its limits, its supervisor, and what it leaves behind when it crashes.

use std::io::IsTerminal;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, OnceLock};

use commands::server::Server;
use config::Directive;

use crate::log;
use crate::shell::SPARE_DESCRIPTORS;

/// Where the pid goes if `daemonize` is on and no file is named.
const DEFAULT_PID_FILE: &str = "/var/run/redis.pid";

fn pid_file(server: &Server) -> Option<String> {
    let given = server.config.text(Directive::Pidfile);
    match (given.is_empty(), server.config.flag(Directive::Daemonize)) {
        (false, _) => Some(given.to_string()),
        (true, true) => Some(DEFAULT_PID_FILE.to_owned()),
        (true, false) => None,
    }
}

const OOM_SCORE: &str = "/proc/self/oom_score_adj";
/// What the score was before `oom-score-adj` changed it.
static OOM_BASE: Mutex<Option<i32>> = Mutex::new(None);

/// Tells the kernel, as `oom-score-adj` says, how soon it may end this process when memory is short. There is no child
/// process, so the third of `oom-score-adj-values` has no use.
pub fn set_oom_score(server: &Server) -> Result<(), String> {
    const FAILED: &str = "Failed to set current oom_score_adj. Check server logs.";
    let config = &server.config;
    let mut base = OOM_BASE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let write = |score: i32| {
        let score = score.clamp(-1000, 1000);
        std::fs::write(OOM_SCORE, score.to_string()).map_err(|error| {
            let words = config::load::system_words(&error);
            log::warning(&format!("Unable to write oom_score_adj: {words}"));
            FAILED.to_owned()
        })
    };
    let mode = config.text(Directive::OomScoreAdj);
    if &*mode == "no" {
        return base.take().map_or(Ok(()), write);
    }
    let before = match *base {
        Some(before) => before,
        None => std::fs::read_to_string(OOM_SCORE)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| FAILED.to_owned())?,
    };
    let class = usize::from(server.replication.is_replica());
    let values = config.text(Directive::OomScoreAdjValues);
    let wanted = values.split(' ').nth(class).and_then(|word| word.parse().ok()).unwrap_or(0);
    write(if &*mode == "absolute" { wanted } else { before + wanted })?;
    *base = Some(before);
    Ok(())
}

/// A picture for terminals and for `always-show-logo`, a line for others. Tools look for the pid in it.
pub fn show_logo(server: &Server) {
    let port = server.config.int(Directive::Port);
    let to_terminal = server.config.text(Directive::Logfile).is_empty() && std::io::stdout().is_terminal();
    if !to_terminal && !server.config.flag(Directive::AlwaysShowLogo) {
        log::notice(&format!("Running mode=standalone, port={port}."));
        return;
    }
    let (product, version) = server.config.identity();
    log::raw(&format!(
        "\n      ___\n   .-'   '-.      russet {} (as {product} {version}) 64 bit\n  /  .---.  \\     Running in standalone mode\n \
         |  /     \\  |    Port: {port}\n  \\ '.___.' /     PID: {}\n   '-.___.-'\n\n",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    ));
}

/// Writes the pid file, if there is to be one. A failure is no reason not to serve.
pub fn write_pid_file(server: &Server) {
    if let Some(path) = pid_file(server)
        && let Err(error) = std::fs::write(&path, format!("{}\n", std::process::id()))
    {
        let reason = config::load::system_words(&error);
        log::warning(&format!("Failed to write PID file: {path}: {reason}"));
    }
}

/// Removes the pid file.
pub fn remove_pid_file(server: &Server) {
    if let Some(path) = pid_file(server) {
        log::notice("Removing the pid file.");
        // It may be gone, or in a folder that is not ours any more.
        let _ = std::fs::remove_file(path);
    }
}

/// Removes the local socket that the server listened on.
pub fn remove_unix_socket(server: &Server) {
    let path = server.config.text(Directive::Unixsocket);
    if !path.is_empty() {
        log::notice("Removing the unix socket file.");
        // Somebody may have taken it away, or the folder.
        let _ = std::fs::remove_file(&*path);
    }
}

/// Raises the limit of open files for `maxclients`; lowers `maxclients` if the system does not allow it.
pub fn raise_limits(server: &Server) {
    let wanted = server.config.int(Directive::Maxclients).max(1) as u64 + SPARE_DESCRIPTORS;
    let limit = sys::os::raise_open_files(wanted);
    if limit < wanted {
        let possible = limit.saturating_sub(SPARE_DESCRIPTORS).max(1);
        log::warning(&format!(
            "You requested maxclients of {} requiring at least {wanted} max file descriptors.",
            wanted - SPARE_DESCRIPTORS
        ));
        log::warning(&format!(
            "Current maximum open files is {limit}. maxclients has been reduced to {possible} to compensate for low ulimit. If you need higher maxclients increase 'ulimit -n'."
        ));
        if let Err(reason) = server.config.note(Directive::Maxclients, possible.to_string().as_bytes()) {
            log::warning(&reason);
        }
    }
}

/// Tells systemd how far the server is, if it wants to know.
pub fn notify(server: &Server, state: &str) {
    let supervised = server.config.text(Directive::Supervised);
    if !matches!(&*supervised, "systemd" | "auto") {
        return;
    }
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let path = path.to_string_lossy().into_owned();
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let sent = address
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop));
    if let Err(error) = sent {
        log::warning(&format!("Can't send to the systemd notification socket: {error}"));
    }
}

/// The server, for reports that nobody can hand it to.
static SERVER: OnceLock<&'static Server> = OnceLock::new();

/// A panic, and a fault, write a report to the log and end the process: a change that was half done must not be served.
pub fn report_crashes(server: &'static Server) {
    // The program calls this once.
    let _ = SERVER.set(server);
    std::panic::set_hook(Box::new(|panic| {
        // Another panic, or the signal that ends this one, is not to be reported again.
        sys::crash::reported();
        begin_report();
        let text = payload_text(panic.payload()).replace('\n', ": ");
        let place = panic.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        if text.starts_with("assertion") {
            log::warning("=== ASSERTION FAILED ===");
            log::warning(&format!("==> {place} '{text}' is not true"));
        } else {
            log::warning("------------------------------------------------");
            log::warning("!!! Software Failure. Press left mouse button to continue");
            log::warning(&format!("Guru Meditation: {text} #{place}"));
        }
        report();
        std::process::abort();
    }));
    sys::crash::on_crash(|signal| {
        if !server_flag(Directive::CrashLogEnabled) {
            return;
        }
        let (product, version) = identity();
        begin_report();
        log::warning(&format!(
            "{product} {version} crashed by signal: {signal} (SIG{})",
            sys::crash::name(signal)
        ));
        report();
    });
}

/// As what the server that crashes has introduced itself.
fn identity() -> (&'static str, &'static str) {
    SERVER
        .get()
        .map_or((config::Family::Redis.product(), config::REDIS_VERSION), |server| server.config.identity())
}

fn begin_report() {
    let product = identity().0.to_ascii_uppercase();
    log::raw(&format!("\n\n=== {product} BUG REPORT START: Cut & paste starting from here ===\n"));
}

/// The words of a panic.
fn payload_text(payload: &dyn std::any::Any) -> &str {
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("a panic")
}

fn server_flag(directive: Directive) -> bool {
    SERVER.get().is_some_and(|server| server.config.flag(directive))
}

/// The part of a report that is the same for all kinds of crashes.
fn report() {
    let thread = std::thread::current();
    log::raw("\n------ STACK TRACE ------\n");
    log::raw(&format!("thread '{}'\n", thread.name().unwrap_or("?")));
    let backtrace = std::backtrace::Backtrace::force_capture().to_string();
    log::raw(&format!("{backtrace}\n------ STACK TRACE DONE ------\n"));
    log::raw("\n------ INFO OUTPUT ------\n");
    if let Some(server) = SERVER.get() {
        let clients = server.clients.count.load(std::sync::atomic::Ordering::Relaxed);
        log::raw(&format!(
            "redis_version:{}\nrusset_version:{}\nuptime_in_seconds:{}\nconnected_clients:{clients}\nused_memory:{}\n",
            config::REDIS_VERSION,
            env!("CARGO_PKG_VERSION"),
            sys::os::unix_ms().saturating_sub(server.started_ms) / 1000,
            sys::alloc::allocated(),
        ));
    }
    let product = identity().0.to_ascii_uppercase();
    log::raw(&format!("\n=== {product} BUG REPORT END. Make sure to include from START to END. ===\n"));
}
