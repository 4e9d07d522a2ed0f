//! Subcommands that look at, extend or shrink a cluster.

use std::path::Path;

use resp::reply::Value;

use super::node::runs;
use super::{BAD_ADDRESS, Failed, Node, Outcome, Topology, address, entry, log};
use crate::face::Face;
use crate::options::Options;
use crate::{format, say, warn};

/// `info`
pub fn info(options: &Options) -> Outcome {
    Topology::load(options)?.show_info()
}

/// `check`
pub fn check(options: &Options) -> Outcome {
    let mut topology = Topology::load(options)?;
    topology.show_info()?;
    topology.check(false, false)
}

/// `fix`
pub fn fix(options: &Options) -> Outcome {
    let mut topology = Topology::load(options)?;
    topology.show_info()?;
    topology.check(false, true)
}

/// `add-node NEW EXISTING`
pub fn add_node(options: &Options) -> Outcome {
    let argv = &options.cluster.argv;
    let (Some((host, port, _)), Some((known_host, known_port, _))) = (address(&argv[1]), address(&argv[2]))
    else {
        warn!("{BAD_ADDRESS}");
        return Err(Failed);
    };
    log::step(&format!(">>> Adding node {host}:{port} to cluster {known_host}:{known_port}\n"));
    let mut topology = Topology::from(options, &known_host, known_port)?;
    topology.check(false, false)?;
    let primary = if options.cluster.replica { Some(choose_primary(&topology)?) } else { None };
    let Ok(mut node) = Node::connect(options, &host, port) else {
        log::error(&format!("[ERR] Sorry, can't connect to node {host}:{port}\n"));
        return Err(Failed);
    };
    node.require_cluster()?;
    node.refresh()?;
    node.require_empty()?;
    if primary.is_none() {
        copy_functions(&mut topology.nodes[0], &mut node)?;
    }
    log::step(&format!(">>> Send CLUSTER MEET to node {} to make it join the cluster.\n", node.name()));
    let meet = topology.nodes[0].meet_command();
    node.call(&meet)?;
    if let Some(primary) = primary {
        let (id, name) = (topology.nodes[primary].row.id.clone(), topology.nodes[primary].name());
        let count = topology.nodes.len() + 1;
        topology.nodes.push(node);
        topology.wait_for_join(count)?;
        log::step(&format!(">>> Configure node as replica of {name}.\n"));
        let node = topology.nodes.last_mut().ok_or(Failed)?;
        node.call(&["CLUSTER", "REPLICATE", &id])?;
    }
    log::ok("[OK] New node added correctly.\n");
    Ok(())
}

fn choose_primary(topology: &Topology) -> Result<usize, Failed> {
    if let Some(id) = &topology.options.cluster.master_id {
        let found = topology.find(id).filter(|index| topology.nodes[*index].is_primary());
        return found.ok_or_else(|| {
            log::error(&format!("[ERR] No such {} ID {id}\n", topology.face().primary()));
            Failed
        });
    }
    let index =
        topology.primaries().into_iter().min_by_key(|index| topology.nodes[*index].replicas).ok_or(Failed)?;
    say!("Automatically selected {} {}\n", topology.face().primary(), topology.nodes[index].name());
    Ok(index)
}

/// A new primary must know the cluster's functions.
fn copy_functions(from: &mut Node, to: &mut Node) -> Outcome {
    log::step(">>> Getting functions from cluster\n");
    let dump = match from.ask(&["FUNCTION", "DUMP"])? {
        Value::Error(text) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            log::step(&format!(
                ">>> Failed retrieving Functions from the cluster, skip this step as Redis version do not support \
                 function command (error = '{text}')\n"
            ));
            return Ok(());
        }
        dump => dump,
    };
    log::step(&format!(">>> Send FUNCTION LIST to {} to verify there is no functions in it\n", to.name()));
    let list = to.ask(&["FUNCTION", "LIST"])?;
    if list.is_error() {
        log::error(&format!(">>> Failed on CLUSTER LIST (error = '{}')\r\n", list.to_text()));
        return Err(Failed);
    }
    if list.as_slice().is_some_and(|list| !list.is_empty()) {
        log::step(
            ">>> New node already contains functions and can not be added to the cluster. Use FUNCTION FLUSH and try \
             again.\r\n",
        );
        return Err(Failed);
    }
    log::step(&format!(">>> Send FUNCTION RESTORE to {}\n", to.name()));
    let payload = dump.as_bytes().unwrap_or_default();
    let restored = to.ask(&[b"FUNCTION".as_slice(), b"RESTORE", payload])?;
    if restored.is_error() {
        log::error(&format!(
            ">>> Failed loading functions to the new node (error = '{}')\r\n",
            restored.to_text()
        ));
        return Err(Failed);
    }
    Ok(())
}

