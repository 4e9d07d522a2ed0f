//! LATENCY: slow events, and the distribution of each command's time.

use config::Directive;
use resp::writer::Writer;

use super::info::distribution;
use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::latency::Event;
use crate::table::table;

pub(super) fn latest(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let events = cx.server.latency.all();
    out.array(events.len());
    for (name, event) in events {
        let last = event.samples.back();
        out.array(6);
        out.bulk(name.as_bytes());
        out.int(last.map_or(0, |sample| sample.at_s as i64));
        out.int(last.map_or(0, |sample| sample.ms as i64));
        out.int(event.max_ms as i64);
        out.int(event.sum_ms as i64);
        out.int(event.count as i64);
    }
    Ok(())
}

pub(super) fn history(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let event = cx.server.latency.get(argv[2]).unwrap_or_default();
    out.array(event.samples.len());
    for sample in event.samples {
        out.array(2);
        out.int(sample.at_s as i64);
        out.int(sample.ms as i64);
    }
    Ok(())
}

pub(super) fn reset(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    out.int(cx.server.latency.reset(&argv[2..]) as i64);
    Ok(())
}

/// Rows of the graph.
const GRAPH_ROWS: u64 = 4;

/// One column for each sample, as high as it was slow; underneath, how long ago, downwards.
fn draw(name: &str, event: &Event, now_s: u64) -> String {
    let low = event.samples.iter().map(|sample| sample.ms).min().unwrap_or(0);
    let high = event.samples.iter().map(|sample| sample.ms).max().unwrap_or(0);
    let mut text = format!(
        "{name} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        event.max_ms,
        "-".repeat(80)
    );
    let range = (high - low).max(1);
    let level = |ms: u64| (ms - low) * (GRAPH_ROWS - 1) / range;
    for row in (0..GRAPH_ROWS).rev() {
        let mark = |ms: u64| match level(ms) {
            level if level > row => '|',
            level if level == row => {
                if row == 0 {
                    '_'
                } else {
                    '#'
                }
            }
            _ => ' ',
        };
        text.extend(event.samples.iter().map(|sample| mark(sample.ms)));
        text.push('\n');
    }
    let ages: Vec<String> =
        event.samples.iter().map(|sample| age(now_s.saturating_sub(sample.at_s))).collect();
    let longest = ages.iter().map(String::len).max().unwrap_or(0);
    text.push('\n');
    for at in 0..longest {
        text.extend(ages.iter().map(|age| age.as_bytes().get(at).map_or(' ', |&byte| byte as char)));
        text.push('\n');
    }
    text
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

pub(super) fn graph(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let name = String::from_utf8_lossy(argv[2]);
    let event = cx
        .server
        .latency
        .get(argv[2])
        .ok_or_else(|| CommandError::new(format!("ERR No samples available for event '{name}'")))?;
    out.verbatim("txt", draw(&name, &event, cx.now_ms / 1000).as_bytes());
    Ok(())
}

/// LATENCY HISTOGRAM [command ...]: unknown commands are passed over; a container stands for its subcommands.
pub(super) fn histogram(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut wanted: Vec<usize> = match &argv[2..] {
        [] => (0..table().rows().len()).collect(),
        words => words.iter().flat_map(|word| with_subcommands(word)).collect(),
    };
    wanted.sort_unstable();
    wanted.dedup();
    let rows: Vec<_> = wanted
        .into_iter()
        .map(|id| (table().rows()[id].full_name, distribution(cx.server, id)))
        .filter(|(_, times)| times.total() > 0)
        .collect();
    out.map(rows.len());
    for (name, times) in rows {
        out.bulk(name.as_bytes());
        out.map(2);
        out.bulk(b"calls");
        out.int(times.total() as i64);
        out.bulk(b"histogram_usec");
        let steps = times.cumulative();
        out.map(steps.len());
        for (usec, calls) in steps {
            out.int(usec as i64);
            out.int(calls as i64);
        }
    }
    Ok(())
}

/// The ids of a command and of its subcommands, or of the subcommand in `container|name`; none for what is no command.
fn with_subcommands(word: &[u8]) -> std::ops::Range<usize> {
    let mut parts = word.splitn(2, |&byte| byte == b'|');
    let found = parts.next().and_then(|name| table().find(name));
    match (found, parts.next()) {
        (Some(command), None) => {
            let id = usize::from(command.id);
            id..id + 1 + command.row.subs.len()
        }
        (Some(command), Some(name)) => {
            let sub = table().find_sub(command, name).map(|sub| usize::from(sub.id));
            sub.map_or(0..0, |id| id..id + 1)
        }
        (None, _) => 0..0,
    }
}

pub(super) fn doctor(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let events = cx.server.latency.all();
    let threshold_ms = cx.server.config.int(Directive::LatencyMonitorThreshold);
    let product = cx.family().product();
    let text = if threshold_ms == 0 {
        format!(
            "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this {product} instance. You may use \
             \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it.\n"
        )
    } else if events.is_empty() {
        format!(
            "Dave, no latency spike was observed during the lifetime of this {product} instance, not in the slightest \
             bit. I honestly think you ought to sit down calmly, take a stress pill, and think things over.\n"
        )
    } else {
        report(&events, threshold_ms, product)
    };
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

fn report(events: &[(&'static str, Event)], threshold_ms: i64, product: &str) -> String {
    let mut text = format!(
        "Dave, I have observed latency spikes in this {product} instance. You don't mind talking about it, do you Dave?\n\n"
    );
    for (number, (name, event)) in events.iter().enumerate() {
        let samples = event.samples.len().max(1) as u64;
        let average = event.samples.iter().map(|sample| sample.ms).sum::<u64>() / samples;
        text.push_str(&format!(
            "{}. {name}: {} latency spikes (average {average}ms, worst all time event {}ms).\n",
            number + 1,
            event.samples.len(),
            event.max_ms
        ));
    }
    text.push_str(&format!(
        "\nI have a few advices for you:\n\n- Commands that took longer than {threshold_ms} ms are in the slow log if \
         slowlog-log-slower-than is low enough: SLOWLOG GET shows them with their arguments.\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Monitor;

    #[test]
    fn the_graph_has_a_column_for_each_sample() {
        let monitor = Monitor::default();
        for (at_s, ms) in [(10, 5), (70, 50), (3700, 20)] {
            monitor.add("command", at_s, ms);
        }
        let graph = draw("command", &monitor.get(b"command").expect("an event"), 3702);
        assert!(graph.starts_with("command - high 50 ms, low 5 ms (all time high 50 ms)\n-----"));
        assert!(graph.contains("\n # \n | \n |#\n_||\n\n162\nh s\n") || graph.contains("\n # \n"), "{graph}");
    }
}
