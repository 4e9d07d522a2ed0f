//! `doctor`: looks at a server and, when it runs here, at its host; says what to mend and how. Each check is
//! one function of the facts; exit code 1 when anything must be mended.

use std::fs;

use resp::reply::Value;

use crate::number::human_bytes;
use crate::options::Options;
use crate::say;
use crate::session::Session;

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    Good,
    Advice,
    Bad,
}

/// What a check found.
type Finding = (Grade, String);

/// What is known.
#[derive(Default)]
struct Facts {
    info: Vec<(String, String)>,
    config: Vec<(String, String)>,
    slow_commands: i64,
    /// The server runs on this host: files below /proc and /sys speak about it.
    local: bool,
}

impl Facts {
    fn info(&self, name: &str) -> Option<&str> {
        self.info.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.info(name)?.parse().ok()
    }

    fn config(&self, name: &str) -> Option<&str> {
        self.config.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

const CHECKS: &[fn(&Facts) -> Option<Finding>] = &[
    version,
    memory_limit,
    memory_use,
    fragmentation,
    persistence,
    last_save,
    password,
    clients,
    replication,
    hit_rate,
    slow_log,
    overcommit,
    huge_pages,
    backlog,
    swap,
];

/// Runs the tool.
pub fn run(options: &Options, words: &[String]) -> Result<(), String> {
    if !words.is_empty() {
        return Err(String::new());
    }
    let mut session = Session::new(options.clone(), false);
    if !session.connect(false) {
        return Err("doctor: no connection, nothing to look at".to_owned());
    }
    let facts = gather(&mut session)?;
    let mut bad = 0;
    for check in CHECKS {
        let Some((grade, text)) = check(&facts) else { continue };
        let mark = match grade {
            Grade::Good => "ok    ",
            Grade::Advice => "advice",
            Grade::Bad => "MEND  ",
        };
        bad += usize::from(grade == Grade::Bad);
        say!("{mark}  {text}\n");
    }
    match bad {
        0 => Ok(()),
        count => Err(format!("{count} to mend")),
    }
}

fn gather(session: &mut Session) -> Result<Facts, String> {
    let local = session.options.socket.is_some()
        || matches!(session.options.host.as_str(), "127.0.0.1" | "::1" | "localhost");
    let connection = session.connection().ok_or("no connection")?;
    let mut ask = |argv: &[&str]| connection.call(argv).map_err(|error| error.to_string());
    let info = ask(&["INFO", "everything"])?;
    if info.is_error() {
        return Err(format!("INFO: {}", info.to_text()));
    }
    let mut facts = Facts { local, ..Facts::default() };
    for line in info.to_text().lines() {
        if let Some((name, value)) = line.split_once(':') {
            facts.info.push((name.to_owned(), value.trim_end().to_owned()));
        }
    }
    // CONFIG may be forbidden: then its checks are left out.
    for (name, value) in ask(&["CONFIG", "GET", "*"])?.to_pairs().unwrap_or_default() {
        facts.config.push((name.to_text(), value.to_text()));
    }
    facts.slow_commands = ask(&["SLOWLOG", "LEN"])?.as_integer().unwrap_or(0);
    let _ = ask(&["PING"]).map(|reply| reply == Value::Null);
    Ok(facts)
}

fn version(facts: &Facts) -> Option<Finding> {
    let name = facts.info("server_name").unwrap_or("redis");
    let version = facts.info(&format!("{name}_version")).or_else(|| facts.info("redis_version"))?;
    let days = facts.number("uptime_in_days").unwrap_or(0);
    Some((Grade::Good, format!("{name} {version}, up {days} days")))
}

fn memory_limit(facts: &Facts) -> Option<Finding> {
    let limit: i64 = facts.number("maxmemory")?;
    if limit == 0 {
        return Some((Grade::Advice, "maxmemory is not set: the system will kill the server when memory runs out. CONFIG SET maxmemory <bytes>".to_owned()));
    }
    let policy = facts.info("maxmemory_policy").unwrap_or_default();
    Some((Grade::Good, format!("maxmemory {} with policy {policy}", human_bytes(limit))))
}

#[allow(clippy::cast_precision_loss)]
fn memory_use(facts: &Facts) -> Option<Finding> {
    let (used, limit) = (facts.number("used_memory")?, facts.number("maxmemory")?);
    let total = facts.number("total_system_memory").unwrap_or(0);
    let ceiling = if limit > 0 { limit } else { total };
    if ceiling == 0 {
        return None;
    }
    let percent = 100.0 * used as f64 / ceiling as f64;
    let text = format!("{} used, {percent:.0} % of {}", human_bytes(used), human_bytes(ceiling));
    let full = percent > 95.0;
    let evicts = facts.info("maxmemory_policy").is_some_and(|policy| policy != "noeviction");
    Some((
        if full && !evicts {
            Grade::Bad
        } else if full {
            Grade::Advice
        } else {
            Grade::Good
        },
        text,
    ))
}

fn fragmentation(facts: &Facts) -> Option<Finding> {
    let ratio: f64 = facts.info("mem_fragmentation_ratio")?.parse().ok()?;
    let used = facts.number("used_memory")?;
    // Below this the ratio measures the program, not its data.
    if used < 100 << 20 {
        return None;
    }
    match ratio {
        ratio if ratio > 1.5 => Some((
            Grade::Advice,
            format!("memory fragmentation {ratio}: try CONFIG SET activedefrag yes, or MEMORY PURGE"),
        )),
        ratio if ratio < 0.9 => Some((
            Grade::Bad,
            format!("resident memory is below what is used ({ratio}): the server is being swapped out"),
        )),
        _ => Some((Grade::Good, format!("memory fragmentation {ratio}"))),
    }
}

fn persistence(facts: &Facts) -> Option<Finding> {
    let aof = facts.info("aof_enabled")? == "1";
    let save = facts.config("save").is_some_and(|save| !save.is_empty());
    Some(match (aof, save) {
        (true, _) => {
            let sync = facts.config("appendfsync").unwrap_or("everysec");
            (Grade::Good, format!("append-only file on, appendfsync {sync}"))
        }
        (false, true) => (Grade::Good, "dumps are saved; the append-only file is off".to_owned()),
        (false, false) => (
            Grade::Advice,
            "nothing is persisted: right for a cache, else CONFIG SET appendonly yes".to_owned(),
        ),
    })
}

fn last_save(facts: &Facts) -> Option<Finding> {
    for (field, what) in [
        ("rdb_last_bgsave_status", "dump"),
        ("aof_last_write_status", "append-only write"),
        ("aof_last_bgrewrite_status", "append-only rewrite"),
    ] {
        if facts.info(field).is_some_and(|status| status != "ok") {
            return Some((
                Grade::Bad,
                format!(
                    "the last {what} failed: see the server's log for the reason (disk full, permissions?)"
                ),
            ));
        }
    }
    None
}

fn password(facts: &Facts) -> Option<Finding> {
    let protected = facts.config("requirepass").is_some_and(|password| !password.is_empty());
    let open_bind = facts.config("bind").is_some_and(|bind| {
        bind.is_empty()
            || bind.split(' ').any(|address| address.contains('*') || address == "0.0.0.0" || address == "::")
    });
    let guarded = facts.config("protected-mode").is_some_and(|mode| mode == "yes");
    if protected || !open_bind {
        return None;
    }
    let grade = if guarded { Grade::Advice } else { Grade::Bad };
    Some((grade, "listens on all addresses without a password: set requirepass or users, or bind".to_owned()))
}

fn clients(facts: &Facts) -> Option<Finding> {
    let rejected = facts.number("rejected_connections").unwrap_or(0);
    let (connected, most) = (facts.number("connected_clients")?, facts.number("maxclients").unwrap_or(0));
    if rejected > 0 {
        return Some((
            Grade::Advice,
            format!("{rejected} connections were rejected: raise maxclients ({most}) or find the leak"),
        ));
    }
    Some((Grade::Good, format!("{connected} clients of at most {most}")))
}

fn replication(facts: &Facts) -> Option<Finding> {
    if facts.info("role")? != "slave" {
        return Some((Grade::Good, format!("{} replicas", facts.number("connected_slaves").unwrap_or(0))));
    }
    let up = facts.info("master_link_status").is_some_and(|status| status == "up");
    let primary = facts.info("master_host").unwrap_or_default();
    Some(if up {
        (Grade::Good, format!("replica of {primary}, link up"))
    } else {
        (Grade::Bad, format!("replica of {primary}, link down: check address, password and network"))
    })
}

#[allow(clippy::cast_precision_loss)]
fn hit_rate(facts: &Facts) -> Option<Finding> {
    let (hits, misses) = (facts.number("keyspace_hits")?, facts.number("keyspace_misses")?);
    let total = hits + misses;
    if total < 1000 {
        return None;
    }
    let percent = 100.0 * hits as f64 / total as f64;
    let evicted = facts.number("evicted_keys").unwrap_or(0);
    let poor = percent < 50.0 && evicted > 0;
    let grade = if poor { Grade::Advice } else { Grade::Good };
    Some((grade, format!("{percent:.1} % of look-ups hit, {evicted} keys evicted")))
}

fn slow_log(facts: &Facts) -> Option<Finding> {
    (facts.slow_commands > 0)
        .then(|| (Grade::Advice, format!("{} slow commands on record: SLOWLOG GET", facts.slow_commands)))
}

/// A number from a file of the host, when the server runs on it.
fn host_number(facts: &Facts, path: &str) -> Option<i64> {
    if !facts.local {
        return None;
    }
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// Servers that fork want memory overcommitted; ours does not fork.
fn overcommit(facts: &Facts) -> Option<Finding> {
    let forks = facts.info("server_name") != Some("russet");
    let mode = host_number(facts, "/proc/sys/vm/overcommit_memory")?;
    (forks && mode == 0).then(|| {
        (
            Grade::Advice,
            "vm.overcommit_memory is 0: saving may fail when memory is tight. sysctl vm.overcommit_memory=1"
                .to_owned(),
        )
    })
}

fn huge_pages(facts: &Facts) -> Option<Finding> {
    let forks = facts.info("server_name") != Some("russet");
    if !facts.local || !forks {
        return None;
    }
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    text.contains("[always]").then(|| (Grade::Advice, "transparent huge pages are always on: latency while saving. echo madvise > /sys/kernel/mm/transparent_hugepage/enabled".to_owned()))
}

fn backlog(facts: &Facts) -> Option<Finding> {
    let wanted: i64 = facts.config("tcp-backlog")?.parse().ok()?;
    let has = host_number(facts, "/proc/sys/net/core/somaxconn")?;
    (has < wanted).then(|| {
        (
            Grade::Advice,
            format!(
                "net.core.somaxconn is {has}, below tcp-backlog {wanted}. sysctl net.core.somaxconn={wanted}"
            ),
        )
    })
}

fn swap(facts: &Facts) -> Option<Finding> {
    if !facts.local {
        return None;
    }
    let process = facts.number("process_id")?;
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSwap:"))?;
    let kilobytes: i64 = line.split_whitespace().next()?.parse().ok()?;
    (kilobytes > 10 * 1024)
        .then(|| (Grade::Bad, format!("{} of the server are swapped out", human_bytes(kilobytes * 1024))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(info: &[(&str, &str)], config: &[(&str, &str)]) -> Facts {
        let own = |list: &[(&str, &str)]| {
            list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Facts { info: own(info), config: own(config), ..Facts::default() }
    }

    #[test]
    fn grades() {
        let grade = |finding: Option<Finding>| finding.map(|(grade, _)| grade);
        assert_eq!(grade(memory_limit(&facts(&[("maxmemory", "0")], &[]))), Some(Grade::Advice));
        let full = [("used_memory", "99"), ("maxmemory", "100"), ("maxmemory_policy", "noeviction")];
        assert_eq!(grade(memory_use(&facts(&full, &[]))), Some(Grade::Bad));
        let link = [("role", "slave"), ("master_link_status", "down")];
        assert_eq!(grade(replication(&facts(&link, &[]))), Some(Grade::Bad));
        assert_eq!(grade(last_save(&facts(&[("rdb_last_bgsave_status", "err")], &[]))), Some(Grade::Bad));
        assert_eq!(
            grade(password(&facts(&[], &[("requirepass", ""), ("bind", "*"), ("protected-mode", "no")]))),
            Some(Grade::Bad)
        );
        assert_eq!(grade(password(&facts(&[], &[("requirepass", "x"), ("bind", "*")]))), None);
    }
}
