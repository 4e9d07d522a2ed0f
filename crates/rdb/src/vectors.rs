//! Vector sets, which Redis keeps as values of a module: tagged numbers and strings behind the module's id.
//!
//! ```text
//! dim, elements, M << 8 | form, flags        flags: 1 projected, 2 attributes
//! [input dim, matrix]                        with flag 1
//! for each element:
//!   name, [attribute], vector, count of the numbers that follow:
//!     id, version << 24 | level
//!     for each level, the lowest first: links, most links, ids..., place of the farthest | its distance << 32
//!     length of the vector | range << 32     each the bits of a 32-bit float
//! end
//! ```
//!
//! Version 0 of an element has no farthest link. Found by looking at what Redis 8.6 writes and takes.

use std::io::Read;

use ds::vector::{
    Encoded, LoadedLevel, LoadedNode, MOST_DIM, MOST_MATRIX, Parts, Projection, Quant, Shape, VectorSet,
};

use crate::input::{Input, Result};
use crate::{ErrorKind, Sink, Writer};

/// `vectorset` in six bits for each letter, and version 0 of its encoding.
pub(crate) const MODULE: u64 = 0xbde7_2da2_bb1e_b400;
/// Tags of what a module writes.
const END: u64 = 0;
const NUMBER: u64 = 2;
const STRING: u64 = 5;
const PROJECTED: u64 = 1;
const ATTRIBUTES: u64 = 2;
/// The version of elements that is written.
const ELEMENT_VERSION: u64 = 1;
/// More levels than any server makes.
const MOST_LEVELS: u64 = 256;
/// Most numbers that an element is read ahead for.
const FIRST_CAPACITY: u64 = 1024;

fn number<R: Read>(input: &mut Input<R>) -> Result<u64> {
    match input.length()? {
        NUMBER => input.length(),
        _ => input.corrupt("number of a vector set"),
    }
}

fn string<R: Read>(input: &mut Input<R>) -> Result<Vec<u8>> {
    match input.length()? {
        STRING => input.string(),
        _ => input.corrupt("string of a vector set"),
    }
}

fn low_float(packed: u64) -> f32 {
    f32::from_bits(packed as u32)
}

fn high_float(packed: u64) -> f32 {
    f32::from_bits((packed >> 32) as u32)
}

/// Reads a vector set behind the module's id.
pub(crate) fn read<R: Read>(input: &mut Input<R>) -> Result<VectorSet> {
    let small = |number: u64, most: usize| usize::try_from(number).ok().filter(|number| *number <= most);
    let dim = number(input)?;
    let dim = input.check(small(dim, MOST_DIM), "size of vectors")?;
    let count = number(input)?;
    let form = number(input)?;
    let quant = input.check(Quant::from_number(form & 0xff), "form of vectors")?;
    let m = (form >> 8) as usize;
    let flags = number(input)?;
    let projection = if flags & PROJECTED != 0 { Some(projection(input, dim)?) } else { None };
    let mut parts = input.check(Parts::new(Shape { dim, quant, m, projection }), "shape of a vector set")?;
    for _ in 0..count {
        let node = element(input, (quant, dim), flags & ATTRIBUTES != 0)?;
        if !parts.push(node) {
            return input.corrupt("element of a vector set");
        }
    }
    if input.length()? != END {
        return input.corrupt("end of a vector set");
    }
    let set = input.check(parts.finish(), "links of a vector set")?;
    if set.is_empty() { input.fail(ErrorKind::Empty) } else { Ok(set) }
}

fn projection<R: Read>(input: &mut Input<R>, dim: usize) -> Result<Projection> {
    let from = number(input)? as usize;
    let matrix = string(input)?;
    let fits =
        from.checked_mul(dim).is_some_and(|elements| elements <= MOST_MATRIX && 4 * elements == matrix.len());
    if !fits {
        return input.corrupt("projection of a vector set");
    }
    let numbers = matrix.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    input.check(Projection::from_matrix(from, dim, numbers), "projection of a vector set")
}

