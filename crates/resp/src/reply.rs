//! Client side of the protocol: one reply as a tree, and a decoder that takes bytes in any portions.
//!
//! Invariant: the decoder never allocates more than the bytes it was given justify (an announced length
//! reserves nothing), nesting and bulk sizes are bounded by [`Limits`], and work is linear in the input:
//! bytes of a finished element are never looked at again. Knows no sockets. Used by the command line
//! client, by the test kit and by everything that has to read what a server says.

use std::fmt;

/// One reply of a server, RESP2 or RESP3. Text is bytes: servers send any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `+OK`
    Simple(Vec<u8>),
    /// `-ERR ...` and RESP3 `!` bulk errors, without the marker.
    Error(Vec<u8>),
    /// `:42`
    Integer(i64),
    /// `$3 foo`
    Bulk(Vec<u8>),
    /// `$-1`, `*-1` and RESP3 `_`.
    Null,
    /// RESP3 `#t` / `#f`.
    Boolean(bool),
    /// RESP3 `,3.14`: the text as sent (checked to be a number, `inf`, `-inf` or `nan`).
    Double(Vec<u8>),
    /// RESP3 `(123...`: the digits as sent.
    BigNumber(Vec<u8>),
    /// RESP3 `=15 txt:...`: three letters of format, then the text.
    Verbatim([u8; 3], Vec<u8>),
    /// `*2 ...`
    Array(Vec<Value>),
    /// RESP3 `~2 ...`
    Set(Vec<Value>),
    /// RESP3 `%1 ...`: pairs in the order sent.
    Map(Vec<(Value, Value)>),
    /// RESP3 `>2 ...`: out of band data; only ever the outermost value.
    Push(Vec<Value>),
    /// RESP3 `|1 ...` at the outermost level: belongs to the reply that follows. Inner ones are dropped.
    Attribute(Vec<(Value, Value)>),
}

impl Value {
    /// The bytes of anything that is text (simple, bulk, verbatim, error, double, big number).
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(text)
            | Self::Error(text)
            | Self::Bulk(text)
            | Self::Double(text)
            | Self::BigNumber(text)
            | Self::Verbatim(_, text) => Some(text),
            _ => None,
        }
    }

    /// Text as UTF-8, what is not valid replaced; empty for what is no text.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            other => String::from_utf8_lossy(other.as_bytes().unwrap_or_default()).into_owned(),
        }
    }

    /// The number of an integer reply, or of text that is an integer.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            other => std::str::from_utf8(other.as_bytes()?).ok()?.parse().ok(),
        }
    }

    /// Elements of an array, set or push.
    #[must_use]
    pub fn as_slice(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// Pairs of a map, or of a flat array that a RESP2 server sends in its place.
    #[must_use]
    pub fn to_pairs(&self) -> Option<Vec<(&Value, &Value)>> {
        match self {
            Self::Map(pairs) => Some(pairs.iter().map(|(key, value)| (key, value)).collect()),
            Self::Array(items) if items.len() % 2 == 0 => {
                Some(items.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect())
            }
            _ => None,
        }
    }

    /// The value under `key` of a map (or flat array of pairs).
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let pairs = self.to_pairs()?;
        pairs.into_iter().find(|(name, _)| name.as_bytes() == Some(key.as_bytes())).map(|(_, value)| value)
    }

    /// True for an error reply.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

/// Bounds on what a peer may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Deepest nesting of aggregates.
    pub depth: usize,
    /// Longest bulk, in bytes.
    pub bulk_bytes: usize,
    /// Most elements of one aggregate (a map counts keys and values).
    pub elements: usize,
    /// Longest line (simple strings, numbers, lengths), in bytes.
    pub line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 128, bulk_bytes: 1 << 32, elements: 1 << 32, line_bytes: 64 << 20 }
    }
}

