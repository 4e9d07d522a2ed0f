//! One field of a JSON object, without reading more than lies in front of it.
//!
//! The reader is as lenient as Redis': the first field of a name counts, what follows it is not looked at, values that are passed
//! over need only balance. Escapes are `\n`, `\r` and `\t`; behind any other backslash stands the byte itself.
//! Objects are no values. Recursion ends at [`MOST_DEPTH`] lists.

use std::borrow::Cow;

use super::Value;

/// Lists inside each other.
const MOST_DEPTH: usize = 128;

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// The value of a field of the object in `text`.
pub(super) fn field<'a>(text: &'a [u8], name: &[u8]) -> Option<Value<'a>> {
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    reader.byte(b'{')?;
    loop {
        reader.blanks();
        let key = reader.quoted()?;
        reader.blanks();
        reader.byte(b':')?;
        reader.blanks();
        if key == name {
            return reader.value(0);
        }
        reader.pass()?;
        reader.blanks();
        reader.byte(b',')?;
    }
}

/// A decimal number, all of it.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    fast_float2::parse(text).ok()
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn run(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let len = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn blanks(&mut self) {
        self.run(|byte| byte == b' ' || (9..=13).contains(&byte));
    }

    fn digits(&mut self) -> &'a [u8] {
        self.run(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
    }

    /// The bytes between two quotes, as they stand.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        self.byte(b'"')?;
        let from = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(&self.text[from..self.at - 1])
    }

    fn literal(&mut self) -> Option<Value<'a>> {
        let word = self.run(|byte| byte.is_ascii_alphabetic());
        if self.peek().is_some_and(|byte| !b",]} \t\n\r\x0b\x0c".contains(&byte)) {
            return None;
        }
        match word {
            b"true" => Some(Value::Number(1.0)),
            b"false" => Some(Value::Number(0.0)),
            b"null" => Some(Value::Null),
            _ => None,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        match self.peek()? {
            b'"' => self.quoted().map(|raw| Value::Text(unescape(raw))),
            b'[' if depth < MOST_DEPTH => self.list(depth),
            b'0'..=b'9' | b'-' | b'+' => {
                let digits = self.digits();
                number(digits.strip_prefix(b"+").unwrap_or(digits)).map(Value::Number)
            }
            _ => self.literal(),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.byte(b']').is_some() {
            return Some(Value::List(items));
        }
        loop {
            self.blanks();
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.byte(b']').is_some() {
                return Some(Value::List(items));
            }
            self.byte(b',')?;
        }
    }

    /// Passes over a value.
    fn pass(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.quoted().map(drop),
            open @ b'[' => self.pass_brackets(open, b']'),
            open @ b'{' => self.pass_brackets(open, b'}'),
            b'0'..=b'9' | b'-' | b'+' => {
                self.digits();
                Some(())
            }
            _ => self.literal().map(drop),
        }
    }

    fn pass_brackets(&mut self, open: u8, close: u8) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.quoted()?;
                    continue;
                }
                byte if byte == open => depth += 1,
                byte if byte == close => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return raw.into();
    }
    let (mut out, mut bytes) = (Vec::with_capacity(raw.len()), raw.iter());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(other) => *other,
                None => b'\\',
            },
            other => *other,
        });
    }
    out.into()
}
