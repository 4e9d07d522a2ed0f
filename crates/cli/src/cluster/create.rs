//! `--cluster create`: shares the slots out, gives each primary replicas on other hosts where possible, and
//! introduces the nodes to each other.

use super::{BAD_ADDRESS, Failed, Node, Outcome, SLOTS, Topology, address, confirm, log};
use crate::face::Face;
use crate::options::Options;
use crate::{say, warn};

/// Runs the subcommand.
pub fn create(options: &Options) -> Outcome {
    let mut nodes = Vec::new();
    for text in &options.cluster.argv[1..] {
        let Some((host, port, bus)) = address(text) else {
            warn!(
                "{}",
                if text.contains(':') {
                    BAD_ADDRESS.to_owned()
                } else {
                    format!("Invalid address format: {text}\n")
                }
            );
            return Err(Failed);
        };
        let mut node = Node::connect(options, &host, port)?;
        node.require_cluster()?;
        node.refresh()?;
        node.row.bus_port = bus.or(node.row.bus_port);
        node.require_empty()?;
        nodes.push(node);
    }
    let per_primary = usize::try_from(options.cluster.replicas).unwrap_or(0);
    let count = nodes.len() / (per_primary + 1);
    enough(options, nodes.len(), count, per_primary)?;
    let word = if options.face == Face::Redis { "nodes" } else { "node(s)" };
    log::step(&format!(">>> Performing hash slots allocation on {} {word}...\n", nodes.len()));
    let order = interleave(&nodes);
    allocate(options, &mut nodes, &order, count);
    assign_replicas(options, &mut nodes, &order, count, per_primary);
    optimise(options, &mut nodes);
    let mut topology =
        Topology { options: options.clone(), nodes, unreachable_primaries: 0, unreachable: Vec::new() };
    topology.show_nodes();
    if !confirm(options, "Can I set the above configuration?") {
        return Ok(());
    }
    join(&mut topology)
}

fn enough(options: &Options, nodes: usize, primaries: usize, per_primary: usize) -> Outcome {
    if primaries >= 3 {
        return Ok(());
    }
    if options.face == Face::Redis {
        log::error(&format!(
            "*** ERROR: Invalid configuration for cluster creation.\n*** Redis Cluster requires at least 3 master \
             nodes.\n*** This is not possible with {nodes} nodes and {per_primary} replicas per node."
        ));
        log::error(&format!("\n*** At least {} nodes are required.\n", 3 * (per_primary + 1)));
        return Err(Failed);
    }
    log::step(&format!(
        "Requested to create a cluster with {primaries} primaries and {per_primary} replicas per primary.\n"
    ));
    let product = options.face.product();
    let question =
        format!("{product} cluster requires at least 3 primary nodes for automatic failover. Are you sure?");
    if primaries > 0 && confirm(options, &question) { Ok(()) } else { Err(Failed) }
}

/// Nodes in turns by host, so that neighbours are on different ones.
fn interleave(nodes: &[Node]) -> Vec<usize> {
    let mut hosts: Vec<(String, Vec<usize>)> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        match hosts.iter_mut().find(|(host, _)| *host == node.row.host) {
            Some((_, list)) => list.push(index),
            None => hosts.push((node.row.host.clone(), vec![index])),
        }
    }
    let longest = hosts.iter().map(|(_, list)| list.len()).max().unwrap_or(0);
    (0..longest).flat_map(|turn| hosts.iter().filter_map(move |(_, list)| list.get(turn).copied())).collect()
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn allocate(options: &Options, nodes: &mut [Node], order: &[usize], count: usize) {
    let share = f64::from(SLOTS) / count as f64;
    let (mut first, mut cursor) = (0u16, 0.0f64);
    let word = if options.face == Face::Redis { "Master" } else { "Primary" };
    for (place, index) in order.iter().take(count).enumerate() {
        let mut last = (cursor + share - 1.0).round() as u16;
        if last >= SLOTS || place + 1 == count {
            last = SLOTS - 1;
        }
        last = last.max(first);
        say!("{word}[{place}] -> Slots {first} - {last}\n");
        let node = &mut nodes[*index];
        node.row.slots = (first..=last).collect();
        node.row.flags = vec!["master".to_owned()];
        node.dirty = true;
        first = last.saturating_add(1);
        cursor += share;
    }
}

fn assign_replicas(options: &Options, nodes: &mut [Node], order: &[usize], count: usize, per_primary: usize) {
    let mut free: Vec<usize> = order[count..].to_vec();
    if !free.is_empty() {
        // Turned by one, primaries and replicas of equal rank are less often neighbours.
        free.rotate_left(1);
    }
    let primaries = &order[..count];
    for primary in primaries {
        for _ in 0..per_primary {
            adopt(nodes, &mut free, *primary);
        }
    }
    if !free.is_empty() && options.cluster.replicas > 0 {
        say!("Adding extra replicas...\n");
        for primary in primaries.iter().cycle() {
            if free.is_empty() {
                break;
            }
            adopt(nodes, &mut free, *primary);
        }
    }
}

