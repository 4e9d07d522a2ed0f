//! VSIM: the elements whose vectors point about where another one does.

use ds::num;
use ds::vector::filter::{Filter, FilterError};
use ds::vector::{Encoded, Search, Slot, VectorSet};
use resp::writer::Writer;

use super::vector::{INVALID, take, wrong_dim, wrong_input};
use super::{INVALID_EF, MOST_EF, find, reply_number, similarity};
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{CommandError, Result};

const COUNT: usize = 10;
/// Nodes that a search keeps on the way, if nothing is said.
const EF: usize = 100;
/// Nodes that a filter looks at for each element that is asked for, if nothing is said.
const LOOKED_AT: usize = 100;

struct Similar {
    count: usize,
    ef: usize,
    /// The least similarity.
    least: f64,
    filter: Option<Filter>,
    filter_ef: Option<usize>,
    truth: bool,
    with_scores: bool,
    with_attributes: bool,
}

fn count_of(args: &mut Args<'_>, range: std::ops::RangeInclusive<i64>, error: CommandError) -> Result<usize> {
    let given = args.int().ok().filter(|count| range.contains(count));
    given.and_then(|count| usize::try_from(count).ok()).ok_or(error)
}

impl Similar {
    fn parse(args: &mut Args<'_>) -> Result<Similar> {
        const OPTION: CommandError = CommandError::fixed("ERR syntax error in VSIM command");
        const INVALID_COUNT: CommandError = CommandError::fixed("ERR invalid COUNT");
        const INVALID_EPSILON: CommandError = CommandError::fixed("ERR invalid EPSILON");
        const INVALID_FILTER_EF: CommandError = CommandError::fixed("ERR invalid FILTER-EF");
        let mut similar = Similar {
            count: COUNT,
            ef: EF,
            least: f64::NEG_INFINITY,
            filter: None,
            filter_ef: None,
            truth: false,
            with_scores: false,
            with_attributes: false,
        };
        while !args.is_empty() {
            if args.take("WITHSCORES") {
                similar.with_scores = true;
            } else if args.take("WITHATTRIBS") {
                similar.with_attributes = true;
            } else if args.take("TRUTH") {
                similar.truth = true;
            } else if args.take("NOTHREAD") {
                // A search runs where its client is served, always; other workers go on meanwhile.
            } else if args.take_with("COUNT", 1) {
                similar.count = count_of(args, 1..=i64::MAX, INVALID_COUNT)?;
            } else if args.take_with("EPSILON", 1) {
                let epsilon = num::parse_f64(args.arg()?).filter(|epsilon| *epsilon > 0.0);
                similar.least = 1.0 - epsilon.ok_or(INVALID_EPSILON)?;
            } else if args.take_with("EF", 1) {
                similar.ef = count_of(args, 1..=MOST_EF, INVALID_EF)?;
            } else if args.take_with("FILTER", 1) {
                similar.filter = Some(Filter::compile(args.arg()?).map_err(not_a_filter)?);
            } else if args.take_with("FILTER-EF", 1) {
                similar.filter_ef = Some(count_of(args, 1..=i64::MAX, INVALID_FILTER_EF)?);
            } else {
                return Err(OPTION);
            }
        }
        Ok(similar)
    }

    fn run(&self, set: &VectorSet, query: &Encoded) -> Vec<(Slot, f32)> {
        let most_looked_at = match self.filter_ef {
            Some(0) => usize::MAX,
            Some(nodes) => nodes,
            None => self.count.saturating_mul(LOOKED_AT),
        };
        let mut accept = self
            .filter
            .as_ref()
            .map(|filter| |element: ds::vector::Element<'_>| filter.matches(element.attribute));
        let search = Search {
            count: self.count,
            ef: self.ef,
            most_looked_at,
            accept: accept.as_mut().map(|accept| accept as &mut dyn FnMut(ds::vector::Element<'_>) -> bool),
        };
        let mut found = if self.truth { set.search_all(query, search) } else { set.search(query, search) };
        // Distances that are no numbers are as near as anything.
        found.retain(|(_, distance)| distance.is_nan() || similarity(*distance) >= self.least);
        found
    }

    fn reply(&self, set: &VectorSet, found: &[(Slot, f32)], out: &mut Writer) {
        let with = usize::from(self.with_scores) + usize::from(self.with_attributes);
        match with {
            0 => out.array(found.len()),
            _ if out.resp3 => out.map(found.len()),
            _ => out.array(found.len() * (1 + with)),
        }
        for (slot, distance) in found {
            let element = set.element(*slot);
            out.bulk(element.name);
            if with == 2 && out.resp3 {
                out.array(2);
            }
            if self.with_scores {
                reply_number(similarity(*distance), out);
            }
            if self.with_attributes {
                match element.attribute {
                    Some(attribute) => out.bulk(attribute),
                    None => out.null(),
                }
            }
        }
    }
}

fn not_a_filter(error: FilterError) -> CommandError {
    CommandError::new([b"ERR syntax error in FILTER expression near: ", &error.0[..]].concat())
}

/// What is looked for: the vector of an element, or one that is given.
fn query(set: &VectorSet, args: &mut Args<'_>) -> Result<Encoded> {
    const NO_ELEMENT: CommandError = CommandError::fixed("ERR element not found in set");
    if args.take_with("ELE", 1) {
        let slot = set.find(args.arg()?).ok_or(NO_ELEMENT)?;
        return Ok(set.encode(&set.vector(slot)));
    }
    let vector = take(args)?;
    match set.projection() {
        _ if vector.len() == set.dim() => Ok(set.encode(&vector)),
        Some(projection) if vector.len() != projection.input() => {
            Err(wrong_input(vector.len(), projection.input()))
        }
        Some(projection) => Ok(set.encode(&projection.apply(&vector, set.dim()))),
        None => Err(wrong_dim(vector.len(), set)),
    }
}

pub(super) fn vsim(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let Some(set) = find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    let mut args = Args::new(argv, 2);
    if args.left() < 2 {
        return Err(INVALID);
    }
    let query = query(set, &mut args)?;
    let similar = Similar::parse(&mut args)?;
    similar.reply(set, &similar.run(set, &query), out);
    Ok(())
}
