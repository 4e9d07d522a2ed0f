//! Replies as a server writes them, in RESP2 or RESP3.
//!
//! Small pieces go to one buffer. Long strings that are shared anyway are queued as they are, between buffers, and
//! leave with one vectored write. CR and LF inside a simple string or an error become blanks, so that one reply
//! is always one frame.

use std::sync::Arc;

/// Strings from this size on are queued, not copied.
pub const SHARE_BYTES: usize = 16 << 10;

/// A piece of output.
#[derive(Clone, Debug)]
pub enum Chunk {
    Bytes(Vec<u8>),
    /// A shared string, to be written as it is.
    Shared(Arc<Vec<u8>>),
}

impl Chunk {
    /// The bytes to write.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Chunk::Bytes(bytes) => bytes,
            Chunk::Shared(bytes) => bytes,
        }
    }
}

/// The output of a connection. See the module's text.
#[derive(Default, Debug)]
pub struct Writer {
    /// Complete pieces, before `tail`.
    chunks: Vec<Chunk>,
    chunk_bytes: usize,
    tail: Vec<u8>,
    /// Whether RESP3 is spoken.
    pub resp3: bool,
}

impl Writer {
    /// An empty writer.
    pub fn new(resp3: bool) -> Writer {
        Writer { resp3, ..Writer::default() }
    }

    /// An empty writer with room for so many bytes.
    pub fn with_capacity(resp3: bool, bytes: usize) -> Writer {
        Writer { resp3, tail: Vec::with_capacity(bytes), ..Writer::default() }
    }

    /// Bytes in the writer.
    #[inline]
    pub fn len(&self) -> usize {
        self.chunk_bytes + self.tail.len()
    }

