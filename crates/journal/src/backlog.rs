//! The last bytes of the replication stream, in blocks.

use std::collections::VecDeque;

/// What goes from the window goes in whole blocks: they are small in a small window, so that it keeps to its size.
const BLOCK_BYTES: std::ops::RangeInclusive<usize> = 4 << 10..=64 << 10;
const BLOCKS: usize = 8;

/// A window over the stream that ends at its end. See the crate's text.
#[derive(Default)]
pub struct Backlog {
    blocks: VecDeque<Vec<u8>>,
    /// Position of the first byte.
    first: u64,
    bytes: usize,
    size: usize,
}

impl Backlog {
    /// An empty window at `at` that keeps at least the last `size` bytes.
    pub fn new(size: usize, at: u64) -> Backlog {
        Backlog { blocks: VecDeque::new(), first: at, bytes: 0, size }
    }

    /// The configured size.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Changes the configured size; applied as bytes come.
    pub fn resize(&mut self, size: usize) {
        self.size = size;
    }

    /// Position of the first byte held.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Position behind the last byte.
    pub fn end(&self) -> u64 {
        self.first + self.bytes as u64
    }

    /// Bytes held.
    pub fn history(&self) -> usize {
        self.bytes
    }

    /// Bytes that the blocks take.
    pub fn allocated(&self) -> usize {
        self.blocks.iter().map(Vec::capacity).sum()
    }

    /// Whether a reader can begin at `position`.
    pub fn covers(&self, position: u64) -> bool {
        (self.first..=self.end()).contains(&position)
    }

    /// Appends bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len();
        while !bytes.is_empty() {
            if self.blocks.back().is_none_or(|block| block.len() == block.capacity()) {
                let block_bytes = (self.size / BLOCKS).clamp(*BLOCK_BYTES.start(), *BLOCK_BYTES.end());
                self.blocks.push_back(Vec::with_capacity(block_bytes));
            }
            let Some(block) = self.blocks.back_mut() else { return };
            let (now, later) = bytes.split_at(bytes.len().min(block.capacity() - block.len()));
            block.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Drops whole blocks that neither the size nor a reader at `needed` asks for.
    pub fn trim(&mut self, needed: u64) {
        while let Some(block) = self.blocks.front() {
            let end = self.first + block.len() as u64;
            if self.bytes - block.len() < self.size || end > needed || self.blocks.len() == 1 {
                return;
            }
            self.bytes -= block.len();
            self.first = end;
            self.blocks.pop_front();
        }
    }

    /// Up to `most` bytes from `position`; `None` if they are gone or not yet there.
    pub fn read(&self, position: u64, most: usize) -> Option<Vec<u8>> {
        if !self.covers(position) {
            return None;
        }
        let mut skip = (position - self.first) as usize;
        let mut out = Vec::new();
        for block in &self.blocks {
            if out.len() == most {
                break;
            }
            let part = &block[skip.min(block.len())..];
            out.extend_from_slice(&part[..part.len().min(most - out.len())]);
            skip = skip.saturating_sub(block.len());
        }
        Some(out)
    }
}
