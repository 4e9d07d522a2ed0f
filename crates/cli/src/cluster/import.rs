//! `--cluster import`: moves or copies the keys of a server that is no cluster into one.

use resp::reply::Value;

use super::{Failed, Node, Outcome, SLOTS, Topology, address, log, migrate};
use crate::options::Options;
use crate::session::Redirect;
use crate::{emit, say, warn};

/// Keys per SCAN.
const BATCH: &str = "1000";

/// Runs the subcommand.
pub fn import(options: &Options) -> Outcome {
    let Some(from) = &options.cluster.from else {
        warn!("[ERR] Option '--cluster-from' is required for subcommand 'import'.\n");
        return Err(Failed);
    };
    let Some((host, port, _)) = address(from) else {
        warn!("[ERR] Invalid --cluster-from host. You need to pass a valid address (ie. 120.0.0.1:7000).\n");
        return Err(Failed);
    };
    let (entry_host, entry_port, _) = super::entry(options)?;
    log::step(&format!(">>> Importing data from {host}:{port} to cluster {entry_host}:{entry_port}\n"));
    let mut topology = Topology::from(options, &entry_host, entry_port)?;
    topology.check(false, false)?;
    let mut source_options = options.clone();
    source_options.user.clone_from(&options.cluster.from_user);
    source_options.auth.clone_from(&options.cluster.from_pass);
    if options.cluster.from_askpass {
        source_options.auth = Some(crate::start::ask_password("Please input import source node password: "));
    }
    let mut source = Node::connect(&source_options, &host, port)?;
    let info = source.call(&["INFO", "cluster"])?.to_text();
    if info.lines().any(|line| line == "cluster_enabled:1") {
        log::error("[ERR] The source node should not be a cluster node.\n");
        return Err(Failed);
    }
    let size = source.call(&["DBSIZE"])?.as_integer().unwrap_or(0);
    log::warning(&format!("*** Importing {size} keys from DB 0\n"));
    walk(options, &topology, &mut source)
}

fn walk(options: &Options, topology: &Topology, source: &mut Node) -> Outcome {
    let mut owners = vec![0usize; usize::from(SLOTS)];
    for index in topology.primaries() {
        for slot in &topology.nodes[index].row.slots {
            owners[usize::from(*slot)] = index;
        }
    }
    let mut cursor = "0".to_owned();
    loop {
        let reply = source.call(&["SCAN", &cursor, "COUNT", BATCH])?;
        let Some([next, keys]) = reply.as_slice() else { return Err(Failed) };
        cursor = next.to_text();
        for key in keys.as_slice().unwrap_or_default().iter().filter_map(Value::as_bytes) {
            let target = &topology.nodes[owners[usize::from(slot_of(key))]];
            one(options, source, target, key)?;
        }
        if cursor == "0" {
            return Ok(());
        }
    }
}

fn one(options: &Options, source: &mut Node, target: &Node, key: &[u8]) -> Outcome {
    say!("Migrating {} to {}: ", String::from_utf8_lossy(key), target.name());
    emit::flush();
    let timeout = if options.cluster.timeout_ms == 0 { 60_000 } else { options.cluster.timeout_ms };
    let mut argv: Vec<Vec<u8>> = vec![
        b"MIGRATE".to_vec(),
        target.ip().into_bytes(),
        target.row.port.to_string().into_bytes(),
        key.to_vec(),
        b"0".to_vec(),
        timeout.to_string().into_bytes(),
    ];
    if options.cluster.copy {
        argv.push(b"COPY".to_vec());
    }
    if options.cluster.replace {
        argv.push(b"REPLACE".to_vec());
    }
    argv.extend(migrate::credentials(options.user.as_deref(), options.auth.as_deref()));
    match source.ask(&argv)? {
        Value::Error(text) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            let moved = Redirect::parse(text.trim_start_matches("ERR Target instance replied with error: "));
            say!("\n");
            log::error(&format!("{text}\n"));
            if moved.is_some() {
                log::error("*** The cluster changed meanwhile; run the command again.\n");
            }
            Err(Failed)
        }
        _ => {
            log::ok("OK\n");
            Ok(())
        }
    }
}

/// The slot of a key: CRC16 of the part between the first braces, or of the whole.
#[must_use]
pub fn slot_of(key: &[u8]) -> u16 {
    let open = key.iter().position(|byte| *byte == b'{');
    let tag = open.and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|byte| *byte == b'}').filter(|length| *length > 0).map(|length| &rest[..length])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_keys() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, slot) in [("foo", 12182), ("k1", 12706), ("a{foo}b", 12182), ("{}foo", slot_of(b"{}foo"))] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
        assert_ne!(slot_of(b"{}foo"), 12182);
    }
}
