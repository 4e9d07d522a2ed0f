//! Numbers as the peers' command lines take them: the longest leading part that is one, else 0; and sizes
//! for people.

/// Leading integer of a text, saturating; 0 when there is none.
#[must_use]
pub fn leading_i64(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let magnitude = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0i64, |sum, byte| sum.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
    if negative { -magnitude } else { magnitude }
}

/// Leading integer, negative counts as 0.
#[must_use]
pub fn leading_u64(text: &[u8]) -> u64 {
    u64::try_from(leading_i64(text)).unwrap_or(0)
}

/// Leading decimal number of a text; 0 when there is none.
#[must_use]
pub fn leading_f64(text: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_ascii_digit() || ".+-eE".contains(c))).unwrap_or(text.len());
    (0..=end).rev().find_map(|end| text.get(..end)?.parse().ok()).unwrap_or(0.0)
}

/// Bytes with two decimals and a binary unit, as `--stat` and `--keystats` write them.
#[must_use]
pub fn human_bytes(bytes: i64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let value = bytes as f64;
    let sign = if bytes < 0 { "-" } else { "" };
    let value = value.abs();
    let units = [(1u64 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    for (size, unit) in units {
        #[allow(clippy::cast_precision_loss)]
        let size = size as f64;
        if value >= size {
            return format!("{sign}{:.2}{unit}", value / size);
        }
    }
    format!("{sign}{value:.0}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_parts() {
        for (text, whole, real) in [
            ("12x", 12, 12.0),
            ("-3", -3, -3.0),
            ("abc", 0, 0.0),
            ("0.25s", 0, 0.25),
            ("1e3", 1, 1000.0),
            ("", 0, 0.0),
        ] {
            assert_eq!(leading_i64(text.as_bytes()), whole, "{text}");
            assert!((leading_f64(text.as_bytes()) - real).abs() < 1e-9, "{text}");
        }
        assert_eq!(leading_i64(b"99999999999999999999"), i64::MAX);
    }

    #[test]
    fn human() {
        for (bytes, text) in [(12, "12B"), (1024, "1.00K"), (1_975_464, "1.88M"), (-2048, "-2.00K")] {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}
