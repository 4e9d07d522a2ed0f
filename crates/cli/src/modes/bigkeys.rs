//! `--bigkeys` and `--memkeys`: the biggest key of each type, by elements or by memory.

use resp::reply::Value;

use super::scan::{Walk, accept_replicas, db_size, show, types};
use super::{Context, Failure};
use crate::face::Face;
use crate::{say, warn};

/// How the size of a type is asked for, and its unit.
pub const SIZE_COMMANDS: &[(&str, &str, &str)] = &[
    ("list", "LLEN", "items"),
    ("hash", "HLEN", "fields"),
    ("stream", "XLEN", "entries"),
    ("string", "STRLEN", "bytes"),
    ("set", "SCARD", "members"),
    ("zset", "ZCARD", "members"),
];

/// What is known about one type.
#[derive(Debug)]
struct Kind {
    name: String,
    command: Option<&'static str>,
    unit: &'static str,
    biggest: u64,
    biggest_key: Option<Vec<u8>>,
    total: u64,
    count: u64,
}

impl Kind {
    fn new(name: &str, memory: bool) -> Self {
        let row = SIZE_COMMANDS.iter().find(|(known, ..)| *known == name);
        let unit = if memory { "bytes" } else { row.map_or("?", |(.., unit)| unit) };
        let command = row.map(|(_, command, _)| *command);
        Self { name: name.to_owned(), command, unit, biggest: 0, biggest_key: None, total: 0, count: 0 }
    }
}

/// Runs the mode.
pub fn run(context: &mut Context, memory: bool) -> Result<(), Failure> {
    accept_replicas(context);
    let total = db_size(context)?;
    say!(
        "\n# Scanning the entire keyspace to find biggest keys as well as\n\
         # average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n\
         # per 100 SCAN commands (not usually needed).\n\n"
    );
    let mut kinds: Vec<Kind> = SIZE_COMMANDS.iter().map(|(name, ..)| Kind::new(name, memory)).collect();
    let (mut sampled, mut name_bytes) = (0u64, 0u64);
    let mut walk = Walk::new(context.options.cursor);
    let bar = super::progress::bar(Some(total), false);
    context.catch_interrupts();
    while let Some(keys) = walk.next(context)? {
        let percent = share(sampled, total);
        let names = types(context, &keys)?;
        let sizes = sizes(context, &keys, &names, memory)?;
        for ((key, name), size) in keys.iter().zip(&names).zip(sizes) {
            let Some(size) = size else { continue };
            let at = kinds.iter().position(|kind| kind.name == *name).unwrap_or_else(|| {
                kinds.push(Kind::new(name, memory));
                kinds.len() - 1
            });
            let kind = &mut kinds[at];
            kind.total += size;
            kind.count += 1;
            name_bytes += key.len() as u64;
            sampled += 1;
            if kind.biggest < size {
                kind.biggest = size;
                kind.biggest_key = Some(key.clone());
                let (mark, shown) = (mark(context.options.face), show(key));
                bar.suspend(|| {
                    let kind_name = &kind.name;
                    say!("[{percent:05.2}%] Biggest {kind_name:<6} found so far {mark}{shown}{mark} with {size} {}\n", kind.unit);
                });
            }
            if sampled.is_multiple_of(1_000_000) {
                bar.suspend(|| say!("[{percent:05.2}%] Sampled {sampled} keys so far\n"));
            }
        }
        bar.set_position(sampled);
        if context.is_interrupted() {
            break;
        }
        walk.pause(context, 100);
    }
    bar.finish_and_clear();
    summary(context, &kinds, sampled, name_bytes);
    Ok(())
}

/// Valkey puts the quoted key into single quotes.
fn mark(face: Face) -> &'static str {
    if face == Face::Valkey { "'" } else { "" }
}

/// `part` of `whole` in percent.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// Sizes of keys by elements or memory; `None` for vanished keys.
pub fn sizes(
    context: &mut Context,
    keys: &[Vec<u8>],
    names: &[String],
    memory: bool,
) -> Result<Vec<Option<u64>>, Failure> {
    let mut commands = Vec::new();
    for (key, name) in keys.iter().zip(names) {
        if name == "none" {
            continue;
        }
        if memory {
            let mut argv = vec![b"MEMORY".to_vec(), b"USAGE".to_vec(), key.clone()];
            if context.options.memory_samples > 0 {
                argv.extend([b"SAMPLES".to_vec(), context.options.memory_samples.to_string().into_bytes()]);
            }
            commands.push(argv);
        } else if let Some(command) = Kind::new(name, false).command {
            commands.push(vec![command.as_bytes().to_vec(), key.clone()]);
        }
    }
    let mut replies = context.connection.pipeline(&commands)?.into_iter().zip(&commands);
    let mut out = Vec::with_capacity(keys.len());
    for name in names {
        if name == "none" {
            out.push(None);
        } else if !memory && Kind::new(name, false).command.is_none() {
            // A module's type: counted, but its size is unknown.
            out.push(Some(0));
        } else {
            let Some((reply, argv)) = replies.next() else { break };
            out.push(size_of(&reply, argv));
        }
    }
    Ok(out)
}

fn size_of(reply: &Value, argv: &[Vec<u8>]) -> Option<u64> {
    match reply {
        Value::Integer(size) => Some(u64::try_from(*size).unwrap_or(0)),
        Value::Null => None,
        _ => {
            let name = String::from_utf8_lossy(&argv[0]).into_owned();
            let key =
                argv.iter().skip(1).find(|word| *word != b"USAGE").map(Vec::as_slice).unwrap_or_default();
            warn!("Warning:  {name} on '{}' failed (may have changed type)\n", String::from_utf8_lossy(key));
            Some(0)
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn summary(context: &Context, kinds: &[Kind], sampled: u64, name_bytes: u64) {
    let title = if context.options.face == Face::Redis { "summary" } else { "Summary" };
    let average = |total: u64, count: u64| if count == 0 { 0.0 } else { total as f64 / count as f64 };
    let dashes = if context.options.face == Face::Redis { "-------" } else { "--------" };
    say!("\n-------- {title} {dashes}\n\nSampled {sampled} keys in the keyspace!\n");
    say!("Total key length in bytes is {name_bytes} (avg len {:.2})\n\n", average(name_bytes, sampled));
    let mark = mark(context.options.face);
    for kind in kinds {
        if let Some(key) = &kind.biggest_key {
            let (name, shown) = (&kind.name, show(key));
            say!("Biggest {name:>6} found {mark}{shown}{mark} has {} {}\n", kind.biggest, kind.unit);
        }
    }
    say!("\n");
    for kind in kinds {
        let (count, total) = (kind.count, kind.total);
        let (percent, mean) = (share(count, sampled), average(total, count));
        say!(
            "{count} {}s with {total} {} ({percent:05.2}% of keys, avg size {mean:.2})\n",
            kind.name,
            kind.unit
        );
    }
}
