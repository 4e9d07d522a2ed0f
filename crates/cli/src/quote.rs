//! Quoting of the classic client: escaped strings out, command lines in.
//!
//! The grammar's reader and writer stand in `resp`; here they get the names and the rule of the client.

use resp::inline::Closing;

/// Appends `text` in double quotes, everything not printable ASCII escaped.
pub fn repr_into(out: &mut Vec<u8>, text: &[u8]) {
    resp::inline::quote_into(text, out);
}

/// [`repr_into`] into a fresh buffer.
#[must_use]
pub fn repr(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    repr_into(&mut out, text);
    out
}

/// Splits a line into arguments as Valkey's client does: quoted parts may stand in the middle of a word. `None` when
/// quotes do not balance.
#[must_use]
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    resp::inline::split(line, Closing::GoesOn)
}

/// [`split`], or as Redis does with `strict`: a closing quote must be followed by a blank or the end.
#[must_use]
pub fn split_with(line: &[u8], strict: bool) -> Option<Vec<Vec<u8>>> {
    resp::inline::split(line, if strict { Closing::EndsWord } else { Closing::GoesOn })
}

/// One argument as `--quoted-input` takes it: unquoted when it is quoted, else itself; `None` when the
/// quoting is wrong or yields more than one word.
#[must_use]
pub fn unquote(argument: &[u8]) -> Option<Vec<u8>> {
    let quoted =
        matches!(argument, [first, .., last] if first == last && (*first == b'"' || *first == b'\''));
    if !quoted {
        // An opening quote alone is an error, not text.
        return (!matches!(argument.first(), Some(b'"' | b'\''))).then(|| argument.to_vec());
    }
    match split(argument)?.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rule_is_the_callers() {
        let line = br#"set "a"b"#;
        assert_eq!(split(line), Some(vec![b"set".to_vec(), b"ab".to_vec()]));
        assert_eq!(split_with(line, false), split(line));
        assert_eq!(split_with(line, true), None);
        assert_eq!(split(b"\"open"), None);
    }

    #[test]
    fn unquotes_single_words_only() {
        assert_eq!(unquote(br#""\x00""#), Some(vec![0]));
        assert_eq!(unquote(b"plain"), Some(b"plain".to_vec()));
        assert_eq!(unquote(br#""a" "b""#), None);
        assert_eq!(unquote(b"\"open"), None);
    }

    proptest! {
        #[test]
        fn repr_reads_back(text in proptest::collection::vec(any::<u8>(), 0..50)) {
            prop_assert_eq!(split(&repr(&text)), Some(vec![text.clone()]));
            prop_assert_eq!(unquote(&repr(&text)), Some(text));
        }
    }
}
