//! Words of a configuration line: splitting and quoting.
//!
//! Invariant: `split(quote(x)) == [x]` for every byte string. Called by `load` and `rewrite`; the console
//! client's grammar is the same.

/// The quotes of a line do not match up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbalanced;

/// Splits a line into words. Double quotes know `\n \r \t \b \a \xHH` and `\` before anything else; single
/// quotes know `\'` only. A closing quote must end the word.
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let start = rest.iter().position(|c| !is_space(*c)).unwrap_or(rest.len());
        rest = &rest[start..];
        if rest.is_empty() {
            return Ok(words);
        }
        let (word, after) = next_word(rest)?;
        words.push(word);
        rest = after;
    }
}

/// White space as the C library has it.
pub(crate) fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn next_word(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Unbalanced> {
    let mut word = Vec::new();
    loop {
        match rest {
            [] => return Ok((word, rest)),
            [c, ..] if is_space(*c) => return Ok((word, rest)),
            [b'"', after @ ..] => {
                let after = double_quoted(after, &mut word)?;
                return ends_word(after).map(|()| (word, after));
            }
            [b'\'', after @ ..] => {
                let after = single_quoted(after, &mut word)?;
                return ends_word(after).map(|()| (word, after));
            }
            [c, after @ ..] => {
                word.push(*c);
                rest = after;
            }
        }
    }
}

fn ends_word(rest: &[u8]) -> Result<(), Unbalanced> {
    if rest.first().is_none_or(|c| is_space(*c)) { Ok(()) } else { Err(Unbalanced) }
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        rest = match rest {
            [] => return Err(Unbalanced),
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                after
            }
            [b'\\', c, after @ ..] => {
                word.push(match c {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [c, after @ ..] => {
                word.push(*c);
                after
            }
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        rest = match rest {
            [] => return Err(Unbalanced),
            [b'\'', after @ ..] => return Ok(after),
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                after
            }
            [c, after @ ..] => {
                word.push(*c);
                after
            }
        };
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// The word in double quotes, all that is not printable ASCII escaped.
pub fn quote(word: &[u8]) -> String {
    let mut out = String::with_capacity(word.len() + 2);
    out.push('"');
    for &c in word {
        match c {
            b'\\' | b'"' => {
                out.push('\\');
                out.push(char::from(c));
            }
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x07 => out.push_str("\\a"),
            0x08 => out.push_str("\\b"),
            b' '..=b'~' => out.push(char::from(c)),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\x");
                out.push(char::from(DIGITS[usize::from(c >> 4)]));
                out.push(char::from(DIGITS[usize::from(c & 15)]));
            }
        }
    }
    out.push('"');
    out
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
