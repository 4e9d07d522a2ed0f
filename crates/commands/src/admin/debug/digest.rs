//! DEBUG DIGEST: one number for a whole data set, equal on all servers that hold the same.
//!
//! Two ways of adding to a digest of 20 bytes: `scatter` (order does not matter) adds the SHA-1 of some bytes by
//! exclusive or; `chain` (order matters) scatters and then hashes the result. A key's digest chains its name, its type
//! and its elements, in order where the type has one, scattered where it has none.

use ds::entry::{EntryRef, Kind, PackedRef, ValueRef};
use ds::num::IntText;
use ds::object::Object;
use ds::stream::StreamId;
use resp::writer::Writer;
use sha1::{Digest as _, Sha1};

use crate::cx::Cx;
use crate::error::Result;

#[derive(Clone, Copy, Default)]
struct Digest([u8; 20]);

impl Digest {
    fn scatter(&mut self, bytes: &[u8]) {
        let hash = Sha1::digest(bytes);
        self.0.iter_mut().zip(hash.iter()).for_each(|(own, other)| *own ^= other);
    }

    fn chain(&mut self, bytes: &[u8]) {
        self.scatter(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Adds a pair whose place among the others does not matter.
    fn scatter_pair(&mut self, first: &[u8], second: &[u8]) {
        let mut pair = Digest::default();
        pair.chain(first);
        pair.chain(second);
        self.scatter(&pair.0);
    }

    fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A score as C prints it with `%.17g`: seventeen significant digits, without trailing zeros; an exponent of at least two digits where it is below
/// -4 or above 16.
fn score_text(value: f64) -> Vec<u8> {
    if value.is_infinite() {
        return if value > 0.0 { b"inf".to_vec() } else { b"-inf".to_vec() };
    }
    let scientific = format!("{value:.16e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..17).contains(&exponent) {
        return trim(&format!("{value:.*}", (16 - exponent) as usize)).into_bytes();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(digits), exponent.abs()).into_bytes()
}

fn packed(digest: &mut Digest, value: PackedRef<'_>) {
    match value {
        PackedRef::Intset(ints) => {
            let mut text = IntText::new();
            ints.iter().for_each(|number| digest.scatter(text.format(number)));
        }
        PackedRef::List(pack) => pack.iter().for_each(|value| digest.chain(&value.to_vec())),
        PackedRef::Set(pack) => pack.iter().for_each(|value| digest.scatter(&value.to_vec())),
        PackedRef::Zset(pack) => {
            for (name, score) in ds::zset::packed::iter(pack) {
                digest.scatter_pair(&name.to_vec(), &score_text(score));
            }
        }
        PackedRef::Hash(pack, form) => {
            for field in ds::packed_hash::iter(pack, form) {
                digest.scatter_pair(&field.name.to_vec(), &field.value.to_vec());
            }
        }
    }
}

fn object(digest: &mut Digest, object: &Object) {
    match object {
        Object::List(list) => list.iter().for_each(|value| digest.chain(&value.to_vec())),
        Object::Zset(zset) => {
            zset.iter().for_each(|(name, score)| digest.scatter_pair(name, &score_text(score)));
        }
        Object::Set(set) => set.iter().for_each(|member| digest.scatter(member.name())),
        Object::Hash(hash) => {
            let fields = hash.iter().filter_map(|field| Some((field.name(), field.value()?)));
            fields.for_each(|(name, value)| digest.scatter_pair(name, value));
        }
        Object::Stream(stream) => {
            for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                digest.chain(format!("{}.{}", entry.id().ms, entry.id().seq).as_bytes());
                for (field, value) in entry.fields() {
                    digest.chain(&field.to_vec());
                    digest.chain(&value.to_vec());
                }
            }
        }
        Object::Vectors(set) => {
            for slot in set.slots() {
                let element = set.element(slot);
                let mut own = Digest::default();
                own.chain(element.name);
                own.chain(&set.raw(slot));
                own.chain(element.attribute.unwrap_or_default());
                digest.scatter(&own.0);
            }
        }
    }
}

/// The number of a type, as the file format counts them.
fn type_number(kind: Kind) -> u32 {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::Zset => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
        Kind::Vectors => 5,
    }
}

fn add_value(digest: &mut Digest, entry: EntryRef<'_>) {
    digest.chain(&type_number(entry.kind()).to_be_bytes());
    match entry.value() {
        ValueRef::Int(number) => digest.chain(IntText::new().format(number)),
        ValueRef::Bytes(bytes) | ValueRef::Blob(bytes) => digest.chain(bytes),
        ValueRef::Packed(value) => packed(digest, value),
        ValueRef::Object(value) => object(digest, value),
    }
    if entry.expire_ms().is_some() {
        digest.scatter(b"!!expire!!");
    }
}

pub(super) fn digest(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    // One digest for each database, to be begun when its first key is seen.
    let mut total = Digest::default();
    for db in 0..cx.server.keyspace.databases() {
        let mut keys: Vec<Digest> = Vec::new();
        cx.each_shard(|shard| {
            keys.extend(shard.iter(db).map(|entry| {
                let mut digest = Digest::default();
                digest.chain(entry.key());
                add_value(&mut digest, entry);
                digest
            }));
        });
        if !keys.is_empty() {
            total.chain(&(db as u32).to_be_bytes());
            keys.iter().for_each(|digest| total.scatter(&digest.0));
        }
    }
    out.simple(&total.hex());
    Ok(())
}

pub(super) fn digest_value(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    out.array(argv.len() - 2);
    for key in &argv[2..] {
        let mut digest = Digest::default();
        if let Some(entry) = cx.peek(key) {
            add_value(&mut digest, entry);
        }
        out.simple(&digest.hex());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_printed_as_c_does() {
        for (score, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.1, "0.10000000000000001"),
            (1e17, "1e+17"),
            (12345678901234567.0, "12345678901234568"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1.5e300, "1.5000000000000001e+300"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(String::from_utf8_lossy(&score_text(score)), text);
        }
    }
}
