//! One cache line of the table: seven slots and their fingerprints.
//!
//! ```text
//!   word 0      f0 f1 f2 f3 f4 f5 f6 | presence       7 fingerprints, then a byte of flags:
//!                                                     bits 0-6: slot is taken; bit 7: the snapshot's mark
//!   words 1-7   tag(16) | pointer(48)                 one slot each
//! ```
//!
//! Tag and fingerprint together are 24 bits of the key's hash (see `segment`). Words are atomics because the
//! prefetch passes read them without the lock; whoever writes holds the shard's lock, so Relaxed suffices for
//! the owner, and a hint that reads a torn line only prefetches in vain.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Slots of a line.
pub(super) const SLOTS: usize = 7;
const POINTER_BITS: u32 = 48;
const POINTER_MASK: u64 = (1 << POINTER_BITS) - 1;
const FULL: u8 = 0x7f;
const MARK: u8 = 0x80;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

#[repr(C, align(64))]
pub(super) struct Line {
    meta: AtomicU64,
    slots: [AtomicU64; SLOTS],
}

/// A taken slot's content.
#[derive(Clone, Copy)]
pub(super) struct Word(u64);

impl Word {
    /// `bits` are the 24 stored bits of the hash.
    pub fn new(pointer: NonNull<u8>, bits: u32) -> Word {
        let address = pointer.as_ptr().expose_provenance() as u64;
        debug_assert!(address <= POINTER_MASK, "user-space addresses have 47 bits");
        Word(address | u64::from(bits >> 8) << POINTER_BITS)
    }

    #[inline]
    pub fn pointer(self) -> NonNull<u8> {
        let address = (self.0 & POINTER_MASK) as usize;
        NonNull::new(std::ptr::with_exposed_provenance_mut(address))
            .expect("invariant: a taken slot is not null")
    }

    #[inline]
    fn tag(self) -> u32 {
        (self.0 >> POINTER_BITS) as u32
    }
}

impl Line {
    #[inline]
    pub fn presence(&self) -> u8 {
        (self.meta.load(Relaxed) >> 56) as u8 & FULL
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.presence() == FULL
    }

    pub fn len(&self) -> usize {
        self.presence().count_ones() as usize
    }

    /// The snapshot's mark (0 or 1).
    pub fn mark(&self) -> bool {
        (self.meta.load(Relaxed) >> 56) as u8 & MARK != 0
    }

    pub fn set_mark(&self, mark: bool) {
        let meta = self.meta.load(Relaxed) & !(u64::from(MARK) << 56);
        self.meta.store(meta | u64::from(mark) << 63, Relaxed);
    }

    /// Takes over everything from another line.
    pub fn copy_from(&self, other: &Line) {
        let copy = |to: &AtomicU64, from: &AtomicU64| to.store(from.load(Relaxed), Relaxed);
        self.slots.iter().zip(&other.slots).for_each(|(to, from)| copy(to, from));
        copy(&self.meta, &other.meta);
    }

    /// The taken slots' indices.
    pub fn taken(&self) -> impl Iterator<Item = usize> {
        let mut left = self.presence();
        std::iter::from_fn(move || {
            let next = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(next)
        })
    }

    /// Slots whose stored bits may equal `bits`: the fingerprint matches and so does the tag.
    #[inline]
    pub fn candidates(&self, bits: u32) -> impl Iterator<Item = (usize, NonNull<u8>)> {
        let meta = self.meta.load(Relaxed);
        let differs = meta ^ LOW_BITS.wrapping_mul(u64::from(bits & 0xff));
        // A zero byte gets its high bit set; a byte above a zero byte may be set falsely, the tag sorts it out.
        let mut hits = differs.wrapping_sub(LOW_BITS) & !differs & HIGH_BITS;
        std::iter::from_fn(move || {
            while hits != 0 {
                let slot = hits.trailing_zeros() as usize / 8;
                hits &= hits - 1;
                if slot < SLOTS && meta >> (56 + slot) & 1 == 1 {
                    let word = Word(self.slots[slot].load(Relaxed));
                    if word.tag() == bits >> 8 && word.0 & POINTER_MASK != 0 {
                        return Some((slot, word.pointer()));
                    }
                }
            }
            None
        })
    }

    #[inline]
    pub fn word(&self, slot: usize) -> Word {
        Word(self.slots[slot].load(Relaxed))
    }

    /// The 24 stored bits of a taken slot.
    #[inline]
    pub fn bits(&self, slot: usize) -> u32 {
        self.word(slot).tag() << 8 | (self.meta.load(Relaxed) >> (8 * slot)) as u32 & 0xff
    }

    /// Points a taken slot to another item of the same hash.
    pub fn replace(&self, slot: usize, pointer: NonNull<u8>) {
        let tag = self.slots[slot].load(Relaxed) & !POINTER_MASK;
        self.slots[slot].store(tag | pointer.as_ptr().expose_provenance() as u64, Relaxed);
    }

    /// Takes a free slot; false if there is none.
    pub fn push(&self, word: Word, bits: u32) -> bool {
        let free = (!self.presence()).trailing_zeros() as usize;
        if free >= SLOTS {
            return false;
        }
        self.slots[free].store(word.0, Relaxed);
        let meta = self.meta.load(Relaxed) & !(0xff << (8 * free));
        self.meta.store(meta | u64::from(bits & 0xff) << (8 * free) | 1 << (56 + free), Relaxed);
        true
    }

    /// Frees a taken slot; answers what it held.
    pub fn clear(&self, slot: usize) -> Word {
        let word = self.word(slot);
        self.slots[slot].store(0, Relaxed);
        self.meta.store(self.meta.load(Relaxed) & !(1 << (56 + slot)), Relaxed);
        word
    }
}
