//! Large lists: chunks of listpacks, as the quicklists of RDB files.
//!
//! A chunk is a listpack within the fill limit, or one plain element that is larger than the limit. Small lists are one
//! listpack and live elsewhere. Cloning is O(1) and gives a frozen view; a writer then copies the chunks that it touches.
//! Invariant: no chunk is empty; `len` is the number of all elements.

use std::sync::Arc;

use crate::cow::make_mut;
use crate::cowseq::{CowSeq, Cursor, Weight};
use crate::listpack::{Listpack, LpPos, LpValue, encoded_len};

/// Most bytes of a chunk if the limit is a count of elements.
const COUNT_LIMIT_BYTES: usize = 8192;

/// How full a chunk may be: `list-max-listpack-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    elements: usize,
    bytes: usize,
}

impl Fill {
    /// From the directive: a positive number counts elements, -1 to -5 mean 4, 8, 16, 32, 64 KB.
    pub fn from_config(value: i64) -> Self {
        match value {
            0.. => Self { elements: (value.max(1) as usize).min(32_768), bytes: COUNT_LIMIT_BYTES },
            _ => Self { elements: usize::MAX, bytes: 4096 << (value.max(-5).unsigned_abs() - 1) },
        }
    }

    /// Whether an element of this size gets a chunk of its own.
    pub fn is_plain(self, element_len: usize) -> bool {
        element_len > self.bytes
    }

    /// Half of the limit: what a large list must shrink to before it is kept as a small one again.
    pub fn half(self) -> Self {
        Self { elements: self.elements / 2, bytes: self.bytes / 2 }
    }

    /// Whether a listpack of `bytes` with `elements` may be a chunk, or a whole small list.
    pub fn allows(self, bytes: usize, elements: usize) -> bool {
        elements <= self.elements && bytes <= self.bytes
    }
}

/// A piece of a list.
#[derive(Clone, Debug)]
pub enum Chunk {
    /// Elements in a listpack, at least one.
    Packed(Arc<Listpack>),
    /// One large element.
    Plain(Arc<[u8]>),
}

impl Weight for Chunk {
    fn weight(&self) -> usize {
        match self {
            Chunk::Packed(pack) => pack.len(),
            Chunk::Plain(_) => 1,
        }
    }
}

impl Chunk {
    fn new(element: &[u8], fill: Fill) -> Self {
        if fill.is_plain(element.len()) {
            return Chunk::Plain(element.into());
        }
        let mut pack = Listpack::new();
        pack.push_back(element);
        Chunk::Packed(Arc::new(pack))
    }

    fn has_room(&self, element: &[u8], fill: Fill) -> bool {
        match self {
            Chunk::Plain(_) => false,
            Chunk::Packed(pack) => {
                !fill.is_plain(element.len())
                    && fill.allows(pack.as_bytes().len() + encoded_len(element), pack.len() + 1)
            }
        }
    }

    fn get(&self, index: usize) -> Option<LpValue<'_>> {
        match self {
            Chunk::Packed(pack) => pack.view().get(i64::try_from(index).ok()?),
            Chunk::Plain(element) => (index == 0).then_some(LpValue::Str(element)),
        }
    }

    fn edit(&mut self) -> Option<&mut Listpack> {
        match self {
            Chunk::Packed(pack) => Some(make_mut(pack)),
            Chunk::Plain(_) => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Chunk::Packed(pack) => 16 + size_of::<Listpack>() + pack.capacity(),
            Chunk::Plain(element) => 16 + element.len(),
        }
    }
}

/// See the file comment.
#[derive(Clone, Debug, Default)]
pub struct List {
    chunks: CowSeq<Chunk>,
    len: usize,
}

impl List {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over a listpack as the only chunk, whatever its size.
    pub fn from_pack(pack: Listpack) -> Self {
        let mut list = Self::new();
        list.push_chunk(Chunk::Packed(Arc::new(pack)));
        list
    }

    /// Appends a whole chunk (from an RDB file); an empty one is dropped.
    pub fn push_chunk(&mut self, chunk: Chunk) {
        let count = chunk.weight();
        if count > 0 {
            self.len += count;
            self.chunks.push_back(chunk);
        }
    }

