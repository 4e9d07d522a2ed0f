//! Glob patterns of KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET and ACL: `*`, `?`, `[a-z]`, `[^x]`, `\` escapes.
//!
//! The rules, odd ones included, are those of Redis: an unclosed class ends with the pattern, a reversed range
//! is swapped, a trailing backslash matches itself. The matcher keeps only the last `*`: when the rest does not
//! fit it gives that star one byte more. An earlier star never needs a second try, because the segment after it
//! already sits at its leftmost place. So the work is at most pattern x text, without recursion or allocation.
//! As there, a pattern with more than [`MAX_STARS`] stars matches nothing.

/// Stars with something behind them that a match may pass, neighbours counted as one: beyond, both real servers
/// answer that nothing matches.
const MAX_STARS: usize = 1000;

/// Whether `text` matches `pattern` as a whole. With `nocase`, ASCII letters match in either case.
pub fn glob_match(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // After a star: where its segment begins in the pattern, and where the next try begins in the text.
    let mut retry: Option<(usize, usize)> = None;
    let mut stars = 0;
    loop {
        let advanced = match pattern.get(p) {
            None if t == text.len() => return true,
            None => false,
            Some(b'*') => {
                while pattern.get(p) == Some(&b'*') {
                    p += 1;
                }
                if p == pattern.len() {
                    return true;
                }
                stars += 1;
                if stars > MAX_STARS {
                    return false;
                }
                retry = Some((p, t));
                true
            }
            Some(_) => match text.get(t) {
                None => return false,
                Some(&byte) => match match_one(&pattern[p..], byte, nocase) {
                    Some(used) => {
                        p += used;
                        t += 1;
                        true
                    }
                    None => false,
                },
            },
        };
        if advanced {
            continue;
        }
        let Some((segment, start)) = &mut retry else { return false };
        // A segment that begins with a plain byte can only start where that byte is.
        *start += 1;
        if let Some(first) = literal(&pattern[*segment..], nocase) {
            match memchr::memchr(first, text.get(*start..).unwrap_or(&[])) {
                Some(skip) => *start += skip,
                None => return false,
            }
        }
        if *start > text.len() {
            return false;
        }
        (p, t) = (*segment, *start);
    }
}

/// The byte with which every match of `pattern` begins, if there is only one.
fn literal(pattern: &[u8], nocase: bool) -> Option<u8> {
    match pattern.first()? {
        b'*' | b'?' | b'[' | b'\\' => None,
        byte if nocase && byte.is_ascii_alphabetic() => None,
        byte => Some(*byte),
    }
}

/// Matches one byte against the first item of a pattern that is not empty; gives the item's length.
fn match_one(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => match_class(class, byte, nocase).map(|used| used + 1),
        [b'\\', escaped, ..] => fold(*escaped, nocase).eq(&fold(byte, nocase)).then_some(2),
        [plain, ..] => fold(*plain, nocase).eq(&fold(byte, nocase)).then_some(1),
        [] => None,
    }
}

/// Matches a byte against what follows a `[`; gives the length up to and including the `]`.
fn match_class(class: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let wanted = fold(byte, nocase);
    let mut found = false;
    let used = loop {
        match &class[at..] {
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => break at + 1,
            [] => break at,
            [from, b'-', to, ..] => {
                let (from, to) = (fold(*from.min(to), nocase), fold(*from.max(to), nocase));
                found |= from <= wanted && wanted <= to;
                at += 3;
            }
            [plain, ..] => {
                found |= fold(*plain, nocase) == wanted;
                at += 1;
            }
        }
    };
    (found != negated).then_some(used)
}

fn fold(byte: u8, nocase: bool) -> u8 {
    if nocase { byte.to_ascii_lowercase() } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Verdicts of KEYS on a Redis 8.6.3.
    #[test]
    fn table() {
        for (pattern, text, want) in [
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("**", "abc", true),
            ("h?llo", "hello", true),
            ("h[^e]llo", "hello", false),
            ("h[^e]llo", "hallo", true),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hbllo", true),
            ("[ab", "a", true),
            ("[", "a", false),
            ("[^", "a", true),
            ("[]a", "a", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a\\", "a\\", true),
            ("[\\]]", "]", true),
            ("[a-]", "a", true),
            ("*a*b", "xaxxab", true),
            ("*a?c*", "abbacc", true),
            ("a*[bc]", "axxc", true),
        ] {
            assert_eq!(glob_match(pattern.as_bytes(), text.as_bytes(), false), want, "{pattern} {text}");
        }
        assert!(glob_match(b"H[A-C]LL*", b"hbllo", true));
        assert!(!glob_match(b"H[A-C]LL*", b"hbllo", false));
    }

    /// Patterns that took a recursive matcher minutes or its whole stack.
    #[test]
    fn hostile_patterns_are_cheap() {
        let text = vec![b'a'; 50_000];
        assert!(!glob_match(&[b"a*".repeat(20), b"b".to_vec()].concat(), &text, false));
    }

    /// Verdicts of KEYS on a Valkey 9.1.2 and a Redis 8.6.3, which agree.
    #[test]
    fn a_thousand_stars_are_enough() {
        let text = vec![b'a'; 8000];
        for (unit, most) in
            [("*?", 1000), ("**a", 1000), ("*[a]", 1000), ("*\\a", 1000), ("?*", 1001), ("\\a*", 1001)]
        {
            assert!(glob_match(&unit.as_bytes().repeat(most), &text, false), "{unit} {most}");
            assert!(!glob_match(&unit.as_bytes().repeat(most + 1), &text, false), "{unit} {most} and one");
        }
        assert!(glob_match(&b"*".repeat(5000), &text, false));
        assert!(glob_match(&[b"[*]".repeat(2000), b"*".to_vec()].concat(), &b"*".repeat(2001), false));
    }

    /// The plain definition: a star matches nothing, or a byte and then itself again.
    fn model(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => model(rest, text) || !text.is_empty() && model(pattern, &text[1..]),
            _ => text.first().is_some_and(|byte| {
                match_one(pattern, *byte, false).is_some_and(|used| model(&pattern[used..], &text[1..]))
            }),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(glob_match(pattern, text, false), model(pattern, text));
        }

        #[test]
        fn any_bytes_are_safe(pattern: Vec<u8>, text: Vec<u8>) {
            let _ = glob_match(&pattern, &text, true);
        }
    }
}
