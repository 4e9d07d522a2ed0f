//! ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD, over sorted sets and plain sets (all scores 1).
//!
//! Inputs are taken one after the other: a union collects in a map, an intersection or difference narrows the members
//! of one input by looking each up in the next. Union and intersection go from the smallest input to the largest, so
//! that sums of doubles come out as the real servers' do.

use config::Family;
use ds::entry::{EntryRef, Kind};
use ds::listpack::LpValue;
use ds::num::{self, IntText};
use resp::writer::Writer;

use super::range::store;
use super::reply;
use super::view::View;
use crate::args::{Args, float, int};
use crate::cx::Cx;
use crate::error::{CommandError, NOT_A_FLOAT, Result, SYNTAX, WRONG_TYPE};
use crate::set::view::SetRef;

/// Members with scores, each once. The names stand behind each other in one buffer.
#[derive(Default)]
struct Members {
    names: Vec<u8>,
    list: Vec<Member>,
}

#[derive(Clone, Copy)]
struct Member {
    from: usize,
    to: usize,
    score: f64,
}

impl Member {
    fn name(self, names: &[u8]) -> &[u8] {
        &names[self.from..self.to]
    }
}

impl Members {
    fn push(&mut self, name: &[u8], score: f64) {
        let from = self.names.len();
        self.names.extend_from_slice(name);
        self.list.push(Member { from, to: self.names.len(), score });
    }

    /// Keeps the members for which `keep`, which may change the score, says so.
    fn retain(&mut self, mut keep: impl FnMut(&[u8], &mut f64) -> bool) {
        let Members { names, list } = self;
        list.retain_mut(|member| keep(member.name(names), &mut member.score));
    }

    fn sort(&mut self) {
        let Members { names, list } = self;
        list.sort_unstable_by(|a, b| {
            let order = a.score.partial_cmp(&b.score).unwrap_or(std::cmp::Ordering::Equal);
            order.then_with(|| a.name(names).cmp(b.name(names)))
        });
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], f64)> + Clone {
        self.list.iter().map(|member| (member.name(&self.names), member.score))
    }
}

/// Finds the members of a union by their names: places in its list, by hash, at most half of them taken.
struct Index {
    /// One more than the place; 0 where there is none.
    places: Vec<usize>,
    mask: usize,
}

impl Index {
    /// For at most so many members.
    fn new(members: usize) -> Index {
        let size = (2 * members).max(8).next_power_of_two();
        Index { places: vec![0; size], mask: size - 1 }
    }

    /// The score of a member of `members`; `None` if there is none, and then the one that is pushed next is it.
    fn find<'m>(&mut self, name: &[u8], members: &'m mut Members) -> Option<&'m mut f64> {
        let mut at = ds::hash::of(name) as usize & self.mask;
        loop {
            match self.places[at] {
                0 => {
                    self.places[at] = members.list.len() + 1;
                    return None;
                }
                place if members.list[place - 1].name(&members.names) == name => {
                    return Some(&mut members.list[place - 1].score);
                }
                _ => at = (at + 1) & self.mask,
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // Infinities of both signs make 0, not NaN.
            Aggregate::Sum => not_nan(a + b),
            Aggregate::Min => a.min(b),
            Aggregate::Max => a.max(b),
        }
    }
}

fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// One input: a key with its weight and, once it was looked at, its size.
#[derive(Clone, Copy)]
struct Input<'a> {
    key: &'a [u8],
    weight: f64,
    len: usize,
}

struct Query<'a> {
    inputs: Vec<Input<'a>>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Of ZINTERCARD; 0 is none.
    limit: usize,
    family: Family,
}

