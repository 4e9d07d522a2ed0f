//! Moving a slot with its keys from one primary to another, key by key or (Valkey) atomically.
//!
//! Key by key: 1. the target opens the slot for import, the source for migration; 2. MIGRATE takes the keys
//! in batches; 3. the target, the source, then everybody else learns the new owner. The target learns first:
//! if we die in between, the slot has an owner.

use std::collections::BTreeSet;
use std::time::Duration;

use resp::reply::Value;

use super::node::runs;
use super::{Failed, Node, Outcome, Topology, log};
use crate::face::Face;
use crate::{emit, say};

const DEFAULT_PIPELINE: u32 = 10;
const DEFAULT_TIMEOUT_MS: u64 = 60_000;

/// How to move.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Say nothing.
    pub quiet: bool,
    /// Leave the owners alone (repairs).
    pub keep_owner: bool,
    /// The slot is open already.
    pub cold: bool,
}

/// Two nodes out of a list, both to change.
fn pair(nodes: &mut [Node], source: usize, target: usize) -> Result<(&mut Node, &mut Node), Failed> {
    match nodes.get_disjoint_mut([source, target]) {
        Ok([source, target]) => Ok((source, target)),
        Err(_) => Err(Failed),
    }
}

/// Moves one slot.
///
/// # Errors
/// After a word.
pub fn slot(topology: &mut Topology, source: usize, target: usize, slot: u16, manner: Manner) -> Outcome {
    let (from, to) = (topology.nodes[source].name(), topology.nodes[target].name());
    let redis = topology.face() == Face::Redis;
    if !manner.quiet {
        say!("Moving slot {slot} from {from} to {to}{}", if redis { ": " } else { "\n" });
        emit::flush();
    }
    let (source_id, target_id) =
        (topology.nodes[source].row.id.clone(), topology.nodes[target].row.id.clone());
    let number = slot.to_string();
    if !manner.cold {
        topology.nodes[target].call(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &source_id])?;
        topology.nodes[source].call(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &target_id])?;
    }
    keys(topology, source, target, slot, manner.quiet)?;
    if !manner.quiet {
        say!("{}", if redis { "\n" } else { "#" });
        emit::flush();
    }
    if manner.keep_owner {
        return Ok(());
    }
    let mut order = vec![target, source];
    order.extend(topology.primaries().into_iter().filter(|index| *index != source && *index != target));
    for index in order {
        let reply = topology.nodes[index].ask(&["CLUSTER", "SETSLOT", &number, "NODE", &target_id])?;
        // A node that lost its last slot has just become a replica: it learns by gossip.
        if reply.is_error() && !reply.to_text().starts_with("ERR Please use SETSLOT only with") {
            let text = reply.to_text();
            log::error(&format!("Node {} replied with error:\n{text}\n", topology.nodes[index].name()));
            return Err(Failed);
        }
    }
    topology.nodes[source].row.slots.remove(&slot);
    topology.nodes[target].row.slots.insert(slot);
    Ok(())
}

/// Moves the keys of a slot, in all databases.
fn keys(topology: &mut Topology, source: usize, target: usize, slot: u16, quiet: bool) -> Outcome {
    let databases = topology.nodes[source].ask(&["CONFIG", "GET", "cluster-databases"])?;
    let databases = databases.get("cluster-databases").and_then(Value::as_integer).unwrap_or(1);
    for db in 0..databases.max(1) {
        if databases > 1 {
            topology.nodes[source].call(&["SELECT", &db.to_string()])?;
            topology.nodes[target].call(&["SELECT", &db.to_string()])?;
        }
        keys_of_db(topology, source, target, slot, db, quiet)?;
    }
    if databases > 1 {
        topology.nodes[source].call(&["SELECT", "0"])?;
        topology.nodes[target].call(&["SELECT", "0"])?;
    }
    Ok(())
}

