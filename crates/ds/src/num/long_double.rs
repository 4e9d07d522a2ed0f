//! The x87 80-bit long double in software: what INCRBYFLOAT and HINCRBYFLOAT add and print with.
//!
//! A finite number is `mantissa * 2^exponent` with the top bit of the 64-bit mantissa set, unless the exponent is
//! the smallest one (subnormal) or the number is zero. Rounding is to nearest, ties to even. The texts equal
//! those of `strtold` and of `printf("%.17Lf")` with trailing zeros removed.

use super::bigint::BigInt;
use super::double::{HexFloat, is_infinity, read_hex, split_sign};

/// Exponent of the unit of subnormal numbers.
const MIN_EXPONENT: i64 = -16445;
/// Largest exponent of a full 64-bit mantissa.
const MAX_EXPONENT: i64 = 16383 - 63;
/// Texts from this length on are refused, as in Redis.
const MAX_TEXT: usize = 5 * 1024;
/// Decimals that the text has before its trailing zeros are cut.
const DECIMALS: u32 = 17;
const DECIMAL_SCALE: u64 = 100_000_000_000_000_000;

/// An 80-bit extended float. See the file comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Finite { mantissa: u64, exponent: i64 },
    Infinite,
    NotANumber,
}

const ZERO: Kind = Kind::Finite { mantissa: 0, exponent: MIN_EXPONENT };

impl LongDouble {
    /// Parses a text as Redis' `string2ld`: decimal, hexadecimal or `inf`; None for NaN, spaces, trailing bytes,
    /// overflow, underflow to zero, and 5 KB or more of text.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= MAX_TEXT {
            return None;
        }
        let (negative, body) = split_sign(text);
        let kind = match body {
            [b'0', b'x' | b'X', digits @ ..] => {
                let hex = read_hex(digits)?;
                if hex.mantissa == 0 { ZERO } else { finite(round_hex(&hex))? }
            }
            [b'0'..=b'9' | b'.', ..] => parse_decimal(body)?,
            _ if is_infinity(body) => Kind::Infinite,
            _ => return None,
        };
        Some(Self { negative, kind })
    }

    /// The exact value of an integer.
    pub fn from_i64(value: i64) -> Self {
        Self { negative: value < 0, kind: round(value.unsigned_abs(), 0, false, 0) }
    }

    /// Whether the value is infinite or not a number (Redis refuses to store those).
    pub fn is_nan_or_inf(&self) -> bool {
        !matches!(self.kind, Kind::Finite { .. })
    }

    /// The text with up to 17 decimals, without trailing zeros or a trailing point; `-0` prints as `0`.
    pub fn format(&self) -> String {
        let (mantissa, exponent) = match self.kind {
            Kind::Infinite => return if self.negative { "-inf".into() } else { "inf".into() },
            Kind::NotANumber => return "nan".into(),
            Kind::Finite { mantissa, exponent } => (mantissa, exponent),
        };
        let mut text = if self.negative { String::from("-") } else { String::new() };
        if exponent > 0 {
            let mut integer = BigInt::from_u64(mantissa);
            integer.shl(exponent as usize);
            text.extend(integer.into_decimal().iter().map(|b| *b as char));
            return text;
        }
        let (integer, decimals) = split_decimals(mantissa, (-exponent) as u64);
        text.push_str(&integer.to_string());
        if decimals != 0 {
            let digits = format!(".{decimals:0width$}", width = DECIMALS as usize);
            text.push_str(digits.trim_end_matches('0'));
        }
        if text == "-0" { "0".into() } else { text }
    }
}

impl std::ops::Neg for LongDouble {
    type Output = Self;

    fn neg(self) -> Self {
        Self { negative: !self.negative, kind: self.kind }
    }
}

impl std::ops::Sub for LongDouble {
    type Output = Self;

