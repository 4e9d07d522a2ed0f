//! HyperLogLog: how many different elements were seen, in 12 KB at most. The value is a string; its bytes are those of
//! Redis and Valkey.
//!
//! ```text
//!   "HYLL" | encoding: 0 dense, 1 sparse | 3 bytes of zero | 8 bytes: cached count, or its highest bit: stale
//!   dense:  16384 registers of 6 bits, the first in the lowest bits of the first byte
//!   sparse: runs of equal registers, see [`sparse`]
//! ```
//!
//! An element's hash names a register by its low 14 bits; the register keeps the longest run of zeros, plus one, that
//! the other 50 bits began with. [`estimate`] makes a count of the registers. Whatever stands in a value that came
//! from outside, the functions here give an answer or an error. Called by the handlers of HyperLogLogs.

mod avx2;
mod dense;
mod estimate;
mod hash;
pub mod sparse;
#[cfg(test)]
mod tests;

use crate::listpack::Room;
pub use dense::set_simd;

/// Registers of a HyperLogLog.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of a hash that name the register.
const INDEX_BITS: u32 = 14;
/// Bits of a hash that are left.
const RANK_BITS: u32 = 64 - INDEX_BITS;
/// Bytes in front of the registers.
pub const HEADER_BYTES: usize = 16;
const MAGIC: &[u8; 4] = b"HYLL";
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// Where the cached count stands.
const CACHE: std::ops::Range<usize> = 8..16;

/// All registers, a byte each.
pub type Registers = [u8; REGISTERS];

/// The value has a good header, but what follows it is no set of registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupt;

/// How the registers are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    Dense,
    Sparse,
}

/// The encoding, if the bytes begin as those of a HyperLogLog do.
pub fn encoding(bytes: &[u8]) -> Option<Encoding> {
    if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
        return None;
    }
    match bytes[4] {
        DENSE => (bytes.len() == HEADER_BYTES + dense::BYTES).then_some(Encoding::Dense),
        SPARSE => Some(Encoding::Sparse),
        _ => None,
    }
}

/// A HyperLogLog that has seen nothing.
pub fn empty() -> Vec<u8> {
    let mut bytes = header(SPARSE);
    bytes.extend_from_slice(sparse::Code::of(REGISTERS, 0).bytes());
    bytes
}

fn header(encoding: u8) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.resize(HEADER_BYTES, 0);
    bytes[4] = encoding;
    bytes
}

/// The count that an earlier question has left, unless something was added since. Takes bytes with a good header.
pub fn cached(bytes: &[u8]) -> Option<u64> {
    let count = u64::from_le_bytes(bytes[CACHE].try_into().ok()?);
    (count >> 63 == 0).then_some(count)
}

/// Leaves a count for the next question.
pub fn set_cached(bytes: &mut [u8], count: u64) {
    bytes[CACHE].copy_from_slice(&count.to_le_bytes());
}

/// Marks the cached count as stale.
pub fn invalidate(bytes: &mut [u8]) {
    bytes[CACHE.end - 1] |= 0x80;
}

/// The register of an element, and what it will hold at least.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = hash::murmur64a(element);
    let rank = (hash >> INDEX_BITS | 1 << RANK_BITS).trailing_zeros() + 1;
    (hash as usize % REGISTERS, rank as u8)
}

/// Adds an element; answers whether that changed a register. A sparse value becomes dense when it would be longer than
/// `most_sparse_bytes`, header included. Takes bytes with a good header.
pub fn add<R: Room>(value: &mut R, element: &[u8], most_sparse_bytes: usize) -> Result<bool, Corrupt> {
    let (index, rank) = place(element);
    raise(value, index, rank, most_sparse_bytes)
}

/// Raises a register to `rank`, if it is lower; answers whether it was. See [`add`].
pub fn raise<R: Room>(
    value: &mut R,
    index: usize,
    rank: u8,
    most_sparse_bytes: usize,
) -> Result<bool, Corrupt> {
    if value.bytes()[4] == SPARSE {
        match sparse::raise(value, index, rank, most_sparse_bytes)? {
            sparse::Outcome::Unchanged => return Ok(false),
            sparse::Outcome::Raised => return Ok(true),
            sparse::Outcome::TooLong => make_dense(value)?,
        };
    }
    Ok(dense::raise(&mut value.bytes_mut()[HEADER_BYTES..], index, rank))
}

/// Turns a sparse value into a dense one; answers whether it was sparse. The cached count stays as it is.
pub fn make_dense<R: Room>(value: &mut R) -> Result<bool, Corrupt> {
    let bytes = value.bytes();
    if bytes[4] == DENSE {
        return Ok(false);
    }
    let mut registers = Box::new([0; REGISTERS]);
    sparse::merge(&bytes[HEADER_BYTES..], &mut registers)?;
    let mut made = header(DENSE);
    made[CACHE].copy_from_slice(&bytes[CACHE]);
    made.resize(HEADER_BYTES + dense::BYTES, 0);
    dense::store(&registers, &mut made[HEADER_BYTES..]);
    value.splice(0, value.bytes().len(), [&made, &[], &[]]);
    Ok(true)
}

/// Raises each register to that of a value. Takes bytes with a good header.
pub fn merge(bytes: &[u8], registers: &mut Registers) -> Result<(), Corrupt> {
    match bytes[4] {
        DENSE => {
            dense::merge(&bytes[HEADER_BYTES..], registers);
            Ok(())
        }
        _ => sparse::merge(&bytes[HEADER_BYTES..], registers),
    }
}

/// Makes a value hold `registers`, of which none is lower than the value's own; dense afterwards if `as_dense`. Takes bytes with a
/// good header.
pub fn absorb<R: Room>(
    value: &mut R,
    registers: &Registers,
    as_dense: bool,
    most_sparse_bytes: usize,
) -> Result<(), Corrupt> {
    if as_dense {
        make_dense(value)?;
    }
    if value.bytes()[4] == DENSE {
        dense::store(registers, &mut value.bytes_mut()[HEADER_BYTES..]);
        return Ok(());
    }
    // Nearly all are zero.
    for (word, ranks) in registers.as_chunks::<8>().0.iter().enumerate() {
        if u64::from_ne_bytes(*ranks) == 0 {
            continue;
        }
        for (at, &rank) in ranks.iter().enumerate().filter(|&(_, &rank)| rank > 0) {
            raise(value, 8 * word + at, rank, most_sparse_bytes)?;
        }
    }
    Ok(())
}

/// How many different elements a value has seen, about. Takes bytes with a good header.
pub fn count(bytes: &[u8]) -> Result<u64, Corrupt> {
    let mut histogram = [0; estimate::RANKS];
    match bytes[4] {
        DENSE => dense::histogram(&bytes[HEADER_BYTES..], &mut histogram),
        _ => sparse::histogram(&bytes[HEADER_BYTES..], &mut histogram)?,
    }
    Ok(estimate::count(&histogram))
}

/// How many different elements went into the registers, about.
pub fn count_registers(registers: &Registers) -> u64 {
    let mut histogram = [0; estimate::RANKS];
    dense::add_up(registers, &mut histogram);
    estimate::count(&histogram)
}
