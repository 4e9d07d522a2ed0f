//! The journal: one order of all effects, and the bytes that replicas receive.
//!
//! Effects are appended while the shard locks are held, so the order of the journal is the order of execution for
//! every key, and a unit (a command, or a whole transaction) is contiguous. Positions are replication offsets: a
//! byte count. The backlog keeps the last bytes for partial resynchronisation, and all bytes that an attached
//! replica has not fetched yet.
//!
//! Replies wait for the journal: [`Journal::released`] is the position up to which effects count as written. With
//! no file attached that is everything; a test can hold it back with [`Journal::hold`].

#![forbid(unsafe_code)]

pub mod backlog;
pub mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use backlog::Backlog;
pub use record::Unit;
use sys::bell::Bell;
use sys::hold::Hold;
use sys::order::{Ordered, OrderedGuard, Rank};

/// Called, from any thread, when there is something new for a reader.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// See the module's text.
pub struct Journal {
    inner: Ordered<Inner>,
    end: AtomicU64,
    hold: Hold<Wake>,
    /// Whether effects must be encoded at all.
    recording: AtomicBool,
    /// Rung by what is appended, for the readers.
    news: Bell,
}

#[derive(Default)]
struct Inner {
    backlog: Backlog,
    last_db: Option<usize>,
    readers: Vec<Reader>,
    next_reader: u64,
}

struct Reader {
    id: u64,
    position: u64,
    wake: Wake,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetch {
    Bytes(Vec<u8>),
    /// Nothing new: wait to be woken.
    Nothing,
    /// The bytes at its position are gone, or it was detached.
    Gone,
}

impl Default for Journal {
    fn default() -> Self {
        Journal::new()
    }
}

impl Journal {
    /// A journal at position 0 that records nothing yet.
    pub fn new() -> Journal {
        Journal {
            inner: Ordered::new(Rank::Journal, Inner::default()),
            end: AtomicU64::new(0),
            hold: Hold::default(),
            recording: AtomicBool::new(false),
            news: Bell::new(),
        }
    }

    fn inner(&self) -> OrderedGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Whether effects have to be encoded.
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.recording.load(Ordering::Acquire)
    }

    /// The position behind the last effect.
    #[inline]
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Replies that depend on positions up to this one may leave. It may lie behind the end: a client's last write can
    /// have been in a longer history than the present one.
    #[inline]
    pub fn released(&self) -> u64 {
        self.hold.position()
    }

    /// Holds all replies behind `position`; `u64::MAX` holds none. For whoever makes effects durable.
    pub fn hold(&self, position: u64) {
        self.hold.move_to(position).iter().for_each(|wake| wake());
    }

    /// Calls `wake` when the hold moves next, or at once if it has let `position` go meanwhile.
    pub fn on_release(&self, position: u64, wake: Wake) {
        if let Some(wake) = self.hold.wait(position, wake) {
            wake();
        }
    }

    /// Starts recording with an empty backlog of `size` bytes at position `at`. That is another history: what is held for
    /// a position of the one before may leave.
    pub fn start(&self, size: usize, at: u64) {
        let mut inner = self.inner();
        inner.backlog = Backlog::new(size, at);
        inner.last_db = None;
        self.end.store(at, Ordering::Release);
        self.recording.store(true, Ordering::Release);
        drop(inner);
        self.hold(u64::MAX);
    }

    /// Stops recording and frees the backlog; the position stays.
    pub fn stop(&self) {
        let mut inner = self.inner();
        self.recording.store(false, Ordering::Release);
        inner.backlog = Backlog::new(0, self.end());
    }

    /// Changes the backlog's size.
    pub fn resize(&self, size: usize) {
        self.inner().backlog.resize(size);
    }

    /// Appends a unit of effects; answers the position behind it.
    pub fn append(&self, unit: &Unit) -> u64 {
        let mut inner = self.inner();
        let Inner { backlog, last_db, .. } = &mut *inner;
        unit.write(last_db, |bytes| backlog.push(bytes));
        self.settle(&mut inner)
    }

    /// Appends bytes as they are: the stream of this server's own primary, or a PING.
    pub fn append_raw(&self, bytes: &[u8]) -> u64 {
        let mut inner = self.inner();
        inner.backlog.push(bytes);
        inner.last_db = None;
        self.settle(&mut inner)
    }

