//! A large collection, behind one pointer of its entry.

/// The structure that holds a collection which is too large for a packed encoding.
#[derive(Clone)]
pub enum Object {}

impl Object {
    /// What the value is.
    pub fn encoding(&self) -> crate::entry::Encoding {
        match *self {}
    }

    /// A cheap frozen copy for a snapshot or a long reader: shares all nodes, which a writer then copies first.
    pub fn pin(&mut self) -> Object {
        match *self {}
    }

    /// Elements, for deciding whether freeing is worth another thread's time.
    pub fn len(&self) -> usize {
        match *self {}
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory, estimated from a sample of nodes.
    pub fn memory_bytes(&self) -> usize {
        match *self {}
    }
}
