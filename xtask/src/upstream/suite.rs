//! The suite on disk, and one run of one unit.
//!
//! Invariant: a run that takes too long is ended with its whole process group, servers included; only what
//! was started here is ended. Callers: `upstream::run`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::peers::workspace;

/// What the suite needs of the source tree.
const PARTS: &[&str] = &["runtest", "tests", "utils", "valkey.conf", "sentinel.conf"];
/// Programs that tests start.
const TOOLS: &[&str] = &[
    "valkey-server",
    "valkey-cli",
    "valkey-benchmark",
    "valkey-sentinel",
    "valkey-check-aof",
    "valkey-check-rdb",
];
/// How the skip file names servers instead of a test.
const SERVER: &str = "server: ";
/// Ranges of ports: the first, what the suite may use of each, what lies free around it, and how many there are. Cluster
/// units use ports 10,000 above; all lie below those that the system gives to clients.
const FIRST_PORT: u16 = 11_000;
const PORTS: u16 = 900;
const SPARE: u16 = 100;
const RANGES: u16 = 10;
/// Lines that are kept of what the suite says of a failed test.
const WORDS: usize = 12;

/// Results of one unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    /// Names of failed tests, and what ended the unit early.
    pub failures: Vec<String>,
    /// What the suite said of them, line by line.
    pub words: Vec<String>,
    /// Why the unit did not come to its end.
    pub broken: Option<String>,
    pub seconds: u64,
}

impl Counts {
    /// True when everything that ran passed and the unit came to its end.
    pub fn clean(&self) -> bool {
        self.failed == 0 && self.broken.is_none()
    }

    /// For people.
    pub fn line(&self) -> String {
        let broken = self.broken.as_ref().map(|b| format!(", ended early: {b}")).unwrap_or_default();
        format!("{} passed, {} failed, {} skipped{broken}", self.passed, self.failed, self.skipped)
    }

    /// Adds the counts of another unit.
    pub fn add(&mut self, other: &Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Counts the lines that the suite prints. A server that cannot start with a configuration that `skips` names
    /// (`server: NAME VALUE`) counts as skipped.
    pub fn parse(output: &str, skips: &[String]) -> Counts {
        let mut counts = Counts::default();
        let mut lines = output.lines().map(without_colours);
        let mut words_left = 0;
        while let Some(line) = lines.next() {
            let Some((mark, text)) = line.strip_prefix('[').and_then(|l| l.split_once("]: ")) else {
                if words_left > 0 {
                    words_left -= 1;
                    counts.words.push(line);
                }
                continue;
            };
            words_left = 0;
            if mark == "err" && text.starts_with("Can't start") && refused(&mut lines, skips) {
                counts.skipped += 1;
                continue;
            }
            if ["err", "exception", "timeout"].contains(&mark) {
                words_left = WORDS;
                counts.words.push(first_line(text));
            }
            match mark {
                "ok" => counts.passed += 1,
                "skip" => counts.skipped += 1,
                "err" => {
                    counts.failed += 1;
                    counts.failures.push(first_line(text));
                }
                "exception" => counts.broken = Some(first_line(text)),
                "timeout" => counts.broken = Some("a test hung".into()),
                _ => {}
            }
        }
        counts
    }
}

/// Whether the configuration that follows sets what `skips` names; the last line of a name holds.
fn refused(lines: &mut impl Iterator<Item = String>, skips: &[String]) -> bool {
    let mut settings = BTreeMap::new();
    for line in lines.skip_while(|line| line != "CONFIGURATION:").skip(1).take_while(|line| line != "ERROR:")
    {
        if let Some((name, value)) = line.split_once(' ') {
            settings.insert(name.to_string(), value.to_string());
        }
    }
    skips
        .iter()
        .filter_map(|skip| skip.strip_prefix(SERVER)?.split_once(' '))
        .any(|(name, value)| settings.get(name).is_some_and(|set| set == value))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().chars().take(160).collect()
}

/// Takes terminal colours out.
fn without_colours(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = after.split_once('m').map_or("", |(_, tail)| tail);
    }
    out + rest
}

