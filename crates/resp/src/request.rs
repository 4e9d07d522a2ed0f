//! Requests from clients, parsed in batches from one buffer.
//!
//! [`Decoder::read_buffer`] is where the socket's bytes go; [`Decoder::parse`] finds the complete requests in them;
//! the batch is then read by index and finished with [`Decoder::next_batch`]. A request that is cut anywhere
//! parses on where it stopped, so the work is linear in the bytes. Memory follows the bytes received, never a
//! length that was announced.
//!
//! An argument from [`BIG_BYTES`] on goes to a buffer of its own, which a handler can take as it is.

use crate::inline::{Closing, split};

/// Arguments of this size and more get a buffer of their own.
pub const BIG_BYTES: usize = 32 << 10;
/// Longest inline request, and longest line with a count.
const LINE_BYTES: usize = 64 << 10;
/// Most arguments, and longest argument, before authentication.
const UNAUTHENTICATED: (i64, i64) = (10, 16 << 10);
const MOST_ARGUMENTS: i64 = i32::MAX as i64;
/// Buffers larger than this are given back when they are empty.
const KEEP_BYTES: usize = 16 << 10;

/// What the configuration and the connection's state allow.
#[derive(Clone, Copy)]
pub struct Limits {
    /// `proto-max-bulk-len`; at least 1 MB.
    pub bulk_bytes: i64,
    /// Whether the client may send requests of any size.
    pub authenticated: bool,
    /// Most requests of a batch.
    pub requests: usize,
}

/// A protocol error: the connection gets the text and is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolError(pub String);

#[derive(Clone, Copy)]
enum Span {
    /// Where in the buffer.
    Here(usize, usize),
    /// Which big argument.
    Big(usize),
}

/// Buffers for one connection at a time: those that have something to read get them from each other.
pub struct Spare {
    buffer: Vec<u8>,
    spans: Vec<Span>,
    requests: Vec<(usize, usize)>,
}

impl Default for Spare {
    /// With room from the start, so that who measures memory does not see the first connection make it.
    fn default() -> Spare {
        let buffer = Vec::with_capacity(KEEP_BYTES);
        Spare { buffer, spans: Vec::with_capacity(64), requests: Vec::with_capacity(16) }
    }
}

/// See the module's text.
#[derive(Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Up to here the buffer is parsed.
    parsed: usize,
    /// Arguments of the batch, then those of the request that is not complete yet.
    spans: Vec<Span>,
    bigs: Vec<Vec<u8>>,
    /// First span and end of each complete request.
    requests: Vec<(usize, usize)>,
    /// Bytes of the stream before the buffer, those that went straight to big arguments included.
    base: u64,
    /// Bytes of the big argument that is being read that came by way of the buffer.
    big_from_buffer: usize,
    /// Position in the stream behind the last complete request.
    complete: u64,
    /// Arguments that the incomplete request still lacks.
    missing: usize,
    /// Announced length of the argument that is being read.
    bulk: Option<usize>,
    /// Whether that argument is being read into the last of `bigs`.
    in_big: bool,
}

impl Decoder {
    /// Where received bytes are to be appended, with room for some; at most [`Decoder::read_limit`] of them.
    pub fn read_buffer(&mut self) -> &mut Vec<u8> {
        if let (true, Some(length), Some(big)) = (self.in_big, self.bulk, self.bigs.last_mut()) {
            // Room grows with what came, and ends with the argument and its line end.
            big.reserve_exact((length + 2 - big.len()).min(big.len().max(BIG_BYTES)));
            return big;
        }
        // A large buffer grows by a quarter, not to twice its size: a connection's memory is what its bytes need.
        match self.buffer.len() {
            0..KEEP_BYTES => self.buffer.reserve(KEEP_BYTES),
            len if self.buffer.capacity() - len < KEEP_BYTES => {
                self.buffer.reserve_exact(KEEP_BYTES.max(len / 4))
            }
            _ => {}
        }
        &mut self.buffer
    }

