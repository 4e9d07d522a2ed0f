//! SRANDMEMBER and SPOP.
//!
//! A few members of a table are drawn one by one; if nearly all are wanted, those that stay are drawn instead.

use std::collections::HashSet;

use config::{Directive, Events};
use ds::entry::Kind;
use ds::fields::Fields;
use ds::listpack::LpValue;
use resp::writer::Writer;

use super::change::removed;
use super::edit::{Editor, Limits, edit};
use super::view::{SetRef, find};
use crate::args::int_or;
use crate::cx::Cx;
use crate::draws::{COUNT_RANGE, Draws, repetitions};
use crate::error::{MUST_BE_POSITIVE, NOT_AN_INTEGER, Result, SYNTAX};
use crate::zset::reply;

/// SPOP draws those that stay if they are fewer than this part of those that go.
const STAY_PART: usize = 5;
/// Members of one SREM that the journal gets.
const SREM_MEMBERS: usize = 1024;

fn one<'a>(set: SetRef<'a>, draws: &mut Draws) -> Option<LpValue<'a>> {
    match set {
        SetRef::Ints(ints) => ints.get(draws.below(ints.len())).map(LpValue::Int),
        SetRef::Packed(pack) => pack.get(draws.below(pack.len()) as i64),
        SetRef::Table(table) => table.random(|| draws.next()).map(|member| LpValue::Str(member.name())),
    }
}

/// `count` different members of a table that has more.
fn some_of_table<'a>(table: &'a Fields, count: usize, draws: &mut Draws) -> Vec<&'a [u8]> {
    if count.saturating_mul(3) > table.len() {
        let mut names: Vec<_> = table.iter().map(|member| member.name()).collect();
        draws.shuffle_front(&mut names, count);
        names.truncate(count);
        return names;
    }
    let mut drawn = HashSet::with_capacity(count);
    let mut names = Vec::with_capacity(count);
    while names.len() < count {
        let Some(member) = table.random(|| draws.next()) else { break };
        // Each member has an address of its own.
        if drawn.insert(member.name().as_ptr()) {
            names.push(member.name());
        }
    }
    names
}

fn reply_some(set: SetRef<'_>, count: usize, draws: &mut Draws, out: &mut Writer) {
    out.array(count);
    match set {
        SetRef::Table(table) => {
            some_of_table(table, count, draws).into_iter().for_each(|name| out.bulk(name));
        }
        small => {
            let members: Vec<_> = small.iter().collect();
            for index in draws.distinct(members.len(), count) {
                reply::name(members[index], out);
            }
        }
    }
}

pub(super) fn srandmember(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut draws = Draws::new(cx.server);
    if argv.len() > 3 {
        return Err(SYNTAX);
    }
    let Some(count) = argv.get(2) else {
        match find(cx, argv[1])?.and_then(|set| one(set, &mut draws)) {
            Some(member) => reply::name(member, out),
            None => out.null(),
        }
        return Ok(());
    };
    let count = int_or(count, NOT_AN_INTEGER)?;
    if count == i64::MIN {
        return Err(COUNT_RANGE);
    }
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let repeated = (count < 0).then(|| repetitions(cx, wanted, out));
    let Some(set) = find(cx, argv[1])? else {
        out.array(0);
        return Ok(());
    };
    if let Some(repeated) = repeated {
        let repeated = repeated?;
        out.array(wanted);
        if let SetRef::Packed(pack) = set {
            let members: Vec<_> = pack.iter().collect();
            repeated.each(out, |out| reply::name(members[draws.below(members.len())], out));
        } else {
            repeated.each(out, |out| {
                one(set, &mut draws).into_iter().for_each(|member| reply::name(member, out))
            });
        }
    } else if wanted >= set.len() {
        out.array(set.len());
        set.iter().for_each(|member| reply::name(member, out));
    } else {
        reply_some(set, wanted, &mut draws, out);
    }
    Ok(())
}

