//! Natural numbers of any size, just enough to convert between decimal texts and 80-bit floats exactly.
//!
//! Limbs are 32 bits, least significant first, without leading zero limbs. The callers bound the sizes
//! (a long double has at most 16,500 bits), so no operation here can be made to run away.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BigInt {
    limbs: Vec<u32>,
}

impl BigInt {
    pub fn from_u64(value: u64) -> Self {
        let mut big = Self { limbs: vec![value as u32, (value >> 32) as u32] };
        big.trim();
        big
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    pub fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// Position of the highest set bit plus one.
    pub fn bits(&self) -> usize {
        match self.limbs.last() {
            Some(top) => self.limbs.len() * 32 - top.leading_zeros() as usize,
            None => 0,
        }
    }

    /// `self * factor + addend`, in place.
    pub fn mul_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.limbs {
            let wide = u64::from(*limb) * u64::from(factor) + carry;
            *limb = wide as u32;
            carry = wide >> 32;
        }
        if carry != 0 {
            self.limbs.push(carry as u32);
        }
    }

    /// Multiplies by 10^power.
    pub fn mul_pow10(&mut self, mut power: u32) {
        while power >= 9 {
            self.mul_add(1_000_000_000, 0);
            power -= 9;
        }
        self.mul_add(10u32.pow(power), 0);
    }

    pub fn shl(&mut self, count: usize) {
        if self.is_zero() {
            return;
        }
        let bits = (count % 32) as u32;
        if bits != 0 {
            let mut carry = 0u32;
            for limb in &mut self.limbs {
                let wide = u64::from(*limb) << bits | u64::from(carry);
                *limb = wide as u32;
                carry = (wide >> 32) as u32;
            }
            if carry != 0 {
                self.limbs.push(carry);
            }
        }
        self.limbs.splice(0..0, std::iter::repeat_n(0, count / 32));
    }

    fn at_least(&self, other: &Self) -> bool {
        if self.limbs.len() != other.limbs.len() {
            return self.limbs.len() > other.limbs.len();
        }
        self.limbs.iter().rev().ge(other.limbs.iter().rev())
    }

    /// `self -= other`; the caller has checked that self is not smaller.
    fn sub(&mut self, other: &Self) {
        let mut borrow = 0i64;
        for (i, limb) in self.limbs.iter_mut().enumerate() {
            let wide = i64::from(*limb) - i64::from(other.limbs.get(i).copied().unwrap_or(0)) - borrow;
            borrow = i64::from(wide < 0);
            *limb = wide as u32;
        }
        self.trim();
    }

    /// The `count` (up to 64) bits from `low` upwards, and whether any bit below `low` is set.
    pub fn window(&self, low: usize, count: usize) -> (u64, bool) {
        let bit = |i: usize| self.limbs.get(i / 32).is_some_and(|limb| limb >> (i % 32) & 1 == 1);
        let value = (low..low + count).rev().fold(0u64, |v, i| v << 1 | u64::from(bit(i)));
        let whole = low / 32;
        let below = self.limbs.iter().take(whole).any(|limb| *limb != 0) || (whole * 32..low).any(bit);
        (value, below)
    }

    /// The first `count` bits of `self / divisor`: quotient `q` with exactly `count` bits, an exponent so that the
    /// ratio is `q * 2^e` rounded down, and whether something is left over. Both numbers are not zero.
    pub fn leading_quotient(mut self, mut divisor: Self, count: usize) -> (u128, i64, bool) {
        let mut exponent = self.bits() as i64 - divisor.bits() as i64;
        if exponent > 0 {
            divisor.shl(exponent as usize);
        } else {
            self.shl((-exponent) as usize);
        }
        if !self.at_least(&divisor) {
            self.shl(1);
            exponent -= 1;
        }
        let mut quotient = 0u128;
        for _ in 0..count {
            quotient <<= 1;
            if self.at_least(&divisor) {
                self.sub(&divisor);
                quotient |= 1;
            }
            self.shl(1);
        }
        (quotient, exponent - (count as i64 - 1), !self.is_zero())
    }

    /// The decimal digits, most significant first; "0" for zero.
    pub fn into_decimal(mut self) -> Vec<u8> {
        let mut groups = Vec::new();
        while !self.is_zero() {
            let mut rest = 0u64;
            for limb in self.limbs.iter_mut().rev() {
                let wide = rest << 32 | u64::from(*limb);
                *limb = (wide / 1_000_000_000) as u32;
                rest = wide % 1_000_000_000;
            }
            self.trim();
            groups.push(rest);
        }
        let mut out = groups.pop().unwrap_or(0).to_string().into_bytes();
        for group in groups.iter().rev() {
            out.extend_from_slice(format!("{group:09}").as_bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn big(value: u128) -> BigInt {
        let mut n = BigInt::from_u64((value >> 64) as u64);
        n.shl(64);
        for (i, limb) in n.limbs.iter_mut().enumerate().take(2) {
            *limb = (value >> (32 * i)) as u32;
        }
        if n.is_zero() { BigInt::from_u64(value as u64) } else { n }
    }

    proptest! {
        #[test]
        fn agrees_with_u128(a in 1u128.., b in 1u128..) {
            prop_assert_eq!(big(a).into_decimal(), a.to_string().into_bytes());
            prop_assert_eq!(big(a).bits(), 128 - a.leading_zeros() as usize);
            prop_assert_eq!(big(a).at_least(&big(b)), a >= b);
            let (low, below) = big(a).window(5, 60);
            prop_assert_eq!((u128::from(low), below), (a >> 5 & ((1 << 60) - 1), a & 31 != 0));
            let (q, e, _) = big(a).leading_quotient(big(b), 40);
            prop_assert_eq!(q >> 39, 1);
            let ratio = a as f64 / b as f64;
            prop_assert!((q as f64 * 2f64.powi(e as i32) / ratio - 1.0).abs() < 1e-11);
        }
    }
}
