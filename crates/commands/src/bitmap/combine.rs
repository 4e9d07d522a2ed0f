//! BITOP: a new bitmap out of others.

use config::Events;
use ds::bits::{self, Combine};
use ds::blob::Blob;
use ds::entry::{EntryRef, Kind, Value};
use ds::num::IntText;
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, OUT_OF_MEMORY, Result, SYNTAX};
use crate::string::{bytes_of, replace};

/// A source, held while the others are looked up: long ones are shared, not copied.
enum Source {
    Shared(Blob),
    Copied(Vec<u8>),
}

impl Source {
    fn of(entry: EntryRef<'_>) -> Source {
        match entry.blob() {
            Some(blob) => Source::Shared(blob),
            None => Source::Copied(bytes_of(entry, &mut IntText::new()).to_vec()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Source::Shared(blob) => blob,
            Source::Copied(bytes) => bytes,
        }
    }
}

/// The operation, once it fits the number of sources.
fn operation(name: &[u8], sources: usize) -> Result<Combine> {
    const OPERATIONS: [(&str, Combine); 8] = [
        ("AND", Combine::And),
        ("OR", Combine::Or),
        ("XOR", Combine::Xor),
        ("NOT", Combine::Not),
        ("DIFF", Combine::Diff),
        ("DIFF1", Combine::Diff1),
        ("ANDOR", Combine::AndOr),
        ("ONE", Combine::One),
    ];
    let (name, how) =
        *OPERATIONS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).ok_or(SYNTAX)?;
    match how {
        Combine::Not if sources != 1 => {
            Err(CommandError::fixed("ERR BITOP NOT must be called with a single source key."))
        }
        Combine::Diff | Combine::Diff1 | Combine::AndOr if sources < 2 => {
            Err(CommandError::new(format!("ERR BITOP {name} must be called with at least two source keys.")))
        }
        _ => Ok(how),
    }
}

pub(super) fn bitop(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (target, keys) = (argv[2], &argv[3..]);
    let how = operation(argv[1], keys.len())?;
    let mut sources = Vec::with_capacity(keys.len());
    for key in keys {
        let found = cx.find_kind(key, Kind::String)?;
        sources.push(found.map_or(Source::Copied(Vec::new()), Source::of));
    }
    let sources: Vec<&[u8]> = sources.iter().map(Source::bytes).collect();
    let length = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    if length == 0 {
        if cx.delete(target, false) {
            cx.notify(Events::GENERIC, "del", target);
        }
    } else {
        let mut value = Vec::new();
        value.try_reserve_exact(length).map_err(|_| OUT_OF_MEMORY)?;
        value.resize(length, 0);
        bits::combine(how, &sources, &mut value);
        cx.put(target, Value::Bytes(b""), None);
        replace(cx, target, value);
        cx.changed(target);
        cx.notify(Events::STRING, "set", target);
    }
    out.int(length as i64);
    Ok(())
}