/// Takes `count` members, fewer than there are, out of a set.
fn take_some(editor: &mut Editor<'_>, count: usize, limits: Limits, draws: &mut Draws) -> Vec<Vec<u8>> {
    let len = editor.len();
    let SetRef::Table(table) = editor.view() else {
        let mut indexes = draws.distinct(len, count);
        indexes.sort_unstable();
        let mut wanted = indexes.iter().copied().peekable();
        let members = editor.view().iter().enumerate();
        let taken = members.filter(|(index, _)| wanted.next_if_eq(index).is_some());
        let taken = taken.map(|(_, member)| member.to_vec()).collect();
        editor.remove_indexes(&indexes);
        return taken;
    };
    if (len - count).saturating_mul(STAY_PART) > count {
        let taken: Vec<Vec<u8>> =
            some_of_table(table, count, draws).into_iter().map(<[u8]>::to_vec).collect();
        for name in &taken {
            editor.remove(name);
        }
        return taken;
    }
    let stay = some_of_table(table, len - count, draws);
    // Small again if that is small enough, though never integers, as the peers do it.
    let mut rest = Editor::Packed(ds::listpack::FlatPack::new().into());
    for name in &stay {
        rest.add(name, limits);
    }
    let is_gone = |name: &&[u8]| !rest.view().contains(name);
    let taken = table.iter().map(|member| member.name()).filter(is_gone).map(<[u8]>::to_vec).collect();
    editor.replace(rest);
    taken
}

/// SPOP without a count.
fn pop_one(cx: &mut Cx<'_>, key: &[u8], out: &mut Writer) -> Result {
    let mut draws = Draws::new(cx.server);
    let Some(mut slot) = cx.find_mut_kind(key, Kind::Set)? else {
        out.null();
        return Ok(());
    };
    let (name, left) = slot.update(|entry| {
        edit(entry, |editor| {
            let name = match editor.view() {
                SetRef::Packed(pack) => editor.take(draws.below(pack.len())),
                set => {
                    let name = one(set, &mut draws).map(|member| member.to_vec()).unwrap_or_default();
                    editor.remove(&name);
                    name
                }
            };
            ((name, editor.len()), true)
        })
    });
    removed(cx, key, 1, left, "spop");
    cx.propagate(&[b"SREM", key, &name]);
    out.bulk(&name);
    Ok(())
}

/// Takes the whole set, which is not empty.
fn pop_all(cx: &mut Cx<'_>, key: &[u8], out: &mut Writer) {
    let lazy = cx.server.config.flag(Directive::LazyfreeLazyServerDel);
    let Some(entry) = cx.remove(key) else { return };
    if let Some(set) = SetRef::of(entry.view()) {
        out.set(set.len());
        set.iter().for_each(|member| reply::name(member, out));
        cx.effects.dirty += set.len() as u64 - 1;
    }
    cx.server.discard(entry, lazy);
    cx.changed(key);
    cx.notify(Events::SET, "spop", key);
    cx.notify(Events::GENERIC, "del", key);
    let word: &[u8] = if lazy { b"UNLINK" } else { b"DEL" };
    cx.propagate(&[word, key]);
}

pub(super) fn spop(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let Some(count) = argv.get(2) else {
        return pop_one(cx, key, out);
    };
    if argv.len() > 3 {
        return Err(SYNTAX);
    }
    let count = usize::try_from(int_or(count, MUST_BE_POSITIVE)?).map_err(|_| MUST_BE_POSITIVE)?;
    let (limits, mut draws) = (Limits::of_server(cx.server), Draws::new(cx.server));
    let Some(mut slot) = cx.find_mut_kind(key, Kind::Set)? else {
        out.set(0);
        return Ok(());
    };
    let len = SetRef::of(slot.get()).map_or(0, SetRef::len);
    if count == 0 {
        out.set(0);
        return Ok(());
    }
    if count >= len {
        pop_all(cx, key, out);
        return Ok(());
    }
    let taken =
        slot.update(|entry| edit(entry, |editor| (take_some(editor, count, limits, &mut draws), true)));
    removed(cx, key, taken.len(), len - taken.len(), "spop");
    for names in taken.chunks(SREM_MEMBERS) {
        let mut srem: Vec<&[u8]> = vec![b"SREM", key];
        srem.extend(names.iter().map(Vec::as_slice));
        cx.propagate(&srem);
    }
    out.set(taken.len());
    taken.iter().for_each(|name| out.bulk(name));
    Ok(())
}
