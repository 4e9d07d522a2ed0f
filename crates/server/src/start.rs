//! From the command line to a serving process.

use std::cell::RefCell;
use std::io::Read;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use commands::server::Server;
use config::{Command, Directive, Environment, Family, Files, Run, Store};

use crate::shell::Program;
use crate::{cron, listen, log, orders, process, title, worker};

/// Bytes of heap from which huge pages are worth their size; an idle server has some 4 MB.
const SMALL_HEAP: u64 = 12 << 20;

const PROGRAM: &str = "russet-server";

/// Runs the program.
pub fn run() -> ExitCode {
    let args: Vec<Vec<u8>> =
        std::env::args_os().skip(1).map(std::os::unix::ffi::OsStringExt::into_vec).collect();
    let family = Family::of_program(std::env::args_os().next().unwrap_or_default().as_encoded_bytes());
    match config::argv::parse(&args) {
        Command::Version => {
            println!(
                "{} server v={} sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=russet-{}",
                family.product(),
                family.version(),
                env!("CARGO_PKG_VERSION")
            );
            ExitCode::SUCCESS
        }
        Command::Help => {
            let text = config::argv::help(PROGRAM);
            match family {
                Family::Redis => {
                    eprint!("{text}");
                    ExitCode::FAILURE
                }
                Family::Valkey => {
                    print!("{text}");
                    ExitCode::SUCCESS
                }
            }
        }
        Command::TestMemory(megabytes) => crate::checks::test_memory(megabytes.as_deref(), PROGRAM),
        Command::CheckSystem => crate::checks::check_system(),
        Command::Run(run) => serve(&run, family),
    }
}

/// The file system, for the configuration's grammar.
struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &[u8]) -> std::io::Result<Vec<u8>> {
        std::fs::read(path_of(path))
    }

    fn glob(&mut self, pattern: &[u8]) -> Vec<Vec<u8>> {
        let pattern = String::from_utf8_lossy(pattern).into_owned();
        let (folder, name) = pattern.rsplit_once('/').unwrap_or((".", &pattern));
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut found: Vec<Vec<u8>> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|file| ds::glob::glob_match(name.as_bytes(), file.as_bytes(), false))
            .map(|file| {
                if pattern.contains('/') {
                    format!("{folder}/{file}").into_bytes()
                } else {
                    file.into_bytes()
                }
            })
            .collect();
        found.sort();
        found
    }

    fn change_dir(&mut self, path: &[u8]) -> std::io::Result<Vec<u8>> {
        std::env::set_current_dir(path_of(path))?;
        Ok(std::env::current_dir()?.to_string_lossy().into_owned().into_bytes())
    }
}

fn path_of(path: &[u8]) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(path).into()
}

fn configuration(run: &Run, family: Family) -> Result<Arc<Store>, config::Fatal> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let dir = std::env::current_dir()
        .map_or_else(|_| b".".to_vec(), |dir| dir.to_string_lossy().into_owned().into_bytes());
    let store = Arc::new(Store::new(&Environment { cores, dir, family }));
    let mut stdin = Vec::new();
    if run.stdin {
        // What cannot be read is not there.
        let _ = std::io::stdin().read_to_end(&mut stdin);
    }
    config::load(&store, run, &stdin, &mut Disk)?;
    Ok(store)
}

