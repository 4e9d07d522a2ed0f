//! GEOSEARCH, GEOSEARCHSTORE, GEORADIUS, GEORADIUSBYMEMBER and their read-only forms.
//!
//! A search is a few ranges of scores; each member in them is checked against the shape.

use config::Family;
use ds::geohash::{Point, Search};
use ds::listpack::LpValue;
use ds::zset::ScoreBound;
use resp::writer::Writer;

use super::point::{reply_distance, reply_point};
use super::query::{Command, Order, Query, parse};
use crate::cx::Cx;
use crate::error::Result;
use crate::zset::view::{View, find};
use crate::zset::{reply, store};

/// One member in the shape.
struct Hit<'a> {
    name: LpValue<'a>,
    score: f64,
    point: Point,
    distance_m: f64,
}

/// Members inside the shape, at most `most`, in the order of the search.
fn hits<'a>(view: View<'a>, search: &Search, most: usize) -> Vec<Hit<'a>> {
    let mut hits = Vec::new();
    let inside = search.prepare();
    for (first, end) in search.score_ranges() {
        let (first, end) = (ScoreBound::Including(first as f64), ScoreBound::Excluding(end as f64));
        view.visit_scores(first, end, |name, score| {
            let point = Point::from_score(score);
            if let Some(distance_m) = inside.distance_m(point) {
                hits.push(Hit { name, score, point, distance_m });
            }
            hits.len() < most
        });
        if hits.len() >= most {
            break;
        }
    }
    hits
}

/// The hits that are answered, in order.
fn select<'a>(view: View<'a>, query: &Query<'_>) -> Vec<Hit<'a>> {
    let Some(search) = &query.search else { return Vec::new() };
    let most = query.count.unwrap_or(usize::MAX);
    let mut hits = hits(view, search, if query.any { most } else { usize::MAX });
    match query.order {
        Order::None => {}
        Order::Ascending => hits.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m)),
        Order::Descending => hits.sort_by(|a, b| b.distance_m.total_cmp(&a.distance_m)),
    }
    hits.truncate(most);
    hits
}

fn reply(hits: &[Hit<'_>], query: &Query<'_>, family: Family, out: &mut Writer) {
    let extras = [query.with_distance, query.with_hash, query.with_coordinates];
    let extras = extras.into_iter().filter(|&wanted| wanted).count();
    out.array(hits.len());
    for hit in hits {
        if extras > 0 {
            out.array(1 + extras);
        }
        reply::name(hit.name, out);
        if query.with_distance {
            reply_distance(hit.distance_m / query.unit_m, out);
        }
        if query.with_hash {
            out.int(hit.score as i64);
        }
        if query.with_coordinates {
            reply_point(hit.point, family, out);
        }
    }
}

/// The hits as members of the sorted set that is stored.
fn members(hits: &[Hit<'_>], query: &Query<'_>) -> Vec<(Vec<u8>, f64)> {
    let score = |hit: &Hit<'_>| if query.store_distances { hit.distance_m / query.unit_m } else { hit.score };
    let mut members: Vec<_> = hits.iter().map(|hit| (hit.name.to_vec(), score(hit))).collect();
    members.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    members
}

/// Runs a search over the sorted set of `key`; the arguments behind begin at `at`.
fn run(cx: &mut Cx<'_>, command: Command, argv: &[&[u8]], key: &[u8], at: usize, out: &mut Writer) -> Result {
    let family = cx.family();
    let view = find(cx, key)?;
    let query = parse(command, argv, at, view, family)?;
    let hits = view.map_or_else(Vec::new, |view| select(view, &query));
    match query.store {
        None => reply(&hits, &query, family, out),
        Some(target) => {
            let event = if command == Command::SearchStore { "geosearchstore" } else { "georadiusstore" };
            let members = members(&hits, &query);
            store(cx, target, members.iter().map(|(name, score)| (&name[..], *score)), event, out);
        }
    }
    Ok(())
}

fn radius(cx: &mut Cx<'_>, argv: &[&[u8]], by_member: bool, may_store: bool, out: &mut Writer) -> Result {
    run(cx, Command::Radius { by_member, may_store }, argv, argv[1], 2, out)
}

pub(super) fn georadius(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    radius(cx, argv, false, true, out)
}

pub(super) fn georadius_ro(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    radius(cx, argv, false, false, out)
}

pub(super) fn georadiusbymember(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    radius(cx, argv, true, true, out)
}

pub(super) fn georadiusbymember_ro(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    radius(cx, argv, true, false, out)
}

pub(super) fn geosearch(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    run(cx, Command::Search, argv, argv[1], 2, out)
}

pub(super) fn geosearchstore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    run(cx, Command::SearchStore, argv, argv[2], 3, out)
}
