//! `--cluster rebalance`: gives each primary its share of slots, by weight.

use super::{Failed, Outcome, SLOTS, Topology, log, plan, reshard};
use crate::options::Options;
use crate::{emit, say};

const DEFAULT_THRESHOLD: f64 = 2.0;

/// Runs the subcommand.
pub fn rebalance(options: &Options) -> Outcome {
    let mut topology = Topology::load(options)?;
    set_weights(&mut topology)?;
    if topology.check(true, false).is_err() {
        log::error("*** Please fix your cluster problems before rebalancing\n");
        return Err(Failed);
    }
    let involved: Vec<usize> = topology
        .primaries()
        .into_iter()
        .filter(|index| topology.nodes[*index].weight > 0.0 || has_slots(&topology, *index))
        .collect();
    let total: f64 = involved.iter().map(|index| topology.nodes[*index].weight).sum();
    let threshold = options.cluster.threshold.unwrap_or(DEFAULT_THRESHOLD);
    if !set_balances(&mut topology, &involved, total, threshold) {
        log::warning(&format!(
            "*** No rebalancing needed! All nodes are within the {threshold:.2}% threshold.\n"
        ));
        return Ok(());
    }
    log::step(&format!(">>> Rebalancing across {} nodes. Total weight = {total:.2}\n", involved.len()));
    move_all(&mut topology, &involved)
}

fn has_slots(topology: &Topology, index: usize) -> bool {
    !topology.nodes[index].row.slots.is_empty()
}

/// Weights from `--cluster-weight`; empty nodes take part only when asked.
fn set_weights(topology: &mut Topology) -> Outcome {
    for index in topology.primaries() {
        if !has_slots(topology, index) && !topology.options.cluster.use_empty {
            topology.nodes[index].weight = 0.0;
        }
    }
    for given in topology.options.cluster.weights.clone() {
        let parsed =
            given.split_once('=').and_then(|(id, weight)| Some((id.to_owned(), weight.parse::<f64>().ok()?)));
        let Some((id, weight)) = parsed else {
            log::error(&format!("*** invalid input {given}\n"));
            return Err(Failed);
        };
        let found = topology.nodes.iter_mut().find(|node| node.row.id.starts_with(&id) && node.is_primary());
        match found {
            Some(node) => node.weight = weight,
            None => {
                log::error(&format!("*** No such {} node {id}\n", topology.face().primary()));
                return Err(Failed);
            }
        }
    }
    Ok(())
}

/// How many slots each node has too many; false when all are near enough.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn set_balances(topology: &mut Topology, involved: &[usize], total: f64, threshold: f64) -> bool {
    let mut needed = false;
    let mut sum = 0;
    for index in involved {
        let node = &mut topology.nodes[*index];
        let expected = (f64::from(SLOTS) / total.max(f64::MIN_POSITIVE) * node.weight) as i64;
        let has = i64::try_from(node.row.slots.len()).unwrap_or(0);
        node.balance = has - expected;
        sum += node.balance;
        let over = if has > 0 {
            (100.0 - 100.0 * expected as f64 / has as f64).abs() > threshold
        } else {
            expected > 0
        };
        needed |= over;
    }
    // Rounding leaves slots over: whoever lacks some takes them.
    for index in involved.iter().copied().cycle().take(involved.len() * usize::from(SLOTS)) {
        if sum <= 0 {
            break;
        }
        if topology.nodes[index].balance <= 0 {
            topology.nodes[index].balance -= 1;
            sum -= 1;
        }
    }
    needed
}

/// From the fullest to the emptiest until both ends meet.
fn move_all(topology: &mut Topology, involved: &[usize]) -> Outcome {
    let mut order = involved.to_vec();
    order.sort_by_key(|index| topology.nodes[*index].balance);
    let (mut low, mut high) = (0, order.len().saturating_sub(1));
    while low < high {
        let (target, source) = (order[low], order[high]);
        let count = (-topology.nodes[target].balance).min(topology.nodes[source].balance).max(0);
        if count > 0 {
            let (from, to) = (topology.nodes[source].name(), topology.nodes[target].name());
            say!("Moving {count} slots from {from} to {to}\n");
            move_some(topology, source, target, usize::try_from(count).unwrap_or(0))?;
            topology.nodes[target].balance += count;
            topology.nodes[source].balance -= count;
        }
        if topology.nodes[target].balance >= 0 {
            low += 1;
        }
        if topology.nodes[source].balance <= 0 {
            high -= 1;
        }
        if count == 0 && topology.nodes[target].balance < 0 && topology.nodes[source].balance > 0 {
            break;
        }
    }
    Ok(())
}

fn move_some(topology: &mut Topology, source: usize, target: usize, count: usize) -> Outcome {
    let moves = plan::take(topology, &[source], count);
    if topology.options.cluster.simulate {
        say!("{}\n", "#".repeat(moves.len()));
        return Ok(());
    }
    if topology.options.cluster.atomic {
        return reshard::execute(topology, target, &moves);
    }
    let bar = crate::modes::progress::bar(Some(moves.len() as u64), false);
    for (source, slot) in moves {
        let manner = super::migrate::Manner { quiet: true, ..Default::default() };
        super::migrate::slot(topology, source, target, slot, manner)?;
        bar.suspend(|| {
            say!("#");
            emit::flush();
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    say!("\n");
    Ok(())
}
