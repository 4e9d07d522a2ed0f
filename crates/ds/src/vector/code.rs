//! Vectors as they are stored: brought to unit length, then kept as they are, or in 8 bits or 1 bit for each number.
//!
//! The order of the floating point operations is Redis', found by comparing results: lengths are summed in groups of four, 8-bit
//! numbers are `round(x * (127 / range))` and come back as `q * range / 127 * length`. So files and replies agree.

use super::chunks::Rows;
use super::distance;

/// How numbers are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quant {
    F32,
    Q8,
    Bin,
}

impl Quant {
    /// Numbers in files.
    const ALL: [Quant; 3] = [Quant::F32, Quant::Q8, Quant::Bin];

    /// The number that files have.
    pub fn number(self) -> u64 {
        Self::ALL.iter().position(|quant| *quant == self).unwrap_or(0) as u64
    }

    /// The form behind a file's number.
    pub fn from_number(number: u64) -> Option<Quant> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// As VINFO and VEMB RAW name it.
    pub fn name(self) -> &'static str {
        match self {
            Quant::F32 => "f32",
            Quant::Q8 => "int8",
            Quant::Bin => "bin",
        }
    }

    /// Bytes of one vector in files and in VEMB RAW.
    pub fn raw_bytes(self, dim: usize) -> usize {
        match self {
            Quant::F32 => 4 * dim,
            Quant::Q8 => dim,
            Quant::Bin => 8 * dim.div_ceil(64),
        }
    }
}

/// One vector in a stored form.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Code {
    F32(Vec<f32>),
    Q8(Vec<i8>),
    Bin(Vec<u64>),
}

/// A vector with what its stored form has lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    pub(super) code: Code,
    /// Its length before it was brought to length one.
    pub(super) norm: f32,
    /// The largest number of the vector of length one; 127 stands for it in 8 bits.
    pub(super) range: f32,
}

/// The length of a vector; 1 for the vector of length zero, which has no direction.
fn norm_of(vector: &[f32]) -> f32 {
    let (groups, rest) = vector.as_chunks::<4>();
    let sum = groups.iter().fold(0f32, |sum, [a, b, c, d]| sum + (a * a + b * b + c * c + d * d));
    let norm = rest.iter().fold(sum, |sum, a| sum + a * a).sqrt();
    if norm == 0.0 { 1.0 } else { norm }
}

impl Encoded {
    /// The stored form of a vector.
    pub fn new(quant: Quant, vector: &[f32]) -> Encoded {
        let norm = norm_of(vector);
        let unit: Vec<f32> = vector.iter().map(|number| number / norm).collect();
        let (code, range) = match quant {
            Quant::F32 => (Code::F32(unit), 0.0),
            Quant::Q8 => {
                let range = unit.iter().fold(0f32, |most, number| most.max(number.abs()));
                let scale = if range == 0.0 { 0.0 } else { 127.0 / range };
                (Code::Q8(unit.iter().map(|number| (number * scale).round() as i8).collect()), range)
            }
            Quant::Bin => {
                let word = |numbers: &[f32]| {
                    let bits = numbers.iter().enumerate().filter(|(_, number)| **number > 0.0);
                    bits.fold(0u64, |word, (bit, _)| word | 1 << bit)
                };
                (Code::Bin(unit.chunks(64).map(word).collect()), 0.0)
            }
        };
        Encoded { code, norm, range }
    }

