//! ZADD and ZINCRBY. GEOADD adds through the same function.

use config::{Events, Family};
use ds::entry::Kind;
use ds::zset::Inserted;
use resp::writer::Writer;
use smallvec::SmallVec;

use super::edit::{Editor, Limits, edit};
use super::reply;
use crate::args::{Args, float};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};

/// Which members ZADD touches, and what it answers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    /// Only new members.
    pub(crate) absent: bool,
    /// Only members that are there.
    pub(crate) present: bool,
    /// Only if the score grows.
    pub(crate) greater: bool,
    /// Only if the score shrinks.
    pub(crate) less: bool,
    /// Count changed members too.
    pub(crate) changed: bool,
    /// Add to the score instead of setting it; one member.
    pub(crate) increment: bool,
}

/// Members with their scores, as they came.
pub(crate) type Pairs<'a> = SmallVec<[(f64, &'a [u8]); 4]>;

/// What was done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outcome {
    pub(crate) added: usize,
    pub(crate) updated: usize,
    /// The last member's score; none if the options forbade to touch it.
    pub(crate) score: Option<f64>,
}

const NOT_A_NUMBER: CommandError = CommandError::fixed("ERR resulting score is not a number (NaN)");

/// Does to one member what the options say.
fn apply(
    editor: &mut Editor<'_>,
    options: Options,
    (score, name): (f64, &[u8]),
    limits: Limits,
    outcome: &mut Outcome,
) -> Result {
    outcome.score = None;
    let plain = !(options.absent || options.present || options.greater || options.less || options.increment);
    let mut score = score;
    if !plain {
        match editor.view().score(name) {
            Some(_) if options.absent => return Ok(()),
            None if options.present => return Ok(()),
            Some(old) => {
                if options.increment {
                    score += old;
                    if score.is_nan() {
                        return Err(NOT_A_NUMBER);
                    }
                }
                if options.greater && score <= old || options.less && score >= old {
                    return Ok(());
                }
            }
            None => {}
        }
    }
    match editor.set(name, score, limits) {
        Inserted::Added => outcome.added += 1,
        Inserted::Updated(_) => outcome.updated += 1,
        Inserted::Same => {}
    }
    outcome.score = Some(score);
    Ok(())
}

/// Adds members to the sorted set of a key, with all effects but the reply.
pub(crate) fn add(cx: &mut Cx<'_>, key: &[u8], options: Options, pairs: &[(f64, &[u8])]) -> Result<Outcome> {
    let limits = Limits::of(cx.server);
    let mut outcome = Outcome::default();
    let longest = pairs.iter().map(|(_, name)| name.len()).max().unwrap_or(0);
    // Valkey expects of each name that it will be added, Redis of their number.
    let expected = if cx.family() == Family::Valkey { longest } else { 0 };
    let mut add_all = |editor: &mut Editor<'_>| {
        pairs.iter().try_for_each(|&pair| apply(editor, options, pair, limits, &mut outcome))
    };
    match cx.find_mut_kind(key, Kind::Zset)? {
        Some(mut slot) => slot.update(|entry| {
            edit(entry, |editor| {
                editor.expect(limits, pairs.len(), expected);
                add_all(editor)
            })
        })?,
        None if options.present => {}
        None => {
            let mut editor = Editor::new(limits, pairs.len(), longest);
            add_all(&mut editor)?;
            editor.finish(|value| cx.put(key, value, None));
        }
    }
    let changes = outcome.added + outcome.updated;
    if changes > 0 {
        cx.changed(key);
        cx.effects.dirty += changes as u64 - 1;
        cx.notify(Events::ZSET, if options.increment { "zincr" } else { "zadd" }, key);
    }
    Ok(outcome)
}

fn parse_options(args: &mut Args<'_>) -> Options {
    let mut options = Options::default();
    loop {
        let flag = if args.take("NX") {
            &mut options.absent
        } else if args.take("XX") {
            &mut options.present
        } else if args.take("CH") {
            &mut options.changed
        } else if args.take("INCR") {
            &mut options.increment
        } else if args.take("GT") {
            &mut options.greater
        } else if args.take("LT") {
            &mut options.less
        } else {
            return options;
        };
        *flag = true;
    }
}

fn check(options: Options, pairs: usize) -> Result {
    if options.absent && options.present {
        return Err(CommandError::fixed("ERR XX and NX options at the same time are not compatible"));
    }
    if [options.absent, options.greater, options.less].into_iter().filter(|&given| given).count() > 1 {
        return Err(CommandError::fixed("ERR GT, LT, and/or NX options at the same time are not compatible"));
    }
    if options.increment && pairs > 1 {
        return Err(CommandError::fixed("ERR INCR option supports a single increment-element pair"));
    }
    Ok(())
}

pub(super) fn zadd(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut args = Args::new(argv, 2);
    let options = parse_options(&mut args);
    let rest = args.rest();
    if rest.is_empty() || !rest.len().is_multiple_of(2) {
        return Err(SYNTAX);
    }
    check(options, rest.len() / 2)?;
    let family = cx.family();
    let mut pairs = Pairs::new();
    for pair in rest.chunks_exact(2) {
        pairs.push((float(pair[0], family)?, pair[1]));
    }
    let outcome = add(cx, argv[1], options, &pairs)?;
    if options.increment {
        reply::score_or_null(outcome.score, out);
    } else {
        out.int((outcome.added + if options.changed { outcome.updated } else { 0 }) as i64);
    }
    Ok(())
}

pub(super) fn zincrby(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let options = Options { increment: true, ..Options::default() };
    let outcome = add(cx, argv[1], options, &[(float(argv[2], cx.family())?, argv[3])])?;
    reply::score_or_null(outcome.score, out);
    Ok(())
}
