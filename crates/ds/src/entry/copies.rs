//! Entries copied byte for byte, one behind the other, to be read when there is time.
//!
//! An entry is one block without alignment, so a copy of its bytes is an entry as well, wherever it stands. What it points
//! to is shared: a long string by its count. A large collection cannot be shared that way; it is for the caller to pin.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use super::{Encoding, EntryRef};
use crate::object::Object;

/// See the module's text.
#[derive(Default)]
pub struct Copies {
    bytes: Vec<u8>,
    /// Whether any of them has a share of a long string.
    shares: bool,
}

impl Copies {
    /// Room for so many bytes of entries.
    pub fn with_capacity(bytes: usize) -> Copies {
        Copies { bytes: Vec::with_capacity(bytes), shares: false }
    }

    /// As [`Copies::with_capacity`], of memory that the kernel has given already, so that whoever pushes waits for none.
    pub fn in_used_memory(bytes: usize) -> Copies {
        // Ones, because zeroes might be asked of the allocator, which knows memory that is zero without being there.
        let mut all = vec![1; bytes];
        all.clear();
        Copies { bytes: all, shares: false }
    }

    /// Bytes that an entry takes here.
    pub fn size(entry: EntryRef<'_>) -> usize {
        entry.layout_bytes()
    }

    /// Bytes of all entries that are here.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that can be added without a new allocation.
    pub fn room(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// Copies an entry. If it is a large collection it is not copied, and its object comes back.
    pub fn push<'a>(&mut self, entry: EntryRef<'a>) -> Option<&'a Object> {
        match entry.encoding() {
            Encoding::Blob => {
                // The share belongs to the copy and is given back with it.
                std::mem::forget(entry.blob());
                self.shares = true;
            }
            encoding if encoding.is_object() => return entry.object(),
            _ => {}
        }
        // SAFETY: the block has so many bytes, and nobody writes to them: who shows an entry holds its shard.
        let bytes = unsafe { std::slice::from_raw_parts(entry.0.as_ptr(), entry.layout_bytes()) };
        self.bytes.extend_from_slice(bytes);
        None
    }

    /// The entries, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let start = rest.first()?;
            let entry = EntryRef(NonNull::from(rest).cast(), PhantomData);
            debug_assert!(std::ptr::eq(entry.0.as_ptr(), start));
            rest = &rest[entry.layout_bytes()..];
            Some(entry)
        })
    }

    /// Forgets all entries and keeps the room.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shares) {
            for entry in self.iter().filter(|entry| entry.encoding() == Encoding::Blob) {
                let pointer = std::ptr::with_exposed_provenance::<Vec<u8>>(entry.word() as usize);
                // SAFETY: `push` took this share for the copy, which is forgotten below.
                drop(unsafe { Arc::from_raw(pointer) });
            }
        }
        self.bytes.clear();
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Blob;
    use crate::entry::{Entry, PackedRef, Value, ValueRef};
    use crate::list::List;
    use crate::listpack::FlatPack;

    #[test]
    fn copies_outlive_their_entries_and_share_long_strings() {
        let long = Blob::from_vec(vec![7; 5000]);
        let shares = || Arc::strong_count(&long.0);
        let pack: FlatPack = [&[3; 700][..], b"member"].into_iter().collect();
        let mut copies = Copies::with_capacity(64);
        {
            let entries = [
                Entry::new(b"int", Some(9), 1, Value::Int(-5)),
                Entry::new(&[b'k'; 300], None, 2, Value::Bytes(&[1; 1000])),
                Entry::new(b"", Some(u64::MAX), 3, Value::Bytes(b"")),
                Entry::new(b"long", None, 4, Value::Blob(long.clone())),
                Entry::new(b"pack", None, 5, Value::Packed(PackedRef::Set(pack.view()))),
            ];
            let bytes: usize = entries.iter().map(|entry| Copies::size(entry.view())).sum();
            assert!(entries.iter().all(|entry| copies.push(entry.view()).is_none()));
            assert_eq!((copies.len(), shares()), (bytes, 3));
        }
        assert_eq!(shares(), 2);
        let list = Entry::new(b"list", None, 0, Value::Object(Box::new(Object::List(List::default()))));
        assert!(matches!(copies.push(list.view()), Some(Object::List(_))));
        let seen: Vec<_> = copies.iter().map(|entry| (entry.key(), entry.expire_ms(), entry.lru())).collect();
        let long_key = [b'k'; 300];
        let expected: [(&[u8], _, _); 5] = [
            (b"int", Some(9), 1),
            (&long_key, None, 2),
            (b"", Some(u64::MAX), 3),
            (b"long", None, 4),
            (b"pack", None, 5),
        ];
        assert_eq!(seen, expected);
        let values: Vec<_> = copies.iter().map(EntryRef::value).collect();
        assert!(matches!(values[0], ValueRef::Int(-5)));
        assert!(matches!(values[1], ValueRef::Bytes(bytes) if bytes == [1; 1000]));
        assert!(matches!(values[3], ValueRef::Blob(bytes) if bytes.as_ptr() == long.as_ptr()));
        assert!(
            matches!(values[4], ValueRef::Packed(PackedRef::Set(set)) if set.as_bytes() == pack.as_bytes())
        );
        copies.clear();
        assert!(copies.is_empty() && copies.iter().next().is_none() && shares() == 1);
        let again = Entry::new(b"long", None, 4, Value::Blob(long.clone()));
        copies.push(again.view());
        drop((again, copies));
        assert_eq!(shares(), 1);
    }
}
