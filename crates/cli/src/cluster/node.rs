//! One node: its address, its own row of CLUSTER NODES, and a connection.

use std::collections::BTreeSet;

use resp::reply::Value;

use super::{Failed, log};
use crate::connection::Connection;
use crate::options::Options;
use crate::session::Session;
use crate::warn;

/// A row of CLUSTER NODES.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// 40 hex digits.
    pub id: String,
    /// Address as the row gives it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Port of the cluster bus.
    pub bus_port: Option<u16>,
    /// `master`, `slave`, `myself`, `fail` and so on.
    pub flags: Vec<String>,
    /// The primary of a replica.
    pub replicate: Option<String>,
    /// Config epoch.
    pub epoch: u64,
    /// `connected` or not.
    pub connected: bool,
    /// Slots served.
    pub slots: BTreeSet<u16>,
    /// Slots on their way out, with the node that gets them. Only in a node's own row.
    pub migrating: Vec<(u16, String)>,
    /// Slots on their way in.
    pub importing: Vec<(u16, String)>,
}

impl Row {
    /// Reads one line; `None` when it is none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [id, address, flags, replicate, _, _, epoch, link, slots @ ..] = fields.as_slice() else {
            return None;
        };
        let address = address.split(',').next()?;
        let (host, port, bus_port) = super::address(address)?;
        let mut row = Self {
            id: (*id).to_owned(),
            host,
            port,
            bus_port,
            flags: flags.split(',').map(str::to_owned).collect(),
            replicate: (*replicate != "-").then(|| (*replicate).to_owned()),
            epoch: epoch.parse().unwrap_or(0),
            connected: *link == "connected",
            ..Self::default()
        };
        for slot in slots {
            row.add_slots(slot)?;
        }
        Some(row)
    }

    fn add_slots(&mut self, text: &str) -> Option<()> {
        if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            if let Some((slot, id)) = inner.split_once("->-") {
                self.migrating.push((slot.parse().ok()?, id.to_owned()));
            } else if let Some((slot, id)) = inner.split_once("-<-") {
                self.importing.push((slot.parse().ok()?, id.to_owned()));
            }
            return Some(());
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        self.slots.extend(first.parse::<u16>().ok()?..=last.parse::<u16>().ok()?);
        Some(())
    }

    /// Has a flag.
    #[must_use]
    pub fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }
}

/// A node with its connection.
pub struct Node {
    /// What it says about itself, or others about it.
    pub row: Row,
    /// How many replicas it has.
    pub replicas: usize,
    /// Changes not yet sent: created clusters.
    pub dirty: bool,
    /// Weight for balancing.
    pub weight: f64,
    /// Slots too many (positive) or too few.
    pub balance: i64,
    connection: Connection,
    options: Options,
}

impl Node {
    /// Connects; says so when it fails.
    pub fn connect(options: &Options, host: &str, port: u16) -> Result<Self, Failed> {
        let mut options = options.clone();
        options.host = host.to_owned();
        options.port = port;
        options.socket = None;
        options.db = 0;
        let mut session = Session::new(options.clone(), false);
        if !session.connect(false) {
            return Err(Failed);
        }
        let connection = session.take_connection().ok_or(Failed)?;
        let row = Row { host: host.to_owned(), port, ..Row::default() };
        Ok(Self { row, replicas: 0, dirty: false, weight: 1.0, balance: 0, connection, options })
    }

