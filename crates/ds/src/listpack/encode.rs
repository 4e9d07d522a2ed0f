//! One listpack entry: its bytes, their length, and the length field behind them.

use super::{Framed, Layout, LpValue};
use crate::num::parse_i64;

/// Most bytes that an encoding byte with its length or integer takes.
const MAX_HEAD: usize = 9;
/// Most bytes of a back length.
const MAX_BACK: usize = 5;

/// Most bytes that an entry takes beyond its string.
pub const MOST_AROUND: usize = MAX_HEAD + MAX_BACK;

/// The length of an entry, as it stands behind it.
pub(super) struct Back {
    bytes: [u8; MAX_BACK],
    len: u8,
}

impl Back {
    const NONE: Back = Back { bytes: [0; MAX_BACK], len: 0 };

    /// For an entry whose encoding and data take `size` bytes.
    #[inline]
    pub(super) fn of(size: usize) -> Back {
        if size < 128 { Back { bytes: [size as u8, 0, 0, 0, 0], len: 1 } } else { Back::of_long(size) }
    }

    fn of_long(size: usize) -> Back {
        let count = back_len_size(size);
        let mut out = Back { len: count as u8, ..Back::NONE };
        for (i, byte) in out.bytes[..count].iter_mut().enumerate() {
            let part = (size >> (7 * (count - 1 - i))) as u8 & 0x7f;
            *byte = if i == 0 { part } else { part | 0x80 };
        }
        out
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The bytes around an element: what comes before the string (or all of an integer), and the back length.
pub(super) struct Encoded {
    head: [u8; MAX_HEAD],
    head_len: u8,
    back: Back,
}

impl Encoded {
    #[inline]
    pub(super) fn new<L: Layout>(value: LpValue<'_>) -> Self {
        let mut out = Self { head: [0; MAX_HEAD], head_len: 0, back: Back::NONE };
        let string_len = match value {
            LpValue::Int(n) => {
                out.put_int(n);
                0
            }
            LpValue::Str(s) => {
                out.put_string_len(s.len());
                s.len()
            }
        };
        if L::FRAMED {
            out.back = Back::of(usize::from(out.head_len) + string_len);
        }
        out
    }

    #[inline]
    fn put_int(&mut self, n: i64) {
        let tag = match n {
            0..=127 => {
                (self.head[0], self.head_len) = (n as u8, 1);
                return;
            }
            -4096..=4095 => {
                (self.head[0], self.head[1]) = (0xc0 | ((n >> 8) as u8 & 0x1f), n as u8);
                self.head_len = 2;
                return;
            }
            -0x8000..=0x7fff => 0xf1,
            -0x80_0000..=0x7f_ffff => 0xf2,
            -0x8000_0000..=0x7fff_ffff => 0xf3,
            _ => 0xf4,
        };
        self.head[0] = tag;
        // All eight bytes; those beyond the length do not count.
        self.head[1..].copy_from_slice(&n.to_le_bytes());
        self.head_len = int_size(n) as u8;
    }

    #[inline]
    fn put_string_len(&mut self, len: usize) {
        match len {
            0..=63 => (self.head[0], self.head_len) = (0x80 | len as u8, 1),
            64..=4095 => {
                (self.head[0], self.head[1]) = (0xe0 | (len >> 8) as u8, len as u8);
                self.head_len = 2;
            }
            _ => {
                self.head[0] = 0xf0;
                self.head[1..5].copy_from_slice(&(len as u32).to_le_bytes());
                self.head_len = 5;
            }
        }
    }

    #[inline]
    pub(super) fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_len)]
    }

    #[inline]
    pub(super) fn back(&self) -> &[u8] {
        self.back.bytes()
    }
}

/// Appends the entry of an element, framed.
#[inline]
pub(super) fn push(out: &mut Vec<u8>, value: LpValue<'_>) {
    match value {
        // Nearly all numbers beside the elements of streams.
        LpValue::Int(n @ 0..=127) => out.extend_from_slice(&[n as u8, 1]),
        _ => {
            let encoded = Encoded::new::<Framed>(value);
            out.extend_from_slice(encoded.head());
            if let LpValue::Str(body) = value {
                out.extend_from_slice(body);
            }
            out.extend_from_slice(encoded.back());
        }
    }
}

/// Number of bytes that `element` adds to a framed listpack.
pub fn encoded_len(element: &[u8]) -> usize {
    let size = match parse_i64(element) {
        Some(n) => int_size(n),
        None => match element.len() {
            len @ 0..=63 => len + 1,
            len @ 64..=4095 => len + 2,
            len => len + 5,
        },
    };
    size + back_len_size(size)
}

fn int_size(n: i64) -> usize {
    match n {
        0..=127 => 1,
        -4096..=4095 => 2,
        -0x8000..=0x7fff => 3,
        -0x80_0000..=0x7f_ffff => 4,
        -0x8000_0000..=0x7fff_ffff => 5,
        _ => 9,
    }
}

