//! What a snapshot has seen and not yet encoded: copies of small entries, pins of large collections.
//!
//! Writers have a few fronts, each for some of their threads, and the saver has one of its own.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use ds::entry::{Copies, EntryRef};
use ds::object::Pinned;
use keyspace::snapshot::Sink;

/// Bytes of copies in one piece.
const PIECE_BYTES: usize = 32 << 10;
/// Pieces that are encoded between two looks at how many wait: some milliseconds.
const PIECES_AT_ONCE: usize = 8;
/// Empty pieces that are kept ready: several times what writers fill while the saver rests.
const SPARE_PIECES: usize = 12;
/// As many are ready before the snapshot begins, behind the gate, which this keeps closed for some 10 microseconds each; and at
/// least what the saver itself copies in a hold.
const FIRST_PIECES: usize = 3;
/// What a pinned collection counts for while it waits: enough to be encoded soon, for what it costs while pinned is unknown.
pub(super) const PIN_BYTES: usize = 64 << 10;
/// Fronts of writers; a thread always uses the same one.
const FRONTS: usize = 8;

/// Entries of one database, copied.
pub(super) struct Piece {
    pub db: usize,
    pub copies: Copies,
    /// Bytes that they keep in memory.
    pub weight: usize,
}

pub(super) struct PinnedKey {
    pub db: usize,
    pub key: Vec<u8>,
    pub expire_ms: Option<u64>,
    pub lru: u32,
    pub value: Pinned,
}

/// Entries as they were, until the saver encodes them.
#[derive(Default)]
pub(super) struct Front {
    /// At most one of each database is not full: the last one of it.
    pub pieces: Vec<Piece>,
    pub pinned: Vec<PinnedKey>,
}

/// Empty pieces, ready for use. The saver makes them: memory that nobody has used before may cost a page fault of some
/// milliseconds (a huge page, on a virtual machine whose host has to find it first), which should not hit a writer.
#[derive(Default)]
pub(super) struct Spare(Mutex<Vec<Copies>>);

impl Spare {
    /// One with room for so many bytes.
    fn take(&self, bytes: usize) -> Copies {
        let ready = if bytes <= PIECE_BYTES { lock(&self.0).pop() } else { None };
        ready.unwrap_or_else(|| Copies::with_capacity(bytes.max(PIECE_BYTES)))
    }

    /// Takes pieces back that are empty again.
    pub(super) fn put_back(&self, pieces: Vec<Piece>) {
        let mut spare = lock(&self.0);
        let free = SPARE_PIECES.saturating_sub(spare.len());
        let usual =
            pieces.into_iter().map(|piece| piece.copies).filter(|copies| copies.room() == PIECE_BYTES);
        spare.extend(usual.take(free));
    }

    /// Makes pieces until so many are ready.
    fn stock(&self, pieces: usize) {
        while lock(&self.0).len() < pieces {
            let new = Copies::in_used_memory(PIECE_BYTES);
            lock(&self.0).push(new);
        }
    }
}

impl Front {
    /// Copies or pins an entry; answers the bytes that it counts for.
    pub(super) fn add(&mut self, db: usize, entry: EntryRef<'_>, spare: &Spare) -> usize {
        let bytes = Copies::size(entry);
        let open = self.pieces.iter_mut().rev().find(|piece| piece.db == db);
        let piece = match open {
            Some(piece) if piece.copies.room() >= bytes => piece,
            _ => {
                self.pieces.push(Piece { db, copies: spare.take(bytes), weight: 0 });
                self.pieces.last_mut().expect("invariant: one was pushed just now")
            }
        };
        let Some(object) = piece.copies.push(entry) else {
            // A share of a long string keeps it in memory, whatever the writer makes of it.
            let weight = bytes + entry.blob().map_or(0, |blob| blob.len());
            piece.weight += weight;
            return weight;
        };
        self.pinned.push(PinnedKey {
            db,
            key: entry.key().to_vec(),
            expire_ms: entry.expire_ms(),
            lru: entry.lru(),
            value: object.pin(),
        });
        PIN_BYTES
    }

    /// Takes what waits here, the oldest pieces if there are many.
    pub(super) fn take(&mut self) -> (Vec<Piece>, Vec<PinnedKey>) {
        let some = self.pieces.len().min(PIECES_AT_ONCE);
        (self.pieces.drain(..some).collect(), std::mem::take(&mut self.pinned))
    }
}

/// What writers saved, in a front for each of their threads.
pub(super) struct Fronts {
    pub fronts: [Mutex<Front>; FRONTS],
    pub spare: Spare,
    /// Bytes in them that the saver has not taken.
    pub waiting: AtomicUsize,
    /// Bytes from which commands wait.
    pub most: usize,
    /// Nobody wants the rest: there is nothing to be saved any more.
    pub closed: AtomicBool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The front of the calling thread.
fn own_front() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static OWN: Cell<usize> = const { Cell::new(usize::MAX) });
    if OWN.get() == usize::MAX {
        OWN.set(NEXT.fetch_add(1, Relaxed) % FRONTS);
    }
    OWN.get()
}

