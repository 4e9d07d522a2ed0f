//! `--keystats`: memory and length of keys together, with distributions. Ctrl-C shows what was found and
//! how to go on from there.

use std::collections::BTreeMap;

use super::bigkeys::{SIZE_COMMANDS, share, sizes};
use super::scan::{Walk, accept_replicas, db_size, show, types};
use super::{Context, Failure};
use crate::number::human_bytes;
use crate::say;

/// What is known about one type.
#[derive(Debug, Default)]
struct Kind {
    name: String,
    count: u64,
    memory: u64,
    length: u64,
    biggest: Option<(u64, Vec<u8>)>,
    longest: Option<(u64, Vec<u8>)>,
}

/// Everything gathered.
#[derive(Debug, Default)]
struct Totals {
    kinds: Vec<Kind>,
    sampled: u64,
    memory: u64,
    name_bytes: u64,
    longest_name: u64,
    /// Biggest first.
    top: Vec<(u64, String, Vec<u8>)>,
    sizes: BTreeMap<u64, u64>,
    /// Names up to 32 bytes, 256, 2048 and so on.
    name_lengths: Vec<u64>,
}

/// Runs the mode.
pub fn run(context: &mut Context) -> Result<(), Failure> {
    accept_replicas(context);
    let total = db_size(context)?;
    say!(
        "\n# Scanning the entire keyspace to find the biggest keys and distribution information.\n\
         # Use -i 0.1 to sleep 0.1 sec per 100 SCAN commands (not usually needed).\n\
         # Use --cursor <n> to start the scan at the cursor <n> (usually after a Ctrl-C).\n\
         # Use --top <n> to display <n> top key sizes (default is 10).\n\
         # Ctrl-C to stop the scan.\n\n"
    );
    let mut totals = Totals { kinds: known_kinds(), ..Totals::default() };
    let mut walk = Walk::new(context.options.cursor);
    let bar = super::progress::bar(Some(total), false);
    context.catch_interrupts();
    let mut stopped = false;
    loop {
        let cursor = walk.cursor();
        let Some(keys) = walk.next(context)? else { break };
        let names = types(context, &keys)?;
        let memory = sizes(context, &keys, &names, true)?;
        let lengths = sizes(context, &keys, &names, false)?;
        for (((key, name), memory), length) in keys.iter().zip(&names).zip(memory).zip(lengths) {
            let (Some(memory), Some(length)) = (memory, length) else { continue };
            totals.add(context.options.top, key, name, memory, length);
        }
        bar.set_position(totals.sampled);
        if context.is_interrupted() {
            bar.finish_and_clear();
            let program = context.options.face.program();
            say!(
                "Scan interrupted:\nUse '{program} --keystats --cursor {cursor}' to restart from the last cursor.\n"
            );
            stopped = true;
            break;
        }
        walk.pause(context, 100);
    }
    bar.finish_and_clear();
    let percent =
        if stopped { share(totals.sampled, total) } else { share(totals.sampled, total).min(100.0) };
    totals.print(context.options.top, percent);
    Ok(())
}

/// The types of the core in the order in which the classic client lists them; others follow as they are found.
fn known_kinds() -> Vec<Kind> {
    SIZE_COMMANDS.iter().map(|(name, ..)| Kind { name: (*name).to_owned(), ..Kind::default() }).collect()
}

impl Totals {
    fn add(&mut self, top: usize, key: &[u8], name: &str, memory: u64, length: u64) {
        let at = self.kinds.iter().position(|kind| kind.name == name).unwrap_or_else(|| {
            self.kinds.push(Kind { name: name.to_owned(), ..Kind::default() });
            self.kinds.len() - 1
        });
        let kind = &mut self.kinds[at];
        kind.count += 1;
        kind.memory += memory;
        kind.length += length;
        if kind.biggest.as_ref().is_none_or(|(size, _)| *size < memory) {
            kind.biggest = Some((memory, key.to_vec()));
        }
        if kind.longest.as_ref().is_none_or(|(size, _)| *size < length) {
            kind.longest = Some((length, key.to_vec()));
        }
        self.sampled += 1;
        self.memory += memory;
        self.name_bytes += key.len() as u64;
        self.longest_name = self.longest_name.max(key.len() as u64);
        *self.sizes.entry(rounded(memory)).or_default() += 1;
        let bucket = name_bucket(key.len());
        self.name_lengths.resize(self.name_lengths.len().max(bucket + 1), 0);
        self.name_lengths[bucket] += 1;
        let place = self.top.partition_point(|(size, ..)| *size >= memory);
        if place < top {
            self.top.insert(place, (memory, name.to_owned(), key.to_vec()));
            self.top.truncate(top);
        }
    }

    fn print(&self, top: usize, percent: f64) {
        say!(
            "{percent:6.2}% keys scanned\nKeys sampled: {}\nKeys size:    {}\n\n",
            self.sampled,
            human(self.memory)
        );
        say!("--- Top {top} key sizes ---\n");
        for (index, (size, name, key)) in self.top.iter().enumerate() {
            say!("{:3} {:>8} {name:<10} {}\n", index + 1, human(*size), show(key));
        }
        say!("\n--- Top size per type ---\n");
        for kind in &self.kinds {
            if let Some((size, key)) = &kind.biggest {
                say!("{:<10} {} is {}\n", kind.name, bare(key), human(*size));
            }
        }
        say!("\n--- Top length and cardinality per type ---\n");
        for kind in &self.kinds {
            if let (Some((size, key)), Some(unit)) = (&kind.longest, unit(&kind.name)) {
                say!("{:<10} {} has {}\n", kind.name, bare(key), amount(*size, unit));
            }
        }
        self.print_sizes();
        self.print_names();
        self.print_kinds();
    }

