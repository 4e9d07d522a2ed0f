//! Large sets and large hashes: one structure, a table of [`field`]s. A set's fields have no value.
//!
//! A [`Pin`] is a frozen view for snapshots and long replies, usable on another thread: it copies the table's
//! directory, nothing else. While it lives, a writer copies each segment that it changes for the first time, and
//! what leaves the collection goes to the pin's graveyard (see `table/freeze.rs`).
//!
//! Fields may have an expiry; the structure files them under it and tells which are due, but hides nothing and
//! removes nothing by itself.

mod field;
#[cfg(test)]
mod tests;

use crate::hash;
use crate::table::{Frozen, Items, Position, Table};
use crate::ttl::TtlIndex;
use field::Field;
pub use field::FieldRef;

/// See the file comment.
#[derive(Default)]
pub struct Fields {
    table: Table<Field>,
    /// Only while a field has an expiry.
    expiry: Option<Box<TtlIndex>>,
    /// The last time that the owner told; expiries are filed as seen from it.
    now_ms: u64,
}

impl Fields {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty collection to which so many fields will be added.
    pub fn with_room(fields: usize) -> Self {
        Fields { table: Table::with_room(fields), ..Self::default() }
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The field with this name, expired or not.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<FieldRef<'_>> {
        self.table.find(hash::of(name), name)
    }

    /// Whether there is a field with this name.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Adds a member to a set; false if it was there, and nothing has changed.
    pub fn add(&mut self, name: &[u8]) -> bool {
        let hash = hash::of(name);
        let new = self.table.find(hash, name).is_none();
        if new {
            self.table.insert(hash, Field::new(name, None, None));
        }
        new
    }

    /// Adds a field or replaces value and expiry (Unix ms) of the one with this name; true if it is new.
    pub fn insert(&mut self, name: &[u8], value: Option<&[u8]>, expire_ms: Option<u64>) -> bool {
        self.put(Field::new(name, value, expire_ms))
    }

    fn put(&mut self, field: Field) -> bool {
        let hash = hash::of(field.view().name());
        let expire_ms = field.view().expire_ms();
        let old = match self.table.find_mut(hash, field.view().name()) {
            Some(mut slot) => Some(slot.update(|old| std::mem::replace(old, field))),
            None => {
                self.table.insert(hash, field);
                None
            }
        };
        self.expiry_changed(hash, old.as_ref().and_then(|old| old.view().expire_ms()), expire_ms);
        let new = old.is_none();
        old.into_iter().for_each(|old| self.table.release(old));
        new
    }

