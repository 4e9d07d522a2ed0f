//! VRANGE: elements in the order of their names. VRANDMEMBER: elements at random.

use ds::num;
use ds::vector::VectorSet;
use resp::writer::Writer;

use super::find;
use crate::cx::Cx;
use crate::draws::Draws;
use crate::error::{CommandError, OUT_OF_RANGE, Result, wrong_arity};

/// Most draws with repetitions of one reply: a short command must not fill the memory.
const MOST_DRAWS: usize = 1 << 24;

/// One end of a range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound<'a> {
    Least,
    Greatest,
    Including(&'a [u8]),
    Excluding(&'a [u8]),
}

impl<'a> Bound<'a> {
    fn parse(text: &'a [u8]) -> Option<Bound<'a>> {
        match text {
            b"-" => Some(Bound::Least),
            b"+" => Some(Bound::Greatest),
            [b'[', name @ ..] if !name.is_empty() => Some(Bound::Including(name)),
            [b'(', name @ ..] if !name.is_empty() => Some(Bound::Excluding(name)),
            _ => None,
        }
    }
}

pub(super) fn vrange(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const START: CommandError = CommandError::fixed("ERR invalid start range format");
    const END: CommandError = CommandError::fixed("ERR invalid end range format");
    const COUNT: CommandError = CommandError::fixed("ERR invalid COUNT value");
    const MISPLACED: CommandError =
        CommandError::fixed("ERR '-' can only be used as first argument, '+' only as second");
    if argv.len() > 5 {
        return Err(wrong_arity("VRANGE"));
    }
    let count = argv.get(4).map_or(Some(-1), |text| num::parse_i64(text)).ok_or(COUNT)?;
    let start = Bound::parse(argv[2]).ok_or(START)?;
    let end = Bound::parse(argv[3]).ok_or(END)?;
    if start == Bound::Greatest || end == Bound::Least {
        return Err(MISPLACED);
    }
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let Some(set) = find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    let first = match start {
        Bound::Including(name) | Bound::Excluding(name) => name,
        Bound::Least | Bound::Greatest => b"",
    };
    let names = set.from_name(first).map(|slot| set.element(slot).name);
    let names = names.skip_while(|name| matches!(start, Bound::Excluding(bound) if *name == bound));
    let names: Vec<&[u8]> = names
        .take_while(|name| match end {
            Bound::Including(bound) => *name <= bound,
            Bound::Excluding(bound) => *name < bound,
            Bound::Least | Bound::Greatest => true,
        })
        .take(most)
        .collect();
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name));
    Ok(())
}

fn reply_at(set: &VectorSet, rank: usize, out: &mut Writer) {
    if let Some(slot) = set.by_rank(rank) {
        out.bulk(set.element(slot).name);
    }
}

pub(super) fn vrandmember(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const COUNT: CommandError = CommandError::fixed("ERR COUNT value is not an integer");
    if argv.len() > 3 {
        return Err(wrong_arity("VRANDMEMBER"));
    }
    let mut draws = Draws::new(cx.server);
    let Some(given) = argv.get(2) else {
        match find(cx, argv[1])? {
            Some(set) => reply_at(set, draws.below(set.len()), out),
            None => out.null(),
        }
        return Ok(());
    };
    let count = num::parse_i64(given).ok_or(COUNT)?;
    let Some(set) = find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 {
        if wanted > MOST_DRAWS {
            return Err(OUT_OF_RANGE);
        }
        out.array(wanted);
        (0..wanted).for_each(|_| reply_at(set, draws.below(set.len()), out));
    } else if wanted >= set.len() {
        out.array(set.len());
        set.from_name(b"").for_each(|slot| out.bulk(set.element(slot).name));
    } else {
        out.array(wanted);
        draws.distinct(set.len(), wanted).into_iter().for_each(|rank| reply_at(set, rank, out));
    }
    Ok(())
}
