//! VADD: adds an element, or gives it another vector.

use ds::entry::Value;
use ds::object::Object;
use ds::vector::{M_RANGE, MOST_MATRIX, Projection, Quant, Shape, VectorSet};
use resp::writer::Writer;

use super::vector::{INVALID, take, wrong_dim, wrong_input};
use super::{INVALID_EF, MOST_EF, find, update};
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{CommandError, Result, wrong_arity};

/// Candidates for the links of a new element.
const EF: usize = 200;
const M: usize = 16;

struct Add<'a> {
    reduce: Option<usize>,
    vector: Vec<f32>,
    name: &'a [u8],
    quant: Quant,
    ef: usize,
    m: usize,
    attribute: Option<&'a [u8]>,
}

impl<'a> Add<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Add<'a>> {
        const OPTION: CommandError = CommandError::fixed("ERR invalid option after element");
        const INVALID_M: CommandError = CommandError::fixed("ERR invalid M");
        let mut args = Args::new(argv, 2);
        let reduce = if args.take_with("REDUCE", 1) {
            let dim = args.int().ok().and_then(|dim| usize::try_from(dim).ok());
            Some(dim.filter(|dim| *dim > 0).ok_or(INVALID)?)
        } else {
            None
        };
        let vector = take(&mut args)?;
        let good = |dim: &usize| *dim <= vector.len() && *dim * vector.len() <= MOST_MATRIX;
        if !reduce.as_ref().is_none_or(good) {
            return Err(INVALID);
        }
        let name = args.arg().map_err(|_| wrong_arity("VADD"))?;
        let mut add = Add { reduce, vector, name, quant: Quant::Q8, ef: EF, m: M, attribute: None };
        while !args.is_empty() {
            if args.take("CAS") {
                // The search for candidates is not worth a thread of its own: other workers go on meanwhile.
            } else if args.take("NOQUANT") {
                add.quant = Quant::F32;
            } else if args.take("BIN") {
                add.quant = Quant::Bin;
            } else if args.take("Q8") {
                add.quant = Quant::Q8;
            } else if args.take_with("EF", 1) {
                let ef = args.int().ok().filter(|ef| (1..=MOST_EF).contains(ef));
                add.ef = ef.ok_or(INVALID_EF)? as usize;
            } else if args.take_with("M", 1) {
                let m = args.int().ok().and_then(|m| usize::try_from(m).ok());
                add.m = m.filter(|m| M_RANGE.contains(m)).ok_or(INVALID_M)?;
            } else if args.take_with("SETATTR", 1) {
                add.attribute = Some(args.arg()?);
            } else {
                return Err(OPTION);
            }
        }
        Ok(add)
    }

    /// Whether the element fits the set that is there.
    fn check(&self, set: &VectorSet) -> Result {
        const QUANT: CommandError =
            CommandError::fixed("ERR asked quantization mismatch with existing vector set");
        const LINKS: CommandError =
            CommandError::fixed("ERR asked M value mismatch with existing vector set");
        const PROJECTION: CommandError =
            CommandError::fixed("ERR cannot add projection to existing set without projection");
        if self.quant != set.quant() {
            return Err(QUANT);
        }
        if self.m != set.m() {
            return Err(LINKS);
        }
        let given = self.vector.len();
        match set.projection() {
            Some(_) if self.reduce != Some(set.dim()) => Err(wrong_dim(given, set)),
            Some(projection) if projection.input() != given => Err(wrong_input(given, projection.input())),
            None if set.dim() != given => Err(wrong_dim(given, set)),
            None if self.reduce.is_some() => Err(PROJECTION),
            _ => Ok(()),
        }
    }

    fn new_set(&self) -> VectorSet {
        VectorSet::new(Shape {
            dim: self.reduce.unwrap_or(self.vector.len()),
            quant: self.quant,
            m: self.m,
            projection: self.reduce.map(|_| Projection::new(self.vector.len())),
        })
    }

    /// Adds to a set that the element fits; answers whether it is new there.
    fn add_to(&self, set: &mut VectorSet, random: u64) -> bool {
        let projected = set.projection().map(|projection| projection.apply(&self.vector, set.dim()));
        let vector = projected.as_deref().unwrap_or(&self.vector);
        let (slot, new) = set.insert(self.name, vector, self.ef, random);
        if let Some(attribute) = self.attribute {
            // An empty attribute takes an old one away, and is one of a new element.
            set.set_attribute(slot, Some(attribute).filter(|text| new || !text.is_empty()));
        }
        new
    }
}

pub(super) fn vadd(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let add = Add::parse(argv)?;
    if let Some(set) = find(cx, key)? {
        add.check(set)?;
    }
    let random = cx.server.random();
    let new = match update(cx, key, |set| add.add_to(set, random))? {
        Some(new) => new,
        None => {
            let mut set = add.new_set();
            let new = add.add_to(&mut set, random);
            cx.put(key, Value::Object(Box::new(Object::Vectors(set))), None);
            new
        }
    };
    cx.changed(key);
    out.bool(new);
    Ok(())
}
