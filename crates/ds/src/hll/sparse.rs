//! Sparse registers: runs of equal values.
//!
//! ```text
//!   00nnnnnn             ZERO:  1 to 64 registers of 0 (n is one less)
//!   01nnnnnn nnnnnnnn    XZERO: 1 to 16384 registers of 0
//!   1vvvvvnn             VAL:   1 to 4 registers of value 1 to 32
//! ```
//!
//! A value that is longer than that, or more bytes than the configuration allows, asks for the dense form. The steps
//! of [`raise`] are those of the real servers (how a run is split, and how far behind it equal neighbours are joined),
//! for the bytes must be the same on both ends of a replication link.

use super::estimate::RANKS;
use super::{Corrupt, HEADER_BYTES, REGISTERS, Registers};
use crate::listpack::Room;

const MOST_ZERO: usize = 64;
const MOST_VAL: usize = 4;
/// The largest value of a register.
const MOST_RANK: u8 = 32;
/// Runs that are looked at for neighbours to join after a change.
const JOIN_STEPS: usize = 5;

/// Equal registers that stand side by side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub len: usize,
    /// 0 for ZERO and XZERO.
    pub rank: u8,
    /// Bytes of the code.
    bytes: usize,
}

impl Run {
    /// Whether the run is coded as XZERO.
    pub fn is_extended(&self) -> bool {
        self.bytes == 2
    }
}

/// The run that begins a string of codes.
pub(super) fn first_run(codes: &[u8]) -> Option<Run> {
    let code = *codes.first()?;
    Some(match code >> 6 {
        0 => Run { len: usize::from(code) + 1, rank: 0, bytes: 1 },
        1 => {
            let len = usize::from(code & 63) << 8 | usize::from(*codes.get(1)?);
            Run { len: len + 1, rank: 0, bytes: 2 }
        }
        _ => Run { len: usize::from(code & 3) + 1, rank: (code >> 2 & 31) + 1, bytes: 1 },
    })
}

/// The runs of all registers, in order; the last item is an error if they are not exactly all.
pub fn runs(codes: &[u8]) -> impl Iterator<Item = Result<Run, Corrupt>> {
    let (mut at, mut index) = (0, 0);
    std::iter::from_fn(move || {
        if at == codes.len() {
            let complete = index == REGISTERS;
            index = REGISTERS;
            return (!complete).then_some(Err(Corrupt));
        }
        let run = first_run(&codes[at..]).filter(|run| index + run.len <= REGISTERS);
        (at, index) = match run {
            Some(run) => (at + run.bytes, index + run.len),
            None => (codes.len(), REGISTERS),
        };
        Some(run.ok_or(Corrupt))
    })
}

/// One code, or none.
pub struct Code {
    bytes: [u8; 2],
    len: u8,
}

