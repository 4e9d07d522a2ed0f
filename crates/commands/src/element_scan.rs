//! What HSCAN, SSCAN and ZSCAN share: their options, and the walk over a large collection's table.
//!
//! A cursor is a position in the table; small collections are given whole.

use config::Family;
use ds::glob::glob_match;
use ds::table::Position;
use resp::writer::Writer;

use crate::args::{Args, int};
use crate::error::{CommandError, Result, SYNTAX};

/// Lines of the table that one step looks at for each element that it was asked for, at most.
const LINES_PER_ELEMENT: usize = 10;

/// What is said of an option that is none here.
pub(crate) fn other_option(args: &mut Args<'_>, family: Family) -> CommandError {
    if args.take("NOVALUES") {
        CommandError::fixed("ERR NOVALUES option can only be used in HSCAN")
    } else if family == Family::Valkey && args.take("NOSCORES") {
        CommandError::fixed("ERR NOSCORES option can only be used in ZSCAN")
    } else {
        SYNTAX
    }
}

/// MATCH and COUNT.
pub(crate) struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
}

impl<'a> Options<'a> {
    /// Parses what stands behind the cursor. `own` takes the words that only one of the commands has, and answers whether it
    /// took one.
    pub fn parse(
        argv: &'a [&'a [u8]],
        family: Family,
        mut own: impl FnMut(&mut Args<'a>) -> bool,
    ) -> Result<Options<'a>> {
        let mut options = Options { pattern: None, count: 10 };
        let mut args = Args::new(argv, 3);
        while !args.is_empty() {
            if args.take_with("COUNT", 1) {
                let count = int(args.arg()?)?;
                options.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(SYNTAX)?;
            } else if args.take_with("MATCH", 1) {
                options.pattern = Some(args.arg()?).filter(|pattern| *pattern != b"*");
            } else if !own(&mut args) {
                return Err(other_option(&mut args, family));
            }
        }
        Ok(options)
    }

    /// Whether the pattern allows this name.
    pub fn allow(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob_match(pattern, name, false))
    }

    /// Walks from `cursor` on until enough elements were seen; `step` visits one line of the table, counts its elements and
    /// answers where to go on. Answers the next cursor. One that this server never gave ends the walk.
    pub fn walk(&self, cursor: u64, mut step: impl FnMut(Position, &mut usize) -> Option<Position>) -> u64 {
        let mut position = Position::from_wide_bits(cursor);
        let (mut seen, mut lines) = (0, self.count.saturating_mul(LINES_PER_ELEMENT));
        while let Some(at) = position.filter(|_| seen < self.count && lines > 0) {
            lines -= 1;
            position = step(at, &mut seen);
        }
        position.map_or(0, Position::to_wide_bits)
    }
}

/// The strings that a walk has found, as the reply has them.
#[derive(Default)]
pub(crate) struct Found {
    strings: Writer,
    count: usize,
}

impl Found {
    /// Adds one.
    pub fn push(&mut self, string: &[u8]) {
        self.strings.bulk(string);
        self.count += 1;
    }

    /// The strings as an array.
    pub fn reply(mut self, out: &mut Writer) {
        out.array(self.count);
        out.append(&mut self.strings);
    }

    /// The next cursor, and the strings.
    pub fn reply_with(self, next: u64, out: &mut Writer) {
        out.array(2);
        out.bulk(next.to_string().as_bytes());
        self.reply(out);
    }
}
