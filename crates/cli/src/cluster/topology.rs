//! The nodes of a cluster as one of them describes it, and the check of their agreement.

use std::collections::{BTreeMap, BTreeSet};

use super::node::Row;
use super::{Failed, Node, Outcome, SLOTS, entry, fix, log};
use crate::face::Face;
use crate::options::Options;
use crate::say;

/// All reachable nodes; the entry node first, the others in its order.
pub struct Topology {
    /// Flags.
    pub options: Options,
    /// Nodes that answer.
    pub nodes: Vec<Node>,
    /// Primaries with slots that do not.
    pub unreachable_primaries: usize,
    /// Rows of nodes that do not answer.
    pub unreachable: Vec<Row>,
}

impl Topology {
    /// Loads from the entry node of the command line.
    ///
    /// # Errors
    /// After a word.
    pub fn load(options: &Options) -> Result<Self, Failed> {
        let (host, port, _) = entry(options)?;
        Self::from(options, &host, port)
    }

    /// Loads from a node.
    ///
    /// # Errors
    /// After a word.
    pub fn from(options: &Options, host: &str, port: u16) -> Result<Self, Failed> {
        let mut first = Node::connect(options, host, port)?;
        first.require_cluster()?;
        let rows = first.refresh()?;
        let mut topology = Self {
            options: options.clone(),
            nodes: vec![first],
            unreachable_primaries: 0,
            unreachable: Vec::new(),
        };
        for row in rows.iter().filter(|row| !row.is("myself") && !row.is("handshake") && !row.is("noaddr")) {
            topology.add(row);
        }
        topology.count_replicas();
        Ok(topology)
    }

    fn add(&mut self, row: &Row) {
        let host = if row.host.is_empty() { self.nodes[0].row.host.clone() } else { row.host.clone() };
        let node = Node::connect(&self.options, &host, row.port).and_then(|mut node| {
            node.refresh()?;
            Ok(node)
        });
        match node {
            Ok(node) => self.nodes.push(node),
            Err(Failed) => {
                log::error(&format!("[ERR] Unable to load info for node {host}:{}\n", row.port));
                self.unreachable_primaries += usize::from(row.is("master") && !row.slots.is_empty());
                self.unreachable.push(row.clone());
            }
        }
    }

