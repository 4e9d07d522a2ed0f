//! Doubles: parsed as `strtod` does, printed as Redis prints scores and RESP3 doubles.

use super::{format_i64, grisu};

/// Parses a score or increment: decimal, hexadecimal (`0x1.8p3`), `inf`, `infinity`, any case, with a sign.
///
/// None for NaN, spaces, trailing bytes, and for finite texts whose value overflows or underflows to zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, body) = split_sign(text);
    let magnitude = match body {
        [b'0', b'x' | b'X', digits @ ..] => parse_hex(digits)?,
        [b'0'..=b'9' | b'.', ..] => parse_decimal(body)?,
        _ if is_infinity(body) => f64::INFINITY,
        _ => return None,
    };
    Some(if negative { -magnitude } else { magnitude })
}

pub(super) fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

pub(super) fn is_infinity(body: &[u8]) -> bool {
    body.eq_ignore_ascii_case(b"inf") || body.eq_ignore_ascii_case(b"infinity")
}

fn parse_decimal(body: &[u8]) -> Option<f64> {
    let value: f64 = fast_float2::parse(body).ok()?;
    if value.is_infinite() {
        return None;
    }
    let underflow = value == 0.0
        && body.iter().take_while(|b| !matches!(b, b'e' | b'E')).any(|b| matches!(b, b'1'..=b'9'));
    (!underflow).then_some(value)
}

/// A hexadecimal mantissa: its leading 128 bits, whether more bits follow, and the power of two of its unit.
pub(super) struct HexFloat {
    pub mantissa: u128,
    pub sticky: bool,
    pub exponent: i64,
}

/// Reads `hex[.hex][p[sign]dec]`, the part after `0x`.
pub(super) fn read_hex(digits: &[u8]) -> Option<HexFloat> {
    let mut hex = HexFloat { mantissa: 0, sticky: false, exponent: 0 };
    let (mut seen, mut point, mut at) = (false, false, 0);
    while let Some(&byte) = digits.get(at) {
        if byte == b'.' && !point {
            point = true;
        } else if let Some(nibble) = (byte as char).to_digit(16) {
            seen = true;
            if hex.mantissa >> 124 == 0 {
                hex.mantissa = hex.mantissa << 4 | u128::from(nibble);
                hex.exponent -= if point { 4 } else { 0 };
            } else {
                hex.sticky |= nibble != 0;
                hex.exponent += if point { 0 } else { 4 };
            }
        } else {
            break;
        }
        at += 1;
    }
    let power = match digits.get(at..)? {
        [] => 0,
        [b'p' | b'P', text @ ..] => {
            let (negative, text) = split_sign(text);
            if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let value = text.iter().fold(0i64, |n, d| (n * 10 + i64::from(d - b'0')).min(1 << 40));
            if negative { -value } else { value }
        }
        _ => return None,
    };
    hex.exponent += power;
    seen.then_some(hex)
}

fn parse_hex(digits: &[u8]) -> Option<f64> {
    let hex = read_hex(digits)?;
    if hex.mantissa == 0 {
        return Some(0.0);
    }
    let top = 127 - i64::from(hex.mantissa.leading_zeros());
    let exponent = hex.exponent + top;
    if !(-1075..=1024).contains(&exponent) {
        return None;
    }
    // Bits that the result keeps: 53, fewer below the normal range.
    let kept = (53).min(exponent + 1075);
    let drop = top + 1 - kept;
    let (mut mantissa, unit) = if drop <= 0 {
        (hex.mantissa as u64, hex.exponent)
    } else {
        let (rest, low) = match drop {
            128 => (0, hex.mantissa),
            _ => ((hex.mantissa >> drop) as u64, hex.mantissa & ((1 << drop) - 1)),
        };
        let half = 1u128 << (drop - 1);
        let up = low > half || (low == half && (hex.sticky || rest & 1 == 1));
        (rest + u64::from(up), hex.exponent + drop)
    };
    let mut unit = unit;
    while unit > 970 && mantissa < 1 << 53 {
        mantissa <<= 1;
        unit -= 1;
    }
    let value = scale(mantissa as f64, unit);
    (value.is_finite() && value != 0.0).then_some(value)
}

/// `value * 2^exponent`, exact whenever the result is representable.
fn scale(mut value: f64, mut exponent: i64) -> f64 {
    while exponent > 1000 {
        value *= 2f64.powi(1000);
        exponent -= 1000;
    }
    // A subnormal power of two is exact, and so is a product that is representable.
    while exponent < -1000 {
        value *= 2f64.powi(-500);
        exponent += 500;
        if exponent < -3000 {
            return 0.0;
        }
    }
    value * 2f64.powi(exponent as i32)
}

