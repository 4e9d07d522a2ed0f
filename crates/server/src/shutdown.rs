//! The end in good order: replicas get what they lack, the data set is saved, then the process ends.
//!
//! ```text
//!   asked -> wait for replicas -> save -> over
//!               |  ABORT             | no save, no FORCE
//!               +--------------------+--> refused: clients in SHUTDOWN get an error, the server goes on
//! ```
//!
//! Only one shutdown at a time. While it waits for replicas it can be given up (SHUTDOWN ABORT), and hastened (NOW).
//! The main task calls [`finish`].

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::time::Duration;

use commands::server::{Server, ShutdownMode};
use config::Directive;

use crate::{log, process};

const NONE: u8 = 0;
const WAITING: u8 = 1;
const ABORTED: u8 = 2;
const HASTENED: u8 = 3;

static STATE: AtomicU8 = AtomicU8::new(NONE);

/// How often replicas are looked at. A signal that follows an ABORT at once must not meet the shutdown that was given up,
/// which it would hasten.
const LOOK: Duration = Duration::from_millis(1);

/// Gives up a shutdown that waits; false if there is none.
pub fn abort() -> bool {
    let aborted = STATE.compare_exchange(WAITING, ABORTED, SeqCst, SeqCst).is_ok();
    if aborted {
        log::notice("Shutdown manually aborted.");
    }
    aborted
}

/// Ends the wait for replicas, if there is one.
pub fn hasten() {
    // One that is given up, or does not wait, is not to be hastened.
    let _ = STATE.compare_exchange(WAITING, HASTENED, SeqCst, SeqCst);
}

/// How far the replicas are that are online or about to be: (in sync, all).
fn in_sync(server: &Server) -> (usize, usize) {
    let end = server.journal.end();
    let replicas: Vec<_> = server.replication.replicas();
    let counted: Vec<_> = replicas.iter().filter(|replica| replica.is_online()).collect();
    let lagging = counted.iter().filter(|replica| replica.ack_offset.load(SeqCst) < end).count();
    (counted.len() - lagging, counted.len())
}

fn some_lag(server: &Server) -> bool {
    let (synced, all) = in_sync(server);
    synced < all
}

/// Says how far the replicas are, if there are any.
fn log_replicas(server: &Server) {
    let (end, now_ms) = (server.journal.end(), sys::os::unix_ms());
    for replica in server.replication.replicas() {
        let behind = end.saturating_sub(replica.ack_offset.load(SeqCst));
        if replica.is_online() && behind > 0 {
            let lag_s = now_ms.saturating_sub(replica.ack_ms.load(SeqCst)) / 1000;
            let (address, port) = (&replica.address, replica.port);
            log::notice(&format!(
                "Lagging replica {address}:{port} reported offset {behind} behind master, lag={lag_s}, state=online."
            ));
        }
    }
    let (synced, all) = in_sync(server);
    if all > 0 {
        log::notice(&format!("{synced} of {all} replicas are in sync when shutting down."));
    }
}

/// Writes are paused from the wait for replicas to the end; if there is no end, as before.
struct Pause {
    server: &'static Server,
    until_ms: u64,
    writes_only: bool,
}

impl Pause {
    fn begin(server: &'static Server) -> Pause {
        let until_ms = server.paused_until_ms.load(SeqCst);
        let writes_only = server.pause_writes_only.load(SeqCst);
        server.set_pause(u64::MAX, writes_only || until_ms < sys::os::unix_ms());
        Pause { server, until_ms, writes_only }
    }

    fn end(self) {
        self.server.set_pause(self.until_ms, self.writes_only);
    }
}

/// Waits up to `shutdown-timeout` seconds for replicas; false if it was given up.
async fn wait_for_replicas(server: &'static Server) -> bool {
    let patience_ms = server.config.int(Directive::ShutdownTimeout).max(0) as u64 * 1000;
    if patience_ms == 0 || !some_lag(server) {
        return true;
    }
    log::notice("Waiting for replicas before shutting down.");
    let until_ms = sys::os::unix_ms() + patience_ms;
    server.shutdown_until_ms.store(until_ms, SeqCst);
    let goes_on = wait_while(|| some_lag(server) && sys::os::unix_ms() < until_ms).await;
    server.shutdown_until_ms.store(0, SeqCst);
    goes_on
}

/// Waits as long as `needed` says or until it is hastened; false if it was given up.
async fn wait_while(needed: impl Fn() -> bool) -> bool {
    STATE.store(WAITING, SeqCst);
    while needed() && STATE.load(SeqCst) == WAITING {
        tokio::time::sleep(LOOK).await;
    }
    STATE.swap(NONE, SeqCst) != ABORTED
}

/// Does all that precedes the end; false if the server goes on, which the clients in SHUTDOWN have then been told. A
/// signal waits for the regular work, which DEBUG can pause.
pub async fn finish(server: &'static Server, mode: ShutdownMode, by_signal: bool) -> bool {
    if by_signal && !wait_while(|| server.cron_paused.load(SeqCst)).await {
        refuse(server);
        return false;
    }
    log::notice("User requested shutdown...");
    let pause = Pause::begin(server);
    let ended = (mode.now || wait_for_replicas(server).await) && prepare(server, mode).await;
    if !ended {
        pause.end();
        refuse(server);
    }
    ended
}

async fn prepare(server: &'static Server, mode: ShutdownMode) -> bool {
    log_replicas(server);
    process::notify(server, "STOPPING=1");
    let wanted = mode.save.unwrap_or_else(|| !server.config.save_points().is_empty());
    if !wanted || server.is_loading() {
        return true;
    }
    log::notice("Saving the final RDB snapshot before exiting.");
    process::notify(server, "STATUS=Saving the final RDB snapshot");
    // Beside the main task, so that a second SIGINT is heard.
    if tokio::task::spawn_blocking(move || save(server)).await.unwrap_or(false) {
        return true;
    }
    if mode.force {
        log::warning("Error trying to save the DB. Exit anyway.");
        return true;
    }
    log::warning("Error trying to save the DB, can't exit.");
    log::warning("Errors trying to shut down the server. Check the logs for more information.");
    process::notify(server, "STATUS=Error trying to save the DB, can't exit.");
    false
}

/// Tells the clients in SHUTDOWN that the server goes on.
fn refuse(server: &Server) {
    let waiting =
        std::mem::take(&mut *server.awaiting_end.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    for client in waiting {
        client.unblock.store(4, SeqCst);
        client.wake();
    }
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