    fn count_replicas(&mut self) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for node in &self.nodes {
            if let Some(primary) = &node.row.replicate {
                if !self.nodes.iter().any(|other| other.row.id == *primary) {
                    let (name, word) = (node.name(), self.options.face.replica());
                    log::warning(&format!(
                        "*** WARNING: {name} claims to be {word} of unknown node ID {primary}.\n"
                    ));
                }
                *counts.entry(primary.clone()).or_default() += 1;
            }
        }
        for node in &mut self.nodes {
            node.replicas = counts.get(&node.row.id).copied().unwrap_or(0);
        }
    }

    /// Indexes of primaries.
    #[must_use]
    pub fn primaries(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|index| self.nodes[*index].is_primary()).collect()
    }

    /// Index of a node by its id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<usize> {
        let id = id.to_ascii_lowercase();
        self.nodes.iter().position(|node| node.row.id == id)
    }

    /// Keys, slots and replicas of each primary.
    ///
    /// # Errors
    /// A node does not answer.
    pub fn show_info(&mut self) -> Outcome {
        let face = self.options.face;
        let (mut keys, mut count) = (0, 0);
        for index in self.primaries() {
            let node = &mut self.nodes[index];
            let size = node.call(&["DBSIZE"])?.as_integer().unwrap_or(0);
            let short: String = node.row.id.chars().take(8).collect();
            let (slots, replicas) = (node.row.slots.len(), node.replicas);
            let word = face.replicas();
            say!("{} ({short}...) -> {size} keys | {slots} slots | {replicas} {word}.\n", node.name());
            keys += size;
            count += 1;
        }
        log::ok(&format!("[OK] {keys} keys in {count} {}.\n", face.primaries()));
        #[allow(clippy::cast_precision_loss)]
        let average = keys as f64 / f64::from(SLOTS);
        say!("{average:.2} keys per slot on average.\n");
        Ok(())
    }

    /// Shows all nodes.
    pub fn show_nodes(&self) {
        for node in &self.nodes {
            say!("{}", node.describe(0));
        }
    }

    /// Agreement, open slots, coverage; mends them with `fix`. Errors are counted.
    ///
    /// # Errors
    /// Anything is wrong and stays so.
    pub fn check(&mut self, quiet: bool, fix: bool) -> Outcome {
        log::step(&format!(">>> Performing Cluster Check (using node {})\n", self.nodes[0].name()));
        if !quiet {
            self.show_nodes();
        }
        let mut sound = true;
        if self.agrees()? {
            log::ok("[OK] All nodes agree about slots configuration.\n");
        } else {
            log::error("[ERR] Nodes don't agree about configuration!\n");
            sound = false;
        }
        log::step(">>> Check for open slots...\n");
        let open = self.report_open_slots();
        if !open.is_empty() {
            sound &= fix && fix::open_slots(self, &open).is_ok();
        }
        log::step(">>> Check slots coverage...\n");
        let uncovered = self.uncovered();
        if uncovered.is_empty() {
            log::ok(&format!("[OK] All {SLOTS} slots covered.\n"));
        } else {
            log::error(&format!("[ERR] Not all {SLOTS} slots are covered by nodes.\n\n"));
            sound &= fix && fix::coverage(self, &uncovered).is_ok();
        }
        if self.options.cluster.multiple_owners {
            sound &= fix::multiple_owners(self, fix)?;
        }
        if sound { Ok(()) } else { Err(Failed) }
    }

    /// Whether all nodes see the same owners.
    ///
    /// # Errors
    /// A node does not answer.
    pub fn agrees(&mut self) -> Result<bool, Failed> {
        let mut views: BTreeSet<Vec<(String, String)>> = BTreeSet::new();
        for node in &mut self.nodes {
            let mut view: Vec<(String, String)> = node
                .rows()?
                .iter()
                .filter(|row| !row.slots.is_empty())
                .map(|row| (row.id.clone(), super::node::ranges(&row.slots)))
                .collect();
            view.sort();
            views.insert(view);
        }
        Ok(views.len() == 1)
    }

    fn report_open_slots(&self) -> Vec<u16> {
        let mut open = BTreeSet::new();
        for node in &self.nodes {
            for (state, slots) in [("migrating", &node.row.migrating), ("importing", &node.row.importing)] {
                if slots.is_empty() {
                    continue;
                }
                let list: Vec<String> = slots.iter().map(|(slot, _)| slot.to_string()).collect();
                open.extend(slots.iter().map(|(slot, _)| *slot));
                let (name, list) = (node.name(), list.join(","));
                log::warning(&format!("[WARNING] Node {name} has slots in {state} state {list}.\n"));
            }
        }
        if !open.is_empty() {
            let list: Vec<String> = open.iter().map(u16::to_string).collect();
            log::warning(&format!("[WARNING] The following slots are open: {}.\n", list.join(",")));
        }
        open.into_iter().collect()
    }

    /// Slots that nobody serves.
    #[must_use]
    pub fn uncovered(&self) -> Vec<u16> {
        let covered: BTreeSet<u16> =
            self.nodes.iter().flat_map(|node| node.row.slots.iter().copied()).collect();
        (0..SLOTS).filter(|slot| !covered.contains(slot)).collect()
    }

    /// Waits until all nodes know and agree about `count` nodes, a dot per second.
    ///
    /// # Errors
    /// A node does not answer.
    pub fn wait_for_join(&mut self, count: usize) -> Outcome {
        say!("Waiting for the cluster to join\n");
        crate::emit::flush();
        std::thread::sleep(std::time::Duration::from_secs(1));
        let mut waited = 0u32;
        loop {
            let mut knows_all = true;
            for node in &mut self.nodes {
                let rows = node.rows()?;
                let ready = rows
                    .iter()
                    .filter(|row| !row.is("handshake") && !row.is("noaddr") && row.connected)
                    .count();
                knows_all &= ready >= count;
            }
            if knows_all && self.agrees()? {
                break;
            }
            say!(".");
            crate::emit::flush();
            waited += 1;
            if waited.is_multiple_of(20) {
                log::warning(&format!("\nWarning: {} node(s) may be unreachable\n", self.nodes.len()));
            }
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        say!("\n");
        Ok(())
    }

    /// Words of the name in use.
    #[must_use]
    pub fn face(&self) -> Face {
        self.options.face
    }
}