    /// `host:port`
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.row.host, self.row.port)
    }

    /// The address for CLUSTER MEET, which takes no names.
    #[must_use]
    pub fn ip(&self) -> String {
        self.connection.peer_ip().unwrap_or_else(|| self.row.host.clone())
    }

    /// The command that makes another node meet this one.
    #[must_use]
    pub fn meet_command(&self) -> Vec<String> {
        let mut argv = vec!["CLUSTER".to_owned(), "MEET".to_owned(), self.ip(), self.row.port.to_string()];
        argv.extend(self.row.bus_port.map(|port| port.to_string()));
        argv
    }

    /// Serves slots or could.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.row.replicate.is_none() && !self.row.is("slave")
    }

    /// The connection, for transfers.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// A connection of its own, for what uses one up.
    pub fn fresh(&self) -> Result<Self, Failed> {
        Self::connect(&self.options, &self.row.host, self.row.port)
    }

    /// One command; error replies are values.
    ///
    /// # Errors
    /// The connection's, after a word.
    pub fn ask<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<Value, Failed> {
        match self.connection.call(argv) {
            Ok(value) => Ok(value),
            Err(error) => {
                log::error(&format!("Node {} : {error}\n", self.name()));
                Err(Failed)
            }
        }
    }

    /// One command that must not be refused.
    ///
    /// # Errors
    /// After the server's words.
    pub fn call<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Result<Value, Failed> {
        let value = self.ask(argv)?;
        if value.is_error() {
            let text = value.to_text();
            log::error(&format!("Node {} replied with error:\n{text}\n", self.name()));
            return Err(Failed);
        }
        Ok(value)
    }

    /// All rows of CLUSTER NODES as this node sees them.
    ///
    /// # Errors
    /// After a word.
    pub fn rows(&mut self) -> Result<Vec<Row>, Failed> {
        let text = self.call(&["CLUSTER", "NODES"])?.to_text();
        let rows: Option<Vec<Row>> = text.lines().filter(|line| !line.is_empty()).map(Row::parse).collect();
        rows.ok_or_else(|| {
            warn!("Error: invalid CLUSTER NODES reply\n");
            Failed
        })
    }

    /// Reads its own row, keeping the address that we used.
    ///
    /// # Errors
    /// After a word.
    pub fn refresh(&mut self) -> Result<Vec<Row>, Failed> {
        let rows = self.rows()?;
        if let Some(own) = rows.iter().find(|row| row.is("myself")) {
            let (host, port) = (self.row.host.clone(), self.row.port);
            self.row = Row { host, port, ..own.clone() };
        }
        Ok(rows)
    }

    /// Cluster support is on; says so when not.
    ///
    /// # Errors
    /// It is off.
    pub fn require_cluster(&mut self) -> Result<(), Failed> {
        let info = self.call(&["INFO", "cluster"])?.to_text();
        if info.lines().any(|line| line == "cluster_enabled:1") {
            return Ok(());
        }
        log::error(&format!("[ERR] Node {} is not configured as a cluster node.\n", self.name()));
        Err(Failed)
    }

    /// Knows no other node and holds no key; says so when not.
    ///
    /// # Errors
    /// It does.
    pub fn require_empty(&mut self) -> Result<(), Failed> {
        let keyspace = self.call(&["INFO", "keyspace"])?.to_text();
        let info = self.call(&["CLUSTER", "INFO"])?.to_text();
        let alone = info.lines().any(|line| line == "cluster_known_nodes:1");
        if alone && !keyspace.lines().any(|line| line.starts_with("db0:")) {
            return Ok(());
        }
        log::error(&format!(
            "[ERR] Node {} is not empty. Either the node already knows other nodes (check with CLUSTER NODES) or \
             contains some key in database 0.\n",
            self.name()
        ));
        Err(Failed)
    }

    /// The node as `check` shows it.
    #[must_use]
    pub fn describe(&self, indent: usize) -> String {
        let blanks = " ".repeat(indent);
        let kind = if self.is_primary() { 'M' } else { 'S' };
        let mut out = format!("{blanks}{kind}: {} {}\n", self.row.id, self.name());
        if !self.dirty || self.is_primary() {
            let flags: Vec<&str> =
                self.row.flags.iter().map(String::as_str).filter(|flag| *flag != "myself").collect();
            let count = self.row.slots.len();
            let slots = ranges(&self.row.slots);
            out.push_str(&format!("{blanks}   slots:{slots} ({count} slots) {}\n", flags.join(",")));
        }
        if let Some(primary) = &self.row.replicate {
            out.push_str(&format!("{blanks}   replicates {primary}\n"));
        } else if self.replicas > 0 {
            out.push_str(&format!("{blanks}   {} additional replica(s)\n", self.replicas));
        }
        out
    }
}

/// `[0-5460],[7]`; a blank when empty, as the peers print it.
#[must_use]
pub fn ranges(slots: &BTreeSet<u16>) -> String {
    let text = runs(slots).iter().map(|(first, last)| bracket(*first, *last)).collect::<Vec<_>>().join(",");
    if text.is_empty() { String::new() } else { text }
}

fn bracket(first: u16, last: u16) -> String {
    if first == last { format!("[{first}]") } else { format!("[{first}-{last}]") }
}

/// Runs of neighbours.
#[must_use]
pub fn runs(slots: &BTreeSet<u16>) -> Vec<(u16, u16)> {
    let mut out: Vec<(u16, u16)> = Vec::new();
    for &slot in slots {
        match out.last_mut() {
            Some((_, last)) if *last + 1 == slot => *last = slot,
            _ => out.push((slot, slot)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read() {
        let row = Row::parse(
            "07c3 127.0.0.1:30004@31004,host,shard-id=x myself,master - 0 1426238317239 4 connected 0-2 7 [93-<-77e7] [9->-aa]",
        )
        .expect("row");
        assert_eq!((row.host.as_str(), row.port, row.epoch), ("127.0.0.1", 30004, 4));
        assert_eq!(row.slots, BTreeSet::from([0, 1, 2, 7]));
        assert_eq!(row.importing, [(93, "77e7".to_owned())]);
        assert_eq!(row.migrating, [(9, "aa".to_owned())]);
        assert!(row.is("myself") && row.connected && row.replicate.is_none());
        let empty = Row::parse("a :0@0 slave,noaddr b 0 0 1 disconnected").expect("row");
        assert_eq!((empty.host.as_str(), empty.replicate.as_deref()), ("", Some("b")));
        assert!(Row::parse("x y").is_none());
        assert!(Row::parse("a 1:1 master - 0 0 1 connected 0-x").is_none());
    }

    #[test]
    fn slots_are_shown_as_ranges() {
        assert_eq!(ranges(&BTreeSet::from([0, 1, 2, 7, 9, 10])), "[0-2],[7],[9-10]");
        assert_eq!(ranges(&BTreeSet::new()), "");
    }
}
