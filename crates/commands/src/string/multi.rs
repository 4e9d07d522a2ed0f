//! Several strings at once: MSET, MSETNX, MSETEX.

use config::{Events, Family};
use resp::writer::Writer;

use super::expiry::Expiry;
use super::set::stored;
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX, wrong_arity};

/// Sets one key of several.
fn put(cx: &mut Cx<'_>, key: &[u8], value: &[u8], expire_ms: Option<u64>) {
    cx.put(key, stored(value), expire_ms);
    cx.changed(key);
    cx.notify(Events::STRING, "set", key);
}

pub(super) fn mset(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (pairs, []) = argv[1..].as_chunks::<2>() else { return Err(wrong_arity("mset")) };
    pairs.iter().for_each(|[key, value]| put(cx, key, value, None));
    out.ok();
    Ok(())
}

pub(super) fn msetnx(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (pairs, []) = argv[1..].as_chunks::<2>() else { return Err(wrong_arity("msetnx")) };
    let free = pairs.iter().all(|[key, _]| cx.find_mut(key).is_none());
    if free {
        pairs.iter().for_each(|[key, value]| put(cx, key, value, None));
    }
    out.int(i64::from(free));
    Ok(())
}

/// MSETEX numkeys key value ... [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
pub(super) fn msetex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (invalid, too_few) = match cx.family() {
        Family::Redis => (
            CommandError::fixed("ERR invalid numkeys value"),
            CommandError::fixed("ERR wrong number of key-value pairs"),
        ),
        Family::Valkey => (CommandError::fixed("ERR invalid numkeys value or out of range"), SYNTAX),
    };
    let count = ds::num::parse_i64(argv[1]).filter(|&count| (1..=i64::from(i32::MAX)).contains(&count));
    let count = count.ok_or(invalid)? as usize;
    let mut args = Args::new(argv, 2);
    let words = args.slice(count * 2).map_err(|_| too_few)?;
    let pairs = words.as_chunks::<2>().0;
    let (mut present, mut expiry) = (None, Expiry::default());
    while !args.is_empty() {
        if present != Some(true) && args.take("NX") {
            present = Some(false);
        } else if present != Some(false) && args.take("XX") {
            present = Some(true);
        } else if !expiry.take(&mut args)? && !expiry.take_keep(&mut args) {
            return Err(SYNTAX);
        }
    }
    let at = expiry.at_ms(cx, "msetex")?;
    let holds = match present {
        Some(present) => pairs.iter().all(|[key, _]| cx.find_mut(key).is_some() == present),
        None => true,
    };
    if holds {
        for [key, value] in pairs {
            let kept =
                if expiry.keeps() { cx.find_mut(key).and_then(|slot| slot.get().expire_ms()) } else { None };
            // Redis tells of the expiry first.
            let first = cx.family() == Family::Redis;
            if at.is_some() && first {
                cx.notify(Events::GENERIC, "expire", key);
            }
            put(cx, key, value, at.map(|at| at as u64).or(kept));
            if at.is_some() && !first {
                cx.notify(Events::GENERIC, "expire", key);
            }
        }
        if let Some(at) = at.filter(|_| !expiry.is_final()) {
            propagate_absolute(cx, &argv[..2 + 2 * count], present, at);
        }
    }
    out.int(i64::from(holds));
    Ok(())
}

/// Replicas get the absolute time, so that all copies expire together.
fn propagate_absolute(cx: &mut Cx<'_>, pairs: &[&[u8]], present: Option<bool>, at: i64) {
    let at = at.to_string();
    let mut words = pairs.to_vec();
    words.extend(present.map(|present| if present { &b"XX"[..] } else { b"NX" }));
    words.extend([&b"PXAT"[..], at.as_bytes()]);
    cx.propagate(&words);
}