fn keys_of_db(
    topology: &mut Topology,
    source: usize,
    target: usize,
    slot: u16,
    db: i64,
    quiet: bool,
) -> Outcome {
    let settings = topology.options.cluster.clone();
    let count = if settings.pipeline == 0 { DEFAULT_PIPELINE } else { settings.pipeline };
    loop {
        let argv = ["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), &count.to_string()];
        let reply = topology.nodes[source].call(&argv)?;
        let keys: Vec<Vec<u8>> = reply
            .as_slice()
            .unwrap_or_default()
            .iter()
            .filter_map(|key| key.as_bytes().map(<[u8]>::to_vec))
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let mut replace = settings.replace;
        loop {
            let argv = migrate_command(topology, target, &keys, db, replace);
            let reply = topology.nodes[source].ask(&argv)?;
            let Value::Error(text) = &reply else { break };
            let text = String::from_utf8_lossy(text).into_owned();
            if !text.contains("BUSYKEY") || replace {
                log::error(&format!("\n{text}\n"));
                return Err(Failed);
            }
            log::warning("\n*** Target key exists\n");
            same_values(topology, source, target, &keys)?;
            log::warning("*** Replacing target keys...\n");
            replace = true;
        }
        if !quiet {
            say!("{}", ".".repeat(keys.len()));
            emit::flush();
        }
    }
}

fn migrate_command(
    topology: &Topology,
    target: usize,
    keys: &[Vec<u8>],
    db: i64,
    replace: bool,
) -> Vec<Vec<u8>> {
    let options = &topology.options;
    let timeout = match options.cluster.timeout_ms {
        0 => DEFAULT_TIMEOUT_MS,
        timeout => timeout,
    };
    let node = &topology.nodes[target];
    let mut argv: Vec<Vec<u8>> = vec![
        b"MIGRATE".to_vec(),
        node.ip().into_bytes(),
        node.row.port.to_string().into_bytes(),
        Vec::new(),
        db.to_string().into_bytes(),
        timeout.to_string().into_bytes(),
    ];
    if replace {
        argv.push(b"REPLACE".to_vec());
    }
    argv.extend(credentials(options.user.as_deref(), options.auth.as_deref()));
    argv.push(b"KEYS".to_vec());
    argv.extend(keys.iter().cloned());
    argv
}

/// AUTH words of MIGRATE.
pub fn credentials(user: Option<&str>, password: Option<&str>) -> Vec<Vec<u8>> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    match (user, password) {
        (Some(user), Some(password)) => vec![b"AUTH2".to_vec(), bytes(user), bytes(password)],
        (None, Some(password)) => vec![b"AUTH".to_vec(), bytes(password)],
        _ => Vec::new(),
    }
}

/// Existing keys may be replaced only by equal values.
fn same_values(topology: &mut Topology, source: usize, target: usize, keys: &[Vec<u8>]) -> Outcome {
    log::warning("*** Checking key values on both nodes...\n");
    let mut argv: Vec<Vec<u8>> = vec![b"DEBUG".to_vec(), b"DIGEST-VALUE".to_vec()];
    argv.extend(keys.iter().cloned());
    let (first, second) = pair(&mut topology.nodes, source, target)?;
    let (ours, theirs) = (first.call(&argv), second.call(&argv));
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else {
        log::error("*** Value check failed!\n");
        return Err(Failed);
    };
    let none = Value::Bulk(b"0000000000000000000000000000000000000000".to_vec());
    let digests = ours.as_slice().unwrap_or_default().iter().zip(theirs.as_slice().unwrap_or_default());
    let differing: Vec<String> = keys
        .iter()
        .zip(digests)
        .filter(|(_, (ours, theirs))| ours != theirs && theirs.as_bytes() != none.as_bytes())
        .map(|(key, _)| String::from_utf8_lossy(key).into_owned())
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    let (from, to) = (first.name(), second.name());
    let list: String = differing.iter().map(|key| format!("    - {key}\n")).collect();
    log::error(&format!(
        "*** Found {} key(s) in both source node and target node having different values.\n    Source node: {from}\n    \
         Target node: {to}\n    Keys(s):\n{list}Please fix the above key(s) manually and try again or relaunch the \
         command \nwith --cluster-replace option to force key overriding.\n",
        differing.len()
    ));
    Err(Failed)
}

/// Moves slots in one go with CLUSTER MIGRATESLOTS and waits for the end.
///
/// # Errors
/// After a word.
pub fn atomic(topology: &mut Topology, source: usize, target: usize, slots: &BTreeSet<u16>) -> Outcome {
    let (from, to) = (topology.nodes[source].name(), topology.nodes[target].name());
    let target_id = topology.nodes[target].row.id.clone();
    for (first, last) in runs(slots) {
        let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
        say!("Moving slot range {range} from {from} to {to} via atomic slot migration\n");
        emit::flush();
        let argv = [
            "CLUSTER",
            "MIGRATESLOTS",
            "SLOTSRANGE",
            &first.to_string(),
            &last.to_string(),
            "NODE",
            &target_id,
        ];
        topology.nodes[source].call(&argv)?;
        let wanted = format!("{first}-{last}");
        loop {
            let jobs = topology.nodes[source].call(&["CLUSTER", "GETSLOTMIGRATIONS"])?;
            let job = jobs.as_slice().unwrap_or_default().iter().find(|job| {
                let text = |field: &str| job.get(field).map(Value::to_text).unwrap_or_default();
                text("slot_ranges").split(' ').any(|range| range == wanted || range == first.to_string())
                    && text("operation") == "EXPORT"
            });
            let text =
                |field: &str| job.and_then(|job| job.get(field)).map(Value::to_text).unwrap_or_default();
            match text("state").as_str() {
                "success" => break,
                "failed" | "cancelled" | "" => {
                    log::error(&format!("Atomic slot migration failed: {}\n", text("message")));
                    return Err(Failed);
                }
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }
    for slot in slots {
        topology.nodes[source].row.slots.remove(slot);
        topology.nodes[target].row.slots.insert(*slot);
    }
    Ok(())
}