    /// The chunks in order, for saving.
    pub fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter()
    }

    /// Number of chunks.
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// The list as one listpack, if it is one chunk within the limit: then the caller may keep it as a small list.
    pub fn as_small(&self, fill: Fill) -> Option<&Listpack> {
        match self.chunks.first().map(|at| self.chunks.get(at)) {
            Some(Chunk::Packed(pack)) if pack.len() == self.len => {
                fill.allows(pack.as_bytes().len(), self.len).then_some(pack)
            }
            _ => None,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes, estimated from the first chunks.
    pub fn memory_bytes(&self) -> usize {
        const SAMPLE: usize = 64;
        let count = self.chunks.len();
        let sampled: usize = self.chunks.iter().take(SAMPLE).map(Chunk::bytes).sum();
        let chunks = if count > SAMPLE { sampled / SAMPLE * count } else { sampled };
        size_of::<Self>() + self.chunks.overhead_bytes() + chunks
    }

    /// Appends an element.
    pub fn push_back(&mut self, element: &[u8], fill: Fill) {
        self.push(self.chunks.last(), element, fill, true);
    }

    /// Puts an element first.
    pub fn push_front(&mut self, element: &[u8], fill: Fill) {
        self.push(self.chunks.first(), element, fill, false);
    }

    fn push(&mut self, end: Option<Cursor>, element: &[u8], fill: Fill, back: bool) {
        self.len += 1;
        match end.filter(|at| self.chunks.get(*at).has_room(element, fill)) {
            Some(at) => self.chunks.modify(at, |chunk| {
                if let Some(pack) = chunk.edit() {
                    if back { pack.push_back(element) } else { pack.push_front(element) }
                }
            }),
            None if back => self.chunks.push_back(Chunk::new(element, fill)),
            None => self.chunks.push_front(Chunk::new(element, fill)),
        }
    }

    /// Removes and gives the last element.
    pub fn pop_back(&mut self) -> Option<Vec<u8>> {
        self.pop(self.len.checked_sub(1)?)
    }

    /// Removes and gives the first element.
    pub fn pop_front(&mut self) -> Option<Vec<u8>> {
        self.pop(0)
    }

    fn pop(&mut self, index: usize) -> Option<Vec<u8>> {
        let element = self.get(index)?.to_vec();
        self.remove_range(index, 1);
        Some(element)
    }

    /// The element at an index from the front.
    pub fn get(&self, index: usize) -> Option<LpValue<'_>> {
        let (at, inside) = self.locate(index)?;
        self.chunks.get(at).get(inside)
    }

    /// The chunk of an element, and the index in it. The last chunk is found at once, for queues live there.
    fn locate(&self, index: usize) -> Option<(Cursor, usize)> {
        let last = self.chunks.last()?;
        let before_last = self.len - self.chunks.get(last).weight();
        match index.checked_sub(before_last) {
            Some(inside) => (index < self.len).then_some((last, inside)),
            None => self.chunks.seek(index),
        }
    }

    /// Elements from an index on.
    pub fn iter_from(&self, index: usize) -> Iter<'_> {
        let (chunk, inside) = match self.locate(index) {
            Some((at, inside)) => (Some(at), inside),
            None => (None, 0),
        };
        Iter { list: self, next: chunk, walk: None, skip: inside, forward: true }
    }

    /// Elements from an index backwards.
    pub fn iter_rev_from(&self, index: usize) -> Iter<'_> {
        let (chunk, inside) = match self.locate(index) {
            Some((at, inside)) => (Some(at), self.chunks.get(at).weight() - 1 - inside),
            None => (None, 0),
        };
        Iter { list: self, next: chunk, walk: None, skip: inside, forward: false }
    }

    /// All elements in order.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(0)
    }

    /// Puts another element at an index; false if the index is out of range.
    pub fn set(&mut self, index: usize, element: &[u8], fill: Fill) -> bool {
        let Some((at, inside)) = self.locate(index) else { return false };
        let chunk = self.chunks.get(at);
        let old = chunk.get(inside).map_or(0, |value| value.text_len());
        match chunk {
            Chunk::Packed(pack) if !fill.is_plain(element.len()) => {
                // As in Redis an element may outgrow the chunk a little; a chunk of one element stays one.
                let bytes = (pack.as_bytes().len() + encoded_len(element)).saturating_sub(old);
                if pack.len() == 1 || bytes <= fill.bytes {
                    self.chunks.modify(at, |chunk| {
                        if let Some(pack) = chunk.edit()
                            && let Some(pos) = pack.view().seek(inside as i64)
                        {
                            pack.replace(pos, LpValue::from_bytes(element));
                        }
                    });
                    return true;
                }
            }
            Chunk::Plain(_) => {
                self.chunks.modify(at, |chunk| *chunk = Chunk::new(element, fill));
                return true;
            }
            Chunk::Packed(_) => {}
        }
        self.insert(index, element, fill);
        self.remove_range(index + 1, 1);
        true
    }

    /// Inserts before the element at `index`; appends if there is none.
    pub fn insert(&mut self, index: usize, element: &[u8], fill: Fill) {
        let Some((at, inside)) = self.locate(index) else { return self.push_back(element, fill) };
        if self.chunks.get(at).has_room(element, fill) {
            self.len += 1;
            return self.chunks.modify(at, |chunk| {
                if let Some(pack) = chunk.edit() {
                    let pos = pack.view().seek(inside as i64);
                    pack.insert_before(pos, LpValue::from_bytes(element));
                }
            });
        }
        if inside == 0 {
            // The chunk before may have room at its end.
            let before = self.chunks.prev(at).filter(|at| self.chunks.get(*at).has_room(element, fill));
            self.len += 1;
            match before {
                Some(before) => self.chunks.modify(before, |chunk| {
                    if let Some(pack) = chunk.edit() {
                        pack.push_back(element);
                    }
                }),
                None => _ = self.chunks.insert(Some(at), Chunk::new(element, fill)),
            }
            return;
        }
        let after = self.split(at, inside);
        self.chunks.insert(after, Chunk::new(element, fill));
        self.len += 1;
    }

    /// Cuts a chunk in two before its element `inside` (> 0); gives the place of the second part.
    fn split(&mut self, at: Cursor, inside: usize) -> Option<Cursor> {
        let tail = self.chunks.modify(at, |chunk| {
            let pack = chunk.edit()?;
            let pos = pack.view().seek(inside as i64)?;
            Some(pack.split_off(pos))
        })?;
        Some(self.chunks.insert(self.chunks.next(at), Chunk::Packed(Arc::new(tail))))
    }

    /// Removes up to `count` elements from an index on; gives how many.
    pub fn remove_range(&mut self, index: usize, count: usize) -> usize {
        let count = count.min(self.len.saturating_sub(index));
        let Some((mut at, mut inside)) = (if count == 0 { None } else { self.locate(index) }) else {
            return 0;
        };
        let mut left = count;
        loop {
            let here = self.chunks.get(at).weight();
            let gone = left.min(here - inside);
            let next = if gone == here {
                self.chunks.remove(at)
            } else {
                self.chunks.modify(at, |chunk| {
                    if let Some(pack) = chunk.edit() {
                        pack.remove_range(inside as i64, gone);
                    }
                });
                self.chunks.next(at)
            };
            left -= gone;
            inside = 0;
            match next {
                Some(next) if left > 0 => at = next,
                _ => break,
            }
        }
        self.len -= count - left;
        count - left
    }

    /// Keeps only the elements `from..to`.
    pub fn trim(&mut self, from: usize, to: usize) {
        let to = to.min(self.len);
        self.remove_range(to, self.len - to);
        self.remove_range(0, from);
    }

    /// Removes elements equal to `element`: up to `limit`, from the front or from the back; gives how many.
    pub fn remove_equal(&mut self, element: &[u8], limit: usize, from_back: bool) -> usize {
        let mut removed = 0;
        let mut at = if from_back { self.chunks.last() } else { self.chunks.first() };
        while let Some(cursor) = at.filter(|_| removed < limit) {
            let hits = hits(self.chunks.get(cursor), element, limit - removed, from_back);
            removed += hits.len();
            let emptied = hits.len() == self.chunks.get(cursor).weight();
            // The neighbour is asked for before a removal moves it.
            let behind = if from_back { self.chunks.prev(cursor) } else { None };
            let ahead = if emptied {
                self.chunks.remove(cursor)
            } else {
                if !hits.is_empty() {
                    self.chunks.modify(cursor, |chunk| remove_hits(chunk, hits));
                }
                self.chunks.next(cursor)
            };
            at = if from_back { behind } else { ahead };
        }
        self.len -= removed;
        removed
    }
}

