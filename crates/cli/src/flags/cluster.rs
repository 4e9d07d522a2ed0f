//! Flags of `--cluster`. They are listed by `--cluster help`, not on the main help page.

use super::{Apply::*, Flag, Help::Hidden, apply, clamp, text};
use crate::number;
use crate::options::Mode;

/// Rows, in no particular order. Both peers' spellings are taken.
#[rustfmt::skip]
pub const FLAGS: &[Flag] = &[
    Flag { names: &["--cluster-replicas"], apply: Value(|o, v| { o.cluster.replicas = clamp(number::leading_i64(v)); Ok(()) }), help: Hidden },
    Flag { names: &["--cluster-from"], apply: Value(|o, v| { o.cluster.from = Some(text(v)); Ok(()) }), help: Hidden },
    Flag { names: &["--cluster-to"], apply: Value(|o, v| { o.cluster.to = Some(text(v)); Ok(()) }), help: Hidden },
    Flag { names: &["--cluster-from-user"], apply: Value(|o, v| { o.cluster.from_user = Some(text(v)); Ok(()) }), help: Hidden },
    Flag { names: &["--cluster-from-pass"], apply: Value(|o, v| { o.cluster.from_pass = Some(text(v)); Ok(()) }), help: Hidden },
    Flag { names: &["--cluster-from-askpass"], apply: Switch(|o| o.cluster.from_askpass = true), help: Hidden },
    Flag { names: &["--cluster-weight"], apply: Many(apply::cluster_weight), help: Hidden },
    Flag { names: &["--cluster-slots"], apply: Value(|o, v| { o.cluster.slots = clamp(number::leading_i64(v)); Ok(()) }), help: Hidden },
    Flag { names: &["--cluster-timeout"], apply: Value(|o, v| { o.cluster.timeout_ms = number::leading_u64(v); Ok(()) }), help: Hidden },
    Flag { names: &["--cluster-pipeline"], apply: Value(|o, v| { o.cluster.pipeline = clamp(number::leading_i64(v)); Ok(()) }), help: Hidden },
    Flag { names: &["--cluster-threshold"], apply: Value(|o, v| { o.cluster.threshold = Some(number::leading_f64(v)); Ok(()) }), help: Hidden },
    Flag { names: &["--cluster-yes"], apply: Switch(|o| o.cluster.yes = true), help: Hidden },
    Flag { names: &["--cluster-simulate"], apply: Switch(|o| o.cluster.simulate = true), help: Hidden },
    Flag { names: &["--cluster-replace"], apply: Switch(|o| o.cluster.replace = true), help: Hidden },
    Flag { names: &["--cluster-copy"], apply: Switch(|o| o.cluster.copy = true), help: Hidden },
    Flag { names: &["--cluster-slave", "--cluster-replica"], apply: Switch(|o| o.cluster.replica = true), help: Hidden },
    Flag { names: &["--cluster-master-id", "--cluster-primary-id", "--cluster-primaries-id"], apply: Value(|o, v| { o.cluster.master_id = Some(text(v)); Ok(()) }), help: Hidden },
    Flag { names: &["--cluster-use-empty-masters", "--cluster-use-empty-primaries"], apply: Switch(|o| o.cluster.use_empty = true), help: Hidden },
    Flag { names: &["--cluster-search-multiple-owners"], apply: Switch(|o| o.cluster.multiple_owners = true), help: Hidden },
    Flag { names: &["--cluster-fix-with-unreachable-masters", "--cluster-fix-with-unreachable-primaries"], apply: Switch(|o| o.cluster.fix_unreachable = true), help: Hidden },
    Flag { names: &["--cluster-only-masters", "--cluster-only-primaries"], apply: Switch(|o| o.cluster.only_primaries = true), help: Hidden },
    Flag { names: &["--cluster-only-replicas"], apply: Switch(|o| o.cluster.only_replicas = true), help: Hidden },
    Flag { names: &["--cluster-use-atomic-slot-migration"], apply: Switch(|o| o.cluster.atomic = true), help: Hidden },
    Flag { names: &["--test_hint"], apply: Value(|o, v| { o.mode = Mode::TestHint(text(v)); Ok(()) }), help: Hidden },
    Flag { names: &["--test_hint_file"], apply: Value(|o, v| { o.mode = Mode::TestHintFile(text(v)); Ok(()) }), help: Hidden },
];
