//! What single flags do when it takes more than an assignment. Refusals are in the peers' words.

use std::time::Duration;

use super::{Rest, Stop, text};
use crate::face::Face;
use crate::number;
use crate::options::{Mode, Options, Output, Protocol};
use crate::quote;
use crate::uri;

type Outcome = Result<(), Stop>;

fn refuse(message: &str) -> Outcome {
    Err(Stop::Refused(format!("{message}\n")))
}

/// `-p`: out of range is refused; what is no number counts as 0 under Redis' name and is refused elsewhere.
pub fn port(options: &mut Options, value: &[u8]) -> Outcome {
    let is_number = value.first().is_some_and(u8::is_ascii_digit);
    if !is_number && options.face != Face::Redis {
        return refuse("Invalid server port.");
    }
    let Ok(port) = u16::try_from(number::leading_i64(value)) else {
        return refuse("Invalid server port.");
    };
    options.port = port;
    Ok(())
}

/// `-t`: seconds with decimals.
pub fn timeout(options: &mut Options, value: &[u8]) -> Outcome {
    let seconds = std::str::from_utf8(value).ok().and_then(|value| value.parse::<f64>().ok());
    match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(timeout) => {
            options.timeout = (!timeout.is_zero()).then_some(timeout);
            Ok(())
        }
        None => refuse("Invalid connection timeout for -t."),
    }
}

/// `-a`, `--pass`
pub fn password(options: &mut Options, value: &[u8]) -> Outcome {
    options.auth = Some(text(value));
    options.auth_in_argv = true;
    Ok(())
}

/// `-u`
pub fn uri(options: &mut Options, value: &[u8]) -> Outcome {
    uri::apply(options, &text(value)).map_err(|error| Stop::Refused(format!("{error}\n")))
}

/// `-i`: seconds; negative counts as none.
pub fn interval(options: &mut Options, value: &[u8]) -> Outcome {
    options.interval = Duration::try_from_secs_f64(number::leading_f64(value)).unwrap_or_default();
    Ok(())
}

/// `-2`, `-3`; both together are refused after parsing.
pub fn protocol(options: &mut Options, protocol: Protocol) {
    let other = matches!(
        (options.protocol, protocol),
        (Protocol::Resp2, Protocol::Resp3) | (Protocol::Resp3, Protocol::Resp2)
    );
    options.protocol = protocol;
    if other {
        options.conflicting_protocols = true;
    }
}

/// `-4`, `-6`
pub fn prefer(options: &mut Options, version: u8) {
    if options.prefer_ipv.is_some_and(|before| before != version) {
        options.conflicting_ip = true;
    }
    options.prefer_ipv = Some(version);
}

/// `--json`, `--quoted-json`: prefer RESP3 unless told otherwise.
pub fn json(options: &mut Options, output: Output) {
    options.output = Some(output);
    if options.protocol == Protocol::Unset {
        options.protocol = Protocol::PreferResp3;
    }
}

/// `--show-pushes`: by the first letter.
pub fn show_pushes(options: &mut Options, value: &[u8]) -> Outcome {
    match value.first().map(u8::to_ascii_lowercase) {
        Some(b'y') => options.show_pushes = Some(true),
        Some(b'n') => options.show_pushes = Some(false),
        _ => {
            // The peers complain and go on.
            eprintln!("Unknown --show-pushes value '{}' (valid: '[y]es', '[n]o')", text(value));
        }
    }
    Ok(())
}

/// `--rdb`, `--functions-rdb`
pub fn rdb(options: &mut Options, value: &[u8], functions: bool) -> Outcome {
    if matches!(options.mode, Mode::Rdb(_, other) if other != functions) {
        return refuse("Option --functions-rdb and --rdb are mutually exclusive.");
    }
    options.mode = Mode::Rdb(text(value), functions);
    Ok(())
}

/// `--memkeys`, `--keystats`
pub fn memory_keys(options: &mut Options, mode: Mode) {
    options.mode = mode;
}

/// `--memkeys-samples`, `--keystats-samples`
pub fn samples(options: &mut Options, value: &[u8], mode: Mode, flag: &str) -> Outcome {
    if options.face == Face::Valkey {
        // Valkey takes what is no number as 0.
        options.memory_samples = number::leading_i64(value).max(0);
        options.mode = mode;
        return Ok(());
    }
    let Some(samples) = std::str::from_utf8(value).ok().and_then(|value| value.parse::<i64>().ok()) else {
        return refuse(&format!("{flag} conversion error."));
    };
    if samples < 0 {
        return refuse(&format!("{flag} value should be positive."));
    }
    options.memory_samples = samples;
    options.mode = mode;
    Ok(())
}

/// `--cursor`
pub fn cursor(options: &mut Options, value: &[u8]) -> Outcome {
    if value.first() == Some(&b'-') {
        return refuse("--cursor should be followed by a positive integer.");
    }
    match std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()) {
        Some(cursor) => options.cursor = cursor,
        None => return refuse("--cursor conversion error."),
    }
    Ok(())
}

/// `--top`
pub fn top(options: &mut Options, value: &[u8]) -> Outcome {
    if value.first() == Some(&b'-') {
        return refuse("--top should be followed by a positive integer.");
    }
    match std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()) {
        Some(top) => options.top = top,
        None => return refuse("--top conversion error."),
    }
    Ok(())
}

/// `--hotkeys-count`
pub fn hotkeys_count(options: &mut Options, value: &[u8]) -> Outcome {
    options.mode = Mode::HotKeys;
    options.hotkeys_count = usize::try_from(number::leading_u64(value)).unwrap_or(usize::MAX).max(1);
    Ok(())
}

/// `--quoted-pattern`
pub fn quoted_pattern(options: &mut Options, value: &[u8]) -> Outcome {
    match quote::unquote(value) {
        Some(pattern) => {
            options.pattern = Some(pattern);
            Ok(())
        }
        None => refuse("Invalid quoted string specified for --quoted-pattern."),
    }
}

/// `--color`
pub fn color(options: &mut Options, value: &[u8]) -> Outcome {
    options.color = match value {
        b"always" => Some(true),
        b"never" => Some(false),
        b"auto" => None,
        _ => return refuse("--color takes always, never or auto."),
    };
    Ok(())
}

/// `--cluster CMD ARG...`: everything up to the next word that starts with a dash.
pub fn cluster(options: &mut Options, rest: &mut Rest<'_>) -> Outcome {
    if options.mode == Mode::Cluster {
        return Err(Stop::Usage);
    }
    options.mode = Mode::Cluster;
    options.cluster.argv = rest.until_flag();
    if options.cluster.argv.is_empty() {
        return Err(Stop::Usage);
    }
    Ok(())
}

/// `--cluster-weight NODE=W ...`
pub fn cluster_weight(options: &mut Options, rest: &mut Rest<'_>) -> Outcome {
    if !options.cluster.weights.is_empty() {
        return refuse(
            "WARNING: you cannot use --cluster-weight more than once.\n\
             You can set more weights by adding them as a space-separated list, ie:\n\
             --cluster-weight n1=w n2=w",
        );
    }
    options.cluster.weights = rest.until_flag();
    if options.cluster.weights.is_empty() {
        return Err(Stop::Unrecognized("--cluster-weight".to_owned()));
    }
    Ok(())
}
