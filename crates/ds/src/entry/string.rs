//! The bytes of a string, for changing them where they stand: inside the entry, or in its blob.
//!
//! What grows beyond [`INLINE_BYTES`] moves into a blob on the way; what shrinks stays where it is. Callers: strings that
//! have a structure of their own (HyperLogLogs).

use super::{Encoding, Entry, INLINE_BYTES, OwnedValue, Value};
use crate::blob::Blob;
use crate::listpack::Room;

/// See the file comment; made by [`Entry::update_string`].
pub struct StringBytes<'a> {
    entry: &'a mut Entry,
    /// The bytes, if they stand outside the entry; the entry then holds a placeholder.
    blob: Option<Blob>,
}

impl Entry {
    /// Changes the bytes of a string and their number; `None` if it is an integer or no string. A blob that is shared is
    /// copied before its first change.
    pub fn update_string<R>(&mut self, change: impl FnOnce(&mut StringBytes<'_>) -> R) -> Option<R> {
        let blob = match self.view().encoding() {
            Encoding::Inline => None,
            Encoding::Blob => match self.take_value() {
                OwnedValue::Blob(blob) => Some(blob),
                _ => return None,
            },
            _ => return None,
        };
        let mut bytes = StringBytes { entry: self, blob };
        let result = change(&mut bytes);
        if let Some(blob) = bytes.blob.take() {
            self.set_value(Value::Blob(blob));
        }
        Some(result)
    }
}

impl Room for StringBytes<'_> {
    fn bytes(&self) -> &[u8] {
        match &self.blob {
            Some(blob) => blob,
            None => self.entry.run(),
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.blob {
            Some(blob) => blob.to_mut(),
            None => self.entry.run_mut(),
        }
    }

    fn splice(&mut self, at: usize, old: usize, parts: [&[u8]; 3]) {
        let added: usize = parts.iter().map(|part| part.len()).sum();
        if self.blob.is_none() && self.entry.run().len() - old + added > INLINE_BYTES {
            self.blob = Some(Blob::from_vec(self.entry.run().to_vec()));
        }
        match &mut self.blob {
            Some(blob) => Room::splice(blob.to_mut(), at, old, parts),
            None => self.entry.splice_run(at, old, parts),
        }
    }
}