/// Why bytes are no reply. The stream is unusable afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The first byte of an element is no type.
    UnknownType(u8),
    /// A length or an integer is no number, or out of range.
    BadNumber,
    /// Bulk without its CRLF, boolean other than t or f, malformed double, verbatim without format.
    Malformed,
    /// One of the [`Limits`] is exceeded.
    TooLarge,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(byte) => {
                write!(out, "Protocol error, got \"{}\" as reply type byte", byte.escape_ascii())
            }
            Self::BadNumber => out.write_str("Protocol error, bad length or number"),
            Self::Malformed => out.write_str("Protocol error, malformed element"),
            Self::TooLarge => out.write_str("Protocol error, reply beyond the limits"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Which aggregate is being collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Array,
    Set,
    Map,
    Push,
    Attribute,
}

/// An aggregate whose elements have not all arrived.
#[derive(Debug)]
struct Open {
    shape: Shape,
    missing: usize,
    items: Vec<Value>,
}

impl Open {
    fn close(self) -> Value {
        match self.shape {
            Shape::Array => Value::Array(self.items),
            Shape::Set => Value::Set(self.items),
            Shape::Push => Value::Push(self.items),
            Shape::Map => Value::Map(pairs(self.items)),
            Shape::Attribute => Value::Attribute(pairs(self.items)),
        }
    }
}

fn pairs(items: Vec<Value>) -> Vec<(Value, Value)> {
    let mut out = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        out.push((key, value));
    }
    out
}

/// Bytes in, values out. `feed` what was read, then call `next` until it says `None`.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// First byte not yet consumed.
    start: usize,
    /// Bytes after `start` already searched for the end of a line.
    searched: usize,
    open: Vec<Open>,
    limits: Limits,
}