impl Fronts {
    pub(super) fn new(most: usize) -> Fronts {
        let spare = Spare::default();
        spare.stock(FIRST_PIECES);
        Fronts {
            fronts: std::array::from_fn(|_| Mutex::default()),
            spare,
            waiting: AtomicUsize::new(0),
            most,
            closed: AtomicBool::new(false),
        }
    }

    /// Whether more waits than may.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.load(Relaxed) >= self.most
    }

    /// Makes room ready for what writers and the saver will copy. To be called often by the saver, who holds no lock.
    pub(super) fn stock(&self) {
        // Before any writer has come the saver needs room for itself alone.
        let pieces = if self.waiting.load(Relaxed) > 0 { SPARE_PIECES } else { FIRST_PIECES };
        self.spare.stock(pieces);
    }

    /// How much the saver should hurry, 0 to 1.
    pub(super) fn urgency(&self) -> f64 {
        (self.waiting.load(Relaxed) as f64 * 4.0 / self.most as f64).min(1.0)
    }
}

impl Sink for Fronts {
    fn save(&self, db: usize, entries: &mut dyn Iterator<Item = EntryRef<'_>>) {
        if self.closed.load(Relaxed) {
            return;
        }
        let mut front = lock(&self.fronts[own_front()]);
        let bytes: usize = entries.map(|entry| front.add(db, entry, &self.spare)).sum();
        self.waiting.fetch_add(bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ds::blob::Blob;
    use ds::entry::{Entry, Value};

    /// Keys that wait in the fronts, with their databases, and the bytes that they count for.
    fn waiting(fronts: &Fronts) -> (Vec<(usize, Vec<u8>)>, usize) {
        let mut keys = Vec::new();
        for front in &fronts.fronts {
            for piece in &lock(front).pieces {
                keys.extend(piece.copies.iter().map(|entry| (piece.db, entry.key().to_vec())));
            }
        }
        keys.sort();
        (keys, fronts.waiting.load(Relaxed))
    }

    #[test]
    fn what_writers_save_is_copied_once_by_database_and_long_strings_are_shared() {
        let fronts = Fronts::new(1 << 20);
        let long = Blob::from_vec(vec![1; 500_000]);
        let small = Entry::new(b"small", Some(5), 0, Value::Bytes(&[2; 100]));
        let other = Entry::new(b"other", None, 0, Value::Int(7));
        let shared = Entry::new(b"long", None, 0, Value::Blob(long.clone()));
        let list = Box::new(ds::object::Object::List(ds::list::List::new()));
        let list = Entry::new(b"list", None, 0, Value::Object(list));
        let save = |db, entries: &[&Entry]| fronts.save(db, &mut entries.iter().map(|entry| entry.view()));
        save(0, &[&small, &shared]);
        save(3, &[&other]);
        save(0, &[&other, &list]);
        let sizes: usize =
            [&small, &shared, &other, &other].iter().map(|entry| Copies::size(entry.view())).sum();
        drop((small, other, shared, list));
        let (keys, bytes) = waiting(&fronts);
        let key = |db, key: &[u8]| (db, key.to_vec());
        assert_eq!(keys, [key(0, b"long"), key(0, b"other"), key(0, b"small"), key(3, b"other")]);
        assert_eq!(bytes, sizes + 500_000 + PIN_BYTES);
        assert!(fronts.urgency() == 1.0 && !fronts.is_full());
        let (pieces, pinned) = lock(&fronts.fronts[own_front()]).take();
        assert_eq!((pieces.len(), pinned.len(), &pinned[0].key[..]), (2, 1, &b"list"[..]));
        assert_eq!(pieces.iter().map(|piece| piece.weight).sum::<usize>() + PIN_BYTES, bytes);
        fronts.closed.store(true, Relaxed);
        save(0, &[&Entry::new(b"late", None, 0, Value::Int(1))]);
        assert_eq!(waiting(&fronts).0, []);
    }

    #[test]
    fn pieces_are_of_one_size_and_used_again() {
        let (mut front, spare) = (Front::default(), Spare::default());
        let ready = || lock(&spare.0).len();
        let large = Entry::new(&[b'l'; 2 * PIECE_BYTES], None, 0, Value::Int(1));
        let small = Entry::new(&[b's'; 1000], None, 0, Value::Int(1));
        front.add(0, large.view(), &spare);
        for _ in 0..100 {
            front.add(0, small.view(), &spare);
        }
        let (mut pieces, _) = front.take();
        assert_eq!(pieces.iter().map(|piece| piece.copies.iter().count()).sum::<usize>(), 101);
        assert!(pieces[1..].iter().all(|piece| piece.copies.len() + piece.copies.room() == PIECE_BYTES));
        pieces.iter_mut().for_each(|piece| piece.copies.clear());
        let usual = pieces.len() - 1;
        spare.put_back(pieces);
        assert_eq!(ready(), usual);
        front.add(1, small.view(), &spare);
        assert_eq!(ready(), usual - 1);
        spare.stock(SPARE_PIECES);
        assert_eq!(ready(), SPARE_PIECES);
        front.add(2, large.view(), &spare);
        assert_eq!(ready(), SPARE_PIECES, "what needs more than a usual piece takes none");
    }
}