fn element<R: Read>(
    input: &mut Input<R>,
    (quant, dim): (Quant, usize),
    attributes: bool,
) -> Result<LoadedNode> {
    let name = string(input)?;
    let attribute = if attributes { Some(string(input)?) } else { None };
    let raw = string(input)?;
    let count = number(input)?;
    let mut numbers = Vec::with_capacity(count.min(FIRST_CAPACITY) as usize);
    for _ in 0..count {
        numbers.push(number(input)?);
    }
    let node = links(&mut numbers.into_iter()).and_then(|(id, levels, packed)| {
        let vector = Encoded::from_raw(quant, dim, &raw, low_float(packed), high_float(packed))?;
        Some(LoadedNode { name, attribute, vector, id, levels })
    });
    input.check(node, "numbers of a vector set's element")
}

/// Id, levels, and the last number.
fn links(numbers: &mut impl Iterator<Item = u64>) -> Option<(u64, Vec<LoadedLevel>, u64)> {
    let id = numbers.next()?;
    let version_and_level = numbers.next()?;
    let (version, top) = (version_and_level >> 24, version_and_level & 0xff_ffff);
    if version > ELEMENT_VERSION || top >= MOST_LEVELS {
        return None;
    }
    let mut levels = Vec::new();
    for _ in 0..=top {
        let (count, most) = (numbers.next()?, numbers.next()?);
        if count > most {
            return None;
        }
        let to: Vec<u64> = numbers.by_ref().take(usize::try_from(count).ok()?).collect();
        if to.len() as u64 != count {
            return None;
        }
        let worst = if version == 0 { None } else { numbers.next().map(Some)? };
        levels.push((to, worst.map(|packed| (packed as u32, high_float(packed)))));
    }
    Some((id, levels, numbers.next()?))
}

/// Writes a vector set with the module's id.
pub(crate) fn write<S: Sink>(out: &mut Writer<S>, set: &VectorSet) {
    out.length(MODULE);
    let attributes = set.attribute_count() > 0;
    let flags =
        if set.projection().is_some() { PROJECTED } else { 0 } | if attributes { ATTRIBUTES } else { 0 };
    write_number(out, set.dim() as u64);
    write_number(out, set.len() as u64);
    write_number(out, (set.m() as u64) << 8 | set.quant().number());
    write_number(out, flags);
    if let Some(projection) = set.projection() {
        write_number(out, projection.input() as u64);
        out.length(STRING);
        // Row by row, for it may be larger than anything else in the file.
        out.length(4 * (projection.input() * set.dim()) as u64);
        projection.rows(set.dim()).for_each(|number| out.raw(&number.to_le_bytes()));
    }
    // The newest first, as Redis keeps them.
    for slot in set.slots().rev() {
        let element = set.element(slot);
        write_string(out, element.name);
        if attributes {
            write_string(out, element.attribute.unwrap_or_default());
        }
        write_string(out, &set.raw(slot));
        let levels = element.levels();
        let links: usize = levels.map(|links| links.len() + 3).sum();
        let top = element.levels().len() - 1;
        write_number(out, links as u64 + 3);
        write_number(out, element.id);
        write_number(out, ELEMENT_VERSION << 24 | top as u64);
        for (level, links) in element.levels().enumerate() {
            let most = if level == 0 { 2 * set.m() } else { set.m() };
            write_number(out, links.len() as u64);
            write_number(out, most.max(links.len()) as u64);
            links.iter().for_each(|other| write_number(out, set.element(*other).id));
            let (place, distance) = element.worst(level);
            write_number(out, u64::from(distance.to_bits()) << 32 | u64::from(place));
        }
        write_number(out, u64::from(element.range.to_bits()) << 32 | u64::from(element.norm.to_bits()));
    }
    out.length(END);
}

fn write_number<S: Sink>(out: &mut Writer<S>, number: u64) {
    out.length(NUMBER);
    out.length(number);
}

fn write_string<S: Sink>(out: &mut Writer<S>, text: &[u8]) {
    out.length(STRING);
    out.string(text);
}
