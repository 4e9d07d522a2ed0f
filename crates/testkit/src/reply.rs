//! Reads RESP2 and RESP3 replies: finds where one frame ends, and turns a frame into a tree.
//!
//! Invariant: `frame_len` says `Some(n)` exactly when the first `n` bytes are one whole frame, and never
//! allocates; `Reply::parse` is called on whole frames only. Callers: `client`, the differential runner.

use std::fmt::Write as _;

/// Nesting deeper than this is refused: no command answers so deep, so it is a broken stream.
const MAX_DEPTH: usize = 64;

/// What is wrong with a reply stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadReply(pub String);

impl std::fmt::Display for BadReply {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "not a reply: {}", self.0)
    }
}

impl std::error::Error for BadReply {}

/// One reply as a tree. Numbers keep their text, because the text is what is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    NullBulk,
    NullArray,
    Null,
    Double(Vec<u8>),
    Bool(bool),
    BigNumber(Vec<u8>),
    BulkError(Vec<u8>),
    Verbatim(Vec<u8>),
    Array(Vec<Reply>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    /// Attributes, then the reply that they describe.
    Attribute(Vec<(Reply, Reply)>, Box<Reply>),
}

/// Length in bytes of the first frame in `buf`, `None` while it is incomplete.
///
/// # Errors
/// When the bytes cannot be the start of a reply.
pub fn frame_len(buf: &[u8]) -> Result<Option<usize>, BadReply> {
    // Counts values still to come; containers nest by adding, so no recursion is needed.
    let mut at = 0usize;
    let mut missing = 1u64;
    while missing > 0 {
        let Some((kind, text, next)) = line(buf, at)? else { return Ok(None) };
        at = next;
        missing -= 1;
        match kind {
            b'$' | b'=' | b'!' => {
                let len = number(text)?;
                if len >= 0 {
                    at = at.saturating_add(len as usize).saturating_add(2);
                    if at > buf.len() {
                        return Ok(None);
                    }
                }
            }
            b'*' | b'~' | b'>' => missing = missing.saturating_add(number(text)?.max(0) as u64),
            b'%' => missing = missing.saturating_add(2 * number(text)?.max(0) as u64),
            b'|' => missing = missing.saturating_add(2 * number(text)?.max(0) as u64 + 1),
            _ => {}
        }
    }
    Ok(Some(at))
}

/// Kind, text without CRLF, and the place of the next byte of a header line.
type HeaderLine<'a> = (u8, &'a [u8], usize);

/// One header line: its kind, its text without the CRLF, and where the next byte is.
fn line(buf: &[u8], at: usize) -> Result<Option<HeaderLine<'_>>, BadReply> {
    let rest = buf.get(at..).unwrap_or_default();
    let Some(&kind) = rest.first() else { return Ok(None) };
    if !b"+-:$*_,#(!=%~>|".contains(&kind) {
        return Err(BadReply(format!("type byte {:?} at {at}", kind as char)));
    }
    let Some(end) = rest.iter().position(|&b| b == b'\n') else { return Ok(None) };
    if end < 1 || rest[end - 1] != b'\r' {
        return Err(BadReply(format!("line at {at} without CR")));
    }
    Ok(Some((kind, &rest[1..end - 1], at + end + 1)))
}

fn number(text: &[u8]) -> Result<i64, BadReply> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|t| t.parse().ok())
        .ok_or_else(|| BadReply(format!("length {:?}", String::from_utf8_lossy(text))))
}

impl Reply {
    /// Parses one whole frame, as `frame_len` found it.
    ///
    /// # Errors
    /// When the bytes are not exactly one frame.
    pub fn parse(frame: &[u8]) -> Result<Reply, BadReply> {
        let mut at = 0;
        let reply = parse_at(frame, &mut at, 0)?;
        if at == frame.len() {
            Ok(reply)
        } else {
            Err(BadReply(format!("{} bytes too many", frame.len() - at)))
        }
    }

