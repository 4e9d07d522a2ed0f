//! The last bytes of the replication stream, in blocks.

use std::collections::VecDeque;

/// What goes from the window goes in whole blocks: they are small in a small window, so that it keeps to its size.
const BLOCK_BYTES: std::ops::RangeInclusive<usize> = 4 << 10..=64 << 10;
const BLOCKS: usize = 8;

/// A window over the stream that ends at its end. See the crate's text.
#[derive(Default)]
pub struct Backlog {
    blocks: VecDeque<Block>,
    /// Position of the first byte.
    first: u64,
    bytes: usize,
    /// Capacity of all blocks.
    capacity: usize,
    size: usize,
}

struct Block {
    /// Position of its first byte.
    start: u64,
    bytes: Vec<u8>,
}

impl Backlog {
    /// An empty window at `at` that keeps at least the last `size` bytes.
    pub fn new(size: usize, at: u64) -> Backlog {
        Backlog { first: at, size, ..Backlog::default() }
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

    /// Bytes that the blocks take, and their list.
    pub fn allocated(&self) -> usize {
        self.capacity + self.blocks.capacity() * size_of::<Block>()
    }

    /// Whether a reader can begin at `position`.
    pub fn covers(&self, position: u64) -> bool {
        (self.first..=self.end()).contains(&position)
    }

    /// Appends bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.blocks.back().is_none_or(|block| block.bytes.len() == block.bytes.capacity()) {
                let block_bytes = (self.size / BLOCKS).clamp(*BLOCK_BYTES.start(), *BLOCK_BYTES.end());
                let block = Block { start: self.end(), bytes: Vec::with_capacity(block_bytes) };
                self.capacity += block.bytes.capacity();
                self.blocks.push_back(block);
            }
            let Some(Block { bytes: block, .. }) = self.blocks.back_mut() else { return };
            let (now, later) = bytes.split_at(bytes.len().min(block.capacity() - block.len()));
            block.extend_from_slice(now);
            self.bytes += now.len();
            bytes = later;
        }
    }

    /// Drops whole blocks that neither the size nor a reader at `needed` asks for.
    pub fn trim(&mut self, needed: u64) {
        while let Some(Block { bytes: block, .. }) = self.blocks.front() {
            let end = self.first + block.len() as u64;
            if self.bytes - block.len() < self.size || end > needed || self.blocks.len() == 1 {
                break;
            }
            self.bytes -= block.len();
            self.first = end;
            self.capacity -= block.capacity();
            self.blocks.pop_front();
        }
        // A slow replica's long list does not stay when the replica has caught up or is gone.
        if self.blocks.capacity() > 4 * self.blocks.len().max(BLOCKS) {
            self.blocks.shrink_to(2 * self.blocks.len());
        }
    }

    /// Up to `most` bytes from `position`; `None` if they are gone or not yet there.
    pub fn read(&self, position: u64, most: usize) -> Option<Vec<u8>> {
        if !self.covers(position) {
            return None;
        }
        let mut out = Vec::with_capacity((self.end() - position).min(most as u64) as usize);
        let first = self.blocks.partition_point(|block| block.start <= position).saturating_sub(1);
        for block in self.blocks.range(first..) {
            if out.len() == most {
                break;
            }
            let part = &block.bytes[position.saturating_sub(block.start) as usize..];
            out.extend_from_slice(&part[..part.len().min(most - out.len())]);
        }
        Some(out)
    }
}
