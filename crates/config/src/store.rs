//! The values of all directives, and CONFIG GET and SET over them.
//!
//! Reads of numbers, flags, choices and event classes are one relaxed load. Texts sit behind a lock that only a
//! writer holds for long enough to swap a pointer. Writers queue on one mutex, so that CONFIG SET is all or
//! nothing. Read by everyone, written by `load` at the start and by CONFIG SET.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::directive::{Family, Kind, REDIS_VERSION_OF_VALKEY, Row, traits};
use crate::special::{self, Events, OutputLimit, OutputLimits, SavePoint};
use crate::table::{Directive, ROWS};
use crate::value::{self, Value};

/// What defaults depend on.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Number of cores: the default of `io-threads`.
    pub cores: usize,
    /// Absolute working directory: the default of `dir`.
    pub dir: Vec<u8>,
    /// Whose defaults hold where the two differ.
    pub family: Family,
}

/// See the module.
pub struct Store {
    slots: Box<[Slot]>,
    family: Family,
    /// The output limits once more, as numbers: normal, replica, pubsub.
    limits: [LimitCell; 3],
    generation: AtomicU64,
    writing: Mutex<()>,
}

struct Slot {
    number: AtomicU64,
    text: RwLock<Arc<[u8]>>,
    given: AtomicBool,
    initial: Value,
}

/// What a client may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// `enable-protected-configs` allows it to this client.
    pub protected: bool,
    /// A data set is being loaded.
    pub loading: bool,
}

/// Why CONFIG SET changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// The directive waits for the end of loading; answered with the LOADING error.
    Loading,
    /// The text of the error reply, without `ERR`.
    Refused(String),
}

/// An effect that could not be had: a port in use, a directory that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the changed directives.
    pub directive: Directive,
    /// Why; becomes the end of the error reply.
    pub reason: String,
}

impl Store {
    /// All defaults.
    pub fn new(environment: &Environment) -> Self {
        let slots = ROWS.iter().map(|row| Slot::new(initial(row, environment))).collect();
        let store = Self {
            slots,
            family: environment.family,
            limits: Default::default(),
            generation: AtomicU64::new(0),
            writing: Mutex::new(()),
        };
        store.copy_limits();
        store
    }

    /// Whose defaults, and whose words, hold where the two differ.
    pub fn family(&self) -> Family {
        self.family
    }

    /// As what the server introduces itself: product and version. A Valkey can be made to say that it is the Redis that
    /// it came from.
    pub fn identity(&self) -> (&'static str, &'static str) {
        match self.family {
            Family::Valkey if self.flag(Directive::ExtendedRedisCompatibility) => {
                (Family::Redis.product(), REDIS_VERSION_OF_VALKEY)
            }
            family => (family.product(), family.version()),
        }
    }

    /// A number. Unsigned ones beyond `i64::MAX` are cut to it.
    pub fn int(&self, directive: Directive) -> i64 {
        let bits = self.bits(directive);
        match directive.row().kind {
            Kind::Number { max, .. } if max > i64::MAX as u64 => i64::try_from(bits).unwrap_or(i64::MAX),
            _ => bits as i64,
        }
    }

    /// A number that is never negative.
    pub fn unsigned(&self, directive: Directive) -> u64 {
        self.bits(directive)
    }

    /// `yes` or `no`.
    pub fn flag(&self, directive: Directive) -> bool {
        self.bits(directive) != 0
    }

    /// Index into the row's names; for a set of words, its bits.
    pub fn choice(&self, directive: Directive) -> usize {
        self.bits(directive) as usize
    }

