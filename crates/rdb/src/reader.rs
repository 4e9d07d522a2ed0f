//! The file: header, what stands between the keys, keys, checksum.

use std::io::Read;

use crate::input::{Input, Result};
use crate::value::{self, Value, module_name};
use crate::{Dialect, ErrorKind, RdbError, Trust, Version, opcodes, types};

/// Numbers from here on are no types of values. The first is one of each dialect's own that we do not know.
const FIRST_OPCODE: u8 = 243;

/// What the first bytes say.
pub type Header = Version;

/// The next thing in a file.
#[derive(Debug)]
pub enum Event {
    /// A fact about the file or its writer (`redis-ver`, `repl-id`...).
    Aux { name: Vec<u8>, value: Vec<u8> },
    /// Keys from here on belong to this database.
    SelectDb(u64),
    /// Numbers of keys, and of those with an expiry, in this database: a hint.
    ResizeDb { keys: u64, expires: u64 },
    /// Numbers of keys in a slot: a hint.
    SlotInfo { slot: u64, keys: u64, expires: u64 },
    /// The source text of a function library.
    Function(Vec<u8>),
    /// Data of a module, which was passed over.
    ModuleAux { module: String },
    /// A key.
    Key(KeyRecord),
    /// A key that holds a collection without elements. Redis logs and skips it.
    EmptyKey { key: Vec<u8> },
    /// The end; the checksum was right, or there was none.
    End { checksum: Option<u64> },
}

/// A key with all that belongs to it.
#[derive(Debug)]
pub struct KeyRecord {
    pub key: Vec<u8>,
    pub value: Value,
    /// Unix milliseconds.
    pub expire_ms: Option<i64>,
    /// Seconds without access.
    pub idle_s: Option<u64>,
    /// LFU counter.
    pub frequency: Option<u8>,
}

/// Reads a file event by event. The source is asked for 64 KB at a time.
pub struct Reader<R> {
    input: Input<R>,
    version: Version,
    trust: Trust,
    done: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub fn new(source: R, trust: Trust) -> Result<Self> {
        let mut input = Input::new(source);
        let magic: [u8; 9] = input.array()?;
        let (dialect, digits) = match &magic {
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (Dialect::Redis, &digits[..]),
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (Dialect::Valkey, &digits[..]),
            _ => return input.fail(ErrorKind::BadMagic),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return input.fail(ErrorKind::BadMagic);
        }
        let number = digits.iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
        let known = match dialect {
            Dialect::Redis => (1..=u32::from(Version::NEWEST_REDIS)).contains(&number),
            Dialect::Valkey => number == u32::from(Version::NEWEST_VALKEY),
        };
        if !known && (number == 0 || !trust.any_version) {
            return input.fail(ErrorKind::UnknownVersion(number));
        }
        Ok(Self { input, version: Version { dialect, number: number as u16 }, trust, done: false })
    }

    /// Version and dialect of the file.
    pub fn header(&self) -> Header {
        self.version
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Bytes that were taken from the source behind the end of the file.
    pub fn unread(&self) -> &[u8] {
        self.input.unread()
    }

    /// The next event; None after [`Event::End`].
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        if self.done {
            return Ok(None);
        }
        let (mut expire_ms, mut idle_s, mut frequency) = (None, None, None);
        loop {
            let input = &mut self.input;
            match input.byte()? {
                opcodes::EXPIRE_MS => expire_ms = Some(input.i64_le()?),
                opcodes::EXPIRE_SECONDS => {
                    expire_ms = Some(i64::from(i32::from_le_bytes(input.array()?)) * 1000);
                }
                opcodes::IDLE => idle_s = Some(input.length()?),
                opcodes::FREQUENCY => frequency = Some(input.byte()?),
                opcodes::EOF => return self.end().map(Some),
                kind @ FIRST_OPCODE.. => return self.between_keys(kind).map(Some),
                number if number > types::STREAM_4 => {
                    return input.fail(ErrorKind::UnknownType { number, version: self.version });
                }
                kind => {
                    let key = input.string()?;
                    return match value::read(input, kind, self.version) {
                        Ok(value) => {
                            Ok(Some(Event::Key(KeyRecord { key, value, expire_ms, idle_s, frequency })))
                        }
                        Err(RdbError { kind: ErrorKind::Empty, .. }) => Ok(Some(Event::EmptyKey { key })),
                        Err(error) => Err(error),
                    };
                }
            }
        }
    }

    fn between_keys(&mut self, opcode: u8) -> Result<Event> {
        let input = &mut self.input;
        Ok(match opcode {
            opcodes::AUX => Event::Aux { name: input.string()?, value: input.string()? },
            opcodes::SELECT_DB => Event::SelectDb(input.length()?),
            opcodes::RESIZE_DB => Event::ResizeDb { keys: input.length()?, expires: input.length()? },
            opcodes::SLOT_INFO => {
                Event::SlotInfo { slot: input.length()?, keys: input.length()?, expires: input.length()? }
            }
            opcodes::FUNCTION => Event::Function(input.string()?),
            opcodes::FUNCTION_PRE_GA => return input.corrupt("function of a release candidate"),
            opcodes::MODULE_AUX => {
                let module = module_name(input.length()?);
                skip_module(input)?;
                Event::ModuleAux { module }
            }
            number => return input.fail(ErrorKind::UnknownType { number, version: self.version }),
        })
    }

    fn end(&mut self) -> Result<Event> {
        self.done = true;
        if self.version.dialect == Dialect::Redis && self.version.number < 5 {
            return Ok(Event::End { checksum: None });
        }
        let computed = self.input.checksum();
        let stored = u64::from_le_bytes(self.input.array()?);
        if !self.trust.any_checksum && stored != 0 && stored != computed {
            return self.input.fail(ErrorKind::Checksum { stored, computed });
        }
        Ok(Event::End { checksum: (stored != 0).then_some(stored) })
    }
}

/// Passes over a module's data, which is a sequence of tagged values.
fn skip_module<R: Read>(input: &mut Input<R>) -> Result<()> {
    loop {
        match input.length()? {
            0 => return Ok(()),
            1 | 2 => _ = input.length()?,
            3 => _ = input.array::<4>()?,
            4 => _ = input.array::<8>()?,
            5 => _ = input.string()?,
            _ => return input.corrupt("data of a module"),
        }
    }
}
