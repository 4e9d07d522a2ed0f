//! What asks for single members and for counts: ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCARD, ZCOUNT, ZLEXCOUNT.

use resp::writer::Writer;

use super::range::{Range, lex_range, score_range};
use super::reply;
use super::view::find;
use crate::cx::Cx;
use crate::error::{Result, SYNTAX, wrong_arity};

pub(super) fn zcard(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let len = find(cx, argv[1])?.map_or(0, |view| view.len());
    out.int(len as i64);
    Ok(())
}

pub(super) fn zscore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let found = find(cx, argv[1])?.and_then(|view| view.score(argv[2]));
    reply::score_or_null(found, out);
    Ok(())
}

pub(super) fn zmscore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let view = find(cx, argv[1])?;
    out.array(argv.len() - 2);
    for name in &argv[2..] {
        reply::score_or_null(view.and_then(|view| view.score(name)), out);
    }
    Ok(())
}

fn rank(cx: &mut Cx<'_>, argv: &[&[u8]], reverse: bool, out: &mut Writer) -> Result {
    if argv.len() > 4 {
        return Err(wrong_arity(if reverse { "zrevrank" } else { "zrank" }));
    }
    let with_score = match argv.get(3) {
        Some(word) if word.eq_ignore_ascii_case(b"WITHSCORE") => true,
        Some(_) => return Err(SYNTAX),
        None => false,
    };
    let found = find(cx, argv[1])?.and_then(|view| {
        let (rank, score) = view.rank(argv[2])?;
        Some((if reverse { view.len() - 1 - rank } else { rank }, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            out.array(2);
            out.int(rank as i64);
            reply::score(score, out);
        }
        Some((rank, _)) => out.int(rank as i64),
        None if with_score => out.null_array(),
        None => out.null(),
    }
    Ok(())
}

pub(super) fn zrank(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    rank(cx, argv, false, out)
}

pub(super) fn zrevrank(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    rank(cx, argv, true, out)
}

fn count(cx: &mut Cx<'_>, key: &[u8], range: Range<'_>, out: &mut Writer) -> Result {
    let count = find(cx, key)?.map_or(0, |view| {
        let (from, to) = range.ranks(view, false);
        to - from
    });
    out.int(count as i64);
    Ok(())
}

pub(super) fn zcount(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    count(cx, argv[1], score_range(argv[2], argv[3])?, out)
}

pub(super) fn zlexcount(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    count(cx, argv[1], lex_range(argv[2], argv[3])?, out)
}
