//! A short history of numbers as a row of blocks.

use std::collections::VecDeque;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last numbers seen, oldest first.
#[derive(Debug)]
pub struct Spark {
    values: VecDeque<f64>,
    width: usize,
}

impl Spark {
    /// Keeps `width` numbers.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { values: VecDeque::with_capacity(width), width }
    }

    /// Adds a number.
    pub fn push(&mut self, value: f64) {
        if self.values.len() == self.width {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// Blocks scaled to the largest number.
    #[must_use]
    pub fn draw(&self) -> String {
        let top = self.values.iter().copied().fold(0.0, f64::max);
        let block = |value: &f64| {
            let share = if top > 0.0 { value / top } else { 0.0 };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let index = (share * 7.0).round() as usize;
            BLOCKS[index.min(7)]
        };
        self.values.iter().map(block).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_to_the_top() {
        let mut spark = Spark::new(3);
        for value in [9.0, 0.0, 5.0, 10.0] {
            spark.push(value);
        }
        assert_eq!(spark.draw(), "▁▅█");
        assert_eq!(Spark::new(2).draw(), "");
    }
}
