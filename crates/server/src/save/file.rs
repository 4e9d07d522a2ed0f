//! The dump file: written under a temporary name, named once it is complete and on disk.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use commands::server::Server;
use config::Directive;

use super::Target;

/// Bytes written between two requests to the kernel to start writing them out. It does so in one piece, half a millisecond
/// for a megabyte, in which nothing else runs on the core.
const WRITEBACK_BYTES: u64 = 128 << 10;

/// A file that gets its name once it is complete and on disk.
pub struct DumpFile {
    file: Arc<File>,
    path: PathBuf,
    temporary: PathBuf,
}

struct FileTarget {
    file: Arc<File>,
    written: u64,
    started: u64,
}

impl Target for FileTarget {
    fn is_prompt(&self) -> bool {
        true
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        self.written += bytes.len() as u64;
        if self.written - self.started >= WRITEBACK_BYTES {
            sys::os::start_writeback(&self.file, self.started, self.written - self.started);
            self.started = self.written;
        }
        Ok(())
    }
}

impl DumpFile {
    /// Creates the temporary file of a snapshot that runs beside others, next to `dir`/`dbfilename`.
    pub fn create(server: &Server) -> io::Result<DumpFile> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        DumpFile::named(server, format!("{}{number}.rdb", temporary_start()))
    }

    /// The same for who saves alone; the peers' name for it.
    pub(super) fn alone(server: &Server) -> io::Result<DumpFile> {
        DumpFile::named(server, format!("{}rdb", temporary_start()))
    }

    fn named(server: &Server, temporary: String) -> io::Result<DumpFile> {
        let file = Arc::new(File::create(&temporary)?);
        Ok(DumpFile { file, path: dump_path(server), temporary: temporary.into() })
    }

    /// The file as a snapshot's target.
    pub fn target(&self) -> Box<dyn Target> {
        Box::new(FileTarget { file: self.file.clone(), written: 0, started: 0 })
    }

    /// Makes the file durable and gives it its name, or removes it if the snapshot failed.
    pub fn settle(self, result: io::Result<()>) -> io::Result<()> {
        let rename = || {
            std::fs::rename(&self.temporary, &self.path).inspect_err(|error| {
                let (from, to, reason) =
                    (self.temporary.display(), self.path.display(), config::load::system_words(error));
                let root = std::env::current_dir().unwrap_or_default();
                crate::log::warning(&format!(
                    "Error moving temp DB file {from} on the final destination {to} (in server root dir {}): {reason}",
                    root.display()
                ));
            })
        };
        let result = result
            .and_then(|()| self.file.sync_all())
            .and_then(|()| rename())
            .and_then(|()| File::open(".")?.sync_all());
        if result.is_err() {
            // The error that counts is the first one.
            let _ = std::fs::remove_file(&self.temporary);
        }
        result
    }
}

/// What the names of the files begin with that this process is writing.
fn temporary_start() -> String {
    format!("temp-{}.", std::process::id())
}

/// Removes what this process was writing, before it ends in the middle of it.
pub fn remove_temporary_files() {
    let start = temporary_start();
    for entry in std::fs::read_dir(".").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(&start) {
            // It may have got its name meanwhile.
            let _ = std::fs::remove_file(name);
        }
    }
}

/// Where the dump file is: the working directory is `dir`.
pub fn dump_path(server: &Server) -> PathBuf {
    PathBuf::from(&*server.config.text(Directive::Dbfilename))
}
