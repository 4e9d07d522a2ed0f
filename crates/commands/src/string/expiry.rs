//! The expiry options that SET, GETEX and MSETEX share: EX, PX, EXAT, PXAT, KEEPTTL, PERSIST.

use config::Events;

use crate::args::{Args, TimeUnit, expiry_ms, int};
use crate::cx::Cx;
use crate::error::{CommandError, Result};

/// What the arguments said. An option may be repeated, the last one counts; two different ones exclude each other.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Expiry<'a> {
    option: Option<(&'static str, &'a [u8])>,
}

impl<'a> Expiry<'a> {
    fn allows(&self, word: &str) -> bool {
        self.option.is_none_or(|(before, _)| before == word)
    }

    /// Takes EX, PX, EXAT or PXAT with its time.
    pub fn take(&mut self, args: &mut Args<'a>) -> Result<bool> {
        for word in ["EX", "PX", "EXAT", "PXAT"] {
            if self.allows(word) && args.take_with(word, 1) {
                self.option = Some((word, args.arg()?));
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take_word(&mut self, args: &mut Args<'a>, word: &'static str) -> bool {
        let taken = self.allows(word) && args.take(word);
        if taken {
            self.option = Some((word, b""));
        }
        taken
    }

    /// Takes KEEPTTL.
    pub fn take_keep(&mut self, args: &mut Args<'a>) -> bool {
        self.take_word(args, "KEEPTTL")
    }

    /// Takes PERSIST.
    pub fn take_persist(&mut self, args: &mut Args<'a>) -> bool {
        self.take_word(args, "PERSIST")
    }

    /// Whether the time was given as it is journaled.
    pub fn is_final(&self) -> bool {
        self.option.is_some_and(|(word, _)| word == "PXAT")
    }

    /// Whether a time was given.
    pub fn is_given(&self) -> bool {
        self.option.is_some_and(|(word, _)| !matches!(word, "KEEPTTL" | "PERSIST"))
    }

    pub fn keeps(&self) -> bool {
        self.option.is_some_and(|(word, _)| word == "KEEPTTL")
    }

    pub fn persists(&self) -> bool {
        self.option.is_some_and(|(word, _)| word == "PERSIST")
    }

    /// The time in Unix milliseconds, if one was given; `name` is the command's, for the error.
    pub fn at_ms(&self, cx: &Cx<'_>, name: &str) -> Result<Option<i64>> {
        self.at_ms_from(cx, 1, name)
    }

    /// As [`Expiry::at_ms`]; the number that was given must be at least `least`.
    pub fn at_ms_from(&self, cx: &Cx<'_>, least: i64, name: &str) -> Result<Option<i64>> {
        let Some((word, given)) = self.option.filter(|(word, _)| !matches!(*word, "KEEPTTL" | "PERSIST"))
        else {
            return Ok(None);
        };
        let unit = if word.starts_with("EX") { TimeUnit::Seconds } else { TimeUnit::Milliseconds };
        at_least_ms(cx, given, least, unit, !word.ends_with("AT"), name).map(Some)
    }
}

/// A time that must be positive, in Unix milliseconds.
pub(super) fn at_ms(cx: &Cx<'_>, given: &[u8], unit: TimeUnit, relative: bool, name: &str) -> Result<i64> {
    at_least_ms(cx, given, 1, unit, relative, name)
}

fn at_least_ms(
    cx: &Cx<'_>,
    given: &[u8],
    least: i64,
    unit: TimeUnit,
    relative: bool,
    name: &str,
) -> Result<i64> {
    let given = int(given)?;
    if given < least {
        return Err(CommandError::new(format!("ERR invalid expire time in '{name}' command")));
    }
    expiry_ms(given, unit, relative.then_some(cx.now_ms), name)
}

/// Sets the expiry of a key that is there, or deletes the key if that time is past; events and propagation included.
pub(crate) fn set_expiry(cx: &mut Cx<'_>, key: &[u8], at_ms: i64) {
    if at_ms <= cx.now_ms as i64 && cx.may_delete_past() {
        delete_past(cx, key);
        return;
    }
    let Some(mut slot) = cx.find_mut(key) else { return };
    // A copy keeps a key that its primary has not deleted yet, however long ago it expired.
    slot.set_expire_ms(Some(at_ms.max(0) as u64));
    cx.changed(key);
    cx.notify(Events::GENERIC, "expire", key);
    cx.propagate(&[b"PEXPIREAT", key, at_ms.to_string().as_bytes()]);
}

/// A key got an expiry that is past: it goes, and the journal gets its deletion instead of the command.
pub(crate) fn delete_past(cx: &mut Cx<'_>, key: &[u8]) {
    let hash = cx.hash(key);
    cx.delete_outdated(key, hash);
    cx.effects.dirty += 1;
    cx.propagate_nothing();
}
