//! ZPOPMIN, ZPOPMAX, ZMPOP and their blocking forms.

use ds::entry::Kind;
use ds::listpack::LpValue;
use resp::writer::Writer;

use super::remove::remove;
use super::reply;
use super::view::View;
use crate::args::{Args, int_or, timeout_ms};
use crate::block::{BlockRequest, TimeoutReply};
use crate::cx::Cx;
use crate::error::{CommandError, MUST_BE_POSITIVE, Result, SYNTAX};

/// Which end is popped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    fn event(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }

    /// The command that the journal gets.
    fn command(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }

    fn word(self) -> &'static [u8] {
        match self {
            End::Min => b"MIN",
            End::Max => b"MAX",
        }
    }
}

/// Members with their scores, in the order in which they left.
type Popped = Vec<(Vec<u8>, f64)>;

/// Takes up to `count` members from one end, in the order in which they are replied. None if there is no such key.
fn pop(cx: &mut Cx<'_>, key: &[u8], end: End, count: usize) -> Result<Option<Popped>> {
    if cx.find_mut_kind(key, Kind::Zset)?.is_none() {
        return Ok(None);
    }
    if count == 0 {
        return Ok(Some(Vec::new()));
    }
    let mut popped = Vec::new();
    remove(cx, key, end.event(), |editor| {
        let (view, len) = (editor.view(), editor.len());
        let count = count.min(len);
        let ranks = if end == End::Min { (0, count) } else { (len - count, len) };
        popped = View::collect(view, ranks, end == End::Max);
        editor.remove_ranks(ranks);
        count
    })?;
    Ok(Some(popped))
}

fn pop_one_key(cx: &mut Cx<'_>, argv: &[&[u8]], end: End, out: &mut Writer) -> Result {
    let count = match argv.get(2) {
        Some(_) if argv.len() > 3 => return Err(SYNTAX),
        Some(count) => {
            let count = int_or(count, MUST_BE_POSITIVE)?;
            Some(usize::try_from(count).map_err(|_| MUST_BE_POSITIVE)?)
        }
        None => None,
    };
    let popped = pop(cx, argv[1], end, count.unwrap_or(1))?.unwrap_or_default();
    match (count, &popped[..]) {
        // Without a count there are no pairs, even in RESP3.
        (None, [(name, score)]) => {
            out.array(2);
            out.bulk(name);
            reply::score(*score, out);
        }
        (_, popped) => reply::members(popped.iter().map(|(name, score)| (&name[..], *score)), true, out),
    }
    Ok(())
}

pub(super) fn zpopmin(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    pop_one_key(cx, argv, End::Min, out)
}

pub(super) fn zpopmax(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    pop_one_key(cx, argv, End::Max, out)
}

fn blocking_pop(cx: &mut Cx<'_>, argv: &[&[u8]], end: End, out: &mut Writer) -> Result {
    let (keys, timeout) = (&argv[1..argv.len() - 1], argv[argv.len() - 1]);
    let timeout_ms = timeout_ms(timeout)?;
    for key in keys {
        let Some(popped) = pop(cx, key, end, 1)? else { continue };
        out.array(3);
        out.bulk(key);
        for (name, score) in &popped {
            out.bulk(name);
            reply::score(*score, out);
        }
        cx.propagate(&[end.command(), key]);
        return Ok(());
    }
    let serving = keys.iter().map(|key| {
        let argv = [argv[0], key, timeout].map(<[u8]>::to_vec).to_vec();
        (key.to_vec(), argv)
    });
    wait(cx, serving.collect(), timeout_ms, out);
    Ok(())
}

/// Parks the client, or replies that there is nothing where it may not wait.
fn wait(cx: &mut Cx<'_>, keys: Vec<(Vec<u8>, Vec<Vec<u8>>)>, timeout_ms: u64, out: &mut Writer) {
    if cx.may_block {
        cx.block = Some(BlockRequest::keys(keys, timeout_ms, TimeoutReply::NullArray));
    } else {
        out.null_array();
    }
}

pub(super) fn bzpopmin(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    blocking_pop(cx, argv, End::Min, out)
}

pub(super) fn bzpopmax(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    blocking_pop(cx, argv, End::Max, out)
}

/// The arguments of ZMPOP from the number of keys on.
struct Multi<'a> {
    keys: &'a [&'a [u8]],
    end: End,
    count: usize,
}

fn parse_multi<'a>(argv: &'a [&'a [u8]], at: usize) -> Result<Multi<'a>> {
    const NUMKEYS: CommandError = CommandError::fixed("ERR numkeys should be greater than 0");
    const COUNT: CommandError = CommandError::fixed("ERR count should be greater than 0");
    let positive = |arg: &[u8], error: CommandError| {
        let number = int_or(arg, error.clone())?;
        usize::try_from(number).ok().filter(|&number| number > 0).ok_or(error)
    };
    let keys = positive(argv[at], NUMKEYS)?;
    let mut args = Args::new(argv, at + 1);
    let keys = args.slice(keys)?;
    let end = if args.take("MIN") {
        End::Min
    } else if args.take("MAX") {
        End::Max
    } else {
        return Err(SYNTAX);
    };
    let count = if args.take_with("COUNT", 1) { positive(args.arg()?, COUNT)? } else { 1 };
    args.end()?;
    Ok(Multi { keys, end, count })
}

/// Pops from the first key that is there and replies. Answers whether there was one.
fn pop_first(cx: &mut Cx<'_>, multi: &Multi<'_>, out: &mut Writer) -> Result<bool> {
    for key in multi.keys {
        let Some(popped) = pop(cx, key, multi.end, multi.count)? else { continue };
        out.array(2);
        out.bulk(key);
        out.array(popped.len());
        for (name, score) in &popped {
            out.array(2);
            reply::name(LpValue::Str(name), out);
            reply::score(*score, out);
        }
        let count = popped.len().to_string();
        cx.propagate(&[multi.end.command(), key, count.as_bytes()]);
        return Ok(true);
    }
    Ok(false)
}

pub(super) fn zmpop(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let multi = parse_multi(argv, 1)?;
    if !pop_first(cx, &multi, out)? {
        out.null_array();
    }
    Ok(())
}

pub(super) fn bzmpop(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let timeout_ms = timeout_ms(argv[1])?;
    let multi = parse_multi(argv, 2)?;
    if pop_first(cx, &multi, out)? {
        return Ok(());
    }
    let count = multi.count.to_string();
    let serving = multi.keys.iter().map(|key| {
        let argv = [argv[0], argv[1], b"1", key, multi.end.word(), b"COUNT", count.as_bytes()];
        (key.to_vec(), argv.map(<[u8]>::to_vec).to_vec())
    });
    wait(cx, serving.collect(), timeout_ms, out);
    Ok(())
}
