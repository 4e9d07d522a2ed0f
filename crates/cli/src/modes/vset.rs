//! `--vset-recall KEY`: compares the approximate search of a vector set with the exact one.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use resp::reply::Value;

use super::lru::Dice;
use super::{Context, Failure};
use crate::{emit, say};

/// Asks random questions until Ctrl-C, then sums up.
pub fn run(context: &mut Context, key: &str) -> Result<(), Failure> {
    let dimension = match context.connection.call(&["VDIM", key])? {
        Value::Integer(dimension) if dimension > 0 => usize::try_from(dimension).unwrap_or(0),
        _ => return Err(Failure(format!("Error: Cannot get dimension for key {key}"))),
    };
    let (count, ef, mixed) =
        (context.options.vset_count, context.options.vset_ef, context.options.vset_elements);
    say!("\n# Testing recall for vector set: {key} (dimension: {dimension})\n");
    say!("# Mixing {mixed} random element vectors, top {count} results, EF={ef}\n\n");
    context.catch_interrupts();
    let mut dice = Dice::new();
    let mut recalls = Vec::new();
    while !context.interrupted.load(Ordering::Relaxed) {
        let query = query(context, key, dimension, mixed, &mut dice)?;
        let (count, ef) = (count.to_string(), ef.to_string());
        let search = |last: &[&str]| -> Vec<Vec<u8>> {
            let mut argv = vec![b"VSIM".to_vec(), key.as_bytes().to_vec(), b"FP32".to_vec(), query.clone()];
            argv.extend([b"COUNT".to_vec(), count.clone().into_bytes()]);
            argv.extend(last.iter().map(|word| word.as_bytes().to_vec()));
            argv
        };
        let found = names(&context.call(&search(&["EF", &ef]))?);
        let truth = names(&context.call(&search(&["TRUTH"]))?);
        recalls.push(super::bigkeys::share(
            found.intersection(&truth).count() as u64,
            context.options.vset_count.max(1),
        ));
        let clear = if context.tty { "\x1b[0G\x1b[2K" } else { "" };
        let ending = if context.tty { "" } else { "\n" };
        say!("{clear}Queries: {} | Avg recall: {:.2}%{ending}", recalls.len(), mean(&recalls));
        emit::flush();
    }
    summary(&recalls);
    Ok(())
}

fn names(reply: &Value) -> HashSet<Vec<u8>> {
    let items = reply.as_slice().unwrap_or_default();
    items.iter().filter_map(|item| item.as_bytes().map(<[u8]>::to_vec)).collect()
}

/// The weighted sum of a few random members, as 32-bit floats.
fn query(
    context: &mut Context,
    key: &str,
    dimension: usize,
    mixed: u64,
    dice: &mut Dice,
) -> Result<Vec<u8>, Failure> {
    let members = context.call(&["VRANDMEMBER", key, &mixed.to_string()])?;
    let Some(members) = members.as_slice().filter(|members| !members.is_empty()) else {
        return Err(Failure("Error fetching random members".to_owned()));
    };
    let mut sum = vec![0f32; dimension];
    for member in members {
        let argv =
            [b"VEMB".to_vec(), key.as_bytes().to_vec(), member.as_bytes().unwrap_or_default().to_vec()];
        let vector = context.call(&argv)?;
        #[allow(clippy::cast_possible_truncation)]
        let weight = dice.unit() as f32;
        for (slot, part) in sum.iter_mut().zip(vector.as_slice().unwrap_or_default()) {
            *slot += weight * part.to_text().parse::<f32>().unwrap_or(0.0);
        }
    }
    Ok(sum.iter().flat_map(|part| part.to_le_bytes()).collect())
}

#[allow(clippy::cast_precision_loss)]
fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

#[allow(clippy::cast_precision_loss)]
fn summary(recalls: &[f64]) {
    let mut sorted = recalls.to_vec();
    sorted.sort_by(f64::total_cmp);
    let average = mean(recalls);
    let deviation = mean(&recalls.iter().map(|value| (value - average).powi(2)).collect::<Vec<_>>()).sqrt();
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    say!(
        "\n\n====================================\n       Recall Test Results\n====================================\n"
    );
    say!("Total queries:   {}\nAverage recall:  {average:.2}%\n", recalls.len());
    say!(
        "Mean recall:     {average:.2}%\nMedian recall:   {:.2}%\nStdDev:          {deviation:.2}%\n",
        at(sorted.len() / 2)
    );
    say!("Min recall:      {:.2}%\nMax recall:      {:.2}%\n", at(0), at(sorted.len().saturating_sub(1)));
    say!("\n--- Recall Thresholds ---\nAt least    % of queries\n--------    ------------\n");
    for threshold in [100.0, 99.0, 95.0, 90.0, 80.0, 70.0, 50.0] {
        let reached = recalls.iter().filter(|value| **value >= threshold).count();
        say!("{threshold:6.1}%     {:10.2}%\n", super::bigkeys::share(reached as u64, recalls.len() as u64));
    }
}
