//! ZRANDMEMBER: members at random, found by rank.

use resp::writer::Writer;

use super::reply;
use super::view::{View, find};
use crate::args::int_or;
use crate::cx::Cx;
use crate::draws::{COUNT_RANGE, Draws, repetitions};
use crate::error::{NOT_AN_INTEGER, OUT_OF_RANGE, Result, SYNTAX};

fn reply_at(view: View<'_>, rank: usize, with_scores: bool, out: &mut Writer) {
    if let Some((name, score)) = view.at(rank) {
        reply::member(name, with_scores.then_some(score), out);
    }
}

pub(super) fn zrandmember(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut draws = Draws::new(cx.server);
    let Some(given) = argv.get(2) else {
        match find(cx, argv[1])?.and_then(|view| view.at(draws.below(view.len()))) {
            Some((name, _)) => reply::name(name, out),
            None => out.null(),
        }
        return Ok(());
    };
    let count = int_or(given, NOT_AN_INTEGER)?;
    if count == i64::MIN {
        return Err(COUNT_RANGE);
    }
    let with_scores = match argv.get(3) {
        Some(word) if argv.len() == 4 && word.eq_ignore_ascii_case(b"WITHSCORES") => true,
        Some(_) => return Err(SYNTAX),
        None => false,
    };
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(OUT_OF_RANGE);
    }
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let repeated = (count < 0).then(|| repetitions(cx, wanted, out));
    let Some(view) = find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    if let Some(repeated) = repeated {
        let repeated = repeated?;
        reply::members_head(wanted, with_scores, out);
        repeated.each(out, |out| reply_at(view, draws.below(view.len()), with_scores, out));
    } else if wanted >= view.len() {
        reply::members_head(view.len(), with_scores, out);
        view.visit((0, view.len()), false, |name, score| {
            reply::member(name, with_scores.then_some(score), out);
        });
    } else {
        reply::members_head(wanted, with_scores, out);
        for rank in draws.distinct(view.len(), wanted) {
            reply_at(view, rank, with_scores, out);
        }
    }
    Ok(())
}