    /// True for both kinds of error reply.
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_) | Reply::BulkError(_))
    }

    /// The bytes of a string-like reply, `None` for the others.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Reply::Simple(b) | Reply::Error(b) | Reply::Bulk(b) | Reply::Double(b) => Some(b),
            Reply::BigNumber(b) | Reply::BulkError(b) => Some(b),
            Reply::Verbatim(b) => Some(b.get(4..).unwrap_or_default()),
            _ => None,
        }
    }

    /// String-like replies as text, integers in decimal, the rest as `render` prints it.
    pub fn text(&self) -> String {
        match self {
            Reply::Int(n) => n.to_string(),
            other => {
                other.bytes().map_or_else(|| other.render(), |b| String::from_utf8_lossy(b).into_owned())
            }
        }
    }

    /// Elements of an array, set, push or map (keys and values in turn); empty for the rest.
    pub fn items(&self) -> Vec<&Reply> {
        match self {
            Reply::Array(v) | Reply::Set(v) | Reply::Push(v) => v.iter().collect(),
            Reply::Map(pairs) => pairs.iter().flat_map(|(k, v)| [k, v]).collect(),
            _ => Vec::new(),
        }
    }

    /// One line for people: the type is visible, unprintable bytes are escaped.
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.render_into(&mut out);
        out
    }

    fn render_into(&self, out: &mut String) {
        match self {
            Reply::Simple(b) => _ = write!(out, "+{}", b.escape_ascii()),
            Reply::Error(b) => _ = write!(out, "-{}", b.escape_ascii()),
            Reply::Int(n) => _ = write!(out, ":{n}"),
            Reply::Bulk(b) => _ = write!(out, "\"{}\"", b.escape_ascii()),
            Reply::NullBulk => out.push_str("nil-bulk"),
            Reply::NullArray => out.push_str("nil-array"),
            Reply::Null => out.push_str("null"),
            Reply::Double(b) => _ = write!(out, ",{}", b.escape_ascii()),
            Reply::Bool(b) => _ = write!(out, "#{b}"),
            Reply::BigNumber(b) => _ = write!(out, "({}", b.escape_ascii()),
            Reply::BulkError(b) => _ = write!(out, "!{}", b.escape_ascii()),
            Reply::Verbatim(b) => _ = write!(out, "={}", b.escape_ascii()),
            Reply::Array(v) => render_list(out, "[", v, "]"),
            Reply::Set(v) => render_list(out, "~[", v, "]"),
            Reply::Push(v) => render_list(out, ">[", v, "]"),
            Reply::Map(pairs) => render_pairs(out, "{", pairs),
            Reply::Attribute(pairs, inner) => {
                render_pairs(out, "|{", pairs);
                out.push(' ');
                inner.render_into(out);
            }
        }
    }
}

fn render_list(out: &mut String, open: &str, items: &[Reply], close: &str) {
    out.push_str(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        item.render_into(out);
    }
    out.push_str(close);
}

