//! The number of nodes that the blocks of a stream have in the peers, which keep them in a radix tree: XINFO STREAM tells it.
//!
//! A tree over keys of 16 bytes has a node for each place where keys part, one for each key's end, and one for each run of
//! bytes that leads to such a place or end without a choice. Keys are added in ascending order, so that only the way to the last
//! one is to be known.

use super::id::StreamId;

/// Bytes of a key.
const BYTES: u32 = u128::BITS / 8;

/// See the file comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Radix {
    nodes: u64,
    /// Where the way to the last key parts from others: a bit for each byte.
    forks: u32,
}

impl Radix {
    /// A tree of these keys, which ascend. One without keys has a node, too.
    pub fn of(keys: impl Iterator<Item = StreamId>) -> Radix {
        let (mut radix, mut last) = (Radix { nodes: 1, forks: 0 }, None);
        for key in keys {
            radix.push(last, key);
            last = Some(key);
        }
        radix
    }

    /// Adds a key above all others, of which `last` is the last.
    pub fn push(&mut self, last: Option<StreamId>, key: StreamId) {
        let Some(last) = last else {
            // Its bytes, and its end.
            self.nodes = 2;
            return;
        };
        let at = (bits(key) ^ bits(last)).leading_zeros() / 8;
        let above = self.forks & ((1 << at) - 1);
        if self.forks & 1 << at == 0 {
            // A run of bytes is cut in up to two, and the fork.
            let begin = u32::BITS - above.leading_zeros();
            let end = (self.forks >> at << at | 1 << BYTES).trailing_zeros();
            self.nodes += u64::from(at > begin) + u64::from(end > at + 1);
        }
        self.nodes += 1 + u64::from(at + 1 < BYTES);
        self.forks = above | 1 << at;
    }

    pub fn nodes(&self) -> u64 {
        self.nodes
    }
}

fn bits(key: StreamId) -> u128 {
    u128::from_be_bytes(key.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, as one would draw the tree.
    fn drawn(keys: &[[u8; 16]], depth: usize) -> u64 {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return 1 };
        let shared = (depth..16).take_while(|&at| first[at] == last[at]).count();
        let (at, above) = (depth + shared, u64::from(shared > 0));
        if at == 16 {
            return above + 1;
        }
        above + 1 + keys.chunk_by(|a, b| a[at] == b[at]).map(|below| drawn(below, at + 1)).sum::<u64>()
    }

    fn count(keys: &[StreamId]) -> u64 {
        Radix::of(keys.iter().copied()).nodes()
    }

    #[test]
    fn nodes_are_those_of_a_real_server() {
        let id = StreamId::new;
        for (keys, nodes) in [
            (&[][..], 1),
            (&[id(1, 1)], 2),
            (&[id(1, 1), id(1, 2)], 4),
            (&[id(1, 1), id(1, 2), id(1, 3)], 5),
            (&[id(1, 1), id(1, 300), id(2, 1)], 10),
        ] {
            assert_eq!(count(keys), nodes, "{keys:?}");
        }
    }

    #[test]
    fn trees_are_counted_along_their_keys() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..if cfg!(miri) { 5 } else { 200 } {
            let (width, keys) = (1 << (8 * random(7)), 1 + random(400));
            let mut keys: Vec<StreamId> = (0..keys)
                .map(|_| StreamId::new(random(3) * width + random(5), random(width) * random(300)))
                .collect();
            keys.sort_unstable();
            keys.dedup();
            let bytes: Vec<[u8; 16]> = keys.iter().map(|key| key.to_be_bytes()).collect();
            assert_eq!(count(&keys), drawn(&bytes, 0), "{keys:?}");
        }
    }
}
