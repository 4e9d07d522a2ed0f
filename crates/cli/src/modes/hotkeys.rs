//! `--hotkeys`: the keys that the server's LFU counters call the most used.

use resp::reply::Value;

use super::bigkeys::share;
use super::scan::{Walk, accept_replicas, db_size, show};
use super::{Context, Failure};
use crate::face::Face;
use crate::{say, warn};

/// Runs the mode.
pub fn run(context: &mut Context) -> Result<(), Failure> {
    accept_replicas(context);
    let total = db_size(context)?;
    say!(
        "\n# Scanning the entire keyspace to find hot keys as well as\n\
         # average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n\
         # per 100 SCAN commands (not usually needed).\n\n"
    );
    let limit = context.options.hotkeys_count;
    let mark = if context.options.face == Face::Valkey { "'" } else { "" };
    // Hottest first; never longer than the limit.
    let mut top: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut sampled = 0u64;
    let mut walk = Walk::new(context.options.cursor);
    context.catch_interrupts();
    while let Some(keys) = walk.next(context)? {
        let percent = share(sampled, total);
        let commands: Vec<_> =
            keys.iter().map(|key| vec![b"OBJECT".to_vec(), b"FREQ".to_vec(), key.clone()]).collect();
        let replies = context.connection.pipeline(&commands)?;
        for (key, reply) in keys.into_iter().zip(replies) {
            sampled += 1;
            if sampled.is_multiple_of(1_000_000) {
                say!("[{percent:05.2}%] Sampled {sampled} keys so far\n");
            }
            let Some(count) = frequency(&key, &reply)? else { continue };
            let enters = top.len() < limit || top.last().is_some_and(|(least, _)| *least < count);
            if count == 0 || !enters {
                continue;
            }
            let at = top.partition_point(|(other, _)| *other >= count);
            let shown = show(&key);
            top.insert(at, (count, key));
            top.truncate(limit);
            say!("[{percent:05.2}%] Hot key {mark}{shown}{mark} found so far with counter {count}\n");
        }
        if context.is_interrupted() {
            break;
        }
        walk.pause(context, 100);
    }
    if context.options.face == Face::Redis {
        say!("\n-------- summary -------\n");
    } else {
        say!("\n-------- Summary --------\n");
    }
    say!("\nSampled {sampled} keys in the keyspace!\n");
    for (count, key) in top {
        say!("hot key found with counter: {count}\tkeyname: {}\n", show(&key));
    }
    Ok(())
}

fn frequency(key: &[u8], reply: &Value) -> Result<Option<u64>, Failure> {
    match reply {
        Value::Integer(count) => Ok(Some(u64::try_from(*count).unwrap_or(0))),
        Value::Error(text) => Err(Failure(format!("Error: {}", String::from_utf8_lossy(text)))),
        _ => {
            let key = String::from_utf8_lossy(key).into_owned();
            warn!("Warning: OBJECT freq on '{key}' failed (may have been deleted)\n");
            Ok(None)
        }
    }
}