/// `del-node HOST:PORT ID`
pub fn del_node(options: &Options) -> Outcome {
    let (host, port, used) = entry(options)?;
    let id = options.cluster.argv.get(1 + used).ok_or(Failed)?.clone();
    log::step(&format!(">>> Removing node {id} from cluster {host}:{port}\n"));
    let mut topology = Topology::from(options, &host, port)?;
    let lost = topology.unreachable.iter().find(|row| row.id == id.to_ascii_lowercase()).cloned();
    let index = topology.find(&id);
    let (row, name) = match (index, lost) {
        (Some(index), _) => (topology.nodes[index].row.clone(), topology.nodes[index].name()),
        (None, Some(row)) => (row.clone(), format!("{}:{}", row.host, row.port)),
        (None, None) => {
            log::error(&format!("[ERR] No such node ID {id}\n"));
            return Err(Failed);
        }
    };
    if !row.slots.is_empty() {
        log::error(&format!("[ERR] Node {name} is not empty! Reshard data away and try again.\n"));
        return Err(Failed);
    }
    forget(&mut topology, index, &row.id)?;
    match index {
        Some(index) => {
            log::step(">>> Sending CLUSTER RESET SOFT to the deleted node.\n");
            topology.nodes[index].call(&["CLUSTER", "RESET", "SOFT"])?;
        }
        None => log::warning(&format!(
            ">>> WARNING: Could not connect to node {name}, unable to send CLUSTER RESET.\n"
        )),
    }
    if options.face != Face::Redis {
        log::ok(&format!("[OK] Node {} removed from the cluster.\n", row.id));
    }
    Ok(())
}

/// Makes all other nodes forget one; its replicas get the primary with the fewest.
fn forget(topology: &mut Topology, index: Option<usize>, id: &str) -> Outcome {
    log::step(">>> Sending CLUSTER FORGET messages to the cluster...\n");
    for row in topology.unreachable.iter().filter(|row| row.id != id) {
        let (host, port) = (&row.host, row.port);
        log::warning(&format!(
            ">>> Skipping unreachable node {host}:{port}. It may need manual reconfiguration when it comes back online.\n"
        ));
    }
    for other in (0..topology.nodes.len()).filter(|other| Some(*other) != index) {
        if topology.nodes[other].row.replicate.as_deref() == Some(id) {
            let heirs = topology.primaries().into_iter().filter(|heir| Some(*heir) != index);
            let name = topology.nodes[other].name();
            let Some(heir) = heirs.min_by_key(|heir| topology.nodes[*heir].replicas) else {
                log::error(&format!(
                    "[ERR] Could not find a reachable primary node to reassign replica {name}.\n"
                ));
                return Err(Failed);
            };
            let (heir_id, heir_name) = (topology.nodes[heir].row.id.clone(), topology.nodes[heir].name());
            log::step(&format!(">>> {name} as replica of {heir_name}\n"));
            topology.nodes[other].call(&["CLUSTER", "REPLICATE", &heir_id])?;
        }
        topology.nodes[other].call(&["CLUSTER", "FORGET", id])?;
    }
    Ok(())
}

/// `call HOST:PORT CMD ARG ...`
pub fn call(options: &Options) -> Outcome {
    let (host, port, used) = entry(options)?;
    let mut argv: Vec<Vec<u8>> =
        options.cluster.argv[1 + used..].iter().map(|word| word.as_bytes().to_vec()).collect();
    argv.extend(options.words.iter().cloned());
    if argv.is_empty() {
        warn!("[ERR] Wrong number of arguments for specified --cluster sub command\n");
        return Err(Failed);
    }
    let mut topology = Topology::from(options, &host, port)?;
    log::step(">>> Calling");
    for word in &argv {
        say!(" {}", String::from_utf8_lossy(word));
    }
    say!("\n");
    for node in &mut topology.nodes {
        let skipped = (options.cluster.only_primaries && !node.is_primary())
            || (options.cluster.only_replicas && node.is_primary());
        if skipped {
            continue;
        }
        let name = node.name();
        match node.ask(&argv) {
            Ok(value) => {
                let text = format::reply(&value, crate::options::Output::Raw, true, options);
                say!("{name}: ");
                crate::emit::out(&text);
                if text.last() != Some(&b'\n') {
                    say!("\n");
                }
            }
            Err(Failed) => say!("{name}: Failed!\n"),
        }
    }
    Ok(())
}

