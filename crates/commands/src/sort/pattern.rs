//! BY and GET patterns: which key, or which field of which hash, belongs to an element.
//!
//! ```text
//! #            the element itself
//! pre*post     the string at the key that has the element in place of the first star
//! pre*post->f  field f of the hash at that key
//! ```

use ds::entry::ValueRef;
use ds::num::IntText;

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
    // The hash is remembered by the argument's address, which names made here may share.
    cx.hash_memo = (0, 0, 0);
    let entry = cx.find(&key);
    let found = entry.and_then(|entry| match (entry.value(), field) {
        (ValueRef::Int(number), None) => Some(IntText::new().format(number).to_vec()),
        (ValueRef::Bytes(text) | ValueRef::Blob(text), None) => Some(text.to_vec()),
        _ => None,
    });
    cx.hash_memo = (0, 0, 0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

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
