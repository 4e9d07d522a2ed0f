//! The role, the link to the primary, the replicas.

use std::sync::atomic::Ordering::Relaxed;

use config::Directive;

use super::Text;
use crate::cx::Cx;
use crate::replication::{LinkState, PrimaryLink};

pub(super) fn replication(cx: &mut Cx<'_>, text: &mut Text) {
    let server = cx.server;
    let history = server.replication.history().clone();
    text.field("role", if history.primary.is_some() { "slave" } else { "master" });
    if let Some(link) = &history.primary {
        primary(cx, link, text);
    }
    replicas(cx, text);
    // Replicas between the two channels of Valkey's dual-channel sync, which is not spoken here.
    text.field("replicas_waiting_psync", 0);
    text.field("master_failover_state", "no-failover");
    text.field("master_replid", &history.id);
    text.field("master_replid2", &history.second_id);
    text.field("master_repl_offset", server.journal.end());
    text.field("second_repl_offset", history.second_offset);
    let (_, first, bytes) = server.journal.backlog();
    let recording = server.journal.is_recording();
    text.field("repl_backlog_active", u8::from(recording));
    text.field("repl_backlog_size", server.config.int(Directive::ReplBacklogSize));
    text.field("repl_backlog_first_byte_offset", if recording { first + 1 } else { 0 });
    text.field("repl_backlog_histlen", bytes);
}

fn primary(cx: &Cx<'_>, link: &PrimaryLink, text: &mut Text) {
    let config = &cx.server.config;
    let seconds_ago = |ms: u64| cx.now_ms.saturating_sub(ms) / 1000;
    let up = link.state == LinkState::Connected;
    text.field("master_host", &link.host);
    text.field("master_port", link.port);
    text.field("master_link_status", if up { "up" } else { "down" });
    match link.last_io_ms {
        0 => text.field("master_last_io_seconds_ago", -1),
        at => text.field("master_last_io_seconds_ago", seconds_ago(at)),
    }
    text.field("master_sync_in_progress", u8::from(link.state == LinkState::Sync));
    let unapplied = cx.server.replication.unapplied_bytes.load(Relaxed);
    text.field("slave_read_repl_offset", cx.server.journal.end() + unapplied);
    text.field("slave_repl_offset", cx.server.journal.end());
    // Valkey's names for what a replica keeps of the stream while it takes a dump: here the primary keeps it.
    text.field("replicas_repl_buffer_size", 0);
    text.field("replicas_repl_buffer_peak", 0);
    if link.state == LinkState::Sync {
        let (total, read) = (link.sync_total_bytes, link.sync_read_bytes);
        text.field("master_sync_total_bytes", total);
        text.field("master_sync_read_bytes", read);
        text.field("master_sync_left_bytes", if total < 0 { -1 } else { total - read as i64 });
        let percent = super::memory::percent(read, total.max(0) as u64);
        text.field("master_sync_perc", format_args!("{percent:.2}"));
        text.field("master_sync_last_io_seconds_ago", seconds_ago(link.sync_last_io_ms));
    }
    if !up {
        text.field("master_link_down_since_seconds", seconds_ago(link.down_since_ms));
    }
    text.field("slave_priority", config.int(Directive::ReplicaPriority));
    text.field("slave_read_only", u8::from(config.flag(Directive::ReplicaReadOnly)));
    text.field("replica_announced", u8::from(config.flag(Directive::ReplicaAnnounced)));
}

fn replicas(cx: &Cx<'_>, text: &mut Text) {
    let replicas = cx.server.replication.replicas();
    text.field("connected_slaves", replicas.len());
    let config = &cx.server.config;
    if config.int(Directive::MinReplicasToWrite) > 0 && config.int(Directive::MinReplicasMaxLag) > 0 {
        let good = cx.server.replication.good_replicas.load(Relaxed);
        text.field("min_slaves_good_slaves", good);
    }
    for (number, replica) in replicas.iter().enumerate() {
        let state = *replica.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let lag_s = cx.now_ms.saturating_sub(replica.ack_ms.load(Relaxed)) / 1000;
        text.field(
            &format!("slave{number}"),
            format_args!(
                "ip={},port={},state={},offset={},lag={lag_s},type=replica",
                replica.address,
                replica.port,
                state.name(),
                replica.ack_offset.load(Relaxed),
            ),
        );
    }
}
