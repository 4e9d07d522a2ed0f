//! The one engine that finds the keys among a command's arguments.
//!
//! Locking, COMMAND GETKEYS and GETKEYSANDFLAGS, ACL checks and cluster routing all ask here, so that they can
//! never disagree. Two questions exist:
//!
//! - [`keys_of`]: the keys that the handler will touch. Where a command's grammar is richer than its key specs
//!   (SORT, MIGRATE, XREADGROUP, ...) its [`Extract`] decides.
//! - [`reported_keys`]: the keys that COMMAND GETKEYS tells: key specs first, the extractor only when a spec's
//!   flags vary or a spec fails. Differs from the first for odd input only.
//!
//! Counts come from outside: a number of keys that the arguments do not hold is [`KeysError::Invalid`], whatever
//! its size. A command with a single range of keys (nearly all of them) costs no allocation.

use smallvec::SmallVec;

use crate::row::{Begin, Extract, Find, KeySpec, Row, key};

/// One key: its argument and how it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// Index into argv.
    pub index: u32,
    /// Bits of [`key`].
    pub flags: u16,
}

/// The keys of a command, in the order of their specs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRefs {
    /// `first`, `first + step`, ... up to `last`, all with the same flags. `step` is at least 1. Empty when
    /// `last < first`.
    Range {
        /// Index of the first key.
        first: u32,
        /// Greatest index that may be a key.
        last: u32,
        /// Distance.
        step: u32,
        /// Bits of [`key`].
        flags: u16,
    },
    /// Any positions.
    List(SmallVec<[KeyRef; 4]>),
}

impl KeyRefs {
    /// No key at all.
    pub const NONE: KeyRefs = KeyRefs::Range { first: 1, last: 0, step: 1, flags: 0 };

    /// Number of keys; a key that is named twice counts twice.
    pub fn len(&self) -> usize {
        match self {
            KeyRefs::Range { first, last, .. } if last < first => 0,
            KeyRefs::Range { first, last, step, .. } => ((last - first) / step + 1) as usize,
            KeyRefs::List(list) => list.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `n`-th key.
    pub fn get(&self, n: usize) -> Option<KeyRef> {
        match self {
            KeyRefs::Range { first, step, flags, .. } if n < self.len() => {
                Some(KeyRef { index: first + step * n as u32, flags: *flags })
            }
            KeyRefs::Range { .. } => None,
            KeyRefs::List(list) => list.get(n).copied(),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = KeyRef> + '_ {
        (0..self.len()).map(|n| self.get(n).expect("invariant: n is below len"))
    }
}

/// Why no keys can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysError {
    /// The arguments do not fit the key specs (a count that is wrong, nothing behind a keyword): the handler will
    /// answer with a syntax error and touch no key.
    Invalid,
}

/// Which pseudo-keys count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Keys only.
    Keys,
    /// Also what is routed like a key: shard channels.
    KeysAndChannels,
}

/// The keys that the command will touch. `argv[0]` is the command's name (a subcommand's container); the caller
/// has checked the arity, but no length is relied on.
pub fn keys_of<H: Copy + 'static, A: AsRef<[u8]>>(row: &Row<H>, argv: &[A]) -> Result<KeyRefs, KeysError> {
    match row.extract {
        Some(extract) => extracted(extract, argv),
        None => specified(row.keys, argv, Scope::Keys),
    }
}

/// The keys of those specs that the arguments fit. Arguments that fit some of them only may still make a good command
/// (PFMERGE without sources).
pub fn fitting_keys<H: Copy + 'static, A: AsRef<[u8]>>(row: &Row<H>, argv: &[A]) -> KeyRefs {
    keys_of(row, argv).unwrap_or_else(|KeysError::Invalid| {
        let fits = |spec: &KeySpec| specified(std::slice::from_ref(spec), argv, Scope::Keys).ok();
        KeyRefs::List(
            row.keys.iter().filter_map(fits).flat_map(|keys| keys.iter().collect::<Vec<_>>()).collect(),
        )
    })
}

