//! Quoting of the classic client: escaped strings out, command lines in.
//!
//! `split` reads the grammar shared by the prompt, configuration files and `--quoted-input`; `repr` writes
//! text such that `split` reads it back.

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

/// Splits a line into arguments: blanks separate; `"..."` takes `\n \r \t \b \a \xHH \"`, `'...'` takes `\'`.
/// `None` when quotes do not balance. As in Valkey, quoted parts may stand in the middle of a word.
#[must_use]
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    split_with(line, false)
}

/// [`split`], or as Redis does with `strict`: a closing quote must be followed by a blank or the end.
#[must_use]
pub fn split_with(line: &[u8], strict: bool) -> Option<Vec<Vec<u8>>> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|byte| is_blank(*byte)) {
            at += 1;
        }
        if at >= line.len() {
            return Some(out);
        }
        let mut word = Vec::new();
        at = one_word(line, at, &mut word, strict)?;
        out.push(word);
    }
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b || byte == 0
}

/// Reads one word from `at` and returns the index behind it.
fn one_word(line: &[u8], mut at: usize, word: &mut Vec<u8>, strict: bool) -> Option<usize> {
    while let Some(&byte) = line.get(at) {
        match byte {
            b'"' => {
                at = double_quoted(line, at + 1, word)?;
                if strict && line.get(at).is_some_and(|next| !is_blank(*next)) {
                    return None;
                }
            }
            b'\'' => {
                at = single_quoted(line, at + 1, word)?;
                if strict && line.get(at).is_some_and(|next| !is_blank(*next)) {
                    return None;
                }
            }
            other if is_blank(other) => return Some(at),
            other => {
                word.push(other);
                at += 1;
            }
        }
    }
    Some(at)
}

fn double_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match (*line.get(at)?, line.get(at + 1)) {
            (b'"', _) => return Some(at + 1),
            (b'\\', Some(b'x')) if hex(line, at + 2).is_some() => {
                word.push(hex(line, at + 2)?);
                at += 4;
            }
            (b'\\', Some(&escaped)) => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                at += 2;
            }
            (byte, _) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

fn single_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match (*line.get(at)?, line.get(at + 1)) {
            (b'\'', _) => return Some(at + 1),
            (b'\\', Some(b'\'')) => {
                word.push(b'\'');
                at += 2;
            }
            (byte, _) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

fn hex(line: &[u8], at: usize) -> Option<u8> {
    let digits = line.get(at..at + 2)?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
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
    fn splits_like_the_prompt() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("set  a b\t", Some(&["set", "a", "b"])),
            ("", Some(&[])),
            (r#"get ""k'e'"y""#, Some(&["get", "key"])),
            (r#"get ""k'e'"y"#, None),
            (r#"set key"" bar"#, Some(&["set", "key", "bar"])),
            (r#""\x41\n\"" 'it\'s'"#, Some(&["A\n\"", "it's"])),
            (r#""a"b"#, Some(&["ab"])),
            ("\"open", None),
            ("'open", None),
            (r#""\xzz""#, Some(&["xzz"])),
        ];
        for (line, expected) in table {
            let expected =
                expected.map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
            assert_eq!(split(line.as_bytes()), expected, "{line}");
        }
        assert_eq!(split_with(br#""a"b"#, true), None);
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
            prop_assert_eq!(split(&repr(&text)), Some(vec![text]));
        }

        #[test]
        fn split_never_panics(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = split(&line);
        }
    }
}
