//! What the engine asks of the program around it.

use std::any::Any;
use std::sync::mpsc as std_mpsc;

use commands::server::{LogLevel, Server, Shell, ShutdownMode};
use config::Directive;
use keyspace::Access;
use tokio::sync::mpsc;

/// Work for the main task.
pub enum Order {
    Replicate(Option<(String, u16)>),
    Shutdown(ShutdownMode),
    Reconfigure(Directive),
}

/// See the module's text.
pub struct Program {
    server: &'static Server,
    orders: mpsc::UnboundedSender<Order>,
    garbage: std_mpsc::Sender<Box<dyn Any + Send>>,
}

impl Program {
    /// The program's side of the engine, and where its orders arrive.
    pub fn new(server: &'static Server) -> std::io::Result<(Program, mpsc::UnboundedReceiver<Order>)> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (garbage, heap) = std_mpsc::channel::<Box<dyn Any + Send>>();
        std::thread::Builder::new()
            .name("lazy free".into())
            .spawn(move || heap.into_iter().for_each(drop))?;
        Ok((Program { server, orders, garbage }, inbox))
    }

    fn order(&self, order: Order) {
        // The main task ends only with the process.
        let _ = self.orders.send(order);
    }
}

impl Shell for Program {
    fn save_alone(&self, access: &mut Access<'_>) -> Result<(), String> {
        crate::save::save_alone(self.server, access)
    }

    fn begin_save(&self, access: &mut Access<'_>) -> Result<(), String> {
        crate::save::begin_to_file(self.server, access)
    }

    fn load_alone(&self, access: &mut Access<'_>) -> Result<(), String> {
        crate::load::load_alone(self.server, access)
    }

    fn free_later(&self, garbage: Box<dyn Any + Send>) {
        let _ = self.garbage.send(garbage);
    }

    fn replicate(&self, primary: Option<(String, u16)>) {
        self.order(Order::Replicate(primary));
    }

    fn shutdown(&self, how: ShutdownMode) {
        self.order(Order::Shutdown(how));
    }

    fn reconfigure(&self, directive: Directive) -> Result<(), String> {
        self.order(Order::Reconfigure(directive));
        Ok(())
    }

    fn log(&self, level: LogLevel, text: &str) {
        crate::log::log(level, text);
    }
}
