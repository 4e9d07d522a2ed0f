//! Random draws for one command: ranks and members of collections. Not for secrets.

use std::collections::HashSet;

use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, OUT_OF_RANGE, Result};
use crate::server::Server;

/// Said of a count of draws that has no opposite.
pub(crate) const COUNT_RANGE: CommandError = CommandError::fixed(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

/// Most draws with repetitions of one reply that no output limit ends: a short command must not fill the memory.
const MOST_DRAWS: usize = 1 << 24;

/// How many draws with repetitions the reply may have. With more than [`MOST_DRAWS`] it goes on until it is past the
/// client's output limit, for which the connection is closed.
pub(crate) fn repetitions(cx: &Cx<'_>, wanted: usize, out: &Writer) -> Result<Repetitions> {
    let limit = match cx.session.output_limit(&cx.server.config).hard_bytes {
        0 if wanted > MOST_DRAWS => return Err(OUT_OF_RANGE),
        0 => usize::MAX,
        bytes => usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(out.len()),
    };
    Ok(Repetitions { wanted, limit })
}

/// See [`repetitions`].
#[derive(Clone, Copy)]
pub(crate) struct Repetitions {
    pub wanted: usize,
    /// Length of the output, bytes, beyond which it is in vain.
    limit: usize,
}

impl Repetitions {
    /// Has `one` reply as often as wanted.
    pub fn each(self, out: &mut Writer, mut one: impl FnMut(&mut Writer)) {
        for _ in 0..self.wanted {
            if out.len() > self.limit {
                return;
            }
            one(out);
        }
    }
}

/// A generator that one command seeds from the server's, which all workers share.
#[derive(Default)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn of_seed(seed: u64) -> Draws {
        Draws(seed)
    }

    pub(crate) fn new(server: &Server) -> Draws {
        Draws(server.random())
    }

    /// A uniform 64-bit number (SplitMix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if that is zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// `count` different numbers below `len`, which is not less, in no order.
    pub(crate) fn distinct(&mut self, len: usize, count: usize) -> Vec<usize> {
        // Floyd's sampling: each round adds one number, the drawn one or, if it was there, the round's own.
        let mut drawn = HashSet::with_capacity(count);
        let mut numbers = Vec::with_capacity(count);
        for round in len - count..len {
            let number = self.below(round + 1);
            let number = if drawn.insert(number) { number } else { round };
            drawn.insert(number);
            numbers.push(number);
        }
        numbers
    }

    /// Brings `count` items, drawn at random, to the front.
    pub(crate) fn shuffle_front<T>(&mut self, items: &mut [T], count: usize) {
        for at in 0..count.min(items.len()) {
            let from = at + self.below(items.len() - at);
            items.swap(at, from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_numbers_differ_and_every_number_can_be_drawn() {
        let (mut draws, mut seen) = (Draws(1), HashSet::new());
        for count in 0..=7 {
            for _ in 0..200 {
                let mut numbers = draws.distinct(7, count);
                assert!(numbers.iter().all(|&number| number < 7));
                seen.extend(numbers.iter().copied());
                numbers.sort_unstable();
                numbers.dedup();
                assert_eq!(numbers.len(), count);
            }
        }
        assert_eq!(seen.len(), 7);
    }

    #[test]
    fn the_front_of_a_shuffle_is_fair() {
        let (mut draws, mut counts) = (Draws(2), [0u32; 6]);
        for _ in 0..6000 {
            let mut items = [0, 1, 2, 3, 4, 5];
            draws.shuffle_front(&mut items, 2);
            items[..2].iter().for_each(|&item| counts[item] += 1);
        }
        assert!(counts.iter().all(|&count| (1800..2200).contains(&count)), "{counts:?}");
    }
}
