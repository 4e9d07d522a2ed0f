//! Finds lines in a server log that no test expected.
//!
//! Invariant: a warning, a panic or a crash report that is not explicitly expected is a failure.
//! Callers: integration tests, after the faults they made.

/// Words that always mean trouble, whatever the level of the line.
const ALWAYS: &[&str] =
    &["BUG REPORT START", "panicked at", "ASSERTION FAILED", "Guru Meditation", "AddressSanitizer"];

/// Warnings that say something about the machine, not about the server.
const ABOUT_THE_MACHINE: &[&str] = &[
    "WARNING: The TCP backlog setting",
    "WARNING Memory overcommit must be enabled",
    "WARNING You have Transparent Huge Pages",
    "Warning: no config file specified",
    "oO0OoO0OoO0Oo",
    "version=",
    "User requested shutdown",
    "Received SIGTERM scheduling shutdown",
    "is now ready to exit, bye bye",
];

/// The lines of `log` that are warnings (level mark `#`) or crashes and contain none of `expected`.
///
/// ```
/// let log = "1:M 01 Jan 2026 00:00:00.000 # Disk is on fire\n1:M 01 Jan 2026 00:00:00.000 * fine\n";
/// assert_eq!(russet_testkit::logcheck::unexpected(log, &[]).len(), 1);
/// assert!(russet_testkit::logcheck::unexpected(log, &["on fire"]).is_empty());
/// ```
pub fn unexpected<'a>(log: &'a str, expected: &[&str]) -> Vec<&'a str> {
    log.lines()
        .filter(|line| is_trouble(line))
        .filter(|line| !expected.iter().any(|e| line.contains(e)))
        .collect()
}

/// Panics, showing them, when `log` has unexpected lines.
///
/// # Panics
/// That is its purpose.
pub fn assert_clean(log: &str, expected: &[&str]) {
    let found = unexpected(log, expected);
    assert!(found.is_empty(), "unexpected lines in the server log:\n{}", found.join("\n"));
}

fn is_trouble(line: &str) -> bool {
    if ALWAYS.iter().any(|word| line.contains(word)) {
        return true;
    }
    level(line) == Some('#') && !ABOUT_THE_MACHINE.iter().any(|word| line.contains(word))
}

/// The level mark of `pid:role day month year time LEVEL message`.
fn level(line: &str) -> Option<char> {
    let mut words = line.split(' ');
    let (pid, _role) = words.next()?.split_once(':')?;
    pid.parse::<u32>().ok()?;
    words.nth(4)?.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_told_apart() {
        let cases = [
            ("12:M 22 Nov 2026 18:00:00.000 # Can't save", true),
            ("12:M 22 Nov 2026 18:00:00.000 * # of keys", false),
            ("12:M 22 Nov 2026 18:00:00.000 # WARNING Memory overcommit must be enabled! x", false),
            ("thread 'main' panicked at src/lib.rs", true),
            ("=== REDIS BUG REPORT START: Cut & paste ===", true),
            ("free text", false),
        ];
        for (line, trouble) in cases {
            assert_eq!(unexpected(line, &[]).len(), usize::from(trouble), "{line}");
        }
    }
}
