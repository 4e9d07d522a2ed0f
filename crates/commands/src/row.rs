//! The command table's row: everything that is known about a command except its prose.
//!
//! Each fact is written once, here, next to the handler; `COMMAND`, the ACL categories, key extraction and the
//! compatibility page are derived from it. What follows from the flags (the `@write`, `@fast`, `@admin`, ...
//! categories, `movablekeys`, the legacy first/last/step triple) is computed and never typed.
//!
//! A row reads like the reference table:
//!
//! ```
//! use russet_commands::row::{Row, acl, flag::*, key};
//! # type Handler = fn();
//! # fn getex() {}
//! const GETEX: Row<Handler> = Row::new(
//!     "getex", -2, WRITE | FAST, acl::STRING, &[key::one(1, key::RW | key::ACCESS | key::UPDATE)], getex,
//! );
//! ```
//!
//! `H` is the handler type (a function pointer). Called by dispatch, `keys` and `docs`.

use config::Family;

/// Command flags. Names as in the reference implementation; `Flags::names` gives what `COMMAND` prints.
pub mod flag {
    /// May change the data set.
    pub const WRITE: u64 = 1 << 0;
    /// Only reads keys.
    pub const READONLY: u64 = 1 << 1;
    /// Refused when memory is over `maxmemory` and nothing can be evicted.
    pub const DENYOOM: u64 = 1 << 2;
    /// Provided by a module.
    pub const MODULE: u64 = 1 << 3;
    /// Administrative.
    pub const ADMIN: u64 = 1 << 4;
    /// Allowed in the subscribed state of RESP2.
    pub const PUBSUB: u64 = 1 << 5;
    /// Not callable from scripts.
    pub const NOSCRIPT: u64 = 1 << 6;
    /// May block the client.
    pub const BLOCKING: u64 = 1 << 7;
    /// Allowed while the data set is loading.
    pub const LOADING: u64 = 1 << 8;
    /// Allowed on a replica whose data is stale.
    pub const STALE: u64 = 1 << 9;
    /// Not shown to MONITOR.
    pub const SKIP_MONITOR: u64 = 1 << 10;
    /// Not recorded in the slow log.
    pub const SKIP_COMMANDLOG: u64 = 1 << 11;
    /// Served by a node that imports the slot without ASKING.
    pub const ASKING: u64 = 1 << 12;
    /// Constant or logarithmic time.
    pub const FAST: u64 = 1 << 13;
    /// Allowed before authentication.
    pub const NO_AUTH: u64 = 1 << 14;
    /// May replicate although it is not a write command.
    pub const MAY_REPLICATE: u64 = 1 << 15;
    /// Exists in sentinel mode.
    pub const SENTINEL: u64 = 1 << 16;
    /// Exists in sentinel mode only.
    pub const ONLY_SENTINEL: u64 = 1 << 17;
    /// Naming no key is fine (EVAL and friends).
    pub const NO_MANDATORY_KEYS: u64 = 1 << 18;
    /// May be undefined in a script's view; internal marker of protected subcommands.
    pub const PROTECTED: u64 = 1 << 19;
    /// Not allowed while a replica loads in the background.
    pub const NO_ASYNC_LOADING: u64 = 1 << 20;
    /// Not allowed inside MULTI.
    pub const NO_MULTI: u64 = 1 << 21;
    /// Allowed while a script is busy.
    pub const ALLOW_BUSY: u64 = 1 << 22;
    /// May touch keys that it does not name (RANDOMKEY, SCAN, KEYS, SORT with patterns).
    pub const TOUCHES_ARBITRARY_KEYS: u64 = 1 << 23;
    /// Only for internal connections.
    pub const INTERNAL: u64 = 1 << 24;
    /// Needs permission for every database.
    pub const ALL_DBS: u64 = 1 << 25;
    /// Key positions cannot be given as one first/last/step triple. Derived, never typed.
    pub const MOVABLE_KEYS: u64 = 1 << 26;
    /// Not allowed inside MULTI by Valkey; Redis queues it. This and what follows are resolved by [`Flags::of`].
    pub const NO_MULTI_IN_VALKEY: u64 = 1 << 27;
    /// Allowed while the data set is loaded by Valkey; Redis refuses it.
    pub const LOADING_IN_VALKEY: u64 = 1 << 28;
    /// Allowed while a script is busy by Valkey.
    pub const ALLOW_BUSY_IN_VALKEY: u64 = 1 << 29;
    /// Refused by Redis when memory is over `maxmemory`; Valkey takes it.
    pub const DENYOOM_IN_REDIS: u64 = 1 << 30;
}

