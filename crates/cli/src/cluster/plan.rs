//! Which slots to take from whom: shares in proportion to what the sources have.

use super::Topology;

/// `count` slots from `sources` (indexes), the largest source giving the rounding's rest: (source, slot).
#[must_use]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn take(topology: &Topology, sources: &[usize], count: usize) -> Vec<(usize, u16)> {
    let size = |index: usize| topology.nodes[index].row.slots.len();
    let mut sources = sources.to_vec();
    sources.sort_by_key(|index| std::cmp::Reverse(size(*index)));
    let total: usize = sources.iter().map(|index| size(*index)).sum();
    let mut out = Vec::new();
    for (place, index) in sources.iter().enumerate() {
        let share = count as f64 / total.max(1) as f64 * size(*index) as f64;
        let share = if place == 0 { share.ceil() } else { share.floor() } as usize;
        let room = count - out.len();
        out.extend(topology.nodes[*index].row.slots.iter().take(share.min(room)).map(|slot| (*index, *slot)));
    }
    out
}
