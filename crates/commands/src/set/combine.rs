//! SINTER, SUNION, SDIFF, their STORE forms, and SINTERCARD.
//!
//! All inputs are looked at together, under the locks of their shards. An intersection goes through the smallest set and
//! asks the others; a difference goes through the first set and asks the others, or, if that is less work, adds up the
//! first and takes the others away. Results that are stored grow as if they were added member by member.

use std::collections::HashSet;

use config::Events;
use ds::listpack::LpValue;
use ds::num::{IntText, parse_i64};
use resp::writer::Writer;

use super::edit::{Editor, Limits};
use super::view::{SetRef, find_all};
use crate::args::{Args, int_or};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::zset::reply;

/// A set that is made by adding members.
struct Builder {
    editor: Editor<'static>,
    limits: Limits,
}

impl Builder {
    /// Begins as an intset: the smallest form, whatever comes.
    fn new(limits: Limits) -> Builder {
        Builder { editor: Editor::Ints(ds::intset::Intset::new()), limits }
    }

    fn add(&mut self, member: LpValue<'_>) {
        self.editor.add_value(member, self.limits);
    }
}

/// Puts a result under a key, or deletes the key if it is empty, and replies its size.
fn store(cx: &mut Cx<'_>, key: &[u8], editor: Editor<'static>, event: &'static str, out: &mut Writer) {
    let len = editor.len();
    if len > 0 {
        editor.finish(|value| cx.put(key, value, None));
        cx.changed(key);
        cx.notify(Events::SET, event, key);
    } else if cx.delete(key, false) {
        cx.notify(Events::GENERIC, "del", key);
    }
    out.int(len as i64);
}

/// Visits the members that all sets have, in the order of the smallest; stops when `visit` says so.
fn inter<'a>(sets: &[Option<SetRef<'a>>], mut visit: impl FnMut(LpValue<'a>) -> bool) {
    let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<_>>>() else { return };
    sets.sort_by_key(|set| set.len());
    let Some((first, rest)) = sets.split_first() else { return };
    for member in first.iter() {
        if rest.iter().all(|set| set.has(member)) && !visit(member) {
            return;
        }
    }
}

pub(super) fn sinter(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let sets = find_all(cx, &argv[1..])?;
    let mut members = Vec::new();
    inter(&sets, |member| {
        members.push(member);
        true
    });
    out.set(members.len());
    members.into_iter().for_each(|member| reply::name(member, out));
    Ok(())
}

pub(super) fn sinterstore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let limits = Limits::of_server(cx.server);
    let sets = find_all(cx, &argv[2..])?;
    let ints_first = sets.iter().flatten().min_by_key(|set| set.len());
    let mut editor = match ints_first {
        Some(SetRef::Ints(_)) => Editor::Ints(ds::intset::Intset::new()),
        _ => Editor::Packed(ds::listpack::FlatPack::new().into()),
    };
    inter(&sets, |member| {
        editor.add_value(member, limits);
        true
    });
    editor.try_ints(limits);
    store(cx, argv[1], editor, "sinterstore", out);
    Ok(())
}

pub(super) fn sintercard(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const NUMKEYS: CommandError = CommandError::fixed("ERR numkeys should be greater than 0");
    const TOO_MANY: CommandError =
        CommandError::fixed("ERR Number of keys can't be greater than number of args");
    const NEGATIVE: CommandError = CommandError::fixed("ERR LIMIT can't be negative");
    let count = int_or(argv[1], NUMKEYS)?;
    let count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(NUMKEYS)?;
    let mut args = Args::new(argv, 2);
    let keys = args.slice(count).map_err(|_| TOO_MANY)?;
    let mut limit = 0;
    while !args.is_empty() {
        if !args.take_with("LIMIT", 1) {
            return Err(SYNTAX);
        }
        limit = usize::try_from(int_or(args.arg()?, NEGATIVE)?).map_err(|_| NEGATIVE)?;
    }
    let sets = find_all(cx, keys)?;
    let mut found = 0;
    inter(&sets, |_| {
        found += 1;
        limit == 0 || found < limit
    });
    out.int(found as i64);
    Ok(())
}

