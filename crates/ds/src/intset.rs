//! Sets of integers in one run of bytes, byte for byte as Redis keeps them in RDB files.
//!
//! ```text
//! | width u32 LE: 2, 4 or 8 | count u32 LE | integers of that width, little endian, rising |
//! ```
//! The width is that of the widest integer ever added. Invariant: bytes in [`Intset`] and [`IntsetRef`] are well formed and not
//! unordered; what comes from outside passes [`validate`]. Used for small sets of integers.

const HEADER: usize = 8;

/// What is wrong with the bytes of an intset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntsetError {
    /// Width, count and size do not fit each other.
    Size,
    /// The integers do not rise.
    Order,
}

impl std::fmt::Display for IntsetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            IntsetError::Size => "intset size is wrong",
            IntsetError::Order => "intset is not in order",
        })
    }
}

impl std::error::Error for IntsetError {}

/// Checks bytes from outside; an empty intset passes.
pub fn validate(bytes: &[u8]) -> Result<(), IntsetError> {
    let (width, rest) = bytes.split_first_chunk::<4>().ok_or(IntsetError::Size)?;
    let (count, body) = rest.split_first_chunk::<4>().ok_or(IntsetError::Size)?;
    let (width, count) = (u64::from(u32::from_le_bytes(*width)), u64::from(u32::from_le_bytes(*count)));
    if !matches!(width, 2 | 4 | 8) || width * count != body.len() as u64 {
        return Err(IntsetError::Size);
    }
    let mut values = IntsetRef(bytes).iter();
    let Some(mut last) = values.next() else { return Ok(()) };
    for value in values {
        if value <= last {
            return Err(IntsetError::Order);
        }
        last = value;
    }
    Ok(())
}

/// A borrowed intset.
#[derive(Clone, Copy, Debug)]
pub struct IntsetRef<'a>(&'a [u8]);

impl<'a> IntsetRef<'a> {
    /// Wraps bytes that [`validate`] has accepted or that came out of an [`Intset`].
    pub fn new(bytes: &'a [u8]) -> Self {
        debug_assert!(bytes.len() >= HEADER);
        Self(bytes)
    }

    /// All bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    fn width(self) -> usize {
        usize::from(self.0[0])
    }

    /// Number of integers.
    pub fn len(self) -> usize {
        (self.0.len() - HEADER) >> self.0[0].trailing_zeros()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0.len() == HEADER
    }

    /// The integers as arrays of bytes.
    #[inline]
    fn words<const WIDTH: usize>(self) -> &'a [[u8; WIDTH]] {
        self.0[HEADER..].as_chunks().0
    }

    /// The integer at an index.
    #[inline]
    pub fn get(self, index: usize) -> Option<i64> {
        match self.width() {
            2 => self.words::<2>().get(index).map(read),
            4 => self.words::<4>().get(index).map(read),
            _ => self.words::<8>().get(index).map(read),
        }
    }

    /// The integers in rising order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = i64> + Clone + use<'a> {
        (0..self.len()).map(move |index| self.get(index).unwrap_or_default())
    }

    /// Index of the integer, or where it would be inserted.
    pub fn search(self, value: i64) -> Result<usize, usize> {
        match self.width() {
            2 => search(self.words::<2>(), value),
            4 => search(self.words::<4>(), value),
            _ => search(self.words::<8>(), value),
        }
    }

    /// Whether the integer is in the set.
    pub fn contains(self, value: i64) -> bool {
        self.search(value).is_ok()
    }
}

/// An owned intset.
#[derive(Clone, PartialEq, Eq)]
pub struct Intset(Vec<u8>);

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Intset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.view().iter()).finish()
    }
}

impl Intset {
    /// An empty set.
    pub fn new() -> Self {
        Self(vec![2, 0, 0, 0, 0, 0, 0, 0])
    }

