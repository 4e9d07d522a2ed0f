//! `--cluster help`.

use super::{Failed, Outcome};
use crate::face::Face;
use crate::options::Options;
use crate::say;

const WHERE: &str = "<host:port> or <host> <port> - separated by either colon or space";

/// Names, words and flags, in the order of the page. `{P}` is "masters" or "primaries".
const PAGE: &[(&str, &str, &[&str])] = &[
    ("create", "host1:port1 ... hostN:portN", &["replicas <arg>"]),
    ("check", WHERE, &["search-multiple-owners"]),
    ("info", WHERE, &[]),
    ("fix", WHERE, &["search-multiple-owners", "fix-with-unreachable-{P}"]),
    (
        "reshard",
        WHERE,
        &["from <arg>", "to <arg>", "slots <arg>", "yes", "timeout <arg>", "pipeline <arg>", "replace"],
    ),
    (
        "rebalance",
        WHERE,
        &[
            "weight <node1=w1...nodeN=wN>",
            "use-empty-{P}",
            "timeout <arg>",
            "simulate",
            "pipeline <arg>",
            "threshold <arg>",
            "replace",
        ],
    ),
    ("add-node", "new_host:new_port existing_host:existing_port", &["{R}", "{ID} <arg>"]),
    ("del-node", "host:port node_id", &[]),
    ("call", "host:port command arg arg .. arg", &["only-{P}", "only-replicas"]),
    ("set-timeout", "host:port milliseconds", &[]),
    (
        "import",
        "host:port",
        &["from <arg>", "from-user <arg>", "from-pass <arg>", "from-askpass", "copy", "replace"],
    ),
    ("backup", "host:port backup_directory", &[]),
    ("help", "", &[]),
];

/// Prints the page.
pub fn help(options: &Options) -> Outcome {
    let redis = options.face == Face::Redis;
    let (replica, id) = if redis { ("slave", "master-id") } else { ("replica", "primaries-id") };
    say!("Cluster Manager Commands:\n");
    for (name, words, flags) in PAGE {
        say!("  {name:<15}{words}\n");
        for flag in *flags {
            let flag =
                flag.replace("{P}", options.face.primaries()).replace("{R}", replica).replace("{ID}", id);
            say!("                 --cluster-{flag}\n");
        }
    }
    say!(
        "\nFor check, fix, reshard, del-node, set-timeout, info, rebalance, call, import, backup you can specify the \
         host and port of any working node in the cluster.\n\nCluster Manager Options:\n  \
         --cluster-yes  Automatic yes to cluster commands prompts\n\n"
    );
    // The peers' exit code.
    Err(Failed)
}