/// A value that may be an input.
#[derive(Clone, Copy)]
enum Source<'a> {
    Zset(View<'a>),
    Set(SetRef<'a>),
}

impl<'a> Source<'a> {
    fn of(entry: EntryRef<'a>) -> Result<Source<'a>> {
        if entry.kind() == Kind::Zset {
            return Ok(Source::Zset(View::of(entry)));
        }
        SetRef::of(entry).map(Source::Set).ok_or(WRONG_TYPE)
    }

    fn len(self) -> usize {
        match self {
            Source::Zset(view) => view.len(),
            Source::Set(set) => set.len(),
        }
    }

    fn score(self, name: &[u8]) -> Option<f64> {
        match self {
            Source::Zset(view) => view.score(name),
            Source::Set(set) => set.contains(name).then_some(1.0),
        }
    }

    fn visit(self, mut visit: impl FnMut(LpValue<'a>, f64)) {
        match self {
            Source::Zset(view) => view.visit((0, view.len()), false, visit),
            Source::Set(set) => set.iter().for_each(|name| visit(name, 1.0)),
        }
    }
}

/// An input's value; none if the key is absent. It counts as a use only at the first look, which checks its type.
fn source<'c>(cx: &'c mut Cx<'_>, key: &[u8]) -> Option<Source<'c>> {
    Source::of(cx.peek(key)?).ok()
}

/// Parses from the number of keys on; a key of a wrong type is told before what follows the keys is read.
fn parse<'a>(
    cx: &mut Cx<'_>,
    argv: &'a [&'a [u8]],
    at: usize,
    name: &str,
    accept: impl Fn(&mut Args<'a>, &mut Query<'a>) -> Result<bool>,
) -> Result<Query<'a>> {
    let mut args = Args::new(argv, at);
    let count = int(args.arg()?)?;
    if count < 1 {
        return Err(CommandError::new(format!("ERR at least 1 input key is needed for '{name}' command")));
    }
    let keys = args.slice(usize::try_from(count).unwrap_or(usize::MAX))?;
    let inputs = keys.iter().map(|key| Input { key, weight: 1.0, len: 0 }).collect();
    let mut query =
        Query { inputs, aggregate: Aggregate::Sum, with_scores: false, limit: 0, family: cx.family() };
    look(cx, &mut query)?;
    while !args.is_empty() {
        if !accept(&mut args, &mut query)? {
            return Err(SYNTAX);
        }
    }
    Ok(query)
}

/// WEIGHTS and AGGREGATE.
fn take_arithmetic<'a>(args: &mut Args<'a>, query: &mut Query<'a>) -> Result<bool> {
    if args.take_with("WEIGHTS", query.inputs.len()) {
        for input in &mut query.inputs {
            input.weight = float(args.arg()?, query.family).map_err(|error| {
                if error == NOT_A_FLOAT {
                    CommandError::fixed("ERR weight value is not a float")
                } else {
                    error
                }
            })?;
        }
        return Ok(true);
    }
    if args.take_with("AGGREGATE", 1) {
        query.aggregate = if args.take("SUM") {
            Aggregate::Sum
        } else if args.take("MIN") {
            Aggregate::Min
        } else if args.take("MAX") {
            Aggregate::Max
        } else {
            return Err(SYNTAX);
        };
        return Ok(true);
    }
    Ok(false)
}

fn take_scores(args: &mut Args<'_>, query: &mut Query<'_>) -> bool {
    let taken = args.take("WITHSCORES");
    query.with_scores |= taken;
    taken
}

fn take_limit(args: &mut Args<'_>, query: &mut Query<'_>) -> Result<bool> {
    const NEGATIVE: CommandError = CommandError::fixed("ERR LIMIT can't be negative");
    if !args.take_with("LIMIT", 1) {
        return Ok(false);
    }
    let limit = num::parse_i64(args.arg()?).ok_or(NEGATIVE)?;
    query.limit = usize::try_from(limit).map_err(|_| NEGATIVE)?;
    Ok(true)
}

/// Looks at each input once: its type, its size.
fn look(cx: &mut Cx<'_>, query: &mut Query<'_>) -> Result {
    for input in &mut query.inputs {
        input.len = match cx.find(input.key) {
            Some(entry) => Source::of(entry)?.len(),
            None => 0,
        };
    }
    Ok(())
}

fn collect(cx: &mut Cx<'_>, input: &Input<'_>) -> Members {
    let mut members = Members { names: Vec::new(), list: Vec::with_capacity(input.len) };
    let mut text = IntText::new();
    if let Some(source) = source(cx, input.key) {
        source.visit(|name, score| members.push(name.text(&mut text), not_nan(score * input.weight)));
    }
    members
}