    /// The difference, rounded once.
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl PartialOrd for LongDouble {
    /// By value: `None` if one is not a number, or if both are infinite on the same side.
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let difference = *self - *other;
        match difference.kind {
            Kind::NotANumber => None,
            Kind::Finite { mantissa: 0, .. } => Some(Equal),
            _ if difference.negative => Some(Less),
            _ => Some(Greater),
        }
    }
}

impl std::ops::Add for LongDouble {
    type Output = Self;

    /// The sum, rounded once to 64 bits of mantissa.
    fn add(self, other: Self) -> Self {
        use Kind::{Finite, Infinite, NotANumber};
        let (a, b) = match (self.kind, other.kind) {
            (NotANumber, _) | (_, NotANumber) => return Self { negative: false, kind: NotANumber },
            (Infinite, Infinite) if self.negative != other.negative => {
                return Self { negative: false, kind: NotANumber };
            }
            (Infinite, _) => return self,
            (_, Infinite) => return other,
            (Finite { mantissa: ma, exponent: ea }, Finite { mantissa: mb, exponent: eb }) => {
                ((ma, ea), (mb, eb))
            }
        };
        // Order by magnitude: mantissas are normalised, so the exponent decides first.
        let (large, small, negative) = if (a.1, a.0) >= (b.1, b.0) || b.0 == 0 && a.0 != 0 {
            (a, b, self.negative)
        } else {
            (b, a, other.negative)
        };
        if small.0 == 0 {
            let negative = if large.0 == 0 { self.negative && other.negative } else { negative };
            return Self { negative, kind: Finite { mantissa: large.0, exponent: large.1 } };
        }
        let wide_large = u128::from(large.0) << 62;
        let wide_small = u128::from(small.0) << 62;
        let distance = (large.1 - small.1) as u64;
        // Bits that fall out are kept as one sticky bit, which is enough for correct rounding.
        let aligned = if distance > 127 {
            1
        } else {
            let shifted = wide_small >> distance;
            shifted | u128::from(shifted << distance != wide_small)
        };
        let sum = if self.negative == other.negative { wide_large + aligned } else { wide_large - aligned };
        if sum == 0 {
            return Self { negative: false, kind: ZERO };
        }
        let shift = sum.leading_zeros();
        let sum = sum << shift;
        let exponent = large.1 - 62 - i64::from(shift) + 64;
        Self { negative, kind: round((sum >> 64) as u64, sum as u64, false, exponent) }
    }
}

/// The integer part of `mantissa * 2^-shift` and its 17 rounded decimals.
fn split_decimals(mantissa: u64, shift: u64) -> (u64, u64) {
    let (integer, fraction) = match shift {
        0 => (mantissa, 0),
        1..=63 => (mantissa >> shift, mantissa & ((1 << shift) - 1)),
        _ => (0, mantissa),
    };
    let scaled = u128::from(fraction) * u128::from(DECIMAL_SCALE);
    if shift > 126 || shift == 0 {
        return (integer, 0);
    }
    let floor = (scaled >> shift) as u64;
    let rest = scaled & ((1 << shift) - 1);
    let half = 1u128 << (shift - 1);
    let up = rest > half || rest == half && floor & 1 == 1;
    let decimals = floor + u64::from(up);
    if decimals == DECIMAL_SCALE { (integer + 1, 0) } else { (integer, decimals) }
}

/// None if the value left the range, as `strtold` reports with ERANGE.
fn finite(kind: Kind) -> Option<Kind> {
    matches!(kind, Kind::Finite { mantissa, .. } if mantissa != 0).then_some(kind)
}

