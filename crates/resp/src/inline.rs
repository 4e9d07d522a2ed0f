//! Words of a line, as inline requests, configuration files and the console client write them.
//!
//! Words are separated by blanks. In double quotes `\n \r \t \b \a \\ \" \xHH` are escapes; in single quotes only
//! `\'` is one. A NUL ends the line, as it does for the peers. Invariant: what [`quote_into`] writes, [`split`] reads
//! back, under either rule. The one reader of this grammar: called by the request parser, `config` and the client.

/// What may follow a closing quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// A blank or the end: configuration files, and Redis' client.
    EndsWord,
    /// Anything, the word goes on: inline requests, and Valkey's client.
    GoesOn,
}

/// The words of `line` under the rule of configuration files; `None` if quotes are unbalanced or text follows a closing quote.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    split(line, Closing::EndsWord)
}

/// The words of `line`; `None` if quotes are unbalanced, or `closing` forbids what follows one.
pub fn split(line: &[u8], closing: Closing) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = trim_start(line);
    while !rest.is_empty() {
        let (word, after) = next_word(rest, closing)?;
        words.push(word);
        rest = trim_start(after);
    }
    Some(words)
}

/// Appends `text` in double quotes, all that is not printable ASCII escaped: as MONITOR and the console client show
/// it, and as [`split`] reads it back.
pub fn quote_into(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            other => out.extend_from_slice(format!("\\x{other:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

/// White space as the C library has it.
pub fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    if text.get(start) == Some(&0) { &[] } else { &text[start..] }
}

fn next_word(text: &[u8], closing: Closing) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            0 => return Some((word, &[])),
            b'"' | b'\'' => {
                at = quoted(text, at, &mut word)?;
                let ended = text.get(at).is_none_or(|&next| is_blank(next) || next == 0);
                if !ended && closing == Closing::EndsWord {
                    return None;
                }
            }
            _ if is_blank(byte) => break,
            _ => {
                word.push(byte);
                at += 1;
            }
        }
    }
    Some((word, &text[at..]))
}

/// Reads from the opening quote at `at`; answers where the text goes on behind the closing one.
fn quoted(text: &[u8], at: usize, word: &mut Vec<u8>) -> Option<usize> {
    let quote = text[at];
    let mut at = at + 1;
    loop {
        match (*text.get(at)?, text.get(at + 1)) {
            (0, _) => return None,
            (b'\\', Some(&next)) if quote == b'"' => {
                let hex = text.get(at + 2..at + 4).filter(|_| next == b'x').and_then(hex_byte);
                word.push(hex.unwrap_or(match next {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => other,
                }));
                at += if hex.is_some() { 4 } else { 2 };
            }
            (b'\\', Some(b'\'')) if quote == b'\'' => {
                word.push(b'\'');
                at += 2;
            }
            (byte, _) if byte == quote => return Some(at + 1),
            (byte, _) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    Some((digit(digits[0])? * 16 + digit(digits[1])?) as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Closing, quote_into, split};

    /// Line, its words under the servers' rule, its words under that of Valkey's client.
    type Case = (&'static str, Option<&'static [&'static str]>, Option<&'static [&'static str]>);

    fn same(line: &'static str, words: &'static [&'static str]) -> Case {
        (line, Some(words), Some(words))
    }

    #[test]
    fn words_and_quotes() {
        let cases: Vec<Case> = vec![
            same("", &[]),
            same("  set  a b\t\x0b\x0c\r\n", &["set", "a", "b"]),
            same(r#"set "a b" 'c d'"#, &["set", "a b", "c d"]),
            same(r#""\x41\n\r\t\x62\"\\\q""#, &["A\n\r\tb\"\\q"]),
            same(r#""\b\a\x4a\xg1""#, &["\x08\x07Jxg1"]),
            same(r#""\x4""#, &["x4"]),
            same(r"'\''", &["'"]),
            same(r"'it\'s \n'", &["it's \\n"]),
            same(r#"a"b""#, &["ab"]),
            same(r#""""#, &[""]),
            same("a#b #c", &["a#b", "#c"]),
            same("a b\0c \"", &["a", "b"]),
            same("a \0b", &["a"]),
            ("\"open", None, None),
            ("'open", None, None),
            (r#""open\"#, None, None),
            ("\"nul\0\"", None, None),
            (r#"a"b"c"#, None, Some(&["abc"])),
            ("'a'b", None, Some(&["ab"])),
            (r#"get ""k'e'"y""#, None, Some(&["get", "key"])),
            (r#"get ""k'e'"y"#, None, None),
            (r#"set key"" bar"#, Some(&["set", "key", "bar"]), Some(&["set", "key", "bar"])),
        ];
        for (line, servers, valkey_cli) in cases {
            for (closing, expected) in [(Closing::EndsWord, servers), (Closing::GoesOn, valkey_cli)] {
                let expected =
                    expected.map(|words| words.iter().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>());
                assert_eq!(split(line.as_bytes(), closing), expected, "{line} {closing:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn quoting_is_undone(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..5)) {
            let mut line = Vec::new();
            for word in &words {
                quote_into(word, &mut line);
                line.push(b' ');
            }
            for closing in [Closing::EndsWord, Closing::GoesOn] {
                let read = split(&line, closing);
                prop_assert_eq!(read.as_ref(), Some(&words));
            }
        }

        #[test]
        fn any_line_is_split_or_refused(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let strict = split(&line, Closing::EndsWord);
            if let Some(words) = &strict {
                prop_assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
            }
            // What the strict rule takes, the other takes alike.
            prop_assert!(strict.is_none() || strict == split(&line, Closing::GoesOn));
        }
    }
}
