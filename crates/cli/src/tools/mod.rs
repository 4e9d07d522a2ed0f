//! Tools of our own name: `rdb`, `doctor`, `completions`, `man`. One row each; under a classic name these
//! words are server commands like any other.

mod completions;
mod doctor;
mod man;
mod rdb;

use crate::options::Options;
use crate::warn;

struct Row {
    name: &'static str,
    usage: &'static str,
    run: fn(&Options, &[String]) -> Result<(), String>,
}

const ROWS: &[Row] = &[
    Row { name: "rdb", usage: "rdb json|csv|stats|keys FILE", run: rdb::run },
    Row { name: "doctor", usage: "doctor", run: doctor::run },
    Row { name: "completions", usage: "completions bash|zsh|fish", run: completions::run },
    Row { name: "man", usage: "man", run: man::run },
];

/// Runs a tool when the words name one; its exit code.
#[must_use]
pub fn run(options: &Options) -> Option<i32> {
    let words: Vec<String> =
        options.words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let row = ROWS.iter().find(|row| Some(row.name) == words.first().map(String::as_str))?;
    Some(match (row.run)(options, &words[1..]) {
        Ok(()) => 0,
        Err(text) if text.is_empty() => {
            warn!("Usage: {} {}\n", options.face.program(), row.usage);
            1
        }
        Err(text) => {
            warn!("{text}\n");
            1
        }
    })
}