    /// Removes a field; false if there is none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let hash = hash::of(name);
        let Some(slot) = self.table.find_mut(hash, name) else { return false };
        let field = slot.remove();
        self.expiry_changed(hash, field.view().expire_ms(), None);
        self.table.release(field);
        true
    }

    /// Sets or removes the expiry (Unix ms) of a field; false if there is none with this name.
    pub fn set_expiry(&mut self, name: &[u8], expire_ms: Option<u64>) -> bool {
        let Some(field) = self.get(name) else { return false };
        if field.expire_ms() != expire_ms {
            let field = Field::with_expiry(field, expire_ms);
            self.put(field);
        }
        true
    }

    fn expiry_changed(&mut self, hash: u64, old_ms: Option<u64>, new_ms: Option<u64>) {
        if old_ms == new_ms {
            return;
        }
        let expiry = self.expiry.get_or_insert_default();
        expiry.changed(hash, old_ms, new_ms, self.now_ms);
        if expiry.keys() == 0 {
            self.expiry = None;
        }
    }

    /// Number of fields that have an expiry.
    pub fn with_expiry_len(&self) -> usize {
        self.expiry.as_ref().map_or(0, |expiry| expiry.keys())
    }

    /// No field expires before this time (Unix ms), or at most some ms before it; `None` if none expires.
    ///
    /// It is a lower bound: [`Fields::due`] at that time may find nothing, and afterwards the bound is closer.
    pub fn next_expiry(&self) -> Option<u64> {
        self.expiry.as_ref().map(|expiry| expiry.next_due_ms())
    }

    /// Tells the time, so that expiries set from now on are filed near enough. Optional, but without it each of
    /// them costs a look by [`Fields::due`].
    pub fn tell_time(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// Names of fields whose expiry lies before `now_ms`, up to `most`; the caller removes them. Those of the
    /// last 8 ms may be missing; empty only if there are no others.
    pub fn due(&mut self, now_ms: u64, most: usize) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        self.now_ms = now_ms;
        let Some(expiry) = &mut self.expiry else { return names };
        if expiry.is_bloated() {
            expiry.clear_records();
            let fields = self.table.iter().filter_map(|field| Some((field.name(), field.expire_ms()?)));
            fields.for_each(|(name, at)| expiry.file((hash::of(name) >> 32) as u32, at, now_ms));
        }
        while names.len() < most {
            let records = expiry.take_due(now_ms, most - names.len());
            if records.is_empty() {
                break;
            }
            for record in records {
                visit_record(&self.table, record, |field, at| match at < now_ms {
                    true => names.push(field.name().to_vec()),
                    false => expiry.file(record, at, now_ms),
                });
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// One field, each with the same probability; `random` gives uniform 64-bit numbers.
    pub fn random(&self, random: impl FnMut() -> u64) -> Option<FieldRef<'_>> {
        self.table.random(random)
    }

    /// One step of SSCAN and HSCAN: visits some fields; gives where to go on, `None` at the end. Positions are wide
    /// ([`Position::to_wide_bits`]).
    pub fn scan(&self, from: Position, visit: impl FnMut(FieldRef<'_>)) -> Option<Position> {
        self.table.scan(from, visit)
    }

    /// All fields, in the order of their hashes.
    pub fn iter(&self) -> impl Iterator<Item = FieldRef<'_>> {
        self.table.iter()
    }

    /// Heap bytes, estimated from the first fields.
    pub fn memory_bytes(&self) -> usize {
        const SAMPLE: usize = 32;
        let sampled: usize = self.iter().take(SAMPLE).map(FieldRef::memory_bytes).sum();
        let fields = sampled * self.len() / self.len().clamp(1, SAMPLE);
        // A record of the index is 4 bytes; its vectors are half empty at worst.
        size_of::<Self>() + self.table.index_bytes() + fields + 6 * self.with_expiry_len()
    }

    /// A frozen view of the collection as it is now.
    pub fn pin(&self) -> Pin {
        Pin { table: self.table.freeze(), with_expiry: self.with_expiry_len() }
    }
}

/// Visits the fields that have an expiry and this record: the top 32 bits of their hash.
fn visit_record(table: &Table<Field>, record: u32, mut visit: impl FnMut(FieldRef<'_>, u64)) {
    let position = |record: u64| Position::from_bits(record << (Position::BITS - 32));
    let end = position(u64::from(record) + 1);
    let mut at = position(u64::from(record));
    while let Some(from) = at.filter(|&from| end.is_none_or(|end| from < end)) {
        at = table.scan(from, |field| {
            if let Some(expire_ms) = field.expire_ms()
                && (hash::of(field.name()) >> 32) as u32 == record
            {
                visit(field, expire_ms);
            }
        });
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter().map(|field| (field.name(), field.value()))).finish()
    }
}

impl Clone for Fields {
    /// A deep copy with its own fields (COPY).
    fn clone(&self) -> Self {
        let mut copy = Fields { now_ms: self.now_ms, ..Fields::with_room(self.len()) };
        for field in self.iter() {
            copy.put(Field::with_expiry(field, field.expire_ms()));
        }
        copy
    }
}

impl<'a> FromIterator<&'a [u8]> for Fields {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(members: I) -> Self {
        let mut fields = Fields::new();
        members.into_iter().for_each(|name| {
            fields.add(name);
        });
        fields
    }
}

/// A collection as it was when [`Fields::pin`] was called.
pub struct Pin {
    table: Frozen<Field>,
    with_expiry: usize,
}

impl Pin {
    /// Number of fields.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Number of fields that have an expiry.
    pub fn with_expiry_len(&self) -> usize {
        self.with_expiry
    }

    /// All fields, in the order of their hashes.
    pub fn iter(&self) -> PinIter<'_> {
        PinIter(self.table.iter())
    }
}

/// The fields of a pinned collection.
pub struct PinIter<'a>(Items<'a, Field>);

impl<'a> Iterator for PinIter<'a> {
    type Item = FieldRef<'a>;

    fn next(&mut self) -> Option<FieldRef<'a>> {
        self.0.next()
    }
}