/// ACL categories. Those that follow from flags are added by [`Row::new`].
pub mod acl {
    /// `@keyspace`
    pub const KEYSPACE: u64 = 1 << 0;
    /// `@read`, implied by READONLY outside scripting
    pub const READ: u64 = 1 << 1;
    /// `@write`, implied by WRITE
    pub const WRITE: u64 = 1 << 2;
    /// `@set`
    pub const SET: u64 = 1 << 3;
    /// `@sortedset`
    pub const SORTEDSET: u64 = 1 << 4;
    /// `@list`
    pub const LIST: u64 = 1 << 5;
    /// `@hash`
    pub const HASH: u64 = 1 << 6;
    /// `@string`
    pub const STRING: u64 = 1 << 7;
    /// `@bitmap`
    pub const BITMAP: u64 = 1 << 8;
    /// `@hyperloglog`
    pub const HYPERLOGLOG: u64 = 1 << 9;
    /// `@geo`
    pub const GEO: u64 = 1 << 10;
    /// `@stream`
    pub const STREAM: u64 = 1 << 11;
    /// `@pubsub`, implied by PUBSUB
    pub const PUBSUB: u64 = 1 << 12;
    /// `@admin`, implied by ADMIN
    pub const ADMIN: u64 = 1 << 13;
    /// `@fast`, implied by FAST
    pub const FAST: u64 = 1 << 14;
    /// `@slow`, implied by the absence of FAST
    pub const SLOW: u64 = 1 << 15;
    /// `@blocking`, implied by BLOCKING
    pub const BLOCKING: u64 = 1 << 16;
    /// `@dangerous`, implied by ADMIN
    pub const DANGEROUS: u64 = 1 << 17;
    /// `@connection`
    pub const CONNECTION: u64 = 1 << 18;
    /// `@transaction`
    pub const TRANSACTION: u64 = 1 << 19;
    /// `@scripting`
    pub const SCRIPTING: u64 = 1 << 20;

    /// Names in bit order, as rules and COMMAND give them: the order of ACL CAT, too, which leaves the `@` out.
    pub const CATEGORIES: [&str; 21] = [
        "@keyspace",
        "@read",
        "@write",
        "@set",
        "@sortedset",
        "@list",
        "@hash",
        "@string",
        "@bitmap",
        "@hyperloglog",
        "@geo",
        "@stream",
        "@pubsub",
        "@admin",
        "@fast",
        "@slow",
        "@blocking",
        "@dangerous",
        "@connection",
        "@transaction",
        "@scripting",
    ];

    /// The categories without their `@`.
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        CATEGORIES.iter().map(|category| &category[1..])
    }
}

/// Flags of key specs and short constructors for the specs themselves.
pub mod key {
    use super::{Begin, Find, KeySpec};

    /// Reads the value only.
    pub const RO: u16 = 1 << 0;
    /// Reads and writes.
    pub const RW: u16 = 1 << 1;
    /// Overwrites without regard to the old value.
    pub const OW: u16 = 1 << 2;
    /// Removes the key.
    pub const RM: u16 = 1 << 3;
    /// Returns or depends on user data.
    pub const ACCESS: u16 = 1 << 4;
    /// Updates data that exists.
    pub const UPDATE: u16 = 1 << 5;
    /// Adds data.
    pub const INSERT: u16 = 1 << 6;
    /// Deletes content of the value.
    pub const DELETE: u16 = 1 << 7;
    /// Not a key, but routed like one (shard channels).
    pub const NOT_KEY: u16 = 1 << 8;
    /// The spec does not name all keys.
    pub const INCOMPLETE: u16 = 1 << 9;
    /// The flags depend on the arguments.
    pub const VARIABLE_FLAGS: u16 = 1 << 10;
    /// In Valkey it is said that the flags depend on the arguments.
    pub const VARIABLE_IN_VALKEY: u16 = 1 << 14;
    /// In Valkey it inserts rather than updates.
    pub const INSERT_IN_VALKEY: u16 = 1 << 15;

