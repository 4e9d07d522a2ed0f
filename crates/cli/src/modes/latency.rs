//! `--latency`, `--latency-history`, `--latency-dist`: round trips of PING.

use std::time::{Duration, Instant};

use super::spark::Spark;
use super::{Context, Failure};
use crate::options::Output;
use crate::{emit, say};

const SAMPLE_PAUSE: Duration = Duration::from_millis(10);
const HISTORY_INTERVAL: Duration = Duration::from_secs(15);

/// Milliseconds of a number of round trips.
#[derive(Debug, Default)]
struct Samples {
    min: u64,
    max: u64,
    total: u64,
    count: u64,
}

impl Samples {
    fn add(&mut self, millis: u64) {
        self.min = if self.count == 0 { millis } else { self.min.min(millis) };
        self.max = self.max.max(millis);
        self.total += millis;
        self.count += 1;
    }

    #[allow(clippy::cast_precision_loss)]
    fn average(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.total as f64 / self.count as f64 }
    }

    fn text(&self, output: Output) -> String {
        let Self { min, max, count, .. } = self;
        let average = self.average();
        match output {
            Output::Standard => format!("min: {min}, max: {max}, avg: {average:.2} ({count} samples)"),
            Output::Csv => format!("{min},{max},{average:.2},{count}\n"),
            Output::Raw => format!("{min} {max} {average:.2} {count}\n"),
            Output::Json | Output::QuotedJson => {
                format!("{{\"min\": {min}, \"max\": {max}, \"avg\": {average:.2}, \"count\": {count}}}\n")
            }
        }
    }
}

/// Samples until killed; without a terminal once for a second (`-i`).
pub fn run(context: &mut Context, history: bool) -> Result<(), Failure> {
    let output = context.options.output.unwrap_or(if context.tty { Output::Standard } else { Output::Raw });
    let asked = context.options.interval;
    let interval = match (asked.is_zero(), history) {
        (false, _) => asked,
        (true, true) => HISTORY_INTERVAL,
        (true, false) => Duration::from_secs(1),
    };
    let live = output == Output::Standard;
    let mut spark = context.is_rich().then(|| Spark::new(30));
    let mut samples = Samples::default();
    let mut began = Instant::now();
    loop {
        let sent = Instant::now();
        context.call(&["PING"])?;
        let elapsed = sent.elapsed();
        samples.add(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        if live {
            let drawing = spark.as_mut().map(|spark| {
                spark.push(elapsed.as_secs_f64());
                format!(" {}", spark.draw())
            });
            say!("\x1b[0G\x1b[2K{}{}", samples.text(Output::Standard), drawing.unwrap_or_default());
            emit::flush();
        } else if !history && began.elapsed() >= interval {
            say!("{}", samples.text(output));
            return Ok(());
        }
        if history && began.elapsed() >= interval {
            finish_range(&samples, output, began.elapsed());
            samples = Samples::default();
            began = Instant::now();
        }
        std::thread::sleep(SAMPLE_PAUSE);
    }
}

fn finish_range(samples: &Samples, output: Output, elapsed: Duration) {
    if output == Output::Standard {
        say!(" -- {:.2} seconds range\n", elapsed.as_secs_f64());
    } else {
        say!("{}", samples.text(output));
    }
    emit::flush();
}

/// Upper bounds in microseconds and the sign of each column.
const COLUMNS: &[(u64, char)] = &[
    (10, '.'),
    (125, '-'),
    (250, '*'),
    (500, '#'),
    (1000, '1'),
    (2000, '2'),
    (3000, '3'),
    (4000, '4'),
    (5000, '5'),
    (6000, '6'),
    (7000, '7'),
    (8000, '8'),
    (9000, '9'),
    (10_000, 'A'),
    (20_000, 'B'),
    (30_000, 'C'),
    (40_000, 'D'),
    (50_000, 'E'),
    (100_000, 'F'),
    (200_000, 'G'),
    (300_000, 'H'),
    (400_000, 'I'),
    (500_000, 'J'),
    (1_000_000, 'K'),
    (2_000_000, 'L'),
    (4_000_000, 'M'),
    (8_000_000, 'N'),
    (16_000_000, 'O'),
    (30_000_000, 'P'),
    (60_000_000, 'Q'),
    (u64::MAX, '?'),
];

/// Colours from cold to hot.
const PALETTE: &[u8] =
    &[0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 144, 143, 142, 184, 226, 214, 208, 202, 196];

/// One line of colours per interval.
pub fn distribution(context: &mut Context) -> Result<(), Failure> {
    let interval = context.options.interval;
    let interval = if interval.is_zero() { Duration::from_secs(1) } else { interval };
    let (mut began, mut line) = (Instant::now(), 0u64);
    let mut counts = vec![0u64; COLUMNS.len()];
    loop {
        let sent = Instant::now();
        context.call(&["PING"])?;
        let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
        let column = COLUMNS.partition_point(|(bound, _)| *bound < micros).min(COLUMNS.len() - 1);
        counts[column] += 1;
        if began.elapsed() >= interval {
            if line.is_multiple_of(20) {
                legend();
            }
            line += 1;
            spectrum(&counts);
            counts.fill(0);
            began = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn legend() {
    say!(
        "---------------------------------------------\n\
         . - * #          .01 .125 .25 .5 milliseconds\n\
         1,2,3,...,9      from 1 to 9     milliseconds\n\
         A,B,C,D,E        10,20,30,40,50  milliseconds\n\
         F,G,H,I,J        .1,.2,.3,.4,.5       seconds\n\
         K,L,M,N,O,P,Q,?  1,2,4,8,16,30,60,>60 seconds\n\
         From 0 to 100%: "
    );
    for colour in PALETTE {
        say!("\x1b[48;5;{colour}m ");
    }
    say!("\x1b[0m\n---------------------------------------------\n");
}

fn spectrum(counts: &[u64]) {
    let total: u64 = counts.iter().sum();
    say!("\x1b[38;5;0m");
    for (count, (_, sign)) in counts.iter().zip(COLUMNS) {
        let top = PALETTE.len() as u64 - 1;
        let index = if total == 0 { 0 } else { (count * top).div_ceil(total).min(top) };
        let colour = PALETTE[usize::try_from(index).unwrap_or(0)];
        say!("\x1b[48;5;{colour}m{sign}");
    }
    say!("\x1b[0m\n");
    emit::flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let mut samples = Samples::default();
        for millis in [1, 0, 2] {
            samples.add(millis);
        }
        assert_eq!(samples.text(Output::Raw), "0 2 1.00 3\n");
        assert_eq!(samples.text(Output::Csv), "0,2,1.00,3\n");
        assert_eq!(samples.text(Output::Json), "{\"min\": 0, \"max\": 2, \"avg\": 1.00, \"count\": 3}\n");
        assert_eq!(samples.text(Output::Standard), "min: 0, max: 2, avg: 1.00 (3 samples)");
    }
}