    /// Takes over bytes from outside after checking them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, IntsetError> {
        validate(&bytes)?;
        Ok(Self(bytes))
    }

    /// Takes over bytes that came out of an intset or passed [`validate`].
    pub fn from_valid(bytes: Vec<u8>) -> Self {
        debug_assert!(validate(&bytes).is_ok());
        Self(bytes)
    }

    /// The bytes, as they go into an RDB file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives the bytes up.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The reading side.
    pub fn view(&self) -> IntsetRef<'_> {
        IntsetRef(&self.0)
    }

    /// Adds an integer; false if it is there already.
    pub fn insert(&mut self, value: i64) -> bool {
        let needed = width_of(value);
        if needed > self.view().width() {
            self.widen(needed);
        }
        let Err(index) = self.view().search(value) else { return false };
        let width = self.view().width();
        let at = HEADER + index * width;
        let old = self.0.len();
        let spare = (old / 8).clamp(width, 4096);
        if self.0.capacity() < old + width {
            self.0.reserve_exact(spare.max(width));
        }
        self.0.resize(old + width, 0);
        self.0.copy_within(at..old, at + width);
        self.0[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.set_count();
        true
    }

    /// Removes an integer; false if it is not there. The width stays, as in Redis.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.view().search(value) else { return false };
        let width = self.view().width();
        let at = HEADER + index * width;
        self.0.drain(at..at + width);
        if self.0.capacity() > self.0.len() * 2 {
            self.0.shrink_to_fit();
        }
        self.set_count();
        true
    }

    fn widen(&mut self, width: usize) {
        let values: Vec<i64> = self.view().iter().collect();
        self.0.clear();
        self.0.reserve_exact(HEADER + (values.len() + 1) * width);
        self.0.extend_from_slice(&(width as u32).to_le_bytes());
        self.0.extend_from_slice(&[0; 4]);
        for value in values {
            self.0.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        self.set_count();
    }

    fn set_count(&mut self) {
        let count =
            u32::try_from(self.view().len()).expect("invariant: callers convert long before 2^32 integers");
        self.0[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }
}

impl FromIterator<i64> for Intset {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Self {
        let mut set = Self::new();
        values.into_iter().for_each(|value| _ = set.insert(value));
        set
    }
}

fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

fn read<const WIDTH: usize>(bytes: &[u8; WIDTH]) -> i64 {
    let mut wide = [0; 8];
    wide[..WIDTH].copy_from_slice(bytes);
    let unused = 64 - 8 * WIDTH as u32;
    i64::from_le_bytes(wide) << unused >> unused
}

fn search<const WIDTH: usize>(words: &[[u8; WIDTH]], value: i64) -> Result<usize, usize> {
    // What lies beyond an end needs no search; integers are often added in order.
    match (words.first().map(read), words.last().map(read)) {
        (Some(first), _) if value < first => Err(0),
        (_, Some(last)) if value > last => Err(words.len()),
        _ => words.binary_search_by(|word| read(word).cmp(&value)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = i64> {
        prop_oneof![10 => -50i64..50, 1 => -70_000i64..70_000, 1 => any::<i64>()]
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(ops in proptest::collection::vec((value(), any::<bool>()), 0..200)) {
            let (mut set, mut model) = (Intset::new(), BTreeSet::new());
            for (value, add) in ops {
                if add {
                    prop_assert_eq!(set.insert(value), model.insert(value));
                } else {
                    prop_assert_eq!(set.remove(value), model.remove(&value));
                }
                prop_assert_eq!(set.view().contains(value), model.contains(&value));
            }
            prop_assert_eq!(validate(set.as_bytes()), Ok(()));
            prop_assert_eq!(set.view().iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.view().len(), model.len());
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = validate(&bytes);
        }
    }

    #[test]
    fn bytes_of_each_width() {
        let bytes = |values: &[i64]| values.iter().copied().collect::<Intset>().into_bytes();
        assert_eq!(bytes(&[3, -1]), [2, 0, 0, 0, 2, 0, 0, 0, 255, 255, 3, 0]);
        assert_eq!(bytes(&[1, 70_000]), [4, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 112, 17, 1, 0]);
        assert_eq!(bytes(&[1 << 40]), [8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn refused_bytes() {
        for (bytes, error) in [
            (&[3u8, 0, 0, 0, 0, 0, 0, 0][..], IntsetError::Size),
            (&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0], IntsetError::Size),
            (&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0], IntsetError::Order),
            (&[2, 0, 0, 0], IntsetError::Size),
        ] {
            assert_eq!(validate(bytes), Err(error));
        }
    }
}