    /// The names of flags, as COMMAND prints them for a family.
    pub fn names(flags: u16, family: super::Family) -> impl Iterator<Item = &'static str> + Clone {
        let valkey = family == super::Family::Valkey;
        let said = match flags {
            flags if valkey && flags & INSERT_IN_VALKEY != 0 => flags & !UPDATE | INSERT,
            flags if valkey && flags & VARIABLE_IN_VALKEY != 0 => flags | VARIABLE_FLAGS,
            flags => flags,
        };
        NAMES.iter().enumerate().filter(move |(bit, _)| said & 1 << bit != 0).map(|(_, name)| *name)
    }

    /// Names in bit order, as COMMAND prints them.
    pub const NAMES: [&str; 11] = [
        "RO",
        "RW",
        "OW",
        "RM",
        "access",
        "update",
        "insert",
        "delete",
        "not_key",
        "incomplete",
        "variable_flags",
    ];

    /// One key at argument `at`.
    pub const fn one(at: u16, flags: u16) -> KeySpec {
        range(at, 0, 1, flags)
    }

    /// Keys from argument `at`; `last` is relative to `at`, or counted from the end when negative (-1: the last
    /// argument); `step` arguments apart.
    pub const fn range(at: u16, last: i16, step: u16, flags: u16) -> KeySpec {
        KeySpec { flags, begin: Begin::Index(at), find: Find::Range { last, step, limit: 0 } }
    }

    /// The number of keys stands at argument `at`, the keys follow it.
    pub const fn counted(at: u16, flags: u16) -> KeySpec {
        counted_step(at, 1, flags)
    }

    /// As [`counted`], with a key at every `step`-th argument.
    pub const fn counted_step(at: u16, step: u16, flags: u16) -> KeySpec {
        KeySpec { flags, begin: Begin::Index(at), find: Find::KeyNum { idx: 0, first: 1, step } }
    }

    /// The argument after `word`, which is looked for from argument `from` on (from the end when negative).
    pub const fn after(word: &'static str, from: i16, flags: u16) -> KeySpec {
        after_range(word, from, 0, 0, flags)
    }

    /// A range that starts behind `word`; `limit` 2 means that only the first half of the rest are keys.
    pub const fn after_range(word: &'static str, from: i16, last: i16, limit: u16, flags: u16) -> KeySpec {
        KeySpec { flags, begin: Begin::Keyword { word, from }, find: Find::Range { last, step: 1, limit } }
    }

    /// Keys that only the command's own grammar can find.
    pub const fn unknown(flags: u16) -> KeySpec {
        KeySpec { flags, begin: Begin::Unknown, find: Find::Unknown }
    }
}

/// Where the search for keys begins. Argument 0 is the command's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At a fixed argument.
    Index(u16),
    /// Behind the first argument that equals `word` (ignoring case), looked for from argument `from` to the
    /// end; a negative `from` counts from the end and searches backwards.
    Keyword {
        /// Upper case.
        word: &'static str,
        /// Never 0.
        from: i16,
    },
    /// Cannot be told.
    Unknown,
}

/// How keys are found from the begin on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Begin is the first key.
    Range {
        /// Relative to begin, or to the end of the arguments when negative (-1 is the last one).
        last: i16,
        /// Distance of keys.
        step: u16,
        /// With `last` -1: 2 takes the first half of what is left, 0 and 1 take all.
        limit: u16,
    },
    /// A number among the arguments tells how many keys follow. All relative to begin.
    KeyNum {
        /// Where the number is.
        idx: u16,
        /// Where the first key is.
        first: u16,
        /// Distance of keys.
        step: u16,
    },
    /// Cannot be told.
    Unknown,
}

/// One group of keys of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// Bits of [`key`].
    pub flags: u16,
    /// Where to begin.
    pub begin: Begin,
    /// How to go on.
    pub find: Find,
}

