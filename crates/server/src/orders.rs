//! The main task: what the engine orders, and signals.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use commands::server::{Server, ShutdownMode};
use config::Directive;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::listen::{self, Acceptors};
use crate::shell::Order;
use crate::worker::Handle;
use crate::{log, shutdown};

/// The TCP listeners, and where their connections go.
pub struct Listening {
    pub workers: Arc<Vec<Handle>>,
    pub accepting: Acceptors,
}

impl Listening {
    /// Closes what is open and opens what the configuration names now.
    async fn renew(&mut self, server: &Server) -> Result<(), String> {
        for task in std::mem::take(&mut self.accepting) {
            task.abort();
            // Its listener is closed once the task is gone; that it was cancelled is no news.
            let _ = task.await;
        }
        let listeners = listen::bind_all_tcp(server)?;
        self.accepting = listen::accept_tcp(listeners, &self.workers).map_err(|error| error.to_string())?;
        Ok(())
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Nobody waits for this one: having it means ignoring it.
    _hangup: Signal,
}

impl Signals {
    fn new() -> Result<Signals, String> {
        let on = |kind| signal(kind).map_err(|error| error.to_string());
        Ok(Signals {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            _hangup: on(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to end; answers how, by `shutdown-on-sigterm` and `shutdown-on-sigint`.
    async fn end(&mut self, server: &Server) -> ShutdownMode {
        let (name, directive) = tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", Directive::ShutdownOnSigterm),
            _ = self.interrupt.recv() => ("SIGINT", Directive::ShutdownOnSigint),
        };
        log::warning(&format!("Received {name} scheduling shutdown..."));
        let words = server.config.text(directive);
        let has = |word: &str| words.split(' ').any(|given| given.eq_ignore_ascii_case(word));
        ShutdownMode {
            save: if has("nosave") { Some(false) } else { has("save").then_some(true) },
            now: has("now"),
            force: has("force"),
        }
    }

    /// Ends the process when SIGINT comes a second time.
    async fn insist(&mut self) {
        self.interrupt.recv().await;
        log::warning("You insist... exiting now.");
        std::process::exit(1);
    }
}

/// Runs until the server is to end.
pub async fn follow(
    server: &'static Server,
    worker: Rc<RefCell<engine::Worker>>,
    mut inbox: mpsc::UnboundedReceiver<Order>,
    mut listening: Listening,
) -> Result<(), String> {
    let link =
        |(host, port)| tokio::task::spawn_local(crate::link::replicate(server, worker.clone(), host, port));
    let mut running = server.config.replicaof().map(link);
    log::set_role(running.is_some());
    let mut signals = Signals::new()?;
    loop {
        let mode = tokio::select! {
            mode = signals.end(server) => mode,
            order = inbox.recv() => match order {
                None => return Ok(()),
                Some(Order::Shutdown(mode)) => mode,
                Some(Order::Listen(answer)) => {
                    // Whoever asked may have given up.
                    let _ = answer.send(listening.renew(server).await);
                    continue;
                }
                Some(Order::Replicate(primary)) => {
                    if let Some(task) = running.take() {
                        task.abort();
                    }
                    log::set_role(primary.is_some());
                    running = primary.map(link);
                    continue;
                }
            },
        };
        let ended = tokio::select! {
            ended = shutdown::finish(server, mode) => ended,
            () = signals.insist() => true,
        };
        if ended {
            return Ok(());
        }
    }
}