fn serve(run: &Run, family: Family) -> ExitCode {
    let file =
        run.file.as_ref().map(|path| std::path::absolute(path_of(path)).unwrap_or_else(|_| path_of(path)));
    let store = match configuration(run, family) {
        Ok(store) => store,
        Err(error @ config::Fatal::Line { .. }) => {
            eprint!("{error}");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            log::warning(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    log::configure(&store);
    if store.flag(Directive::Daemonize) && sys::os::daemonize().is_err() {
        return ExitCode::FAILURE;
    }
    // A refusal only costs memory.
    let _ = if store.flag(Directive::DisableThp) {
        sys::os::allow_huge_pages(false)
    } else {
        sys::alloc::await_huge_pages(SMALL_HEAP)
    };
    let seed = store.bytes(Directive::HashSeed);
    if !seed.is_empty() && !ds::hash::set_seed(&seed) {
        log::warning("The hash seed was in use before the configuration was read");
        return ExitCode::FAILURE;
    }
    let threads = store.int(Directive::IoThreads).max(1) as usize;
    let rows = commands::table::table().rows().len();
    // One set of counters more, for the threads beside the workers.
    let server: &'static Server = Box::leak(Box::new(Server::new(store, threads + 1, rows)));
    server.persistence.valkey.store(family == Family::Valkey, Relaxed);
    if let Some(file) = file {
        *server.config_file.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) =
            file.display().to_string();
    }
    let (product, version) = (family.product(), family.version());
    log::notice(&format!("oO0OoO0OoO0Oo {product} is starting oO0OoO0OoO0Oo"));
    log::notice(&format!(
        "{product} version={version}, bits=64, commit=00000000, modified=0, pid={}, just started",
        std::process::id()
    ));
    match run.file {
        Some(_) => log::notice("Configuration loaded"),
        None => log::warning(
            "Warning: no config file specified, using the default config. In order to specify a config file use russet-server /path/to/redis.conf",
        ),
    }
    title::claim(server);
    process::report_crashes(server);
    process::raise_limits(server);
    if let Err(text) = process::set_oom_score(server) {
        log::warning(&text);
    }
    process::write_pid_file(server);
    process::show_logo(server);
    process::notify(server, &format!("STATUS={product} is loading..."));
    let result = main_loop(server, threads);
    process::remove_pid_file(server);
    match result {
        Ok(()) => {
            process::remove_unix_socket(server);
            log::warning(&format!("{product} is now ready to exit, bye bye..."));
            ExitCode::SUCCESS
        }
        Err(text) => {
            log::warning(&text);
            ExitCode::FAILURE
        }
    }
}

/// A load that is over within this time is seen by nobody: connections wait in the listener's queue, as with the peers,
/// which look at their sockets only between the chunks of a large file.
const SHORT_LOAD: Duration = Duration::from_millis(200);

fn main_loop(server: &'static Server, threads: usize) -> Result<(), String> {
    let runtime = worker::runtime().map_err(|error| error.to_string())?;
    let (program, orders) = Program::new(server).map_err(|error| error.to_string())?;
    let mut inbox = orders::Inbox::new(orders);
    if server.shell.set(Box::new(program)).is_err() {
        return Err("The server was started twice".into());
    }
    // Before anybody can connect, and then ask for the end by a signal.
    let mut signals = {
        let _inside = runtime.enter();
        crate::threads::show_on_alarm().map_err(|error| error.to_string())?;
        orders::Signals::new()?
    };
    if !server.apply_collation() {
        let name = server.config.text(Directive::LocaleCollate);
        return Err(format!("Failed to configure LOCALE for invalid locale name: '{name}'."));
    }
    let listeners = listen::bind(server)?;
    let (tcp, unix) = (!listeners.tcp.is_empty(), listeners.unix.is_some());
    if server.config.flag(Directive::AlwaysShowLogo) {
        // Wrappers and Valkey's own suite find the process id in the banner.
        let port = server.config.int(Directive::Port);
        log::notice(&format!("Russet, running in standalone mode. Port: {port} PID: {}", std::process::id()));
    }
    log::notice("Server initialized");
    if let Some((host, port)) = server.config.replicaof() {
        server.replication.set_primary(Some((host, port)));
    }
    server.set_loading(true);
    let stirs: Vec<_> = (0..threads).map(|_| Arc::new(crate::alarm::Alarm::default())).collect();
    let wake = |stir: &Arc<crate::alarm::Alarm>| -> keyspace::Wake {
        let stir = stir.clone();
        Box::new(move || stir.ring())
    };
    server.keyspace.set_sleepers(stirs.iter().map(wake).collect());
    let start = |(index, stir)| worker::start(server, index, stir);
    let workers: Result<Vec<_>, _> = stirs.into_iter().enumerate().map(start).collect();
    let workers = Arc::new(workers.map_err(|error| error.to_string())?);
    let slot = server.keyspace.gate().register().ok_or("the gate has no slot left")?;
    let worker = Rc::new(RefCell::new(engine::Worker::new(threads, slot)));
    runtime.block_on(async {
        let mut load = tokio::task::spawn_blocking(move || crate::load::load_at_start(server));
        let loaded = tokio::time::timeout(SHORT_LOAD, &mut load).await;
        server.set_loading(loaded.is_err());
        let accepting = listen::accept_tcp(listeners.tcp, &workers).map_err(|error| error.to_string())?;
        listen::accept_unix(listeners.unix, workers.clone()).map_err(|error| error.to_string())?;
        match loaded {
            Ok(loaded) => loaded,
            Err(_) => tokio::select! {
                loaded = load => loaded,
                () = signals.end_of_loading(server, &mut inbox) => return Ok(()),
            },
        }
        .map_err(|error| error.to_string())??;
        server.set_loading(false);
        server.samples.startup_bytes.store(server.samples.note_memory(sys::alloc::allocated()), Relaxed);
        if tcp {
            log::notice("Ready to accept connections tcp");
        }
        if unix {
            log::notice("Ready to accept connections unix");
        }
        tokio::task::spawn_local(cron::run(server));
        process::notify(server, "STATUS=Ready to accept connections\nREADY=1");
        orders::follow(server, worker, inbox, orders::Listening { workers, accepting }, signals).await
    })
}