/// A range of ports that no other run on this machine uses, for as long as this lives.
struct Ports {
    first: u16,
    _guard: TcpListener,
}

impl Ports {
    /// Claims a range: whoever can listen on its last port has it.
    fn claim(worker: usize) -> Result<Ports> {
        for turn in 0..RANGES {
            let range = FIRST_PORT + (worker as u16 + turn) % RANGES * (PORTS + SPARE);
            if let Ok(guard) = TcpListener::bind(("127.0.0.1", range + PORTS + SPARE - 1)) {
                return Ok(Ports { first: range + SPARE / 2, _guard: guard });
            }
        }
        bail!("all ranges of ports are taken")
    }
}

/// The suite, ready to run.
pub struct Suite {
    source: PathBuf,
    root: PathBuf,
    bin: PathBuf,
    /// Held for as long as the run lives; the copies of the suite are this run's alone.
    _lock: fs::File,
}

impl Suite {
    /// Lays out the programs: ours where we have them, the real ones for the rest.
    pub fn prepare(source: &Path, server: &Path, our_cli: Option<&Path>) -> Result<Suite> {
        ensure!(
            Command::new("tclsh").arg("/dev/null").stdout(Stdio::null()).status().is_ok_and(|s| s.success()),
            "tclsh is missing: apt-get install tcl"
        );
        let root = workspace().join("target/upstream");
        let bin = root.join("bin");
        fs::create_dir_all(&bin)?;
        fs::create_dir_all(root.join("out"))?;
        let lock = fs::File::create(root.join("lock"))?;
        ensure!(lock.try_lock().is_ok(), "another run of the suite goes on in this checkout");
        for tool in TOOLS {
            let target = match (*tool, our_cli) {
                ("valkey-server", _) => server.to_path_buf(),
                ("valkey-cli", Some(path)) => path.to_path_buf(),
                _ => source.join("src").join(tool),
            };
            let link = bin.join(tool);
            _ = fs::remove_file(&link);
            let target = fs::canonicalize(&target).with_context(|| target.display().to_string())?;
            std::os::unix::fs::symlink(target, link)?;
        }
        Ok(Suite { source: source.to_path_buf(), root, bin, _lock: lock })
    }

    /// Names of all units.
    pub fn units(&self) -> Result<Vec<String>> {
        let tree = self.worker_tree(0)?;
        let output = Command::new("./runtest").arg("--list-tests").current_dir(tree).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut units: Vec<String> = text.lines().filter(|l| l.contains('/')).map(String::from).collect();
        units.sort();
        units.dedup();
        ensure!(!units.is_empty(), "the suite lists no units");
        Ok(units)
    }

    /// A copy of the suite for one worker, since runs share `tests/tmp`.
    pub fn worker_tree(&self, worker: usize) -> Result<PathBuf> {
        let tree = self.root.join(format!("worker-{worker}"));
        if !tree.join("runtest").exists() {
            fs::create_dir_all(&tree)?;
            for part in PARTS {
                let from = self.source.join(part);
                if from.exists() {
                    let status = Command::new("cp").arg("-r").arg(&from).arg(&tree).status()?;
                    ensure!(status.success(), "cannot copy {}", from.display());
                }
            }
            // Some units look for programs beside the suite.
            std::os::unix::fs::symlink(&self.bin, tree.join("src"))?;
        }
        Ok(tree)
    }

