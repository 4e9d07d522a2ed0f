//! One allocation per member of a large set or field of a large hash.
//!
//! ```text
//!   byte 0     flags (3 bits): 1 expiry, 2 value, 4 the value is a blob; name length (5 bits): 0 to 29, or
//!              30: a byte follows, or 31: four bytes follow
//!   ...        name
//!   8 bytes    expiry, Unix milliseconds                  only with flag 1
//!   value      a length of 1 byte (below 255) or 255 and 4 bytes, then the bytes        with flag 2
//!              a pointer of 8 bytes to shared bytes                                     with flags 2 and 4
//! ```
//!
//! A member of 14 bytes takes 15, in a size class of 16; a field with a value of 14 bytes takes 30. Nothing is
//! aligned. A field never changes: whoever changes one makes a new one in its place.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::blob::Blob;
use crate::entry::INLINE_BYTES;
use crate::table::{Item, MOST_DEPTH};

const HAS_EXPIRY: u8 = 1;
const HAS_VALUE: u8 = 2;
const IS_BLOB: u8 = 4;
const FLAG_BITS: u32 = 3;
/// Name lengths from here on stand in bytes of their own.
const LONG_NAME: usize = 30;
/// The sign for a name length of four bytes.
const LONGER_NAME: usize = 31;

/// An owned field.
pub(super) struct Field(NonNull<u8>);

// SAFETY: the allocation and the share of the blob are owned; moving the field moves them.
unsafe impl Send for Field {}
// SAFETY: a field never changes.
unsafe impl Sync for Field {}

/// A view of a field.
#[derive(Clone, Copy)]
pub struct FieldRef<'a>(NonNull<u8>, PhantomData<&'a Field>);

// SAFETY: as for `&Field`.
unsafe impl Send for FieldRef<'_> {}
// SAFETY: as for `&Field`.
unsafe impl Sync for FieldRef<'_> {}

/// The value on its way into a field.
enum Stored<'a> {
    None,
    Run(&'a [u8]),
    Shared(Blob),
}

impl Field {
    /// A new field; a long value is copied into shared bytes. Names have at most 2^32 - 1 bytes, as the protocol's
    /// limits guarantee.
    pub fn new(name: &[u8], value: Option<&[u8]>, expire_ms: Option<u64>) -> Field {
        Field::build(
            name,
            expire_ms,
            match value {
                None => Stored::None,
                Some(bytes) if bytes.len() <= INLINE_BYTES => Stored::Run(bytes),
                Some(bytes) => Stored::Shared(Blob::from_vec(bytes.to_vec())),
            },
        )
    }

    fn build(name: &[u8], expire_ms: Option<u64>, value: Stored<'_>) -> Field {
        let (mut head, mut head_len) = ([0u8; 5], 1);
        let mut flags = if expire_ms.is_some() { HAS_EXPIRY } else { 0 };
        let mut value_len = ([0u8; 5], 0);
        let pointer: [u8; 8];
        let bytes: &[u8] = match value {
            Stored::None => &[],
            Stored::Run(bytes) => {
                flags |= HAS_VALUE;
                value_len = length_of(bytes.len());
                bytes
            }
            Stored::Shared(blob) => {
                flags |= HAS_VALUE | IS_BLOB;
                // The field owns this share from now on.
                pointer = (Arc::into_raw(blob.0).expose_provenance() as u64).to_le_bytes();
                &pointer
            }
        };
        let short = match name.len() {
            len if len < LONG_NAME => len,
            len if len < 256 => {
                (head[1], head_len) = (len as u8, 2);
                LONG_NAME
            }
            len => {
                head[1..].copy_from_slice(&(len as u32).to_le_bytes());
                head_len = 5;
                LONGER_NAME
            }
        };
        head[0] = flags | (short as u8) << FLAG_BITS;
        let expiry = expire_ms.unwrap_or(0).to_le_bytes();
        let expiry: &[u8] = if expire_ms.is_some() { &expiry } else { &[] };
        Field::from_parts([&head[..head_len], name, expiry, &value_len.0[..value_len.1], bytes])
    }

    fn from_parts(parts: [&[u8]; 5]) -> Field {
        let layout = layout(parts.iter().map(|part| part.len()).sum());
        // SAFETY: the layout is not empty, for the head is not.
        let raw = unsafe { alloc(layout) };
        let Some(pointer) = NonNull::new(raw) else { handle_alloc_error(layout) };
        let mut out = raw;
        for part in parts {
            // SAFETY: the parts lie one behind the other, and the allocation is as long as all of them.
            unsafe {
                std::ptr::copy_nonoverlapping(part.as_ptr(), out, part.len());
                out = out.add(part.len());
            }
        }
        Field(pointer)
    }

    /// The same field with another expiry.
    pub fn with_expiry(of: FieldRef<'_>, expire_ms: Option<u64>) -> Field {
        Field::build(
            of.name(),
            expire_ms,
            match (of.blob(), of.value()) {
                (Some(blob), _) => Stored::Shared(blob),
                (None, Some(bytes)) => Stored::Run(bytes),
                (None, None) => Stored::None,
            },
        )
    }

