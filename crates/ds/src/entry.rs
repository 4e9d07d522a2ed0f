//! One key with its value: one allocation, known by its address.
//!
//! ```text
//!   byte 0     encoding (5 bits) | 0x20 has an expiry | 0x40 was changed in place ("raw" even if short)
//!   bytes 1-3  LRU clock or LFU counter, 24 bits
//!   8 bytes    expiry, Unix milliseconds            only with 0x20
//!   1 or 5     key length: below 255, or 255 and 32 bits
//!   ...        key
//!   value      Int: 8 bytes. Bytes up to `INLINE_BYTES`, and packed collections: length as above, bytes.
//!              Blob, objects: a pointer of 8 bytes.
//! ```
//!
//! Header and lengths cost 6 bytes, so a 16-byte key with a 32-byte value takes 54, in a size class of 56.
//! Nothing is aligned. The LRU bits change under shared access (reads touch them) and so are atomics.

mod copies;
mod held;
mod packed;
mod string;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::blob::Blob;
use crate::object::Object;
use crate::table::Item;
pub use copies::Copies;
pub use held::Held;
pub use packed::{OwnedPacked, Packed, PackedRef};
pub use string::StringBytes;

/// Longest value that stands inside the entry.
pub const INLINE_BYTES: usize = 1024;
const HAS_EXPIRY: u8 = 0x20;
const RAW: u8 = 0x40;
const ENCODING_MASK: u8 = 0x1f;
const HEADER: usize = 4;

/// The type of a value, as TYPE names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    String,
    List,
    Set,
    Zset,
    Hash,
    Stream,
    Vectors,
}

impl Kind {
    /// All types.
    pub const ALL: [Kind; 7] =
        [Kind::String, Kind::List, Kind::Set, Kind::Zset, Kind::Hash, Kind::Stream, Kind::Vectors];

    /// As TYPE replies it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::Zset => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
            Kind::Vectors => "vectorset",
        }
    }
}

/// How a value is stored. The numbers are the entry's own, not those of any file format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Encoding {
    /// A string that is a 64-bit integer.
    Int = 0,
    /// A string inside the entry.
    Inline = 1,
    /// A string behind a shared pointer.
    Blob = 2,
    /// Packed collections, one run of bytes each: a list as a listpack of the file format, integers as its intset, the others as
    /// a flat listpack.
    ListPacked = 3,
    SetIntset = 4,
    SetPacked = 5,
    HashPacked = 6,
    ZsetPacked = 7,
    /// Structures of their own.
    List = 8,
    Set = 9,
    Hash = 10,
    Zset = 11,
    Stream = 12,
    /// A hash whose fields may expire, packed as (field, value, expiry) triples.
    HashPackedTtl = 13,
    Vectors = 14,
}

impl Encoding {
    const ALL: [Encoding; 15] = [
        Encoding::Int,
        Encoding::Inline,
        Encoding::Blob,
        Encoding::ListPacked,
        Encoding::SetIntset,
        Encoding::SetPacked,
        Encoding::HashPacked,
        Encoding::ZsetPacked,
        Encoding::List,
        Encoding::Set,
        Encoding::Hash,
        Encoding::Zset,
        Encoding::Stream,
        Encoding::HashPackedTtl,
        Encoding::Vectors,
    ];

    /// The type that this encoding belongs to.
    #[inline]
    pub fn kind(self) -> Kind {
        match self {
            Encoding::Int | Encoding::Inline | Encoding::Blob => Kind::String,
            Encoding::ListPacked | Encoding::List => Kind::List,
            Encoding::SetIntset | Encoding::SetPacked | Encoding::Set => Kind::Set,
            Encoding::HashPacked | Encoding::HashPackedTtl | Encoding::Hash => Kind::Hash,
            Encoding::ZsetPacked | Encoding::Zset => Kind::Zset,
            Encoding::Stream => Kind::Stream,
            Encoding::Vectors => Kind::Vectors,
        }
    }

    fn is_object(self) -> bool {
        matches!(
            self,
            Encoding::List
                | Encoding::Set
                | Encoding::Hash
                | Encoding::Zset
                | Encoding::Stream
                | Encoding::Vectors
        )
    }
}

