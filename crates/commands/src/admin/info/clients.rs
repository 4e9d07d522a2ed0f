//! Who is connected.

use std::sync::atomic::Ordering::Relaxed;

use config::Directive;

use super::Text;
use crate::client::ClientType;
use crate::cx::Cx;

#[derive(Default)]
struct Tally {
    connected: usize,
    pubsub: usize,
    watching: usize,
    most_input: u64,
    most_output: u64,
}

fn tally(cx: &Cx<'_>) -> Tally {
    cx.session.publish();
    let mut tally = Tally::default();
    for client in cx.server.clients.all() {
        let details = client.details();
        if client.is_killed() || matches!(details.kind, ClientType::Replica | ClientType::Primary) {
            continue;
        }
        tally.connected += 1;
        tally.pubsub += usize::from(details.subscriptions.iter().any(|&count| count > 0));
        tally.watching += usize::from(details.watched > 0);
        tally.most_input = tally.most_input.max(client.query_bytes.load(Relaxed));
        tally.most_output = tally.most_output.max(client.output_bytes.load(Relaxed));
    }
    tally
}

/// Keys that clients wait for, those of them whose deletion ends a wait, and keys that they watch.
fn keys(cx: &mut Cx<'_>) -> (usize, usize, usize) {
    let (mut awaited, mut for_deletion, mut watched) = (0, 0, 0);
    for shard in cx.server.keyspace.attended() {
        cx.access.look(shard, |shard| {
            awaited += shard.queues.len();
            for_deletion += shard.queues.for_deletion();
            watched += shard.watches.len();
        });
    }
    (awaited, for_deletion, watched)
}

pub(super) fn clients(cx: &mut Cx<'_>, text: &mut Text) {
    let tally = tally(cx);
    let (awaited, for_deletion, watched) = keys(cx);
    let server = cx.server;
    text.field("connected_clients", tally.connected);
    text.field("cluster_connections", 0);
    text.field("maxclients", server.config.int(Directive::Maxclients));
    text.field("client_recent_max_input_buffer", tally.most_input);
    text.field("client_recent_max_output_buffer", tally.most_output);
    text.field("blocked_clients", server.blocked_clients.load(Relaxed).max(0));
    text.field("tracking_clients", 0);
    text.field("pubsub_clients", tally.pubsub);
    text.field("watching_clients", tally.watching);
    text.field("clients_in_timeout_table", server.timed_clients.load(Relaxed).max(0));
    text.field("total_watched_keys", watched);
    text.field("total_blocking_keys", awaited);
    text.field("total_blocking_keys_on_nokey", for_deletion);
    let left = server.paused_until_ms.load(Relaxed).saturating_sub(cx.now_ms);
    let actions = match (left > 0, server.pause_writes_only.load(Relaxed)) {
        (false, _) => "none",
        (true, true) => "write",
        (true, false) => "all",
    };
    text.field("paused_reason", if left > 0 { "client_pause" } else { "none" });
    text.field("paused_actions", actions);
    text.field("paused_timeout_milliseconds", left);
}