/// The keys that COMMAND GETKEYS tells.
pub fn reported_keys<H: Copy + 'static, A: AsRef<[u8]>>(
    row: &Row<H>,
    argv: &[A],
) -> Result<KeyRefs, KeysError> {
    let varying = row.keys.iter().any(|spec| spec.flags & key::VARIABLE_FLAGS != 0);
    match (row.extract, varying) {
        // Of several STORE options the last one counts, and Valkey's GETKEYS says so.
        (Some(extract @ Extract::GeoRadius { .. }), _) | (Some(extract), true) => extracted(extract, argv),
        (Some(extract), false) => {
            specified(row.keys, argv, Scope::Keys).or_else(|KeysError::Invalid| extracted(extract, argv))
        }
        (None, _) => specified(row.keys, argv, Scope::Keys),
    }
}

/// What decides the slot in cluster mode: the keys, or the shard channels.
pub fn routed_keys<H: Copy + 'static, A: AsRef<[u8]>>(
    row: &Row<H>,
    argv: &[A],
) -> Result<KeyRefs, KeysError> {
    match row.extract {
        Some(extract) => extracted(extract, argv),
        None => specified(row.keys, argv, Scope::KeysAndChannels),
    }
}

/// Keys by the specs alone.
fn specified<A: AsRef<[u8]>>(specs: &[KeySpec], argv: &[A], scope: Scope) -> Result<KeyRefs, KeysError> {
    if let [spec] = specs {
        return if skipped(spec, scope) {
            Ok(KeyRefs::NONE)
        } else {
            Ok(spec_range(spec, argv)?.unwrap_or(KeyRefs::NONE))
        };
    }
    let mut all = SmallVec::new();
    for spec in specs.iter().filter(|spec| !skipped(spec, scope)) {
        if let Some(range) = spec_range(spec, argv)? {
            all.extend(range.iter());
        }
    }
    Ok(KeyRefs::List(all))
}

fn skipped(spec: &KeySpec, scope: Scope) -> bool {
    scope == Scope::Keys && spec.flags & key::NOT_KEY != 0
}

/// The range of one spec; None when its keyword is absent.
fn spec_range<A: AsRef<[u8]>>(spec: &KeySpec, argv: &[A]) -> Result<Option<KeyRefs>, KeysError> {
    let argc = argv.len() as i64;
    let begin = match spec.begin {
        Begin::Index(at) => i64::from(at),
        Begin::Keyword { word, from } => match find_word(word, from, argv) {
            Some(at) => at,
            None => return Ok(None),
        },
        Begin::Unknown => return Err(KeysError::Invalid),
    };
    let (first, last, step) = match spec.find {
        Find::Range { last, step, limit } => (begin, range_end(begin, i64::from(last), limit, argc), step),
        Find::KeyNum { idx, first, step } => {
            let count = number(argv, begin + i64::from(idx)).ok_or(KeysError::Invalid)?;
            let first = begin + i64::from(first);
            let span = (count - 1).checked_mul(i64::from(step)).ok_or(KeysError::Invalid)?;
            (first, first.checked_add(span).ok_or(KeysError::Invalid)?, step)
        }
        Find::Unknown => return Err(KeysError::Invalid),
    };
    if first < 1 || first >= argc || last < first || last >= argc || spec.flags & key::INCOMPLETE != 0 {
        return Err(KeysError::Invalid);
    }
    // Both lie within argv, whose length is bounded by the protocol far below u32::MAX.
    Ok(Some(KeyRefs::Range {
        first: first as u32,
        last: last as u32,
        step: u32::from(step.max(1)),
        flags: spec.flags,
    }))
}

fn range_end(begin: i64, last: i64, limit: u16, argc: i64) -> i64 {
    match (last >= 0, limit) {
        (true, _) => begin + last,
        (false, 0 | 1) => argc + last,
        (false, limit) => begin + (argc - begin) / i64::from(limit) + last,
    }
}