/// `set-timeout HOST:PORT MS`
pub fn set_timeout(options: &Options) -> Outcome {
    let (host, port, used) = entry(options)?;
    let timeout = crate::number::leading_i64(options.cluster.argv.get(1 + used).ok_or(Failed)?.as_bytes());
    if timeout < 100 {
        warn!("Setting a node timeout of less than 100 milliseconds is a bad idea.\n");
        return Err(Failed);
    }
    let mut topology = Topology::from(options, &host, port)?;
    log::step(">>> Reconfiguring node timeout in every cluster node...\n");
    let (mut done, mut failed) = (0, 0);
    for node in &mut topology.nodes {
        let name = node.name();
        let mut reply = node.ask(&["CONFIG", "SET", "cluster-node-timeout", &timeout.to_string()])?;
        if !reply.is_error() {
            reply = node.ask(&["CONFIG", "REWRITE"])?;
        }
        if reply.is_error() {
            failed += 1;
            log::error(&format!("ERR setting node-timeout for {name}: {}\n", reply.to_text()));
        } else {
            done += 1;
            log::warning(&format!("*** New timeout set for {name}\n"));
        }
    }
    log::step(&format!(">>> New node timeout set. {done} OK, {failed} ERR.\n"));
    if failed == 0 { Ok(()) } else { Err(Failed) }
}

/// `backup HOST:PORT DIRECTORY`
pub fn backup(options: &Options) -> Outcome {
    let mut topology = Topology::load(options)?;
    let sound = topology.check(false, false).is_ok();
    let directory = options.cluster.argv.last().cloned().unwrap_or_default();
    if !Path::new(&directory).is_dir() {
        if options.face == Face::Redis {
            log::error(&format!("[ERR] The specified backup directory '{directory}' does not exist.\n"));
        } else {
            log::error(&format!("[ERR] {directory} is not a valid directory\n"));
        }
        return Err(Failed);
    }
    for node in topology.nodes.iter().filter(|node| node.is_primary()) {
        log::step(&format!(">>> Node {} -> Saving RDB...\n", node.name()));
        let product = options.face.product().to_ascii_lowercase();
        let file =
            format!("{directory}/{product}-node-{}-{}-{}.rdb", node.row.host, node.row.port, node.row.id);
        let mut fresh = node.fresh()?;
        if let Err(error) = crate::modes::rdb::fetch(fresh.connection(), options.face, &file, false) {
            warn!("{}\n", error.0);
            log::error("[ERR] Failed to back cluster!\n");
            return Err(Failed);
        }
    }
    let file = format!("{directory}/nodes.json");
    say!("Saving cluster configuration to: {file}\n");
    let entries: Vec<String> = topology.nodes.iter().map(json).collect();
    if std::fs::write(&file, format!("[\n{}\n]", entries.join(",\n"))).is_err() {
        warn!("Could not save nodes to: {file}\n");
        return Err(Failed);
    }
    if !sound {
        log::warning(
            "*** Cluster seems to have some problems, please be aware of it if you're going to restore this backup.\n",
        );
    }
    log::ok(&format!("[OK] Backup created into: {directory}\n"));
    Ok(())
}

/// A node as an object of `nodes.json`.
fn json(node: &Node) -> String {
    let pair = |(first, last): &(u16, u16)| {
        if first == last { format!("[{first}]") } else { format!("[{first},{last}]") }
    };
    let slots: Vec<String> = runs(&node.row.slots).iter().map(pair).collect();
    let flags: Vec<&str> =
        node.row.flags.iter().map(String::as_str).filter(|flag| *flag != "myself").collect();
    let replicate = node.row.replicate.as_ref().map_or("null".to_owned(), |id| format!("\"{id}\""));
    let open = |name: &str, list: &[(u16, String)]| {
        let items: Vec<String> = list.iter().map(|(slot, id)| format!("\"{slot}\": \"{id}\"")).collect();
        if items.is_empty() { String::new() } else { format!(",\n    \"{name}\": {{{}}}", items.join(",")) }
    };
    format!(
        "  {{\n    \"name\": \"{}\",\n    \"host\": \"{}\",\n    \"port\": {},\n    \"replicate\": {replicate},\n    \
         \"slots\": [{}],\n    \"slots_count\": {},\n    \"flags\": \"{}\",\n    \"current_epoch\": {}{}{}\n  }}",
        node.row.id,
        node.row.host,
        node.row.port,
        slots.join(","),
        node.row.slots.len(),
        flags.join(","),
        node.row.epoch,
        open("migrating", &node.row.migrating),
        open("importing", &node.row.importing),
    )
}
