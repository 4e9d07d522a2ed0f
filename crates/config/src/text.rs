//! Words of a configuration line: splitting and quoting.
//!
//! Invariant: `split(quote(x)) == [x]` for every byte string. Called by `load` and `rewrite`; the grammar is that of
//! inline requests and of the console client, and its reader stands in `resp`.

/// The quotes of a line do not match up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbalanced;

/// Splits a line into words under the servers' rule: a closing quote must end the word.
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    resp::inline::split_words(line).ok_or(Unbalanced)
}

/// The word in double quotes, all that is not printable ASCII escaped.
pub fn quote(word: &[u8]) -> String {
    let mut out = Vec::with_capacity(word.len() + 2);
    resp::inline::quote_into(word, &mut out);
    String::from_utf8(out).expect("invariant: quoted text is ASCII")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words() {
        let cases: &[(&str, Result<&[&str], Unbalanced>)] = &[
            ("", Ok(&[])),
            ("  a\tb  ", Ok(&["a", "b"])),
            (r#"a "b c" 'd e'"#, Ok(&["a", "b c", "d e"])),
            (r#""\n\r\t\b\a\\\"\q""#, Ok(&["\n\r\t\x08\x07\\\"q"])),
            (r#""\x41\x4a\xg1""#, Ok(&["AJxg1"])),
            (r"'it\'s \n'", Ok(&["it's \\n"])),
            (r#"a"b""#, Ok(&["ab"])),
            (r#""""#, Ok(&[""])),
            (r#""a"b"#, Err(Unbalanced)),
            (r#""a"#, Err(Unbalanced)),
            (r#""a\"#, Err(Unbalanced)),
            ("'a", Err(Unbalanced)),
            ("'a'b", Err(Unbalanced)),
            ("a#b #c", Ok(&["a#b", "#c"])),
        ];
        for (line, expected) in cases {
            let expected =
                expected.map(|words| words.iter().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>());
            assert_eq!(split(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn quoted() {
        assert_eq!(quote(b"a\"b\\ \x00\n\xff"), r#""a\"b\\ \x00\n\xff""#);
    }

    proptest! {
        #[test]
        fn quoting_is_undone(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..5)) {
            let line = words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(line.as_bytes()), Ok(words));
        }

        #[test]
        fn any_line_is_split_or_refused(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(words) = split(&line) {
                prop_assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
            }
        }
    }
}