/// The extractor for commands whose keys the specs do not tell exactly. See `keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extract {
    /// SET: the key's flags depend on GET and on comparisons.
    Set,
    /// DELEX: the key's flags depend on the condition.
    Delex,
    /// BITFIELD: read only when all operations are GET.
    Bitfield,
    /// SORT: the source and STORE's destination.
    Sort,
    /// SORT_RO: the source.
    SortRo,
    /// MIGRATE: the third argument or all behind KEYS.
    Migrate,
    /// GEORADIUS and GEORADIUSBYMEMBER: the source and the last STORE or STOREDIST.
    GeoRadius {
        /// The first argument that can be an option.
        options: u16,
    },
    /// XREAD: the first half of what follows STREAMS, options skipped with their values.
    XRead,
    /// XREADGROUP: as XREAD, with GROUP.
    XReadGroup,
}

/// What a command holds while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The shards of its keys.
    Keys,
    /// Nothing but its own connection.
    Connection,
    /// A registry with a lock of its own: clients, channels, configuration, statistics.
    Registry,
    /// No shard at first; it looks at all of them, one at a time. Inside a transaction it runs alone.
    Walk,
    /// Everything: it runs alone.
    Gate,
}

/// Set of [`flag`] bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u64);

impl Flags {
    /// True when any of `bits` is set.
    pub const fn has(self, bits: u64) -> bool {
        self.0 & bits != 0
    }

    /// The flags that the command has with a family.
    pub fn of(self, family: Family) -> Flags {
        let its = FAMILIES.iter().filter(|&&(mark, of, _)| of == family && self.has(mark));
        Flags(its.fold(self.0, |bits, (_, _, bit)| bits | bit))
    }

    /// The names that COMMAND prints, in its order.
    pub fn names(self, family: Family) -> impl Iterator<Item = &'static str> + Clone {
        let flags = self.of(family);
        FLAG_NAMES.iter().filter(move |(bit, _)| flags.has(*bit)).map(move |&(bit, name)| {
            let renamed = bit == flag::SKIP_COMMANDLOG && family == Family::Valkey;
            if renamed { "skip_commandlog" } else { name }
        })
    }
}

/// Marks of what is so with one family alone: (mark, family, flag).
const FAMILIES: [(u64, Family, u64); 4] = [
    (flag::NO_MULTI_IN_VALKEY, Family::Valkey, flag::NO_MULTI),
    (flag::LOADING_IN_VALKEY, Family::Valkey, flag::LOADING),
    (flag::ALLOW_BUSY_IN_VALKEY, Family::Valkey, flag::ALLOW_BUSY),
    (flag::DENYOOM_IN_REDIS, Family::Redis, flag::DENYOOM),
];

/// Flags that COMMAND prints, in its order; the others are internal.
const FLAG_NAMES: [(u64, &str); 20] = [
    (flag::WRITE, "write"),
    (flag::READONLY, "readonly"),
    (flag::DENYOOM, "denyoom"),
    (flag::MODULE, "module"),
    (flag::ADMIN, "admin"),
    (flag::PUBSUB, "pubsub"),
    (flag::NOSCRIPT, "noscript"),
    (flag::BLOCKING, "blocking"),
    (flag::LOADING, "loading"),
    (flag::STALE, "stale"),
    (flag::SKIP_MONITOR, "skip_monitor"),
    (flag::SKIP_COMMANDLOG, "skip_slowlog"),
    (flag::ASKING, "asking"),
    (flag::FAST, "fast"),
    (flag::NO_AUTH, "no_auth"),
    (flag::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (flag::NO_ASYNC_LOADING, "no_async_loading"),
    (flag::NO_MULTI, "no_multi"),
    (flag::MOVABLE_KEYS, "movablekeys"),
    (flag::ALLOW_BUSY, "allow_busy"),
];

/// Set of [`acl`] bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acl(pub u64);

impl Acl {
    /// True when any of `bits` is set.
    pub const fn has(self, bits: u64) -> bool {
        self.0 & bits != 0
    }

    /// The bit of a category name without `@`, ignoring case.
    pub fn category(name: &[u8]) -> Option<u64> {
        acl::names().position(|n| n.as_bytes().eq_ignore_ascii_case(name)).map(|i| 1 << i)
    }

    /// The categories with their `@`, in the order of ACL CAT.
    pub fn categories(self) -> impl Iterator<Item = &'static str> + Clone {
        (0..).zip(acl::CATEGORIES).filter(move |(bit, _)| self.has(1 << bit)).map(|(_, category)| category)
    }
}

