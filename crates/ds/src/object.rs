//! A large collection, behind one pointer of its entry.

use crate::entry::Encoding;
use crate::fields::{self, Fields};
use crate::list::List;
use crate::stream::Stream;
use crate::vector::VectorSet;
use crate::zset::{self, Zset};

/// The structure that holds a collection which is too large for a packed encoding.
pub enum Object {
    List(List),
    Zset(Zset),
    /// Members without values.
    Set(Fields),
    /// Fields with values, some perhaps with an expiry.
    Hash(Fields),
    Stream(Stream),
    Vectors(VectorSet),
}

/// A collection as it was at one moment: it shares all nodes with the original, which copies those that it changes.
pub enum Pinned {
    List(List),
    Zset(zset::Pin),
    Set(fields::Pin),
    Hash(fields::Pin),
    Stream(Stream),
    Vectors(VectorSet),
}

impl Object {
    /// How the value is stored.
    pub fn encoding(&self) -> Encoding {
        match self {
            Object::List(_) => Encoding::List,
            Object::Zset(_) => Encoding::Zset,
            Object::Set(_) => Encoding::Set,
            Object::Hash(_) => Encoding::Hash,
            Object::Stream(_) => Encoding::Stream,
            Object::Vectors(_) => Encoding::Vectors,
        }
    }

    /// Freezes the collection for a snapshot or a long reader, without copying it.
    pub fn pin(&self) -> Pinned {
        match self {
            Object::List(list) => Pinned::List(list.clone()),
            Object::Zset(zset) => Pinned::Zset(zset.pin()),
            Object::Set(set) => Pinned::Set(set.pin()),
            Object::Hash(hash) => Pinned::Hash(hash.pin()),
            Object::Stream(stream) => Pinned::Stream(stream.clone()),
            Object::Vectors(set) => Pinned::Vectors(set.clone()),
        }
    }

    /// Elements, for deciding whether freeing is worth another thread's time.
    pub fn len(&self) -> usize {
        match self {
            Object::List(list) => list.len(),
            Object::Zset(zset) => zset.len(),
            Object::Set(fields) | Object::Hash(fields) => fields.len(),
            Object::Stream(stream) => stream.len() as usize,
            Object::Vectors(set) => set.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory, estimated.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Object::List(list) => list.memory_bytes(),
            Object::Zset(zset) => zset.memory_bytes(),
            Object::Set(fields) | Object::Hash(fields) => fields.memory_bytes(),
            Object::Stream(stream) => stream.memory_bytes(),
            Object::Vectors(set) => set.memory_bytes(),
        }
    }
}

impl Clone for Object {
    fn clone(&self) -> Object {
        match self {
            Object::List(list) => Object::List(list.clone()),
            Object::Zset(zset) => Object::Zset(zset.clone()),
            Object::Set(set) => Object::Set(set.clone()),
            Object::Hash(hash) => Object::Hash(hash.clone()),
            Object::Stream(stream) => Object::Stream(stream.clone()),
            Object::Vectors(set) => Object::Vectors(set.clone()),
        }
    }
}
