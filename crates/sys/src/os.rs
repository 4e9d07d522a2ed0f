//! The operating system's calls that std does not have: clocks, sizes, CPU times, affinity, limits.

use std::io;
use std::os::fd::AsRawFd;

/// Milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    unix_us() / 1000
}

/// Microseconds since the Unix epoch.
pub fn unix_us() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}

/// Microseconds of a clock that only goes forward, from an arbitrary start.
#[inline]
pub fn monotonic_us() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; CLOCK_MONOTONIC exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

/// Resident bytes of this process (0 if the kernel does not say).
pub fn rss_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    // SAFETY: sysconf has no preconditions.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

/// Bytes of memory of this machine (0 if the kernel does not say).
pub fn total_memory_bytes() -> u64 {
    // SAFETY: sysconf has no preconditions.
    let (pages, size) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    pages.max(0) as u64 * size.max(0) as u64
}

/// Whose CPU time [`cpu_seconds`] reports.
#[derive(Clone, Copy)]
pub enum Whose {
    Process,
    Children,
    Thread,
}

/// (user, system) seconds of CPU.
pub fn cpu_seconds(whose: Whose) -> (f64, f64) {
    let who = match whose {
        Whose::Process => libc::RUSAGE_SELF,
        Whose::Children => libc::RUSAGE_CHILDREN,
        Whose::Thread => libc::RUSAGE_THREAD,
    };
    // SAFETY: an all-zero rusage is valid, and the call fills it in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &raw mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime), seconds(usage.ru_stime))
}

/// Microseconds of CPU of this process without the calling thread, to the moment.
pub fn others_cpu_us() -> u64 {
    cpu_clock_us(libc::CLOCK_PROCESS_CPUTIME_ID).saturating_sub(thread_cpu_us())
}

/// Microseconds of CPU of the calling thread, to the moment. Time in which it had no core does not count.
pub fn thread_cpu_us() -> u64 {
    cpu_clock_us(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn cpu_clock_us(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; the clocks of the two callers exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

/// `uname`: (system, release, machine).
pub fn uname() -> (String, String, String) {
    // SAFETY: an all-zero utsname is valid, and the call fills it with terminated strings.
    let names = unsafe {
        let mut names: libc::utsname = std::mem::zeroed();
        libc::uname(&raw mut names);
        names
    };
    let text = |field: &[libc::c_char]| {
        field.iter().take_while(|&&c| c != 0).map(|&c| c as u8 as char).collect::<String>()
    };
    (text(&names.sysname), text(&names.release), text(&names.machine))
}

/// A time of day where this machine is.
#[derive(Clone, Copy, Debug)]
pub struct LocalTime {
    pub year: i32,
    /// 0 is January.
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    /// Seconds that local time is ahead of UTC.
    pub east_of_utc_s: i32,
}

/// The local time of `unix_s`.
pub fn local_time(unix_s: u64) -> LocalTime {
    let seconds = unix_s as libc::time_t;
    // SAFETY: an all-zero tm is valid, and localtime_r fills it in; both pointers are valid.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const seconds, &raw mut tm);
        tm
    };
    LocalTime {
        year: tm.tm_year + 1900,
        month: tm.tm_mon as u32,
        day: tm.tm_mday as u32,
        hour: tm.tm_hour as u32,
        minute: tm.tm_min as u32,
        second: tm.tm_sec as u32,
        east_of_utc_s: tm.tm_gmtoff as i32,
    }
}

/// Fills `bytes` from the system's generator of secrets.
pub fn random_bytes(bytes: &mut [u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        // SAFETY: the kernel writes at most so many bytes to a buffer that has them.
        let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(count) {
            Ok(count) => rest = &mut rest[count..],
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
    Ok(())
}

/// Sets the mask of permissions of new files; answers the old one.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: umask has no preconditions.
    unsafe { libc::umask(mask) }
}

/// Leaves the terminal and the session (`daemonize yes`): the parent ends here. To be called before any thread starts.
pub fn daemonize() -> io::Result<()> {
    // SAFETY: there is one thread, so the child inherits a consistent process.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: setsid has no preconditions.
            unsafe { libc::setsid() };
            let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
            for fd in 0..3 {
                // SAFETY: both descriptors are open.
                unsafe { libc::dup2(null.as_raw_fd(), fd) };
            }
            Ok(())
        }
        _ => std::process::exit(0),
    }
}

/// Raises the limit of open files to `wanted` as far as the system allows; answers the limit in force.
pub fn raise_open_files(wanted: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return 1024;
    }
    if limit.rlim_cur >= wanted {
        return limit.rlim_cur;
    }
    for target in [wanted, limit.rlim_max.min(wanted)] {
        let new = libc::rlimit { rlim_cur: target, rlim_max: limit.rlim_max.max(target) };
        // SAFETY: `new` is a valid limit; a refusal changes nothing.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const new) } == 0 {
            return target;
        }
    }
    limit.rlim_cur
}

/// Binds the calling thread to one CPU; false if the system refused (a sandbox may).
pub fn pin_thread(cpu: usize) -> bool {
    // SAFETY: an all-zero set is the empty set; CPU_SET writes inside it for any index below its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if cpu >= 8 * size_of::<libc::cpu_set_t>() {
            return false;
        }
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0
    }
}

/// Asks the kernel to run the calling thread in slices of so many nanoseconds (100,000 at least), and to wake it from sleep
/// on time. A thread with shorter slices than others gets its turn sooner, and no more of the core. Kernels before 6.12
/// know no such slices and change nothing.
pub fn run_in_short_slices(nanos: u64) {
    // SAFETY: an all-zero attribute is valid and means the usual policy; the call only reads it, and the nice value
    // is the one that the thread has. PR_SET_TIMERSLACK takes no pointers.
    unsafe {
        let mut attributes: libc::sched_attr = std::mem::zeroed();
        attributes.size = size_of::<libc::sched_attr>() as u32;
        attributes.sched_runtime = nanos;
        attributes.sched_nice = libc::getpriority(libc::PRIO_PROCESS, 0);
        libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
        libc::prctl(libc::PR_SET_TIMERSLACK, 1_000 as libc::c_ulong, 0, 0, 0);
    }
}

/// Starts writing the file's dirty pages out, so that the final fsync finds little left.
pub fn start_writeback(file: &std::fs::File, offset: u64, bytes: u64) {
    // SAFETY: the descriptor is open for the life of `file`; the call only advises the kernel.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), offset as i64, bytes as i64, libc::SYNC_FILE_RANGE_WRITE);
    }
}

/// Allows or forbids huge pages for the whole process, whatever the allocator asks for (`disable-thp`).
pub fn allow_huge_pages(allow: bool) -> io::Result<()> {
    // SAFETY: PR_SET_THP_DISABLE takes one flag and no pointers.
    match unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, libc::c_ulong::from(!allow), 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Hints the processor to fetch the cache line at `address`; any address is allowed.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: PREFETCHT0 never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_answers() {
        assert!(rss_bytes() > 0 && total_memory_bytes() > rss_bytes());
        assert!(unix_ms() > 1_600_000_000_000);
        let (system, release, machine) = uname();
        assert!(system == "Linux" && !release.is_empty() && !machine.is_empty());
        let before = monotonic_us();
        assert!(monotonic_us() >= before && cpu_seconds(Whose::Process).0 >= 0.0);
    }
}
