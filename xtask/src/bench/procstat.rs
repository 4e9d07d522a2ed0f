//! What the kernel says about a process: CPU time per thread, resident bytes, children.
//!
//! Invariant: read-only. Callers: the benchmark's rounds and memory tables.

use std::fs;

/// CPU nanoseconds of all living threads of `pid`, from the scheduler's own accounting.
///
/// Threads that ended in between are missing; servers keep theirs.
pub fn cpu_nanos(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

/// Resident bytes, shared pages counted by share, so that a forked child counts what it costs.
pub fn resident_bytes(pid: u32) -> u64 {
    let pss = field_kb(&format!("/proc/{pid}/smaps_rollup"), "Pss:");
    pss.or_else(|| field_kb(&format!("/proc/{pid}/status"), "VmRSS:")).unwrap_or(0) * 1024
}

/// Resident bytes of `pid` and of the processes that it started.
pub fn family_bytes(pid: u32) -> u64 {
    resident_bytes(pid) + children(pid).into_iter().map(resident_bytes).sum::<u64>()
}

fn children(pid: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

fn field_kb(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The processor's name and how many cores are online, for the head of a table.
pub fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name))
        .unwrap_or("unknown processor");
    let cores = text.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let pid = std::process::id();
        assert!(cpu_nanos(pid) > 0);
        assert!(resident_bytes(pid) > 100_000);
        assert!(family_bytes(pid) >= resident_bytes(pid) / 2);
    }
}
