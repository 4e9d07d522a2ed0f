//! `--cluster reshard`: moves a number of slots to one node, asking for what the flags leave open.

use std::collections::{BTreeMap, BTreeSet};

use super::node::runs;
use super::{Failed, Outcome, SLOTS, Topology, ask, log, migrate, plan};
use crate::face::Face;
use crate::options::Options;
use crate::{emit, say, warn};

/// Runs the subcommand.
pub fn reshard(options: &Options) -> Outcome {
    let mut topology = Topology::load(options)?;
    if topology.check(false, false).is_err() {
        warn!("*** Please fix your cluster problems before resharding\n");
        return Err(Failed);
    }
    let count = slot_count(options);
    let target = target(&topology)?;
    let sources = sources(&topology, target)?;
    say!("\nReady to move {count} slots.\n  Source nodes:\n");
    for source in &sources {
        say!("{}", topology.nodes[*source].describe(4));
    }
    say!("  Destination node:\n{}", topology.nodes[target].describe(4));
    let moves = plan::take(&topology, &sources, count);
    say!("  Resharding plan:\n");
    show_plan(&topology, &moves);
    if !options.cluster.yes
        && !ask("Do you want to proceed with the proposed reshard plan (yes/no)? ")
            .eq_ignore_ascii_case("yes")
    {
        return Err(Failed);
    }
    execute(&mut topology, target, &moves)
}

/// Carries a plan out.
pub fn execute(topology: &mut Topology, target: usize, moves: &[(usize, u16)]) -> Outcome {
    if topology.options.cluster.atomic {
        for (source, slots) in by_source(moves) {
            migrate::atomic(topology, source, target, &slots)?;
        }
        return Ok(());
    }
    let bar = crate::modes::progress::bar(Some(moves.len() as u64), false);
    for (source, slot) in moves {
        bar.suspend(|| {
            let moved = migrate::slot(topology, *source, target, *slot, migrate::Manner::default());
            emit::flush();
            moved
        })?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn by_source(moves: &[(usize, u16)]) -> BTreeMap<usize, BTreeSet<u16>> {
    let mut out: BTreeMap<usize, BTreeSet<u16>> = BTreeMap::new();
    for (source, slot) in moves {
        out.entry(*source).or_default().insert(*slot);
    }
    out
}

fn show_plan(topology: &Topology, moves: &[(usize, u16)]) {
    if topology.face() == Face::Redis {
        for (source, slot) in moves {
            say!("    Moving slot {slot} from {}\n", topology.nodes[*source].row.id);
        }
        return;
    }
    for (source, slots) in by_source(moves) {
        for (first, last) in runs(&slots) {
            let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
            say!("    Moving slot range {range} from {}\n", topology.nodes[source].row.id);
        }
    }
}

fn slot_count(options: &Options) -> usize {
    let mut count = options.cluster.slots;
    while !(1..=u32::from(SLOTS)).contains(&count) {
        let answer = ask(&format!("How many slots do you want to move (from 1 to {SLOTS})? "));
        if answer.is_empty() {
            // The input ended: asking on would never end.
            std::process::exit(1);
        }
        count = answer.parse().unwrap_or(0);
    }
    usize::try_from(count).unwrap_or(0)
}

fn target(topology: &Topology) -> Result<usize, Failed> {
    let given = topology.options.cluster.to.clone();
    loop {
        let id = match &given {
            Some(id) => id.clone(),
            None => ask("What is the receiving node ID? "),
        };
        if let Some(index) = topology.find(&id).filter(|index| topology.nodes[*index].is_primary()) {
            return Ok(index);
        }
        let word = topology.face().primary();
        log::error(&format!("*** The specified node ({id}) is not known or not a {word}, please retry.\n"));
        if given.is_some() || id.is_empty() {
            return Err(Failed);
        }
    }
}

fn sources(topology: &Topology, target: usize) -> Result<Vec<usize>, Failed> {
    let others = || topology.primaries().into_iter().filter(|index| *index != target).collect::<Vec<_>>();
    let mut chosen = Vec::new();
    match &topology.options.cluster.from {
        Some(list) if list == "all" => return Ok(others()),
        Some(list) => {
            for id in list.split(',') {
                chosen.push(source(topology, target, id)?);
            }
        }
        None => {
            say!(
                "Please enter all the source node IDs.\n  Type 'all' to use all the nodes as source nodes for the hash \
                 slots.\n  Type 'done' once you entered all the source nodes IDs.\n"
            );
            loop {
                match ask(&format!("Source node #{}: ", chosen.len() + 1)).as_str() {
                    "all" => return Ok(others()),
                    "done" | "" => break,
                    id => chosen.extend(source(topology, target, id).ok()),
                }
            }
        }
    }
    if chosen.is_empty() {
        log::error("*** No source nodes given, operation aborted.\n");
        return Err(Failed);
    }
    Ok(chosen)
}

fn source(topology: &Topology, target: usize, id: &str) -> Result<usize, Failed> {
    match topology.find(id).filter(|index| topology.nodes[*index].is_primary()) {
        Some(index) if index == target => {
            log::error("*** It is not possible to use the target node as source node.\n");
            Err(Failed)
        }
        Some(index) => Ok(index),
        None => {
            let word = topology.face().primary();
            log::error(&format!(
                "*** The specified node ({id}) is not known or not a {word}, please retry.\n"
            ));
            Err(Failed)
        }
    }
}