/// Bytes of the back length of an entry whose encoding and data take `size` bytes. The odd limits are the format's.
pub(super) fn back_len_size(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..=16382 => 2,
        16383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// Reads the back length that ends at the end of `bytes`; None if it has more than five bytes.
pub(super) fn read_back_len(bytes: &[u8]) -> Option<usize> {
    let mut size = 0;
    for (i, byte) in bytes.iter().rev().take(MAX_BACK).enumerate() {
        size |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some(size);
        }
    }
    None
}

/// Size of encoding byte and data of the entry at the start of `bytes`; None if the bytes end before its
/// length is known or its first byte is no encoding.
pub(super) fn data_len(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    Some(match first {
        0..=0x7f => 1,
        0x80..=0xbf => 1 + usize::from(first & 0x3f),
        0xc0..=0xdf => 2,
        0xe0..=0xef => 2 + (usize::from(first & 0x0f) << 8 | usize::from(*bytes.get(1)?)),
        0xf0 => 5 + u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?) as usize,
        0xf1 => 3,
        0xf2 => 4,
        0xf3 => 5,
        0xf4 => 9,
        _ => return None,
    })
}

/// Whole size of the well-formed entry at `at`.
#[inline]
pub(super) fn entry_len<L: Layout>(bytes: &[u8], at: usize) -> usize {
    // The back length of an entry of less than 128 bytes.
    let back = usize::from(L::FRAMED);
    match bytes[at] {
        // Nearly all entries: small integers, and strings of up to 63 bytes.
        0..=0x7f => 1 + back,
        first @ 0x80..=0xbf => 1 + usize::from(first & 0x3f) + back,
        0xc0..=0xdf => 2 + back,
        first @ 0xf1..=0xf3 => usize::from(first - 0xf0) + 2 + back,
        _ => long_entry_len::<L>(&bytes[at..]),
    }
}

fn long_entry_len<L: Layout>(bytes: &[u8]) -> usize {
    let size = data_len(bytes).expect("invariant: listpack entries are well formed");
    if L::FRAMED { size + back_len_size(size) } else { size }
}

/// The well-formed entry at `at`, and its whole size.
#[inline]
pub(super) fn read<L: Layout>(bytes: &[u8], at: usize) -> (LpValue<'_>, usize) {
    let back = usize::from(L::FRAMED);
    match bytes[at] {
        first @ 0..=0x7f => (LpValue::Int(i64::from(first)), 1 + back),
        first @ 0x80..=0xbf => {
            let size = 1 + usize::from(first & 0x3f);
            (LpValue::Str(&bytes[at + 1..at + size]), size + back)
        }
        _ => (decode(&bytes[at..]), entry_len::<L>(bytes, at)),
    }
}

/// Whether a well-formed entry is this string, whose value as an integer, if it is one, is `wanted`.
#[inline(always)]
pub(super) fn is(bytes: &[u8], needle: &[u8], wanted: Option<i64>) -> bool {
    match bytes[0] {
        first @ 0..=0x7f => wanted == Some(i64::from(first)),
        first @ 0x80..=0xbf => {
            // Members of one collection often have one length and begin alike: the last byte tells most apart.
            let len = usize::from(first & 0x3f);
            len == needle.len() && bytes[len] == *needle.last().unwrap_or(&first) && bytes[1..=len] == *needle
        }
        _ => is_long(bytes, needle, wanted),
    }
}

fn is_long(bytes: &[u8], needle: &[u8], wanted: Option<i64>) -> bool {
    match decode(bytes) {
        LpValue::Int(number) => wanted == Some(number),
        LpValue::Str(text) => text == needle,
    }
}

/// The element of a well-formed entry.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> LpValue<'_> {
    let first = bytes[0];
    match first {
        0..=0x7f => LpValue::Int(i64::from(first)),
        0x80..=0xbf => LpValue::Str(&bytes[1..1 + usize::from(first & 0x3f)]),
        0xc0..=0xdf => {
            let raw = i64::from(first & 0x1f) << 8 | i64::from(bytes[1]);
            LpValue::Int(raw << 51 >> 51)
        }
        0xe0..=0xef => {
            let len = usize::from(first & 0x0f) << 8 | usize::from(bytes[1]);
            LpValue::Str(&bytes[2..2 + len])
        }
        0xf0 => {
            let len = u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize;
            LpValue::Str(&bytes[5..5 + len])
        }
        _ => {
            let width = match first {
                0xf1 => 2,
                0xf2 => 3,
                0xf3 => 4,
                _ => 8,
            };
            let mut raw = [0u8; 8];
            raw[..width].copy_from_slice(&bytes[1..1 + width]);
            let unused = 64 - 8 * width as u32;
            LpValue::Int(i64::from_le_bytes(raw) << unused >> unused)
        }
    }
}
