//! What a directive is: its kind of value, how it may change, and whether we honour it.
//!
//! The rows themselves are in `table`. One row drives the file grammar, CONFIG GET, SET and REWRITE and the
//! compatibility page. Statuses live in the rows, nowhere else.

use crate::table::Directive;

/// Refuses a text with the error's words, those of the family.
pub type Check = fn(&[u8], Family) -> Result<(), &'static str>;

/// The kind of value a directive takes, with its default.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Bool {
        /// Default.
        default: bool,
    },
    /// One of some words, stored as its index.
    Choice {
        /// In the order of the error text.
        names: &'static [&'static str],
        /// Index into `names`.
        default: usize,
    },
    /// Several of some words, stored as a bit set; the first word means the empty set.
    Choices {
        /// In the order of the error text.
        names: &'static [&'static str],
    },
    /// A whole number with inclusive bounds.
    Number {
        /// How it is written.
        unit: Unit,
        /// Least value.
        min: i64,
        /// Greatest value; above `i64::MAX` only for unsigned directives.
        max: u64,
        /// Default.
        default: i64,
    },
    /// A string; unset and empty are the same. The check answers with the error text.
    Text {
        /// Default.
        default: &'static str,
        /// Refuses values.
        check: Check,
    },
    /// A value with a grammar of its own, kept as canonical text.
    Special(Special),
}

/// The version of Redis whose behaviour clients may expect.
pub const REDIS_VERSION: &str = "8.6.3";
/// The version of Redis that Valkey says it is where it has to name one.
pub const REDIS_VERSION_OF_VALKEY: &str = "7.2.4";
/// The version of Valkey whose behaviour clients may expect.
pub const VALKEY_VERSION: &str = "9.1.2";

/// Whose defaults hold: those of the family by whose name the program was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Any other name.
    #[default]
    Redis,
    /// A name with `valkey` in it.
    Valkey,
}

impl Family {
    /// The family of a program; folders of its path do not count.
    pub fn of_program(path: &[u8]) -> Family {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        if name.windows(6).any(|part| part == b"valkey") { Family::Valkey } else { Family::Redis }
    }

    /// The server's name in texts.
    pub fn product(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
        }
    }

    /// The version whose behaviour clients may expect.
    pub fn version(self) -> &'static str {
        match self {
            Self::Redis => REDIS_VERSION,
            Self::Valkey => VALKEY_VERSION,
        }
    }

    /// "master", or "primary" as Valkey says.
    pub fn primary(self) -> &'static str {
        match self {
            Self::Redis => "master",
            Self::Valkey => "primary",
        }
    }
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Decimal.
    Plain,
    /// Bytes, with `k`, `kb`, `m`, `mb`, `g`, `gb`.
    Memory,
    /// As Memory, and negative values are allowed.
    SignedMemory,
    /// As Memory, or `N%`, which is stored as `-N`.
    MemoryOrPercent,
    /// Octal digits.
    Octal,
}

/// Values with a grammar of their own. See `special`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// `save`: pairs of seconds and changes.
    Save,
    /// `client-output-buffer-limit`: class, hard, soft, seconds.
    OutputLimits,
    /// `oom-score-adj-values`: three numbers.
    OomScores,
    /// `notify-keyspace-events`: event class letters.
    Events,
    /// `bind`: addresses. Its default is all interfaces.
    Bind,
    /// `rdma-bind`: addresses. Its default is none.
    RdmaBind,
    /// `replicaof`: host and port, or `no one`.
    ReplicaOf,
    /// `latency-tracking-info-percentiles`: numbers from 0 to 100.
    Percentiles,
    /// `dir`: the working directory; entering it is the caller's.
    Dir,
}

/// How a directive may change and show; bits of [`Row::traits`].
pub mod traits {
    /// Only from the file and the command line.
    pub const IMMUTABLE: u8 = 1 << 0;
    /// Shown by CONFIG GET only under its full name.
    pub const HIDDEN: u8 = 1 << 1;
    /// Changed only where `enable-protected-configs` allows.
    pub const PROTECTED: u8 = 1 << 2;
    /// Not to be logged.
    pub const SENSITIVE: u8 = 1 << 3;
    /// Not changed while a data set loads.
    pub const DENY_LOADING: u8 = 1 << 4;
    /// Takes several words on its line.
    pub const MULTI: u8 = 1 << 5;
    /// Setting the same value again still counts as a change (files that are read anew).
    pub const VOLATILE: u8 = 1 << 6;
    /// As IMMUTABLE under Redis' name.
    pub const IMMUTABLE_IN_REDIS: u8 = 1 << 7;
}

/// Whether we do what the directive says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Honoured.
    Works,
    /// Accepted and kept, without effect; nobody loses anything by that.
    Inert,
    /// Only the default is accepted, because another value promises what we do not have yet. Says what.
    Refused(&'static str),
}

