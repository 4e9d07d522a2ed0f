//! The log: one line at a time, in the format that tools know.
//!
//! `pid:R dd Mon yyyy HH:MM:SS.mmm L text`, with R for the role and L for the level; or logfmt or JSON, and other times, as
//! `log-format` and `log-timestamp-format` say. The file is opened for each line, so that moving or truncating it just
//! works. An empty name is standard output.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use commands::server::LogLevel;
use config::{Directive, Store};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

static FILE: Mutex<String> = Mutex::new(String::new());
static LEVEL: AtomicU8 = AtomicU8::new(2);
static ROLE: AtomicU8 = AtomicU8::new(b'M');
/// Indices into the words of `log-format` and `log-timestamp-format`.
static FORMAT: AtomicU8 = AtomicU8::new(LEGACY);
static TIME: AtomicU8 = AtomicU8::new(LEGACY);

const LEGACY: u8 = 0;
const LOGFMT: u8 = 1;
const ISO_8601: u8 = 1;
const MILLISECONDS: u8 = 2;
/// As `log-format` other than legacy names them.
const LEVELS: [&str; 4] = ["debug", "verbose", "notice", "warning"];

/// Takes over what the configuration says of the log.
pub fn configure(config: &Store) {
    *FILE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) =
        config.text(Directive::Logfile).to_string();
    LEVEL.store(config.choice(Directive::Loglevel) as u8, Relaxed);
    FORMAT.store(config.choice(Directive::LogFormat) as u8, Relaxed);
    TIME.store(config.choice(Directive::LogTimestampFormat) as u8, Relaxed);
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
    let time = time(TIME.load(Relaxed), sys::os::unix_ms());
    let (role, pid) = (ROLE.load(Relaxed) as char, std::process::id());
    formatted(FORMAT.load(Relaxed), &time, role, pid, level, text.trim_end_matches('\n'))
}

fn time(format: u8, now_ms: u64) -> String {
    if format == MILLISECONDS {
        return now_ms.to_string();
    }
    let t = sys::os::local_time(now_ms / 1000);
    let clock = format!("{:02}:{:02}:{:02}.{:03}", t.hour, t.minute, t.second, now_ms % 1000);
    if format != ISO_8601 {
        return format!("{:02} {} {} {clock}", t.day, MONTHS[t.month as usize % 12], t.year);
    }
    let (sign, east) = (if t.east_of_utc_s < 0 { '-' } else { '+' }, t.east_of_utc_s.unsigned_abs());
    let zone = format!("{sign}{:02}:{:02}", east / 3600, east / 60 % 60);
    format!("{:04}-{:02}-{:02}T{clock}{zone}", t.year, t.month + 1, t.day)
}

fn formatted(format: u8, time: &str, role: char, pid: u32, level: LogLevel, text: &str) -> String {
    if format == LEGACY {
        let mark = [".", "-", "*", "#"][level as usize];
        return format!("{pid}:{role} {time} {mark} {text}\n");
    }
    let role = if role == 'S' { "replica" } else { "primary" };
    let level = LEVELS[level as usize];
    if format == LOGFMT {
        // As Valkey does: what would end the value or the line is replaced.
        let text = text.replace('"', "'").replace(['\r', '\n'], " ");
        return format!("pid={pid} role={role} timestamp=\"{time}\" level={level} message=\"{text}\"\n");
    }
    let mut escaped = String::with_capacity(text.len());
    text.chars().for_each(|letter| escape_json(letter, &mut escaped));
    format!(
        "{{\"pid\":{pid},\"role\":\"{role}\",\"timestamp\":\"{time}\",\"level\":\"{level}\",\"message\":\"{escaped}\"}}\n"
    )
}

fn escape_json(letter: char, out: &mut String) {
    match letter {
        '"' | '\\' => out.extend(['\\', letter]),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        control if control < ' ' => out.push_str(&format!("\\u{:04x}", control as u32)),
        other => out.push(other),
    }
}

/// Writes a line at notice level.
pub fn notice(text: &str) {
    log(LogLevel::Notice, text);
}

/// Writes a line at warning level.
pub fn warning(text: &str) {
    log(LogLevel::Warning, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_format_that_is_asked_for() {
        let text = "a\"b\\c\td\u{1}\u{8}\u{c}";
        let line = |format| formatted(format, "T", 'S', 7, LogLevel::Warning, text);
        assert_eq!(line(LEGACY), format!("7:S T # {text}\n"));
        assert_eq!(
            line(LOGFMT),
            "pid=7 role=replica timestamp=\"T\" level=warning message=\"a'b\\c\td\u{1}\u{8}\u{c}\"\n"
        );
        assert_eq!(
            line(2),
            "{\"pid\":7,\"role\":\"replica\",\"timestamp\":\"T\",\"level\":\"warning\",\"message\":\"a\\\"b\\\\c\\td\\u0001\\b\\f\"}\n"
        );
    }

    #[test]
    fn times_have_the_format_that_is_asked_for() {
        let at_ms = 1_795_694_228_441;
        assert_eq!(time(MILLISECONDS, at_ms), "1795694228441");
        let t = sys::os::local_time(at_ms / 1000);
        assert!(time(LEGACY, at_ms).ends_with(&format!(" {:02}:57:08.441", t.hour)));
        let iso = time(ISO_8601, at_ms);
        assert!(iso.starts_with(&format!("2026-11-{:02}T{:02}:57:08.441", t.day, t.hour)), "{iso}");
        assert_eq!(iso.len(), "2026-11-26T11:57:08.441+00:00".len());
    }
}