/// First key, last key, step: how COMMAND told key positions before key specs. All 0: no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LegacyRange {
    /// Argument of the first key.
    pub first: i32,
    /// Argument of the last key; negative counts from the end.
    pub last: i32,
    /// Distance of keys.
    pub step: i32,
}

/// One command, or one subcommand inside its container's `subs`.
#[derive(Clone, Copy, Debug)]
pub struct Row<H: Copy + 'static> {
    /// Lower case; a subcommand has only its own word here.
    pub name: &'static str,
    /// Number of arguments with the name (and the container's) counted; negative: at least so many.
    pub arity: i16,
    /// [`flag`] bits.
    pub flags: Flags,
    /// [`acl`] bits, the implied ones included.
    pub acl: Acl,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// The exact extractor when the specs are not enough.
    pub extract: Option<Extract>,
    /// Derived from `keys`.
    pub legacy: LegacyRange,
    /// What it locks.
    pub plan: Plan,
    /// The handler; none for a pure container.
    pub run: Option<H>,
    /// Subcommands.
    pub subs: &'static [Row<H>],
}

impl<H: Copy + 'static> Row<H> {
    /// A command. `flags` and `acl` are bits; categories that follow from the flags are added. The plan is Keys
    /// when there are key specs that name real keys, else Gate; see [`Row::plan`].
    pub const fn new(
        name: &'static str,
        arity: i16,
        flags: u64,
        acl: u64,
        keys: &'static [KeySpec],
        run: H,
    ) -> Self {
        Self::build(name, arity, flags, acl, keys, Some(run), &[])
    }

    /// A command that is only the sum of its subcommands. It takes no lock of its own.
    pub const fn container(
        name: &'static str,
        arity: i16,
        flags: u64,
        acl: u64,
        subs: &'static [Row<H>],
    ) -> Self {
        Self::build(name, arity, flags, acl, &[], None, subs).plan(Plan::Connection)
    }

    const fn build(
        name: &'static str,
        arity: i16,
        flags: u64,
        acl: u64,
        keys: &'static [KeySpec],
        run: Option<H>,
        subs: &'static [Row<H>],
    ) -> Self {
        let (legacy, movable) = legacy_range(keys);
        let flags = if movable { flags | flag::MOVABLE_KEYS } else { flags };
        let plan = if has_real_keys(keys) { Plan::Keys } else { Plan::Gate };
        Self {
            name,
            arity,
            flags: Flags(flags),
            acl: Acl(acl | implied_acl(flags, acl)),
            keys,
            extract: None,
            legacy,
            plan,
            run,
            subs,
        }
    }

    /// Says what the command locks.
    pub const fn plan(mut self, plan: Plan) -> Self {
        self.plan = plan;
        self
    }

    /// Says how keys are found when the specs are not exact.
    pub const fn extract(mut self, extract: Extract) -> Self {
        self.extract = Some(extract);
        self
    }

    /// Gives subcommands to a command that also runs alone (COMMAND).
    pub const fn subs(mut self, subs: &'static [Row<H>]) -> Self {
        self.subs = subs;
        self
    }

    /// The subcommand of that name, ignoring case.
    pub fn sub(&self, name: &[u8]) -> Option<&'static Row<H>> {
        self.subs.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether `argc` arguments are right.
    pub const fn accepts(&self, argc: usize) -> bool {
        if self.arity >= 0 { argc == self.arity as usize } else { argc >= self.arity.unsigned_abs() as usize }
    }
}

/// Categories that every command with these flags has. Scripting commands are not `@read`; a module names its own.
const fn implied_acl(flags: u64, acl: u64) -> u64 {
    if flags & flag::MODULE != 0 {
        return 0;
    }
    let mut out = if flags & flag::FAST != 0 { acl::FAST } else { acl::SLOW };
    if flags & flag::WRITE != 0 {
        out |= acl::WRITE;
    }
    if flags & flag::READONLY != 0 && acl & acl::SCRIPTING == 0 {
        out |= acl::READ;
    }
    if flags & flag::ADMIN != 0 {
        out |= acl::ADMIN | acl::DANGEROUS;
    }
    if flags & flag::PUBSUB != 0 {
        out |= acl::PUBSUB;
    }
    if flags & flag::BLOCKING != 0 {
        out |= acl::BLOCKING;
    }
    out
}

