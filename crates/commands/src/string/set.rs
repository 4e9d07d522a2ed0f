//! SET with all its options; SETNX, SETEX and PSETEX, which are older spellings of it.

use config::{Events, Family};
use ds::entry::{EntryRef, Kind, Value};
use ds::num;
use resp::writer::Writer;

use super::condition::Condition;
use super::expiry::{Expiry, at_ms, delete_past};
use super::reply_string;
use crate::args::{Args, TimeUnit};
use crate::cx::Cx;
use crate::error::{Result, SYNTAX, WRONG_TYPE};

struct Options<'a> {
    condition: Condition<'a>,
    /// NX behind a comparison, which Redis takes.
    absent_too: bool,
    expiry: Expiry<'a>,
    get: bool,
    /// The command without GET, for the journal.
    words: Vec<&'a [u8]>,
}

fn parse<'a>(argv: &'a [&'a [u8]], family: Family) -> Result<Options<'a>> {
    let mut options = Options {
        condition: Condition::None,
        absent_too: false,
        expiry: Expiry::default(),
        get: false,
        words: argv[..3].to_vec(),
    };
    let mut args = Args::new(argv, 3);
    while !args.is_empty() {
        let from = args.position();
        if args.take("GET") {
            options.get = true;
            continue;
        }
        parse_option(&mut options, &mut args, family)?;
        options.words.extend(&argv[from..args.position()]);
    }
    Ok(options)
}

fn parse_option<'a>(options: &mut Options<'a>, args: &mut Args<'a>, family: Family) -> Result {
    let more = family == Family::Redis && options.condition.compares();
    let free = |word| options.condition == Condition::None || options.condition == word;
    if free(Condition::Absent) && args.take("NX") {
        options.condition = Condition::Absent;
    } else if free(Condition::Present) && args.take("XX") {
        options.condition = Condition::Present;
    } else if options.expiry.take_keep(args) || options.expiry.take(args)? {
    } else if more && args.take("NX") {
        options.absent_too = true;
    } else if more && !options.absent_too && args.take("XX") {
        // What is compared is there.
    } else if (options.condition == Condition::None || more && options.condition.is_next(args))
        && let Some(condition) = Condition::take_comparison(args)?
    {
        options.condition = condition;
    } else {
        return Err(SYNTAX);
    }
    Ok(())
}

/// A value as it is stored: integers as integers.
pub(super) fn stored(bytes: &[u8]) -> Value<'_> {
    match (bytes.len() <= 20).then(|| num::parse_i64(bytes)).flatten() {
        Some(number) => Value::Int(number),
        None => Value::Bytes(bytes),
    }
}

/// Looks at the old value; writes it as the reply if GET asks for it. Answers whether to set, and the old expiry.
fn consult(
    cx: &mut Cx<'_>,
    key: &[u8],
    options: &Options<'_>,
    out: &mut Writer,
) -> Result<(bool, Option<u64>)> {
    // Only with GET is the key read; else nothing is counted as a hit or a miss.
    let found = if options.get { cx.find(key) } else { cx.find_mut(key).map(|slot| slot.into_ref()) };
    if options.get {
        match found {
            Some(entry) if entry.kind() != Kind::String => return Err(WRONG_TYPE),
            Some(entry) => reply_string(entry, out),
            None => out.null(),
        }
    }
    Ok((
        options.condition.holds(found)? && !(options.absent_too && found.is_some()),
        found.and_then(EntryRef::expire_ms),
    ))
}

pub(super) fn set(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, value) = (argv[1], argv[2]);
    if argv.len() == 3 {
        put(cx, key, value, None);
        out.ok();
        return Ok(());
    }
    let options = parse(argv, cx.family())?;
    let at = options.expiry.at_ms(cx, "set")?;
    let plain = options.condition == Condition::None && !options.get && !options.expiry.keeps();
    let (holds, old_expiry) = if plain { (true, None) } else { consult(cx, key, &options, out)? };
    match (holds, at) {
        (false, _) => {}
        (true, Some(at)) => put_until(cx, key, value, at, options.expiry.is_final() && !options.get),
        (true, None) => {
            put(cx, key, value, old_expiry.filter(|_| options.expiry.keeps()));
            if options.get {
                cx.propagate(&options.words);
            }
        }
    }
    match (options.get, holds) {
        (true, _) => {}
        (false, true) => out.ok(),
        (false, false) => out.null(),
    }
    Ok(())
}

fn put(cx: &mut Cx<'_>, key: &[u8], value: &[u8], expire_ms: Option<u64>) {
    cx.put(key, stored(value), expire_ms);
    cx.changed(key);
    cx.notify(Events::STRING, "set", key);
}

/// Sets a key with an expiry; to Valkey a time that is past deletes the key, Redis sets it to let it expire. `verbatim`
/// says that the command is journaled as it was sent.
fn put_until(cx: &mut Cx<'_>, key: &[u8], value: &[u8], at: i64, verbatim: bool) {
    if at as u64 <= cx.now_ms && cx.family() == Family::Valkey && cx.may_delete_past() {
        delete_past(cx, key);
        return;
    }
    put(cx, key, value, Some(at as u64));
    cx.notify(Events::GENERIC, "expire", key);
    // Replicas get the absolute time, so that all copies expire together.
    if !verbatim {
        cx.propagate(&[b"SET", key, value, b"PXAT", at.to_string().as_bytes()]);
    }
}

pub(super) fn setnx(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let free = cx.find_mut(argv[1]).is_none();
    if free {
        put(cx, argv[1], argv[2], None);
    }
    out.int(i64::from(free));
    Ok(())
}

pub(super) fn setex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let at = at_ms(cx, argv[2], TimeUnit::Seconds, true, "setex")?;
    put_until(cx, argv[1], argv[3], at, false);
    out.ok();
    Ok(())
}

pub(super) fn psetex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let at = at_ms(cx, argv[2], TimeUnit::Milliseconds, true, "psetex")?;
    put_until(cx, argv[1], argv[3], at, false);
    out.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_is_left_out_of_what_is_propagated_but_not_its_namesakes() {
        let argv: Vec<&[u8]> = "SET k v get IFEQ GET KEEPTTL".split(' ').map(str::as_bytes).collect();
        let options = parse(&argv, Family::Valkey).expect("valid");
        assert!(options.get && options.expiry.keeps());
        assert_eq!(options.words.join(&b' '), b"SET k v IFEQ GET KEEPTTL");
    }

    #[test]
    fn options_that_exclude_each_other() {
        for (text, valid) in [
            ("NX NX", true),
            ("NX XX", false),
            ("XX IFEQ a", false),
            ("IFEQ a IFEQ a", false),
            ("EX 1 EX 2", true),
            ("EX 1 PX 2", false),
            ("EX 1 KEEPTTL", false),
            ("PERSIST", false),
            ("IFDNE", false),
        ] {
            let argv: Vec<&[u8]> = "SET k v".split(' ').chain(text.split(' ')).map(str::as_bytes).collect();
            assert_eq!(parse(&argv, Family::Valkey).is_ok(), valid, "{text}");
        }
    }
}