    fn settle(&self, inner: &mut Inner) -> u64 {
        let end = inner.backlog.end();
        let needed = inner.readers.iter().map(|reader| reader.position).min();
        inner.backlog.trim(needed.unwrap_or(end));
        self.end.store(end, Ordering::Release);
        self.news.ring();
        end
    }

    /// Makes the next unit begin with a SELECT, as a new reader needs it.
    pub fn forget_database(&self) {
        self.inner().last_db = None;
    }

    /// Wakes the readers if anything was appended since the last call; to be called between batches.
    #[inline]
    pub fn wake_readers(&self) {
        if self.news.is_due() {
            self.wake_all();
        }
    }

    #[cold]
    fn wake_all(&self) {
        let inner = self.inner();
        self.news.silence();
        let wakes: Vec<Wake> = inner.readers.iter().map(|reader| reader.wake.clone()).collect();
        drop(inner);
        wakes.iter().for_each(|wake| wake());
    }

    /// Attaches a reader at `position`; `None` if the backlog does not reach back that far, or does not reach it.
    pub fn attach(&self, position: u64, wake: Wake) -> Option<u64> {
        let mut inner = self.inner();
        if !inner.backlog.covers(position) {
            return None;
        }
        inner.next_reader += 1;
        let id = inner.next_reader;
        inner.readers.push(Reader { id, position, wake });
        self.news.set_listeners(inner.readers.len());
        Some(id)
    }

    /// Detaches a reader: the bytes that only it needed may go.
    pub fn detach(&self, id: u64) {
        let mut inner = self.inner();
        inner.readers.retain(|reader| reader.id != id);
        self.news.set_listeners(inner.readers.len());
        let needed = inner.readers.iter().map(|reader| reader.position).min();
        let end = inner.backlog.end();
        inner.backlog.trim(needed.unwrap_or(end));
    }

    /// Detaches all readers: whoever comes from here on belongs to another history. Nothing that is appended later
    /// reaches them.
    pub fn detach_all(&self) {
        let mut inner = self.inner();
        inner.readers.clear();
        self.news.set_listeners(0);
        let end = inner.backlog.end();
        inner.backlog.trim(end);
    }

    /// Whether the backlog covers `position`.
    pub fn covers(&self, position: u64) -> bool {
        self.is_recording() && self.inner().backlog.covers(position)
    }

    /// Up to `most` bytes from a reader's position on.
    pub fn fetch(&self, id: u64, most: usize) -> Fetch {
        let mut inner = self.inner();
        let Some(at) = inner.readers.iter().position(|reader| reader.id == id) else { return Fetch::Gone };
        let position = inner.readers[at].position;
        match inner.backlog.read(position, most) {
            None => Fetch::Gone,
            Some(bytes) if bytes.is_empty() => Fetch::Nothing,
            Some(bytes) => {
                inner.readers[at].position += bytes.len() as u64;
                Fetch::Bytes(bytes)
            }
        }
    }

    /// Bytes that a reader has not fetched yet.
    pub fn lag(&self, id: u64) -> u64 {
        let inner = self.inner();
        let position = inner.readers.iter().find(|reader| reader.id == id).map(|reader| reader.position);
        position.map_or(0, |position| inner.backlog.end().saturating_sub(position))
    }

    /// Gives (configured size, bytes allocated) of the backlog to `measure`, meanwhile neither changes: what else is
    /// measured then fits to it.
    pub fn beside_backlog<T>(&self, measure: impl FnOnce(usize, usize) -> T) -> T {
        let inner = self.inner();
        measure(inner.backlog.size(), inner.backlog.allocated())
    }