const fn has_real_keys(keys: &[KeySpec]) -> bool {
    let mut i = 0;
    while i < keys.len() {
        if keys[i].flags & key::NOT_KEY == 0 {
            return true;
        }
        i += 1;
    }
    false
}

/// The one range that covers the specs' keys, and whether some are left out of it. A single index+range spec is
/// that range. Of several, those with step 1 that follow each other are joined.
const fn legacy_range(keys: &[KeySpec]) -> (LegacyRange, bool) {
    let none = LegacyRange { first: 0, last: 0, step: 0 };
    let mut joined = none;
    let mut movable = false;
    let mut i = 0;
    while i < keys.len() {
        match (keys[i].begin, keys[i].find) {
            (Begin::Index(at), Find::Range { last, step, .. }) => {
                let first = at as i32;
                let last = if last < 0 { last as i32 } else { first + last as i32 };
                if keys.len() == 1 {
                    return (LegacyRange { first, last, step: step as i32 }, false);
                }
                if step != 1 || (joined.first != 0 && joined.last != first - 1) {
                    movable = true;
                } else {
                    joined.first = if joined.first == 0 { first } else { joined.first };
                    joined.last = last;
                    joined.step = 1;
                }
            }
            _ => movable = true,
        }
        i += 1;
    }
    (joined, movable)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Handler = fn();
    fn nop() {}

    #[test]
    fn implied_categories_follow_from_flags() {
        let row: Row<Handler> = Row::new("x", 2, flag::WRITE | flag::BLOCKING, acl::LIST, &[], nop);
        assert_eq!(row.acl.categories().collect::<Vec<_>>(), ["@write", "@list", "@slow", "@blocking"]);
        let row: Row<Handler> = Row::new("x", 2, flag::READONLY | flag::FAST, acl::SCRIPTING, &[], nop);
        assert_eq!(row.acl.categories().collect::<Vec<_>>(), ["@fast", "@scripting"]);
        let row: Row<Handler> = Row::new("x", 2, flag::ADMIN, 0, &[], nop);
        assert_eq!(row.acl.categories().collect::<Vec<_>>(), ["@admin", "@slow", "@dangerous"]);
    }

    #[test]
    fn legacy_ranges() {
        type Case = (&'static [KeySpec], (i32, i32, i32), bool);
        let cases: [Case; 6] = [
            (&[], (0, 0, 0), false),
            (const { &[key::range(1, -1, 2, key::OW)] }, (1, -1, 2), false),
            (const { &[key::one(1, key::RW), key::one(2, key::RW)] }, (1, 2, 1), false),
            (const { &[key::one(2, key::OW), key::range(3, -1, 1, key::RO)] }, (2, -1, 1), false),
            (const { &[key::one(1, key::OW), key::counted(2, key::RO)] }, (1, 1, 1), true),
            (const { &[key::counted(1, key::RO)] }, (0, 0, 0), true),
        ];
        for (specs, (first, last, step), movable) in cases {
            assert_eq!(legacy_range(specs), (LegacyRange { first, last, step }, movable), "{specs:?}");
        }
    }

    #[test]
    fn arity() {
        let exact: Row<Handler> = Row::new("x", 2, 0, 0, &[], nop);
        assert!(!exact.accepts(1) && exact.accepts(2) && !exact.accepts(3));
        let least: Row<Handler> = Row::new("x", -2, 0, 0, &[], nop);
        assert!(!least.accepts(1) && least.accepts(2) && least.accepts(300));
    }

    #[test]
    fn plan_follows_keys() {
        let channel: Row<Handler> = Row::new("x", 2, 0, 0, const { &[key::one(1, key::NOT_KEY)] }, nop);
        assert_eq!(channel.plan, Plan::Gate);
        let keyed: Row<Handler> = Row::new("x", 2, 0, 0, const { &[key::one(1, key::RO)] }, nop);
        assert_eq!(keyed.plan, Plan::Keys);
        assert_eq!(keyed.plan(Plan::Gate).plan, Plan::Gate);
    }
}
