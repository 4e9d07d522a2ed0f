//! The order of texts in a locale of the operating system (SORT ALPHA, `locale-collate`).

use std::cmp::Ordering;
use std::ffi::{CStr, CString, c_char, c_int};

// SAFETY: as POSIX declares it.
unsafe extern "C" {
    fn strcoll_l(a: *const c_char, b: *const c_char, locale: libc::locale_t) -> c_int;
}

/// An order of texts. `None` is the one of C, which is that of the bytes.
pub struct Collation(Option<libc::locale_t>);

// SAFETY: a locale is not changed between `newlocale` and `freelocale`; any thread may compare by it.
unsafe impl Send for Collation {}
// SAFETY: as above.
unsafe impl Sync for Collation {}

impl Collation {
    /// The order of a locale; "" is that of the environment. None if the system does not have it.
    pub fn new(name: &str) -> Option<Collation> {
        if matches!(&*resolved(name), "C" | "POSIX") {
            return Some(Collation(None));
        }
        let name = CString::new(name).ok()?;
        // SAFETY: the name is a C string, and a null base asks for a new locale.
        let locale = unsafe { libc::newlocale(libc::LC_COLLATE_MASK, name.as_ptr(), std::ptr::null_mut()) };
        // One that was not made must not be freed.
        if locale.is_null() { None } else { Some(Collation(Some(locale))) }
    }

    /// Compares up to the first zero byte; texts that the locale holds for equal, by their bytes.
    pub fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        let Some(locale) = self.0 else { return a.cmp(b) };
        let (first, second) = (terminated(a), terminated(b));
        // SAFETY: both are C strings, and the locale lives as long as `self`.
        let order = unsafe { strcoll_l(c_str(&first).as_ptr(), c_str(&second).as_ptr(), locale) };
        order.cmp(&0).then_with(|| a.cmp(b))
    }
}

impl Drop for Collation {
    fn drop(&mut self) {
        if let Some(locale) = self.0 {
            // SAFETY: it came from `newlocale`, and nobody has it any more.
            unsafe { libc::freelocale(locale) };
        }
    }
}

/// The name of a locale, with that of the environment for "", as `newlocale` finds it.
fn resolved(name: &str) -> String {
    let variables = ["LC_ALL", "LC_COLLATE", "LANG"].into_iter();
    let of_environment =
        || variables.filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty());
    match name {
        "" => of_environment().unwrap_or_else(|| String::from("C")),
        name => name.to_owned(),
    }
}

fn terminated(text: &[u8]) -> Vec<u8> {
    [text, b"\0"].concat()
}

fn c_str(terminated: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(terminated).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_c_is_that_of_bytes() {
        let c = Collation::new("C").expect("every system has it");
        for (a, b) in [("a", "b"), ("B", "a"), ("", "a"), ("a", "ab"), ("z", "\u{e9}"), ("a\0b", "a\0c")] {
            assert_eq!(c.compare(a.as_bytes(), b.as_bytes()), Ordering::Less, "{a} {b}");
            assert_eq!(c.compare(b.as_bytes(), a.as_bytes()), Ordering::Greater, "{b} {a}");
        }
        assert_eq!(c.compare(b"a", b"a"), Ordering::Equal);
        assert!(Collation::new("xx_YY.nosuch").is_none() && Collation::new("C\0").is_none());
    }
}
