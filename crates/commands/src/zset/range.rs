//! ZRANGE with all its forms, the older commands that are special cases of it, and ZRANGESTORE.
//!
//! A query is parsed, turned into ranks (LIMIT is arithmetic on ranks), and these are visited or copied.

use config::Events;
use ds::num;
use ds::zset::{LexBound, ScoreBound};
use resp::writer::Writer;

use super::edit::put_sorted;
use super::reply;
use super::view::{View, find};
use crate::args::{Args, int};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};

/// Which members; bounds are from low to high.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Range<'a> {
    /// Negative ranks count from the end.
    Rank(i64, i64),
    Score(ScoreBound, ScoreBound),
    Lex(LexBound<'a>, LexBound<'a>),
}

/// What a range is given by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a command of the family says by its name; ZRANGE and ZRANGESTORE leave it to options.
#[derive(Clone, Copy)]
struct Form {
    by: Option<By>,
    reverse: Option<bool>,
    with_scores: bool,
}

struct Query<'a> {
    range: Range<'a>,
    reverse: bool,
    with_scores: bool,
    /// Of LIMIT; a negative offset selects nothing, a negative count all.
    offset: i64,
    limit: i64,
}

const NOT_A_SCORE: CommandError = CommandError::fixed("ERR min or max is not a float");
const NOT_A_LEX_BOUND: CommandError = CommandError::fixed("ERR min or max not valid string range item");

/// A bound of scores: `(` in front excludes it. As with the C library, nothing at all is 0 and what is too large is
/// infinite.
fn score_bound(text: &[u8]) -> Result<ScoreBound> {
    let (text, excluding) = match text {
        [b'(', rest @ ..] => (rest, true),
        _ => (text, false),
    };
    let score = match text {
        b"" => 0.0,
        // Hexadecimal scores are for ZADD alone.
        _ => num::parse_f64(text)
            .filter(|_| !text.iter().any(|&byte| byte | 0x20 == b'x'))
            .or_else(|| std::str::from_utf8(text).ok()?.parse::<f64>().ok())
            .filter(|score| !score.is_nan())
            .ok_or(NOT_A_SCORE)?,
    };
    Ok(if excluding { ScoreBound::Excluding(score) } else { ScoreBound::Including(score) })
}

fn lex_bound(text: &[u8]) -> Result<LexBound<'_>> {
    match text {
        b"-" => Ok(LexBound::Least),
        b"+" => Ok(LexBound::Greatest),
        [b'[', name @ ..] => Ok(LexBound::Including(name)),
        [b'(', name @ ..] => Ok(LexBound::Excluding(name)),
        _ => Err(NOT_A_LEX_BOUND),
    }
}

/// The range between two scores.
pub(super) fn score_range<'a>(min: &[u8], max: &[u8]) -> Result<Range<'a>> {
    Ok(Range::Score(score_bound(min)?, score_bound(max)?))
}

/// The range between two names.
pub(super) fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<Range<'a>> {
    Ok(Range::Lex(lex_bound(min)?, lex_bound(max)?))
}

/// The range between two ranks.
pub(super) fn rank_range<'a>(start: &[u8], stop: &[u8]) -> Result<Range<'a>> {
    Ok(Range::Rank(int(start)?, int(stop)?))
}

impl Range<'_> {
    /// Ranks `from..to` in ascending order; `reverse` says that given ranks count from the highest score.
    pub(super) fn ranks(&self, view: View<'_>, reverse: bool) -> (usize, usize) {
        match *self {
            Range::Rank(start, stop) => {
                let len = view.len();
                let (from, to) = clamp(start, stop, len);
                if reverse { (len - to, len - from) } else { (from, to) }
            }
            Range::Score(min, max) => view.ranks_of_scores(min, max),
            Range::Lex(min, max) => view.ranks_of_names(min, max),
        }
    }
}

/// `start..=stop`, negative from the end, as `from..to` within `len`.
fn clamp(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let len = len as i64;
    let start = if start < 0 { start.saturating_add(len).max(0) } else { start };
    let stop = if stop < 0 { stop.saturating_add(len) } else { stop.min(len - 1) };
    if start > stop || start >= len { (0, 0) } else { (start as usize, stop as usize + 1) }
}

impl Query<'_> {
    /// Ranks `from..to` of the answer.
    fn ranks(&self, view: View<'_>) -> (usize, usize) {
        let (from, to) = self.range.ranks(view, self.reverse);
        let Ok(offset) = usize::try_from(self.offset) else { return (from, from) };
        let skipped = offset.min(to - from);
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if self.reverse {
            let to = to - skipped;
            (from.max(to.saturating_sub(most)), to)
        } else {
            let from = from + skipped;
            (from, to.min(from.saturating_add(most)))
        }
    }
}

