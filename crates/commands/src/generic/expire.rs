//! Expiries: EXPIRE and its kin with NX, XX, GT and LT; TTL and its kin; PERSIST.

use config::Events;
use resp::writer::Writer;

use crate::args::{TimeUnit, expiry_ms, int};
use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::string::expiry::set_expiry;

/// When EXPIRE or HEXPIRE is to act.
#[derive(Clone, Copy, Default)]
pub(crate) struct Condition {
    absent: bool,
    present: bool,
    later: bool,
    earlier: bool,
}

impl Condition {
    pub(crate) fn parse(words: &[&[u8]]) -> Result<Condition> {
        let mut condition = Condition::default();
        for word in words {
            let upper = word.to_ascii_uppercase();
            let flag = match &upper[..] {
                b"NX" => &mut condition.absent,
                b"XX" => &mut condition.present,
                b"GT" => &mut condition.later,
                b"LT" => &mut condition.earlier,
                _ => return Err(CommandError::new([b"ERR Unsupported option ", *word].concat())),
            };
            *flag = true;
        }
        if condition.absent && (condition.present || condition.later || condition.earlier) {
            return Err(CommandError::fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if condition.later && condition.earlier {
            return Err(CommandError::fixed("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// A key without an expiry lives for ever, which is later than any time.
    pub(crate) fn holds(self, old: Option<u64>, at: i64) -> bool {
        let old = old.map(|old| i64::try_from(old).unwrap_or(i64::MAX));
        !(self.absent && old.is_some()
            || self.present && old.is_none()
            || self.later && old.is_none_or(|old| at <= old)
            || self.earlier && old.is_some_and(|old| at >= old))
    }
}

fn set(
    cx: &mut Cx<'_>,
    argv: &[&[u8]],
    unit: TimeUnit,
    relative: bool,
    name: &str,
    out: &mut Writer,
) -> Result {
    let key = argv[1];
    let condition = Condition::parse(&argv[3..])?;
    let at = expiry_ms(int(argv[2])?, unit, relative.then_some(cx.now_ms), name)?;
    let old = cx.find_mut(key).map(|slot| slot.get().expire_ms());
    let sets = old.is_some_and(|old| condition.holds(old, at));
    if sets {
        set_expiry(cx, key, at);
    }
    out.int(i64::from(sets));
    Ok(())
}

pub(super) fn expire(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    set(cx, argv, TimeUnit::Seconds, true, "expire", out)
}

pub(super) fn pexpire(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    set(cx, argv, TimeUnit::Milliseconds, true, "pexpire", out)
}

pub(super) fn expireat(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    set(cx, argv, TimeUnit::Seconds, false, "expireat", out)
}

pub(super) fn pexpireat(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    set(cx, argv, TimeUnit::Milliseconds, false, "pexpireat", out)
}

/// Replies something about a key's expiry: -2 without the key, -1 without an expiry.
fn ask(cx: &mut Cx<'_>, key: &[u8], out: &mut Writer, answer: impl FnOnce(u64, u64) -> u64) -> Result {
    let now_ms = cx.now_ms;
    out.int(match cx.find_untouched(key).map(|entry| entry.expire_ms()) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => answer(at, now_ms) as i64,
    });
    Ok(())
}

pub(super) fn ttl(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv[1], out, |at, now| at.saturating_sub(now).saturating_add(500) / 1000)
}

pub(super) fn pttl(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv[1], out, |at, now| at.saturating_sub(now))
}

pub(super) fn expiretime(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv[1], out, |at, _| at.saturating_add(500) / 1000)
}

pub(super) fn pexpiretime(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv[1], out, |at, _| at)
}

pub(super) fn persist(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let slot = cx.find_mut(key).filter(|slot| slot.get().expire_ms().is_some());
    let had = slot.is_some();
    if let Some(mut slot) = slot {
        slot.set_expire_ms(None);
        cx.changed(key);
        cx.notify(Events::GENERIC, "persist", key);
    }
    out.int(i64::from(had));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        for (words, old, at, holds) in [
            ("", None, 5, true),
            ("NX", None, 5, true),
            ("NX", Some(1), 5, false),
            ("XX", None, 5, false),
            ("XX", Some(1), 5, true),
            ("GT", None, 5, false),
            ("GT", Some(5), 5, false),
            ("gt", Some(4), 5, true),
            ("LT", None, 5, true),
            ("LT", Some(5), 5, false),
            ("LT", Some(6), 5, true),
            ("XX LT", None, 5, false),
            ("XX LT", Some(6), 5, true),
            ("LT", Some(u64::MAX), -5, true),
        ] {
            let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
            let condition = Condition::parse(&words).expect("valid");
            assert_eq!(condition.holds(old, at), holds, "{words:?} {old:?} {at}");
        }
        for words in ["NX XX", "GT NX", "LT GT", "LT XX GT", "FOO"] {
            let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
            assert!(Condition::parse(&words).is_err(), "{words:?}");
        }
    }
}