/// One directive.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which.
    pub id: Directive,
    /// Name as CONFIG REWRITE writes it.
    pub name: &'static str,
    /// Other name; CONFIG GET lists both.
    pub alias: Option<&'static str>,
    /// Value and default.
    pub kind: Kind,
    /// Bits of [`traits`].
    pub traits: u8,
    /// Ours.
    pub status: Status,
    /// The default under Valkey's name, where it is another.
    pub valkey: Option<&'static str>,
    /// The greatest value under Redis' name, where it is a lesser one.
    pub max_in_redis: Option<u64>,
    /// A number outside of these bounds is taken for the nearer of them.
    pub clamp: Option<(i64, i64)>,
    /// Words that only Redis has and that only Valkey has. They are taken under both names; error texts name them under
    /// their own.
    pub only: [&'static [&'static str]; 2],
}

impl Row {
    /// True when any of `bits` is set.
    pub const fn has(&self, bits: u8) -> bool {
        self.traits & bits != 0
    }

    /// Whether CONFIG SET refuses it.
    pub fn is_immutable(&self, family: Family) -> bool {
        self.has(traits::IMMUTABLE) || family == Family::Redis && self.has(traits::IMMUTABLE_IN_REDIS)
    }

    /// Name and alias.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.alias)
    }
}

/// A row without names, as the table's constructors make it.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub(crate) kind: Kind,
    pub(crate) traits: u8,
    pub(crate) status: Status,
    pub(crate) valkey: Option<&'static str>,
    pub(crate) max_in_redis: Option<u64>,
    pub(crate) clamp: Option<(i64, i64)>,
    pub(crate) only: [&'static [&'static str]; 2],
}

impl Spec {
    const fn of(kind: Kind) -> Self {
        Self {
            kind,
            traits: 0,
            status: Status::Inert,
            valkey: None,
            max_in_redis: None,
            clamp: None,
            only: [&[], &[]],
        }
    }

    /// Valkey has another default.
    pub(crate) const fn in_valkey(mut self, default: &'static str) -> Self {
        self.valkey = Some(default);
        self
    }

    /// Redis has a lesser bound.
    pub(crate) const fn max_in_redis(mut self, max: u64) -> Self {
        self.max_in_redis = Some(max);
        self
    }

    /// Numbers outside are brought inside.
    pub(crate) const fn clamped(mut self, least: i64, most: i64) -> Self {
        self.clamp = Some((least, most));
        self
    }

    /// Words of one family.
    pub(crate) const fn only(
        mut self,
        redis: &'static [&'static str],
        valkey: &'static [&'static str],
    ) -> Self {
        self.only = [redis, valkey];
        self
    }

    pub(crate) const fn works(mut self) -> Self {
        self.status = Status::Works;
        self
    }
    pub(crate) const fn refused(mut self, what: &'static str) -> Self {
        self.status = Status::Refused(what);
        self
    }

    const fn with(mut self, bits: u8) -> Self {
        self.traits |= bits;
        self
    }

    pub(crate) const fn immutable(self) -> Self {
        self.with(traits::IMMUTABLE)
    }

    pub(crate) const fn immutable_in_redis(self) -> Self {
        self.with(traits::IMMUTABLE_IN_REDIS)
    }

    pub(crate) const fn hidden(self) -> Self {
        self.with(traits::HIDDEN)
    }

    pub(crate) const fn protected(self) -> Self {
        self.with(traits::PROTECTED)
    }

    pub(crate) const fn sensitive(self) -> Self {
        self.with(traits::SENSITIVE)
    }

    pub(crate) const fn deny_loading(self) -> Self {
        self.with(traits::DENY_LOADING)
    }

    pub(crate) const fn volatile(self) -> Self {
        self.with(traits::VOLATILE)
    }

    pub(crate) const fn checked(mut self, check: Check) -> Self {
        if let Kind::Text { default, .. } = self.kind {
            self.kind = Kind::Text { default, check };
        }
        self
    }
}

pub(crate) const fn flag(default: bool) -> Spec {
    Spec::of(Kind::Bool { default })
}

pub(crate) const fn choice(names: &'static [&'static str], default: usize) -> Spec {
    Spec::of(Kind::Choice { names, default })
}

pub(crate) const fn choices(names: &'static [&'static str]) -> Spec {
    Spec::of(Kind::Choices { names }).with(traits::MULTI)
}

pub(crate) const fn number(unit: Unit, min: i64, max: u64, default: i64) -> Spec {
    Spec::of(Kind::Number { unit, min, max, default })
}

pub(crate) const fn int(min: i64, max: u64, default: i64) -> Spec {
    number(Unit::Plain, min, max, default)
}

pub(crate) const fn memory(min: i64, max: u64, default: i64) -> Spec {
    number(Unit::Memory, min, max, default)
}

pub(crate) const fn text(default: &'static str) -> Spec {
    const fn any(_: &[u8], _: Family) -> Result<(), &'static str> {
        Ok(())
    }
    Spec::of(Kind::Text { default, check: any })
}

pub(crate) const fn special(special: Special) -> Spec {
    let spec = Spec::of(Kind::Special(special));
    match special {
        Special::Events | Special::Dir => spec,
        _ => spec.with(traits::MULTI),
    }
}
