//! Walking the key space: `--scan`, and the walker that `--bigkeys` and its kin share.

use resp::reply::Value;

use super::{Context, Failure};
use crate::emit;
use crate::options::Output;
use crate::quote::repr_into;

/// A walk over all keys. Sleeps `-i` after every hundred steps.
pub struct Walk {
    cursor: u64,
    started: bool,
    steps: u64,
}

impl Walk {
    /// Starts at a cursor (0 = the beginning).
    #[must_use]
    pub fn new(cursor: u64) -> Self {
        Self { cursor, started: false, steps: 0 }
    }

    /// Where the walk stands.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Keys of the next step; `None` when the walk has come round.
    ///
    /// # Errors
    /// The server's words, or a reply that is none of SCAN.
    pub fn next(&mut self, context: &mut Context) -> Result<Option<Vec<Vec<u8>>>, Failure> {
        if self.started && self.cursor == 0 {
            return Ok(None);
        }
        self.started = true;
        let mut argv = vec![b"SCAN".to_vec(), self.cursor.to_string().into_bytes()];
        if let Some(pattern) = &context.options.pattern {
            argv.extend([b"MATCH".to_vec(), pattern.clone()]);
        }
        argv.extend([b"COUNT".to_vec(), context.options.count.to_string().into_bytes()]);
        let reply = context.connection.call(&argv)?;
        if let Value::Error(text) = reply {
            return Err(Failure(format!("SCAN error: {}", String::from_utf8_lossy(&text))));
        }
        let Value::Array(parts) = reply else {
            return Err(Failure("Non ARRAY response from SCAN!".to_owned()));
        };
        let Ok([cursor, keys]) = <[Value; 2]>::try_from(parts) else {
            return Err(Failure("Invalid element count from SCAN!".to_owned()));
        };
        self.cursor = std::str::from_utf8(cursor.as_bytes().unwrap_or_default())
            .ok()
            .and_then(|cursor| cursor.parse().ok())
            .ok_or_else(|| Failure("Invalid cursor from SCAN!".to_owned()))?;
        self.steps += 1;
        let keys = keys.as_slice().unwrap_or_default();
        Ok(Some(keys.iter().filter_map(|key| key.as_bytes().map(<[u8]>::to_vec)).collect()))
    }

    /// The pause that `-i` asks for.
    pub fn pause(&self, context: &Context, every: u64) {
        if !context.options.interval.is_zero() && self.steps.is_multiple_of(every) {
            emit::flush();
            std::thread::sleep(context.options.interval);
        }
    }
}

/// `--scan`
pub fn run(context: &mut Context) -> Result<(), Failure> {
    let quoted = context.options.output.map_or(context.tty, |output| output == Output::Standard);
    let mut walk = Walk::new(context.options.cursor);
    let bar = super::progress::bar(None, false);
    while let Some(keys) = walk.next(context)? {
        let mut out = Vec::new();
        bar.inc(keys.len() as u64);
        for key in keys {
            if quoted {
                repr_into(&mut out, &key);
            } else {
                out.extend_from_slice(&key);
            }
            out.push(b'\n');
        }
        emit::out(&out);
        walk.pause(context, 1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Number of keys of the database.
///
/// # Errors
/// In the peers' words.
pub fn db_size(context: &mut Context) -> Result<u64, Failure> {
    match context.connection.call(&["DBSIZE"])? {
        Value::Integer(size) => Ok(u64::try_from(size).unwrap_or(0)),
        Value::Error(text) => {
            Err(Failure(format!("Couldn't determine DBSIZE: {}", String::from_utf8_lossy(&text))))
        }
        _ => Err(Failure("Non INTEGER response from DBSIZE!".to_owned())),
    }
}

/// Types of keys, `none` for vanished ones.
///
/// # Errors
/// In the peers' words.
pub fn types(context: &mut Context, keys: &[Vec<u8>]) -> Result<Vec<String>, Failure> {
    let commands: Vec<_> = keys.iter().map(|key| vec![b"TYPE".to_vec(), key.clone()]).collect();
    let replies = context.connection.pipeline(&commands)?;
    let mut out = Vec::with_capacity(keys.len());
    for (reply, key) in replies.into_iter().zip(keys) {
        match reply {
            Value::Simple(name) => out.push(String::from_utf8_lossy(&name).into_owned()),
            Value::Error(text) => {
                return Err(Failure(format!("TYPE returned an error: {}", String::from_utf8_lossy(&text))));
            }
            _ => {
                let key = String::from_utf8_lossy(key).into_owned();
                return Err(Failure(format!("Invalid reply type for TYPE on key '{key}'!")));
            }
        }
    }
    Ok(out)
}

/// A key for people.
#[must_use]
pub fn show(key: &[u8]) -> String {
    let mut out = Vec::new();
    repr_into(&mut out, key);
    String::from_utf8_lossy(&out).into_owned()
}

/// Replicas in a cluster answer only to clients that accept stale data.
pub fn accept_replicas(context: &mut Context) {
    // Standalone servers refuse; that is fine.
    let _ = context.connection.call(&["READONLY"]);
}
