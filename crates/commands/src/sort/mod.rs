//! SORT and SORT_RO.
//!
//! Steps: parse the options; load the elements, only those in the window if their order is the collection's own; weigh
//! them by themselves or by what a pattern finds; order them; cut the window; get what is asked for of each; reply or
//! store. Patterns name keys that the command does not, so with them it runs alone (see `keys::reaches_beyond`).

mod load;
mod options;
mod pattern;
mod texts;

use config::{Events, Family};
use resp::writer::Writer;

use crate::args::double;
use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::list::Side;
use crate::row::{Extract, acl, flag::*, key::*};
use crate::table::CommandRow as Row;
use options::{By, Query};
use texts::Texts;

const ACL: u64 = acl::SET | acl::SORTEDSET | acl::LIST | acl::DANGEROUS;

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        "sort",
        -2,
        WRITE | DENYOOM,
        ACL,
        &[one(1, RO | ACCESS), unknown(RO | ACCESS), unknown(OW | UPDATE)],
        sort,
    )
    .extract(Extract::Sort),
    Row::new("sort_ro", -2, READONLY, ACL, &[one(1, RO | ACCESS), unknown(RO | ACCESS)], sort_ro)
        .extract(Extract::SortRo),
];

const NOT_SCORES: CommandError = CommandError::fixed("ERR One or more scores can't be converted into double");

fn sort(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    run(cx, argv[1], Query::parse(argv, true)?, out)
}

fn sort_ro(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    run(cx, argv[1], Query::parse(argv, false)?, out)
}

fn run(cx: &mut Cx<'_>, key: &[u8], mut query: Query<'_>, out: &mut Writer) -> Result {
    let loaded = load::load(cx, key, &mut query)?;
    let order = match query.by {
        By::Nothing => (0..loaded.elements.len()).collect(),
        _ if query.alpha => by_text(cx, &loaded.elements, &query, loaded.window),
        _ => by_number(cx, &loaded.elements, &query, loaded.window)?,
    };
    let (from, to) = loaded.window;
    if query.gets.is_empty() && query.store.is_none() {
        out.array(to - from);
        order[from..to].iter().for_each(|&index| out.bulk(loaded.elements.get(index)));
        return Ok(());
    }
    let results = get(cx, &loaded.elements, &order[from..to], &query);
    match query.store {
        Some(destination) => store(cx, destination, &results, out),
        None => {
            out.array(results.len());
            for result in &results {
                match result {
                    Some(text) => out.bulk(text),
                    None => out.null(),
                }
            }
        }
    }
    Ok(())
}

/// Brings the items of the window into their places; the rest stays in no order.
fn sort_window<T>(
    items: &mut [T],
    (from, to): (usize, usize),
    mut compare: impl FnMut(&T, &T) -> std::cmp::Ordering,
) {
    if from >= to {
        return;
    }
    if to < items.len() {
        items.select_nth_unstable_by(to - 1, &mut compare);
    }
    let items = &mut items[..to];
    if from > 0 {
        items.select_nth_unstable_by(from, &mut compare);
    }
    items[from..].sort_unstable_by(compare);
}

/// The number that a text is, as a weight. Redis takes what is out of range for the nearest number, and nothing for 0.
fn number(text: &[u8], family: Family) -> Result<f64> {
    if let Some(number) = ds::num::parse_i64(text) {
        // Rounded as the text would be.
        return Ok(number as f64);
    }
    let number = match family {
        Family::Redis if text.is_empty() => Some(0.0),
        Family::Redis => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        Family::Valkey => double(text, family),
    };
    number.filter(|number| !number.is_nan()).ok_or(NOT_SCORES)
}

/// The elements in the order of their numbers; equal ones in the order of their bytes.
fn by_number(
    cx: &mut Cx<'_>,
    elements: &Texts,
    query: &Query<'_>,
    window: (usize, usize),
) -> Result<Vec<usize>> {
    let family = cx.family();
    let mut weighed = Vec::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        let weight = match query.by {
            By::Pattern(pattern) => match pattern::look_up(cx, pattern, element) {
                Some(text) => number(&text, family)?,
                None => 0.0,
            },
            _ => number(element, family)?,
        };
        weighed.push((weight, index));
    }
    sort_window(&mut weighed, window, |a, b| {
        let order = a.0.total_cmp(&b.0);
        // Zeros of both signs are the same number.
        let order = if a.0 == b.0 { std::cmp::Ordering::Equal } else { order };
        let order = order.then_with(|| elements.get(a.1).cmp(elements.get(b.1)));
        if query.descending { order.reverse() } else { order }
    });
    Ok(weighed.into_iter().map(|(_, index)| index).collect())
}

