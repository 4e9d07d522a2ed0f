//! The cluster manager, `--cluster`: subcommands are rows; each works on the topology that one reachable
//! node describes.
//!
//! Output is the peers', colours included when the terminal has them. Exit codes: 0 done, 1 not.

mod admin;
mod create;
mod fix;
mod help;
mod import;
mod log;
mod migrate;
mod node;
mod plan;
mod rebalance;
mod reshard;
mod topology;

use crate::options::Options;
use crate::{say, warn};

pub use node::Node;
pub use topology::Topology;

/// Number of slots of a cluster.
pub const SLOTS: u16 = 16384;

/// Ends a subcommand with exit code 1; what is to say has been said.
#[derive(Debug)]
pub struct Failed;

/// How a subcommand ends.
pub type Outcome = Result<(), Failed>;

struct Subcommand {
    name: &'static str,
    /// Fewest and most words behind the name.
    words: (usize, usize),
    run: fn(&Options) -> Outcome,
}

const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand { name: "create", words: (1, usize::MAX), run: create::create },
    Subcommand { name: "check", words: (1, 2), run: admin::check },
    Subcommand { name: "info", words: (1, 2), run: admin::info },
    Subcommand { name: "fix", words: (1, 2), run: admin::fix },
    Subcommand { name: "reshard", words: (1, 2), run: reshard::reshard },
    Subcommand { name: "rebalance", words: (1, 2), run: rebalance::rebalance },
    Subcommand { name: "add-node", words: (2, 2), run: admin::add_node },
    Subcommand { name: "del-node", words: (2, 3), run: admin::del_node },
    Subcommand { name: "call", words: (2, usize::MAX), run: admin::call },
    Subcommand { name: "set-timeout", words: (2, 2), run: admin::set_timeout },
    Subcommand { name: "import", words: (1, 1), run: import::import },
    Subcommand { name: "backup", words: (2, 2), run: admin::backup },
    Subcommand { name: "help", words: (0, usize::MAX), run: help::help },
];

/// Runs the subcommand of the command line; the exit code.
pub fn run(options: &Options) -> i32 {
    let argv = &options.cluster.argv;
    let Some(row) = SUBCOMMANDS.iter().find(|row| Some(row.name) == argv.first().map(String::as_str)) else {
        warn!("Unknown --cluster subcommand\n");
        return 1;
    };
    // Words of `call` may follow the flags.
    let extra = if row.name == "call" { options.words.len() } else { 0 };
    let count = argv.len() - 1 + extra;
    if count < row.words.0 || count > row.words.1 {
        warn!("[ERR] Wrong number of arguments for specified --cluster sub command\n");
        return 1;
    }
    let code = i32::from((row.run)(options).is_err());
    crate::emit::flush();
    code
}

/// Splits `host:port` or `host:port@bus`.
fn address(text: &str) -> Option<(String, u16, Option<u16>)> {
    let (text, bus) = match text.split_once('@') {
        Some((text, bus)) => (text, Some(bus.parse().ok()?)),
        None => (text, None),
    };
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), port.parse().ok()?, bus))
}

const BAD_ADDRESS: &str = "[ERR] Invalid arguments: you need to pass either a valid address (ie. 120.0.0.1:7000) or \
                           space separated IP and port (ie. 120.0.0.1 7000)\n";

/// The entry node from `host:port` or `host port`; how many words that took.
fn entry(options: &Options) -> Result<(String, u16, usize), Failed> {
    let argv = &options.cluster.argv[1..];
    if let Some((host, port, _)) = argv.first().and_then(|text| address(text)) {
        return Ok((host, port, 1));
    }
    let split =
        argv.first().zip(argv.get(1)).and_then(|(host, port)| Some((host.clone(), port.parse().ok()?)));
    match split {
        Some((host, port)) => Ok((host, port, 2)),
        None => {
            warn!("{BAD_ADDRESS}");
            Err(Failed)
        }
    }
}

/// Asks a question that `--cluster-yes` answers.
fn confirm(options: &Options, question: &str) -> bool {
    if options.cluster.yes {
        return true;
    }
    ask(&format!("{question} (type 'yes' to accept): ")).eq_ignore_ascii_case("yes")
}

/// Reads an answer from stdin.
fn ask(question: &str) -> String {
    say!("{question}");
    crate::emit::flush();
    let mut line = String::new();
    // The end of the input is an empty answer.
    let _ = std::io::stdin().read_line(&mut line);
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(address("127.0.0.1:7000"), Some(("127.0.0.1".to_owned(), 7000, None)));
        assert_eq!(address("[::1]:7000@17000"), Some(("::1".to_owned(), 7000, Some(17000))));
        for bad in ["127.0.0.1", "h:x", "h:99999", ""] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }
}
