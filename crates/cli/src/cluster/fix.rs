//! Repairs: slots left open by a move that broke off, slots without or with several owners.

use std::collections::BTreeSet;

use super::migrate::{self, Manner};
use super::{Failed, Outcome, SLOTS, Topology, confirm, log};

/// Repairing without all primaries may orphan data: only when told.
fn allowed(topology: &Topology, what: &str) -> Outcome {
    let lost = topology.unreachable_primaries;
    if lost == 0 || topology.options.cluster.fix_unreachable {
        return Ok(());
    }
    let (program, words) = (topology.face().program(), topology.face().primaries());
    log::error(&format!(
        "*** Fixing {what} with {lost} unreachable {words} is dangerous: {program} will assume that slots about {words} \
         that are not reachable are not covered, and will try to reassign them to the reachable nodes. This can cause \
         data loss and is rarely what you want to do. If you really want to proceed use the \
         --cluster-fix-with-unreachable-{words} option.\n"
    ));
    Err(Failed)
}

/// Closes all open slots.
pub fn open_slots(topology: &mut Topology, slots: &[u16]) -> Outcome {
    allowed(topology, "open slots")?;
    let mut done = Ok(());
    for slot in slots {
        if open_slot(topology, *slot).is_err() {
            done = Err(Failed);
        }
    }
    done
}

fn count_keys(topology: &mut Topology, index: usize, slot: u16) -> Result<i64, Failed> {
    let reply = topology.nodes[index].call(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()])?;
    Ok(reply.as_integer().unwrap_or(0))
}

fn set_stable(topology: &mut Topology, index: usize, slot: u16) -> Outcome {
    topology.nodes[index].call(&["CLUSTER", "SETSLOT", &slot.to_string(), "STABLE"]).map(drop)
}

/// Indexes whose own row says that the slot is on its way out (or in).
fn marked(topology: &Topology, slot: u16, outgoing: bool) -> Vec<usize> {
    let has = |index: &usize| {
        let row = &topology.nodes[*index].row;
        let list = if outgoing { &row.migrating } else { &row.importing };
        list.iter().any(|(open, _)| *open == slot)
    };
    topology.primaries().into_iter().filter(has).collect()
}

fn names(topology: &Topology, indexes: &[usize]) -> String {
    indexes.iter().map(|index| topology.nodes[*index].name()).collect::<Vec<_>>().join(",")
}

fn open_slot(topology: &mut Topology, slot: u16) -> Outcome {
    log::step(&format!(">>> Fixing open slot {slot}\n"));
    let owner = owner_of(topology, slot)?;
    let migrating: Vec<usize> = marked(topology, slot, true);
    let mut importing: Vec<usize> =
        marked(topology, slot, false).into_iter().filter(|index| *index != owner).collect();
    for index in topology.primaries() {
        let stray = index != owner && !migrating.contains(&index) && !importing.contains(&index);
        if stray && count_keys(topology, index, slot)? > 0 {
            let name = topology.nodes[index].name();
            log::warning(&format!("*** Found keys about slot {slot} in non-owner node {name}!\n"));
            importing.push(index);
        }
    }
    if !migrating.is_empty() {
        crate::say!("Set as migrating in: {}\n", names(topology, &migrating));
    }
    if !importing.is_empty() {
        crate::say!("Set as importing in: {}\n", names(topology, &importing));
    }
    let moved = Manner { cold: true, ..Default::default() };
    match (migrating.as_slice(), importing.as_slice()) {
        ([from], [to]) if *from == owner => {
            let (from_name, to_name) = (topology.nodes[*from].name(), topology.nodes[*to].name());
            log::step(&format!(">>> Case 1: Moving slot {slot} from {from_name} to {to_name}\n"));
            migrate::slot(topology, *from, *to, slot, moved)
        }
        ([], nodes) if !nodes.is_empty() => {
            let name = topology.nodes[owner].name();
            log::step(&format!(">>> Case 2: Moving all the {slot} slot keys to its owner {name}\n"));
            gather(topology, nodes, owner, slot)
        }
        ([from], nodes) if nodes.len() > 1 && *from == owner => {
            log::step(&format!(">>> Case 3: Closing slot {slot} on both migrating and importing nodes.\n"));
            gather(topology, nodes, owner, slot)?;
            set_stable(topology, *from, slot)
        }
        ([from], []) => {
            let from = *from;
            let name = topology.nodes[from].name();
            log::step(&format!(">>> Case 4: Closing slot {slot} on {name}\n"));
            if from != owner && count_keys(topology, from, slot)? > 0 {
                gather(topology, &[from], owner, slot)
            } else {
                set_stable(topology, from, slot)
            }
        }
        ([], []) => set_stable(topology, owner, slot),
        _ => {
            let (from, to, name) =
                (names(topology, &migrating), names(topology, &importing), topology.nodes[owner].name());
            let program = topology.face().program();
            log::error(&format!(
                "[ERR] Sorry, {program} can't fix this slot yet (work in progress). Slot is set as migrating in {from}, \
                 as importing in {to}, owner is {name}\n"
            ));
            Err(Failed)
        }
    }
}

