//! PFDEBUG: a HyperLogLog's registers and encoding.

use ds::entry::Kind;
use ds::hll::{self, Encoding, HEADER_BYTES, REGISTERS, sparse};
use ds::num::IntText;
use resp::writer::Writer;

use super::{check, corrupt, encoding, find};
use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::string::change_string;

const MISSING: CommandError = CommandError::fixed("ERR The specified key does not exist");
const NOT_SPARSE: CommandError = CommandError::fixed("ERR HLL encoding is not sparse");
const ON_OR_OFF: CommandError = CommandError::fixed("ERR Argument must be ON or OFF");

pub(super) fn pfdebug(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (name, key) = (argv[1], argv[2]);
    let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
    if is("SIMD") {
        return simd(key, out);
    }
    let mut text = IntText::new();
    // Looked up as one that will be changed: neither a hit nor a miss.
    if cx.find_mut_kind(key, Kind::String)?.is_none() {
        return Err(MISSING);
    }
    match () {
        () if is("GETREG") => getreg(cx, key, out),
        () if is("DECODE") => decode(find(cx, key, &mut text)?.ok_or(MISSING)?, out),
        () if is("ENCODING") => {
            out.simple(match encoding(find(cx, key, &mut text)?.ok_or(MISSING)?)? {
                Encoding::Dense => "dense",
                Encoding::Sparse => "sparse",
            });
            Ok(())
        }
        () if is("TODENSE") => {
            out.int(i64::from(make_dense(cx, key)?));
            Ok(())
        }
        () => {
            find(cx, key, &mut text)?;
            let shown = String::from_utf8_lossy(name);
            Err(CommandError::new(format!("ERR Unknown PFDEBUG subcommand '{shown}'")))
        }
    }
}

/// Whether registers are worked on by vector instructions.
fn simd(argument: &[u8], out: &mut Writer) -> Result {
    let on = match argument {
        word if word.eq_ignore_ascii_case(b"ON") => true,
        word if word.eq_ignore_ascii_case(b"OFF") => false,
        _ => return Err(ON_OR_OFF),
    };
    hll::set_simd(on);
    out.simple(if on { "enabled" } else { "disabled" });
    Ok(())
}

/// Makes the value dense; answers whether it was not.
fn make_dense(cx: &mut Cx<'_>, key: &[u8]) -> Result<bool> {
    let was_sparse =
        change_string(cx, key, check, |bytes| hll::make_dense(bytes).map_err(corrupt))?.unwrap_or(false);
    if was_sparse {
        cx.changed(key);
    }
    Ok(was_sparse)
}

fn getreg(cx: &mut Cx<'_>, key: &[u8], out: &mut Writer) -> Result {
    make_dense(cx, key)?;
    let mut registers = Box::new([0; REGISTERS]);
    let mut text = IntText::new();
    hll::merge(find(cx, key, &mut text)?.ok_or(MISSING)?, &mut registers).map_err(corrupt)?;
    out.array(REGISTERS);
    registers.iter().for_each(|&register| out.int(i64::from(register)));
    Ok(())
}

/// The runs of a sparse value: `z:len`, `Z:len` and `v:value,len`.
fn decode(bytes: &[u8], out: &mut Writer) -> Result {
    if encoding(bytes)? != Encoding::Sparse {
        return Err(NOT_SPARSE);
    }
    let mut words = Vec::new();
    for run in sparse::runs(&bytes[HEADER_BYTES..]) {
        let run = run.map_err(corrupt)?;
        words.push(match run.rank {
            0 if run.is_extended() => format!("Z:{}", run.len),
            0 => format!("z:{}", run.len),
            rank => format!("v:{rank},{}", run.len),
        });
    }
    out.bulk(words.join(" ").as_bytes());
    Ok(())
}
