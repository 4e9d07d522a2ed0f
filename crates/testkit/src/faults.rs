//! Runs a server under `strace -e inject`, so that system calls fail, stall or are cut short on demand.
//!
//! Invariant: only the process started here is traced. Callers: crash and disk-fault tests; they skip
//! themselves, saying so, where strace is missing.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::Spec;

/// One fault, in strace's own words.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The system call, such as `fsync` or `pwrite64`.
    pub call: &'static str,
    /// What happens, such as `error=EIO`, `delay_enter=500ms`, `retval=1`, `signal=KILL`.
    pub effect: &'static str,
    /// Which calls, such as `3`, `3+`, `2..4`; all when empty.
    pub when: &'static str,
}

impl Fault {
    fn expression(&self) -> String {
        let when = if self.when.is_empty() { String::new() } else { format!(":when={}", self.when) };
        format!("inject={}:{}{when}", self.call, self.effect)
    }
}

/// True when this machine has an strace that may trace (`apt-get install strace`).
pub fn available() -> bool {
    Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// A copy of `spec` that runs the same server with `faults`. `dir` receives the starter and the trace
/// (`trace`), which shows what was injected.
///
/// strace replaces itself by the server (`-D`), so the process id is the server's own.
///
/// # Errors
/// When the starter cannot be written.
pub fn inject(spec: &Spec, dir: &Path, faults: &[Fault]) -> io::Result<Spec> {
    let starter: PathBuf = dir.join("faulty-server");
    let mut calls: Vec<&str> = faults.iter().map(|f| f.call).collect();
    calls.dedup();
    let mut file = std::fs::File::create(&starter)?;
    writeln!(file, "#!/bin/sh")?;
    write!(file, "exec strace -D -f -qq -o '{}/trace' -e trace={}", dir.display(), calls.join(","))?;
    for fault in faults {
        write!(file, " -e {}", fault.expression())?;
    }
    writeln!(file, " '{}' \"$@\"", spec.binary.display())?;
    file.set_permissions(std::fs::Permissions::from_mode(0o755))?;
    Ok(Spec { binary: starter, ..spec.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::fresh_dir;

    #[test]
    fn an_injected_error_reaches_the_program() {
        if !available() {
            eprintln!("skipped: strace is not installed or may not trace here");
            return;
        }
        let dir = fresh_dir().expect("dir");
        let spec = Spec { args: Vec::new(), ..Spec::new("/bin/sync") };
        let fault = Fault { call: "fsync", effect: "error=EIO", when: "1" };
        let faulty = inject(&spec, &dir, &[fault]).expect("starter");
        let target = dir.join("file");
        std::fs::write(&target, "x").expect("file");
        let output = Command::new(&faulty.binary).arg(&target).output().expect("run");
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("Input/output error"), "{output:?}");
        std::fs::remove_dir_all(&dir).expect("clean up");
    }
}