/// Index behind the first `word`. A negative `from` counts from the end and looks backwards.
fn find_word<A: AsRef<[u8]>>(word: &str, from: i16, argv: &[A]) -> Option<i64> {
    let is_word = |i: &usize| is(argv, *i, word);
    let found = if from >= 0 {
        (usize::from(from.unsigned_abs())..argv.len()).find(is_word)
    } else {
        let start = argv.len().checked_sub(usize::from(from.unsigned_abs()))?;
        (1..=start).rev().find(is_word)
    };
    found.map(|i| i as i64 + 1)
}

/// A count of keys: a whole decimal number without sign, leading zeros or blanks, that is not negative.
fn number<A: AsRef<[u8]>>(argv: &[A], at: i64) -> Option<i64> {
    let text = argv.get(usize::try_from(at).ok()?)?.as_ref();
    if text.is_empty() || (text.len() > 1 && text[0] == b'0') || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is<A: AsRef<[u8]>>(argv: &[A], at: usize, word: &str) -> bool {
    argv.get(at).is_some_and(|arg| arg.as_ref().eq_ignore_ascii_case(word.as_bytes()))
}

/// Keys by the command's own grammar.
fn extracted<A: AsRef<[u8]>>(extract: Extract, argv: &[A]) -> Result<KeyRefs, KeysError> {
    if argv.len() < 2 {
        return Err(KeysError::Invalid);
    }
    match extract {
        Extract::Set => Ok(single(1, set_flags(argv))),
        Extract::Delex => Ok(single(1, delex_flags(argv))),
        Extract::Bitfield => Ok(single(1, bitfield_flags(argv))),
        Extract::Sort => Ok(sort_keys(argv)),
        Extract::SortRo => Ok(single(1, key::RO | key::ACCESS)),
        Extract::Migrate => migrate_keys(argv),
        Extract::GeoRadius { options } => Ok(georadius_keys(argv, usize::from(options))),
        Extract::XRead => stream_keys(argv, false),
        Extract::XReadGroup => stream_keys(argv, true),
    }
}

/// Whether a command of this row has one key at a fixed place, whatever its other arguments say.
pub const fn has_one_key<H: Copy + 'static>(row: &Row<H>) -> bool {
    let exact = matches!(row.extract, None | Some(Extract::Set | Extract::Delex | Extract::Bitfield));
    exact && row.keys.len() == 1 && row.legacy.first > 0 && row.legacy.first == row.legacy.last
}

/// Whether a command of this row may look at keys that its arguments do not name; see [`reaches_beyond`].
#[inline]
pub fn may_reach_beyond<H: Copy + 'static>(row: &Row<H>) -> bool {
    matches!(row.extract, Some(Extract::Sort | Extract::SortRo))
}

/// Whether the command will look at keys that its arguments do not name: SORT with a pattern in BY or GET. It then has
/// to run alone.
pub fn reaches_beyond<H: Copy + 'static, A: AsRef<[u8]>>(row: &Row<H>, argv: &[A]) -> bool {
    let is_pattern = |at: usize| argv.get(at).is_some_and(|arg| arg.as_ref().contains(&b'*'));
    may_reach_beyond(row)
        && (2..argv.len()).any(|i| (is(argv, i, "GET") || is(argv, i, "BY")) && is_pattern(i + 1))
}

fn single(index: u32, flags: u16) -> KeyRefs {
    KeyRefs::Range { first: index, last: index, step: 1, flags }
}

/// GET makes SET read what it returns; a comparison makes it depend on the old value.
fn set_flags<A: AsRef<[u8]>>(argv: &[A]) -> u16 {
    if (3..argv.len()).any(|i| is(argv, i, "GET")) {
        return key::RW | key::ACCESS | key::UPDATE;
    }
    if compares(argv, 3) { key::RW | key::UPDATE } else { key::OW | key::UPDATE }
}

/// A condition makes DELEX depend on the old value.
fn delex_flags<A: AsRef<[u8]>>(argv: &[A]) -> u16 {
    if compares(argv, 2) { key::RW | key::DELETE } else { key::RM | key::DELETE }
}

fn compares<A: AsRef<[u8]>>(argv: &[A], from: usize) -> bool {
    (from..argv.len()).any(|i| ["IFEQ", "IFNE", "IFDEQ", "IFDNE"].iter().any(|word| is(argv, i, word)))
}

