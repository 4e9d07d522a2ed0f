//! `--check-system` and `--test-memory`: is this machine fit for a server? Called by `start` before anything else.
//!
//! The names of the checks and the end of the program (0 when nothing was found, else 1) are the real servers'; what is checked is what
//! matters to this program. It never forks, so overcommitting memory does not matter to it, and it wants huge pages.

use std::fs;
use std::hint::black_box;
use std::process::ExitCode;

const CLOCKS: &str = "/sys/devices/system/clocksource/clocksource0";
const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// What one check came to.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// The system does not tell, or it does not matter here.
    Skipped,
    Warning(&'static str),
}

/// `--check-system`: one line per check, and what to do about a warning.
pub fn check_system() -> ExitCode {
    let read = |path: String| fs::read_to_string(path).ok();
    let current = read(format!("{CLOCKS}/current_clocksource"));
    let available = read(format!("{CLOCKS}/available_clocksource"));
    let checks = [
        ("slow-clocksource", slow_clock(current.as_deref())),
        ("xen-clocksource", xen_clock(current.as_deref(), available.as_deref())),
        ("overcommit", Found::Skipped),
        ("THP", huge_pages(read(HUGE_PAGES.to_owned()).as_deref())),
    ];
    let mut code = ExitCode::SUCCESS;
    for (name, found) in checks {
        match found {
            Found::Nothing => println!("[{name}]...OK"),
            Found::Skipped => println!("[{name}]...skipped"),
            Found::Warning(text) => {
                println!("[{name}]...WARNING:\n{text}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// Clocks that are read by a call of the system, or over a slow bus.
fn slow_clock(current: Option<&str>) -> Found {
    match current.map(str::trim) {
        None => Found::Skipped,
        Some("acpi_pm" | "hpet" | "jiffies" | "refined-jiffies" | "pit") => Found::Warning(
            "Slow system clocksource detected. This can result in degraded performance. Consider changing the system's \
             clocksource. Possible sources are in /sys/devices/system/clocksource/clocksource0/available_clocksource; write \
             one (tsc, if it is there) to current_clocksource beside it.",
        ),
        Some(_) => Found::Nothing,
    }
}

fn xen_clock(current: Option<&str>, available: Option<&str>) -> Found {
    match (current.map(str::trim), available) {
        (Some("xen"), Some(all)) if all.split_whitespace().any(|name| name == "tsc") => Found::Warning(
            "Your system is configured to use the 'xen' clocksource which might lead to degraded performance. Check \
             the result of the [slow-clocksource] system check: run 'echo tsc > \
             /sys/devices/system/clocksource/clocksource0/current_clocksource'.",
        ),
        (None, _) => Found::Skipped,
        _ => Found::Nothing,
    }
}

/// `always [madvise] never`: the word in brackets holds.
fn huge_pages(enabled: Option<&str>) -> Found {
    match enabled {
        None => Found::Skipped,
        Some(text) if text.contains("[never]") => Found::Warning(
            "Transparent huge pages are turned off in your kernel. Commands on large data sets take longer that way. To fix \
             this run 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' as root, and add it to your \
             /etc/rc.local to keep it after a reboot.",
        ),
        Some(_) => Found::Nothing,
    }
}

/// Times that each pattern is written and read.
const PASSES: u64 = 50;

/// `--test-memory MEGABYTES`: writes patterns and reads them back.
pub fn test_memory(megabytes: Option<&[u8]>, program: &str) -> ExitCode {
    let number = megabytes.and_then(|text| std::str::from_utf8(text).ok()?.parse::<usize>().ok());
    let Some(words) = number.and_then(|n| n.checked_mul(1 << 17)) else {
        eprintln!(
            "Please specify the amount of memory to test in megabytes.\nExample: ./{program} --test-memory 4096\n"
        );
        return ExitCode::FAILURE;
    };
    let mut memory: Vec<u64> = Vec::new();
    if memory.try_reserve_exact(words).is_err() {
        println!("Unable to allocate {} megabytes", words >> 17);
        return ExitCode::FAILURE;
    }
    memory.resize(words, 0);
    for pass in 1..=PASSES {
        println!("Pass [{pass}/{PASSES}]");
        let wrong = pass_over(black_box(&mut memory), pass);
        if wrong > 0 {
            println!(
                "\n*** MEMORY ERROR DETECTED: {wrong} words of 8 bytes did not hold what was written. Your memory may be damaged."
            );
            return ExitCode::FAILURE;
        }
    }
    println!("\nYour memory passed this test.");
    println!("Please keep the test running several minutes per GB of memory.");
    println!("Also check http://www.memtest86.com/ and http://pyropus.ca/software/memtester/");
    ExitCode::SUCCESS
}

/// Each word's own place, noise, solid bits and checkerboards, each with its complement; the number of words that were
/// read back otherwise.
fn pass_over(memory: &mut [u64], pass: u64) -> usize {
    let place = |index: usize| (index as u64).wrapping_mul(8);
    // SplitMix64: any word of the noise from its number alone.
    let noise = |index: usize| {
        let mut z = (index as u64 ^ pass << 48).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let board =
        |index: usize| if index.is_multiple_of(2) { 0x5555_5555_5555_5555 } else { !0x5555_5555_5555_5555 };
    let patterns: [&dyn Fn(usize) -> u64; 4] = [&place, &noise, &|_| 0, &board];
    patterns.iter().flat_map(|pattern| [(pattern, 0), (pattern, u64::MAX)]).fold(
        0,
        |wrong, (pattern, mask)| {
            for (index, word) in memory.iter_mut().enumerate() {
                *word = pattern(index) ^ mask;
            }
            let memory = black_box(&*memory);
            wrong + memory.iter().enumerate().filter(|(index, word)| **word != pattern(*index) ^ mask).count()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says() {
        let warns = |found: Found| matches!(found, Found::Warning(_));
        assert_eq!(slow_clock(None), Found::Skipped);
        assert_eq!(slow_clock(Some("tsc\n")), Found::Nothing);
        assert!(warns(slow_clock(Some("hpet\n"))));
        assert_eq!(xen_clock(Some("xen\n"), Some("xen\n")), Found::Nothing);
        assert!(warns(xen_clock(Some("xen\n"), Some("tsc xen\n"))));
        assert_eq!(huge_pages(Some("always [madvise] never\n")), Found::Nothing);
        assert!(warns(huge_pages(Some("always madvise [never]\n"))));
    }

    #[test]
    fn sound_memory_passes() {
        assert_eq!(pass_over(&mut vec![0; 1000], 1), 0);
    }
}
