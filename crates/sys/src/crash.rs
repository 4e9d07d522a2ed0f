//! Signals of a crash: a report is made, then the process ends by the same signal, as it would have without.
//!
//! Invariant: the report is made at most once, and the process ends even if making it fails: each signal's handler is
//! taken off before it runs, so a second fault inside it ends the process at once. `server` calls [`on_crash`] at start.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Signals that mean a bug, or come from whoever wants to see where the process is.
const SIGNALS: [libc::c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

static REPORT: OnceLock<fn(i32)> = OnceLock::new();
static MADE: AtomicBool = AtomicBool::new(false);

/// Calls `report` with the signal's number when the process is about to end by one. The report runs on the thread that
/// was hit, which may hold any lock: it may hang or fault where a program that is well would not. An alarm ends the
/// process if it hangs.
pub fn on_crash(report: fn(i32)) {
    // Set once; who comes second changes nothing.
    let _ = REPORT.set(report);
    // SAFETY: an all-zero sigaction is valid; the handler has the type that SA_SIGINFO-less actions want, and lives
    // as long as the program.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_NODEFER | libc::SA_RESETHAND;
        libc::sigemptyset(&raw mut action.sa_mask);
        for signal in SIGNALS {
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// Seconds that the report may take.
const PATIENCE_S: u32 = 5;

extern "C" fn handle(signal: libc::c_int) {
    // Another thread may crash meanwhile, or the report itself: the first report is enough.
    if !MADE.swap(true, Ordering::SeqCst)
        && let Some(report) = REPORT.get()
    {
        // SAFETY: alarm and signal have no preconditions; the default action of SIGALRM ends the process.
        unsafe {
            libc::signal(libc::SIGALRM, libc::SIG_DFL);
            libc::alarm(PATIENCE_S);
        }
        report(signal);
    }
    end_by(signal);
}

/// Ends the process by `signal`, without a report.
fn end_by(signal: libc::c_int) {
    // SAFETY: signal and raise have no preconditions. The signal is not blocked (SA_NODEFER), so `raise` ends the
    // process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Says that a report has been made by other means: none follows by signal.
pub fn reported() {
    MADE.store(true, Ordering::SeqCst);
}

/// Ends the process as an access to memory that is not there does.
pub fn segfault() {
    // SAFETY: raise has no preconditions.
    unsafe { libc::raise(libc::SIGSEGV) };
}

/// A signal's name, without its first three letters.
pub fn name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => "SEGV",
        libc::SIGBUS => "BUS",
        libc::SIGFPE => "FPE",
        libc::SIGILL => "ILL",
        libc::SIGABRT => "ABRT",
        _ => "?",
    }
}
