//! ZRANDMEMBER: members at random, found by rank.

use resp::writer::Writer;

use super::reply;
use super::view::{View, find};
use crate::args::int_or;
use crate::cx::Cx;
use crate::error::{CommandError, NOT_AN_INTEGER, OUT_OF_RANGE, Result, SYNTAX};
use crate::server::Server;

const COUNT_RANGE: CommandError = CommandError::fixed(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);
/// Most draws with repetitions of one reply: a short command must not fill the memory.
const MOST_DRAWS: usize = 1 << 24;

/// A number below `bound`, which is not zero.
fn below(server: &Server, bound: usize) -> usize {
    ((u128::from(server.random()) * bound as u128) >> 64) as usize
}

/// `count` different ranks below `len`, at random, in no order.
fn distinct(server: &Server, len: usize, count: usize) -> Vec<usize> {
    // Floyd's sampling: each round adds one rank, the drawn one or, if it was there, the round's own.
    let mut drawn = std::collections::HashSet::with_capacity(count);
    let mut ranks = Vec::with_capacity(count);
    for round in len - count..len {
        let rank = below(server, round + 1);
        let rank = if drawn.insert(rank) { rank } else { round };
        drawn.insert(rank);
        ranks.push(rank);
    }
    ranks
}

fn reply_at(view: View<'_>, rank: usize, with_scores: bool, out: &mut Writer) {
    if let Some((name, score)) = view.at(rank) {
        reply::member(name, with_scores.then_some(score), out);
    }
}

pub(super) fn zrandmember(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let server = cx.server;
    let Some(given) = argv.get(2) else {
        match find(cx, argv[1])?.and_then(|view| view.at(below(server, view.len().max(1)))) {
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
    let Some(view) = find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 {
        if wanted > MOST_DRAWS {
            return Err(OUT_OF_RANGE);
        }
        reply::members_head(wanted, with_scores, out);
        (0..wanted).for_each(|_| reply_at(view, below(server, view.len()), with_scores, out));
    } else if wanted >= view.len() {
        reply::members_head(view.len(), with_scores, out);
        view.visit((0, view.len()), false, |name, score| {
            reply::member(name, with_scores.then_some(score), out);
        });
    } else {
        reply::members_head(wanted, with_scores, out);
        for rank in distinct(server, view.len(), wanted) {
            reply_at(view, rank, with_scores, out);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_ranks_differ_and_every_rank_can_be_drawn() {
        let environment = config::Environment { cores: 1, dir: Vec::new() };
        let server = Server::new(std::sync::Arc::new(config::Store::new(&environment)), 1, 1);
        let mut seen = std::collections::HashSet::new();
        for count in 0..=7 {
            for _ in 0..200 {
                let mut ranks = distinct(&server, 7, count);
                assert!(ranks.iter().all(|&rank| rank < 7));
                seen.extend(ranks.iter().copied());
                ranks.sort_unstable();
                ranks.dedup();
                assert_eq!(ranks.len(), count);
            }
        }
        assert_eq!(seen.len(), 7);
    }
}