/// Only GET (and OVERFLOW, which does nothing by itself): no write.
fn bitfield_flags<A: AsRef<[u8]>>(argv: &[A]) -> u16 {
    let mut i = 2;
    while i < argv.len() {
        if is(argv, i, "GET") && i + 2 < argv.len() {
            i += 3;
        } else if is(argv, i, "OVERFLOW") && i + 1 < argv.len() {
            i += 2;
        } else {
            return key::RW | key::ACCESS | key::UPDATE;
        }
    }
    key::RO | key::ACCESS
}

/// The sorted key and the last STORE. Keys behind BY and GET patterns are not named, they are made.
fn sort_keys<A: AsRef<[u8]>>(argv: &[A]) -> KeyRefs {
    let mut store = None;
    let mut i = 2;
    while i < argv.len() {
        if is(argv, i, "LIMIT") {
            i += 3;
        } else if is(argv, i, "GET") || is(argv, i, "BY") {
            i += 2;
        } else if is(argv, i, "STORE") && i + 1 < argv.len() {
            store = Some(i + 1);
            i += 2;
        } else {
            i += 1;
        }
    }
    source_and_store(store)
}

fn georadius_keys<A: AsRef<[u8]>>(argv: &[A], options: usize) -> KeyRefs {
    let mut store = None;
    let mut i = options;
    while i + 1 < argv.len() {
        if is(argv, i, "STORE") || is(argv, i, "STOREDIST") {
            store = Some(i + 1);
            i += 1;
        }
        i += 1;
    }
    source_and_store(store)
}

fn source_and_store(store: Option<usize>) -> KeyRefs {
    let source = KeyRef { index: 1, flags: key::RO | key::ACCESS };
    let mut list = SmallVec::from_slice(&[source]);
    if let Some(at) = store {
        list.push(KeyRef { index: at as u32, flags: key::OW | key::UPDATE });
    }
    KeyRefs::List(list)
}

/// `MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH pw | AUTH2 user pw] [KEYS key ...]`
fn migrate_keys<A: AsRef<[u8]>>(argv: &[A]) -> Result<KeyRefs, KeysError> {
    let flags = key::RW | key::ACCESS | key::DELETE;
    let alone = argv.get(3).ok_or(KeysError::Invalid)?;
    let mut i = 6;
    while i < argv.len() {
        if is(argv, i, "KEYS") {
            // One key in its place and a list as well is an error of grammar; so is an empty list.
            return if !alone.as_ref().is_empty() || i + 1 >= argv.len() {
                Err(KeysError::Invalid)
            } else {
                Ok(KeyRefs::Range { first: i as u32 + 1, last: argv.len() as u32 - 1, step: 1, flags })
            };
        }
        i += if is(argv, i, "AUTH") {
            2
        } else if is(argv, i, "AUTH2") {
            3
        } else {
            1
        };
    }
    Ok(single(3, flags))
}

