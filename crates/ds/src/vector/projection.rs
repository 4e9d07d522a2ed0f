//! Projection to fewer numbers: each is a sum of all numbers with signs, over the root of how many they are.
//!
//! Redis' signs are those of a Hadamard matrix, row i and column j being negative if `i & j` has an odd number of bits. They need
//! no storage, and every replica has the same; only files with another matrix make a set keep one. Large ones are
//! computed by the fast transform, for a short command must not hold a shard for seconds.

use std::sync::Arc;

/// Elements of a matrix from which on the fast transform is used; it sums in another order.
const FAST_FROM: usize = 1 << 20;

/// From vectors of `input` numbers to shorter ones.
#[derive(Clone)]
pub struct Projection {
    input: usize,
    /// Row by row; `None` for Hadamard's.
    matrix: Option<Arc<[f32]>>,
}

fn sign(row: usize, column: usize, one: f32) -> f32 {
    if (row & column).count_ones().is_multiple_of(2) { one } else { -one }
}

fn unit(input: usize) -> f32 {
    (1.0 / (input as f64).sqrt()) as f32
}

impl Projection {
    /// The projection that every server makes, of vectors of `input` numbers.
    pub fn new(input: usize) -> Projection {
        Projection { input, matrix: None }
    }

    /// A projection to `output` numbers from a file; `None` if the matrix has not the size.
    pub fn from_matrix(input: usize, output: usize, matrix: Vec<f32>) -> Option<Projection> {
        if input.checked_mul(output)? != matrix.len() {
            return None;
        }
        let usual = Projection::new(input);
        let same = usual.rows(output).zip(&matrix).all(|(a, b)| a == *b);
        Some(if same { usual } else { Projection { input, matrix: Some(matrix.into()) } })
    }

    /// Numbers of the vectors that it takes.
    pub fn input(&self) -> usize {
        self.input
    }

    /// The matrix row by row.
    pub fn rows(&self, output: usize) -> impl Iterator<Item = f32> + '_ {
        let one = unit(self.input);
        (0..output).flat_map(move |row| {
            (0..self.input).map(move |column| match &self.matrix {
                Some(matrix) => matrix[row * self.input + column],
                None => sign(row, column, one),
            })
        })
    }

    /// The vector of `output` numbers for one of [`Projection::input`] numbers.
    pub fn apply(&self, vector: &[f32], output: usize) -> Vec<f32> {
        let one = unit(self.input);
        if self.matrix.is_none() && self.input * output >= FAST_FROM {
            let mut sums = transform(vector);
            sums.truncate(output);
            sums.iter_mut().for_each(|sum| *sum *= one);
            return sums;
        }
        let row = |row: usize| match &self.matrix {
            Some(matrix) => {
                let factors = &matrix[row * self.input..(row + 1) * self.input];
                vector.iter().zip(factors).fold(0f32, |sum, (number, factor)| sum + number * factor)
            }
            None => {
                let terms = vector.iter().enumerate();
                terms.fold(0f32, |sum, (column, number)| sum + number * sign(row, column, one))
            }
        };
        (0..output).map(row).collect()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.matrix.as_ref().map_or(0, |matrix| size_of_val(&**matrix))
    }
}

/// Sums of all numbers with the signs of each row, for as many rows as the next power of two: halves are added and
/// subtracted, at every width (the fast Walsh-Hadamard transform).
fn transform(vector: &[f32]) -> Vec<f32> {
    let mut sums = vector.to_vec();
    sums.resize(vector.len().next_power_of_two(), 0.0);
    let mut width = 1;
    while width < sums.len() {
        for block in sums.chunks_exact_mut(2 * width) {
            let (left, right) = block.split_at_mut(width);
            for (left, right) in left.iter_mut().zip(right) {
                (*left, *right) = (*left + *right, *left - *right);
            }
        }
        width *= 2;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_transform_is_the_same_sum() {
        for len in [1usize, 3, 8, 100] {
            let vector: Vec<f32> = (0..len).map(|i| (i * i % 7) as f32 - 2.5).collect();
            let fast = transform(&vector);
            for (row, fast) in fast.iter().enumerate().take(len) {
                let terms = vector.iter().enumerate().map(|(column, number)| number * sign(row, column, 1.0));
                assert!((terms.sum::<f32>() - fast).abs() < 1e-3);
            }
        }
        let vector: Vec<f32> = (0..2000).map(|i| (i % 13) as f32 - 6.0).collect();
        let projected = Projection::new(2000).apply(&vector, 1000);
        let exact: f32 =
            vector.iter().enumerate().map(|(column, number)| number * sign(999, column, unit(2000))).sum();
        assert!(projected.len() == 1000 && (projected[999] - exact).abs() < 1e-2);
    }

    /// Values that a real server answered for `VADD k REDUCE n VALUES ... NOQUANT`.
    #[test]
    fn numbers_are_those_of_redis() {
        let projection = Projection::new(3);
        assert_eq!(projection.apply(&[1.0, 2.0, 3.0], 2), [3.464_101_6, 1.154_700_5]);
        let usual: Vec<f32> = projection.rows(2).collect();
        assert_eq!(
            usual,
            [0.577_350_26, 0.577_350_26, 0.577_350_26, 0.577_350_26, -0.577_350_26, 0.577_350_26]
        );
        let same = Projection::from_matrix(3, 2, usual).expect("the right size");
        assert_eq!(same.memory_bytes(), 0);
        let other =
            Projection::from_matrix(3, 2, vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).expect("the right size");
        assert_eq!(other.apply(&[5.0, 6.0, 7.0], 2), [5.0, 6.0]);
        assert!(Projection::from_matrix(3, 2, vec![1.0; 5]).is_none());
        assert!(Projection::from_matrix(usize::MAX, 2, vec![1.0; 5]).is_none());
    }
}