/// The elements in the order of the locale, or of what a pattern finds: elements without any come first. What is stored is in the
/// order of bytes, which is the same everywhere.
fn by_text(cx: &mut Cx<'_>, elements: &Texts, query: &Query<'_>, window: (usize, usize)) -> Vec<usize> {
    let mut order: Vec<usize> = (0..elements.len()).collect();
    let collation = if query.store.is_some() { None } else { cx.server.collation() };
    let compare = |a: &[u8], b: &[u8]| match &collation {
        Some(collation) => collation.compare(a, b),
        None => a.cmp(b),
    };
    let directed = |order: std::cmp::Ordering| if query.descending { order.reverse() } else { order };
    if let By::Pattern(pattern) = query.by {
        let weights: Vec<_> = elements.iter().map(|element| pattern::look_up(cx, pattern, element)).collect();
        // Equal ones stay as they came.
        sort_window(&mut order, window, |&a, &b| {
            let order = match (&weights[a], &weights[b]) {
                (Some(a), Some(b)) => compare(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            };
            directed(order).then(a.cmp(&b))
        });
    } else {
        sort_window(&mut order, window, |&a, &b| directed(compare(elements.get(a), elements.get(b))));
    }
    order
}

/// What is asked for of each element of the window: itself, or what the patterns find.
fn get(cx: &mut Cx<'_>, elements: &Texts, order: &[usize], query: &Query<'_>) -> Vec<Option<Vec<u8>>> {
    let mut results = Vec::with_capacity(order.len() * query.gets.len().max(1));
    for &index in order {
        let element = elements.get(index);
        if query.gets.is_empty() {
            results.push(Some(element.to_vec()));
        }
        for pattern in &query.gets {
            results.push(pattern::look_up(cx, pattern, element));
        }
    }
    results
}

/// Stores the results as a list, what was not found as empty strings; replies how many there are.
fn store(cx: &mut Cx<'_>, key: &[u8], results: &[Option<Vec<u8>>], out: &mut Writer) {
    let results: Vec<&[u8]> = results.iter().map(|result| result.as_deref().unwrap_or_default()).collect();
    if !results.is_empty() {
        crate::list::create(cx, key, &results, Side::Right);
        cx.changed(key);
        cx.effects.dirty += results.len() as u64 - 1;
        cx.notify(Events::LIST, "sortstore", key);
    } else if cx.delete(key, false) {
        cx.notify(Events::GENERIC, "del", key);
    }
    out.int(results.len() as i64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_window_has_what_a_whole_sort_has_there(mut items in prop::collection::vec(0u8..50, 0..200), from: usize, to: usize) {
            let to = to % (items.len() + 1);
            let from = from % (to + 1);
            let mut sorted = items.clone();
            sorted.sort_unstable();
            sort_window(&mut items, (from, to), u8::cmp);
            prop_assert_eq!(&items[from..to], &sorted[from..to]);
        }
    }

    #[test]
    fn numbers_that_weigh() {
        for (text, weight) in [
            ("3", Some(3.0)),
            ("-1.5", Some(-1.5)),
            ("+5", Some(5.0)),
            ("1e5", Some(1e5)),
            ("inf", Some(f64::INFINITY)),
            ("0x10", None),
            ("nan", None),
            (" 1", None),
            ("1 ", None),
            ("1.5abc", None),
        ] {
            for family in [Family::Redis, Family::Valkey] {
                assert_eq!(number(text.as_bytes(), family).ok(), weight, "{text}");
            }
        }
        for (text, weight) in [("", 0.0), ("1e400", f64::INFINITY), ("1e-400", 0.0)] {
            assert_eq!(number(text.as_bytes(), Family::Redis), Ok(weight), "{text}");
            assert_eq!(number(text.as_bytes(), Family::Valkey), Err(NOT_SCORES), "{text}");
        }
    }
}
