//! A reply of each kind that the protocol has, for trying clients.

use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, Result};

const UNKNOWN: CommandError = CommandError::fixed(
    "ERR Wrong protocol type name. Please use one of the following: \
     string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
);

/// An error with the client's own text, its code included.
pub(super) fn error(_: &mut Cx<'_>, argv: &[&[u8]], _: &mut Writer) -> Result {
    Err(CommandError::new(argv[2]))
}

pub(super) fn protocol(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    match &argv[2].to_ascii_lowercase()[..] {
        b"string" => out.bulk(b"Hello World"),
        b"integer" => out.int(12345),
        b"double" => out.double(b"3.141"),
        b"null" => out.null(),
        b"array" => {
            out.array(3);
            (0..3).for_each(|number| out.int(number));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|number| out.int(number));
        }
        b"map" => {
            out.map(3);
            for number in 0..3 {
                out.int(number);
                out.bool(number == 1);
            }
        }
        b"attrib" => attribute(out),
        b"push" => {
            if !out.resp3 {
                return Err(CommandError::fixed("ERR RESP2 is not supported by this command"));
            }
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.int(42);
        }
        b"true" => out.bool(true),
        b"false" => out.bool(false),
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        b"bignum" => out.big_number(b"1234567999999999999999999999999999999"),
        _ => return Err(UNKNOWN),
    }
    Ok(())
}

fn attribute(out: &mut Writer) {
    if out.resp3 {
        out.attribute(1);
        out.bulk(b"key-popularity");
        out.array(2);
        out.bulk(b"key:123");
        out.int(90);
    }
    out.bulk(b"Some real reply following the attribute");
}
