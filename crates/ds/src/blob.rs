//! A large byte string that can be shared: by the keyspace, replies on their way out, and snapshots.

use std::ops::Deref;
use std::sync::Arc;

/// Shared bytes behind one thin pointer. Changing them copies only while somebody else holds them.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Blob(pub(crate) Arc<Vec<u8>>);

impl Blob {
    /// Adopts the vector as it is, spare capacity included.
    pub fn from_vec(bytes: Vec<u8>) -> Blob {
        Blob(Arc::new(bytes))
    }

    /// The bytes for changing; copied first if they are shared.
    pub fn to_mut(&mut self) -> &mut Vec<u8> {
        Arc::make_mut(&mut self.0)
    }

    /// The shared bytes themselves.
    pub fn shared(&self) -> &Arc<Vec<u8>> {
        &self.0
    }

    /// Bytes of memory that this string costs.
    pub fn memory_bytes(&self) -> usize {
        sys::alloc::usable(size_of::<Vec<u8>>() + 16)
            + if self.0.capacity() == 0 { 0 } else { sys::alloc::usable(self.0.capacity()) }
    }
}

impl Deref for Blob {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}