    /// Most bytes that may be appended now: a big argument must not run into the next request.
    pub fn read_limit(&self) -> usize {
        match (self.in_big, self.bulk, self.bigs.last()) {
            (true, Some(length), Some(big)) => length + 2 - big.len(),
            _ => usize::MAX,
        }
    }

    /// Bytes of memory that are held, parsed or not.
    pub fn held_bytes(&self) -> usize {
        let bigs: usize = self.bigs.iter().map(Vec::capacity).sum();
        self.buffer.capacity() + bigs + self.spans.capacity() * size_of::<Span>()
    }

    /// Received bytes that wait, as CLIENT LIST shows them: where there are big arguments, those alone.
    pub fn query_bytes(&self) -> usize {
        if self.bigs.is_empty() { self.buffer.len() } else { self.bigs.iter().map(Vec::len).sum() }
    }

    /// As [`Decoder::held_bytes`], but for the small buffer that any connection may have.
    pub fn large_bytes(&self) -> usize {
        self.held_bytes().saturating_sub(KEEP_BYTES)
    }

    /// Received bytes that are not executed yet.
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len() + self.bigs.iter().map(Vec::len).sum::<usize>()
    }

    /// Received bytes that are not parsed, but for those of a big argument: after an error, those that made it first.
    pub fn unparsed(&self) -> &[u8] {
        &self.buffer[self.parsed..]
    }

    /// Whether everything that was received is parsed and executed.
    pub fn is_idle(&self) -> bool {
        self.buffer.len() == self.parsed && self.missing == 0 && self.requests.is_empty()
    }

    /// Finds complete requests until the batch is full or the bytes end. After an error the requests before it are
    /// still valid, and nothing more must be parsed.
    pub fn parse(&mut self, limits: &Limits) -> Result<(), ProtocolError> {
        while self.requests.len() < limits.requests && self.parse_one(limits)? {}
        Ok(())
    }

    /// Number of complete requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether no request is complete.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Position in the stream of received bytes behind the last complete request.
    pub fn stream_position(&self) -> u64 {
        self.complete
    }

    /// The arguments of all complete requests, one request behind the other; see [`Decoder::place`].
    #[inline]
    pub fn all_args(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let end = self.requests.last().map_or(0, |&(_, end)| end);
        self.spans[..end].iter().map(|&span| self.bytes(span))
    }

    /// Where in [`Decoder::all_args`] a request's arguments stand.
    #[inline]
    pub fn place(&self, request: usize) -> std::ops::Range<usize> {
        self.requests[request].0..self.requests[request].1
    }

    /// The arguments of a request.
    #[inline]
    pub fn args(&self, request: usize) -> impl ExactSizeIterator<Item = &[u8]> {
        let (first, end) = self.requests[request];
        self.spans[first..end].iter().map(|&span| self.bytes(span))
    }

    #[inline]
    fn bytes(&self, span: Span) -> &[u8] {
        match span {
            Span::Here(from, to) => &self.buffer[from..to],
            Span::Big(index) => &self.bigs[index],
        }
    }

    /// Forgets the first `done` requests of the batch and keeps the others and what is incomplete.
    pub fn finish(&mut self, done: usize) {
        let rest = self
            .requests
            .get(done)
            .map_or_else(|| self.requests.last().map_or(0, |&(_, end)| end), |&(first, _)| first);
        if rest == self.spans.len() && self.missing == 0 && self.parsed == self.buffer.len() {
            self.clear();
            return;
        }
        self.spans.drain(..rest);
        self.requests.drain(..done.min(self.requests.len()));
        self.requests.iter_mut().for_each(|(first, end)| (*first, *end) = (*first - rest, *end - rest));
        self.compact();
    }

    /// Gives back the bytes before the first argument that is still needed.
    fn compact(&mut self) {
        let here = self
            .spans
            .iter()
            .find_map(|span| if let Span::Here(from, _) = span { Some(*from) } else { None });
        let big =
            self.spans.iter().find_map(|span| if let Span::Big(index) = span { Some(*index) } else { None });
        let unused_bigs = big.unwrap_or(self.bigs.len() - usize::from(self.in_big));
        let unused = here.unwrap_or(self.parsed);
        self.buffer.drain(..unused);
        self.base += unused as u64;
        self.bigs.drain(..unused_bigs);
        self.parsed -= unused;
        for span in &mut self.spans {
            *span = match *span {
                Span::Here(from, to) => Span::Here(from - unused, to - unused),
                Span::Big(index) => Span::Big(index - unused_bigs),
            };
        }
        if self.buffer.capacity() > KEEP_BYTES && self.buffer.len() < KEEP_BYTES / 4 {
            self.buffer.shrink_to(KEEP_BYTES);
        }
    }

    fn clear(&mut self) {
        self.base += self.buffer.len() as u64;
        self.spans.clear();
        self.requests.clear();
        self.bigs.clear();
        self.buffer.clear();
        self.parsed = 0;
        self.buffer.shrink_to(2 * KEEP_BYTES);
        self.spans.shrink_to(1024);
    }

    /// Takes the spare buffers, if it has none of its own.
    pub fn take_spare(&mut self, spare: &mut Spare) {
        if self.buffer.capacity() == 0 {
            self.swap(spare);
        }
    }

    /// Gives the buffers away when everything that was received is executed.
    pub fn give_back(&mut self, spare: &mut Spare) {
        if self.is_idle() {
            self.clear();
            if spare.buffer.capacity() == 0 {
                self.swap(spare);
            } else {
                (self.buffer, self.spans, self.requests) = Default::default();
            }
        }
    }

    fn swap(&mut self, spare: &mut Spare) {
        std::mem::swap(&mut self.buffer, &mut spare.buffer);
        std::mem::swap(&mut self.spans, &mut spare.spans);
        std::mem::swap(&mut self.requests, &mut spare.requests);
    }

    /// Parses on; true if one more request is complete (or an empty one was passed over).
    fn parse_one(&mut self, limits: &Limits) -> Result<bool, ProtocolError> {
        if self.missing == 0 {
            match self.buffer.get(self.parsed) {
                None => return Ok(false),
                Some(b'*') => {
                    if !self.parse_count(limits)? {
                        return Ok(false);
                    }
                    if self.missing == 0 {
                        return Ok(true);
                    }
                }
                Some(_) => return self.parse_inline(),
            }
        }
        while self.missing > 0 {
            self.parse_short();
            if self.missing == 0 {
                break;
            }
            if (self.bulk.is_none() && !self.parse_length(limits)?) || !self.parse_bulk()? {
                return Ok(false);
            }
        }
        let first = self.requests.last().map_or(0, |&(_, end)| end);
        self.requests.push((first, self.spans.len()));
        self.complete = self.base + self.parsed as u64;
        Ok(true)
    }

    /// Completes arguments as long as they are short and all there, as nearly all are; leaves the others to the other
    /// functions.
    #[inline]
    fn parse_short(&mut self) {
        if self.bulk.is_some() {
            return;
        }
        let (mut at, mut missing) = (self.parsed, self.missing);
        while missing > 0 {
            let rest = &self.buffer[at..];
            let Some((length, consumed)) = short_number(b'$', rest) else { break };
            let end = consumed + length;
            if rest.len() < end + 2 || rest[end..end + 2] != *b"\r\n" {
                break;
            }
            self.spans.push(Span::Here(at + consumed, at + end));
            at += end + 2;
            missing -= 1;
        }
        (self.parsed, self.missing) = (at, missing);
    }

    /// The line from the parsed offset on, without its end; `None` if it is not all there.
    fn line(&self, too_big: &str) -> Result<Option<&[u8]>, ProtocolError> {
        let rest = &self.buffer[self.parsed..];
        match memchr::memchr(b'\r', rest) {
            Some(end) if end + 1 < rest.len() => match rest[end + 1] {
                b'\n' => Ok(Some(&rest[..end])),
                _ => Err(error(BAD_LINE_END)),
            },
            None if rest.len() > LINE_BYTES => Err(error(too_big)),
            _ => Ok(None),
        }
    }

    fn parse_count(&mut self, limits: &Limits) -> Result<bool, ProtocolError> {
        let (consumed, count) = match short_number(b'*', &self.buffer[self.parsed..]) {
            Some((count, consumed)) => (consumed, Some(count as i64)),
            None => {
                let Some(line) = self.line("too big mbulk count string")? else { return Ok(false) };
                (line.len() + 2, parse_int(&line[1..]))
            }
        };
        let count = count
            .filter(|&count| count <= MOST_ARGUMENTS)
            .ok_or_else(|| error("invalid multibulk length"))?;
        if !limits.authenticated && count > UNAUTHENTICATED.0 {
            return Err(error("unauthenticated multibulk length"));
        }
        self.parsed += consumed;
        self.missing = count.max(0) as usize;
        Ok(true)
    }

    fn parse_length(&mut self, limits: &Limits) -> Result<bool, ProtocolError> {
        let Some(line) = self.line("too big bulk count string")? else { return Ok(false) };
        if line.first() != Some(&b'$') {
            let got = line.first().copied().unwrap_or(b'\r');
            return Err(error(&format!("expected '$', got '{}'", printable(got))));
        }
        let (consumed, length) = (line.len() + 2, parse_int(&line[1..]));
        let allowed = length.filter(|&length| (0..=limits.bulk_bytes).contains(&length));
        let length = allowed.ok_or_else(|| error("invalid bulk length"))?;
        if !limits.authenticated && length > UNAUTHENTICATED.1 {
            return Err(error("unauthenticated bulk length"));
        }
        self.parsed += consumed;
        self.bulk = Some(length as usize);
        Ok(true)
    }

    /// Completes the argument if all its bytes are there.
    fn parse_bulk(&mut self) -> Result<bool, ProtocolError> {
        let Some(length) = self.bulk else { return Ok(false) };
        if length >= BIG_BYTES {
            return self.parse_big(length);
        }
        let end = self.parsed + length;
        match self.buffer.get(end..end + 2) {
            None => return Ok(false),
            Some(b"\r\n") => {}
            Some(_) => return Err(error(BAD_LINE_END)),
        }
        self.spans.push(Span::Here(self.parsed, end));
        self.parsed = end + 2;
        self.complete_argument();
        Ok(true)
    }

    fn parse_big(&mut self, length: usize) -> Result<bool, ProtocolError> {
        if !self.in_big {
            self.bigs.push(Vec::new());
            self.in_big = true;
            self.big_from_buffer = 0;
        }
        let Some(big) = self.bigs.last_mut() else { return Ok(false) };
        let take = (length + 2 - big.len()).min(self.buffer.len() - self.parsed);
        big.extend_from_slice(&self.buffer[self.parsed..self.parsed + take]);
        self.parsed += take;
        self.big_from_buffer += take;
        if big.len() < length + 2 {
            return Ok(false);
        }
        if !big.ends_with(b"\r\n") {
            return Err(error(BAD_LINE_END));
        }
        self.base += (length + 2 - self.big_from_buffer) as u64;
        big.truncate(length);
        self.spans.push(Span::Big(self.bigs.len() - 1));
        self.in_big = false;
        self.complete_argument();
        Ok(true)
    }

    fn complete_argument(&mut self) {
        self.missing -= 1;
        self.bulk = None;
    }

    fn parse_inline(&mut self) -> Result<bool, ProtocolError> {
        let rest = &self.buffer[self.parsed..];
        let Some(end) = memchr::memchr(b'\n', rest) else {
            return if rest.len() > LINE_BYTES { Err(error("too big inline request")) } else { Ok(false) };
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let words = split(line, Closing::GoesOn).ok_or_else(|| error("unbalanced quotes in request"))?;
        self.parsed += end + 1;
        if words.is_empty() {
            return Ok(true);
        }
        let first = self.spans.len();
        for word in words {
            self.spans.push(Span::Big(self.bigs.len()));
            self.bigs.push(word);
        }
        self.requests.push((first, self.spans.len()));
        self.complete = self.base + self.parsed as u64;
        Ok(true)
    }
}

