//! SIGALRM asks where the process is: its threads go to the log, and it goes on.
//!
//! The kernel's view of each thread is shown (proc(5)): what it is called, whether it runs, waits or sleeps in the kernel,
//! and the processor time that it has taken. So it is seen which one is busy or stuck, without stopping any.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use crate::log;

/// From here on SIGALRM does not end the process. Called inside the runtime; the task ends with it.
pub fn show_on_alarm() -> io::Result<()> {
    let mut alarm = signal(SignalKind::alarm())?;
    tokio::spawn(async move {
        while alarm.recv().await.is_some() {
            log::warning("--- Received SIGALRM: the threads ---");
            let mut lines: Vec<(u64, String)> = threads().unwrap_or_default();
            lines.sort();
            lines.iter().for_each(|(_, line)| log::warning(line));
        }
    });
    Ok(())
}

/// (id, line) of each thread.
fn threads() -> io::Result<Vec<(u64, String)>> {
    let mut lines = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?;
        // A thread may end meanwhile.
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
        let id = task.file_name().to_string_lossy().parse().unwrap_or(0);
        lines.extend(describe(&stat).map(|text| (id, format!("thread {id} {text}"))));
    }
    Ok(lines)
}

/// What the text of `/proc/<pid>/task/<tid>/stat` says; None if it is none.
fn describe(stat: &str) -> Option<String> {
    // The name, in parentheses, may contain anything. Behind it comes the third field.
    let (head, fields) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let state = match *fields.first()? {
        "R" => "runs",
        "S" => "waits",
        "D" => "waits for a device",
        other => other,
    };
    let ticks = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    // The unit of these fields is a hundredth of a second for every program on Linux.
    let (user, system) = (ticks(14)? as f64 / 100.0, ticks(15)? as f64 / 100.0);
    Some(format!("'{name}' {state}, processor time {user:.2} s in the program, {system:.2} s in the kernel"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_is_described() {
        let stat = "12 (a) (b) R 1 2 3 4 5 6 7 8 9 10 250 7 0 0 20 0";
        assert_eq!(
            describe(stat).as_deref(),
            Some("'a) (b' runs, processor time 2.50 s in the program, 0.07 s in the kernel")
        );
        assert_eq!(describe("12 (a"), None);
        assert!(!threads().expect("proc(5)").is_empty());
    }
}