impl Decoder {
    /// A decoder with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder with other limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Adds bytes from the wire.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 && (self.start == self.buffer.len() || self.start >= 64 * 1024) {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes fed and not yet part of a finished element.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// True between replies: nothing pending and no aggregate half read.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.pending() == 0 && self.open.is_empty()
    }

    /// Gives back the bytes behind the last reply, for streams that leave the protocol (SYNC).
    pub fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buffer.split_off(self.start);
        *self = Self::with_limits(self.limits);
        rest
    }

    /// The next complete reply, `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`DecodeError`]: the bytes are no reply; the decoder must not be used further.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Value>, DecodeError> {
        while let Some(element) = self.element()? {
            let Some(value) = element else { continue };
            if let Some(root) = self.place(value) {
                return Ok(Some(root));
            }
        }
        Ok(None)
    }

    /// Puts a finished value into the innermost open aggregate; returns it when there is none left.
    fn place(&mut self, mut value: Value) -> Option<Value> {
        loop {
            let Some(top) = self.open.last_mut() else { return Some(value) };
            if !matches!(value, Value::Attribute(_)) {
                top.items.push(value);
                top.missing -= 1;
            }
            if top.missing > 0 {
                return None;
            }
            value = self.open.pop()?.close();
        }
    }

    /// One element: `Some(None)` when an aggregate was opened, outer `None` when bytes are missing.
    fn element(&mut self) -> Result<Option<Option<Value>>, DecodeError> {
        let Some((line_end, line)) = self.line()? else { return Ok(None) };
        let kind = self.buffer[self.start];
        let text = &self.buffer[self.start + 1..line];
        let value = match kind {
            b'+' => Value::Simple(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => Value::Integer(integer(text)?),
            b'_' => Value::Null,
            b'#' => match text {
                b"t" => Value::Boolean(true),
                b"f" => Value::Boolean(false),
                _ => return Err(DecodeError::Malformed),
            },
            b',' => Value::Double(double(text)?),
            b'(' => Value::BigNumber(big_number(text)?),
            b'$' | b'!' | b'=' => return self.bulk(kind, line_end, line),
            b'*' | b'~' | b'%' | b'>' | b'|' => return self.aggregate(kind, line_end, line),
            other => return Err(DecodeError::UnknownType(other)),
        };
        self.advance(line_end);
        Ok(Some(Some(value)))
    }

    fn advance(&mut self, to: usize) {
        self.start = to;
        self.searched = 0;
    }

    /// Finds the line at `start`: (index behind CRLF, index of CR). Checks the type byte at once.
    fn line(&mut self) -> Result<Option<(usize, usize)>, DecodeError> {
        let Some(&kind) = self.buffer.get(self.start) else { return Ok(None) };
        if !b"+-:_#,($!=*~%>|".contains(&kind) {
            return Err(DecodeError::UnknownType(kind));
        }
        let from = self.start + self.searched;
        let found = self.buffer[from..].windows(2).position(|pair| pair == b"\r\n");
        match found {
            Some(at) => Ok(Some((from + at + 2, from + at))),
            None => {
                let pending = self.pending();
                if pending > self.limits.line_bytes {
                    return Err(DecodeError::TooLarge);
                }
                self.searched = pending.saturating_sub(1);
                Ok(None)
            }
        }
    }

    fn bulk(&mut self, kind: u8, line_end: usize, line: usize) -> Result<Option<Option<Value>>, DecodeError> {
        let length = integer(&self.buffer[self.start + 1..line])?;
        if length == -1 {
            self.advance(line_end);
            return Ok(Some(Some(Value::Null)));
        }
        let length = usize::try_from(length).map_err(|_| DecodeError::BadNumber)?;
        if length > self.limits.bulk_bytes {
            return Err(DecodeError::TooLarge);
        }
        let end = line_end + length;
        if self.buffer.len() < end + 2 {
            // The length line is found again in O(its own length): it is short.
            return Ok(None);
        }
        if &self.buffer[end..end + 2] != b"\r\n" {
            return Err(DecodeError::Malformed);
        }
        let body = &self.buffer[line_end..end];
        let value = match kind {
            b'$' => Value::Bulk(body.to_vec()),
            b'!' => Value::Error(body.to_vec()),
            _ => match body {
                [a, b, c, b':', text @ ..] => Value::Verbatim([*a, *b, *c], text.to_vec()),
                _ => return Err(DecodeError::Malformed),
            },
        };
        self.advance(end + 2);
        Ok(Some(Some(value)))
    }

    fn aggregate(
        &mut self,
        kind: u8,
        line_end: usize,
        line: usize,
    ) -> Result<Option<Option<Value>>, DecodeError> {
        let length = integer(&self.buffer[self.start + 1..line])?;
        if length == -1 {
            self.advance(line_end);
            return Ok(Some(Some(Value::Null)));
        }
        let length = usize::try_from(length).map_err(|_| DecodeError::BadNumber)?;
        let shape = match kind {
            b'*' => Shape::Array,
            b'~' => Shape::Set,
            b'%' => Shape::Map,
            b'>' => Shape::Push,
            _ => Shape::Attribute,
        };
        let per_entry = if matches!(shape, Shape::Map | Shape::Attribute) { 2 } else { 1 };
        let missing = length.checked_mul(per_entry).ok_or(DecodeError::TooLarge)?;
        if missing > self.limits.elements || self.open.len() >= self.limits.depth {
            return Err(DecodeError::TooLarge);
        }
        self.advance(line_end);
        let open = Open { shape, missing, items: Vec::new() };
        if missing == 0 {
            return Ok(Some(Some(open.close())));
        }
        self.open.push(open);
        Ok(Some(None))
    }
}

fn integer(text: &[u8]) -> Result<i64, DecodeError> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(DecodeError::BadNumber)
}

fn double(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    parsed.map(|_| text.to_vec()).ok_or(DecodeError::Malformed)
}

fn big_number(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecodeError::BadNumber);
    }
    Ok(text.to_vec())
}

