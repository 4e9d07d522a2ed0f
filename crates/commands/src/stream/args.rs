//! What the X commands have in common in their arguments: IDs, ends of ranges, trimming, reference policies.

use config::Directive;
use ds::stream::{RefPolicy, StreamId, TrimTo};

use crate::args::{Args, int};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};

pub(super) const INVALID_ID: CommandError =
    CommandError::fixed("ERR Invalid stream ID specified as stream command argument");

/// An ID in full or without its sequence, which then is `missing_seq`; no `-` or `+`.
pub(super) fn strict_id(text: &[u8], missing_seq: u64) -> Result<StreamId> {
    StreamId::parse(text, missing_seq).ok_or(INVALID_ID)
}

/// The first ID of an interval; `(` excludes the ID itself.
pub(super) fn interval_start(text: &[u8]) -> Result<StreamId> {
    const INVALID: CommandError = CommandError::fixed("ERR invalid start ID for the interval");
    match text.strip_prefix(b"(") {
        Some(text) => strict_id(text, 0)?.next().ok_or(INVALID),
        None => StreamId::parse_bound(text, 0).ok_or(INVALID_ID),
    }
}

/// The last ID of an interval.
pub(super) fn interval_end(text: &[u8]) -> Result<StreamId> {
    const INVALID: CommandError = CommandError::fixed("ERR invalid end ID for the interval");
    match text.strip_prefix(b"(") {
        Some(text) => strict_id(text, u64::MAX)?.prev().ok_or(INVALID),
        None => StreamId::parse_bound(text, u64::MAX).ok_or(INVALID_ID),
    }
}

/// KEEPREF, DELREF or ACKED, if that is the next word.
pub(super) fn take_policy(args: &mut Args<'_>) -> Option<RefPolicy> {
    [("KEEPREF", RefPolicy::Keep), ("DELREF", RefPolicy::Delete), ("ACKED", RefPolicy::Acked)]
        .into_iter()
        .find(|(word, _)| args.take(word))
        .map(|(_, policy)| policy)
}

/// How XADD and XTRIM trim.
#[derive(Default)]
pub(super) struct Trim {
    pub to: Option<TrimTo>,
    pub approximate: bool,
    limit: Option<i64>,
    policy: Option<RefPolicy>,
}

impl Trim {
    pub(super) fn policy(&self) -> RefPolicy {
        self.policy.unwrap_or_default()
    }

    /// Takes one option, if the next word is one.
    pub(super) fn take(&mut self, args: &mut Args<'_>) -> Result<bool> {
        const BOTH: CommandError = CommandError::fixed(
            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        );
        const NEGATIVE: CommandError = CommandError::fixed("ERR The MAXLEN argument must be >= 0.");
        const LIMIT: CommandError = CommandError::fixed("ERR The LIMIT argument must be >= 0.");
        let max_len = args.take_with("MAXLEN", 1);
        if max_len || args.take_with("MINID", 1) {
            if self.to.is_some() {
                return Err(BOTH);
            }
            if args.left() > 1 && args.take("~") {
                self.approximate = true;
            } else if args.left() > 1 {
                args.take("=");
            }
            let given = args.arg()?;
            self.to = Some(if max_len {
                TrimTo::MaxLen(u64::try_from(int(given)?).map_err(|_| NEGATIVE)?)
            } else {
                TrimTo::MinId(strict_id(given, 0)?)
            });
            return Ok(true);
        }
        if args.take_with("LIMIT", 1) {
            let limit = args.int()?;
            self.limit = Some(limit).filter(|&limit| limit >= 0);
            return if limit < 0 { Err(LIMIT) } else { Ok(true) };
        }
        if self.policy.is_none() {
            self.policy = take_policy(args);
            return Ok(self.policy.is_some());
        }
        Ok(false)
    }

    /// Looks at the options together.
    pub(super) fn check(&self, trims: bool) -> Result {
        const NO_STRATEGY: CommandError = CommandError::fixed(
            "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        );
        const EXACT: CommandError =
            CommandError::fixed("ERR syntax error, LIMIT cannot be used without the special ~ option");
        match (self.to, self.limit) {
            (None, Some(_)) => Err(NO_STRATEGY),
            (None, None) if trims => Err(SYNTAX),
            (Some(_), Some(_)) if !self.approximate => Err(EXACT),
            _ => Ok(()),
        }
    }

    /// Most entries that are removed; `None` for no limit.
    pub(super) fn limit(&self, cx: &Cx<'_>) -> Option<u64> {
        if !self.approximate {
            return None;
        }
        match self.limit {
            Some(0) => None,
            Some(limit) => Some(limit as u64),
            None => match cx.server.config.int(Directive::StreamNodeMaxEntries).saturating_mul(100) {
                ..=0 => Some(10_000),
                limit => Some(limit.min(1_000_000) as u64),
            },
        }
    }
}
