//! LCS: the longest common subsequence of two strings, its length, or where it stands in both.

use config::Directive;
use ds::entry::Kind;
use ds::num::IntText;
use resp::writer::Writer;

use super::condition::bytes_of;
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{CommandError, Result};

#[derive(Default)]
struct Options {
    length: bool,
    places: bool,
    with_length: bool,
    least: i64,
}

/// A run of the subsequence that is contiguous in both strings: its beginnings and its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    a: usize,
    b: usize,
    len: usize,
}

/// Lengths of the common subsequences of all pairs of beginnings.
struct Lengths {
    /// `(a.len() + 1) * (b.len() + 1)` numbers, row by row.
    cells: Vec<u32>,
    width: usize,
}

impl Lengths {
    /// `None` if there is no memory for so many.
    fn new(a: &[u8], b: &[u8]) -> Option<Lengths> {
        let width = b.len() + 1;
        let mut cells: Vec<u32> = Vec::new();
        cells.try_reserve_exact((a.len() + 1) * width).ok()?;
        cells.resize(width, 0);
        for &x in a {
            let end = cells.len();
            cells.resize(end + width, 0);
            let (before, row) = cells.split_at_mut(end);
            let above = before[end - width..].windows(2);
            let mut left = 0;
            for ((cell, above), &y) in row[1..].iter_mut().zip(above).zip(b) {
                left = if x == y { above[0] + 1 } else { above[1].max(left) };
                *cell = left;
            }
        }
        Some(Lengths { cells, width })
    }

    fn get(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }

    fn whole(&self) -> u32 {
        self.cells.last().copied().unwrap_or(0)
    }

    /// The runs of one longest subsequence, last first.
    fn runs(&self, a: &[u8], b: &[u8]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        let mut contiguous = false;
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                match runs.last_mut().filter(|_| contiguous) {
                    Some(run) => *run = Run { a: i, b: j, len: run.len + 1 },
                    None => runs.push(Run { a: i, b: j, len: 1 }),
                }
                contiguous = true;
            } else {
                if self.get(i - 1, j) > self.get(i, j - 1) {
                    i -= 1;
                } else {
                    j -= 1;
                }
                contiguous = false;
            }
        }
        runs
    }
}

fn read(cx: &mut Cx<'_>, key: &[u8]) -> Result<Vec<u8>> {
    match cx.find(key) {
        Some(entry) if entry.kind() != Kind::String => {
            Err(CommandError::fixed("ERR The specified keys must contain string values"))
        }
        Some(entry) => Ok(bytes_of(entry, &mut IntText::new()).to_vec()),
        None => Ok(Vec::new()),
    }
}

fn parse(argv: &[&[u8]]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = Args::new(argv, 3);
    while !args.is_empty() {
        if args.take("IDX") {
            options.places = true;
        } else if args.take("LEN") {
            options.length = true;
        } else if args.take("WITHMATCHLEN") {
            options.with_length = true;
        } else if args.take_with("MINMATCHLEN", 1) {
            options.least = args.int()?.max(0);
        } else {
            return Err(crate::error::SYNTAX);
        }
    }
    if options.places && options.length {
        return Err(CommandError::fixed("ERR If you want both the length and indexes, please just use IDX."));
    }
    Ok(options)
}

pub(super) fn lcs(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (a, b) = (read(cx, argv[1])?, read(cx, argv[2])?);
    let options = parse(argv)?;
    let most = cx.server.config.int(Directive::ProtoMaxBulkLen).max(0) as usize;
    let bytes = (a.len() + 1).saturating_mul(b.len() + 1).saturating_mul(size_of::<u32>());
    if bytes > most {
        return Err(CommandError::fixed(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let lengths = Lengths::new(&a, &b)
        .ok_or(CommandError::fixed("ERR Insufficient memory, failed allocating transient memory for LCS"))?;
    if options.length {
        out.int(i64::from(lengths.whole()));
    } else if options.places {
        reply_places(&lengths, &lengths.runs(&a, &b), &options, out);
    } else {
        let runs = lengths.runs(&a, &b);
        let text: Vec<u8> = runs.iter().rev().flat_map(|run| &a[run.a..run.a + run.len]).copied().collect();
        out.bulk(&text);
    }
    Ok(())
}

fn reply_places(lengths: &Lengths, runs: &[Run], options: &Options, out: &mut Writer) {
    let shown: Vec<&Run> = runs.iter().filter(|run| run.len as i64 >= options.least).collect();
    out.map(2);
    out.bulk(b"matches");
    out.array(shown.len());
    for run in shown {
        out.array(2 + usize::from(options.with_length));
        for from in [run.a, run.b] {
            out.array(2);
            out.int(from as i64);
            out.int((from + run.len - 1) as i64);
        }
        if options.with_length {
            out.int(run.len as i64);
        }
    }
    out.bulk(b"len");
    out.int(i64::from(lengths.whole()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_as_in_the_reference_manual() {
        let (a, b) = (b"ohmytext", b"mynewtext");
        let lengths = Lengths::new(a, b).expect("small");
        assert_eq!(lengths.whole(), 6);
        assert_eq!(lengths.runs(a, b), [Run { a: 4, b: 5, len: 4 }, Run { a: 2, b: 0, len: 2 }]);
        let nothing = Lengths::new(a, b"").expect("small");
        assert!(nothing.whole() == 0 && nothing.runs(a, b"").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn runs_are_a_common_subsequence_of_full_length(a in "[a-c]{0,20}", b in "[a-c]{0,20}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let lengths = Lengths::new(a, b).expect("small");
            let runs = lengths.runs(a, b);
            proptest::prop_assert_eq!(runs.iter().map(|run| run.len).sum::<usize>(), lengths.whole() as usize);
            for run in &runs {
                proptest::prop_assert_eq!(&a[run.a..run.a + run.len], &b[run.b..run.b + run.len]);
            }
            for pair in runs.windows(2) {
                proptest::prop_assert!(pair[1].a + pair[1].len <= pair[0].a && pair[1].b + pair[1].len <= pair[0].b);
            }
        }
    }
}