    /// Whether nothing was written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what was written after the writer had `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        while self.chunk_bytes > len {
            let Some(last) = self.chunks.pop() else { break };
            self.chunk_bytes -= last.as_slice().len();
            self.tail = match last {
                Chunk::Bytes(bytes) => bytes,
                Chunk::Shared(bytes) => bytes.to_vec(),
            };
        }
        self.tail.truncate(len - self.chunk_bytes);
    }

    /// The pieces, in order; the writer is empty afterwards.
    pub fn take(&mut self) -> Vec<Chunk> {
        self.seal();
        self.chunk_bytes = 0;
        std::mem::take(&mut self.chunks)
    }

    /// All bytes in one piece; the writer is empty afterwards.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        if self.chunks.is_empty() {
            return std::mem::take(&mut self.tail);
        }
        self.take().iter().flat_map(|chunk| chunk.as_slice()).copied().collect()
    }

    /// The bytes if they are in one buffer, for a direct write; see [`Writer::clear`].
    pub fn single(&self) -> Option<&[u8]> {
        self.chunks.is_empty().then_some(&self.tail)
    }

    /// Forgets everything, keeping a buffer of moderate size.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.chunk_bytes = 0;
        self.tail.clear();
        self.tail.shrink_to(64 << 10);
    }

    /// Takes the spare buffer, if it has none of its own.
    pub fn take_spare(&mut self, spare: &mut Vec<u8>) {
        if self.tail.capacity() == 0 {
            std::mem::swap(&mut self.tail, spare);
        }
    }

    /// Gives the buffer away if nothing is in it.
    pub fn give_back(&mut self, spare: &mut Vec<u8>) {
        if self.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            if spare.capacity() == 0 {
                *spare = tail;
            }
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.chunk_bytes += self.tail.len();
            self.chunks.push(Chunk::Bytes(std::mem::take(&mut self.tail)));
        }
    }

    /// Appends what another writer holds.
    pub fn append(&mut self, other: &mut Writer) {
        if other.chunks.is_empty() {
            self.tail.append(&mut other.tail);
            return;
        }
        self.seal();
        other.seal();
        self.chunk_bytes += other.chunk_bytes;
        other.chunk_bytes = 0;
        self.chunks.append(&mut other.chunks);
    }

    /// Bytes that are a reply already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    #[inline]
    fn header(&mut self, kind: u8, number: i64) {
        // Nearly all numbers are short: one store of known length each.
        match number {
            0..=9 => self.tail.extend_from_slice(&[kind, b'0' + number as u8, b'\r', b'\n']),
            10..=99 => {
                let (tens, ones) = (b'0' + (number / 10) as u8, b'0' + (number % 10) as u8);
                self.tail.extend_from_slice(&[kind, tens, ones, b'\r', b'\n']);
            }
            _ => {
                self.tail.push(kind);
                self.tail.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                self.tail.extend_from_slice(b"\r\n");
            }
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.tail.push(kind);
        self.tail.extend(text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
        self.tail.extend_from_slice(b"\r\n");
    }

    /// `+text`
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// `+OK`
    #[inline]
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// `-text`; the text begins with its code.
    pub fn error(&mut self, text: &[u8]) {
        self.line(b'-', text);
    }

    /// A number.
    #[inline]
    pub fn int(&mut self, number: i64) {
        self.header(b':', number);
    }

    /// A string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.tail.reserve(bytes.len() + 24);
        self.header(b'$', bytes.len() as i64);
        self.tail.extend_from_slice(bytes);
        self.tail.extend_from_slice(b"\r\n");
    }

    /// A string that may be shared instead of copied.
    pub fn bulk_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if bytes.len() < SHARE_BYTES {
            return self.bulk(bytes);
        }
        self.header(b'$', bytes.len() as i64);
        self.seal();
        self.chunk_bytes += bytes.len();
        self.chunks.push(Chunk::Shared(bytes.clone()));
        self.raw(b"\r\n");
    }

    /// A number as a string.
    pub fn bulk_int(&mut self, number: i64) {
        self.bulk(itoa::Buffer::new().format(number).as_bytes());
    }

    /// No value: `_`, or the null string of RESP2.
    #[inline]
    pub fn null(&mut self) {
        self.raw(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// No array: `_`, or the null array of RESP2.
    pub fn null_array(&mut self) {
        self.raw(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// An array of `len` replies, which follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as i64);
    }

    /// A map of `len` pairs; a flat array in RESP2.
    pub fn map(&mut self, len: usize) {
        if self.resp3 { self.header(b'%', len as i64) } else { self.header(b'*', 2 * len as i64) }
    }

    /// A set of `len` replies; an array in RESP2.
    pub fn set(&mut self, len: usize) {
        self.header(if self.resp3 { b'~' } else { b'*' }, len as i64);
    }

    /// A push message of `len` replies; an array in RESP2.
    pub fn push(&mut self, len: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, len as i64);
    }

    /// Attributes of the next reply; only RESP3 has them.
    pub fn attribute(&mut self, len: usize) {
        self.header(b'|', len as i64);
    }

    /// A double, given as its text.
    pub fn double(&mut self, text: &[u8]) {
        if self.resp3 { self.line(b',', text) } else { self.bulk(text) }
    }

    /// `#t` or `#f`; 1 or 0 in RESP2.
    pub fn bool(&mut self, value: bool) {
        match (self.resp3, value) {
            (true, true) => self.raw(b"#t\r\n"),
            (true, false) => self.raw(b"#f\r\n"),
            (false, value) => self.int(i64::from(value)),
        }
    }

    /// A big number, given as its digits.
    pub fn big_number(&mut self, digits: &[u8]) {
        if self.resp3 { self.line(b'(', digits) } else { self.bulk(digits) }
    }

    /// Text with a three-letter format; a plain string in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        if !self.resp3 {
            return self.bulk(text);
        }
        self.header(b'=', text.len() as i64 + 4);
        self.raw(format.as_bytes());
        self.raw(b":");
        self.raw(text);
        self.raw(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_protocols() {
        let write = |resp3: bool| {
            let mut out = Writer::new(resp3);
            out.null();
            out.null_array();
            out.map(1);
            out.set(2);
            out.push(1);
            out.double(b"1.5");
            out.bool(true);
            out.big_number(b"12");
            out.verbatim("txt", b"hi");
            out.error(b"ERR a\r\nb");
            String::from_utf8(out.take_bytes()).expect("text")
        };
        assert_eq!(
            write(false),
            "$-1\r\n*-1\r\n*2\r\n*2\r\n*1\r\n$3\r\n1.5\r\n:1\r\n$2\r\n12\r\n$2\r\nhi\r\n-ERR a  b\r\n"
        );
        assert_eq!(
            write(true),
            "_\r\n_\r\n%1\r\n~2\r\n>1\r\n,1.5\r\n#t\r\n(12\r\n=6\r\ntxt:hi\r\n-ERR a  b\r\n"
        );
    }

    #[test]
    fn long_strings_are_shared_and_cut_back() {
        let mut out = Writer::new(false);
        out.int(1);
        let long = Arc::new(vec![b'x'; SHARE_BYTES]);
        let before = out.len();
        out.bulk_shared(&long);
        out.ok();
        assert_eq!(Arc::strong_count(&long), 2);
        let mut copy = Writer::new(false);
        copy.append(&mut out);
        assert!(out.is_empty() && copy.single().is_none());
        copy.truncate(before);
        assert_eq!((copy.take_bytes(), Arc::strong_count(&long)), (b":1\r\n".to_vec(), 1));
    }
}