/// Parses `min max` at argument `at`, and the options behind.
fn parse<'a>(argv: &'a [&'a [u8]], at: usize, form: Form) -> Result<Query<'a>> {
    let mut args = Args::new(argv, at + 2);
    let (mut by, mut reverse, mut with_scores) = (form.by, form.reverse, false);
    let mut limit = None;
    while !args.is_empty() {
        if form.with_scores && args.take("WITHSCORES") {
            with_scores = true;
        } else if args.take_with("LIMIT", 2) {
            limit = Some((args.int()?, args.int()?));
        } else if reverse.is_none() && args.take("REV") {
            reverse = Some(true);
        } else if by.is_none() && args.take("BYLEX") {
            by = Some(By::Lex);
        } else if by.is_none() && args.take("BYSCORE") {
            by = Some(By::Score);
        } else {
            return Err(SYNTAX);
        }
    }
    let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
    // A limit of no members less than all is none, as with the peers.
    if by == By::Rank && limit.is_some_and(|(_, count)| count != -1) {
        return Err(CommandError::fixed(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ));
    }
    let limit = limit.filter(|_| by != By::Rank);
    if with_scores && by == By::Lex {
        return Err(CommandError::fixed(
            "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ));
    }
    let (first, second) = (argv[at], argv[at + 1]);
    let (min, max) = if reverse { (second, first) } else { (first, second) };
    let range = match by {
        By::Rank => rank_range(first, second)?,
        By::Score => score_range(min, max)?,
        By::Lex => lex_range(min, max)?,
    };
    let (offset, limit) = limit.unwrap_or((0, -1));
    Ok(Query { range, reverse, with_scores, offset, limit })
}

fn reply_range(cx: &mut Cx<'_>, argv: &[&[u8]], form: Form, out: &mut Writer) -> Result {
    let query = parse(argv, 2, form)?;
    let Some(view) = find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    let (from, to) = query.ranks(view);
    reply::members_head(to - from, query.with_scores, out);
    view.visit((from, to), query.reverse, |name, score| {
        reply::member(name, query.with_scores.then_some(score), out);
    });
    Ok(())
}

pub(super) fn zrange(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    reply_range(cx, argv, Form { by: None, reverse: None, with_scores: true }, out)
}

/// The commands whose names say what ZRANGE says by options.
fn named(cx: &mut Cx<'_>, argv: &[&[u8]], by: By, reverse: bool, out: &mut Writer) -> Result {
    reply_range(cx, argv, Form { by: Some(by), reverse: Some(reverse), with_scores: true }, out)
}

pub(super) fn zrevrange(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    named(cx, argv, By::Rank, true, out)
}

pub(super) fn zrangebyscore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    named(cx, argv, By::Score, false, out)
}

pub(super) fn zrevrangebyscore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    named(cx, argv, By::Score, true, out)
}

pub(super) fn zrangebylex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    named(cx, argv, By::Lex, false, out)
}

pub(super) fn zrevrangebylex(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    named(cx, argv, By::Lex, true, out)
}

/// Stores sorted members under a key, or deletes the key if there are none; replies their number.
pub(crate) fn store<'a>(
    cx: &mut Cx<'_>,
    key: &[u8],
    members: impl ExactSizeIterator<Item = (&'a [u8], f64)> + Clone,
    event: &'static str,
    out: &mut Writer,
) {
    let count = members.len();
    if count == 0 {
        if cx.delete(key, false) {
            cx.notify(Events::GENERIC, "del", key);
        }
    } else {
        put_sorted(cx, key, members);
        cx.changed(key);
        cx.notify(Events::ZSET, event, key);
    }
    out.int(count as i64);
}

pub(super) fn zrangestore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let query = parse(argv, 3, Form { by: None, reverse: None, with_scores: false })?;
    let members = find(cx, argv[2])?.map_or_else(Vec::new, |view| view.collect(query.ranks(view), false));
    store(cx, argv[1], members.iter().map(|(name, score)| (&name[..], *score)), "zrangestore", out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_as_the_servers_read_them() {
        let including = |score| Ok(ScoreBound::Including(score));
        let excluding = |score| Ok(ScoreBound::Excluding(score));
        for (text, bound) in [
            ("1.5", including(1.5)),
            ("(1.5", excluding(1.5)),
            ("-inf", including(f64::NEG_INFINITY)),
            ("(+inf", excluding(f64::INFINITY)),
            ("", including(0.0)),
            ("(", excluding(0.0)),
            ("1e400", including(f64::INFINITY)),
            ("nan", Err(NOT_A_SCORE)),
            (" 1", Err(NOT_A_SCORE)),
            ("((1", Err(NOT_A_SCORE)),
        ] {
            assert_eq!(score_bound(text.as_bytes()), bound, "{text}");
        }
        assert_eq!(lex_bound(b"[a"), Ok(LexBound::Including(b"a")));
        assert_eq!(lex_bound(b"("), Ok(LexBound::Excluding(b"")));
        assert_eq!(lex_bound(b"a"), Err(NOT_A_LEX_BOUND));
        assert_eq!(lex_bound(b""), Err(NOT_A_LEX_BOUND));
    }

    #[test]
    fn ranks_are_clamped() {
        for (start, stop, len, expected) in [
            (0, -1, 3, (0, 3)),
            (-2, -1, 3, (1, 3)),
            (-100, 0, 3, (0, 1)),
            (1, 100, 3, (1, 3)),
            (3, 3, 3, (0, 0)),
            (2, 1, 3, (0, 0)),
            (0, -4, 3, (0, 0)),
            (i64::MIN, i64::MAX, 3, (0, 3)),
            (i64::MAX, i64::MIN, 3, (0, 0)),
            (0, -1, 0, (0, 0)),
        ] {
            assert_eq!(clamp(start, stop, len), expected, "{start} {stop} {len}");
        }
    }
}
