//! PFSELFTEST: registers keep what they are given, both encodings agree, and counts are as exact as promised.

use ds::hll::{self, Encoding, REGISTERS};
use resp::writer::Writer;

use super::corrupt;
use crate::cx::Cx;
use crate::error::{CommandError, Result};

/// Elements that are added at most.
const MOST_ELEMENTS: u64 = 100_000;
/// Bytes under which a value stays sparse, whatever is added.
const NEVER_DENSE: usize = usize::MAX;
/// Rounds of random registers.
const ROUNDS: usize = 20;

pub(super) fn pfselftest(cx: &mut Cx<'_>, _argv: &[&[u8]], out: &mut Writer) -> Result {
    registers_are_kept(cx)?;
    counts_are_close(cx)?;
    out.ok();
    Ok(())
}

fn failed(what: String) -> CommandError {
    CommandError::new(format!("TESTFAILED {what}"))
}

/// Random registers survive being packed.
fn registers_are_kept(cx: &Cx<'_>) -> Result {
    let mut expected = Box::new([0u8; REGISTERS]);
    let mut value = hll::empty();
    hll::make_dense(&mut value).map_err(corrupt)?;
    for _ in 0..ROUNDS {
        for (index, register) in expected.iter_mut().enumerate() {
            let rank = (cx.server.random() % 64) as u8;
            hll::raise(&mut value, index, rank, NEVER_DENSE).map_err(corrupt)?;
            *register = rank.max(*register);
        }
        let mut found = Box::new([0; REGISTERS]);
        hll::merge(&value, &mut found).map_err(corrupt)?;
        if let Some(index) = (0..REGISTERS).find(|&index| found[index] != expected[index]) {
            let (found, expected) = (found[index], expected[index]);
            return Err(failed(format!("Register {index} should be {expected} but is {found}")));
        }
    }
    Ok(())
}

/// The count is within six standard errors, 1.04 / sqrt(registers) each, at every power of ten.
fn counts_are_close(cx: &Cx<'_>) -> Result {
    let (mut sparse, mut dense) = (hll::empty(), hll::empty());
    hll::make_dense(&mut dense).map_err(corrupt)?;
    let (seed, mut checkpoint) = (cx.server.random(), 1);
    for added in 1..=MOST_ELEMENTS {
        let element = (seed ^ added).to_le_bytes();
        hll::add(&mut dense, &element, NEVER_DENSE).map_err(corrupt)?;
        if hll::encoding(&sparse) == Some(Encoding::Sparse) {
            hll::add(&mut sparse, &element, 3000).map_err(corrupt)?;
            if added == checkpoint
                && hll::count(&sparse).map_err(corrupt)? != hll::count(&dense).map_err(corrupt)?
            {
                return Err(failed(format!("dense/sparse disagree at {added}")));
            }
        }
        if added == checkpoint {
            let error = hll::count(&dense).map_err(corrupt)?.abs_diff(added);
            let most = (6.0 * 1.04 / (REGISTERS as f64).sqrt() * added as f64).ceil() as u64;
            if error > most {
                return Err(failed(format!("Too big error. card:{added} abserr:{error}")));
            }
            checkpoint *= 10;
        }
    }
    Ok(())
}
