//! One allocation per member of a sorted set, shared by the member index and the tree.
//!
//! ```text
//! pointer -> | score f64, 8 bytes | length, 7 bits a byte | name ... |
//! ```
//! [`Member`] owns the allocation and lives in the index; [`MemberPtr`] is a copy of the pointer and lives in tree
//! leaves. Whoever frees a `Member` guarantees that no tree that somebody can read still holds its pointer.
//! The score field belongs to the index's owner alone; readers of a pinned tree look at the name only.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::table::{Item, MOST_DEPTH};

const SCORE: usize = 8;
const ALIGN: usize = 8;

/// An owned member.
pub(super) struct Member(NonNull<u8>);

// SAFETY: the allocation is owned; moving it to another thread moves it.
unsafe impl Send for Member {}
// SAFETY: shared access reads only; the score is written through `&mut` of the zset that owns the member.
unsafe impl Sync for Member {}

/// The pointer of a member that somebody else owns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct MemberPtr(NonNull<u8>);

// SAFETY: a pointer to bytes that never change; see `MemberPtr::name`.
unsafe impl Send for MemberPtr {}
// SAFETY: as above.
unsafe impl Sync for MemberPtr {}

/// A member in the index.
#[derive(Clone, Copy)]
pub struct MemberRef<'a>(MemberPtr, PhantomData<&'a ()>);

impl Member {
    pub(super) fn new(name: &[u8], score: f64) -> Self {
        let mut head = [0u8; 10];
        let head_len = write_len(name.len(), &mut head);
        let layout = layout(SCORE + head_len + name.len());
        // SAFETY: the layout is not empty.
        let raw = unsafe { alloc(layout) };
        let Some(pointer) = NonNull::new(raw) else { handle_alloc_error(layout) };
        // SAFETY: the three parts lie one behind the other inside the allocation just made; it is aligned for f64.
        unsafe {
            pointer.cast::<f64>().write(score);
            pointer.add(SCORE).copy_from_nonoverlapping(NonNull::from(&head).cast(), head_len);
            let text = NonNull::from(name).cast::<u8>();
            pointer.add(SCORE + head_len).copy_from_nonoverlapping(text, name.len());
        }
        Self(pointer)
    }

    pub(super) fn pointer(&self) -> MemberPtr {
        MemberPtr(self.0)
    }

    pub(super) fn set_score(&mut self, score: f64) {
        // SAFETY: the score field is inside the allocation, aligned, and only its owner touches it.
        unsafe { self.0.cast::<f64>().write(score) }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // SAFETY: the member is alive until the end of this call.
        let (start, len) = unsafe { MemberPtr(self.0).span() };
        // SAFETY: allocated in `new` with the same layout.
        unsafe { dealloc(self.0.as_ptr(), layout(start + len)) }
    }
}

impl MemberPtr {
    /// Offset and length of the name.
    ///
    /// # Safety
    /// The member must be alive.
    unsafe fn span(self) -> (usize, usize) {
        let (mut len, mut at) = (0usize, 0);
        loop {
            // SAFETY: the length field ends with a byte below 0x80, inside the allocation.
            let byte = unsafe { self.0.add(SCORE + at).read() };
            len |= usize::from(byte & 0x7f) << (7 * at);
            at += 1;
            if byte < 0x80 {
                return (SCORE + at, len);
            }
        }
    }

    /// The name.
    ///
    /// # Safety
    /// The member must stay alive during `'a`.
    pub(super) unsafe fn name<'a>(self) -> &'a [u8] {
        // SAFETY: passed on to the caller.
        let (start, len) = unsafe { self.span() };
        // SAFETY: the name lies there, was initialised in `new`, and is never written again.
        unsafe { std::slice::from_raw_parts(self.0.add(start).as_ptr(), len) }
    }
}

impl<'a> MemberRef<'a> {
    /// The member's name.
    pub fn name(self) -> &'a [u8] {
        // SAFETY: the index, borrowed for 'a, owns the member.
        unsafe { self.0.name() }
    }

    /// The member's score.
    pub fn score(self) -> f64 {
        // SAFETY: as above; nobody writes the score while the index is borrowed.
        unsafe { self.0.0.cast::<f64>().read() }
    }

    pub(super) fn pointer(self) -> MemberPtr {
        self.0
    }
}

// SAFETY: raw form and item are the same pointer; user-space pointers have their top 16 bits clear; the view reads
// the allocation, which lives as long as the item.
unsafe impl Item for Member {
    type Ref<'a> = MemberRef<'a>;
    const MAX_DEPTH: u32 = MOST_DEPTH;

    fn into_raw(self) -> NonNull<u8> {
        std::mem::ManuallyDrop::new(self).0
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Self(raw)
    }

    unsafe fn borrow<'a>(raw: NonNull<u8>) -> MemberRef<'a> {
        MemberRef(MemberPtr(raw), PhantomData)
    }

    fn key<'a>(item: Self::Ref<'a>) -> &'a [u8] {
        item.name()
    }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, ALIGN).expect("invariant: a member is smaller than the address space")
}

/// Bytes that a member with a name of this length takes.
pub(super) fn allocation_bytes(name_len: usize) -> usize {
    (SCORE + write_len(name_len, &mut [0; 10]) + name_len).next_multiple_of(ALIGN)
}

fn write_len(mut len: usize, out: &mut [u8; 10]) -> usize {
    let mut at = 0;
    while len >= 0x80 {
        out[at] = len as u8 | 0x80;
        len >>= 7;
        at += 1;
    }
    out[at] = len as u8;
    at + 1
}