/// A value on its way into an entry.
pub enum Value<'a> {
    Int(i64),
    /// A string; becomes a blob if it is long.
    Bytes(&'a [u8]),
    Blob(Blob),
    Packed(PackedRef<'a>),
    Object(Box<Object>),
}

impl Value<'_> {
    /// Its type.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Int(_) | Value::Bytes(_) | Value::Blob(_) => Kind::String,
            Value::Packed(packed) => packed.encoding().kind(),
            Value::Object(object) => object.encoding().kind(),
        }
    }
}

/// A value as it stands in an entry.
#[derive(Clone, Copy)]
pub enum ValueRef<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    /// A long string; [`EntryRef::blob`] gives a share of it.
    Blob(&'a [u8]),
    Packed(PackedRef<'a>),
    Object(&'a Object),
}

/// A value outside any entry.
pub enum OwnedValue {
    Int(i64),
    Bytes(Vec<u8>),
    Blob(Blob),
    Packed(OwnedPacked),
    Object(Box<Object>),
}

impl OwnedValue {
    /// Hands the value to `use_it` in the form that entries take.
    pub fn with<R>(self, use_it: impl FnOnce(Value<'_>) -> R) -> R {
        match self {
            OwnedValue::Int(number) => use_it(Value::Int(number)),
            OwnedValue::Bytes(bytes) => use_it(Value::Bytes(&bytes)),
            OwnedValue::Blob(blob) => use_it(Value::Blob(blob)),
            OwnedValue::Packed(packed) => use_it(Value::Packed(packed.view())),
            OwnedValue::Object(object) => use_it(Value::Object(object)),
        }
    }
}

/// An owned entry.
pub struct Entry(NonNull<u8>);

// SAFETY: an entry owns its allocation and everything behind it; its parts are Send and Sync themselves.
unsafe impl Send for Entry {}
// SAFETY: shared access reads, but for the LRU bytes, which are atomics.
unsafe impl Sync for Entry {}

/// A view of an entry.
#[derive(Clone, Copy)]
pub struct EntryRef<'a>(NonNull<u8>, PhantomData<&'a Entry>);

// SAFETY: as for `&Entry`.
unsafe impl Send for EntryRef<'_> {}

/// The stored form of a value: its encoding, and the bytes that stand in the entry.
enum Stored<'a> {
    Word(Encoding, u64),
    Run(Encoding, &'a [u8]),
}

impl<'a> Stored<'a> {
    /// Turns what does not fit into the entry into a pointer, which the entry then owns.
    fn new(value: Value<'a>) -> Stored<'a> {
        let blob =
            |encoding, blob: Blob| Stored::Word(encoding, Arc::into_raw(blob.0).expose_provenance() as u64);
        match value {
            Value::Int(number) => Stored::Word(Encoding::Int, number as u64),
            Value::Bytes(bytes) if bytes.len() <= INLINE_BYTES => Stored::Run(Encoding::Inline, bytes),
            Value::Bytes(bytes) => blob(Encoding::Blob, Blob::from_vec(bytes.to_vec())),
            Value::Blob(shared) => blob(Encoding::Blob, shared),
            Value::Packed(packed) => Stored::Run(packed.encoding(), packed.as_bytes()),
            Value::Object(object) => {
                let encoding = object.encoding();
                Stored::Word(encoding, Box::into_raw(object).expose_provenance() as u64)
            }
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Stored::Word(encoding, _) | Stored::Run(encoding, _) => *encoding,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Stored::Word(..) => 8,
            Stored::Run(_, bytes) => length_bytes(bytes.len()) + bytes.len(),
        }
    }
}

fn length_bytes(length: usize) -> usize {
    if length < 255 { 1 } else { 5 }
}

impl Entry {
    /// A new entry. `lru` has 24 bits. Keys have at most 2^32 - 1 bytes, as the protocol's limits guarantee.
    pub fn new(key: &[u8], expire_ms: Option<u64>, lru: u32, value: Value<'_>) -> Entry {
        let stored = Stored::new(value);
        let entry = Entry::allocate(Self::size(key.len(), expire_ms.is_some(), &stored));
        entry.fill(key, expire_ms, lru, &stored);
        entry
    }

    fn size(key: usize, expires: bool, stored: &Stored<'_>) -> usize {
        HEADER + if expires { 8 } else { 0 } + length_bytes(key) + key + stored.bytes()
    }

    fn allocate(size: usize) -> Entry {
        let layout = layout(size);
        // SAFETY: the size is never zero.
        let pointer = unsafe { alloc(layout) };
        match NonNull::new(pointer) {
            Some(pointer) => Entry(pointer),
            None => handle_alloc_error(layout),
        }
    }

    fn fill(&self, key: &[u8], expire_ms: Option<u64>, lru: u32, stored: &Stored<'_>) {
        let flags = if expire_ms.is_some() { HAS_EXPIRY } else { 0 };
        let mut out = Cursor(self.0.as_ptr());
        out.put(&[stored.encoding() as u8 | flags]);
        out.put(&lru.to_le_bytes()[..3]);
        if let Some(expire_ms) = expire_ms {
            out.put(&expire_ms.to_le_bytes());
        }
        out.put_run(key);
        match stored {
            Stored::Word(_, word) => out.put(&word.to_le_bytes()),
            Stored::Run(_, bytes) => out.put_run(bytes),
        }
    }

    /// A view of this entry.
    pub fn view(&self) -> EntryRef<'_> {
        EntryRef(self.0, PhantomData)
    }

    /// Replaces the value; in place where the new one fits exactly, else by a new allocation. Key, expiry and LRU
    /// stay.
    pub fn set_value(&mut self, value: Value<'_>) {
        if self.overwrite(&value) {
            Cursor(self.0.as_ptr()).put(&[self.view().byte(0) & !RAW]);
            return;
        }
        let stored = Stored::new(value);
        let (key, expire_ms, lru) = (self.view().key().len(), self.view().expire_ms(), self.view().lru());
        let (old, new) = (self.view().layout_bytes(), Self::size(key, expire_ms.is_some(), &stored));
        self.drop_value();
        if block_bytes(old) == block_bytes(new) {
            let mut out = Cursor(self.0.as_ptr().wrapping_add(self.view().value_offset()));
            match &stored {
                Stored::Word(_, word) => out.put(&word.to_le_bytes()),
                Stored::Run(_, bytes) => out.put_run(bytes),
            }
            let flags = if expire_ms.is_some() { HAS_EXPIRY } else { 0 };
            Cursor(self.0.as_ptr()).put(&[stored.encoding() as u8 | flags]);
            return;
        }
        let replacement = Entry::allocate(new);
        replacement.fill(self.view().key(), expire_ms, lru, &stored);
        let stale = std::mem::replace(self, replacement);
        stale.free(old);
    }

    /// Puts an integer over an integer, or a string over one of its length; false for everything else.
    #[inline]
    fn overwrite(&mut self, value: &Value<'_>) -> bool {
        let view = self.view();
        match (value, view.encoding()) {
            (Value::Int(number), Encoding::Int) => {
                let place = self.0.as_ptr().wrapping_add(view.value_offset());
                Cursor(place).put(&number.to_le_bytes());
                true
            }
            (Value::Bytes(bytes), Encoding::Inline) if self.run().len() == bytes.len() => {
                self.run_mut().copy_from_slice(bytes);
                true
            }
            _ => false,
        }
    }

    /// Sets or removes the expiry (Unix milliseconds).
    pub fn set_expire_ms(&mut self, expire_ms: Option<u64>) {
        let view = self.view();
        match (view.expire_ms(), expire_ms) {
            (Some(_), Some(new)) => Cursor(self.0.as_ptr().wrapping_add(HEADER)).put(&new.to_le_bytes()),
            (None, None) => {}
            (had, _) => {
                let (old, head) = (view.layout_bytes(), HEADER + if had.is_some() { 8 } else { 0 });
                let replacement = Entry::allocate(if had.is_some() { old - 8 } else { old + 8 });
                let mut out = Cursor(replacement.0.as_ptr());
                out.put(&[view.byte(0) ^ HAS_EXPIRY, view.byte(1), view.byte(2), view.byte(3)]);
                if let Some(new) = expire_ms {
                    out.put(&new.to_le_bytes());
                }
                // SAFETY: the rest of the entry lies between `head` and `old`.
                out.put(unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(head), old - head) });
                // The value's pointer, if any, has moved along: only the old block is freed.
                std::mem::replace(self, replacement).free(old);
            }
        }
    }

    /// The same value under another name.
    pub fn rename(mut self, key: &[u8]) -> Entry {
        let (expire_ms, lru, raw) = (self.view().expire_ms(), self.view().lru(), self.view().is_raw());
        self.take_value().with(|value| Entry::new(key, expire_ms, lru, value)).marked_raw(raw)
    }

    /// Takes the value out; the entry keeps an integer.
    pub fn take_value(&mut self) -> OwnedValue {
        let view = self.view();
        let value = match view.value() {
            ValueRef::Int(number) => return OwnedValue::Int(number),
            ValueRef::Bytes(bytes) => OwnedValue::Bytes(bytes.to_vec()),
            ValueRef::Packed(packed) => OwnedValue::Packed(OwnedPacked::of(packed)),
            ValueRef::Blob(_) => {
                let pointer = std::ptr::with_exposed_provenance::<Vec<u8>>(view.word() as usize);
                // SAFETY: made by `Arc::into_raw`; the entry's count moves to the blob, as the entry forgets it below.
                OwnedValue::Blob(Blob(unsafe { Arc::from_raw(pointer) }))
            }
            ValueRef::Object(_) => {
                let pointer = std::ptr::with_exposed_provenance_mut(view.word() as usize);
                // SAFETY: made by `Box::into_raw`; the entry forgets the pointer below.
                OwnedValue::Object(unsafe { Box::from_raw(pointer) })
            }
        };
        if matches!(value, OwnedValue::Blob(_) | OwnedValue::Object(_)) {
            let head = view.byte(0) & !ENCODING_MASK;
            Cursor(self.0.as_ptr()).put(&[head | Encoding::Int as u8]);
        } else {
            self.set_value(Value::Int(0));
        }
        value
    }

    /// The structure behind a large collection.
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        let view = self.view();
        if !view.encoding().is_object() {
            return None;
        }
        let pointer = std::ptr::with_exposed_provenance_mut::<Object>(view.word() as usize);
        // SAFETY: made by `Box::into_raw`; the entry owns the object and is borrowed exclusively.
        Some(unsafe { &mut *pointer })
    }

    /// Changes a blob in place; `None` if the value is none.
    pub fn update_blob<R>(&mut self, change: impl FnOnce(&mut Blob) -> R) -> Option<R> {
        if self.view().encoding() != Encoding::Blob {
            return None;
        }
        let OwnedValue::Blob(mut blob) = self.take_value() else { return None };
        let result = change(&mut blob);
        self.set_value(Value::Blob(blob));
        Some(result)
    }

    /// Changes the bytes of a string in place, not their number; `None` if it is an integer or no string. A blob that is
    /// shared is copied first.
    pub fn update_bytes<R>(&mut self, change: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let view = self.view();
        match view.encoding() {
            Encoding::Inline => Some(change(self.run_mut())),
            Encoding::Blob => self.update_blob(|blob| change(blob.to_mut())),
            _ => None,
        }
    }

    /// The bytes of a value that is a run.
    fn run(&self) -> &[u8] {
        let view = self.view();
        view.bytes(view.run(view.value_offset()))
    }

    /// As [`Entry::run`], for changing them.
    fn run_mut(&mut self) -> &mut [u8] {
        let view = self.view();
        let (at, len) = view.run(view.value_offset());
        // SAFETY: the run lies inside the block, which the entry owns and this borrows exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr().add(at), len) }
    }

    /// Puts `parts` in the place of the `old` bytes at `at` of the value, which is a run.
    fn splice_run(&mut self, at: usize, old: usize, parts: [&[u8]; 3]) {
        let value = self.view().value_offset();
        let (from, len) = self.view().run(value);
        assert!(at + old <= len, "a splice stays inside the value");
        let added: usize = parts.iter().map(|part| part.len()).sum();
        let new_len = len - old + added;
        let to = value + length_bytes(new_len);
        let (before, after) = (from + len, to + new_len);
        let in_place = block_bytes(before) == block_bytes(after);
        let (source, target) = match in_place {
            true => (self.0.as_ptr(), Entry(self.0)),
            false => (self.0.as_ptr(), Entry::allocate(after)),
        };
        let base = target.0.as_ptr();
        // SAFETY: the old run lies in `source` from `from` for `len` bytes, the new one in `target` from `to` for `new_len`,
        // as both blocks are at least `before` and `after` bytes long. In one block the two may overlap, hence
        // `copy`. The part that moves away from the other goes first: in a growing run the tail, in a shrinking one
        // the head, so nothing is overwritten before it has moved.
        unsafe {
            let head = || std::ptr::copy(source.add(from), base.add(to), at);
            let tail =
                || std::ptr::copy(source.add(from + at + old), base.add(to + at + added), len - at - old);
            if !in_place {
                std::ptr::copy(source, base, value);
            }
            if to < from {
                head();
                tail();
            } else {
                tail();
                if to != from || !in_place {
                    head();
                }
            }
        }
        let mut out = Cursor(base.wrapping_add(value));
        out.put_length(new_len);
        out.0 = out.0.wrapping_add(at);
        parts.iter().for_each(|part| out.put(part));
        if in_place {
            std::mem::forget(target);
        } else {
            std::mem::replace(self, target).free(before);
        }
    }

    /// Marks a string as changed in place, so that OBJECT ENCODING says raw.
    pub fn set_raw(&mut self) {
        Cursor(self.0.as_ptr()).put(&[self.view().byte(0) | RAW]);
    }

    fn marked_raw(mut self, raw: bool) -> Entry {
        if raw {
            self.set_raw();
        }
        self
    }

    fn drop_value(&mut self) {
        let view = self.view();
        match view.encoding() {
            Encoding::Blob => {
                let pointer = std::ptr::with_exposed_provenance::<Vec<u8>>(view.word() as usize);
                // SAFETY: made by `Arc::into_raw` in `Stored::new`; the entry's own count is given back once.
                drop(unsafe { Arc::from_raw(pointer) });
            }
            encoding if encoding.is_object() => {
                let pointer = std::ptr::with_exposed_provenance_mut::<Object>(view.word() as usize);
                // SAFETY: made by `Box::into_raw` in `Stored::new` and owned by this entry.
                drop(unsafe { Box::from_raw(pointer) });
            }
            _ => {}
        }
    }

    /// Frees the block, not what it points to.
    fn free(self, size: usize) {
        // SAFETY: the block was allocated with this size.
        unsafe { dealloc(self.0.as_ptr(), layout(size)) }
        std::mem::forget(self);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.drop_value();
        let size = self.view().layout_bytes();
        // SAFETY: the block was allocated with this size and is not used again.
        unsafe { dealloc(self.0.as_ptr(), layout(size)) }
    }
}

