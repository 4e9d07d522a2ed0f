//! Flags that choose a mode of work.
//! Layout of the help texts is part of the interface: it is printed as it stands.

use super::{Apply::*, Flag, Help::*, Stop, apply, text};
use crate::number;
use crate::options::Mode;

/// Rows in the order of the help page.
#[rustfmt::skip]
pub const FLAGS: &[Flag] = &[
    Flag {
        names: &["--stat"],
        apply: Switch(|o| o.mode = Mode::Stat),
        help: Same(r#"  --stat             Print rolling stats about server: mem, clients, ..."#),
    },
    Flag {
        names: &["--latency"],
        apply: Switch(|o| o.mode = Mode::Latency),
        help: Same(r#"  --latency          Enter a special mode continuously sampling latency.
                     If you use this mode in an interactive session it runs
                     forever displaying real-time stats. Otherwise if --raw or
                     --csv is specified, or if you redirect the output to a non
                     TTY, it samples the latency for 1 second (you can use
                     -i to change the interval), then produces a single output
                     and exits."#),
    },
    Flag {
        names: &["--latency-history"],
        apply: Switch(|o| o.mode = Mode::LatencyHistory),
        help: Same(r#"  --latency-history  Like --latency but tracking latency changes over time.
                     Default time interval is 15 sec. Change it using -i."#),
    },
    Flag {
        names: &["--latency-dist"],
        apply: Switch(|o| o.mode = Mode::LatencyDist),
        help: Same(r#"  --latency-dist     Shows latency as a spectrum, requires xterm 256 colors.
                     Default time interval is 1 sec. Change it using -i."#),
    },
    Flag {
        names: &["--vset-recall"],
        apply: Value(|o, v| { o.mode = Mode::VsetRecall(text(v)); Ok(()) }),
        help: RedisOnly(r#"  --vset-recall <key> Enable VSIM recall test mode for the specified key
                     (that must be a vector set). Random vectors are created
                     mixing components from other elements. A VSIM is then
                     executed and checked against ground truth."#),
    },
    Flag {
        names: &["--vset-recall-count"],
        apply: Value(|o, v| { o.vset_count = number::leading_u64(v); Ok(()) }),
        help: RedisOnly(r#"  --vset-recall-count <count> How many top elements to fetch per query."#),
    },
    Flag {
        names: &["--vset-recall-ef"],
        apply: Value(|o, v| { o.vset_ef = number::leading_u64(v); Ok(()) }),
        help: RedisOnly(r#"  --vset-recall-ef <ef> HSNW EF (search effort) to use. Default 500."#),
    },
    Flag {
        names: &["--vset-recall-ele"],
        apply: Value(|o, v| { o.vset_elements = number::leading_u64(v); Ok(()) }),
        help: RedisOnly(r#"  --vset-recall-ele <count> Number of elements used to compose query vectors
                            Default 1."#),
    },
    Flag {
        names: &["--lru-test"],
        apply: Value(|o, v| { o.mode = Mode::LruTest(number::leading_u64(v)); Ok(()) }),
        help: Same(r#"  --lru-test <keys>  Simulate a cache workload with an 80-20 distribution."#),
    },
    Flag {
        names: &["--replica", "--slave"],
        apply: Switch(|o| o.mode = Mode::Replica),
        help: Differs {
            redis: r#"  --replica          Simulate a replica showing commands received from the master."#,
            valkey: r#"  --replica          Simulate a replica showing commands received from the primaries."#,
        },
    },
    Flag {
        names: &["--rdb"],
        apply: Value(|o, v| apply::rdb(o, v, false)),
        help: Same(r#"  --rdb <filename>   Transfer an RDB dump from remote server to local file.
                     Use filename of "-" to write to stdout."#),
    },
    Flag {
        names: &["--functions-rdb"],
        apply: Value(|o, v| apply::rdb(o, v, true)),
        help: Same(r#"  --functions-rdb <filename> Like --rdb but only get the functions (not the keys)
                     when getting the RDB dump file."#),
    },
    Flag {
        names: &["--pipe"],
        apply: Switch(|o| o.mode = Mode::Pipe),
        help: Differs {
            redis: r#"  --pipe             Transfer raw Redis protocol from stdin to server."#,
            valkey: r#"  --pipe             Transfer raw RESP protocol from stdin to server."#,
        },
    },
    Flag {
        names: &["--pipe-timeout"],
        apply: Value(|o, v| { o.pipe_timeout = number::leading_i64(v); Ok(()) }),
        help: Same(r#"  --pipe-timeout <n> In --pipe mode, abort with error if after sending all data.
                     no reply is received within <n> seconds.
                     Default timeout: 30. Use 0 to wait forever."#),
    },
    Flag {
        names: &["--bigkeys"],
        apply: Switch(|o| o.mode = Mode::BigKeys),
        help: Differs {
            redis: r#"  --bigkeys          Sample Redis keys looking for keys with many elements (complexity)."#,
            valkey: r#"  --bigkeys          Sample keys looking for keys with many elements (complexity)."#,
        },
    },
    Flag {
        names: &["--memkeys"],
        apply: Switch(|o| apply::memory_keys(o, Mode::MemKeys)),
        help: Differs {
            redis: r#"  --memkeys          Sample Redis keys looking for keys consuming a lot of memory."#,
            valkey: r#"  --memkeys          Sample keys looking for keys consuming a lot of memory."#,
        },
    },
    Flag {
        names: &["--memkeys-samples"],
        apply: Value(|o, v| apply::samples(o, v, Mode::MemKeys, "--memkeys-samples")),
        help: Differs {
            redis: r#"  --memkeys-samples <n> Sample Redis keys looking for keys consuming a lot of memory.
                     And define number of key elements to sample"#,
            valkey: r#"  --memkeys-samples <n> Sample keys looking for keys consuming a lot of memory.
                     And define number of key elements to sample"#,
        },
    },
    Flag {
        names: &["--keystats"],
        apply: Switch(|o| apply::memory_keys(o, Mode::KeyStats)),
        help: RedisOnly(r#"  --keystats         Sample Redis keys looking for keys memory size and length (combine bigkeys and memkeys)."#),
    },
    Flag {
        names: &["--keystats-samples"],
        apply: Value(|o, v| apply::samples(o, v, Mode::KeyStats, "--keystats-samples")),
        help: RedisOnly(r#"  --keystats-samples <n> Sample Redis keys looking for keys memory size and length.
                     And define number of key elements to sample (only for memory usage)."#),
    },
    Flag {
        names: &["--cursor"],
        apply: Value(apply::cursor),
        help: RedisOnly(r#"  --cursor <n>       Start the scan at the cursor <n> (usually after a Ctrl-C).
                     Optionally used with --keystats and --keystats-samples."#),
    },
    Flag {
        names: &["--top"],
        apply: Value(apply::top),
        help: RedisOnly(r#"  --top <n>          To display <n> top key sizes (default: 10).
                     Optionally used with --keystats and --keystats-samples."#),
    },
    Flag {
        names: &["--hotkeys"],
        apply: Switch(|o| o.mode = Mode::HotKeys),
        help: Differs {
            redis: r#"  --hotkeys          Sample Redis keys looking for hot keys.
                     only works when maxmemory-policy is *lfu."#,
            valkey: r#"  --hotkeys          Sample keys looking for hot keys.
                     Only works when maxmemory-policy is *lfu.
                     This is equivalent to --hotkeys-count 16."#,
        },
    },
    Flag {
        names: &["--hotkeys-count"],
        apply: Value(apply::hotkeys_count),
        help: ValkeyOnly(r#"  --hotkeys-count <n> Sample keys looking for the n most hot keys.
                     Only works when maxmemory-policy is *lfu."#),
    },
    Flag {
        names: &["--scan"],
        apply: Switch(|o| o.mode = Mode::Scan),
        help: Same(r#"  --scan             List all keys using the SCAN command."#),
    },
    Flag {
        names: &["--pattern"],
        apply: Value(|o, v| { o.pattern = Some(v.to_vec()); Ok(()) }),
        help: Differs {
            redis: r#"  --pattern <pat>    Keys pattern when using the --scan, --bigkeys, --memkeys,
                     --keystats or --hotkeys options (default: *)."#,
            valkey: r#"  --pattern <pat>    Keys pattern when using the --scan, --bigkeys or --hotkeys
                     options (default: *)."#,
        },
    },
    Flag {
        names: &["--count"],
        apply: Value(|o, v| { o.count = number::leading_u64(v); Ok(()) }),
        help: Differs {
            redis: r#"  --count <count>    Count option when using the --scan, --bigkeys, --memkeys,
                     --keystats or --hotkeys (default: 10)."#,
            valkey: r#"  --count <count>    Count option when using the --scan, --bigkeys or --hotkeys (default: 10)."#,
        },
    },
    Flag {
        names: &["--quoted-pattern"],
        apply: Value(apply::quoted_pattern),
        help: Same(r#"  --quoted-pattern <pat> Same as --pattern, but the specified string can be
                         quoted, in order to pass an otherwise non binary-safe string."#),
    },
    Flag {
        names: &["--intrinsic-latency"],
        apply: Value(|o, v| { o.mode = Mode::IntrinsicLatency(number::leading_u64(v)); Ok(()) }),
        help: Same(r#"  --intrinsic-latency <sec> Run a test to measure intrinsic system latency.
                     The test will run for the specified amount of seconds."#),
    },
    Flag {
        names: &["--eval"],
        apply: Value(|o, v| { o.eval = Some(text(v)); Ok(()) }),
        help: Same(r#"  --eval <file>      Send an EVAL command using the Lua script at <file>."#),
    },
    Flag {
        names: &["--ldb"],
        apply: Switch(|o| o.ldb = true),
        help: Differs {
            redis: r#"  --ldb              Used with --eval enable the Redis Lua debugger."#,
            valkey: r#"  --ldb              Used with --eval enable the Server Lua debugger."#,
        },
    },
    Flag {
        names: &["--ldb-sync-mode"],
        apply: Switch(|o| { o.ldb = true; o.ldb_sync = true; }),
        help: Same(r#"  --ldb-sync-mode    Like --ldb but uses the synchronous Lua debugger, in
                     this mode the server is blocked and script changes are
                     not rolled back from the server memory."#),
    },
    Flag {
        names: &["--cluster"],
        apply: Many(apply::cluster),
        help: Same(r#"  --cluster <command> [args...] [opts...]
                     Cluster Manager command and arguments (see below)."#),
    },
    Flag {
        names: &["--verbose"],
        apply: Switch(|o| o.verbose = true),
        help: Same(r#"  --verbose          Verbose mode."#),
    },
    Flag {
        names: &["--no-auth-warning"],
        apply: Switch(|o| o.no_auth_warning = true),
        help: Same(r#"  --no-auth-warning  Don't show warning message when using password on command
                     line interface."#),
    },
    Flag {
        names: &["--help"],
        apply: Stop(Stop::Help),
        help: Same(r#"  --help             Output this help and exit."#),
    },
    Flag {
        names: &["--version", "-v"],
        apply: Stop(Stop::Version),
        help: Same(r#"  --version          Output version and exit."#),
    },
];