/// Rounds `(high . low sticky) * 2^exponent` (high is the integer part, not zero) to a long double.
fn round(high: u64, low: u64, sticky: bool, exponent: i64) -> Kind {
    if high == 0 {
        return ZERO;
    }
    let shift = high.leading_zeros();
    let wide = (u128::from(high) << 64 | u128::from(low)) << shift;
    let mut exponent = exponent - i64::from(shift);
    let (mut keep, mut rest) = ((wide >> 64) as u64, wide as u64);
    let mut sticky = sticky;
    let under = MIN_EXPONENT - exponent;
    if under > 0 {
        if under > 64 {
            return ZERO;
        }
        let down = wide >> under;
        sticky |= down << under != wide;
        (keep, rest) = ((down >> 64) as u64, down as u64);
        exponent = MIN_EXPONENT;
    }
    let half = 1u64 << 63;
    if rest > half || rest == half && (sticky || keep & 1 == 1) {
        (keep, exponent) = match keep.checked_add(1) {
            Some(next) => (next, exponent),
            None => (1 << 63, exponent + 1),
        };
    }
    if exponent > MAX_EXPONENT { Kind::Infinite } else { Kind::Finite { mantissa: keep, exponent } }
}

fn round_hex(hex: &HexFloat) -> Kind {
    let shift = hex.mantissa.leading_zeros();
    let wide = hex.mantissa << shift;
    round((wide >> 64) as u64, wide as u64, hex.sticky, hex.exponent - i64::from(shift) + 64)
}

/// Reads `digits[.digits][e[sign]digits]`.
fn parse_decimal(body: &[u8]) -> Option<Kind> {
    let (mantissa, power) = match body.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => {
            let (negative, digits) = split_sign(&body[at + 1..]);
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let value = digits.iter().fold(0i64, |n, d| (n * 10 + i64::from(d - b'0')).min(1 << 40));
            (&body[..at], if negative { -value } else { value })
        }
        None => (body, 0),
    };
    let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
    let (whole, decimals) = (&mantissa[..point], mantissa.get(point + 1..).unwrap_or(&[]));
    if whole.is_empty() && decimals.is_empty() || !whole.iter().chain(decimals).all(u8::is_ascii_digit) {
        return None;
    }
    let digits: Vec<u8> = whole.iter().chain(decimals).copied().skip_while(|d| *d == b'0').collect();
    let zeros = digits.iter().rev().take_while(|d| **d == b'0').count();
    let power = power - decimals.len() as i64 + zeros as i64;
    convert(&digits[..digits.len() - zeros], power)
}