/// Takes a free node, on a host not yet used by this primary if there is one.
fn adopt(nodes: &mut [Node], free: &mut Vec<usize>, primary: usize) {
    let id = nodes[primary].row.id.clone();
    let mut taken = vec![nodes[primary].row.host.clone()];
    taken.extend(
        nodes
            .iter()
            .filter(|node| node.row.replicate.as_ref() == Some(&id))
            .map(|node| node.row.host.clone()),
    );
    let other = free.iter().position(|index| !taken.contains(&nodes[*index].row.host));
    if free.is_empty() {
        return;
    }
    let chosen = free.remove(other.unwrap_or(0));
    say!("Adding replica {} to {}\n", nodes[chosen].name(), nodes[primary].name());
    nodes[chosen].row.replicate = Some(id);
    nodes[chosen].row.flags = vec!["slave".to_owned()];
    nodes[chosen].dirty = true;
    nodes[primary].replicas += 1;
}

/// Counts of a node sharing its host with its primary (heavy) and with a sibling (light).
fn score(nodes: &[Node]) -> (usize, usize) {
    let (mut heavy, mut light) = (0, 0);
    for (index, node) in nodes.iter().enumerate() {
        let Some(primary) = &node.row.replicate else { continue };
        heavy +=
            nodes.iter().filter(|other| other.row.id == *primary && other.row.host == node.row.host).count();
        let sibling =
            |other: &&Node| other.row.replicate.as_ref() == Some(primary) && other.row.host == node.row.host;
        light += nodes[index + 1..].iter().filter(sibling).count();
    }
    (heavy, light)
}

/// Swaps replicas while that helps.
fn optimise(options: &Options, nodes: &mut [Node]) {
    let mut best = score(nodes);
    if best == (0, 0) {
        return;
    }
    let (replicas, primary) = (options.face.replicas(), options.face.primary());
    log::step(&format!(">>> Trying to optimize {replicas} allocation for anti-affinity\n"));
    let movable: Vec<usize> =
        (0..nodes.len()).filter(|index| nodes[*index].row.replicate.is_some()).collect();
    let mut improved = true;
    while improved && best != (0, 0) {
        improved = false;
        for (place, one) in movable.iter().enumerate() {
            for other in &movable[place + 1..] {
                swap(nodes, *one, *other);
                let now = score(nodes);
                if now < best {
                    best = now;
                    improved = true;
                } else {
                    swap(nodes, *one, *other);
                }
            }
        }
    }
    match best {
        (0, 0) => log::ok("[OK] Perfect anti-affinity obtained!\n"),
        (0, _) => {
            log::warning(&format!("[WARNING] Some {replicas} of the same {primary} are in the same host\n"))
        }
        _ => log::warning(&format!("[WARNING] Some {replicas} are in the same host as their {primary}\n")),
    }
}

fn swap(nodes: &mut [Node], one: usize, other: usize) {
    let first = nodes[one].row.replicate.take();
    nodes[one].row.replicate = nodes[other].row.replicate.take();
    nodes[other].row.replicate = first;
}

/// Sends the plan to the nodes and waits for them to agree.
fn join(topology: &mut Topology) -> Outcome {
    for node in topology.nodes.iter_mut().filter(|node| node.is_primary() && !node.row.slots.is_empty()) {
        let mut argv = vec!["CLUSTER".to_owned(), "ADDSLOTS".to_owned()];
        argv.extend(node.row.slots.iter().map(u16::to_string));
        node.call(&argv)?;
    }
    log::step(">>> Nodes configuration updated\n");
    log::step(">>> Assign a different config epoch to each node\n");
    for (epoch, node) in topology.nodes.iter_mut().enumerate() {
        // Refused when the node has one already: good enough.
        node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(epoch + 1).to_string()])?;
    }
    log::step(">>> Sending CLUSTER MEET messages to join the cluster\n");
    let meet = topology.nodes[0].meet_command();
    for node in &mut topology.nodes[1..] {
        node.call(&meet)?;
    }
    let count = topology.nodes.len();
    topology.wait_for_join(count)?;
    for node in &mut topology.nodes {
        if let Some(primary) = node.row.replicate.clone() {
            node.call(&["CLUSTER", "REPLICATE", &primary])?;
        }
    }
    if topology.nodes.iter().any(|node| node.row.replicate.is_some()) {
        // Gossip has to carry the new roles to the entry node before they are checked.
        wait_for_roles(topology)?;
    }
    let (host, port) = (topology.nodes[0].row.host.clone(), topology.nodes[0].row.port);
    let mut loaded = Topology::from(&topology.options, &host, port)?;
    loaded.check(false, false)
}

fn wait_for_roles(topology: &mut Topology) -> Outcome {
    let wanted = topology.nodes.iter().filter(|node| node.row.replicate.is_some()).count();
    for _ in 0..100 {
        let rows = topology.nodes[0].rows()?;
        if rows.iter().filter(|row| row.replicate.is_some()).count() >= wanted {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Ok(())
}
