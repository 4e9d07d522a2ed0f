//! Commands of the client itself, all with a colon in front: one row each.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use resp::reply::Value;

use super::settings::{self, Settings};
use super::{pager, render};
use crate::number::human_bytes;
use crate::repl::{self, Step};
use crate::session::Session;
use crate::{emit, say};

type Shared = Rc<RefCell<Settings>>;

struct Row {
    name: &'static str,
    usage: &'static str,
    run: fn(&mut Session, &Shared, &[Vec<u8>]) -> Step,
}

const ROWS: &[Row] = &[
    Row {
        name: ":watch",
        usage: ":watch [SECONDS] COMMAND ...   run again and again until Ctrl-C",
        run: watch,
    },
    Row { name: ":peek", usage: ":peek KEY   type, TTL, size, encoding and a sample of a key", run: peek },
    Row { name: ":set", usage: ":set [[no]NAME]   show or change settings", run: set },
    Row { name: ":get", usage: ":get pubsub   whether there are subscriptions", run: classic },
    Row { name: ":help", usage: ":help   this list", run: help },
];

/// Names, for completion.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

/// Runs a line that starts with a colon.
pub fn run(session: &mut Session, settings: &Shared, words: &[Vec<u8>]) -> Step {
    let name = String::from_utf8_lossy(&words[0]).into_owned();
    match ROWS.iter().find(|row| row.name == name) {
        Some(row) => (row.run)(session, settings, words),
        None => classic(session, settings, words),
    }
}

fn classic(session: &mut Session, _: &Shared, words: &[Vec<u8>]) -> Step {
    repl::preference(session, words);
    Step::Continue
}

fn help(_: &mut Session, _: &Shared, _: &[Vec<u8>]) -> Step {
    for row in ROWS {
        say!("  {}\n", row.usage);
    }
    Step::Continue
}

fn set(session: &mut Session, settings: &Shared, words: &[Vec<u8>]) -> Step {
    let texts: Vec<String> =
        words[1..].iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    if !settings::set(session, settings, &texts) {
        repl::preference(session, words);
    }
    Step::Continue
}

/// Reruns a command until Ctrl-C, each time on a clean screen.
fn watch(session: &mut Session, settings: &Shared, words: &[Vec<u8>]) -> Step {
    let seconds = words.get(1).and_then(|word| std::str::from_utf8(word).ok()?.parse::<f64>().ok());
    let command = &words[if seconds.is_some() { 2 } else { 1 }.min(words.len())..];
    if command.is_empty() {
        say!("  {}\n", ROWS[0].usage);
        return Step::Continue;
    }
    let interval = Duration::try_from_secs_f64(seconds.unwrap_or(2.0)).unwrap_or(Duration::from_secs(2));
    let paged = std::mem::replace(&mut settings.borrow_mut().pager, false);
    let text: Vec<String> = command.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let (text, began) = (text.join(" "), Instant::now());
    let mut turn = 0u64;
    loop {
        turn += 1;
        if !settings::is_dumb() {
            say!("\x1b[H\x1b[2J");
        }
        let head = format!(
            "{text}: every {:.1} s, turn {turn}, {:.0} s. Ctrl-C ends.",
            interval.as_secs_f64(),
            began.elapsed().as_secs_f64()
        );
        say!("{}\n", settings.borrow().dim(&head));
        let outcome = session.run(command);
        emit::flush();
        if outcome != crate::session::Outcome::Done || wait(session, interval) {
            break;
        }
    }
    settings.borrow_mut().pager = paged;
    say!("\n");
    Step::Continue
}

/// Sleeps; true when Ctrl-C came.
fn wait(session: &Session, interval: Duration) -> bool {
    let until = Instant::now() + interval;
    loop {
        let interrupted = session.interrupt.as_ref().is_some_and(|flag| flag.swap(false, Ordering::Relaxed));
        let now = Instant::now();
        if interrupted || now >= until {
            return interrupted;
        }
        std::thread::sleep(Duration::from_millis(50).min(until - now));
    }
}

/// How many elements a sample shows.
const SAMPLE: &str = "9";

fn peek(session: &mut Session, settings: &Shared, words: &[Vec<u8>]) -> Step {
    let Some(key) = words.get(1) else {
        say!("  {}\n", ROWS[1].usage);
        return Step::Continue;
    };
    if !session.is_connected() && !session.connect(false) {
        return Step::Continue;
    }
    // After Ctrl-C or a loss the rest of the questions is answered by None at once.
    let mut ask = |argv: &[&[u8]]| -> Option<Value> {
        let reply = session.call(argv);
        if reply.is_err() {
            session.disconnect();
        }
        reply.ok()
    };
    let Some(kind) = ask(&[b"TYPE", key]).map(|value| value.to_text()) else {
        say!("(no answer)\n");
        return Step::Continue;
    };
    if kind == "none" {
        say!("(no such key)\n");
        return Step::Continue;
    }
    let number = |value: Option<Value>| value.as_ref().and_then(Value::as_integer);
    let ttl = number(ask(&[b"PTTL", key])).unwrap_or(-1);
    let memory = number(ask(&[b"MEMORY", b"USAGE", key]));
    let encoding =
        ask(&[b"OBJECT", b"ENCODING", key]).filter(|value| !value.is_error()).map(|value| value.to_text());
    let (length, sample) = match kind.as_str() {
        "string" => (ask(&[b"STRLEN", key]), ask(&[b"GETRANGE", key, b"0", b"199"])),
        "list" => (ask(&[b"LLEN", key]), ask(&[b"LRANGE", key, b"0", SAMPLE.as_bytes()])),
        "set" => (ask(&[b"SCARD", key]), ask(&[b"SRANDMEMBER", key, b"10"])),
        "hash" => (ask(&[b"HLEN", key]), ask(&[b"HRANDFIELD", key, b"10", b"WITHVALUES"])),
        "zset" => (ask(&[b"ZCARD", key]), ask(&[b"ZRANGE", key, b"0", SAMPLE.as_bytes(), b"WITHSCORES"])),
        "stream" => (ask(&[b"XLEN", key]), ask(&[b"XREVRANGE", key, b"+", b"-", b"COUNT", b"10"])),
        _ => (None, None),
    };
    let ttl = if ttl < 0 {
        "none".to_owned()
    } else {
        format!("{:.1} s", f64::from(u32::try_from(ttl).unwrap_or(u32::MAX)) / 1e3)
    };
    let unit = if kind == "string" { "bytes" } else { "elements" };
    let mut out = format!("type      {kind}\nttl       {ttl}\n");
    if let Some(length) = number(length) {
        out.push_str(&format!("length    {length} {unit}\n"));
    }
    if let Some(memory) = memory {
        out.push_str(&format!("memory    {}\n", human_bytes(memory)));
    }
    if let Some(encoding) = encoding {
        out.push_str(&format!("encoding  {encoding}\n"));
    }
    if let Some(sample) = sample.filter(|sample| !sample.is_error()) {
        let name: &[u8] = match kind.as_str() {
            "stream" => b"XREVRANGE",
            "zset" => b"ZRANGE",
            "hash" => b"HRANDFIELD",
            _ => b"",
        };
        out.push_str("sample\n");
        out.push_str(&render::text(&[name.to_vec()], &sample, pager::screen().0, &settings.borrow()));
    }
    pager::show(&out, settings.borrow().pager);
    Step::Continue
}
