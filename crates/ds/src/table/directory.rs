//! The extendible directory: which segment holds a hash.
//!
//! `words[top depth bits of the hash]`; a segment of local depth d fills 2^(depth - d) neighbouring words.

use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use super::segment::SegmentRef;

/// On a line of its own, which the allocator would not give it: each look-up enters here.
#[repr(align(64))]
pub(super) struct Directory {
    pub depth: u32,
    /// Up to four stand here, so that a table of some hundred items costs one line to enter.
    words: SmallVec<[AtomicU64; 4]>,
}

impl Directory {
    /// A directory of a depth, whose words each have the segment that `segment` makes for them.
    pub fn filled(depth: u32, segment: impl Fn() -> SegmentRef) -> Directory {
        Directory { depth, words: (0..1 << depth).map(|_| AtomicU64::new(segment().word())).collect() }
    }

    /// The same mapping, one bit deeper.
    pub fn doubled(&self) -> Directory {
        let twice = |word: &AtomicU64| {
            let word = word.load(Ordering::Relaxed);
            [AtomicU64::new(word), AtomicU64::new(word)]
        };
        Directory { depth: self.depth + 1, words: self.words.iter().flat_map(twice).collect() }
    }

    /// The same mapping, one bit shallower; no segment may be as deep as the directory.
    pub fn halved(&self) -> Directory {
        let words = self.words.iter().step_by(2).map(|word| AtomicU64::new(word.load(Ordering::Relaxed)));
        Directory { depth: self.depth - 1, words: words.collect() }
    }

    /// Marks all segments as frozen and gives a copy that keeps pointing to them.
    pub fn frozen(&self) -> Directory {
        let freeze = |word: &AtomicU64| {
            let frozen = SegmentRef::from_word(word.load(Ordering::Relaxed)).frozen().word();
            word.store(frozen, Ordering::Release);
            AtomicU64::new(frozen)
        };
        Directory { depth: self.depth, words: self.words.iter().map(freeze).collect() }
    }

    /// The segment of a word, if this is the first of the segment's words.
    pub fn first_word(&self, index: usize) -> Option<SegmentRef> {
        let segment = SegmentRef::from_word(self.words[index].load(Ordering::Relaxed));
        let words = 1usize << (self.depth - segment.depth());
        (index & (words - 1) == 0).then_some(segment)
    }

    #[inline]
    pub fn segment(&self, hash: u64) -> SegmentRef {
        let index = if self.depth == 0 { 0 } else { (hash >> (64 - self.depth)) as usize };
        // A prefetch pass which sees a new segment sees its lines zeroed; SeqCst, because segments are freed by the
        // gate's epoch.
        SegmentRef::from_word(self.words[index].load(Ordering::SeqCst))
    }

    /// Makes all words of `hash`'s prefix of the segment's own depth point to `segment`.
    pub fn set(&self, hash: u64, segment: SegmentRef) {
        let shift = self.depth - segment.depth();
        let prefix = if segment.depth() == 0 { 0 } else { (hash >> (64 - segment.depth())) as usize };
        for word in &self.words[prefix << shift..(prefix + 1) << shift] {
            word.store(segment.word(), Ordering::SeqCst);
        }
    }

    /// The segment of a word, which is the first of its words, and how many words it has.
    pub fn at(&self, index: usize) -> Option<(usize, SegmentRef)> {
        let segment = SegmentRef::from_word(self.words.get(index)?.load(Ordering::Relaxed));
        Some((1 << (self.depth - segment.depth()), segment))
    }

    /// Every segment once, with the hash of its prefix.
    pub fn segments(&self) -> impl Iterator<Item = (u64, SegmentRef)> {
        let mut index = 0;
        std::iter::from_fn(move || {
            let (words, segment) = self.at(index)?;
            let hash = if self.depth == 0 { 0 } else { (index as u64) << (64 - self.depth) };
            index += words;
            Some((hash, segment))
        })
    }
}
