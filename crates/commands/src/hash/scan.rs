//! HSCAN. A cursor is the position in the table; small hashes are given whole.

use ds::glob::glob_match;
use ds::listpack::LpValue;
use ds::num::IntText;
use ds::packed_hash::PackedField;
use ds::table::Position;
use resp::writer::Writer;

use super::view::{Stored, find, is_live};
use crate::args::{Args, int};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};

/// Lines of the table that one step looks at for each field that it was asked for, at most.
const LINES_PER_FIELD: usize = 10;

struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    values: bool,
}

fn parse<'a>(argv: &'a [&'a [u8]]) -> Result<Options<'a>> {
    let mut options = Options { pattern: None, count: 10, values: true };
    let mut args = Args::new(argv, 3);
    while !args.is_empty() {
        if args.take_with("COUNT", 1) {
            let count = int(args.arg()?)?;
            options.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(SYNTAX)?;
        } else if args.take_with("MATCH", 1) {
            options.pattern = Some(args.arg()?).filter(|pattern| *pattern != b"*");
        } else if args.take("NOVALUES") {
            options.values = false;
        } else if args.take("NOSCORES") {
            return Err(CommandError::fixed("ERR NOSCORES option can only be used in ZSCAN"));
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(options)
}

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
pub(super) fn hscan(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let cursor = ds::num::parse_u64_lenient(argv[2]).ok_or(CommandError::fixed("ERR invalid cursor"))?;
    let Some(view) = find(cx, argv[1])? else {
        out.array(2);
        out.bulk(b"0");
        out.array(0);
        return Ok(());
    };
    let options = parse(argv)?;
    let mut found = Vec::new();
    let mut next = 0;
    match view.stored {
        Stored::Packed(..) => view.visit(|field| take(&options, field, &mut found)),
        Stored::Large(fields) => {
            // A cursor that this server never gave ends the walk.
            let mut position = Position::from_wide_bits(cursor);
            let (mut seen, mut lines) = (0, options.count.saturating_mul(LINES_PER_FIELD));
            while let Some(at) = position.filter(|_| seen < options.count && lines > 0) {
                lines -= 1;
                position = fields.scan(at, |field| {
                    seen += 1;
                    if is_live(field.expire_ms(), view.now_ms) {
                        let text = |bytes| LpValue::Str(bytes);
                        let (name, value) = (text(field.name()), text(field.value().unwrap_or_default()));
                        take(&options, PackedField { name, value, expire_ms: None }, &mut found);
                    }
                });
            }
            next = position.map_or(0, Position::to_wide_bits);
        }
    }
    out.array(2);
    out.bulk(next.to_string().as_bytes());
    out.array(if options.values { 2 * found.len() } else { found.len() });
    for (name, value) in &found {
        out.bulk(name);
        if options.values {
            out.bulk(value);
        }
    }
    Ok(())
}

/// Keeps a field whose name the pattern allows.
fn take(options: &Options<'_>, field: PackedField<'_>, into: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    let mut scratch = IntText::new();
    let name = field.name.text(&mut scratch);
    if options.pattern.is_none_or(|pattern| glob_match(pattern, name, false)) {
        into.push((name.to_vec(), if options.values { field.value.to_vec() } else { Vec::new() }));
    }
}
