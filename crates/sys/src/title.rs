//! The title of the process, as `ps` shows it: the kernel shows whatever stands in the memory into which it has put
//! arguments and environment (proc(5), `cmdline`).

use std::ffi::{CStr, c_char};

// SAFETY: POSIX defines it so (environ(7)).
unsafe extern "C" {
    /// The environment, which `getenv` and `std::env` read: pointers to `NAME=VALUE`, a null pointer behind the last.
    static mut environ: *mut *mut c_char;
}

/// The memory of arguments and environment, from now on the title's.
pub struct Title {
    start: *mut u8,
    /// Bytes, a NUL at the end included.
    len: usize,
}

// SAFETY: nothing else refers to the memory once it is claimed, and it lives as long as the process.
unsafe impl Send for Title {}

/// What the kernel says of this process in `/proc/self/stat`.
struct Stat {
    threads: usize,
    arguments: (usize, usize),
    environment: (usize, usize),
}

impl Stat {
    fn read() -> Option<Stat> {
        let text = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name, in parentheses, may contain anything. Behind it comes the third field of proc(5).
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<usize>().ok();
        Some(Stat {
            threads: field(20)?,
            arguments: (field(48)?, field(49)?),
            environment: (field(50)?, field(51)?),
        })
    }
}

impl Title {
    /// Moves the environment away and takes its memory and that of the arguments, which `std::env::args` no longer
    /// shows afterwards. None if other threads run or the kernel does not tell where that memory is.
    pub fn claim() -> Option<Title> {
        let Stat { threads, arguments, environment } = Stat::read()?;
        let in_order = arguments.0 != 0
            && arguments.0 < arguments.1
            && arguments.1 == environment.0
            && environment.0 < environment.1;
        if threads != 1 || !in_order {
            return None;
        }
        // SAFETY: this is the only thread, so nobody reads the environment meanwhile. The list ends with a null
        // pointer; each string before it ends with NUL. Strings in the kernel's memory are replaced by copies that
        // are never freed.
        unsafe {
            let mut entry = environ;
            while !entry.is_null() && !(*entry).is_null() {
                if (environment.0..environment.1).contains(&(*entry).addr()) {
                    *entry = CStr::from_ptr(*entry).to_owned().into_raw();
                }
                entry = entry.add(1);
            }
        }
        let start = std::ptr::with_exposed_provenance_mut(arguments.0);
        Some(Title { start, len: environment.1 - arguments.0 })
    }

    /// Shows the text, or as much of it as there is room for.
    pub fn set(&mut self, text: &[u8]) {
        let shown = text.len().min(self.len - 1);
        // SAFETY: `start` and `len` are the kernel's for memory that is mapped and writable for the life of the
        // process, and to which only this value refers. The last byte stays NUL.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), self.start, shown);
            std::ptr::write_bytes(self.start.add(shown), 0, self.len - shown);
        }
    }
}

#[cfg(test)]
mod tests {
    /// The environment must not move under the feet of others.
    #[test]
    fn not_beside_other_threads() {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || wait.recv());
        assert!(super::Title::claim().is_none());
        drop(end);
        assert!(other.join().is_ok());
    }
}