    /// The stored form from a file's bytes, if they are as many as they must be.
    pub fn from_raw(quant: Quant, dim: usize, raw: &[u8], norm: f32, range: f32) -> Option<Encoded> {
        if raw.len() != quant.raw_bytes(dim) {
            return None;
        }
        let code = match quant {
            Quant::F32 => {
                Code::F32(raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
            Quant::Q8 => Code::Q8(raw.iter().map(|byte| byte.cast_signed().max(-127)).collect()),
            Quant::Bin => {
                let mut words: Vec<u64> =
                    raw.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
                if let Some(last) = words.last_mut().filter(|_| !dim.is_multiple_of(64)) {
                    *last &= (1 << (dim % 64)) - 1;
                }
                Code::Bin(words)
            }
        };
        Some(Encoded { code, norm, range })
    }
}

/// All vectors of a set.
#[derive(Clone)]
pub(super) enum Codes {
    F32(Rows<f32>),
    Q8(Rows<i8>),
    Bin(Rows<u64>),
}

impl Codes {
    pub(super) fn new(quant: Quant, dim: usize) -> Codes {
        match quant {
            Quant::F32 => Codes::F32(Rows::new(dim)),
            Quant::Q8 => Codes::Q8(Rows::new(dim)),
            Quant::Bin => Codes::Bin(Rows::new(dim.div_ceil(64))),
        }
    }

    pub(super) fn quant(&self) -> Quant {
        match self {
            Codes::F32(_) => Quant::F32,
            Codes::Q8(_) => Quant::Q8,
            Codes::Bin(_) => Quant::Bin,
        }
    }

    /// Sets a row; the code has the form of this set.
    pub(super) fn set(&mut self, at: usize, code: &Code) {
        match (self, code) {
            (Codes::F32(rows), Code::F32(row)) => rows.set(at, row),
            (Codes::Q8(rows), Code::Q8(row)) => rows.set(at, row),
            (Codes::Bin(rows), Code::Bin(row)) => rows.set(at, row),
            _ => unreachable!("invariant: all vectors of a set have its form"),
        }
    }

    /// The distance of a vector to that of a row. `dim` and `range` are the set's and the row's.
    #[inline]
    pub(super) fn distance(&self, query: &Encoded, at: usize, range: f32, dim: usize) -> f32 {
        match (self, &query.code) {
            (Codes::F32(rows), Code::F32(query)) => distance::of_f32(query, rows.row(at)),
            (Codes::Q8(rows), Code::Q8(row)) => distance::of_i8(row, query.range, rows.row(at), range),
            (Codes::Bin(rows), Code::Bin(query)) => distance::of_bits(query, rows.row(at), dim),
            _ => unreachable!("invariant: a query has the form of its set"),
        }
    }

    /// The distance of two rows, each with its range.
    #[inline]
    pub(super) fn between(&self, (a, range_a): (usize, f32), (b, range_b): (usize, f32), dim: usize) -> f32 {
        match self {
            Codes::F32(rows) => distance::of_f32(rows.row(a), rows.row(b)),
            Codes::Q8(rows) => distance::of_i8(rows.row(a), range_a, rows.row(b), range_b),
            Codes::Bin(rows) => distance::of_bits(rows.row(a), rows.row(b), dim),
        }
    }

    /// The vector of a row, as near to what was given as its form allows.
    pub(super) fn decode(&self, at: usize, norm: f32, range: f32, dim: usize) -> Vec<f32> {
        match self {
            Codes::F32(rows) => rows.row(at).iter().map(|number| number * norm).collect(),
            Codes::Q8(rows) => {
                rows.row(at).iter().map(|number| f32::from(*number) * range / 127.0 * norm).collect()
            }
            Codes::Bin(rows) => {
                let bit = |at: usize, words: &[u64]| words[at / 64] >> (at % 64) & 1 == 1;
                (0..dim).map(|number| if bit(number, rows.row(at)) { 1.0 } else { -1.0 }).collect()
            }
        }
    }

    /// The bytes of a row, as files have them.
    pub(super) fn raw(&self, at: usize) -> Vec<u8> {
        match self {
            Codes::F32(rows) => rows.row(at).iter().flat_map(|number| number.to_le_bytes()).collect(),
            Codes::Q8(rows) => rows.row(at).iter().map(|number| number.cast_unsigned()).collect(),
            Codes::Bin(rows) => rows.row(at).iter().flat_map(|word| word.to_le_bytes()).collect(),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Codes::F32(rows) => rows.memory_bytes(),
            Codes::Q8(rows) => rows.memory_bytes(),
            Codes::Bin(rows) => rows.memory_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that a real server answered for `VADD k VALUES 2 1 2 a`.
    #[test]
    fn numbers_are_those_of_redis() {
        let mut codes = Codes::new(Quant::Q8, 2);
        let encoded = Encoded::new(Quant::Q8, &[1.0, 2.0]);
        codes.set(0, &encoded.code);
        assert_eq!(codes.raw(0), b"?\x7f");
        assert_eq!((encoded.norm, encoded.range), (2.236_068, 0.894_427_2));
        assert_eq!(codes.decode(0, encoded.norm, encoded.range, 2), [0.992_125_9, 2.0]);
        // VSIM ELE asks with what VEMB answers.
        let query = Encoded::new(Quant::Q8, &codes.decode(0, encoded.norm, encoded.range, 2));
        let score = 1.0 - f64::from(codes.distance(&query, 0, encoded.range, 2)) / 2.0;
        assert_eq!(score, 0.999_215_036_630_630_5);
    }

    #[test]
    fn numbers_without_a_direction_are_no_trouble() {
        for quant in Quant::ALL {
            for vector in
                [[0.0, 0.0, 0.0], [f32::NAN, 1.0, 2.0], [f32::INFINITY, 1.0, 0.0], [1e-30, 0.0, 1e-30]]
            {
                let encoded = Encoded::new(quant, &vector);
                let mut codes = Codes::new(quant, 3);
                codes.set(0, &encoded.code);
                codes.distance(&encoded, 0, encoded.range, 3);
                assert_eq!(codes.decode(0, encoded.norm, encoded.range, 3).len(), 3);
                let again = Encoded::from_raw(quant, 3, &codes.raw(0), encoded.norm, encoded.range);
                codes.set(0, &again.expect("as many bytes").code);
                assert_eq!(Quant::from_number(quant.number()), Some(quant));
            }
        }
        assert!(
            Encoded::from_raw(Quant::F32, 3, &[0; 11], 1.0, 0.0).is_none() && Quant::from_number(3).is_none()
        );
    }

    #[test]
    fn bits_are_signs() {
        let vector: Vec<f32> = (0..70).map(|i| if i % 3 == 0 { 0.5 } else { -0.5 }).collect();
        let mut codes = Codes::new(Quant::Bin, 70);
        codes.set(0, &Encoded::new(Quant::Bin, &vector).code);
        let signs: Vec<f32> = vector.iter().map(|number| number.signum()).collect();
        assert_eq!(codes.decode(0, 1.0, 0.0, 70), signs);
        let other = Encoded::new(Quant::Bin, &vector.iter().map(|number| -number).collect::<Vec<_>>());
        assert_eq!(codes.distance(&other, 0, 0.0, 70), 2.0);
        let full = Encoded::from_raw(Quant::Bin, 70, &[0xff; 16], 1.0, 0.0).expect("as many bytes");
        assert_eq!(
            full.code,
            Code::Bin(vec![u64::MAX, 0x3f]),
            "bits behind the last number count for nothing"
        );
    }
}