impl Code {
    /// A run of equal registers: 0 to 16384 of rank 0, 0 to 4 of another.
    pub fn of(len: usize, rank: u8) -> Code {
        match (len, rank) {
            (0, _) => Code { bytes: [0; 2], len: 0 },
            (1..=MOST_ZERO, 0) => Code { bytes: [len as u8 - 1, 0], len: 1 },
            (_, 0) => {
                let [high, low] = (len as u16 - 1).to_be_bytes();
                Code { bytes: [0x40 | high, low], len: 2 }
            }
            _ => Code { bytes: [val(rank, len), 0], len: 1 },
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

fn val(rank: u8, len: usize) -> u8 {
    0x80 | (rank - 1) << 2 | (len as u8 - 1)
}

/// What [`raise`] has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Unchanged,
    Raised,
    /// Nothing is done: the value has to become dense.
    TooLong,
}

/// The run of a register: where its code begins, its first register, and where the code before it begins.
struct Found {
    at: usize,
    run: Run,
    first: usize,
    before: usize,
}

/// The highest bit of each byte of a word.
const HIGH: u64 = 0x8080_8080_8080_8080;
/// One in each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;

/// By the bytes of a word that look like the first of an XZERO, the lowest bit for the first byte, and 256 more if the word
/// begins with the second byte of one: ones in all bytes that are in fact the second of one.
static SECOND: [u64; 512] = second_bytes();

const fn second_bytes() -> [u64; 512] {
    let mut table = [0; 512];
    let mut like = 0;
    while like < 512 {
        let mut byte = 0;
        if like >= 256 {
            table[like] = 0xff;
            byte = 1;
        }
        while byte < 7 {
            if like >> byte & 1 == 1 {
                byte += 1;
                table[like] |= 0xff << (8 * byte);
            }
            byte += 1;
        }
        like += 1;
    }
    table
}

/// Steps over codes, eight bytes at once, as long as these end before register `index`: the place behind them, the register
/// there, and where the last of them begins.
pub(super) fn skip(codes: &[u8], index: usize) -> (usize, usize, usize) {
    let ones_where = |flags: u64| (flags >> 7) * 0xff;
    let sum = |bytes: u64| {
        let pairs = (bytes & 0x00ff_00ff_00ff_00ff) + (bytes >> 8 & 0x00ff_00ff_00ff_00ff);
        (pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as usize
    };
    // Of the words so far: their bytes, the registers of what they hold, whether they end within an XZERO, and where codes
    // begin in the last.
    let (mut at, mut end, mut within, mut begins) = (0, 0, 0, 0);
    for word in codes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*word);
        let like_long = !word & word << 1 & HIGH;
        if like_long == 0 && within == 0 {
            // Nearly all words of a value that takes long to pass: one-byte codes alone.
            let len = sum((word & (!ones_where(word & HIGH) | (3 * ONES))) + ONES);
            if end + len > index {
                break;
            }
            (at, end, begins) = (at + 8, end + len, ONES);
            continue;
        }
        let like = (like_long >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        let second = SECOND[like as usize | within << 8];
        let long = ones_where(like_long & !second);
        let val = ones_where(word & HIGH & !second);
        // Lengths: in VAL two bits, in ZERO the byte, of XZERO the second byte and, 256 times, six bits of the first; each
        // code stands for one register more than that.
        let low = word & (second | !(second | val | long) | val & (3 * ONES));
        let len = sum(low + (ONES & !second)) + 256 * sum(word & long & (0x3f * ONES));
        if end + len > index {
            break;
        }
        (at, end, within, begins) = (at + 8, end + len, (long >> 63) as usize, ONES & !second);
    }
    if within == 1 {
        // The code that is not complete is not stepped over.
        (at, begins) = (at - 1, begins << 8 >> 8);
        end -= 256 * usize::from(codes[at] & 0x3f) + 1;
        return (at, end, at - (begins.leading_zeros() as usize / 8));
    }
    (at, end, at.saturating_sub(1 + begins.leading_zeros() as usize / 8))
}

/// Finds the run of a register. Walking there is most of what adding to a sparse value costs.
fn find(codes: &[u8], index: usize) -> Result<Found, Corrupt> {
    let (mut at, mut end, mut before) = skip(codes, index);
    loop {
        let code = *codes.get(at).ok_or(Corrupt)?;
        let (bytes, len) = match code {
            0x80.. => (1, usize::from(code & 3) + 1),
            0x40.. => {
                (2, (usize::from(code & 63) << 8 | usize::from(*codes.get(at + 1).ok_or(Corrupt)?)) + 1)
            }
            _ => (1, usize::from(code) + 1),
        };
        end += len;
        if index < end {
            let run = first_run(&codes[at..]).ok_or(Corrupt)?;
            return Ok(Found { at, run, first: end - len, before });
        }
        before = at;
        at += bytes;
    }
}

/// Raises a register of a sparse value, header included, to `rank` if it is lower.
pub fn raise<R: Room>(value: &mut R, index: usize, rank: u8, most_bytes: usize) -> Result<Outcome, Corrupt> {
    if rank > MOST_RANK {
        return Ok(Outcome::TooLong);
    }
    let Found { at, run, first, before } = find(&value.bytes()[HEADER_BYTES..], index)?;
    let (at, before) = (HEADER_BYTES + at, HEADER_BYTES + before);
    if run.rank >= rank {
        return Ok(Outcome::Unchanged);
    }
    if run.len == 1 && run.bytes == 1 {
        value.bytes_mut()[at] = val(rank, 1);
    } else {
        let left = Code::of(index - first, run.rank);
        let own = Code::of(1, rank);
        let right = Code::of(first + run.len - 1 - index, run.rank);
        let len = left.bytes().len() + own.bytes().len() + right.bytes().len();
        if len > run.bytes && value.bytes().len() + len - run.bytes > most_bytes {
            return Ok(Outcome::TooLong);
        }
        value.splice(at, run.bytes, [left.bytes(), own.bytes(), right.bytes()]);
    }
    join(value, before);
    Ok(Outcome::Raised)
}

/// Joins neighbours of equal value, from the code at `at` on.
fn join<R: Room>(value: &mut R, mut at: usize) {
    for _ in 0..JOIN_STEPS {
        let bytes = value.bytes();
        let Some(run) = first_run(&bytes[at..]) else { return };
        let next = first_run(&bytes[at + run.bytes..]);
        match next.filter(|next| run.rank > 0 && run.rank == next.rank && run.len + next.len <= MOST_VAL) {
            Some(next) => value.splice(at, 2, [&[val(run.rank, run.len + next.len)], &[], &[]]),
            None => at += run.bytes,
        }
    }
}

/// Raises each register to that of the codes.
pub fn merge(codes: &[u8], registers: &mut Registers) -> Result<(), Corrupt> {
    let mut index = 0;
    for run in runs(codes) {
        let run = run?;
        for register in &mut registers[index..index + run.len] {
            *register = run.rank.max(*register);
        }
        index += run.len;
    }
    Ok(())
}

/// Counts how many registers have each value.
pub fn histogram(codes: &[u8], histogram: &mut [u32; RANKS]) -> Result<(), Corrupt> {
    for run in runs(codes) {
        let run = run?;
        histogram[usize::from(run.rank)] += run.len as u32;
    }
    Ok(())
}
