//! ZSCAN. A cursor is the position in the member index; small sorted sets are given whole.

use ds::glob::glob_match;
use ds::num::IntText;
use ds::table::Position;
use resp::writer::Writer;

use super::view::{View, find};
use crate::args::{Args, cursor, int};
use crate::cx::Cx;
use crate::error::{Result, SYNTAX};
use ds::listpack::LpValue;

/// Lines of the index that one step looks at for each member that it was asked for, at most.
const LINES_PER_MEMBER: usize = 10;

struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    scores: bool,
}

fn parse<'a>(argv: &'a [&'a [u8]]) -> Result<Options<'a>> {
    let mut options = Options { pattern: None, count: 10, scores: true };
    let mut args = Args::new(argv, 3);
    while !args.is_empty() {
        if args.take_with("COUNT", 1) {
            let count = int(args.arg()?)?;
            options.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(SYNTAX)?;
        } else if args.take_with("MATCH", 1) {
            options.pattern = Some(args.arg()?).filter(|pattern| *pattern != b"*");
        } else if args.take("NOSCORES") {
            options.scores = false;
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(options)
}

pub(super) fn zscan(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let cursor = cursor(argv[2])?;
    let found = find(cx, argv[1])?;
    let Some(view) = found else {
        out.array(2);
        out.bulk(b"0");
        out.array(0);
        return Ok(());
    };
    let options = parse(argv)?;
    let mut members = Vec::new();
    let mut next = 0;
    match view {
        View::Packed(_) => view.visit((0, view.len()), false, |name, score| {
            take(&options, name, score, &mut members);
        }),
        View::Tree(zset) => {
            // A cursor that this server never gave ends the walk.
            let mut position = Position::from_wide_bits(cursor);
            let (mut seen, mut lines) = (0, options.count.saturating_mul(LINES_PER_MEMBER));
            while let Some(at) = position.filter(|_| seen < options.count && lines > 0) {
                lines -= 1;
                position = zset.scan(at, |member| {
                    seen += 1;
                    take(&options, LpValue::Str(member.name()), member.score(), &mut members);
                });
            }
            next = position.map_or(0, Position::to_wide_bits);
        }
    }
    out.array(2);
    out.bulk(next.to_string().as_bytes());
    out.array(if options.scores { 2 * members.len() } else { members.len() });
    for (name, score) in &members {
        out.bulk(name);
        if options.scores {
            // ZSCAN gives scores as strings in RESP3 too.
            let mut text = Vec::new();
            ds::num::format_f64(*score, &mut text);
            out.bulk(&text);
        }
    }
    Ok(())
}

/// Keeps a member whose name the pattern allows.
fn take(options: &Options<'_>, name: LpValue<'_>, score: f64, into: &mut Vec<(Vec<u8>, f64)>) {
    let mut scratch = IntText::new();
    let name = name.text(&mut scratch);
    if options.pattern.is_none_or(|pattern| glob_match(pattern, name, false)) {
        into.push((name.to_vec(), score));
    }
}
