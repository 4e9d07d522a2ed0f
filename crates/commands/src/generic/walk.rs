//! Commands that look at all keys of a database: SCAN, KEYS, RANDOMKEY, DBSIZE.
//!
//! Their plan is Walk: shards are looked at one after the other, none is held in between. Expired keys are left out;
//! SCAN and RANDOMKEY delete those that they met, after the walk.

use config::Family;
use ds::entry::{EntryRef, Kind};
use ds::glob::glob_match;
use resp::writer::Writer;

use crate::args::{Args, cursor};
use crate::cx::Cx;
use crate::element_scan::{Found, other_option};
use crate::error::{CommandError, Result, SYNTAX};

/// What SCAN looks for.
struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    kind: Option<Wanted>,
}

/// A type by its name; no key has a type of an unknown name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Kind(Kind),
    Unknown,
}

impl Wanted {
    fn of(name: &[u8]) -> Wanted {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name().as_bytes().eq_ignore_ascii_case(name))
            .map_or(Wanted::Unknown, Wanted::Kind)
    }
}

/// Deletes keys that were found expired, in the order of their shards, if they still are.
fn expire_all(cx: &mut Cx<'_>, mut keys: Vec<Vec<u8>>) {
    if keys.is_empty() {
        return;
    }
    keys.sort_unstable_by_key(|key| keyspace::shard_of(ds::hash::of(key)));
    for key in keys {
        cx.access.hold(keyspace::shard_of(ds::hash::of(&key)));
        cx.find_mut(&key);
    }
    if !cx.access.is_all() && !cx.effects.unit.is_empty() {
        // No transaction is around: each deletion stands for itself.
        cx.effects.unit.loosen();
    }
}

/// Whether a key counts as there.
fn is_live(entry: EntryRef<'_>, clock_ms: u64) -> bool {
    entry.expire_ms().is_none_or(|at| clock_ms <= at)
}

impl Filter<'_> {
    fn passes(&self, entry: EntryRef<'_>) -> bool {
        self.kind.is_none_or(|kind| kind == Wanted::Kind(entry.kind()))
            && self.pattern.is_none_or(|pattern| pattern == b"*" || glob_match(pattern, entry.key(), false))
    }
}

/// A cursor as clients send it: decimal, blanks and a sign in front are tolerated as by `strtoull`.
pub(super) fn scan(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let from = cursor(argv[1])?;
    let (mut filter, mut count) = (Filter { pattern: None, kind: None }, 10);
    let mut args = Args::new(argv, 2);
    while !args.is_empty() {
        if args.take_with("COUNT", 1) {
            count = args.int()?;
            if count < 1 {
                return Err(SYNTAX);
            }
        } else if args.take_with("MATCH", 1) {
            filter.pattern = Some(args.arg()?);
        } else if args.take_with("TYPE", 1) {
            let name = args.arg()?;
            filter.kind = Some(Wanted::of(name));
            // To Redis it is a type that no key has.
            if filter.kind == Some(Wanted::Unknown) && cx.family() == Family::Valkey {
                return Err(CommandError::new([b"ERR unknown type name '", name, b"'"].concat()));
            }
        } else {
            return Err(other_option(&mut args, cx.family()));
        }
    }
    let (db, clock_ms, mut found, mut expired) = (cx.db, cx.field_clock(), Found::default(), Vec::new());
    let next = cx.access.scan(db, from, usize::try_from(count).unwrap_or(usize::MAX), |entry| {
        if filter.passes(entry) {
            if is_live(entry, clock_ms) {
                found.push(entry.key());
            } else {
                expired.push(entry.key().to_vec());
            }
        }
    });
    expire_all(cx, expired);
    found.reply_with(next, out);
    Ok(())
}

pub(super) fn keys(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let filter = Filter { pattern: Some(argv[1]), kind: None };
    let (db, clock_ms, mut found) = (cx.db, cx.field_clock(), Found::default());
    for shard in 0..keyspace::SHARDS as u16 {
        cx.access.look(shard, |shard| {
            let entries = shard.iter(db).filter(|&entry| filter.passes(entry) && is_live(entry, clock_ms));
            entries.for_each(|entry| found.push(entry.key()));
        });
    }
    found.reply(out);
    Ok(())
}

/// Draws of RANDOMKEY that may hit an expired key before it looks for any key that is not.
const DRAWS: usize = 100;

pub(super) fn randomkey(cx: &mut Cx<'_>, _argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut expired = Vec::new();
    match draw(cx, &mut expired) {
        Some(key) => out.bulk(&key),
        None => out.null(),
    }
    expired.sort_unstable();
    expired.dedup();
    expire_all(cx, expired);
    Ok(())
}

/// A key at random; the expired ones that were drawn before it are added to `expired`.
fn draw(cx: &mut Cx<'_>, expired: &mut Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let (db, clock_ms, server) = (cx.db, cx.field_clock(), cx.server);
    for _ in 0..DRAWS {
        match cx.access.random_key(db, || server.random())? {
            (key, Some(at)) if clock_ms > at => expired.push(key),
            (key, _) => return Some(key),
        }
    }
    (0..keyspace::SHARDS as u16)
        .find_map(|shard| {
            cx.access.look(shard, |shard| {
                shard.iter(db).find(|&entry| is_live(entry, clock_ms)).map(|entry| entry.key().to_vec())
            })
        })
        // Where expired keys are left alone, one of them is better than none, as the peers see it.
        .or_else(|| if cx.may_expire() { None } else { expired.last().cloned() })
}

pub(super) fn dbsize(cx: &mut Cx<'_>, _argv: &[&[u8]], out: &mut Writer) -> Result {
    out.int(cx.access.keyspace().len(cx.db) as i64);
    Ok(())
}
