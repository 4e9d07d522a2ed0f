//! The log: one line at a time, in the format that tools know.
//!
//! `pid:R dd Mon yyyy HH:MM:SS.mmm L text`, with R for the role and L for the level. The file is opened for each line,
//! so that moving or truncating it just works. An empty name is standard output.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use commands::server::LogLevel;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

static FILE: Mutex<String> = Mutex::new(String::new());
static LEVEL: AtomicU8 = AtomicU8::new(2);
static ROLE: AtomicU8 = AtomicU8::new(b'M');

/// Where lines go and which are written: `level` is the index of debug, verbose, notice, warning, nothing.
pub fn configure(file: &str, level: usize) {
    *FILE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = file.to_owned();
    LEVEL.store(level as u8, Relaxed);
}

/// The role's letter in each line: M or S.
pub fn set_role(replica: bool) {
    ROLE.store(if replica { b'S' } else { b'M' }, Relaxed);
}

/// Writes text as it is, whatever the level.
pub fn raw(text: &str) {
    write(text);
}

/// Writes one line.
pub fn log(level: LogLevel, text: &str) {
    if (level as u8) < LEVEL.load(Relaxed) {
        return;
    }
    write(&line(level, text));
}

fn write(line: &str) {
    let file = FILE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // A log that cannot be written has nowhere to complain to.
    let _ = if file.is_empty() {
        std::io::stdout().lock().write_all(line.as_bytes())
    } else {
        let open = std::fs::OpenOptions::new().create(true).append(true).open(&*file);
        open.and_then(|mut file| file.write_all(line.as_bytes()))
    };
}

fn line(level: LogLevel, text: &str) -> String {
    let now_ms = sys::os::unix_ms();
    let t = sys::os::local_time(now_ms / 1000);
    let mark = [".", "-", "*", "#"][level as usize];
    format!(
        "{}:{} {:02} {} {} {:02}:{:02}:{:02}.{:03} {mark} {}\n",
        std::process::id(),
        ROLE.load(Relaxed) as char,
        t.day,
        MONTHS[t.month as usize % 12],
        t.year,
        t.hour,
        t.minute,
        t.second,
        now_ms % 1000,
        text.trim_end_matches('\n')
    )
}

/// Writes a line at notice level.
pub fn notice(text: &str) {
    log(LogLevel::Notice, text);
}

/// Writes a line at warning level.
pub fn warning(text: &str) {
    log(LogLevel::Warning, text);
}