    /// The bytes of a text; empty when unset.
    pub fn bytes(&self, directive: Directive) -> Arc<[u8]> {
        self.slot(directive).text.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The value as text, a choice as its word; what is no UTF-8 is replaced.
    pub fn text(&self, directive: Directive) -> Arc<str> {
        match directive.row().kind {
            Kind::Text { .. } | Kind::Special(_) => String::from_utf8_lossy(&self.bytes(directive)).into(),
            _ => String::from_utf8_lossy(&self.shown(directive)).into(),
        }
    }

    /// `notify-keyspace-events`
    pub fn events(&self) -> Events {
        Events(self.bits(Directive::NotifyKeyspaceEvents) as u32)
    }

    /// `save`
    pub fn save_points(&self) -> Vec<SavePoint> {
        let text = self.bytes(Directive::Save);
        special::parse_save(&value::words_of(&text)).expect("invariant: a stored text is canonical")
    }

    /// Whether `save` names any point.
    pub fn saves_by_itself(&self) -> bool {
        self.bits(Directive::Save) != 0
    }

    /// `client-output-buffer-limit`. Nine relaxed loads; a reader may see one class before and another after a
    /// change.
    pub fn output_limits(&self) -> OutputLimits {
        let [normal, replica, pubsub] = &self.limits;
        OutputLimits { normal: normal.get(), replica: replica.get(), pubsub: pubsub.get() }
    }

    /// `latency-tracking-info-percentiles`
    pub fn percentiles(&self) -> Vec<f64> {
        let text = self.bytes(Directive::LatencyTrackingInfoPercentiles);
        special::parse_percentiles(&value::words_of(&text), self.family)
            .expect("invariant: a stored text is canonical")
    }

    /// `bind`: addresses as written, a leading `-` (may be missing) included.
    pub fn bind_addresses(&self) -> Vec<String> {
        self.text(Directive::Bind).split_ascii_whitespace().map(str::to_owned).collect()
    }

    /// `replicaof`: host and port, None for a primary.
    pub fn replicaof(&self) -> Option<(String, u16)> {
        let text = self.text(Directive::Replicaof);
        let (host, port) = text.rsplit_once(' ')?;
        Some((host.to_owned(), port.parse().ok()?))
    }

    /// Whether a file, the command line or CONFIG SET gave a value.
    pub fn is_given(&self, directive: Directive) -> bool {
        self.slot(directive).given.load(Ordering::Relaxed)
    }

    /// Rises with every change; for callers that keep a copy.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Notes the absolute directory that `dir` led to.
    pub fn note_dir(&self, absolute: &[u8]) {
        let _writing = self.lock();
        self.put(Directive::Dir, &Value { number: 0, text: absolute.into() });
    }

    /// Notes a value that the server itself decided on: REPLICAOF, a port the system chose. The text is what a
    /// configuration line would say.
    pub fn note(&self, directive: Directive, text: &[u8]) -> Result<(), String> {
        let _writing = self.lock();
        let row = directive.row();
        let value = value::parse(row, &words_for(row, text), &self.value(directive), self.family)?;
        self.put(directive, &value);
        Ok(())
    }

    /// CONFIG GET: names and values. `matches(pattern, name)` is a glob match that ignores case. Every name once,
    /// in the order of the table; hidden directives only under their full name.
    pub fn get(&self, patterns: &[&[u8]], matches: impl Fn(&[u8], &[u8]) -> bool) -> Vec<(Vec<u8>, Vec<u8>)> {
        // A name that is asked for literally is answered as it was typed.
        let shown_as = |row: &Row, name: &str| {
            patterns.iter().find_map(|pattern| {
                if pattern.iter().any(|c| matches!(c, b'*' | b'?' | b'[')) {
                    let wanted = !row.has(traits::HIDDEN) && matches(pattern, name.as_bytes());
                    wanted.then(|| name.as_bytes().to_vec())
                } else {
                    name.as_bytes().eq_ignore_ascii_case(pattern).then(|| pattern.to_vec())
                }
            })
        };
        let is_literal = |pattern: &&[u8]| !pattern.iter().any(|c| matches!(c, b'*' | b'?' | b'['));
        let rows: Vec<&Row> = if patterns.iter().all(is_literal) {
            let mut directives: Vec<_> = patterns.iter().filter_map(|name| Directive::find(name)).collect();
            directives.sort_unstable_by_key(|directive| *directive as usize);
            directives.dedup();
            directives.into_iter().map(Directive::row).collect()
        } else {
            ROWS.iter().collect()
        };
        let rows = rows.into_iter().flat_map(|row| row.names().map(move |name| (row, name)));
        let mut found: Vec<_> =
            rows.filter_map(|(row, name)| Some((name, shown_as(row, name)?, self.shown(row.id)))).collect();
        found.sort_unstable_by_key(|(name, ..)| *name);
        found.into_iter().map(|(_, shown, value)| (shown, value)).collect()
    }

    /// The value as CONFIG GET shows it.
    pub fn shown(&self, directive: Directive) -> Vec<u8> {
        value::shown(directive.row(), &self.value(directive))
    }

    /// CONFIG SET: all pairs or none. `apply` gets the directives whose value changed and brings about what the
    /// change means; when it refuses, the old values are put back and it is called again with the same
    /// directives. Answers with the changed directives.
    pub fn set(
        &self,
        pairs: &[(&[u8], &[u8])],
        access: Access,
        apply: &mut dyn FnMut(&[Directive]) -> Result<(), Refusal>,
    ) -> Result<Vec<Directive>, SetError> {
        let _writing = self.lock();
        let directives = admissible(pairs, access, self.family)?;
        let before: Vec<_> = directives.iter().map(|d| (*d, self.value(*d), self.is_given(*d))).collect();
        let mut changed = Vec::new();
        for ((name, argument), directive) in pairs.iter().zip(&directives) {
            let row = directive.row();
            let current = self.value(*directive);
            match value::parse(row, &words_for(row, argument), &current, self.family) {
                Ok(value) => {
                    if (value != current || row.has(traits::VOLATILE)) && !changed.contains(directive) {
                        changed.push(*directive);
                    }
                    self.put(*directive, &value);
                }
                Err(reason) => {
                    self.restore(before);
                    return Err(failed(&name.to_ascii_lowercase(), &reason));
                }
            }
        }
        if changed.is_empty() {
            return Ok(changed);
        }
        if let Err(refusal) = apply(&changed) {
            self.restore(before);
            // The old values were in force a moment ago; that they hold again cannot be refused.
            let _ = apply(&changed);
            return Err(failed(refusal.directive.row().name.as_bytes(), &refusal.reason));
        }
        Ok(changed)
    }

    pub(crate) fn value(&self, directive: Directive) -> Value {
        Value { number: self.bits(directive), text: self.bytes(directive) }
    }

    pub(crate) fn is_initial(&self, directive: Directive) -> bool {
        self.value(directive) == self.slot(directive).initial
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a value that was parsed. The caller holds the lock.
    pub(crate) fn put(&self, directive: Directive, value: &Value) {
        let slot = self.slot(directive);
        slot.number.store(value.number, Ordering::Relaxed);
        *slot.text.write().unwrap_or_else(PoisonError::into_inner) = value.text.clone();
        slot.given.store(true, Ordering::Relaxed);
        if directive == Directive::ClientOutputBufferLimit {
            self.copy_limits();
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn restore(&self, before: Vec<(Directive, Value, bool)>) {
        for (directive, value, given) in before {
            self.put(directive, &value);
            self.slot(directive).given.store(given, Ordering::Relaxed);
        }
    }

    fn copy_limits(&self) {
        let limits = value::output_limits(&self.bytes(Directive::ClientOutputBufferLimit));
        let classes = limits.classes();
        self.limits.iter().zip(classes).for_each(|(cell, (_, limit))| cell.set(limit));
    }

    fn slot(&self, directive: Directive) -> &Slot {
        &self.slots[directive as usize]
    }

    fn bits(&self, directive: Directive) -> u64 {
        self.slot(directive).number.load(Ordering::Relaxed)
    }
}

/// One class' limits, for readers without a lock.
#[derive(Default)]
struct LimitCell([AtomicU64; 3]);

impl LimitCell {
    fn get(&self) -> OutputLimit {
        let [hard_bytes, soft_bytes, soft_seconds] =
            [0, 1, 2].map(|i: usize| self.0[i].load(Ordering::Relaxed));
        OutputLimit { hard_bytes, soft_bytes, soft_seconds }
    }

    fn set(&self, limit: OutputLimit) {
        let numbers = [limit.hard_bytes, limit.soft_bytes, limit.soft_seconds];
        self.0.iter().zip(numbers).for_each(|(cell, number)| cell.store(number, Ordering::Relaxed));
    }
}

impl Slot {
    fn new(initial: Value) -> Self {
        Self {
            number: AtomicU64::new(initial.number),
            text: RwLock::new(initial.text.clone()),
            given: AtomicBool::new(false),
            initial,
        }
    }
}

fn initial(row: &Row, environment: &Environment) -> Value {
    let mut value = value::default_of(row);
    if let (Family::Valkey, Some(default)) = (environment.family, row.valkey) {
        let words = words_for(row, default.as_bytes());
        value = value::parse(row, &words, &value, Family::Valkey)
            .expect("invariant: a default of the table is a value");
    }
    match (row.id, row.kind) {
        (Directive::IoThreads, Kind::Number { max, .. }) => {
            value.number = (environment.cores as u64).clamp(1, max);
        }
        (Directive::Dir, _) => value.text = environment.dir.as_slice().into(),
        _ => {}
    }
    value
}

/// An argument's words: several-word directives are split at blanks.
pub(crate) fn words_for<'a>(row: &Row, argument: &'a [u8]) -> Vec<&'a [u8]> {
    if row.has(traits::MULTI) { value::words_of(argument) } else { vec![argument] }
}

/// The directives of the pairs, if all exist and may be changed; else the first complaint.
fn admissible(pairs: &[(&[u8], &[u8])], access: Access, family: Family) -> Result<Vec<Directive>, SetError> {
    let mut directives = Vec::with_capacity(pairs.len());
    for (i, (name, _)) in pairs.iter().enumerate() {
        let Some(directive) = Directive::find(name) else {
            let name = String::from_utf8_lossy(name);
            return Err(SetError::Refused(format!(
                "Unknown option or number of arguments for CONFIG SET - '{name}'"
            )));
        };
        let row = directive.row();
        if row.is_immutable(family) {
            return Err(failed(name, "can't set immutable config"));
        }
        if row.has(traits::PROTECTED) && !access.protected {
            return Err(failed(name, "can't set protected config"));
        }
        if row.has(traits::DENY_LOADING) && access.loading {
            return Err(SetError::Loading);
        }
        if pairs[..i].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(failed(name, "duplicate parameter"));
        }
        directives.push(directive);
    }
    Ok(directives)
}

fn failed(name: &[u8], reason: &str) -> SetError {
    let name = String::from_utf8_lossy(name);
    SetError::Refused(format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Access = Access { protected: true, loading: false };
    const ORDINARY: Access = Access { protected: false, loading: false };

    fn store() -> Store {
        Store::new(&Environment { cores: 4, dir: b"/data".to_vec(), family: Family::Redis })
    }

    /// `name value name value`; `_` stands for a blank.
    fn set(store: &Store, line: &str, access: Access) -> Result<Vec<Directive>, SetError> {
        let words: Vec<_> = line.split(' ').map(|word| word.replace('_', " ")).collect();
        let pairs: Vec<_> = words.chunks(2).map(|p| (p[0].as_bytes(), p[1].as_bytes())).collect();
        store.set(&pairs, access, &mut |_| Ok(()))
    }

    fn get(store: &Store, patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<_> = patterns.iter().map(|p| p.as_bytes()).collect();
        // The tests know trailing stars only.
        let found = store.get(&patterns, |pattern, name| name.starts_with(&pattern[..pattern.len() - 1]));
        found
            .into_iter()
            .map(|(name, value)| {
                format!("{}={}", String::from_utf8_lossy(&name), String::from_utf8_lossy(&value))
            })
            .collect()
    }

    #[test]
    fn complaints_in_the_real_words() {
        let prefix = "CONFIG SET failed (possibly related to argument";
        let cases = [
            ("foo bar", "Unknown option or number of arguments for CONFIG SET - 'foo'".to_owned()),
            ("hz 12 foo bar", "Unknown option or number of arguments for CONFIG SET - 'foo'".to_owned()),
            ("hz 10 HZ 20", format!("{prefix} 'HZ') - duplicate parameter")),
            ("HZ abc", format!("{prefix} 'hz') - argument couldn't be parsed into an integer")),
            ("hz 11 databases 5", format!("{prefix} 'databases') - can't set immutable config")),
            ("dir /tmp", format!("{prefix} 'dir') - can't set protected config")),
            ("timeout 5 hz abc", format!("{prefix} 'hz') - argument couldn't be parsed into an integer")),
            ("save 900_1_300", format!("{prefix} 'save') - Invalid save parameters")),
        ];
        let store = store();
        for (line, error) in cases {
            assert_eq!(set(&store, line, ORDINARY), Err(SetError::Refused(error)), "{line}");
        }
        assert_eq!(get(&store, &["hz", "timeout"]), ["hz=10", "timeout=0"]);
        let loading = Access { protected: true, loading: true };
        assert_eq!(set(&store, "dir x", loading), Err(SetError::Loading));
    }

    #[test]
    fn changes_are_told_once_and_only_when_they_are_changes() {
        let store = store();
        assert_eq!(set(&store, "hz 10", ORDINARY), Ok(vec![]));
        assert_eq!(
            set(&store, "slave-priority 10 replica-priority 20 hz 11", ORDINARY),
            Ok(vec![Directive::ReplicaPriority, Directive::Hz])
        );
        assert_eq!(store.int(Directive::ReplicaPriority), 20);
        let before = store.generation();
        assert_eq!(set(&store, "dbfilename x.rdb", ALLOWED), Ok(vec![Directive::Dbfilename]));
        assert!(store.generation() > before);
        assert_eq!(&*store.text(Directive::Dbfilename), "x.rdb");
        assert!(store.is_given(Directive::Dbfilename) && !store.is_given(Directive::Timeout));
    }

    #[test]
    fn a_refused_effect_puts_all_back() {
        let store = store();
        let mut seen = Vec::new();
        let pairs: [(&[u8], &[u8]); 2] = [(b"hz", b"50"), (b"timeout", b"9")];
        let result = store.set(&pairs, ORDINARY, &mut |changed| {
            seen.push((changed.to_vec(), store.int(Directive::Hz)));
            Err(Refusal { directive: Directive::Timeout, reason: "no".to_owned() })
        });
        let text = "CONFIG SET failed (possibly related to argument 'timeout') - no".to_owned();
        assert_eq!(result, Err(SetError::Refused(text)));
        let both = vec![Directive::Hz, Directive::Timeout];
        assert_eq!(seen, [(both.clone(), 50), (both, 10)]);
        assert!(!store.is_given(Directive::Hz));
    }

    #[test]
    fn get_matches_names_and_aliases() {
        let store = store();
        assert_eq!(get(&store, &["slave-p*"]), ["slave-priority=100"]);
        assert_eq!(
            get(&store, &["slave-p*", "REPLICA-priority", "replica-p*"]),
            ["REPLICA-priority=100", "slave-priority=100"]
        );
        assert_eq!(get(&store, &["key-load-d*"]), Vec::<String>::new());
        assert_eq!(get(&store, &["key-load-delay"]), ["key-load-delay=0"]);
        assert_eq!(get(&store, &["io-threads", "dir"]), ["dir=/data", "io-threads=4"]);
    }

    #[test]
    fn structs() {
        let store = store();
        assert_eq!(store.save_points().len(), 3);
        assert!(set(&store, "notify-keyspace-events KEx save 5_6", ORDINARY).is_ok());
        assert!(store.events().has(Events::EXPIRED) && !store.events().has(Events::LIST));
        assert_eq!(store.save_points(), [SavePoint { seconds: 5, changes: 6 }]);
        assert_eq!(store.percentiles(), [50.0, 99.0, 99.9]);
        assert_eq!(store.bind_addresses(), ["*", "-::*"]);
        assert_eq!(store.replicaof(), None);
        assert!(set(&store, "client-output-buffer-limit pubsub_1_2_3", ORDINARY).is_ok());
        assert_eq!(store.output_limits().pubsub.soft_seconds, 3);
        assert_eq!(store.output_limits().replica.soft_seconds, 60);
        assert!(store.saves_by_itself());
        assert!(set(&store, "save _", ORDINARY).is_err());
        let pairs: [(&[u8], &[u8]); 1] = [(b"save", b"")];
        assert!(store.set(&pairs, ORDINARY, &mut |_| Ok(())).is_ok());
        assert!(!store.saves_by_itself());
        assert_eq!(&*store.text(Directive::MaxmemoryPolicy), "noeviction");
        assert_eq!(&*store.text(Directive::Hz), "10");
    }
}
