//! Requests with holes: bytes that are built once, and digits that change per request.
//!
//! Text of a template: words with `{k}` (a random key number), `{k/10}` (a tenth as many keys), `{100}` (a
//! random number below 100), `{s}` and `{s/10}` (counting up), `{=}` (the number before), `{v}` (the value). A number is always 12
//! digits, so that a request never changes its length and filling it is only writing digits.
//! A `;` separates commands of one request; `~` inside a longer word stands for a blank. Callers: `load`, `workloads`,
//! `sweep`.

use anyhow::{Context, Result};
use testkit::client::encode;
use testkit::rng::Rng;

const DIGITS: usize = 12;

#[derive(Debug, Clone, Copy)]
enum Number {
    Random { below: u64 },
    Counter { divide: u64 },
    Same,
}

/// Where numbers go, and which.
type Holes = Vec<(usize, Number)>;

/// A request and its holes.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    holes: Holes,
    replies: usize,
}

impl Template {
    /// Parses `text` for `keys` keys and values of `value_bytes`.
    pub fn parse(text: &str, keys: u64, value_bytes: usize) -> Result<Template> {
        // Not all equal bytes: compressible values would flatter a server that compresses.
        let value: Vec<u8> = (0..value_bytes).map(|i| b'a' + (i * 7 % 26) as u8).collect();
        Template::with_value(text, keys, &value)
    }

    /// Parses `text` for `keys` keys, with `value` where it says `{v}`.
    pub fn with_value(text: &str, keys: u64, value: &[u8]) -> Result<Template> {
        let mut template = Template { bytes: Vec::new(), holes: Vec::new(), replies: 0 };
        for command in text.split(';') {
            template.add(command.trim(), keys, value)?;
        }
        Ok(template)
    }

    fn add(&mut self, command: &str, keys: u64, value: &[u8]) -> Result<()> {
        let mut args: Vec<Vec<u8>> = Vec::new();
        let mut numbers = Vec::new();
        for word in command.split_whitespace() {
            let (arg, found) = expand(word, keys, value).with_context(|| format!("in {command:?}"))?;
            numbers.extend(found.into_iter().map(|(at, number)| (args.len(), at, number)));
            args.push(arg);
        }
        let mut at_arg = self.bytes.len() + format!("*{}\r\n", args.len()).len();
        let mut next = numbers.into_iter().peekable();
        for (index, arg) in args.iter().enumerate() {
            at_arg += format!("${}\r\n", arg.len()).len();
            while let Some((_, at, number)) = next.next_if(|(i, ..)| *i == index) {
                self.holes.push((at_arg + at, number));
            }
            at_arg += arg.len() + 2;
        }
        encode(&mut self.bytes, &args);
        self.replies += 1;
        Ok(())
    }

    /// Bytes of one request.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many replies one request gets.
    pub fn replies(&self) -> usize {
        self.replies
    }

    /// Writes the numbers of the next request into `request`, a copy of `bytes`.
    #[inline]
    pub fn fill(&self, request: &mut [u8], rng: &mut Rng, counter: u64) {
        let mut last = 0;
        for &(at, number) in &self.holes {
            let mut left = match number {
                Number::Random { below } => rng.below(below),
                Number::Counter { divide } => counter / divide,
                Number::Same => last,
            };
            last = left;
            for digit in request[at..at + DIGITS].iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
    }
}

/// One word with its holes filled by zeros, and where they are.
fn expand(word: &str, keys: u64, value: &[u8]) -> Result<(Vec<u8>, Holes)> {
    let mut out = Vec::new();
    let mut holes = Vec::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').context("a { without }")?;
        out.extend(blanks(before));
        if name == "v" {
            out.extend_from_slice(value);
        } else {
            holes.push((out.len(), number(name, keys)?));
            out.extend_from_slice(&[b'0'; DIGITS]);
        }
        rest = tail;
    }
    out.extend(blanks(rest));
    Ok((out, holes))
}

fn blanks(text: &str) -> impl Iterator<Item = u8> + '_ {
    let alone = text.len() == 1;
    text.bytes().map(move |b| if b == b'~' && !alone { b' ' } else { b })
}

fn number(name: &str, keys: u64) -> Result<Number> {
    let (base, divide) = match name.split_once('/') {
        Some((base, by)) => (base, by.parse().context("the divisor")?),
        None => (name, 1u64),
    };
    Ok(match base {
        "k" => Number::Random { below: (keys / divide).max(1) },
        "s" => Number::Counter { divide: divide.max(1) },
        "=" => Number::Same,
        text => Number::Random { below: text.parse().with_context(|| format!("the hole {{{text}}}"))? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_in_place() {
        let template = Template::parse("SET key:{s} {v}; GET k{s/10}x{1}", 100, 3).expect("template");
        assert_eq!(template.replies(), 2);
        let mut request = template.bytes().to_vec();
        template.fill(&mut request, &mut Rng::new(1), 123);
        let expected = "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000123\r\n$3\r\naho\r\n\
                        *2\r\n$3\r\nGET\r\n$26\r\nk000000000012x000000000000\r\n";
        assert_eq!(String::from_utf8_lossy(&request), expected);
    }

    #[test]
    fn random_numbers_stay_below() {
        let template = Template::parse("MGET {k/10} {=}", 50, 1).expect("template");
        let mut request = template.bytes().to_vec();
        let mut rng = Rng::new(3);
        for _ in 0..100 {
            template.fill(&mut request, &mut rng, 0);
            let text = String::from_utf8_lossy(&request).into_owned();
            let numbers: Vec<u64> = text.split("\r\n").filter_map(|arg| arg.parse().ok()).collect();
            assert!(numbers[0] < 5 && numbers[1] == numbers[0], "{text}");
        }
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(Template::parse("GET {x}", 1, 1).is_err());
        assert!(Template::parse("GET {k", 1, 1).is_err());
    }
}
