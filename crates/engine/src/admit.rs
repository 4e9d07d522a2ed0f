//! Whether a command may run now: the checks between parsing and locking, in the order of the real servers.

use std::sync::atomic::Ordering::Relaxed;

use commands::client::ClientType;
use commands::error::{CommandError, Result, wrong_arity};
use commands::row::flag;
use commands::server::Server;
use commands::session::Session;
use commands::table::{Found, table};
use config::{Directive, Family};

const NOAUTH: CommandError = CommandError::fixed("NOAUTH Authentication required.");
const READONLY: CommandError = CommandError::fixed("READONLY You can't write against a read only replica.");
const MASTERDOWN: CommandError =
    CommandError::fixed("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
const NOREPLICAS: CommandError = CommandError::fixed("NOREPLICAS Not enough good replicas to write.");
/// Bytes of arguments that the error about an unknown command quotes.
const QUOTED_BYTES: usize = 128;

/// Whether the client has authenticated, or need not for this command. Checked before anything else is said about a command,
/// also about one that there is not.
#[inline]
pub fn authenticated(server: &Server, session: &Session, found: Option<Found>) -> Result {
    let open = found.is_some_and(|found| found.row.flags.has(flag::NO_AUTH));
    if !session.authenticated && !open && wants_password(server) { Err(NOAUTH) } else { Ok(()) }
}

/// The command of a request, with its subcommand resolved and its arity checked.
pub fn resolve(argv: &[&[u8]], found: Option<Found>, family: Family) -> Result<Found> {
    let found = found.ok_or_else(|| unknown(argv, family))?;
    if found.row.subs.is_empty() {
        return if found.row.accepts(argv.len()) { Ok(found) } else { Err(wrong_arity(found.row.name)) };
    }
    let Some(word) = argv.get(1) else {
        return if found.row.run.is_some() { Ok(found) } else { Err(wrong_arity(found.row.name)) };
    };
    match table().find_sub(found, word) {
        Some(sub) if sub.row.accepts(argv.len()) => Ok(sub),
        Some(sub) => Err(wrong_arity(table().full_name(sub.id))),
        None => Err(commands::error::unknown_subcommand(found.row.name, word)),
    }
}

fn unknown(argv: &[&[u8]], family: Family) -> CommandError {
    let cut = |arg: &[u8], most: usize| String::from_utf8_lossy(&arg[..arg.len().min(most)]).into_owned();
    let mut args = String::new();
    for arg in &argv[1..] {
        if args.len() >= QUOTED_BYTES {
            break;
        }
        args.push_str(&format!("'{}' ", cut(arg, QUOTED_BYTES - args.len())));
    }
    let name = cut(argv[0], QUOTED_BYTES);
    if argv.len() == 1 && family == Family::Redis {
        return CommandError::new(format!("ERR unknown command '{name}'"));
    }
    CommandError::new(format!("ERR unknown command '{name}', with args beginning with: {args}"))
}

/// Whether the server's state and the connection's allow the command.
#[inline]
pub fn admit(server: &Server, session: &Session, found: Found) -> Result {
    if session.is_primary_link {
        return Ok(());
    }
    if session.redirects && server.replication.is_replica() {
        admit_here(server, session, found)?;
    }
    let (any, all) = crate::exec::flags(server, session, found);
    if any.has(flag::WRITE) {
        admit_write(server)?;
    } else if !server.persistence.last_ok.load(Relaxed)
        && found.row.name == PING
        && !server.replication.is_replica()
    {
        // So that whoever watches by PING learns of it.
        admit_by_disk(server)?;
    }
    if !session.resp3 && session.subscription_count() + session.subscriptions[2].len() > 0 {
        admit_subscribed(session, found)?;
    }
    if server.replication.is_replica()
        && !server.replication.link_up()
        && !all.has(flag::STALE)
        && !server.config.flag(Directive::ReplicaServeStaleData)
    {
        return Err(MASTERDOWN);
    }
    if server.is_loading() && !all.of(server.config.family()).has(flag::LOADING) {
        return Err(commands::error::loading(&server.config));
    }
    if session.kind == ClientType::Replica && (any.has(flag::WRITE) || !found.row.keys.is_empty()) {
        return Err(CommandError::fixed("ERR Replica can't interact with the keyspace"));
    }
    Ok(())
}

/// Sends a client that follows its primary there, unless it only wants to read and said so.
#[cold]
fn admit_here(server: &Server, session: &Session, found: Found) -> Result {
    let exec = found.id == crate::special().exec;
    let queued = session.transaction.iter().filter(|_| exec).flat_map(|transaction| &transaction.queue);
    let has = |bit| found.row.flags.has(bit) || queued.clone().any(|queued| queued.row.flags.has(bit));
    if !has(flag::WRITE) && (!has(flag::READONLY) || session.readonly) {
        return Ok(());
    }
    match &server.replication.history().primary {
        Some(link) => Err(CommandError::new(format!("{REDIRECT} {}:{}", link.host, link.port))),
        None => Ok(()),
    }
}

/// First word of the error that [`admit_here`] makes; EXEC passes it on as it is.
pub const REDIRECT: &str = "REDIRECT";

/// The password may have been taken away since the connection was made.
#[cold]
fn wants_password(server: &Server) -> bool {
    !server.config.bytes(Directive::Requirepass).is_empty()
}

#[inline]
fn admit_write(server: &Server) -> Result {
    if server.replication.is_replica() {
        return if server.config.flag(Directive::ReplicaReadOnly) { Err(READONLY) } else { Ok(()) };
    }
    admit_by_disk(server)?;
    let wanted = server.config.unsigned(Directive::MinReplicasToWrite);
    if wanted > 0
        && server.config.unsigned(Directive::MinReplicasMaxLag) > 0
        && server.replication.good_replicas.load(Relaxed) < wanted
    {
        return Err(NOREPLICAS);
    }
    Ok(())
}

/// Whether the last background save succeeded, where that is asked for.
#[inline]
fn admit_by_disk(server: &Server) -> Result {
    let failed = !server.persistence.last_ok.load(Relaxed)
        && server.config.flag(Directive::StopWritesOnBgsaveError)
        && server.config.saves_by_itself();
    if !failed {
        return Ok(());
    }
    let product = server.config.identity().0;
    Err(CommandError::new(format!(
        "MISCONF {product} is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that \
         may modify the data set are disabled, because this instance is configured to report errors during writes if RDB \
         snapshotting fails (stop-writes-on-bgsave-error option). Please check the {product} logs for details about the \
         RDB error."
    )))
}

/// In RESP2 a subscriber can only manage its subscriptions.
#[cold]
fn admit_subscribed(_session: &Session, found: Found) -> Result {
    let special = crate::special();
    let allowed = found.row.flags.has(flag::PUBSUB) && !found.row.flags.has(flag::MAY_REPLICATE)
        || [special.quit, special.reset].contains(&found.id)
        || found.row.name == PING;
    if allowed {
        return Ok(());
    }
    let name = table().full_name(found.id);
    Err(CommandError::new(format!(
        "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    )))
}

const PING: &str = "ping";