/// The integer that `value` is, if it is one within ±2^62 (Redis prints and stores those as integers; -0 is 0).
pub fn double_as_integer(value: f64) -> Option<i64> {
    const LIMIT: f64 = (1u64 << 62) as f64;
    if value > -LIMIT && value <= LIMIT && value == value.trunc() { Some(value as i64) } else { None }
}

/// Appends the text of `value` as ZSCORE and every other double reply prints it.
pub fn format_f64(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        return out.extend_from_slice(b"nan");
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if value.is_infinite() {
        return out.extend_from_slice(b"inf");
    }
    let value = value.abs();
    match double_as_integer(value) {
        Some(integer) => format_i64(integer, out),
        None => format_digits(value, out),
    }
}

/// Places the point: plain for up to 7 zeros after or 6 before the digits, else scientific.
fn format_digits(value: f64, out: &mut Vec<u8>) {
    let mut buffer = [0u8; grisu::MAX_DIGITS];
    let (count, k) = grisu::digits(value, &mut buffer);
    let digits = &buffer[..count];
    let exponent = k + count as i32 - 1;
    let magnitude = exponent.unsigned_abs() as usize;
    if k >= 0 && magnitude < count + 7 {
        out.extend_from_slice(digits);
        out.resize(out.len() + k as usize, b'0');
    } else if k < 0 && (k > -7 || magnitude < 4) {
        let decimals = k.unsigned_abs() as usize;
        if decimals >= count {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + decimals - count, b'0');
            out.extend_from_slice(digits);
        } else {
            out.extend_from_slice(&digits[..count - decimals]);
            out.push(b'.');
            out.extend_from_slice(&digits[count - decimals..]);
        }
    } else {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.push(b'e');
        out.push(if exponent < 0 { b'-' } else { b'+' });
        format_i64(magnitude as i64, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        format_f64(value, &mut out);
        String::from_utf8(out).expect("ascii")
    }

    /// Texts and replies of ZADD and ZSCORE on a Redis 8.6.3.
    #[test]
    fn texts_of_a_real_server() {
        for (input, want) in [
            ("0.1", "0.1"),
            ("1e20", "1e+20"),
            ("123456789012345678", "123456789012345680"),
            ("1e-5", "0.00001"),
            ("1.5e300", "1.5e+300"),
            ("+inf", "inf"),
            ("-Infinity", "-inf"),
            ("0x10", "16"),
            ("-0x1.8p1", "-3"),
            ("+0x1", "1"),
            ("0x1.fffffffffffff7ffp1023", "1.7976931348623157e+308"),
            ("0x1p-1074", "5e-324"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e17", "100000000000000000"),
            ("12345678901234567890", "12345678901234567000"),
            ("4.9e-324", "5e-324"),
            ("1e-7", "1e-7"),
            ("1e-6", "0.000001"),
            ("0.00001234", "1.234e-5"),
            ("99999999999999990000", "99999999999999980000"),
            ("9223372036854775807", "9223372036854776000"),
            ("4611686018427387904", "4611686018427387904"),
            ("4611686018427387905e1", "46116860184273880000"),
            ("-0", "-0"),
            ("0e-400", "0"),
            ("2251799813685248.5", "2251799813685248.5"),
            ("-161304845894623136", "-161304845894623136"),
            ("-1.547182503134182e-78", "-1.5471825031341819e-78"),
            ("1626983080611305.8", "1626983080611305.7"),
        ] {
            assert_eq!(parse_f64(input.as_bytes()).map(text).as_deref(), Some(want), "{input}");
        }
    }

    #[test]
    fn refused_texts() {
        for input in [
            "",
            " 1",
            "1 ",
            "nan",
            "-nan",
            "nan(1)",
            "1e",
            "1e+",
            "+-1",
            "infin",
            "1_0",
            "1\0",
            "1e400",
            "1e-400",
            "-1e-400",
            "0x",
            "0x.p1",
            "0x1p-1080",
            "0x1.fffffffffffff8p1023",
            "0x1p",
            "0x1p99999999999999999999",
            ".",
            "e5",
            "+",
            "0x1p-1075",
        ] {
            assert_eq!(parse_f64(input.as_bytes()), None, "{input}");
        }
    }

    proptest! {
        #[test]
        fn printed_doubles_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse_f64(text(value).as_bytes()), Some(value));
        }

        #[test]
        fn hexadecimal_doubles_are_exact(bits: u64) {
            let value = f64::from_bits(bits).abs();
            prop_assume!(value.is_finite() && value != 0.0);
            let biased = (value.to_bits() >> 52) as i64;
            let fraction = value.to_bits() & ((1 << 52) - 1);
            let input = if biased == 0 { format!("0x0.{fraction:013x}p-1022") }
                else { format!("0X1.{fraction:013X}P{}", biased - 1023) };
            prop_assert_eq!(parse_f64(input.as_bytes()), Some(value));
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = parse_f64(&bytes);
        }
    }
}
