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
fn first_run(codes: &[u8]) -> Option<Run> {
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

/// Appends registers of 0 (1 to 16384 of them).
pub fn push_zeros(len: usize, codes: &mut Vec<u8>) {
    if len > MOST_ZERO {
        let [high, low] = (len as u16 - 1).to_be_bytes();
        codes.extend_from_slice(&[0x40 | high, low]);
    } else {
        codes.push(len as u8 - 1);
    }
}

fn val(rank: u8, len: usize) -> u8 {
    0x80 | (rank - 1) << 2 | (len as u8 - 1)
}

fn push_run(len: usize, rank: u8, codes: &mut Vec<u8>) {
    match (len, rank) {
        (0, _) => {}
        (len, 0) => push_zeros(len, codes),
        (len, rank) => codes.push(val(rank, len)),
    }
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

fn find(bytes: &[u8], index: usize) -> Result<Found, Corrupt> {
    let mut found = (HEADER_BYTES, 0, HEADER_BYTES);
    loop {
        let (at, first, before) = found;
        let run = first_run(&bytes[at..]).ok_or(Corrupt)?;
        if index < first + run.len {
            return Ok(Found { at, run, first, before });
        }
        found = (at + run.bytes, first + run.len, at);
    }
}

/// Raises a register of a sparse value, header included, to `rank` if it is lower.
pub fn raise(bytes: &mut Vec<u8>, index: usize, rank: u8, most_bytes: usize) -> Result<Outcome, Corrupt> {
    if rank > MOST_RANK {
        return Ok(Outcome::TooLong);
    }
    let Found { at, run, first, before } = find(bytes, index)?;
    if run.rank >= rank {
        return Ok(Outcome::Unchanged);
    }
    if run.len == 1 && run.bytes == 1 {
        bytes[at] = val(rank, 1);
    } else {
        let mut codes = Vec::with_capacity(5);
        push_run(index - first, run.rank, &mut codes);
        push_run(1, rank, &mut codes);
        push_run(first + run.len - 1 - index, run.rank, &mut codes);
        if codes.len() > run.bytes && bytes.len() + codes.len() - run.bytes > most_bytes {
            return Ok(Outcome::TooLong);
        }
        bytes.splice(at..at + run.bytes, codes);
    }
    join(bytes, before);
    Ok(Outcome::Raised)
}

/// Joins neighbours of equal value, from the code at `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_STEPS {
        let Some(run) = first_run(&bytes[at..]) else { return };
        let next = first_run(&bytes[at + run.bytes..]);
        match next.filter(|next| run.rank > 0 && run.rank == next.rank && run.len + next.len <= MOST_VAL) {
            Some(next) => {
                bytes[at + 1] = val(run.rank, run.len + next.len);
                bytes.remove(at);
            }
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
