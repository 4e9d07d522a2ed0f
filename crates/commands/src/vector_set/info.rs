//! VCARD, VDIM and VINFO.

use ds::vector::Projection;
use resp::writer::Writer;

use super::find;
use crate::cx::Cx;
use crate::error::{CommandError, Result};

pub(super) fn vcard(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    out.int(find(cx, argv[1])?.map_or(0, |set| set.len()) as i64);
    Ok(())
}

pub(super) fn vdim(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const NO_KEY: CommandError = CommandError::fixed("ERR key does not exist");
    out.int(find(cx, argv[1])?.ok_or(NO_KEY)?.dim() as i64);
    Ok(())
}

pub(super) fn vinfo(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let Some(set) = find(cx, argv[1])? else {
        out.null_array();
        return Ok(());
    };
    let numbers: [(&str, u64); 8] = [
        ("hnsw-m", set.m() as u64),
        ("vector-dim", set.dim() as u64),
        ("projection-input-dim", set.projection().map_or(0, Projection::input) as u64),
        ("size", set.len() as u64),
        ("max-level", set.max_level() as u64),
        ("attributes-count", set.attribute_count() as u64),
        ("vset-uid", set.uid()),
        ("hnsw-max-node-uid", set.last_id()),
    ];
    out.map(1 + numbers.len());
    out.simple("quant-type");
    out.simple(set.quant().name());
    for (name, number) in numbers {
        out.simple(name);
        out.int(number as i64);
    }
    Ok(())
}
