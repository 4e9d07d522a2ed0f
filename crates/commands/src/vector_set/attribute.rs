//! VSETATTR and VGETATTR: the JSON text that filters look at.

use resp::writer::Writer;

use super::{find, update};
use crate::cx::Cx;
use crate::error::Result;

pub(super) fn vsetattr(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (key, name, attribute) = (argv[1], argv[2], Some(argv[3]).filter(|text| !text.is_empty()));
    let known = find(cx, key)?.and_then(|set| set.find(name));
    if let Some(slot) = known {
        update(cx, key, |set| set.set_attribute(slot, attribute))?;
        cx.changed(key);
    }
    out.bool(known.is_some());
    Ok(())
}

pub(super) fn vgetattr(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let set = find(cx, argv[1])?;
    match set.and_then(|set| set.element(set.find(argv[2])?).attribute) {
        Some(attribute) => out.bulk(attribute),
        None => out.null(),
    }
    Ok(())
}
