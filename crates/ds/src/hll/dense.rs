//! Dense registers: 6 bits each, without gaps, four in three bytes.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::estimate::RANKS;
use super::{REGISTERS, Registers};

/// Bytes of all registers.
pub const BYTES: usize = REGISTERS * 6 / 8;

fn unpack(group: [u8; 3]) -> [u8; 4] {
    let word = u32::from_le_bytes([group[0], group[1], group[2], 0]);
    [word, word >> 6, word >> 12, word >> 18].map(|register| (register & 63) as u8)
}

fn pack(registers: [u8; 4]) -> [u8; 3] {
    let [a, b, c, d] = registers.map(u32::from);
    let [low, middle, high, _] = (a | b << 6 | c << 12 | d << 18).to_le_bytes();
    [low, middle, high]
}

/// Raises a register to `rank`, if it is lower; answers whether it was.
pub fn raise(bytes: &mut [u8], index: usize, rank: u8) -> bool {
    let (groups, _) = bytes.as_chunks_mut::<3>();
    let group = &mut groups[index / 4];
    let mut registers = unpack(*group);
    let raised = rank > registers[index % 4];
    if raised {
        registers[index % 4] = rank;
        *group = pack(registers);
    }
    raised
}

/// Whether vector instructions may be used where the processor has them.
static SIMD: AtomicBool = AtomicBool::new(true);

/// Allows or forbids vector instructions, in the whole process; the results are the same.
pub fn set_simd(on: bool) {
    SIMD.store(on, Relaxed);
}

/// Whether [`super::avx2`] is to be used.
#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    SIMD.load(Relaxed) && is_x86_feature_detected!("avx2")
}

/// Raises each register to that of a dense value.
pub fn merge(bytes: &[u8], registers: &mut Registers) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has what the function asks for; it has no other precondition.
        return unsafe { super::avx2::merge(bytes, registers) };
    }
    let (groups, _) = bytes.as_chunks::<3>();
    for (target, group) in registers.as_chunks_mut::<4>().0.iter_mut().zip(groups) {
        let source = unpack(*group);
        for (target, source) in target.iter_mut().zip(source) {
            *target = source.max(*target);
        }
    }
}

/// Writes all registers.
pub fn store(registers: &Registers, bytes: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: as in `merge`.
        return unsafe { super::avx2::store(registers, bytes) };
    }
    let (groups, _) = bytes.as_chunks_mut::<3>();
    for (group, registers) in groups.iter_mut().zip(registers.as_chunks::<4>().0) {
        *group = pack(*registers);
    }
}

/// Counts how many of a dense value's registers have each value.
pub fn histogram(bytes: &[u8], histogram: &mut [u32; RANKS]) {
    let mut registers = [0; REGISTERS];
    merge(bytes, &mut registers);
    add_up(&registers, histogram);
}

/// Counts how many of the registers have each value.
pub fn add_up(registers: &Registers, histogram: &mut [u32; RANKS]) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: as in `merge`.
        return unsafe { super::avx2::add_up(registers, histogram) };
    }
    // Four tables, so that equal neighbours do not wait for each other.
    let mut parts = [[0u32; RANKS]; 4];
    for group in registers.as_chunks::<4>().0 {
        for (part, register) in parts.iter_mut().zip(group) {
            part[usize::from(*register) % RANKS] += 1;
        }
    }
    for (rank, count) in histogram.iter_mut().enumerate() {
        *count += parts.iter().map(|part| part[rank]).sum::<u32>();
    }
}
