//! Ziplists and zipmaps, the packed encodings of versions before 10: read only, turned into listpacks.
//!
//! ```text
//! ziplist | bytes u32 | last entry u32 | count u16 | entry ... | 0xFF |    all little endian
//! entry   = length of the entry before (1 byte, or 0xFE and 4 bytes) | encoding | data
//! zipmap  | count | length, field, length, unused bytes, value, unused ... | 0xFF |
//! ```

use ds::listpack::{Listpack, LpValue};

const HEADER: usize = 10;
const END: u8 = 0xff;

/// The elements of a ziplist as a listpack; None if any byte that matters is wrong.
pub fn ziplist_to_listpack(bytes: &[u8]) -> Option<Listpack> {
    let mut pack = Listpack::new();
    let mut count = 0usize;
    let mut last = HEADER;
    let total = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let tail = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    let declared = u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?);
    if total as usize != bytes.len() || *bytes.last()? != END {
        return None;
    }
    let mut rest = &bytes[HEADER..bytes.len() - 1];
    let mut before = 0usize;
    while !rest.is_empty() {
        last = bytes.len() - 1 - rest.len();
        let entry = rest;
        let (previous, body) = match rest {
            [0xfe, a, b, c, d, body @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, body),
            [0xfe | END, ..] => return None,
            [small, body @ ..] => (usize::from(*small), body),
            [] => return None,
        };
        if previous != before {
            return None;
        }
        let (value, after) = read(body)?;
        match value {
            // A ziplist may hold a number as text; a listpack of ours does not.
            LpValue::Str(text) => pack.push_back(text),
            LpValue::Int(_) => pack.push_value(value),
        }
        rest = after;
        before = entry.len() - rest.len();
        count += 1;
    }
    (tail as usize == last && (declared == u16::MAX || usize::from(declared) == count)).then_some(pack)
}

/// One element and what follows it.
fn read(body: &[u8]) -> Option<(LpValue<'_>, &[u8])> {
    let (&first, rest) = body.split_first()?;
    match first {
        0x00..=0x3f => split_text(rest, usize::from(first)),
        0x40..=0x7f => {
            let (&low, rest) = rest.split_first()?;
            split_text(rest, usize::from(first & 0x3f) << 8 | usize::from(low))
        }
        0x80 => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            split_text(rest, u32::from_be_bytes(*len) as usize)
        }
        0xc0 => int::<2>(rest),
        0xd0 => int::<4>(rest),
        0xe0 => int::<8>(rest),
        0xf0 => int::<3>(rest),
        0xfe => int::<1>(rest),
        0xf1..=0xfd => Some((LpValue::Int(i64::from(first & 0x0f) - 1), rest)),
        _ => None,
    }
}

fn split_text(rest: &[u8], len: usize) -> Option<(LpValue<'_>, &[u8])> {
    let (text, rest) = rest.split_at_checked(len)?;
    Some((LpValue::Str(text), rest))
}

fn int<const N: usize>(rest: &[u8]) -> Option<(LpValue<'_>, &[u8])> {
    let (bytes, rest) = rest.split_first_chunk::<N>()?;
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(bytes);
    let unused = 64 - 8 * N as u32;
    Some((LpValue::Int(i64::from_le_bytes(wide) << unused >> unused), rest))
}

/// The fields and values of a zipmap, in turn, as a listpack.
pub fn zipmap_to_listpack(bytes: &[u8]) -> Option<Listpack> {
    let mut pack = Listpack::new();
    let (_, mut rest) = bytes.split_first()?;
    loop {
        if rest == [END] {
            return Some(pack);
        }
        let (len, after) = zipmap_len(rest)?;
        let (field, after) = after.split_at_checked(len)?;
        let (len, after) = zipmap_len(after)?;
        let (&unused, after) = after.split_first()?;
        let (value, after) = after.split_at_checked(len)?;
        pack.push_back(field);
        pack.push_back(value);
        rest = after.get(usize::from(unused)..)?;
    }
}

fn zipmap_len(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        // The long form of a length that has a short one is not what any server wrote.
        [254, a, b, c, d, rest @ ..] => {
            Some((u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest)).filter(|(len, _)| *len >= 254)
        }
        [254 | END, ..] | [] => None,
        [len, rest @ ..] => Some((usize::from(*len), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(pack: &Listpack) -> Vec<String> {
        pack.iter().map(|v| String::from_utf8_lossy(&v.to_vec()).into_owned()).collect()
    }

    /// A ziplist with every kind of entry, after the format's description.
    #[test]
    fn every_encoding() {
        let long = vec![b'x'; 300];
        let mut entries: Vec<Vec<u8>> = vec![
            [&[3u8][..], b"abc"].concat(),
            [&[0x41u8, 0x2c][..], &long].concat(),
            vec![0xc0, 0x00, 0x80],
            vec![0xd0, 1, 0, 0, 0x80],
            vec![0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80],
            vec![0xf0, 0xff, 0xff, 0x7f],
            vec![0xfe, 0xff],
            vec![0xf1],
            vec![0xfd],
        ];
        entries.push([&[0x80u8, 0, 0, 0, 2][..], b"yz"].concat());
        let mut body = Vec::new();
        let (mut before, mut tail) = (0usize, 0);
        for entry in &entries {
            tail = HEADER + body.len();
            let start = body.len();
            if before < 254 {
                body.push(before as u8);
            } else {
                body.push(0xfe);
                body.extend_from_slice(&(before as u32).to_le_bytes());
            }
            body.extend_from_slice(entry);
            before = body.len() - start;
        }
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&((HEADER + body.len() + 1) as u32).to_le_bytes());
        bytes.extend_from_slice(&(tail as u32).to_le_bytes());
        bytes.extend_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes.push(END);
        let pack = ziplist_to_listpack(&bytes).expect("well formed");
        let long = "x".repeat(300);
        let want =
            ["abc", &long, "-32768", "-2147483647", "-9223372036854775808", "8388607", "-1", "0", "12", "yz"];
        assert_eq!(texts(&pack), want);
        for at in 0..HEADER {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(ziplist_to_listpack(&damaged).is_none(), "byte {at}");
        }
    }

    #[test]
    fn zipmaps() {
        let bytes = b"\x02\x01a\x02\x00xy\x01b\x01\x03z???\xff";
        assert_eq!(
            zipmap_to_listpack(bytes).map(|p| texts(&p)),
            Some(["a", "xy", "b", "z"].map(String::from).into())
        );
        for end in 0..bytes.len() {
            assert!(zipmap_to_listpack(&bytes[..end]).is_none(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = ziplist_to_listpack(&bytes);
            let _ = zipmap_to_listpack(&bytes);
        }
    }
}
