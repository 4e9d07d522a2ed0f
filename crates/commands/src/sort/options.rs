//! The arguments of SORT.

use crate::args::Args;
use crate::error::{Result, SYNTAX};

/// What decides the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By<'a> {
    /// The elements themselves.
    Element,
    /// Nothing: the order is that of the collection.
    Nothing,
    /// What this pattern finds for each element.
    Pattern(&'a [u8]),
}

/// See the file comment.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Query<'a> {
    pub by: By<'a>,
    /// First element and number of elements, as given: a negative number means all.
    pub limit: (i64, i64),
    pub gets: Vec<&'a [u8]>,
    pub descending: bool,
    pub alpha: bool,
    pub store: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    /// Parses from argument 2 on.
    pub(super) fn parse(argv: &'a [&'a [u8]], may_store: bool) -> Result<Query<'a>> {
        let mut query = Query {
            by: By::Element,
            limit: (0, -1),
            gets: Vec::new(),
            descending: false,
            alpha: false,
            store: None,
        };
        let mut args = Args::new(argv, 2);
        while !args.is_empty() {
            if args.take("ASC") {
                query.descending = false;
            } else if args.take("DESC") {
                query.descending = true;
            } else if args.take("ALPHA") {
                query.alpha = true;
            } else if args.take_with("LIMIT", 2) {
                query.limit = (args.int()?, args.int()?);
            } else if may_store && args.take_with("STORE", 1) {
                query.store = Some(args.arg()?);
            } else if args.take_with("BY", 1) {
                let pattern = args.arg()?;
                // A pattern without a star is a wish not to sort, which a later one does not take back.
                query.by = match query.by {
                    By::Nothing => By::Nothing,
                    _ if !pattern.contains(&b'*') => By::Nothing,
                    _ => By::Pattern(pattern),
                };
            } else if args.take_with("GET", 1) {
                query.gets.push(args.arg()?);
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(query)
    }

    /// The indexes `from..to` of `len` elements that the limit leaves.
    pub(super) fn window(&self, len: usize) -> (usize, usize) {
        let from = usize::try_from(self.limit.0.max(0)).unwrap_or(usize::MAX).min(len);
        let count = usize::try_from(self.limit.1).unwrap_or(usize::MAX);
        (from, from.saturating_add(count).min(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows() {
        for (limit, window) in [
            ((0, -1), (0, 5)),
            ((-3, 2), (0, 2)),
            ((2, 2), (2, 4)),
            ((4, 9), (4, 5)),
            ((5, 1), (5, 5)),
            ((7, -1), (5, 5)),
            ((1, i64::MAX), (1, 5)),
            ((i64::MAX, i64::MAX), (5, 5)),
            ((0, 0), (0, 0)),
        ] {
            let words: [&[u8]; 2] = [b"sort", b"k"];
            let query = Query { limit, ..Query::parse(&words, true).expect("no options") };
            assert_eq!(query.window(5), window, "{limit:?}");
        }
    }

    #[test]
    fn a_wish_not_to_sort_stays() {
        let words: [&[u8]; 6] = [b"sort", b"k", b"by", b"nosort", b"by", b"w_*"];
        assert_eq!(Query::parse(&words, true).expect("valid").by, By::Nothing);
        let words: [&[u8]; 4] = [b"sort_ro", b"k", b"store", b"d"];
        assert_eq!(Query::parse(&words, false), Err(SYNTAX));
    }
}