    /// (configured size, first position, bytes held) of the backlog.
    pub fn backlog(&self) -> (usize, u64, usize) {
        let inner = self.inner();
        (inner.backlog.size(), inner.backlog.first(), inner.backlog.history())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn unit(db: usize, words: &[&str]) -> Unit {
        let mut unit = Unit::default();
        unit.push(db, words);
        unit
    }

    #[test]
    fn readers_get_every_byte_in_order() {
        let journal = Journal::new();
        journal.start(1 << 20, 100);
        let woken = Arc::new(AtomicUsize::new(0));
        let count = woken.clone();
        let wake: Wake = Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let id = journal.attach(100, wake).expect("the end is covered");
        assert_eq!(journal.fetch(id, 10), Fetch::Nothing);
        let end = journal.append(&unit(2, &["SET", "a", "b"]));
        journal.append(&unit(2, &["DEL", "a"]));
        journal.wake_readers();
        journal.wake_readers();
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        let first = b"*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n";
        assert_eq!(end, 100 + first.len() as u64);
        assert_eq!(journal.fetch(id, first.len()), Fetch::Bytes(first.to_vec()));
        assert_eq!(journal.fetch(id, 1000), Fetch::Bytes(b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n".to_vec()));
        journal.detach(id);
        assert_eq!(journal.fetch(id, 1), Fetch::Gone);
    }

    #[test]
    fn what_a_reader_needs_outlives_the_backlog() {
        let journal = Journal::new();
        journal.start(1000, 0);
        let slow = journal.attach(0, Arc::new(|| ())).expect("the end is covered");
        let payload = vec![b'x'; 100_000];
        for _ in 0..10 {
            journal.append_raw(&payload);
        }
        assert_eq!((journal.lag(slow), journal.covers(0)), (1_000_000, true));
        assert!(matches!(journal.fetch(slow, 50), Fetch::Bytes(bytes) if bytes.len() == 50));
        journal.detach(slow);
        assert!(!journal.covers(0) && journal.attach(0, Arc::new(|| ())).is_none());
        assert!(journal.covers(journal.end()) && !journal.covers(journal.end() + 1));
    }

    #[test]
    fn the_backlog_keeps_to_its_size() {
        for size in [1 << 14, 1 << 17, 1 << 20] {
            let journal = Journal::new();
            journal.start(size, 0);
            for _ in 0..size / 10 {
                journal.append_raw(&[b'x'; 30]);
            }
            let (_, first, held) = journal.backlog();
            assert!((size..=size + size / 4).contains(&held), "{held} of {size}");
            assert_eq!(first + held as u64, journal.end());
        }
    }

    #[test]
    fn what_follows_a_change_of_history_reaches_no_reader_of_the_old_one() {
        let journal = Journal::new();
        journal.start(1000, 0);
        let old = journal.attach(0, Arc::new(|| ())).expect("the end is covered");
        journal.append_raw(b"before");
        journal.detach_all();
        journal.append_raw(b"after");
        assert_eq!(journal.fetch(old, 100), Fetch::Gone);
        let new = journal.attach(6, Arc::new(|| ())).expect("covered");
        assert_eq!(journal.fetch(new, 100), Fetch::Bytes(b"after".to_vec()));
    }

    #[test]
    fn transactions_are_one_unit() {
        let mut unit = Unit::default();
        unit.push(0, &["SET", "a", "1"]);
        unit.push(1, &["SET", "b", "1"]);
        let mut bytes = Vec::new();
        unit.write(&mut None, |piece| bytes.extend_from_slice(piece));
        let text = String::from_utf8(bytes).expect("text");
        let words: Vec<&str> =
            text.split("\r\n").filter(|line| !line.starts_with(['*', '$']) && !line.is_empty()).collect();
        assert_eq!(words.join(" "), "MULTI SELECT 0 SET a 1 SELECT 1 SET b 1 EXEC");
        unit.loosen();
        let mut bytes = Vec::new();
        unit.write(&mut Some(0), |piece| bytes.extend_from_slice(piece));
        assert!(bytes.starts_with(b"*3\r\n$3\r\nSET") && bytes.ends_with(b"\r\nb\r\n$1\r\n1\r\n"));
    }

    #[test]
    fn replies_wait_for_the_hold() {
        let journal = Journal::new();
        journal.start(1000, 0);
        journal.hold(5);
        journal.append_raw(&[b'x'; 20]);
        assert_eq!(journal.released(), 5);
        let woken = Arc::new(AtomicBool::new(false));
        let flag = woken.clone();
        journal.on_release(20, Arc::new(move || flag.store(true, Ordering::Relaxed)));
        journal.hold(u64::MAX);
        assert!(woken.load(Ordering::Relaxed));
        assert_eq!(journal.released(), u64::MAX);
    }

    #[test]
    fn another_history_holds_nothing_of_the_one_before() {
        let journal = Journal::new();
        journal.start(1000, 0);
        let position = journal.append_raw(&[b'x'; 20]);
        journal.hold(5);
        let woken = Arc::new(AtomicBool::new(false));
        let flag = woken.clone();
        journal.on_release(position, Arc::new(move || flag.store(true, Ordering::Relaxed)));
        journal.start(1000, 7);
        assert!(woken.load(Ordering::Relaxed));
        assert!(position <= journal.released());
    }
}