/// Moves strays to the owner and closes the slot on the nodes that had them.
fn gather(topology: &mut Topology, nodes: &[usize], owner: usize, slot: u16) -> Outcome {
    for index in nodes.iter().copied().filter(|index| *index != owner) {
        migrate::slot(topology, index, owner, slot, Manner { keep_owner: true, cold: true, quiet: false })?;
        let name = topology.nodes[index].name();
        log::step(&format!(">>> Setting {slot} as STABLE in {name}\n"));
        set_stable(topology, index, slot)?;
    }
    Ok(())
}

/// The one owner; when there is none or several, the node with the most keys becomes it.
fn owner_of(topology: &mut Topology, slot: u16) -> Result<usize, Failed> {
    let owners: Vec<usize> = topology
        .primaries()
        .into_iter()
        .filter(|index| topology.nodes[*index].row.slots.contains(&slot))
        .collect();
    if let [owner] = owners.as_slice() {
        return Ok(*owner);
    }
    log::step(">>> No single clear owner for the slot, selecting an owner by # of keys...\n");
    let mut best: Option<(i64, usize)> = None;
    for index in topology.primaries() {
        let keys = count_keys(topology, index, slot)?;
        if best.is_none_or(|(most, _)| keys > most) {
            best = Some((keys, index));
        }
    }
    let Some((_, owner)) = best else {
        log::error("[ERR] Can't select a slot owner. Impossible to fix.\n");
        return Err(Failed);
    };
    let name = topology.nodes[owner].name();
    log::warning(&format!("*** Configuring {name} as the slot owner\n"));
    let number = slot.to_string();
    for index in owners.into_iter().filter(|index| *index != owner) {
        topology.nodes[index].call(&["CLUSTER", "DELSLOTS", &number])?;
        topology.nodes[index].row.slots.remove(&slot);
    }
    assign(topology, owner, slot)?;
    Ok(owner)
}

fn assign(topology: &mut Topology, owner: usize, slot: u16) -> Outcome {
    let number = slot.to_string();
    let node = &mut topology.nodes[owner];
    node.call(&["CLUSTER", "SETSLOT", &number, "STABLE"])?;
    if !node.row.slots.contains(&slot) {
        // Refused when the node believes to own it already: then there is nothing to do.
        node.ask(&["CLUSTER", "ADDSLOTS", &number])?;
        node.row.slots.insert(slot);
    }
    node.call(&["CLUSTER", "BUMPEPOCH"])?;
    Ok(())
}