/// Indexes of equal elements in a chunk, ascending.
fn hits(chunk: &Chunk, element: &[u8], limit: usize, from_back: bool) -> Vec<usize> {
    let mut hits: Vec<usize> = match chunk {
        Chunk::Plain(plain) => Vec::from_iter((**plain == *element).then_some(0)),
        Chunk::Packed(pack) => {
            let wanted = LpValue::from_bytes(element);
            pack.iter()
                .enumerate()
                .filter(|(_, value)| value.is(wanted, element))
                .map(|(index, _)| index)
                .collect()
        }
    };
    if from_back {
        hits.drain(..hits.len().saturating_sub(limit));
    } else {
        hits.truncate(limit);
    }
    hits
}

fn remove_hits(chunk: &mut Chunk, hits: Vec<usize>) {
    if let Some(pack) = chunk.edit() {
        for index in hits.into_iter().rev() {
            pack.remove_range(index as i64, 1);
        }
    }
}

/// Elements of a list in one direction.
#[derive(Clone)]
pub struct Iter<'a> {
    list: &'a List,
    next: Option<Cursor>,
    /// The position in the chunk before `next`, if that one is packed.
    walk: Option<(&'a Listpack, LpPos)>,
    /// Elements to pass in the next chunk.
    skip: usize,
    forward: bool,
}

impl<'a> Iter<'a> {
    fn step(&mut self, pack: &'a Listpack, pos: LpPos) -> LpValue<'a> {
        let view = pack.view();
        let next = if self.forward { view.next(pos) } else { view.prev(pos) };
        self.walk = next.map(|next| (pack, next));
        view.value(pos)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = LpValue<'a>;

    fn next(&mut self) -> Option<LpValue<'a>> {
        if let Some((pack, pos)) = self.walk.take() {
            return Some(self.step(pack, pos));
        }
        let at = self.next?;
        let chunks = &self.list.chunks;
        self.next = if self.forward { chunks.next(at) } else { chunks.prev(at) };
        let skip = i64::try_from(std::mem::take(&mut self.skip)).ok()?;
        match chunks.get(at) {
            Chunk::Plain(element) => Some(LpValue::Str(element)),
            Chunk::Packed(pack) => {
                let pos = pack.view().seek(if self.forward { skip } else { -1 - skip })?;
                Some(self.step(pack, pos))
            }
        }
    }
}

#[cfg(test)]
mod tests;
