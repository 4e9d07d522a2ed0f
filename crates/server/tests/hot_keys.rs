//! HOTKEYS: what a session counts, on whichever worker a command runs.

mod common;

use common::*;

/// Bytes of requests and replies as a Redis 8.6.3 counts them for the same commands.
#[test]
fn bytes_are_counted_for_the_keys_of_commands_on_all_workers() {
    let server = ours("--io-threads 2");
    let mut clients = [client(&server), client(&server)];
    ok(&mut clients[0], "HOTKEYS START METRICS 2 CPU NET COUNT 3");
    for (at, command) in [
        "SET a b",
        "SET a b",
        "GET a",
        "PING",
        "MSET a 1 b 2 c 3",
        "GET nokey",
        "INCR b",
        "LPUSH l a b c d",
        "GET",
    ]
    .into_iter()
    .enumerate()
    {
        run(&mut clients[at % 2], command);
    }
    let report = run(&mut clients[0], "HOTKEYS GET");
    for part in [
        "\"net-bytes-all-commands-all-slots\", :260",
        "\"total-net-bytes\", :259",
        "[\"a\", :111, \"l\", :54, \"b\", :45]",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(
        report.contains("\"tracking-active\", :1") && report.contains("\"by-cpu-time-us\", [\""),
        "{report}"
    );
    ok(&mut clients[0], "HOTKEYS STOP");
    run(&mut clients[1], "GET a");
    let stopped = run(&mut clients[1], "HOTKEYS GET");
    assert!(stopped.contains(":260") && stopped.contains("\"tracking-active\", :0"), "{stopped}");
    ok(&mut clients[1], "HOTKEYS RESET");
    assert_eq!(run(&mut clients[1], "HOTKEYS GET"), "nil-bulk");
}
