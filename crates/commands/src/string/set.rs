//! SET with all its options.

use config::Events;
use ds::entry::{EntryRef, Kind, Value, ValueRef};
use ds::num;
use resp::writer::Writer;

use super::reply_string;
use crate::args::{Args, TimeUnit, expiry_ms, int};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX, WRONG_TYPE};

/// What must hold for SET to set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition<'a> {
    None,
    Absent,
    Present,
    Equal(&'a [u8]),
    Different(&'a [u8]),
}

/// What becomes of the expiry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ttl {
    None,
    Keep,
    /// Unix milliseconds.
    At(i64),
}

struct Options<'a> {
    condition: Condition<'a>,
    ttl: Ttl,
    get: bool,
}

/// The expiry of EX, PX, EXAT and PXAT in SET and its kin; errors as theirs.
pub(super) fn parse_expiry(cx: &Cx<'_>, word: &str, given: &[u8], name: &str) -> Result<i64> {
    let given = int(given)?;
    let unit = if word.starts_with("EX") { TimeUnit::Seconds } else { TimeUnit::Milliseconds };
    let invalid = CommandError::new(format!("ERR invalid expire time in '{name}' command"));
    if given <= 0 {
        return Err(invalid);
    }
    expiry_ms(given, unit, (!word.ends_with("AT")).then_some(cx.now_ms), name)
}

fn parse<'a>(cx: &Cx<'_>, argv: &'a [&'a [u8]]) -> Result<Options<'a>> {
    let mut options = Options { condition: Condition::None, ttl: Ttl::None, get: false };
    let mut args = Args::new(argv, 3);
    let mut time = None;
    while !args.is_empty() {
        let free = options.condition == Condition::None;
        let timeless = options.ttl == Ttl::None && time.is_none();
        if free && args.take("NX") {
            options.condition = Condition::Absent;
        } else if free && args.take("XX") {
            options.condition = Condition::Present;
        } else if free && args.take_with("IFEQ", 1) {
            options.condition = Condition::Equal(args.arg()?);
        } else if free && args.take_with("IFNE", 1) {
            options.condition = Condition::Different(args.arg()?);
        } else if args.take("GET") {
            options.get = true;
        } else if timeless && args.take("KEEPTTL") {
            options.ttl = Ttl::Keep;
        } else if let Some(word) =
            ["EXAT", "PXAT", "EX", "PX"].into_iter().find(|word| timeless && args.take_with(word, 1))
        {
            time = Some((word, args.arg()?));
        } else {
            return Err(SYNTAX);
        }
    }
    if let Some((word, given)) = time {
        options.ttl = Ttl::At(parse_expiry(cx, word, given, "set")?);
    }
    Ok(options)
}

/// A value as it is stored: integers as integers.
pub(super) fn stored(bytes: &[u8]) -> Value<'_> {
    match (bytes.len() <= 20).then(|| num::parse_i64(bytes)).flatten() {
        Some(number) => Value::Int(number),
        None => Value::Bytes(bytes),
    }
}

/// Whether a string value equals `bytes`.
pub(super) fn equals(entry: EntryRef<'_>, bytes: &[u8]) -> bool {
    match entry.value() {
        ValueRef::Int(number) => num::IntText::new().format(number) == bytes,
        ValueRef::Bytes(value) | ValueRef::Blob(value) => value == bytes,
        _ => false,
    }
}

/// Looks at the old value; writes it as the reply if GET asks for it. Answers whether to set, and the old expiry.
fn consult(
    cx: &mut Cx<'_>,
    key: &[u8],
    options: &Options<'_>,
    out: &mut Writer,
) -> Result<(bool, Option<u64>)> {
    let compares = matches!(options.condition, Condition::Equal(_) | Condition::Different(_));
    let found = cx.find(key);
    if let Some(entry) = found
        && (options.get || compares)
        && entry.kind() != Kind::String
    {
        return Err(WRONG_TYPE);
    }
    if options.get {
        match found {
            Some(entry) => reply_string(entry, out),
            None => out.null(),
        }
    }
    let holds = match (options.condition, found) {
        (Condition::None, _) => true,
        (Condition::Absent | Condition::Different(_), None) => true,
        (Condition::Present | Condition::Equal(_), None) | (Condition::Absent, Some(_)) => false,
        (Condition::Present, Some(_)) => true,
        (Condition::Equal(bytes), Some(entry)) => equals(entry, bytes),
        (Condition::Different(bytes), Some(entry)) => !equals(entry, bytes),
    };
    Ok((holds, found.and_then(EntryRef::expire_ms)))
}

pub(super) fn set(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, value) = (argv[1], argv[2]);
    if argv.len() == 3 {
        cx.put(key, stored(value), None);
        cx.changed(key);
        cx.notify(Events::STRING, "set", key);
        out.ok();
        return Ok(());
    }
    let options = parse(cx, argv)?;
    let plain = options.condition == Condition::None && !options.get && options.ttl != Ttl::Keep;
    let (holds, old_expiry) = if plain { (true, None) } else { consult(cx, key, &options, out)? };
    if !holds {
        if !options.get {
            out.null();
        }
        return Ok(());
    }
    match options.ttl {
        // A time that is past deletes the key, as the peers do.
        Ttl::At(at) if at as u64 <= cx.now_ms && cx.may_delete_past() => {
            cx.delete(key, false);
            cx.notify(Events::GENERIC, "del", key);
            cx.propagate(&[b"DEL", key]);
        }
        Ttl::At(at) => {
            cx.put(key, stored(value), Some(at as u64));
            cx.changed(key);
            cx.notify(Events::STRING, "set", key);
            cx.notify(Events::GENERIC, "expire", key);
            propagate_absolute(cx, argv, at);
        }
        Ttl::None | Ttl::Keep => {
            let expiry = if options.ttl == Ttl::Keep { old_expiry } else { None };
            cx.put(key, stored(value), expiry);
            cx.changed(key);
            cx.notify(Events::STRING, "set", key);
            if options.get {
                propagate_without_get(cx, argv);
            }
        }
    }
    if !options.get {
        out.ok();
    }
    Ok(())
}

/// Replicas get the absolute time, so that all copies expire together.
fn propagate_absolute(cx: &mut Cx<'_>, argv: &[&[u8]], at: i64) {
    let at = at.to_string();
    cx.propagate(&[b"SET", argv[1], argv[2], b"PXAT", at.as_bytes()]);
}

/// Old replicas do not know every mix of GET with other options.
fn propagate_without_get(cx: &mut Cx<'_>, argv: &[&[u8]]) {
    let keep = argv[3..].iter().any(|arg| arg.eq_ignore_ascii_case(b"KEEPTTL"));
    let words: &[&[u8]] =
        if keep { &[b"SET", argv[1], argv[2], b"KEEPTTL"] } else { &[b"SET", argv[1], argv[2]] };
    cx.propagate(words);
}
