//! What the fuzzers run: one function per decoder, and whole command streams into an in-process engine.
//!
//! Each target takes any bytes and panics when an invariant does not hold; the fuzzer finds the bytes. The
//! same functions replay `fuzz/seeds/<target>/` in this crate's tests, on stable Rust, so a crash that was
//! found once is tested for ever. Invariant: a target does the same for the same bytes. Callers: the
//! binaries of `fuzz/`, tests here.
#![forbid(unsafe_code)]

mod decoders;
mod stream;

/// A target: its name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. Names are those of the binaries in `fuzz/fuzz_targets` and of the seed folders.
pub const TARGETS: &[Target] = &[
    ("request", decoders::request),
    ("inline", decoders::inline),
    ("rdb", decoders::rdb),
    ("restore", decoders::restore),
    ("listpack", decoders::listpack),
    ("intset", decoders::intset),
    ("hll", decoders::hll),
    ("glob", decoders::glob),
    ("number", decoders::number),
    ("vectorset", decoders::vectorset),
    ("filter", decoders::filter),
    ("commands", stream::commands),
];

/// Runs one target.
///
/// # Panics
/// When there is no such target, or when it finds what it looks for.
pub fn run(name: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    let (_, target) = found.expect("invariant: the binaries name targets of this list");
    target(data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use testkit::rng::Rng;

    fn fuzz_dir() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
    }

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let mut paths: Vec<PathBuf> = fs::read_dir(fuzz_dir().join("seeds").join(target))
            .map(|entries| entries.flatten().map(|e| e.path()).collect())
            .unwrap_or_default();
        paths.sort();
        paths.iter().map(|path| fs::read(path).expect("seed")).collect()
    }

    #[test]
    fn every_target_has_a_binary_and_seeds() {
        for (name, _) in TARGETS {
            assert!(
                fuzz_dir().join(format!("fuzz_targets/{name}.rs")).is_file(),
                "fuzz/fuzz_targets/{name}.rs"
            );
            assert!(!seeds(name).is_empty(), "fuzz/seeds/{name} is empty");
        }
    }

    #[test]
    fn seeds_and_past_crashes_pass() {
        for (_, target, seed) in
            TARGETS.iter().flat_map(|(n, t)| seeds(n).into_iter().map(move |s| (n, t, s)))
        {
            target(&seed);
        }
    }

    /// A little mutation without a fuzzer: every seed damaged in some hundred ways, the same every time.
    #[test]
    fn damaged_seeds_pass() {
        let mut rng = Rng::new(20);
        for (name, target) in TARGETS {
            let times = if *name == "commands" { 30 } else { 200 };
            for seed in seeds(name) {
                for _ in 0..times {
                    target(&damage(&seed, &mut rng));
                }
            }
        }
    }

    fn damage(seed: &[u8], rng: &mut Rng) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len() as u64 + 1) as usize;
            match rng.below(4) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] = rng.bits() as u8,
                2 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
                _ => bytes.insert(at, rng.bits() as u8),
            }
        }
        bytes
    }
}
