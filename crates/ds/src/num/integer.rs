//! Strict decimal integers: the only text of a value is the one that [`format_i64`] prints.

/// The longest text of an `i64`: a sign and 19 digits.
const MAX_LEN: usize = 20;

/// Parses a canonical decimal `i64`: no space, no `+`, no leading zero, no `-0`, no overflow.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits == b"0" {
        return (!negative).then_some(0);
    }
    if text.len() > MAX_LEN || !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let magnitude = parse_digits(digits)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Parses a canonical decimal `u64`.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        b"0" => Some(0),
        [b'1'..=b'9', ..] => parse_digits(text),
        _ => None,
    }
}

/// Parses a `u64` as C's `strtoull` does after a failed strict parse: leading spaces, `+` and leading zeros
/// pass, a canonical negative number does not. Stream IDs are read this way (`XADD s 007-1` is legal).
pub fn parse_u64_lenient(text: &[u8]) -> Option<u64> {
    if parse_i64(text).is_some_and(|n| n < 0) {
        return None;
    }
    let start = text.iter().position(|b| !matches!(b, b' ' | b'\t'..=b'\r'))?;
    let text = &text[start..];
    let (negative, digits) = match text {
        [b'+', rest @ ..] => (false, rest),
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let magnitude = parse_digits(digits)?;
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

fn parse_digits(digits: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Scratch space that turns an integer into its decimal text without an allocation.
#[derive(Default)]
pub struct IntText(itoa::Buffer);

impl IntText {
    /// An empty scratch space.
    pub fn new() -> Self {
        Self::default()
    }

    /// The decimal text of `value`, valid until the next call.
    pub fn format(&mut self, value: i64) -> &[u8] {
        self.0.format(value).as_bytes()
    }
}

/// Appends the decimal text of `value` to `out`.
pub fn format_i64(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Number of bytes of the decimal text of `value`, sign included.
pub fn decimal_len(value: i64) -> usize {
    let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    digits + usize::from(value < 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strict_integers() {
        for (text, want) in [
            ("0", Some(0)),
            ("-0", None),
            ("", None),
            ("-", None),
            ("+1", None),
            ("01", None),
            ("-01", None),
            (" 1", None),
            ("1 ", None),
            ("1a", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("-9223372036854775809", None),
            ("18446744073709551616", None),
            ("100000000000000000000000", None),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn lenient_unsigned() {
        for (text, want) in [
            ("007", Some(7)),
            ("+7", Some(7)),
            (" 7", Some(7)),
            ("-7", None),
            ("-07", Some(7u64.wrapping_neg())),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("7 ", None),
        ] {
            assert_eq!(parse_u64_lenient(text.as_bytes()), want, "{text}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"07"), None);
    }

    proptest! {
        #[test]
        fn integers_round_trip(value: i64) {
            let mut text = Vec::new();
            format_i64(value, &mut text);
            prop_assert_eq!(parse_i64(&text), Some(value));
            prop_assert_eq!(text.len(), decimal_len(value));
        }
    }
}