/// What follows STREAMS: as many keys as ids. Values of options are passed over, so that a group or consumer may
/// have an option's name.
fn stream_keys<A: AsRef<[u8]>>(argv: &[A], group: bool) -> Result<KeyRefs, KeysError> {
    let mut i = 1;
    while i < argv.len() {
        if is(argv, i, "STREAMS") {
            let rest = argv.len() - i - 1;
            if rest == 0 || !rest.is_multiple_of(2) {
                return Err(KeysError::Invalid);
            }
            let first = i as u32 + 1;
            let last = first + rest as u32 / 2 - 1;
            return Ok(KeyRefs::Range { first, last, step: 1, flags: key::RO | key::ACCESS });
        }
        i += if is(argv, i, "BLOCK") || is(argv, i, "COUNT") || (group && is(argv, i, "CLAIM")) {
            2
        } else if group && is(argv, i, "GROUP") {
            3
        } else if group && is(argv, i, "NOACK") {
            1
        } else {
            return Err(KeysError::Invalid);
        };
    }
    Err(KeysError::Invalid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::row::{acl, flag};

    type Handler = fn();
    fn nop() {}

    const STREAMS: KeySpec = key::after_range("STREAMS", 1, -1, 2, key::RO | key::ACCESS);
    const GROUP_STREAMS: KeySpec = key::after_range("STREAMS", 4, -1, 2, key::RO | key::ACCESS);
    const READ: u16 = key::RO | key::ACCESS;
    const STORE: u16 = key::OW | key::UPDATE;

    fn rows() -> Vec<Row<Handler>> {
        let row = |name, keys: &'static [KeySpec]| {
            Row::new(name, -2, flag::WRITE, acl::STRING, keys, nop as Handler)
        };
        vec![
            row("get", const { &[key::one(1, READ)] }),
            row("mset", const { &[key::range(1, -1, 2, STORE)] }),
            row("blpop", const { &[key::range(1, -2, 1, key::RW)] }),
            row("zunionstore", const { &[key::one(1, STORE), key::counted(2, READ)] }),
            row("msetex", const { &[key::counted_step(1, 2, STORE)] }),
            row("eval", const { &[key::counted(2, key::RW)] }),
            row("xread", const { &[STREAMS] }).extract(Extract::XRead),
            row("xreadgroup", const { &[GROUP_STREAMS] }).extract(Extract::XReadGroup),
            row("sort", const { &[key::one(1, READ), key::unknown(READ), key::unknown(STORE)] })
                .extract(Extract::Sort),
            row("set", const { &[key::one(1, key::RW | key::ACCESS | key::UPDATE | key::VARIABLE_FLAGS)] })
                .extract(Extract::Set),
            row("bitfield", const { &[key::one(1, key::RW | key::VARIABLE_FLAGS)] }).extract(Extract::Bitfield),
            row(
                "migrate",
                const {
                    &[key::one(3, key::RW), key::after_range("KEYS", -2, -1, 0, key::RW | key::INCOMPLETE)]
                },
            )
            .extract(Extract::Migrate),
            row(
                "georadius",
                const { &[key::one(1, READ), key::after("STORE", 6, STORE), key::after("STOREDIST", 6, STORE)] },
            )
            .extract(Extract::GeoRadius { options: 6 }),
            row("spublish", const { &[key::one(1, key::NOT_KEY)] }),
        ]
    }

    fn argv(line: &str) -> Vec<&str> {
        line.split(' ').map(|word| if word == "''" { "" } else { word }).collect()
    }

    fn row_of(argv: &[&str]) -> Row<Handler> {
        rows().into_iter().find(|row| row.name == argv[0]).expect("a row of this test")
    }

    /// Positions, as text; "error" for an error.
    fn show(found: Result<KeyRefs, KeysError>) -> String {
        match found {
            Err(KeysError::Invalid) => "error".to_owned(),
            Ok(keys) => keys.iter().map(|k| k.index.to_string()).collect::<Vec<_>>().join(" "),
        }
    }

    #[test]
    fn touched_keys() {
        let cases = [
            ("get a", "1"),
            ("mset a 1 b 2 c 3", "1 3 5"),
            ("mset a 1 b", "1 3"),
            ("blpop a b 0", "1 2"),
            ("blpop a", "error"),
            ("zunionstore d 2 a b", "1 3 4"),
            ("zunionstore d 3 a b", "error"),
            ("zunionstore d 0 a", "error"),
            ("zunionstore d x a", "error"),
            ("zunionstore d -1 a", "error"),
            ("zunionstore d 9223372036854775807 a", "error"),
            ("zunionstore d 2147483648 a", "error"),
            ("msetex 2 a 1 b 2", "2 4"),
            ("msetex 9223372036854775807 a 1", "error"),
            ("msetex 4611686018427387905 a 1", "error"),
            ("eval s 0", "error"),
            ("eval s 1 a b", "3"),
            ("xread streams a b 0 0", "2 3"),
            ("xread count 1 block 0 streams a 0", "6"),
            ("xread streams a b 0", "error"),
            ("xread streams", "error"),
            ("xreadgroup count 1 group g streams streams k >", "7"),
            ("xreadgroup group streams streams streams k >", "5"),
            ("xreadgroup group g c noack claim 5 streams k j 1 2", "8 9"),
            ("sort a by x* get z* store b store c", "1 9"),
            ("sort a limit 0 store b", "1"),
            ("sort a get store store b", "1 5"),
            ("sort a store", "1"),
            ("migrate h 1 k 0 10", "3"),
            ("migrate h 1 '' 0 10 keys a b", "7 8"),
            ("migrate h 1 '' 0 10 auth keys keys a", "9"),
            ("migrate h 1 '' 0 10 copy auth2 keys keys keys a b", "11 12"),
            ("migrate h 1 k 0 10 keys a b", "error"),
            ("migrate h 1 '' 0 10 keys", "error"),
            ("georadius k 1 1 1 km store a storedist b", "1 9"),
            ("georadius k 1 1 1 km store a", "1 7"),
            ("georadius k 1 1 1 km withdist", "1"),
            ("spublish c m", ""),
        ];
        for (line, expected) in cases {
            let argv = argv(line);
            assert_eq!(show(keys_of(&row_of(&argv), &argv)), expected, "{line}");
        }
    }

    /// Recorded from Redis 8.6.3, COMMAND GETKEYS; the last STORE of GEORADIUS from Valkey 9.1.2.
    #[test]
    fn reported_keys_differ_for_odd_input_only() {
        let cases = [
            ("xreadgroup count 1 group g streams streams k >", "6"),
            ("xread streams a b c", "2"),
            ("georadius k 1 1 1 km STORE a STORE b", "1 9"),
            ("sort a by x* get z* store b store c", "1 9"),
            ("migrate h 1 '' 0 10 auth keys keys a b", "9 10"),
            ("migrate h 1 k 0 10 keys a b", "error"),
            ("zunionstore d 3 a b", "error"),
            ("msetex 3 a b c d ex 1", "2 4 6"),
        ];
        for (line, expected) in cases {
            let argv = argv(line);
            assert_eq!(show(reported_keys(&row_of(&argv), &argv)), expected, "{line}");
        }
    }

    #[test]
    fn flags_that_vary() {
        let cases = [
            ("set a b", STORE),
            ("set a get", STORE),
            ("set a b get", key::RW | key::ACCESS | key::UPDATE),
            ("set a b ifeq x", key::RW | key::UPDATE),
            ("bitfield a", READ),
            ("bitfield a get u8 0 overflow wrap", READ),
            ("bitfield a get u8", key::RW | key::ACCESS | key::UPDATE),
            ("bitfield a get u8 0 set u8 0 1", key::RW | key::ACCESS | key::UPDATE),
        ];
        for (line, flags) in cases {
            let argv = argv(line);
            let keys = keys_of(&row_of(&argv), &argv).expect(line);
            assert_eq!(keys.get(0), Some(KeyRef { index: 1, flags }), "{line}");
        }
    }

    #[test]
    fn channels_are_routed_but_are_no_keys() {
        let argv = argv("spublish c m");
        assert_eq!(show(routed_keys(&row_of(&argv), &argv)), "1");
        assert!(keys_of(&row_of(&argv), &argv).is_ok_and(|keys| keys.is_empty()));
    }

    proptest! {
        /// Whatever the arguments: no panic, and every index lies within them.
        #[test]
        fn any_arguments(
            which in 0..14usize,
            words in proptest::collection::vec(
                prop_oneof![
                    "[a-z]{0,3}", "-?[0-9]{1,20}", Just("streams".to_owned()), Just("store".to_owned()),
                    Just("keys".to_owned()), Just("group".to_owned()), Just("get".to_owned()),
                ],
                0..12,
            ),
        ) {
            let row = rows()[which];
            let mut argv = vec![row.name.to_owned()];
            argv.extend(words);
            let found = [keys_of(&row, &argv), reported_keys(&row, &argv), routed_keys(&row, &argv)];
            for keys in found.into_iter().flatten() {
                prop_assert!(keys.iter().all(|k| k.index >= 1 && (k.index as usize) < argv.len()));
            }
        }
    }
}