fn render_pairs(out: &mut String, open: &str, pairs: &[(Reply, Reply)]) {
    out.push_str(open);
    for (i, (key, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        key.render_into(out);
        out.push_str(" => ");
        value.render_into(out);
    }
    out.push('}');
}

fn parse_at(frame: &[u8], at: &mut usize, depth: usize) -> Result<Reply, BadReply> {
    if depth > MAX_DEPTH {
        return Err(BadReply("nested too deep".into()));
    }
    let Some((kind, text, next)) = line(frame, *at)? else { return Err(BadReply("cut short".into())) };
    *at = next;
    Ok(match kind {
        b'+' => Reply::Simple(text.to_vec()),
        b'-' => Reply::Error(text.to_vec()),
        b':' => Reply::Int(number(text)?),
        b'_' => Reply::Null,
        b',' => Reply::Double(text.to_vec()),
        b'#' => Reply::Bool(text == b"t"),
        b'(' => Reply::BigNumber(text.to_vec()),
        b'$' | b'=' | b'!' => match (kind, blob(frame, at, number(text)?)?) {
            (_, None) => Reply::NullBulk,
            (b'$', Some(b)) => Reply::Bulk(b),
            (b'=', Some(b)) => Reply::Verbatim(b),
            (_, Some(b)) => Reply::BulkError(b),
        },
        b'*' if number(text)? < 0 => Reply::NullArray,
        b'*' => Reply::Array(list(frame, at, number(text)?, depth)?),
        b'~' => Reply::Set(list(frame, at, number(text)?, depth)?),
        b'>' => Reply::Push(list(frame, at, number(text)?, depth)?),
        b'%' => Reply::Map(pairs(frame, at, number(text)?, depth)?),
        _ => {
            let attributes = pairs(frame, at, number(text)?, depth)?;
            Reply::Attribute(attributes, Box::new(parse_at(frame, at, depth + 1)?))
        }
    })
}

fn blob(frame: &[u8], at: &mut usize, len: i64) -> Result<Option<Vec<u8>>, BadReply> {
    if len < 0 {
        return Ok(None);
    }
    let end = at.saturating_add(len as usize);
    let body = frame.get(*at..end).ok_or_else(|| BadReply("cut short".into()))?;
    if frame.get(end..end + 2) != Some(b"\r\n") {
        return Err(BadReply(format!("blob of {len} bytes without its CRLF")));
    }
    *at = end + 2;
    Ok(Some(body.to_vec()))
}

fn list(frame: &[u8], at: &mut usize, count: i64, depth: usize) -> Result<Vec<Reply>, BadReply> {
    (0..count.max(0)).map(|_| parse_at(frame, at, depth + 1)).collect()
}

fn pairs(frame: &[u8], at: &mut usize, count: i64, depth: usize) -> Result<Vec<(Reply, Reply)>, BadReply> {
    (0..count.max(0))
        .map(|_| Ok((parse_at(frame, at, depth + 1)?, parse_at(frame, at, depth + 1)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole frames with what they render to.
    const FRAMES: &[(&str, &str)] = &[
        ("+OK\r\n", "+OK"),
        ("-ERR no\r\n", "-ERR no"),
        (":-42\r\n", ":-42"),
        ("$3\r\nabcdef\r\n", ""),
        ("$-1\r\n", "nil-bulk"),
        ("*-1\r\n", "nil-array"),
        ("$0\r\n\r\n", "\"\""),
        ("*2\r\n:1\r\n*1\r\n$1\r\na\r\n", "[:1, [\"a\"]]"),
        ("%1\r\n+k\r\n_\r\n", "{+k => null}"),
        ("~1\r\n#t\r\n", "~[#true]"),
        (">2\r\n+a\r\n,1.5\r\n", ">[+a, ,1.5]"),
        ("=7\r\ntxt:abc\r\n", "=txt:abc"),
        ("!3\r\nERR\r\n", "!ERR"),
        ("(123\r\n", "(123"),
        ("|1\r\n+a\r\n:1\r\n:2\r\n", "|{+a => :1} :2"),
    ];

    #[test]
    fn every_prefix_is_incomplete_and_the_whole_renders() {
        for &(frame, shown) in FRAMES {
            let bytes = frame.as_bytes();
            if shown.is_empty() {
                // A blob whose length lies about its content.
                assert!(Reply::parse(bytes).is_err(), "{frame:?}");
                continue;
            }
            for cut in 0..bytes.len() {
                assert_eq!(frame_len(&bytes[..cut]), Ok(None), "{frame:?} cut at {cut}");
            }
            assert_eq!(frame_len(bytes), Ok(Some(bytes.len())), "{frame:?}");
            assert_eq!(Reply::parse(bytes).expect(frame).render(), shown);
        }
    }

    #[test]
    fn garbage_is_refused() {
        for bad in ["hello\r\n", "+OK\n", "$x\r\n", "*1x\r\n"] {
            assert!(frame_len(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
