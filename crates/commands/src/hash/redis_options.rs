//! The arguments of HEXPIRE, HGETEX and HSETEX as Redis reads them: options and fields in any order, each looked at when
//! its turn comes. Valkey, whose way is in [`super::fields`], wants the fields last.

use super::fields::Words;
use crate::args::{TimeUnit, expiry_ms, int};
use crate::cx::Cx;
use crate::error::{CommandError, Result, wrong_arity};
use crate::generic::Condition;

/// The latest time that a field can expire at, Unix milliseconds: Redis keeps 46 bits of it.
const LATEST_MS: i64 = (1 << 46) - 1;

const TWICE: CommandError = CommandError::fixed("ERR FIELDS keyword specified multiple times");
const MISSING: CommandError = CommandError::fixed("ERR missing FIELDS argument");
const TOO_FEW: CommandError = CommandError::fixed("ERR wrong number of arguments");

fn unknown(word: &[u8]) -> CommandError {
    CommandError::new([b"ERR unknown argument: ", word].concat())
}

/// A time of Redis' in Unix milliseconds.
fn at_ms(given: &[u8], unit: TimeUnit, since_ms: Option<u64>, name: &str) -> Result<i64> {
    let given = int(given)?;
    if given < 0 {
        return Err(CommandError::fixed("ERR invalid expire time, must be >= 0"));
    }
    let at = expiry_ms(given, unit, since_ms, name)?;
    if at > LATEST_MS {
        return Err(CommandError::new(format!("ERR invalid expire time in '{name}' command")));
    }
    Ok(at)
}

/// Walks over the words; the fields are set aside.
struct Walk<'a> {
    argv: Words<'a>,
    at: usize,
    /// The command's.
    name: &'a str,
    /// Words for each field.
    width: usize,
    /// Said of a count that is no positive number.
    invalid: CommandError,
    fields: Option<Words<'a>>,
}

impl<'a> Walk<'a> {
    fn new(argv: Words<'a>, at: usize, name: &'a str, width: usize, invalid: &'static str) -> Walk<'a> {
        Walk { argv, at, name, width, invalid: CommandError::fixed(invalid), fields: None }
    }

    /// The next word, if there is one left that is not about the fields.
    fn next(&mut self) -> Result<Option<&'a [u8]>> {
        loop {
            let Some(&word) = self.argv.get(self.at) else { return Ok(None) };
            self.at += 1;
            if !word.eq_ignore_ascii_case(b"FIELDS") {
                return Ok(Some(word));
            }
            if self.fields.is_some() {
                return Err(TWICE);
            }
            self.fields = Some(self.take_fields()?);
        }
    }

    fn take_fields(&mut self) -> Result<Words<'a>> {
        let count = self.argv.get(self.at).ok_or_else(|| wrong_arity(self.name))?;
        let count = ds::num::parse_i64(count).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
        let words = count.ok_or(self.invalid.clone())? as usize * self.width;
        let rest = &self.argv[self.at + 1..];
        let fields = rest.get(..words).ok_or(TOO_FEW)?;
        self.at += 1 + words;
        Ok(fields)
    }
}

/// What HEXPIRE and its kin were told.
pub(super) struct Expire<'a> {
    pub at: i64,
    pub condition: Condition,
    pub fields: Words<'a>,
}

impl<'a> Expire<'a> {
    pub(super) fn parse(
        cx: &Cx<'_>,
        argv: Words<'a>,
        unit: TimeUnit,
        relative: bool,
        name: &'a str,
    ) -> Result<Expire<'a>> {
        const SEVERAL: CommandError = CommandError::fixed("ERR Multiple condition flags specified");
        const NOTHING: CommandError =
            CommandError::fixed("ERR FIELDS requires at least numfields and one field argument");
        let at = at_ms(argv[2], unit, relative.then_some(cx.now_ms), name)?;
        let mut flags: Vec<&[u8]> = Vec::new();
        let mut walk = Walk::new(argv, 3, name, 1, "ERR Parameter `numFields` should be greater than 0");
        loop {
            let fields_next = argv.get(walk.at).is_some_and(|word| word.eq_ignore_ascii_case(b"FIELDS"));
            if fields_next && walk.fields.is_none() && argv.len() < walk.at + 3 {
                return Err(NOTHING);
            }
            let Some(word) = walk.next()? else { break };
            if !["NX", "XX", "GT", "LT"].iter().any(|flag| word.eq_ignore_ascii_case(flag.as_bytes())) {
                return Err(unknown(word));
            }
            if !flags.iter().any(|flag| flag.eq_ignore_ascii_case(word)) {
                flags.push(word);
            }
        }
        let fields = walk.fields.ok_or(MISSING)?;
        if flags.len() > 1 {
            return Err(SEVERAL);
        }
        Ok(Expire { at, condition: Condition::parse(&flags)?, fields })
    }
}

/// What HGETEX and HSETEX were told.
#[derive(Default)]
pub(super) struct Told<'a> {
    pub at: Option<i64>,
    /// PERSIST of HGETEX, KEEPTTL of HSETEX.
    pub stays: bool,
    /// NX: the hash must not be there; XX: it must. Only Valkey has it.
    pub key: Option<bool>,
    /// FNX: none of the fields must be there; FXX: all must.
    pub present: Option<bool>,
    pub fields: Words<'a>,
}

impl<'a> Told<'a> {
    /// `stay` is the word that takes no time; with `sets` fields have values, and may have to be there or not.
    pub(super) fn parse(
        cx: &Cx<'_>,
        argv: Words<'a>,
        stay: &'static str,
        sets: bool,
        name: &'a str,
    ) -> Result<Told<'a>> {
        const NO_TIME: CommandError = CommandError::fixed("ERR missing expire time");
        const ONE_OF_TWO: CommandError =
            CommandError::fixed("ERR Only one of FXX or FNX arguments can be specified");
        let mut told = Told::default();
        let mut walk = Walk::new(argv, 2, name, 1 + usize::from(sets), "ERR invalid number of fields");
        while let Some(word) = walk.next()? {
            let upper = word.to_ascii_uppercase();
            let timed = matches!(&upper[..], b"EX" | b"PX" | b"EXAT" | b"PXAT");
            if (timed || upper == stay.as_bytes()) && (told.at.is_some() || told.stays) {
                return Err(CommandError::new(format!(
                    "ERR Only one of EX, PX, EXAT, PXAT or {stay} arguments can be specified"
                )));
            }
            match &upper[..] {
                _ if timed => {
                    let given = argv.get(walk.at).ok_or(NO_TIME)?;
                    walk.at += 1;
                    let unit = if upper[0] == b'E' { TimeUnit::Seconds } else { TimeUnit::Milliseconds };
                    let relative = !upper.ends_with(b"AT");
                    told.at = Some(at_ms(given, unit, relative.then_some(cx.now_ms), name)?);
                }
                word if word == stay.as_bytes() => told.stays = true,
                b"FNX" | b"FXX" if sets && told.present.is_some() => return Err(ONE_OF_TWO),
                b"FNX" | b"FXX" if sets => told.present = Some(upper == b"FXX"),
                b"NX" | b"XX" if sets && told.key.is_none() => told.key = Some(upper == b"XX"),
                _ => return Err(unknown(word)),
            }
        }
        told.fields = walk.fields.ok_or(MISSING)?;
        Ok(told)
    }
}