/// The long double nearest to `digits * 10^power`.
fn convert(digits: &[u8], power: i64) -> Option<Kind> {
    if digits.is_empty() {
        return Some(ZERO);
    }
    // Outside of this range of magnitudes the result surely over- or underflows.
    if !(-5000..=5000).contains(&(power + digits.len() as i64)) {
        return None;
    }
    if let (true, Ok(negative_power @ 0..=18)) = (digits.len() <= 19, u32::try_from(-power)) {
        let value = digits.iter().fold(0u64, |n, d| n * 10 + u64::from(d - b'0'));
        let shift = value.leading_zeros();
        let wide = u128::from(value << shift) << 64;
        let divisor = u128::from(10u64.pow(negative_power));
        let (quotient, rest) = (wide / divisor, wide % divisor);
        // The quotient has more than 67 bits, so `rest` only matters as a sticky bit.
        let exponent = -i64::from(shift) - 64;
        let up = quotient.leading_zeros();
        let normal = quotient << up;
        return finite(round((normal >> 64) as u64, normal as u64, rest != 0, exponent - i64::from(up) + 64));
    }
    let mut value = BigInt::default();
    for digit in digits {
        if value.is_zero() {
            value = BigInt::from_u64(u64::from(digit - b'0'));
        } else {
            value.mul_add(10, u32::from(digit - b'0'));
        }
    }
    if power >= 0 {
        value.mul_pow10(power as u32);
        let low = value.bits().saturating_sub(64);
        let (high, _) = value.window(low, 64);
        let (next, below) = value.window(low.saturating_sub(64), low.min(64));
        let rest = if low == 0 { 0 } else { next << (64 - low.min(64)) };
        return finite(round(high, rest, below && low > 64, low as i64));
    }
    let mut divisor = BigInt::from_u64(1);
    divisor.mul_pow10((-power) as u32);
    let (quotient, exponent, left) = value.leading_quotient(divisor, 96);
    finite(round((quotient >> 32) as u64, (quotient << 32) as u64, left, exponent + 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_an_order() {
        let ordered =
            ["-inf", "-1e4000", "-2", "-1.5", "-1e-4000", "0", "1e-4000", "0.1", "0.2", "3", "1e4000", "inf"];
        let parse = |text: &str| LongDouble::parse(text.as_bytes()).expect("a number");
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate().filter(|&(j, _)| i != j || !ordered[i].ends_with("inf"))
            {
                assert_eq!(parse(a).partial_cmp(&parse(b)), Some(i.cmp(&j)), "{a} {b}");
            }
        }
        assert_eq!(parse("0").partial_cmp(&parse("-0")), Some(std::cmp::Ordering::Equal));
        assert_eq!((parse("0.5") - parse("0.75")).format(), "-0.25");
    }

    /// Replies of INCRBYFLOAT on a Redis 8.6.3 (x86-64).
    #[test]
    fn sums_of_a_real_server() {
        for (a, b, want) in [
            ("0.1", "0.2", "0.3"),
            ("0", "0x10", "16"),
            ("0", "-0", "0"),
            ("0", "1e-18", "0"),
            ("0", "1e-4940", "0"),
            ("3.0e3", "200", "3200"),
            ("17179869184", "1.5", "17179869185.5"),
            ("0", "9.5e-18", "0.00000000000000001"),
            ("0", "0.000000000000000005", "0"),
            ("0", "123456789012345678901234567890.123", "123456789012345678899921813504"),
            ("-0", "-0", "0"),
            ("0", "+5", "5"),
            ("0", ".5", "0.5"),
            ("0", "5.", "5"),
            ("1e4932", "1e4932", "inf"),
            ("inf", "-inf", "nan"),
        ] {
            let parse = |text: &str| LongDouble::parse(text.as_bytes()).expect(text);
            assert_eq!((parse(a) + parse(b)).format(), want, "{a} + {b}");
        }
        let huge = LongDouble::parse(b"1e4000").expect("in range").format();
        assert_eq!(huge.len(), 4000);
        assert!(huge.starts_with("999999999999999999996546387309962378493249258350695763130150"));
    }

    #[test]
    fn refused_texts() {
        let long = format!("0.{}1", "0".repeat(6000));
        for text in
            ["", " 1", "1 ", "nan", "1e", "1e+", "1e5000", "1e-5000", "0x", "1e99999999999999999999", &long]
        {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        /// Sums of multiples of 1/8 are exact in doubles, too.
        #[test]
        fn agrees_with_exact_sums(a in -(1i64 << 40)..1 << 40, b in -(1i64 << 40)..1 << 40, k in 0u32..4) {
            let scale = f64::from(1u32 << k);
            let text = |n: i64| format!("{}", n as f64 / scale);
            let sum = LongDouble::parse(text(a).as_bytes()).zip(LongDouble::parse(text(b).as_bytes()))
                .map(|(a, b)| (a + b).format());
            prop_assert_eq!(sum, Some(text(a + b).replace("-0", if a + b == 0 { "0" } else { "-0" })));
        }

        #[test]
        fn slow_and_fast_parsers_agree(digits in 1u64..u64::MAX, power in 0u32..18) {
            let fast = LongDouble::parse(format!("{digits}e-{power}").as_bytes());
            // Extra zeros force the exact path.
            let slow = LongDouble::parse(format!("{digits}{}1e-{}", "0".repeat(40), power + 41).as_bytes());
            let (Some(fast), Some(slow)) = (fast, slow) else { return Err(TestCaseError::fail("refused")) };
            prop_assert_eq!(fast, slow);
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = LongDouble::parse(&bytes).map(|n| n.format());
        }
    }
}
