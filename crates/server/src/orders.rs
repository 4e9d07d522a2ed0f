//! The main task: what the engine orders, and signals.

use std::cell::RefCell;
use std::collections::VecDeque;
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
        crate::title::show(server);
        Ok(())
    }
}

/// The signals that the process takes.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Nobody waits for this one: having it means ignoring it.
    _hangup: Signal,
}

impl Signals {
    /// From here on these signals do not end the process by themselves.
    pub fn new() -> Result<Signals, String> {
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

    /// Ends the process when SIGINT comes while a shutdown is on its way; SIGTERM has nothing to add to it.
    async fn insist(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => log::warning("Received SIGTERM scheduling shutdown..."),
                _ = self.interrupt.recv() => {
                    log::warning("You insist... exiting now.");
                    crate::save::remove_temporary_files();
                    std::process::exit(1);
                }
            }
        }
    }

    /// Ends the process if it is asked to while the data set is still being loaded: there is nothing to save then.
    pub async fn end_of_loading(&mut self, server: &Server, inbox: &mut Inbox) {
        let signal = async {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            log::warning("Received shutdown signal during loading, exiting now.");
        };
        let order = async {
            while let Some(order) = inbox.orders.recv().await {
                if matches!(order, Order::Shutdown(_)) {
                    return log::notice("User requested shutdown...");
                }
                inbox.later.push_back(order);
            }
            std::future::pending().await
        };
        tokio::select! { () = signal => {}, () = order => {} }
        crate::process::remove_pid_file(server);
        std::process::exit(0);
    }
}

/// What comes while a shutdown is on its way: another SHUTDOWN joins it, or hastens it; the rest waits.
async fn more_orders(inbox: &mut Inbox) {
    while let Some(order) = inbox.orders.recv().await {
        match order {
            Order::Shutdown(mode) if mode.now => shutdown::hasten(),
            Order::Shutdown(_) => {}
            order => inbox.later.push_back(order),
        }
    }
    std::future::pending().await
}

/// The orders that come, and those that had to wait.
pub struct Inbox {
    orders: mpsc::UnboundedReceiver<Order>,
    later: VecDeque<Order>,
}

impl Inbox {
    /// An inbox where nothing waits.
    pub fn new(orders: mpsc::UnboundedReceiver<Order>) -> Inbox {
        Inbox { orders, later: VecDeque::new() }
    }

    async fn next(&mut self) -> Option<Order> {
        match self.later.pop_front() {
            Some(order) => Some(order),
            None => self.orders.recv().await,
        }
    }
}

/// Runs until the server is to end.
pub async fn follow(
    server: &'static Server,
    worker: Rc<RefCell<engine::Worker>>,
    mut inbox: Inbox,
    mut listening: Listening,
    mut signals: Signals,
) -> Result<(), String> {
    let link =
        |(host, port)| tokio::task::spawn_local(crate::link::replicate(server, worker.clone(), host, port));
    let mut running = server.config.replicaof().map(link);
    log::set_role(running.is_some());
    loop {
        let (mode, by_signal) = tokio::select! {
            mode = signals.end(server) => (mode, true),
            order = inbox.next() => match order {
                None => return Ok(()),
                Some(Order::Shutdown(mode)) => (mode, false),
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
            ended = shutdown::finish(server, mode, by_signal) => ended,
            () = signals.insist() => true,
            () = more_orders(&mut inbox) => true,
        };
        if ended {
            return Ok(());
        }
    }
}
