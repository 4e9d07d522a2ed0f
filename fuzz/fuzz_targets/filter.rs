//! Fuzzes the target `filter` of russet-fuzzing. Started by `cargo xtask fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| russet_fuzzing::run("filter", data));