/// Blocks have the sizes that the allocator gives, so that a value of about the same size is replaced in place.
fn block_bytes(size: usize) -> usize {
    sys::alloc::size_class(size)
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(block_bytes(size), 1)
        .expect("invariant: an entry is far smaller than the address space")
}

/// Writes forward into a block that is large enough.
struct Cursor(*mut u8);

impl Cursor {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        // SAFETY: private; `Entry` sizes each block by the same sum of parts that it then writes.
        unsafe {
            match *bytes {
                // What stands around the elements of listpacks is one byte or two: less than a call would cost.
                [] => {}
                [byte] => self.0.write(byte),
                [one, two] => self.0.cast::<[u8; 2]>().write([one, two]),
                _ => std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.0, bytes.len()),
            }
            self.0 = self.0.add(bytes.len());
        }
    }

    fn put_length(&mut self, length: usize) {
        if length < 255 {
            self.put(&[length as u8]);
        } else {
            self.put(&[255]);
            self.put(&(length as u32).to_le_bytes());
        }
    }

    fn put_run(&mut self, bytes: &[u8]) {
        self.put_length(bytes.len());
        self.put(bytes);
    }
}

impl<'a> EntryRef<'a> {
    #[inline]
    fn byte(self, at: usize) -> u8 {
        // SAFETY: the four header bytes always exist; they are only ever accessed as atomics while shared.
        unsafe { AtomicU8::from_ptr(self.0.as_ptr().add(at)) }.load(Relaxed)
    }