/// As Valkey has it; Redis skips two bytes unseen.
const BAD_LINE_END: &str = "invalid CRLF in request";

fn error(text: &str) -> ProtocolError {
    ProtocolError(format!("Protocol error: {text}"))
}

/// A reply is one line: control characters of the client's must not end it.
fn printable(byte: u8) -> char {
    if byte == b'\r' || byte == b'\n' { ' ' } else { byte as char }
}

/// A number of up to three digits behind `marker`, with the length of its whole line: nearly every line is one. `None`
/// leaves it to [`parse_int`], for what is longer, incomplete or wrong.
#[inline]
fn short_number(marker: u8, line: &[u8]) -> Option<(usize, usize)> {
    let head = match line.first_chunk() {
        Some(head) => u64::from_le_bytes(*head),
        // Zeros end no line.
        None => line.iter().rev().fold(0, |head, &byte| head << 8 | u64::from(byte)),
    };
    if head as u8 != marker {
        return None;
    }
    let digit = |at: u32| {
        let value = ((head >> (8 * at)) as u8).wrapping_sub(b'0');
        (value < 10).then_some(usize::from(value))
    };
    let ends = |at: u32| (head >> (8 * at)) as u16 == u16::from_le_bytes(*b"\r\n");
    let a = digit(1)?;
    if ends(2) {
        return Some((a, 4));
    }
    let b = digit(2).filter(|_| a > 0)?;
    if ends(3) {
        return Some((a * 10 + b, 5));
    }
    let c = digit(3)?;
    ends(4).then_some((a * 100 + b * 10 + c, 6))
}

