//! Reading a command's arguments: a cursor over options, and the number formats with their errors.

use config::Family;
use ds::num;

use crate::error::{CommandError, DB_OUT_OF_RANGE, NOT_A_FLOAT, NOT_AN_INTEGER, Result, SYNTAX};

/// A cursor over the arguments behind the fixed ones.
pub struct Args<'a> {
    argv: &'a [&'a [u8]],
    at: usize,
}

impl<'a> Args<'a> {
    /// Begins at argument `at`.
    pub fn new(argv: &'a [&'a [u8]], at: usize) -> Args<'a> {
        Args { argv, at }
    }

    /// Arguments that are left.
    pub fn left(&self) -> usize {
        self.argv.len().saturating_sub(self.at)
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// Index of the next argument.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Takes the next argument if it is `word`, ignoring case.
    pub fn take(&mut self, word: &str) -> bool {
        let is = self.argv.get(self.at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
        self.at += usize::from(is);
        is
    }

    /// As [`Args::take`], if at least `values` arguments follow the word.
    pub fn take_with(&mut self, word: &str, values: usize) -> bool {
        self.left() > values && self.take(word)
    }

    /// The next argument without taking it.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.argv.get(self.at).copied()
    }

    /// The next argument; a syntax error if there is none.
    pub fn arg(&mut self) -> Result<&'a [u8]> {
        let arg = *self.argv.get(self.at).ok_or(SYNTAX)?;
        self.at += 1;
        Ok(arg)
    }

    /// The next argument as an integer.
    pub fn int(&mut self) -> Result<i64> {
        int(self.arg()?)
    }

    /// The next `count` arguments.
    pub fn slice(&mut self, count: usize) -> Result<&'a [&'a [u8]]> {
        let slice = self.argv.get(self.at..self.at.saturating_add(count)).ok_or(SYNTAX)?;
        self.at += count;
        Ok(slice)
    }

    /// All arguments that are left.
    pub fn rest(&mut self) -> &'a [&'a [u8]] {
        let rest = &self.argv[self.at.min(self.argv.len())..];
        self.at = self.argv.len();
        rest
    }

    /// A syntax error unless all arguments are taken.
    pub fn end(&self) -> Result {
        if self.is_empty() { Ok(()) } else { Err(SYNTAX) }
    }
}

/// An integer argument.
pub fn int(arg: &[u8]) -> Result<i64> {
    num::parse_i64(arg).ok_or(NOT_AN_INTEGER)
}

/// The number of one of so many databases.
pub fn database(arg: &[u8], databases: usize) -> Result<usize> {
    let number = i32::try_from(int(arg)?).map_err(|_| {
        CommandError::fixed("ERR value is out of range, value must between -2147483648 and 2147483647")
    })?;
    usize::try_from(number).ok().filter(|&db| db < databases).ok_or(DB_OUT_OF_RANGE)
}

/// An integer argument with an error of its own.
pub fn int_or(arg: &[u8], error: CommandError) -> Result<i64> {
    num::parse_i64(arg).ok_or(error)
}

/// A floating point argument.
pub fn float(arg: &[u8], family: Family) -> Result<f64> {
    double(arg, family).filter(|value| !value.is_nan()).ok_or(NOT_A_FLOAT)
}

/// A double; hexadecimal ones are known to Redis alone.
pub fn double(arg: &[u8], family: Family) -> Option<f64> {
    let hexadecimal = arg.iter().any(|byte| matches!(byte, b'x' | b'X'));
    num::parse_f64(arg).filter(|_| !hexadecimal || family == Family::Redis)
}

/// How long a blocking command waits: seconds with a fraction, in milliseconds; 0 means for ever.
pub fn timeout_ms(arg: &[u8]) -> Result<u64> {
    let seconds = num::parse_f64(arg)
        .filter(|seconds| !seconds.is_nan())
        .ok_or(CommandError::fixed("ERR timeout is not a float or out of range"))?;
    let ms = (seconds * 1000.0).ceil();
    if ms < 0.0 {
        return Err(CommandError::fixed("ERR timeout is negative"));
    }
    if ms >= i64::MAX as f64 {
        return Err(CommandError::fixed("ERR timeout is out of range"));
    }
    Ok(ms as u64)
}

/// How a time to live is given, as in EXPIRE and SET.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeUnit {
    Seconds,
    Milliseconds,
}

/// The absolute expiry, Unix ms, of a time that is given in `unit`, relative to now or absolute. `name` is the
/// command's, for the error.
pub fn expiry_ms(given: i64, unit: TimeUnit, relative_to_ms: Option<u64>, name: &str) -> Result<i64> {
    let invalid = || CommandError::new(format!("ERR invalid expire time in '{name}' command"));
    let ms = match unit {
        TimeUnit::Seconds => given.checked_mul(1000).ok_or_else(invalid)?,
        TimeUnit::Milliseconds => given,
    };
    match relative_to_ms {
        Some(now_ms) => ms.checked_add(now_ms as i64).ok_or_else(invalid),
        None => Ok(ms),
    }
}

/// The cursor of a SCAN command, as C's `strtoull` reads it.
pub fn cursor(arg: &[u8]) -> Result<u64> {
    num::parse_u64_lenient(arg).ok_or(CommandError::fixed("ERR invalid cursor"))
}
