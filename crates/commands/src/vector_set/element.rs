//! VREM, VISMEMBER and VEMB.

use ds::vector::Quant;
use resp::writer::Writer;

use super::{find, reply_number, update};
use crate::cx::Cx;
use crate::error::{CommandError, Result};

pub(super) fn vrem(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, name) = (argv[1], argv[2]);
    if find(cx, key)?.and_then(|set| set.find(name)).is_none() {
        out.bool(false);
        return Ok(());
    }
    let left = update(cx, key, |set| {
        set.remove(name);
        set.len()
    })?;
    if left == Some(0) {
        cx.delete(key, false);
    } else {
        cx.changed(key);
    }
    out.bool(true);
    Ok(())
}

pub(super) fn vismember(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let known = find(cx, argv[1])?.and_then(|set| set.find(argv[2]));
    out.bool(known.is_some());
    Ok(())
}

pub(super) fn vemb(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const OPTION: CommandError = CommandError::fixed("ERR invalid option");
    if !argv[3..].iter().all(|word| word.eq_ignore_ascii_case(b"RAW")) {
        return Err(OPTION);
    }
    let raw = argv.len() > 3;
    let Some((set, slot)) = find(cx, argv[1])?.and_then(|set| Some((set, set.find(argv[2])?))) else {
        out.null();
        return Ok(());
    };
    if raw {
        let (element, in_8_bits) = (set.element(slot), set.quant() == Quant::Q8);
        out.array(if in_8_bits { 4 } else { 3 });
        out.simple(set.quant().name());
        out.bulk(&set.raw(slot));
        reply_number(f64::from(element.norm), out);
        if in_8_bits {
            reply_number(f64::from(element.range), out);
        }
        return Ok(());
    }
    out.array(set.dim());
    set.vector(slot).iter().for_each(|number| reply_number(f64::from(*number), out));
    Ok(())
}
