//! Fuzzes the target `vectorset` of russet-fuzzing. Started by `cargo xtask fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| russet_fuzzing::run("vectorset", data));
