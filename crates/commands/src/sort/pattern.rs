//! BY and GET patterns: which key, or which field of which hash, belongs to an element.
//!
//! ```text
//! #            the element itself
//! pre*post     the string at the key that has the element in place of the first star
//! pre*post->f  field f of the hash at that key
//! ```

use ds::entry::{EntryRef, PackedRef, ValueRef};
use ds::num::IntText;
use ds::object::Object;
use ds::packed_hash;

use crate::cx::Cx;

/// A pattern that names keys.
#[derive(PartialEq, Eq, Debug)]
struct Parts<'a> {
    before: &'a [u8],
    after: &'a [u8],
    field: Option<&'a [u8]>,
}

fn parts(pattern: &[u8]) -> Option<Parts<'_>> {
    let star = pattern.iter().position(|&byte| byte == b'*')?;
    let (before, rest) = (&pattern[..star], &pattern[star + 1..]);
    // An arrow with nothing behind it is part of the key's name.
    let arrow = rest.windows(2).position(|two| two == b"->").filter(|at| at + 2 < rest.len());
    Some(match arrow {
        Some(at) => Parts { before, after: &rest[..at], field: Some(&rest[at + 2..]) },
        None => Parts { before, after: rest, field: None },
    })
}

/// What a pattern finds for an element; a pattern without a star finds nothing.
pub(super) fn look_up(cx: &mut Cx<'_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let Parts { before, after, field } = parts(pattern)?;
    let key = [before, element, after].concat();
    let clock_ms = cx.field_clock();
    cx.find(&key).and_then(|entry| match field {
        Some(field) => field_of(entry, field, clock_ms),
        None => string_of(entry),
    })
}

fn string_of(entry: EntryRef<'_>) -> Option<Vec<u8>> {
    match entry.value() {
        ValueRef::Int(number) => Some(IntText::new().format(number).to_vec()),
        ValueRef::Bytes(text) | ValueRef::Blob(text) => Some(text.to_vec()),
        _ => None,
    }
}

/// The value of a hash's field that has not expired before `clock_ms`.
fn field_of(entry: EntryRef<'_>, name: &[u8], clock_ms: u64) -> Option<Vec<u8>> {
    let (value, expire_ms) = match entry.value() {
        ValueRef::Packed(PackedRef::Hash(pack, form)) => {
            let (_, field) = packed_hash::find(pack, form, name)?;
            (field.value.to_vec(), field.expire_ms)
        }
        ValueRef::Object(Object::Hash(fields)) => {
            let field = fields.get(name)?;
            (field.value()?.to_vec(), field.expire_ms())
        }
        _ => return None,
    };
    expire_ms.is_none_or(|at| clock_ms <= at).then_some(value)
}

#[cfg(test)]
mod tests {
    use ds::entry::{Entry, Value};
    use ds::fields::Fields;
    use ds::listpack::FlatPack;
    use ds::packed_hash::Form;

    use super::*;

    #[test]
    fn fields_of_every_form_and_only_while_they_live() {
        let pack = |texts: &[&str]| {
            let mut pack = FlatPack::new();
            texts.iter().for_each(|text| pack.push_back(text.as_bytes()));
            pack
        };
        let pairs = pack(&["v", "f", "f", "1", "g", "x"]);
        let triples = pack(&["v", "f", "0", "f", "1", "100", "g", "x", "0"]);
        let mut fields = Fields::new();
        for (name, value, expire_ms) in [("v", "f", None), ("f", "1", Some(100)), ("g", "x", None)] {
            assert!(fields.insert(name.as_bytes(), Some(value.as_bytes()), expire_ms));
        }
        for (value, expires) in [
            (Value::Packed(PackedRef::Hash(pairs.view(), Form::Pairs)), false),
            (Value::Packed(PackedRef::Hash(triples.view(), Form::Triples)), true),
            (Value::Object(Box::new(Object::Hash(fields))), true),
        ] {
            let entry = Entry::new(b"k", None, 0, value);
            let get = |name: &str, clock_ms| {
                field_of(entry.view(), name.as_bytes(), clock_ms)
                    .map(|value| String::from_utf8_lossy(&value).into_owned())
            };
            assert_eq!(get("f", 100).as_deref(), Some("1"));
            assert_eq!(get("f", 101).is_some(), !expires);
            assert_eq!((get("g", 200).as_deref(), get("x", 0)), (Some("x"), None));
        }
        let entry = Entry::new(b"k", None, 0, Value::Bytes(b"v"));
        assert_eq!(field_of(entry.view(), b"v", 0), None);
    }

    #[test]
    fn patterns_fall_into_parts() {
        for (pattern, expected) in [
            ("w_*", Some(("w_", "", None))),
            ("*", Some(("", "", None))),
            ("a*b*c", Some(("a", "b*c", None))),
            ("h*->f", Some(("h", "", Some("f")))),
            ("h*x->f->g", Some(("h", "x", Some("f->g")))),
            ("h*->", Some(("h", "->", None))),
            ("h->f*", Some(("h->f", "", None))),
            ("nostar", None),
        ] {
            let expected = expected.map(|(before, after, field): (&str, &str, Option<&str>)| Parts {
                before: before.as_bytes(),
                after: after.as_bytes(),
                field: field.map(str::as_bytes),
            });
            assert_eq!(parts(pattern.as_bytes()), expected, "{pattern}");
        }
    }
}
