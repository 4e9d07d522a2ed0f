//! HSCAN.

use ds::listpack::LpValue;
use ds::num::IntText;
use ds::packed_hash::PackedField;
use resp::writer::Writer;

use super::view::{Stored, find, is_live};
use crate::args::cursor;
use crate::cx::Cx;
use crate::element_scan::{Found, Options};
use crate::error::Result;

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
pub(super) fn hscan(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (cursor, family) = (cursor(argv[2])?, cx.family());
    let Some(view) = find(cx, argv[1])? else {
        Found::default().reply_with(0, out);
        return Ok(());
    };
    let mut values = true;
    let options = Options::parse(argv, family, |args| {
        let taken = args.take("NOVALUES");
        values &= !taken;
        taken
    })?;
    let mut found = Found::default();
    let mut take = |field: PackedField<'_>| {
        let mut scratch = IntText::new();
        let name = field.name.text(&mut scratch);
        if options.allow(name) {
            found.push(name);
            if values {
                found.push(field.value.text(&mut IntText::new()));
            }
        }
    };
    let next = match view.stored {
        Stored::Packed(..) => {
            view.visit(take);
            0
        }
        Stored::Large(fields) => options.walk(cursor, |at, seen| {
            fields.scan(at, |field| {
                *seen += 1;
                if is_live(field.expire_ms(), view.now_ms) {
                    let text = |bytes| LpValue::Str(bytes);
                    let (name, value) = (text(field.name()), text(field.value().unwrap_or_default()));
                    take(PackedField { name, value, expire_ms: None });
                }
            })
        }),
    };
    found.reply_with(next, out);
    Ok(())
}
