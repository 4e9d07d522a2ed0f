//! Words of a line, as inline requests and configuration files write them.
//!
//! Words are separated by blanks. In double quotes `\n \r \t \b \a \\ \" \xHH` are escapes; in single quotes only
//! `\'` is one. A closing quote must be followed by a blank or the end.

/// The words of `line`; `None` if quotes are unbalanced or text follows a closing quote.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = trim_start(line);
    while !rest.is_empty() {
        let (word, after) = next_word(rest)?;
        words.push(word);
        rest = trim_start(after);
    }
    Some(words)
}

/// Appends `text` in double quotes, all that is not printable ASCII escaped: as MONITOR and the console client show
/// it, and as [`split_words`] reads it back.
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

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// A NUL ends the line, as it does for the peers.
fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    if text.get(start) == Some(&0) { &[] } else { &text[start..] }
}

fn next_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            0 => return Some((word, &[])),
            b'"' | b'\'' => {
                at = quoted(text, at, &mut word)?;
                return text
                    .get(at)
                    .is_none_or(|&next| is_blank(next) || next == 0)
                    .then_some((word, &text[at..]));
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
    use super::split_words;

    #[test]
    fn words_and_quotes() {
        let cases: [(&str, Option<&[&str]>); 12] = [
            ("", Some(&[])),
            ("  set  a b ", Some(&["set", "a", "b"])),
            (r#"set "a b" 'c d'"#, Some(&["set", "a b", "c d"])),
            (r#""\x41\n\q""#, Some(&["A\nq"])),
            (r#""\x4""#, Some(&["x4"])),
            (r"'\''", Some(&["'"])),
            (r"'\n'", Some(&["\\n"])),
            (r#"a"b"c"#, None),
            (r#"a"b""#, Some(&["ab"])),
            (r#""open"#, None),
            ("'open", None),
            (r#""""#, Some(&[""])),
        ];
        for (line, expected) in cases {
            let words = split_words(line.as_bytes());
            let expected =
                expected.map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>());
            assert_eq!(words, expected, "{line}");
        }
    }
}