/// Bytes that [`encode_command`] makes of a command.
pub fn encoded_len<A: AsRef<[u8]>>(argv: &[A]) -> usize {
    let header = |number: usize| 1 + number.max(1).ilog10() as usize + 1 + 2;
    let arguments: usize = argv.iter().map(|arg| header(arg.as_ref().len()) + arg.as_ref().len() + 2).sum();
    header(argv.len()) + arguments
}

/// Appends a command as the array of bulks that every server reads.
pub fn encode_command<A: AsRef<[u8]>>(argv: &[A], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", argv.len()).as_bytes());
    for argument in argv {
        let bytes = argument.as_ref();
        out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    #[test]
    fn the_length_of_an_encoded_command_is_known_beforehand() {
        for lengths in [&[][..], &[0], &[3, 9], &[10, 99, 100], &[1; 9], &[1; 10], &[12_345]] {
            let argv: Vec<Vec<u8>> = lengths.iter().map(|&len| vec![b'x'; len]).collect();
            let mut out = Vec::new();
            encode_command(&argv, &mut out);
            assert_eq!(encoded_len(&argv), out.len(), "{lengths:?}");
        }
    }

    fn all(input: &[u8]) -> Result<Vec<Value>, DecodeError> {
        let mut decoder = Decoder::new();
        decoder.feed(input);
        let mut out = Vec::new();
        while let Some(value) = decoder.next()? {
            out.push(value);
        }
        Ok(out)
    }

    #[test]
    fn decodes_every_type() {
        let table: Vec<(&[u8], Value)> = vec![
            (b"+OK\r\n", Value::Simple(b"OK".to_vec())),
            (b"-ERR no\r\n", Value::Error(b"ERR no".to_vec())),
            (b":-7\r\n", Value::Integer(-7)),
            (b"$3\r\na\r\n\r\n", Value::Bulk(b"a\r\n".to_vec())),
            (b"$-1\r\n", Value::Null),
            (b"*-1\r\n", Value::Null),
            (b"_\r\n", Value::Null),
            (b"#t\r\n", Value::Boolean(true)),
            (b",-inf\r\n", Value::Double(b"-inf".to_vec())),
            (b"(-12345678901234567890\r\n", Value::BigNumber(b"-12345678901234567890".to_vec())),
            (b"=7\r\ntxt:abc\r\n", Value::Verbatim(*b"txt", b"abc".to_vec())),
            (b"!5\r\nERR x\r\n", Value::Error(b"ERR x".to_vec())),
            (b"*0\r\n", Value::Array(vec![])),
            (
                b"*2\r\n:1\r\n*1\r\n$1\r\na\r\n",
                Value::Array(vec![Value::Integer(1), Value::Array(vec![bulk("a")])]),
            ),
            (b"~1\r\n:1\r\n", Value::Set(vec![Value::Integer(1)])),
            (b"%1\r\n+a\r\n:1\r\n", Value::Map(vec![(Value::Simple(b"a".to_vec()), Value::Integer(1))])),
            (b">1\r\n$1\r\na\r\n", Value::Push(vec![bulk("a")])),
            (
                b"|1\r\n+a\r\n:1\r\n",
                Value::Attribute(vec![(Value::Simple(b"a".to_vec()), Value::Integer(1))]),
            ),
            // an attribute inside an array is dropped and counts for nothing
            (b"*1\r\n|1\r\n+a\r\n:1\r\n:5\r\n", Value::Array(vec![Value::Integer(5)])),
            (b"*2\r\n:4\r\n|0\r\n:5\r\n", Value::Array(vec![Value::Integer(4), Value::Integer(5)])),
        ];
        for (input, expected) in table {
            assert_eq!(all(input), Ok(vec![expected]), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn refuses_what_is_no_reply() {
        let table: Vec<(&[u8], DecodeError)> = vec![
            (b"HTTP/1.1 400\r\n", DecodeError::UnknownType(b'H')),
            (b":1x\r\n", DecodeError::BadNumber),
            (b"$-2\r\n", DecodeError::BadNumber),
            (b"$1\r\nabc\r\n", DecodeError::Malformed),
            (b"#x\r\n", DecodeError::Malformed),
            (b",1.2.3\r\n", DecodeError::Malformed),
            (b"=2\r\nab\r\n", DecodeError::Malformed),
            (b"(1e5\r\n", DecodeError::BadNumber),
            (b"*9223372036854775807\r\n", DecodeError::TooLarge),
            (b"%9223372036854775807\r\n", DecodeError::TooLarge),
        ];
        for (input, expected) in table {
            assert_eq!(all(input), Err(expected), "{}", input.escape_ascii());
        }
        let deep = b"*1\r\n".repeat(129);
        assert_eq!(all(&deep), Err(DecodeError::TooLarge));
    }

    #[test]
    fn announced_lengths_reserve_nothing() {
        let mut decoder = Decoder::new();
        decoder.feed(b"*4000000000\r\n$4000000000\r\n");
        assert_eq!(decoder.next(), Ok(None));
        assert!(decoder.buffer.capacity() < 4096);
        assert!(!decoder.is_idle());
    }

    #[test]
    fn rest_leaves_the_protocol() {
        let mut decoder = Decoder::new();
        decoder.feed(b"+FULLRESYNC\r\nREDIS");
        assert_eq!(decoder.next(), Ok(Some(Value::Simple(b"FULLRESYNC".to_vec()))));
        assert_eq!(decoder.take_rest(), b"REDIS");
        assert!(decoder.is_idle());
    }

    fn encode(value: &Value, out: &mut Vec<u8>) {
        let mut line = |mark: &str, text: &[u8]| {
            out.extend_from_slice(mark.as_bytes());
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        };
        match value {
            Value::Simple(text) => line("+", text),
            Value::Error(text) => line("-", text),
            Value::Integer(number) => line(":", number.to_string().as_bytes()),
            Value::Bulk(text) => {
                line(&format!("${}", text.len()), b"");
                line("", text);
            }
            Value::Null => line("_", b""),
            Value::Boolean(flag) => line(if *flag { "#t" } else { "#f" }, b""),
            Value::Double(text) => line(",", text),
            Value::BigNumber(text) => line("(", text),
            Value::Verbatim(kind, text) => {
                line(&format!("={}", text.len() + 4), b"");
                line(&format!("{}:", String::from_utf8_lossy(kind)), text);
            }
            Value::Array(items) | Value::Set(items) | Value::Push(items) => {
                let mark = match value {
                    Value::Array(_) => '*',
                    Value::Set(_) => '~',
                    _ => '>',
                };
                line(&format!("{mark}{}", items.len()), b"");
                items.iter().for_each(|item| encode(item, out));
            }
            Value::Map(pairs) | Value::Attribute(pairs) => {
                let mark = if matches!(value, Value::Map(_)) { '%' } else { '|' };
                line(&format!("{mark}{}", pairs.len()), b"");
                for (key, item) in pairs {
                    encode(key, out);
                    encode(item, out);
                }
            }
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            "[a-z ]{0,9}".prop_map(|text| Value::Simple(text.into_bytes())),
            "[A-Z ]{0,9}".prop_map(|text| Value::Error(text.into_bytes())),
            any::<i64>().prop_map(Value::Integer),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bulk),
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            proptest::collection::vec(any::<u8>(), 0..9).prop_map(|text| Value::Verbatim(*b"txt", text)),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Set),
                proptest::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn round_trip_in_any_portions(values in proptest::collection::vec(any_value(), 1..4), step in 1usize..20) {
            let mut wire = Vec::new();
            values.iter().for_each(|value| encode(value, &mut wire));
            let mut decoder = Decoder::new();
            let mut out = Vec::new();
            for part in wire.chunks(step) {
                decoder.feed(part);
                while let Some(value) = decoder.next().expect("valid input") {
                    out.push(value);
                }
            }
            prop_assert_eq!(out, values);
            prop_assert!(decoder.is_idle());
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = all(&bytes);
        }
    }
}