/// Gives every uncovered slot an owner.
pub fn coverage(topology: &mut Topology, slots: &[u16]) -> Outcome {
    allowed(topology, "slots coverage")?;
    log::step(">>> Fixing slots coverage...\n");
    let (mut none, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
    for slot in slots.iter().copied() {
        let mut holders = Vec::new();
        for index in topology.primaries() {
            if count_keys(topology, index, slot)? > 0 {
                holders.push(index);
            }
        }
        match holders.as_slice() {
            [] => none.push(slot),
            [only] => one.push((slot, *only)),
            _ => many.push((slot, holders)),
        }
    }
    let options = topology.options.clone();
    let list = |slots: &mut dyn Iterator<Item = u16>| {
        slots.map(|slot| slot.to_string()).collect::<Vec<_>>().join(",")
    };
    if !none.is_empty() {
        let slots = list(&mut none.iter().copied());
        crate::say!("The following uncovered slots have no keys across the cluster:\n{slots}\n");
        if !confirm(&options, "Fix these slots by covering with a random node?") {
            return Err(Failed);
        }
        for slot in none {
            let primaries = topology.primaries();
            let owner = *primaries
                .iter()
                .min_by_key(|index| topology.nodes[**index].row.slots.len())
                .ok_or(Failed)?;
            cover(topology, owner, slot)?;
        }
    }
    if !one.is_empty() {
        let slots = list(&mut one.iter().map(|(slot, _)| *slot));
        crate::say!("The following uncovered slots have keys in just one node:\n{slots}\n");
        if !confirm(&options, "Fix these slots by covering with those nodes?") {
            return Err(Failed);
        }
        for (slot, owner) in one {
            cover(topology, owner, slot)?;
        }
    }
    if !many.is_empty() {
        let slots = list(&mut many.iter().map(|(slot, _)| *slot));
        crate::say!("The following uncovered slots have keys in multiple nodes:\n{slots}\n");
        if !confirm(&options, "Fix these slots by moving keys into a single node?") {
            return Err(Failed);
        }
        for (slot, holders) in many {
            let mut sizes = Vec::new();
            for index in &holders {
                sizes.push((count_keys(topology, *index, slot)?, *index));
            }
            let (_, owner) = sizes.into_iter().max().ok_or(Failed)?;
            let name = topology.nodes[owner].name();
            log::step(&format!(">>> Covering slot {slot} moving keys to {name}\n"));
            assign(topology, owner, slot)?;
            for index in holders.into_iter().filter(|index| *index != owner) {
                let manner = Manner { keep_owner: true, ..Default::default() };
                migrate::slot(topology, index, owner, slot, manner)?;
                set_stable(topology, index, slot)?;
            }
        }
    }
    Ok(())
}

fn cover(topology: &mut Topology, owner: usize, slot: u16) -> Outcome {
    let name = topology.nodes[owner].name();
    log::step(&format!(">>> Covering slot {slot} with {name}\n"));
    assign(topology, owner, slot)
}

/// Looks for slots with several owners; true when there are none in the end.
pub fn multiple_owners(topology: &mut Topology, fix: bool) -> Result<bool, Failed> {
    log::step(">>> Check for multiple slot owners...\n");
    let mut sound = true;
    for slot in 0..SLOTS {
        let owners: BTreeSet<usize> = topology
            .primaries()
            .into_iter()
            .filter(|index| topology.nodes[*index].row.slots.contains(&slot))
            .collect();
        if owners.len() < 2 {
            continue;
        }
        log::warning(&format!("[WARNING] Slot {slot} has {} owners:\n", owners.len()));
        for index in &owners {
            crate::say!("    {}\n", topology.nodes[*index].name());
        }
        sound = false;
        if fix {
            log::step(&format!(">>> Fixing multiple owners for slot {slot}...\n"));
            let owner = owner_of(topology, slot)?;
            let name = topology.nodes[owner].name();
            log::step(&format!(">>> Setting slot {slot} owner: {name}\n"));
            let rest: Vec<usize> = owners.into_iter().filter(|index| *index != owner).collect();
            gather(topology, &rest, owner, slot)?;
            sound = true;
        }
    }
    if sound {
        log::ok("[OK] No multiple owners found.\n");
    }
    Ok(sound)
}
