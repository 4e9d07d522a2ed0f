//! Vectors as arguments: `FP32 blob` or `VALUES n number...`.

use ds::num;
use ds::vector::{MOST_DIM, VectorSet};

use crate::args::Args;
use crate::error::{CommandError, Result};

pub(super) const INVALID: CommandError = CommandError::fixed("ERR invalid vector specification");

/// The vector that follows.
pub(super) fn take(args: &mut Args<'_>) -> Result<Vec<f32>> {
    let given = if args.take_with("FP32", 1) {
        let (numbers, rest) = args.arg()?.as_chunks::<4>();
        let fits = rest.is_empty() && (1..=MOST_DIM).contains(&numbers.len());
        fits.then(|| numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    } else if args.take_with("VALUES", 1) {
        let count = num::parse_i64(args.arg()?).and_then(|count| usize::try_from(count).ok());
        let numbers = count.filter(|count| (1..=MOST_DIM).contains(count)).and_then(|n| args.slice(n).ok());
        numbers.and_then(|numbers| numbers.iter().map(|text| number(text)).collect())
    } else {
        None
    };
    given.ok_or(INVALID)
}

fn number(text: &[u8]) -> Option<f32> {
    num::parse_f64(text).filter(|number| !number.is_nan()).map(|number| number as f32)
}

pub(super) fn wrong_dim(given: usize, set: &VectorSet) -> CommandError {
    CommandError::new(format!("ERR Vector dimension mismatch - got {given} but set has {}", set.dim()))
}

pub(super) fn wrong_input(given: usize, expected: usize) -> CommandError {
    CommandError::new(format!(
        "ERR Input dimension mismatch for projection - got {given} but projection expects {expected}"
    ))
}
