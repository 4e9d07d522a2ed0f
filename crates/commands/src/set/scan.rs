//! SSCAN. A cursor is a position in the table; small sets are given whole.

use ds::glob::glob_match;
use ds::listpack::LpValue;
use ds::num::IntText;
use ds::table::Position;
use resp::writer::Writer;

use super::view::{SetRef, find};
use crate::args::{Args, cursor, int};
use crate::cx::Cx;
use crate::error::{Result, SYNTAX};

/// Lines of the table that one step looks at for each member that it was asked for, at most.
const LINES_PER_MEMBER: usize = 10;

struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
}

fn parse<'a>(argv: &'a [&'a [u8]]) -> Result<Options<'a>> {
    let mut options = Options { pattern: None, count: 10 };
    let mut args = Args::new(argv, 3);
    while !args.is_empty() {
        if args.take_with("COUNT", 1) {
            let count = int(args.arg()?)?;
            options.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(SYNTAX)?;
        } else if args.take_with("MATCH", 1) {
            options.pattern = Some(args.arg()?).filter(|pattern| *pattern != b"*");
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(options)
}

pub(super) fn sscan(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let cursor = cursor(argv[2])?;
    let Some(set) = find(cx, argv[1])? else {
        out.array(2);
        out.bulk(b"0");
        out.array(0);
        return Ok(());
    };
    let options = parse(argv)?;
    let mut members = Vec::new();
    let mut take = |member: LpValue<'_>| {
        let mut scratch = IntText::new();
        let name = member.text(&mut scratch);
        if options.pattern.is_none_or(|pattern| glob_match(pattern, name, false)) {
            members.push(name.to_vec());
        }
    };
    let mut next = 0;
    match set {
        SetRef::Table(table) => {
            // A cursor that this server never gave ends the walk.
            let mut position = Position::from_wide_bits(cursor);
            let (mut seen, mut lines) = (0, options.count.saturating_mul(LINES_PER_MEMBER));
            while let Some(at) = position.filter(|_| seen < options.count && lines > 0) {
                lines -= 1;
                position = table.scan(at, |member| {
                    seen += 1;
                    take(LpValue::Str(member.name()));
                });
            }
            next = position.map_or(0, Position::to_wide_bits);
        }
        small => small.iter().for_each(take),
    }
    out.array(2);
    out.bulk(next.to_string().as_bytes());
    out.array(members.len());
    members.iter().for_each(|name| out.bulk(name));
    Ok(())
}