    pub fn view(&self) -> FieldRef<'_> {
        FieldRef(self.0, PhantomData)
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let view = self.view();
        let size = view.size();
        if let Some(shared) = view.shared() {
            // SAFETY: made by `Arc::into_raw` in `build`; the field's own count is given back once.
            drop(unsafe { Arc::from_raw(shared) });
        }
        // SAFETY: allocated in `from_parts` with the same size, which the bytes still tell.
        unsafe { dealloc(self.0.as_ptr(), layout(size)) }
    }
}

impl<'a> FieldRef<'a> {
    #[inline]
    fn read<const N: usize>(self, at: usize) -> [u8; N] {
        // SAFETY: private; callers pass offsets that the layout gives.
        unsafe { self.0.as_ptr().add(at).cast::<[u8; N]>().read_unaligned() }
    }

    #[inline]
    fn bytes(self, at: usize, len: usize) -> &'a [u8] {
        // SAFETY: private; callers pass ranges that the layout gives; the field lives and never changes during 'a.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(at), len) }
    }

    #[inline]
    fn flags(self) -> u8 {
        self.read::<1>(0)[0]
    }

    /// Offset and length of the name.
    #[inline]
    fn name_run(self) -> (usize, usize) {
        match usize::from(self.flags() >> FLAG_BITS) {
            LONGER_NAME => (5, u32::from_le_bytes(self.read(1)) as usize),
            LONG_NAME => (2, usize::from(self.read::<1>(1)[0])),
            len => (1, len),
        }
    }

    /// Where the value, length included, begins.
    fn value_offset(self) -> usize {
        let (at, len) = self.name_run();
        at + len + if self.flags() & HAS_EXPIRY == 0 { 0 } else { 8 }
    }

    /// Offset and length of a value that stands in the field.
    fn value_run(self) -> (usize, usize) {
        let at = self.value_offset();
        match self.read::<1>(at)[0] {
            255 => (at + 5, u32::from_le_bytes(self.read(at + 1)) as usize),
            short => (at + 1, usize::from(short)),
        }
    }

    fn size(self) -> usize {
        match self.flags() & (HAS_VALUE | IS_BLOB) {
            0 => self.value_offset(),
            HAS_VALUE => {
                let (at, len) = self.value_run();
                at + len
            }
            _ => self.value_offset() + 8,
        }
    }

    fn shared(self) -> Option<*const Vec<u8>> {
        (self.flags() & IS_BLOB != 0).then(|| {
            let address = u64::from_le_bytes(self.read(self.value_offset())) as usize;
            std::ptr::with_exposed_provenance(address)
        })
    }

    /// The member's or field's name.
    #[inline]
    pub fn name(self) -> &'a [u8] {
        let (at, len) = self.name_run();
        self.bytes(at, len)
    }

    /// The value of a hash's field; `None` for a member of a set.
    pub fn value(self) -> Option<&'a [u8]> {
        if let Some(shared) = self.shared() {
            // SAFETY: made by `Arc::into_raw` in `build`; the field holds one count during 'a.
            return Some(unsafe { &*shared });
        }
        (self.flags() & HAS_VALUE != 0).then(|| {
            let (at, len) = self.value_run();
            self.bytes(at, len)
        })
    }

    /// A share of a long value.
    pub fn blob(self) -> Option<Blob> {
        self.shared().map(|shared| {
            // SAFETY: made by `Arc::into_raw` in `build`; the field holds one count, and another is added here.
            unsafe {
                Arc::increment_strong_count(shared);
                Blob(Arc::from_raw(shared))
            }
        })
    }

    /// When the field expires, in Unix milliseconds.
    pub fn expire_ms(self) -> Option<u64> {
        (self.flags() & HAS_EXPIRY != 0).then(|| {
            let (at, len) = self.name_run();
            u64::from_le_bytes(self.read(at + len))
        })
    }

    /// Heap bytes of the field and its long value.
    pub fn memory_bytes(self) -> usize {
        sys::alloc::usable(self.size()) + self.blob().map_or(0, |blob| blob.memory_bytes())
    }
}

// SAFETY: raw form and item are the same pointer; user-space pointers have their top 16 bits clear; the view reads
// the allocation, which lives as long as the item and never changes.
unsafe impl Item for Field {
    type Ref<'a> = FieldRef<'a>;
    const MAX_DEPTH: u32 = MOST_DEPTH;

    fn into_raw(self) -> NonNull<u8> {
        std::mem::ManuallyDrop::new(self).0
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Field(raw)
    }

    unsafe fn borrow<'a>(raw: NonNull<u8>) -> FieldRef<'a> {
        FieldRef(raw, PhantomData)
    }

    fn key<'a>(item: Self::Ref<'a>) -> &'a [u8] {
        item.name()
    }
}

/// The length of a value as it stands before it, and how many bytes that takes.
fn length_of(len: usize) -> ([u8; 5], usize) {
    let mut out = [0; 5];
    if len < 255 {
        out[0] = len as u8;
        return (out, 1);
    }
    out[0] = 255;
    out[1..].copy_from_slice(&(len as u32).to_le_bytes());
    (out, 5)
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).expect("invariant: a field is far smaller than the address space")
}
