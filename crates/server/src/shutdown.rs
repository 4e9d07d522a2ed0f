//! The end in good order: replicas get what they lack, the data set is saved, then the process ends.
//!
//! Only one shutdown at a time. While it waits for replicas it can be given up (SHUTDOWN ABORT).

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::time::Duration;

use commands::replication::ReplicaState;
use commands::server::{Server, ShutdownMode};
use config::Directive;

use crate::{log, process};

const NONE: u8 = 0;
const WAITING: u8 = 1;
const ABORTED: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(NONE);

/// How often replicas are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Gives up a shutdown that waits; false if there is none.
pub fn abort() -> bool {
    STATE.compare_exchange(WAITING, ABORTED, SeqCst, SeqCst).is_ok()
}

/// Whether an online replica has not acknowledged everything.
fn some_lag(server: &Server) -> bool {
    let end = server.journal.end();
    server.replication.replicas().iter().any(|replica| {
        let state = *replica.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state == ReplicaState::Online && replica.ack_offset.load(std::sync::atomic::Ordering::Relaxed) < end
    })
}

/// Waits up to `shutdown-timeout` seconds for replicas; false if it was given up. Writes are paused meanwhile.
async fn wait_for_replicas(server: &Server) -> bool {
    let patience = server.config.int(Directive::ShutdownTimeout).max(0) as u64 * 1000;
    if patience == 0 || !some_lag(server) {
        return true;
    }
    log::notice("Waiting for replicas before shutting down.");
    let until_ms = sys::os::unix_ms() + patience;
    let before = server.paused_until_ms.load(SeqCst);
    let writes_only = server.pause_writes_only.load(SeqCst);
    if before < sys::os::unix_ms() {
        server.pause_writes_only.store(true, SeqCst);
    }
    server.paused_until_ms.store(until_ms.max(before), SeqCst);
    STATE.store(WAITING, SeqCst);
    while some_lag(server) && sys::os::unix_ms() < until_ms && STATE.load(SeqCst) == WAITING {
        server.replication.wants_ack.store(true, SeqCst);
        tokio::time::sleep(LOOK).await;
    }
    if STATE.swap(NONE, SeqCst) == ABORTED {
        server.pause_writes_only.store(writes_only, SeqCst);
        server.paused_until_ms.store(before, SeqCst);
        log::notice("Shutdown manually aborted.");
        return false;
    }
    if some_lag(server) {
        log::notice("Some replicas did not acknowledge everything before the shutdown.");
    }
    true
}

/// Does all that precedes the end; false if the server goes on.
pub async fn finish(server: &'static Server, mode: ShutdownMode) -> bool {
    if !mode.now && !wait_for_replicas(server).await {
        return false;
    }
    process::notify(server, "STOPPING=1");
    let wanted = mode.save.unwrap_or_else(|| !server.config.save_points().is_empty());
    if wanted && !server.is_loading() {
        log::notice("Saving the final RDB snapshot before exiting.");
        process::notify(server, "STATUS=Saving the final RDB snapshot");
        if !save(server) && !mode.force {
            log::warning("Error trying to save the DB, can't exit.");
            process::notify(server, "STATUS=Error trying to save the DB, can't exit.");
            return false;
        }
    }
    true
}

/// Saves everything. From here on nothing else runs if it succeeds: the process ends with the gate closed.
fn save(server: &'static Server) -> bool {
    let alone = server.keyspace.gate().close();
    let mut access = server.keyspace.access_all();
    let saved = crate::save::save_alone(server, &mut access).is_ok();
    drop(access);
    if saved {
        std::mem::forget(alone);
    }
    saved
}
