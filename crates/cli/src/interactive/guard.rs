//! The question before a command that destroys data or service, asked on connections marked as production.

use crate::emit;
use crate::session::{Session, lower};
use crate::{say, warn};

/// Commands (with subcommand where only that is dangerous) and what they do.
const DANGEROUS: &[(&str, Option<&str>, &str)] = &[
    ("flushall", None, "deletes every key of every database"),
    ("flushdb", None, "deletes every key of the database"),
    ("swapdb", None, "exchanges two databases under all clients"),
    ("shutdown", None, "stops the server"),
    ("debug", None, "may stop or crash the server"),
    ("keys", None, "blocks the server while it walks all keys (SCAN does not)"),
    ("replicaof", None, "may replace the whole data set"),
    ("slaveof", None, "may replace the whole data set"),
    ("failover", None, "changes the primary"),
    ("cluster", Some("reset"), "makes the node forget its cluster"),
    ("cluster", Some("flushslots"), "takes all slots from the node"),
    ("cluster", Some("failover"), "changes the primary"),
    ("config", Some("set"), "changes the running server"),
    ("script", Some("flush"), "forgets all scripts"),
    ("function", Some("flush"), "deletes all functions"),
    ("acl", Some("deluser"), "deletes users"),
];

/// What a command destroys; `None` when it is harmless.
#[must_use]
pub fn danger(words: &[Vec<u8>]) -> Option<&'static str> {
    let (first, second) = (lower(words.first()), lower(words.get(1)));
    // A count in front hides nothing, and neither does `:watch [SECONDS]`.
    let is_count = first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if (is_count || first == ":watch") && words.len() > 1 {
        return danger(&words[1..]);
    }
    let hit = |row: &&(&str, Option<&str>, &str)| row.0 == first && row.1.is_none_or(|sub| sub == second);
    DANGEROUS.iter().find(hit).map(|(.., what)| *what)
}

/// Asks when needed; true to go on.
pub fn allows(session: &Session, words: &[Vec<u8>]) -> bool {
    let Some(what) = danger(words) else { return true };
    let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
    let target = session.options.target_text();
    let place =
        session.options.profile.as_ref().map_or(target.clone(), |profile| format!("{profile} ({target})"));
    say!("{name} {what}. This is production: {place}.\nType 'yes' to run it: ");
    emit::flush();
    let mut answer = String::new();
    // The end of the input is a no.
    let _ = std::io::stdin().read_line(&mut answer);
    let yes = answer.trim().eq_ignore_ascii_case("yes");
    if !yes {
        warn!("Not run.\n");
    }
    yes
}

#[cfg(test)]
mod tests {
    use super::danger;

    #[test]
    fn knows_the_dangerous_ones() {
        for (line, dangerous) in [
            ("FLUSHALL", true),
            ("flushdb async", true),
            ("config get x", false),
            ("config set x y", true),
            ("get flushall", false),
            ("2 flushall", true),
            (":watch flushall", true),
            (":watch 0.5 flushall", true),
            (":watch 2 get x", false),
            (":set table", false),
            ("cluster reset hard", true),
            ("cluster info", false),
        ] {
            let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(danger(&words).is_some(), dangerous, "{line}");
        }
    }
}
