//! Replies as text in the classic formats, byte for byte those of the peers. Pure: value in, bytes out.

mod csv;
mod json;
mod raw;
mod standard;

use resp::reply::Value;

use crate::options::{Options, Output};

pub use json::string as json_string;

/// Text of a reply with its final delimiter. `verbatim` is set for commands whose reply is a text for
/// people (INFO and kin): those are passed through in every format.
#[must_use]
pub fn reply(value: &Value, output: Output, verbatim: bool, options: &Options) -> Vec<u8> {
    let mut out = Vec::new();
    match (verbatim, output) {
        (true, _) => raw::write(&mut out, value, &options.bulk_delimiter),
        (_, Output::Standard) => standard::write(&mut out, value, 0),
        (_, Output::Raw) => {
            raw::write(&mut out, value, &options.bulk_delimiter);
            out.extend_from_slice(&options.command_delimiter);
        }
        (_, Output::Csv) => {
            csv::write(&mut out, value);
            out.push(b'\n');
        }
        (_, Output::Json | Output::QuotedJson) => {
            json::write(&mut out, value, output == Output::QuotedJson);
            out.push(b'\n');
        }
    }
    out
}

/// Whether a command's reply is passed through verbatim.
#[must_use]
pub fn is_verbatim(argv: &[Vec<u8>]) -> bool {
    let word = |at: usize| argv.get(at).map(|word| String::from_utf8_lossy(word).to_ascii_lowercase());
    let (Some(first), second) = (word(0), word(1).unwrap_or_default()) else { return false };
    let second = second.as_str();
    match (first.as_str(), argv.len()) {
        ("info" | "lolwut", _) => true,
        ("debug", 2..) => matches!(second, "htstats" | "htstats-key" | "client-eviction"),
        ("memory", 2) => matches!(second, "malloc-stats" | "doctor"),
        ("cluster", 2) => matches!(second, "nodes" | "info"),
        ("client", 2..) => matches!(second, "list" | "info"),
        ("latency", 2) => second == "doctor",
        ("latency", 3) => second == "graph",
        ("proxy", 2..) => second == "info",
        _ => false,
    }
}