    fn print_sizes(&self) {
        say!("\nKey size Percentile Total keys\n-------- ---------- -----------\n");
        for (size, percentile, keys) in percentiles(&self.sizes) {
            say!("{:>8} {percentile:9.4}% {keys:11}\n", human(size));
        }
        let (mean, deviation) = spread(&self.sizes);
        say!("Note: 0.01% size precision, Mean: {}, StdDeviation: {}\n", human(mean), human(deviation));
    }

    fn print_names(&self) {
        say!("\nKey name length Percentile Total keys\n--------------- ---------- -----------\n");
        let mut keys = 0;
        for (bucket, count) in self.name_lengths.iter().enumerate() {
            keys += count;
            let last = bucket + 1 == self.name_lengths.len();
            let bound = if last { self.longest_name } else { name_bound(bucket) };
            say!("{:>15} {:9.4}% {keys:11}\n", human(bound), share(keys, self.sampled));
        }
        let average = self.name_bytes.checked_div(self.sampled).map_or("0".to_owned(), human);
        say!("Total key length is {} ({average} avg)\n", human(self.name_bytes));
    }

    fn print_kinds(&self) {
        say!("\nType        Total keys  Keys % Tot size Avg size  Total length/card Avg ln/card\n");
        say!("--------- ------------ ------- -------- -------- ------------------ -----------\n");
        for kind in self.kinds.iter().filter(|kind| kind.count > 0) {
            let (count, memory) = (kind.count, human(kind.memory));
            let average = human(kind.memory.checked_div(count).unwrap_or(0));
            let (length, mean) = match unit(&kind.name) {
                Some("bytes") => (human(kind.length), human(kind.length.checked_div(count).unwrap_or(0))),
                Some(unit) => {
                    (format!("{} {unit}", kind.length), format!("{:.2}", ratio(kind.length, count)))
                }
                None => ("-".to_owned(), "- ".to_owned()),
            };
            let percent = share(count, self.sampled);
            say!(
                "{:<10} {count:11} {percent:6.2}% {memory:>8} {average:>8} {length:>18} {mean:>11}\n",
                kind.name
            );
        }
    }
}

fn unit(name: &str) -> Option<&'static str> {
    SIZE_COMMANDS.iter().find(|(known, ..)| *known == name).map(|(.., unit)| *unit)
}

fn amount(size: u64, unit: &str) -> String {
    if unit == "bytes" { human(size) } else { format!("{size} {unit}") }
}

fn human(bytes: u64) -> String {
    human_bytes(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// A key without quotes, escapes kept.
fn bare(key: &[u8]) -> String {
    let shown = show(key);
    shown[1..shown.len() - 1].to_owned()
}

/// To a precision of 0.01 %: exact below 32768, then the top 15 bits count and the rest is set.
fn rounded(size: u64) -> u64 {
    let extra = (64 - size.leading_zeros()).saturating_sub(15);
    size | ((1u64 << extra) - 1)
}

fn name_bucket(length: usize) -> usize {
    (0..).find(|bucket| length as u64 <= name_bound(*bucket)).unwrap_or(0)
}

fn name_bound(bucket: usize) -> u64 {
    32u64.saturating_mul(8u64.saturating_pow(u32::try_from(bucket).unwrap_or(u32::MAX)))
}

#[allow(clippy::cast_precision_loss)]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Sizes at 0 %, 50 %, 75 %, 87.5 % and so on: (size, percentile, keys up to it), each size once.
fn percentiles(sizes: &BTreeMap<u64, u64>) -> Vec<(u64, f64, u64)> {
    let total: u64 = sizes.values().sum();
    let mut out = Vec::new();
    let (mut keys, mut level) = (0, 0.0);
    for (size, count) in sizes {
        keys += count;
        if share(keys, total) < level {
            continue;
        }
        out.push((*size, if keys == total { 100.0 } else { level }, keys));
        while level <= share(keys, total) && level < 100.0 {
            level += (100.0 - level) / 2.0;
        }
    }
    out
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn spread(sizes: &BTreeMap<u64, u64>) -> (u64, u64) {
    let total: u64 = sizes.values().sum();
    if total == 0 {
        return (0, 0);
    }
    let weighted = |value: &dyn Fn(f64) -> f64| -> f64 {
        sizes.iter().map(|(size, count)| value(*size as f64) * *count as f64).sum::<f64>() / total as f64
    };
    let mean = weighted(&|size| size);
    let variance = weighted(&|size| (size - mean).powi(2));
    (mean as u64, variance.sqrt() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_halve_the_rest() {
        let sizes: BTreeMap<u64, u64> = [(32, 14), (56, 123), (80, 88), (88, 30), (301, 1)].into();
        let rows = percentiles(&sizes);
        let expected = [(32, 0.0, 14), (56, 50.0, 137), (80, 75.0, 225), (88, 93.75, 255), (301, 100.0, 256)];
        assert_eq!(rows, expected);
        assert_eq!(percentiles(&[(32, 1)].into()), [(32, 100.0, 1)]);
    }

    #[test]
    fn sizes_are_rounded_up() {
        for (size, expected) in [(1, 1), (32767, 32767), (32768, 32769), (100_000, 100_003)] {
            assert_eq!(rounded(size), expected);
        }
    }

    #[test]
    fn names_fall_into_buckets() {
        for (length, bucket) in [(1, 0), (32, 0), (33, 1), (256, 1), (257, 2)] {
            assert_eq!(name_bucket(length), bucket);
        }
    }
}