fn union(cx: &mut Cx<'_>, query: &Query<'_>) -> Members {
    let most = query.inputs.iter().map(|input| input.len).sum();
    let mut members = Members { names: Vec::new(), list: Vec::with_capacity(most) };
    let mut index = Index::new(most);
    let mut text = IntText::new();
    for input in &query.inputs {
        let Some(source) = source(cx, input.key) else { continue };
        source.visit(|name, score| {
            let (name, score) = (name.text(&mut text), not_nan(score * input.weight));
            match index.find(name, &mut members) {
                Some(sum) => *sum = query.aggregate.of(*sum, score),
                None => members.push(name, score),
            }
        });
    }
    members
}

fn inter(cx: &mut Cx<'_>, query: &Query<'_>) -> Members {
    let Some((first, rest)) = query.inputs.split_first().filter(|(first, _)| first.len > 0) else {
        return Members::default();
    };
    let mut members = collect(cx, first);
    for input in rest {
        let Some(source) = source(cx, input.key) else { return Members::default() };
        members.retain(|name, score| match source.score(name) {
            Some(other) => {
                // As the peers do, NaN (0 times infinity) is let into the sum, which it makes 0.
                *score = query.aggregate.of(*score, other * input.weight);
                true
            }
            None => false,
        });
    }
    members
}

fn diff(cx: &mut Cx<'_>, query: &Query<'_>) -> Members {
    let Some((first, rest)) = query.inputs.split_first() else { return Members::default() };
    let mut members = collect(cx, first);
    for input in rest {
        if members.list.is_empty() {
            break;
        }
        let Some(source) = source(cx, input.key) else { continue };
        members.retain(|name, _| source.score(name).is_none());
    }
    members
}

/// The result, in order.
fn combine(cx: &mut Cx<'_>, mut query: Query<'_>, operation: Operation) -> Members {
    if operation != Operation::Diff {
        query.inputs.sort_by_key(|input| input.len);
    }
    let mut members = match operation {
        Operation::Union => union(cx, &query),
        Operation::Inter => inter(cx, &query),
        Operation::Diff => diff(cx, &query),
    };
    members.sort();
    members
}

fn reply_combined(
    cx: &mut Cx<'_>,
    argv: &[&[u8]],
    operation: Operation,
    name: &str,
    out: &mut Writer,
) -> Result {
    let query = parse(cx, argv, 1, name, |args, query| {
        Ok((operation != Operation::Diff && take_arithmetic(args, query)?) || take_scores(args, query))
    })?;
    let with_scores = query.with_scores;
    let members = combine(cx, query, operation);
    reply::members(members.iter(), with_scores, out);
    Ok(())
}

fn store_combined(
    cx: &mut Cx<'_>,
    argv: &[&[u8]],
    operation: Operation,
    name: &'static str,
    out: &mut Writer,
) -> Result {
    let query = parse(cx, argv, 2, name, |args, query| {
        Ok(operation != Operation::Diff && take_arithmetic(args, query)?)
    })?;
    let members = combine(cx, query, operation);
    store(cx, argv[1], members.iter(), name, out);
    Ok(())
}

pub(super) fn zunion(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    reply_combined(cx, argv, Operation::Union, "zunion", out)
}

pub(super) fn zinter(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    reply_combined(cx, argv, Operation::Inter, "zinter", out)
}

pub(super) fn zdiff(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    reply_combined(cx, argv, Operation::Diff, "zdiff", out)
}

pub(super) fn zunionstore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    store_combined(cx, argv, Operation::Union, "zunionstore", out)
}

pub(super) fn zinterstore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    store_combined(cx, argv, Operation::Inter, "zinterstore", out)
}

pub(super) fn zdiffstore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    store_combined(cx, argv, Operation::Diff, "zdiffstore", out)
}

pub(super) fn zintercard(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let query = parse(cx, argv, 1, "zintercard", take_limit)?;
    let limit = if query.limit == 0 { usize::MAX } else { query.limit };
    let members = combine(cx, query, Operation::Inter);
    out.int(members.list.len().min(limit) as i64);
    Ok(())
}