    /// Runs one unit and counts.
    pub fn run_unit(
        &self,
        tree: &Path,
        worker: usize,
        unit: &str,
        skips: &[String],
        limit: Duration,
    ) -> Result<Counts> {
        let skip_file = tree.join("skip");
        fs::write(&skip_file, skips.join("\n"))?;
        let out = self.root.join("out").join(format!("{}.txt", unit.replace('/', "-")));
        let log = fs::File::create(&out)?;
        let ports = Ports::claim(worker)?;
        let begun = Instant::now();
        let mut command = Command::new("./runtest");
        command
            .args(["--single", unit, "--clients", "1", "--durable", "--skip-leaks"])
            .args(["--baseport", &ports.first.to_string(), "--portcount", &PORTS.to_string()])
            .args(["--timeout", &limit.as_secs().to_string()])
            .env("VALKEY_BIN_DIR", &self.bin)
            .env_remove("RUST_BACKTRACE")
            .current_dir(tree)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        if !skips.is_empty() {
            command.arg("--skipfile").arg(&skip_file);
        }
        let ended = wait_group(&mut command, limit)?;
        let mut text = Vec::new();
        fs::File::open(&out)?.read_to_end(&mut text)?;
        let mut counts = Counts::parse(&String::from_utf8_lossy(&text), skips);
        counts.seconds = begun.elapsed().as_secs();
        if !ended {
            counts.broken = Some(format!("not done after {} s", limit.as_secs()));
        } else if counts.passed + counts.failed + counts.skipped == 0 && counts.broken.is_none() {
            // Some units have nothing to run on some machines; the suite says so at its end.
            let whole = String::from_utf8_lossy(&text).contains("All tests passed");
            counts.broken = (!whole).then(|| "no test ran".to_string());
        }
        Ok(counts)
    }
}

/// Waits for a command that leads a process group; ends the group when it is late. True when it was not.
fn wait_group(command: &mut Command, limit: Duration) -> Result<bool> {
    let mut child = command.spawn().context("starting ./runtest")?;
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let begun = Instant::now();
    let mut in_time = true;
    loop {
        if child.try_wait()?.is_some() {
            break;
        }
        if begun.elapsed() > limit {
            in_time = false;
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    // Servers that a unit left behind belong to the group and go with it; none left is no error.
    if let Some(group) = group {
        _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    _ = child.wait();
    Ok(in_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_the_suite_is_counted() {
        let output = "Cleanup: may take some time... OK\n\
            [ready]: 123\n[testing unit/x]\n\
            [\u{1b}[0;32mok\u{1b}[0m]: first test (3 ms)\n\
            [ok]: second [with brackets]: (3 ms)\n\
            [skip]: third: blacklisted\n[ignore]: fourth\n\
            [err]: fifth in tests/unit/x.tcl\nExpected 1\n";
        let counts = Counts::parse(output, &[]);
        assert_eq!((counts.passed, counts.failed, counts.skipped), (2, 1, 1));
        assert_eq!(counts.failures, ["fifth in tests/unit/x.tcl"]);
        assert_eq!(counts.words, ["fifth in tests/unit/x.tcl", "Expected 1"]);
        assert!(!counts.clean());
        let ended = Counts::parse("[ok]: a (1 ms)\n[exception]: Executing test client: boom\n", &[]);
        assert_eq!(ended.broken.as_deref(), Some("Executing test client: boom"));
    }

    #[test]
    fn servers_that_cannot_start_yet_are_skipped() {
        let output = "[err]: Can't start /bin/x\nCONFIGURATION:\nappendonly no\nappendonly yes\nERROR:\nwords\n\
            [err]: Can't start /bin/x\nCONFIGURATION:\nappendonly yes\nappendonly no\nERROR:\nwords\n[ok]: a (1 ms)\n";
        let counts = Counts::parse(output, &["server: appendonly yes".to_string()]);
        assert_eq!((counts.passed, counts.failed, counts.skipped), (1, 1, 1));
        assert_eq!(Counts::parse(output, &[]).failed, 2);
    }

    #[test]
    fn a_late_group_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("1000").process_group(0);
        assert!(!wait_group(&mut command, Duration::from_millis(1)).expect("wait"));
        let mut quick = Command::new("true");
        quick.process_group(0);
        assert!(wait_group(&mut quick, Duration::from_secs(60)).expect("wait"));
    }
}
