//! Full check of framed listpack bytes from outside (RESTORE, RDB files, replication).

use super::encode::{back_len_size, data_len, read_back_len};
use super::{COUNT_UNKNOWN, END, Framed, Layout};

const HEADER: usize = Framed::HEADER;

/// What is wrong with the bytes of a listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LpError {
    /// Shorter than a header and an end, or the header's size is not the size of the bytes.
    Size,
    /// The last byte is not the end mark, or the mark comes early.
    End,
    /// The entry at this offset has a bad encoding, runs over the end, or its back length lies.
    Entry(usize),
    /// The header's count is not the number of entries.
    Count,
}

impl std::fmt::Display for LpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LpError::Size => f.write_str("listpack size is wrong"),
            LpError::End => f.write_str("listpack end mark is missing"),
            LpError::Entry(at) => write!(f, "listpack entry at byte {at} is malformed"),
            LpError::Count => f.write_str("listpack entry count is wrong"),
        }
    }
}

impl std::error::Error for LpError {}

/// Checks every byte that decides how a listpack is read; gives the number of entries.
pub fn validate(bytes: &[u8]) -> Result<usize, LpError> {
    let [a, b, c, d, e, f, ..] = *bytes else { return Err(LpError::Size) };
    if bytes.len() <= HEADER || u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
        return Err(LpError::Size);
    }
    let end = bytes.len() - 1;
    if bytes[end] != END {
        return Err(LpError::End);
    }
    let (mut at, mut count) = (HEADER, 0usize);
    while at < end {
        if bytes[at] == END {
            return Err(LpError::End);
        }
        let size = data_len(&bytes[at..end]).ok_or(LpError::Entry(at))?;
        let back = back_len_size(size);
        let next = at.checked_add(size + back).filter(|next| *next <= end).ok_or(LpError::Entry(at))?;
        if read_back_len(&bytes[at + size..next]) != Some(size) {
            return Err(LpError::Entry(at));
        }
        count += 1;
        at = next;
    }
    let declared = u16::from_le_bytes([e, f]);
    if declared != COUNT_UNKNOWN && usize::from(declared) != count {
        return Err(LpError::Count);
    }
    Ok(count)
}