    #[inline]
    fn read<const N: usize>(self, at: usize) -> [u8; N] {
        // SAFETY: private; callers pass offsets that the layout gives.
        unsafe { self.0.as_ptr().add(at).cast::<[u8; N]>().read_unaligned() }
    }

    /// A length-prefixed run at `at`: where its bytes begin, and how many.
    #[inline]
    fn run(self, at: usize) -> (usize, usize) {
        match self.read::<1>(at)[0] {
            255 => (at + 5, u32::from_le_bytes(self.read(at + 1)) as usize),
            short => (at + 1, usize::from(short)),
        }
    }

    #[inline]
    fn bytes(self, (at, len): (usize, usize)) -> &'a [u8] {
        // SAFETY: private; `run` gives a range inside the block, which lives and stays unchanged during 'a.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(at), len) }
    }

    #[inline]
    fn key_run(self) -> (usize, usize) {
        self.run(HEADER + if self.byte(0) & HAS_EXPIRY == 0 { 0 } else { 8 })
    }

    #[inline]
    fn value_offset(self) -> usize {
        let (at, len) = self.key_run();
        at + len
    }

    fn word(self) -> u64 {
        u64::from_le_bytes(self.read(self.value_offset()))
    }

    fn is_run(self) -> bool {
        !matches!(self.encoding(), Encoding::Int | Encoding::Blob) && !self.encoding().is_object()
    }

    fn layout_bytes(self) -> usize {
        let value = self.value_offset();
        if !self.is_run() {
            return value + 8;
        }
        let (at, len) = self.run(value);
        at + len
    }

    #[inline]
    pub fn key(self) -> &'a [u8] {
        self.bytes(self.key_run())
    }

    /// When the key expires, in Unix milliseconds.
    #[inline]
    pub fn expire_ms(self) -> Option<u64> {
        (self.byte(0) & HAS_EXPIRY != 0).then(|| u64::from_le_bytes(self.read(HEADER)))
    }

    #[inline]
    pub fn encoding(self) -> Encoding {
        let tag = usize::from(self.byte(0) & ENCODING_MASK);
        *Encoding::ALL.get(tag).expect("invariant: only encodings are written to the tag")
    }

    #[inline]
    pub fn kind(self) -> Kind {
        self.encoding().kind()
    }

    /// Whether the string was changed in place.
    pub fn is_raw(self) -> bool {
        self.byte(0) & RAW != 0
    }

    /// The 24 bits that eviction reads.
    #[inline]
    pub fn lru(self) -> u32 {
        u32::from_le_bytes([self.byte(1), self.byte(2), self.byte(3), 0])
    }

    /// Sets the 24 bits that eviction reads.
    #[inline]
    pub fn set_lru(self, lru: u32) {
        for (i, byte) in lru.to_le_bytes()[..3].iter().enumerate() {
            // SAFETY: as in `byte`.
            unsafe { AtomicU8::from_ptr(self.0.as_ptr().add(1 + i)) }.store(*byte, Relaxed);
        }
    }

    #[inline]
    pub fn value(self) -> ValueRef<'a> {
        let encoding = self.encoding();
        let at = self.value_offset();
        match encoding {
            Encoding::Int => ValueRef::Int(self.word() as i64),
            Encoding::Inline => ValueRef::Bytes(self.bytes(self.run(at))),
            Encoding::Blob => ValueRef::Blob(self.blob_bytes()),
            encoding => match self.object() {
                Some(object) => ValueRef::Object(object),
                None => ValueRef::Packed(PackedRef::of_run(encoding, self.bytes(self.run(at)))),
            },
        }
    }

    /// The structure behind a large collection; `None` if the value is none.
    #[inline]
    fn object(self) -> Option<&'a Object> {
        self.encoding().is_object().then(|| {
            let pointer = std::ptr::with_exposed_provenance::<Object>(self.word() as usize);
            // SAFETY: made by `Box::into_raw`, owned by the entry, unchanged during 'a.
            unsafe { &*pointer }
        })
    }

    fn blob_bytes(self) -> &'a [u8] {
        let pointer = std::ptr::with_exposed_provenance::<Vec<u8>>(self.word() as usize);
        // SAFETY: made by `Arc::into_raw` in `Stored::new`; the entry holds one count during 'a.
        unsafe { &*pointer }
    }

    /// When the first field of a hash expires, in Unix milliseconds; of a large one a bound that lies some ms after it at
    /// most. `None` if no field expires, or the value is no hash.
    #[inline]
    pub fn field_expiry_ms(self) -> Option<u64> {
        match self.encoding() {
            Encoding::HashPackedTtl => {
                let bytes = self.bytes(self.run(self.value_offset()));
                crate::packed_hash::next_expiry(crate::listpack::FlatRef::new(bytes))
            }
            Encoding::Hash => match self.value() {
                ValueRef::Object(Object::Hash(fields)) => fields.next_expiry(),
                _ => None,
            },
            _ => None,
        }
    }

    /// A share of the blob; `None` if the value is none.
    pub fn blob(self) -> Option<Blob> {
        (self.encoding() == Encoding::Blob).then(|| {
            let pointer = std::ptr::with_exposed_provenance::<Vec<u8>>(self.word() as usize);
            // SAFETY: made by `Arc::into_raw`; the entry keeps its own count, the clone gets another.
            Blob(unsafe {
                Arc::increment_strong_count(pointer);
                Arc::from_raw(pointer)
            })
        })
    }

    /// A copy under another name; large collections share their nodes until one side changes.
    pub fn duplicate(self, key: &[u8], expire_ms: Option<u64>) -> Entry {
        let value = match self.value() {
            ValueRef::Int(number) => Value::Int(number),
            ValueRef::Bytes(bytes) => Value::Bytes(bytes),
            ValueRef::Packed(packed) => Value::Packed(packed),
            ValueRef::Blob(_) => self.blob().map_or(Value::Int(0), Value::Blob),
            ValueRef::Object(object) => Value::Object(Box::new(object.clone())),
        };
        Entry::new(key, expire_ms, self.lru(), value).marked_raw(self.is_raw())
    }

    /// Bytes of memory of key and value together.
    pub fn memory_bytes(self) -> usize {
        let block = sys::alloc::usable(block_bytes(self.layout_bytes()));
        block
            + match self.value() {
                ValueRef::Blob(_) => self.blob().map_or(0, |blob| blob.memory_bytes()),
                ValueRef::Object(object) => object.memory_bytes(),
                _ => 0,
            }
    }
}