pub(super) fn sunion(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let sets = find_all(cx, &argv[1..])?;
    let sets: Vec<_> = sets.into_iter().flatten().collect();
    if let [set] = sets[..] {
        out.set(set.len());
        set.iter().for_each(|member| reply::name(member, out));
        return Ok(());
    }
    let (mut seen, mut members) = (HashSet::new(), Vec::new());
    for member in sets.iter().flat_map(|set| set.iter()) {
        if seen.insert(Same::of(member)) {
            members.push(member);
        }
    }
    out.set(members.len());
    members.into_iter().for_each(|member| reply::name(member, out));
    Ok(())
}

/// A member in a form that is equal for equal members of sets in different forms.
#[derive(PartialEq, Eq, Hash)]
enum Same<'a> {
    Int(i64),
    Str(&'a [u8]),
}

impl<'a> Same<'a> {
    fn of(member: LpValue<'a>) -> Same<'a> {
        match member {
            LpValue::Int(number) => Same::Int(number),
            LpValue::Str(text) => parse_i64(text).map_or(Same::Str(text), Same::Int),
        }
    }
}

pub(super) fn sunionstore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut union = Builder::new(Limits::of_server(cx.server));
    for set in find_all(cx, &argv[2..])?.into_iter().flatten() {
        set.iter().for_each(|member| union.add(member));
    }
    store(cx, argv[1], union.editor, "sunionstore", out);
    Ok(())
}

/// Whether a difference goes through the first set and asks the others, instead of taking their members away from it.
fn diff_by_asking(first: SetRef<'_>, sets: &[Option<SetRef<'_>>]) -> bool {
    let others: usize = sets.iter().flatten().map(|set| set.len()).sum();
    let asked = first.len() * (1 + sets.iter().flatten().count());
    // Asking has better constants, and ends at the first set that has the member.
    asked / 2 <= first.len() + others
}

/// Visits the members of `first` that no other set has.
fn diff<'a>(first: SetRef<'a>, others: &[Option<SetRef<'_>>], mut visit: impl FnMut(LpValue<'a>)) {
    let mut others: Vec<_> = others.iter().copied().flatten().collect();
    // The larger a set, the likelier it has the member.
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    for member in first.iter() {
        if !others.iter().any(|set| set.has(member)) {
            visit(member);
        }
    }
}

pub(super) fn sdiff(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let sets = find_all(cx, &argv[1..])?;
    let Some((Some(first), others)) = sets.split_first() else {
        out.set(0);
        return Ok(());
    };
    let mut members = Vec::new();
    if diff_by_asking(*first, others) {
        diff(*first, others, |member| members.push(member));
    } else {
        let mut gone = HashSet::new();
        others.iter().flatten().flat_map(|set| set.iter()).for_each(|member| {
            gone.insert(Same::of(member));
        });
        members = first.iter().filter(|member| !gone.contains(&Same::of(*member))).collect();
    }
    out.set(members.len());
    members.into_iter().for_each(|member| reply::name(member, out));
    Ok(())
}

pub(super) fn sdiffstore(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut result = Builder::new(Limits::of_server(cx.server));
    let sets = find_all(cx, &argv[2..])?;
    if let Some((Some(first), others)) = sets.split_first() {
        if diff_by_asking(*first, others) {
            diff(*first, others, |member| result.add(member));
        } else {
            first.iter().for_each(|member| result.add(member));
            for member in others.iter().flatten().flat_map(|set| set.iter()) {
                if result.editor.len() == 0 {
                    break;
                }
                result.editor.remove(member.text(&mut IntText::new()));
            }
        }
    }
    store(cx, argv[1], result.editor, "sdiffstore", out);
    Ok(())
}