/// A decimal number as the peers take it: no blanks, no plus, no leading zeros.
fn parse_int(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let first = *digits.first()?;
    if digits.len() > 19 || (first == b'0' && text.len() > 1) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { bulk_bytes: 512 << 20, authenticated: true, requests: 100 };

    fn feed(decoder: &mut Decoder, mut bytes: &[u8]) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let take = bytes.len().min(decoder.read_limit());
            decoder.read_buffer().extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            decoder.parse(&LIMITS)?;
            out.extend((0..decoder.len()).map(|i| decoder.args(i).map(<[u8]>::to_vec).collect::<Vec<_>>()));
            decoder.finish(decoder.len());
        }
        Ok(out)
    }

    fn encode(requests: &[Vec<Vec<u8>>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for request in requests {
            bytes.extend_from_slice(format!("*{}\r\n", request.len()).as_bytes());
            for arg in request {
                bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
                bytes.extend_from_slice(arg);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_requests(
            sizes in prop::collection::vec(prop::collection::vec(prop_oneof![5 => 0usize..40, 1 => 32000usize..70000], 1..5), 1..6),
            cuts in prop::collection::vec(1usize..50_000, 1..20),
        ) {
            let requests: Vec<Vec<Vec<u8>>> =
                sizes.iter().map(|args| args.iter().map(|&n| vec![n as u8; n]).collect()).collect();
            let bytes = encode(&requests);
            let mut decoder = Decoder::default();
            let (mut got, mut at) = (Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(bytes.len());
                got.extend(feed(&mut decoder, &bytes[at..end]).expect("valid requests"));
                at = end;
                if at == bytes.len() { break; }
            }
            prop_assert_eq!(got, requests);
            prop_assert!(decoder.is_idle());
            prop_assert_eq!(decoder.stream_position(), bytes.len() as u64);
        }

        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), b'0'..=b'9', any::<u8>()], 0..200)) {
            let mut decoder = Decoder::default();
            let whole = feed(&mut Decoder::default(), &bytes);
            let split: Result<Vec<_>, _> = bytes.iter().map(|&byte| feed(&mut decoder, &[byte])).collect();
            prop_assert_eq!(whole.is_ok(), split.is_ok());
            if let (Ok(whole), Ok(split)) = (whole, split) {
                prop_assert_eq!(whole, split.into_iter().flatten().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_batch_can_be_finished_in_part() {
        let mut decoder = Decoder::default();
        decoder
            .read_buffer()
            .extend_from_slice(b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$1\r\na\r\n*1\r\n$2\r\nx");
        decoder.parse(&LIMITS).expect("valid");
        assert_eq!(decoder.len(), 2);
        decoder.finish(1);
        assert_eq!((decoder.len(), decoder.place(0), decoder.args(0).last()), (1, 0..2, Some(&b"a"[..])));
        decoder.finish(1);
        decoder.read_buffer().extend_from_slice(b"y\r\n");
        decoder.parse(&LIMITS).expect("valid");
        assert_eq!(decoder.all_args().next(), Some(&b"xy"[..]));
    }

    #[test]
    fn errors_have_the_peers_words() {
        let long = [b'1'; 70_000];
        let with = |prefix: &[u8]| [prefix, &long[..]].concat();
        let big = [&b"*1\r\n$32768\r\n"[..], &[b'x'; 32768], b"\rx"].concat();
        let cases: [(Vec<u8>, &str); 14] = [
            (b"*3\rx$3".to_vec(), "invalid CRLF in request"),
            (b"*1\r\n$4\rxPING\r\n".to_vec(), "invalid CRLF in request"),
            (b"*1\r\n$4\r\nPING\rx".to_vec(), "invalid CRLF in request"),
            (b"*1\r\n$4\r\nPINGx\n".to_vec(), "invalid CRLF in request"),
            (big, "invalid CRLF in request"),
            (b"*3x\r\n".to_vec(), "invalid multibulk length"),
            (b"*2147483648\r\n".to_vec(), "invalid multibulk length"),
            (b"*1\r\nSET\r\n".to_vec(), "expected '$', got 'S'"),
            (b"*1\r\n$-1\r\n".to_vec(), "invalid bulk length"),
            (b"*1\r\n$536870913\r\n".to_vec(), "invalid bulk length"),
            (with(b"*"), "too big mbulk count string"),
            (with(b"*1\r\n$"), "too big bulk count string"),
            (with(b"SET "), "too big inline request"),
            (b"SET \"a\n".to_vec(), "unbalanced quotes in request"),
        ];
        for (bytes, text) in cases {
            assert_eq!(feed(&mut Decoder::default(), &bytes), Err(error(text)));
        }
        let strict = Limits { authenticated: false, ..LIMITS };
        for (bytes, text) in [
            (&b"*100\r\n"[..], "unauthenticated multibulk length"),
            (b"*1\r\n$100000000\r\n", "unauthenticated bulk length"),
        ] {
            let mut decoder = Decoder::default();
            decoder.read_buffer().extend_from_slice(bytes);
            assert_eq!(decoder.parse(&strict), Err(error(text)));
        }
    }

    #[test]
    fn announced_lengths_cost_nothing() {
        let mut decoder = Decoder::default();
        assert!(
            feed(&mut decoder, b"*1000000\r\n$500000000\r\nabc").is_ok_and(|requests| requests.is_empty())
        );
        assert!(decoder.held_bytes() < 200_000);
        assert_eq!(
            feed(&mut Decoder::default(), b"*0\r\n*-1\r\n\r\n  \r\nPING\r\n"),
            Ok(vec![vec![b"PING".to_vec()]])
        );
    }
}
