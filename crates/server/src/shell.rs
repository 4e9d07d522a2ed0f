//! What the engine asks of the program around it.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use commands::server::{LogLevel, Server, Shell, ShutdownMode};
use config::Directive;
use keyspace::Access;
use tokio::sync::mpsc;

/// Work for the main task.
pub enum Order {
    Replicate(Option<(String, u16)>),
    Shutdown(ShutdownMode),
    /// Close the TCP listeners and open those that the configuration names now; the answer says what went wrong.
    Listen(std_mpsc::Sender<Result<(), String>>),
}

/// How long CONFIG SET waits for the listeners.
const LISTEN_PATIENCE: Duration = Duration::from_secs(5);
/// Descriptors beside those of clients.
pub const SPARE_DESCRIPTORS: u64 = 32;

/// See the module's text.
pub struct Program {
    server: &'static Server,
    orders: mpsc::UnboundedSender<Order>,
    garbage: std_mpsc::Sender<Box<dyn Any + Send>>,
}

impl Program {
    /// The program's side of the engine, and where its orders arrive.
    pub fn new(server: &'static Server) -> std::io::Result<(Program, mpsc::UnboundedReceiver<Order>)> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (garbage, heap) = std_mpsc::channel::<Box<dyn Any + Send>>();
        std::thread::Builder::new()
            .name("lazy free".into())
            .spawn(move || heap.into_iter().for_each(drop))?;
        Ok((Program { server, orders, garbage }, inbox))
    }

    /// The main task listens; it holds no lock that the caller could have.
    fn listen_anew(&self, refusal: &str) -> Result<(), String> {
        let (answer, result) = std_mpsc::channel();
        self.order(Order::Listen(answer));
        match result.recv_timeout(LISTEN_PATIENCE) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(text)) => {
                crate::log::warning(&text);
                Err(refusal.to_owned())
            }
            Err(_) => Err(refusal.to_owned()),
        }
    }

    fn order(&self, order: Order) {
        // The main task ends only with the process.
        let _ = self.orders.send(order);
    }
}

impl Shell for Program {
    fn save_alone(&self, access: &mut Access<'_>) -> Result<(), String> {
        crate::save::save_alone(self.server, access)
    }

    fn begin_save(&self, access: &mut Access<'_>) -> Result<(), String> {
        crate::save::begin_to_file(self.server, access)
    }

    fn load_alone(&self, access: &mut Access<'_>, flush: bool) -> Result<(), String> {
        crate::load::load_alone(self.server, access, flush)
    }

    fn free_later(&self, garbage: Box<dyn Any + Send>) {
        let _ = self.garbage.send(garbage);
    }

    fn replicate(&self, primary: Option<(String, u16)>) {
        if let Err(text) = crate::process::set_oom_score(self.server) {
            crate::log::warning(&text);
        }
        self.order(Order::Replicate(primary));
    }

    fn shutdown(&self, how: ShutdownMode) {
        self.order(Order::Shutdown(how));
    }

    fn abort_shutdown(&self) -> bool {
        crate::shutdown::abort()
    }

    fn reconfigure(&self, directive: Directive) -> Result<(), String> {
        let config = &self.server.config;
        match directive {
            Directive::Port => self.listen_anew("Unable to listen on this port. Check server logs."),
            Directive::Bind => self.listen_anew("Failed to bind to specified addresses."),
            Directive::Maxclients => enough_descriptors(config.int(directive).max(0) as u64),
            Directive::Loglevel
            | Directive::Logfile
            | Directive::LogFormat
            | Directive::LogTimestampFormat => {
                crate::log::configure(config);
                Ok(())
            }
            Directive::OomScoreAdj | Directive::OomScoreAdjValues => {
                crate::process::set_oom_score(self.server)
            }
            Directive::Dir => std::env::set_current_dir(&*config.text(Directive::Dir))
                .map_err(|error| config::load::system_words(&error)),
            Directive::ProcTitleTemplate => {
                crate::title::show(self.server);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn replace_file(&self, path: &str, make: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> Result<(), String> {
        replace(Path::new(path), make).map_err(|error| config::load::system_words(&error))
    }

    fn log(&self, level: LogLevel, text: &str) {
        crate::log::log(level, text);
    }
}

/// Raises the limit of open files to what so many clients need.
fn enough_descriptors(clients: u64) -> Result<(), String> {
    let limit = sys::os::raise_open_files(clients + SPARE_DESCRIPTORS);
    if limit >= clients + SPARE_DESCRIPTORS {
        return Ok(());
    }
    let possible = limit.saturating_sub(SPARE_DESCRIPTORS);
    Err(format!(
        "The operating system is not able to handle the specified number of clients, try with {possible}"
    ))
}

/// A new file beside the old one, synced, takes its place and its permissions; then the folder is synced.
fn replace(path: &Path, make: &mut dyn FnMut(&[u8]) -> Vec<u8>) -> io::Result<()> {
    let old = match fs::read(path) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let new = make(&old);
    // Through a symbolic link, so that the link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = write_synced(&temporary, &path, &new).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // The name is ours; nothing else is lost with it.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn write_synced(temporary: &Path, model: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    if let Ok(metadata) = fs::metadata(model) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_as_a_whole() -> io::Result<()> {
        let folder = std::env::temp_dir().join(format!("russet-replace-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let path = folder.join("a.conf");
        for (expected_old, new) in [("", "one"), ("one", "two"), ("two", "")] {
            replace(&path, &mut |old| {
                assert_eq!(old, expected_old.as_bytes());
                new.into()
            })?;
            assert_eq!(fs::read(&path)?, new.as_bytes());
        }
        assert_eq!(fs::read_dir(&folder)?.count(), 1, "no temporary file stays");
        assert!(replace(&folder.join("none/a.conf"), &mut |_| Vec::new()).is_err());
        fs::remove_dir_all(&folder)
    }
}
