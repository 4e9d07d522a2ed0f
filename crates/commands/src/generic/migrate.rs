//! MIGRATE: keys move to another server.
//!
//! ```text
//!   first run, under the keys' locks:  payloads of the keys -> Takeover::Migrate
//!   the connection's task, no locks:   sends them to the target, notes which arrived
//!   second run, under the locks again: what arrived and is still the same is deleted here
//! ```
//!
//! Invariant: a key that changed while it travelled is not deleted; it travels once more, and replaces what arrived
//! before it. So no change is lost, although nothing waits for the network.

use config::Events;
use resp::writer::Writer;

use crate::args::Args;
use crate::bridge;
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::session::Takeover;

/// How often a key may change under way before the command gives up on it.
const MOST_ROUNDS: u32 = 8;
/// For a timeout that is no time.
const DEFAULT_TIMEOUT_MS: u64 = 1000;

/// A key on its way.
#[derive(Debug, Clone)]
pub struct Item {
    pub key: Vec<u8>,
    /// As DUMP gives it.
    pub payload: Vec<u8>,
    /// Unix milliseconds.
    pub expire_ms: Option<u64>,
    /// Whether it replaces what the target has.
    pub replace: bool,
}

/// What is to be sent where, and afterwards what became of it.
#[derive(Debug)]
pub struct Migration {
    pub host: String,
    pub port: u16,
    pub db: i64,
    pub timeout_ms: u64,
    /// AUTH or AUTH2 with its arguments.
    pub auth: Option<Vec<Vec<u8>>>,
    pub items: Vec<Item>,
    /// The first error, in the words for the client.
    pub error: Option<String>,
    /// Items that the target has, by index.
    pub arrived: Vec<usize>,
    /// The request, to run it again.
    pub argv: Vec<Vec<u8>>,
    round: u32,
}

struct Request<'a> {
    host: &'a [u8],
    port: i64,
    db: i64,
    timeout_ms: u64,
    copy: bool,
    replace: bool,
    auth: Option<Vec<Vec<u8>>>,
    keys: &'a [&'a [u8]],
}

fn parse<'a>(argv: &'a [&'a [u8]]) -> Result<Request<'a>> {
    const ONE_PLACE: CommandError = CommandError::fixed(
        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
    );
    let mut request = Request {
        host: argv[1],
        port: 0,
        db: 0,
        timeout_ms: 0,
        copy: false,
        replace: false,
        auth: None,
        keys: &argv[3..4],
    };
    let mut args = Args::new(argv, 6);
    while !args.is_empty() {
        if args.take("COPY") {
            request.copy = true;
        } else if args.take("REPLACE") {
            request.replace = true;
        } else if args.take_with("AUTH", 1) {
            request.auth = Some(vec![b"AUTH".to_vec(), args.arg()?.to_vec()]);
        } else if args.take_with("AUTH2", 2) {
            request.auth = Some(vec![b"AUTH".to_vec(), args.arg()?.to_vec(), args.arg()?.to_vec()]);
        } else if args.take("KEYS") {
            if !argv[3].is_empty() {
                return Err(ONE_PLACE);
            }
            request.keys = args.rest();
        } else {
            return Err(SYNTAX);
        }
    }
    let timeout_ms = crate::args::int(argv[5])?;
    request.db = crate::args::int(argv[4])?;
    request.timeout_ms = u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0).unwrap_or(DEFAULT_TIMEOUT_MS);
    // A port that is no port is one that nobody listens on.
    request.port = ds::num::parse_i64(argv[2]).unwrap_or(0);
    Ok(request)
}

fn payload(cx: &mut Cx<'_>, key: &[u8]) -> Option<(Vec<u8>, Option<u64>)> {
    let (dialect, compress) = super::restore::format(cx);
    let entry = cx.find_untouched(key)?;
    Some((bridge::dump(entry, compress, dialect), entry.expire_ms()))
}

pub(super) fn migrate(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const TRANSACTION: CommandError =
        CommandError::fixed("ERR MIGRATE is not allowed in a transaction or script");
    if let Some(migration) = cx.session.migrated.take() {
        return finish(cx, *migration, argv, out);
    }
    let request = parse(argv)?;
    let mut items = Vec::new();
    for key in request.keys {
        if let Some((payload, expire_ms)) = payload(cx, key) {
            items.push(Item { key: key.to_vec(), payload, expire_ms, replace: request.replace });
        }
    }
    if items.is_empty() {
        out.simple("NOKEY");
        return Ok(());
    }
    if !cx.may_block {
        return Err(TRANSACTION);
    }
    cx.session.takeover = Some(Takeover::Migrate(Box::new(Migration {
        host: String::from_utf8_lossy(request.host).into_owned(),
        port: u16::try_from(request.port).unwrap_or(0),
        db: request.db,
        timeout_ms: request.timeout_ms,
        auth: request.auth,
        items,
        error: None,
        arrived: Vec::new(),
        argv: argv.iter().map(|arg| arg.to_vec()).collect(),
        round: 0,
    })));
    cx.propagate_nothing();
    Ok(())
}

/// Deletes what arrived, sends again what changed, and answers.
fn finish(cx: &mut Cx<'_>, mut migration: Migration, argv: &[&[u8]], out: &mut Writer) -> Result {
    const CHANGED: CommandError =
        CommandError::fixed("IOERR key changed again and again while it was migrated");
    let copy = parse(argv)?.copy;
    let mut again = Vec::new();
    cx.propagate_nothing();
    for at in if copy { Vec::new() } else { std::mem::take(&mut migration.arrived) } {
        let Some(item) = migration.items.get(at) else { continue };
        match payload(cx, &item.key) {
            None => {}
            Some((payload, expire_ms)) if payload == item.payload && expire_ms == item.expire_ms => {
                cx.delete(&item.key, false);
                cx.changed(&item.key);
                cx.notify(Events::GENERIC, "del", &item.key);
                cx.propagate(&[b"DEL", &item.key[..]]);
            }
            Some((payload, expire_ms)) => {
                again.push(Item { key: item.key.clone(), payload, expire_ms, replace: true });
            }
        }
    }
    if let Some(error) = migration.error {
        return Err(CommandError::new(error));
    }
    if again.is_empty() {
        out.ok();
        return Ok(());
    }
    if migration.round == MOST_ROUNDS {
        return Err(CHANGED);
    }
    migration.round += 1;
    migration.items = again;
    cx.session.takeover = Some(Takeover::Migrate(Box::new(migration)));
    Ok(())
}