// SAFETY: the raw form is the block's address; `borrow` gives a view with the caller's lifetime.
unsafe impl Item for Entry {
    type Ref<'a> = EntryRef<'a>;

    fn into_raw(self) -> NonNull<u8> {
        let pointer = self.0;
        std::mem::forget(self);
        pointer
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Entry(raw)
    }

    #[inline]
    unsafe fn borrow<'a>(raw: NonNull<u8>) -> EntryRef<'a> {
        EntryRef(raw, PhantomData)
    }

    #[inline]
    fn key<'a>(item: EntryRef<'a>) -> &'a [u8]
    where
        Self: 'a,
    {
        item.key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listpack::{FlatPack, Layout, Listpack, LpPos, LpValue, Pack, Room};
    use crate::packed_hash::{self, Form};
    use proptest::prelude::*;

    #[test]
    fn keeps_key_value_and_expiry() {
        let long = vec![7u8; 5000];
        let medium = vec![9u8; 700];
        let key_sizes = [0usize, 1, 16, 254, 255, 70_000];
        for key in key_sizes.map(|n| vec![b'k'; n]) {
            for value in [&b""[..], b"v", &medium, &long] {
                let mut entry = Entry::new(&key, None, 0xabcdef, Value::Bytes(b"before"));
                entry.set_value(Value::Bytes(value));
                for expire_ms in [Some(77), None, Some(u64::MAX), Some(5)] {
                    entry.set_expire_ms(expire_ms);
                    assert_eq!((entry.view().key(), entry.view().expire_ms()), (&key[..], expire_ms));
                    assert_eq!(entry.view().lru(), 0xabcdef);
                    let (ValueRef::Bytes(now) | ValueRef::Blob(now)) = entry.view().value() else {
                        panic!("a string")
                    };
                    assert_eq!(now, value);
                }
                let renamed = entry.rename(b"other");
                assert_eq!((renamed.view().key(), renamed.view().expire_ms()), (&b"other"[..], Some(5)));
            }
        }
    }

    #[test]
    fn blobs_are_shared_and_copied_on_write() {
        let mut entry = Entry::new(b"k", None, 0, Value::Bytes(&[1; 3000]));
        let shared = entry.view().blob().expect("long strings are blobs");
        entry.update_blob(|blob| blob.to_mut().push(2)).expect("a blob");
        entry.update_bytes(|bytes| bytes[0] = 9).expect("a blob");
        let mut small = Entry::new(b"k", Some(1), 0, Value::Bytes(b"abc"));
        assert_eq!(small.update_bytes(|bytes| bytes.reverse()), Some(()));
        assert!(matches!(small.view().value(), ValueRef::Bytes(b"cba")));
        assert_eq!(Entry::new(b"k", None, 0, Value::Int(1)).update_bytes(|_| ()), None);
        assert_eq!((shared.len(), entry.view().blob().expect("a blob").len()), (3000, 3001));
        let copy = entry.view().duplicate(b"k2", Some(3));
        drop(entry);
        assert_eq!(copy.view().blob().expect("a blob").last(), Some(&2));
    }

    #[test]
    fn integers_and_packed_values_change_into_each_other() {
        let mut entry = Entry::new(b"k", Some(9), 1, Value::Int(-5));
        assert!(matches!(entry.view().value(), ValueRef::Int(-5)));
        let list: Listpack = [&b"a"[..], b"1"].into_iter().collect();
        entry.set_value(Value::Packed(PackedRef::List(list.view())));
        assert_eq!((entry.view().kind(), entry.view().expire_ms()), (Kind::List, Some(9)));
        let OwnedValue::Packed(taken) = entry.take_value() else { panic!("a packed list") };
        assert!(matches!(taken.view(), PackedRef::List(pack) if pack.as_bytes() == list.as_bytes()));
        entry.set_value(Value::Bytes(b"x"));
        assert!(!entry.view().is_raw());
        entry.set_raw();
        assert!(entry.view().is_raw() && entry.view().encoding() == Encoding::Inline);
        assert!(
            entry.view().duplicate(b"copy", None).view().is_raw() && entry.rename(b"other").view().is_raw()
        );
    }

    proptest! {
        /// Edits inside the entry come to the same bytes as those of an owned listpack, across the sizes at which the
        /// length field and the block change, and nothing around the value changes.
        #[test]
        fn a_listpack_is_edited_in_its_entry(
            expire_ms in prop::option::of(any::<u64>()),
            edits in prop::collection::vec((0u8..5, any::<usize>(), 0usize..90), 1..120),
        ) {
            let (mut list, mut set) = (Listpack::new(), FlatPack::new());
            let mut of_list = Entry::new(b"key", expire_ms, 7, Value::Packed(PackedRef::List(list.view())));
            let mut of_set = Entry::new(b"key", expire_ms, 7, Value::Packed(PackedRef::Set(set.view())));
            for step in edits {
                let mut packed = of_list.list_mut().expect("a list");
                prop_assert_eq!(edit(&mut list, step), edit(&mut packed, step));
                prop_assert_eq!(packed.view().as_bytes(), list.as_bytes());
                prop_assert!(of_list.held_pack().is_none() && of_set.list_mut().is_none());
                let mut packed = of_set.held_pack().expect("a set");
                prop_assert_eq!(edit(&mut set, step), edit(&mut packed, step));
                prop_assert_eq!(packed.view().as_bytes(), set.as_bytes());
                for (entry, encoding) in [(&of_list, Encoding::ListPacked), (&of_set, Encoding::SetPacked)] {
                    let view = entry.view();
                    prop_assert_eq!((view.key(), view.expire_ms(), view.lru()), (&b"key"[..], expire_ms, 7));
                    prop_assert_eq!(view.encoding(), encoding);
                }
            }
        }
    }

    /// One of some edits.
    fn edit<R: Room, L: Layout>(pack: &mut Pack<R, L>, (op, at, len): (u8, usize, usize)) -> Option<LpPos> {
        let element = vec![b'e'; len];
        let pos = pack.view().seek((at % pack.len().max(1)) as i64);
        match (op, pos) {
            (2, Some(pos)) => pack.replace(pos, LpValue::Str(&element)),
            (3, Some(pos)) => return pack.remove_span(pos, len / 20),
            (4, Some(pos)) => return Some(pack.insert_before(Some(pos), LpValue::Int(len as i64))),
            (0 | 4, _) => pack.push_back(&element),
            _ => pack.push_front(&element),
        }
        None
    }

    #[test]
    fn a_small_string_key_costs_six_bytes_of_header() {
        assert_eq!(Entry::new(&[0; 16], None, 0, Value::Bytes(&[0; 32])).view().memory_bytes(), 56);
        assert_eq!(Entry::new(&[0; 16], Some(1), 0, Value::Bytes(&[0; 32])).view().memory_bytes(), 64);
    }

    /// Four fields of 14 bytes under a key of 17, as benchmarks have them: the block has 96 bytes.
    #[test]
    fn a_small_hash_costs_thirteen_bytes_beside_key_names_and_values() {
        let mut hash = FlatPack::new();
        for name in ["a", "b", "c", "d"] {
            packed_hash::put(&mut hash, Form::Pairs, name.as_bytes(), b"v:123456789012", None);
        }
        let value = Value::Packed(PackedRef::Hash(hash.view(), Form::Pairs));
        let entry = Entry::new(b"hash:123456789012", None, 0, value);
        assert_eq!(Copies::size(entry.view()), 17 + 4 * (1 + 14) + 16);
        assert_eq!(entry.view().memory_bytes(), 96);
    }
}
