//! Reading strings.

use ds::entry::Kind;
use resp::writer::Writer;

use super::reply_string;
use crate::cx::Cx;
use crate::error::Result;

pub(super) fn get(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    match cx.find_kind(argv[1], Kind::String)? {
        Some(entry) => reply_string(entry, out),
        None => out.null(),
    }
    Ok(())
}
