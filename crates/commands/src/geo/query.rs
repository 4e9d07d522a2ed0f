//! The arguments of GEOSEARCH, GEOSEARCHSTORE and the GEORADIUS family, as one query.

use config::Family;
use ds::geohash::{Point, Search, Shape, polygon_centre};
use ds::num;

use super::point::{place, point, unit_m};
use crate::args::{Args, double};
use crate::error::{CommandError, Result, SYNTAX};
use crate::zset::view::View;

/// Which command asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Command {
    Radius { by_member: bool, may_store: bool },
    Search,
    SearchStore,
}

/// Order of the results.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    None,
    Ascending,
    Descending,
}

/// A parsed command.
pub(super) struct Query<'a> {
    /// None if the key, and with it the member at the centre, is absent.
    pub(super) search: Option<Search>,
    /// Metres of the unit in which distances are given.
    pub(super) unit_m: f64,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_coordinates: bool,
    pub(super) order: Order,
    /// Most results.
    pub(super) count: Option<usize>,
    /// Whether the first results found are as good as the nearest.
    pub(super) any: bool,
    /// Where results are stored instead of replied.
    pub(super) store: Option<&'a [u8]>,
    /// Whether distances are stored as scores.
    pub(super) store_distances: bool,
}

/// The centre as far as it is known while options are read.
enum Centre {
    Missing,
    /// A member of a key that is absent.
    Nowhere,
    At(Point),
}

/// Numeric argument with an error of its own; not negative.
fn size(arg: &[u8], numeric: &'static str, negative: &'static str, family: Family) -> Result<f64> {
    let size = double(arg, family).ok_or(CommandError::fixed(numeric))?;
    if size < 0.0 { Err(CommandError::fixed(negative)) } else { Ok(size) }
}

fn radius(args: &mut Args<'_>, family: Family) -> Result<(Shape, f64)> {
    let radius = size(args.arg()?, "ERR need numeric radius", "ERR radius cannot be negative", family)?;
    let unit_m = unit_m(args.arg()?)?;
    Ok((Shape::Circle { radius_m: radius * unit_m }, unit_m))
}

fn rectangle(args: &mut Args<'_>, family: Family) -> Result<(Shape, f64)> {
    const NEGATIVE: &str = "ERR height or width cannot be negative";
    let (width, height) = (args.arg()?, args.arg()?);
    let numeric = |arg, error| double(arg, family).ok_or(CommandError::fixed(error));
    let (width, height) =
        (numeric(width, "ERR need numeric width")?, numeric(height, "ERR need numeric height")?);
    if width < 0.0 || height < 0.0 {
        return Err(CommandError::fixed(NEGATIVE));
    }
    let unit_m = unit_m(args.arg()?)?;
    Ok((Shape::Box { width_m: width * unit_m, height_m: height * unit_m }, unit_m))
}

fn polygon(args: &mut Args<'_>, family: Family) -> Result<Shape> {
    let corners = num::parse_i64(args.arg()?).filter(|corners| i32::try_from(*corners).is_ok());
    let corners = corners.ok_or(CommandError::fixed("ERR invalid number of vertices"))?;
    let corners = usize::try_from(corners).ok().filter(|&corners| corners >= 3 && corners <= args.left() / 2);
    let Some(corners) = corners else {
        return Err(CommandError::fixed("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"));
    };
    let given = args.slice(2 * corners)?;
    let corners = given.chunks_exact(2).map(|pair| point(pair[0], pair[1], family)).collect::<Result<_>>()?;
    Ok(Shape::Polygon(corners))
}

/// The place of a member that must be there, if the key is.
fn centre_at(view: Option<View<'_>>, member: &[u8], family: Family) -> Result<Centre> {
    let Some(view) = view else { return Ok(Centre::Nowhere) };
    match (place(view, member), family) {
        (Some(point), _) => Ok(Centre::At(point)),
        (None, Family::Redis) => Err(CommandError::fixed("ERR could not decode requested zset member")),
        (None, Family::Valkey) => Err(CommandError::new(
            [b"ERR member ".as_slice(), member, b" does not exist".as_slice()].concat(),
        )),
    }
}

/// What is being read.
struct Reader<'a> {
    command: Command,
    family: Family,
    query: Query<'a>,
    centre: Centre,
    shape: Option<Shape>,
}

/// Parses all arguments; `at` is the first behind the key. The key's value gives the place of a member.
pub(super) fn parse<'a>(
    command: Command,
    argv: &'a [&'a [u8]],
    at: usize,
    view: Option<View<'_>>,
    family: Family,
) -> Result<Query<'a>> {
    let mut args = Args::new(argv, at);
    let query = Query {
        search: None,
        unit_m: 1.0,
        with_distance: false,
        with_hash: false,
        with_coordinates: false,
        order: Order::None,
        count: None,
        any: false,
        store: (command == Command::SearchStore).then(|| argv[1]),
        store_distances: false,
    };
    let mut reader = Reader { command, family, query, centre: Centre::Missing, shape: None };
    if let Command::Radius { by_member, .. } = command {
        reader.centre = if by_member {
            centre_at(view, args.arg()?, family)?
        } else {
            Centre::At(point(args.arg()?, args.arg()?, family)?)
        };
        if matches!(reader.centre, Centre::Nowhere) {
            // The peers do not read the radius of a search that can find nothing.
            args.slice(2)?;
            reader.shape = Some(Shape::Circle { radius_m: 0.0 });
        } else {
            let (shape, unit_m) = radius(&mut args, family)?;
            (reader.shape, reader.query.unit_m) = (Some(shape), unit_m);
        }
    }
    while !args.is_empty() {
        if !reader.output_option(&mut args)?
            && !reader.store_option(&mut args)?
            && !reader.area_option(&mut args, view)?
        {
            return Err(SYNTAX);
        }
    }
    reader.finish()
}

impl<'a> Reader<'a> {
    /// WITHDIST, WITHHASH, WITHCOORD, ANY, ASC, DESC, COUNT.
    fn output_option(&mut self, args: &mut Args<'a>) -> Result<bool> {
        let query = &mut self.query;
        if args.take("WITHDIST") {
            query.with_distance = true;
        } else if args.take("WITHHASH") {
            query.with_hash = true;
        } else if args.take("WITHCOORD") {
            query.with_coordinates = true;
        } else if args.take("ANY") {
            query.any = true;
        } else if args.take("ASC") {
            query.order = Order::Ascending;
        } else if args.take("DESC") {
            query.order = Order::Descending;
        } else if args.take_with("COUNT", 1) {
            let count = usize::try_from(args.int()?).ok().filter(|&count| count > 0);
            query.count = Some(count.ok_or(CommandError::fixed("ERR COUNT must be > 0"))?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// STORE and STOREDIST, with a key in the GEORADIUS family, a flag in GEOSEARCHSTORE.
    fn store_option(&mut self, args: &mut Args<'a>) -> Result<bool> {
        match self.command {
            Command::Radius { may_store: true, .. } => {
                let distances = args.take_with("STOREDIST", 1);
                if !distances && !args.take_with("STORE", 1) {
                    return Ok(false);
                }
                self.query.store = Some(args.arg()?);
                self.query.store_distances = distances;
                Ok(true)
            }
            Command::SearchStore if args.take("STOREDIST") => {
                self.query.store_distances = true;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// FROMMEMBER, FROMLONLAT, BYRADIUS, BYBOX, BYPOLYGON. A polygon has its own centre.
    fn area_option(&mut self, args: &mut Args<'a>, view: Option<View<'_>>) -> Result<bool> {
        if matches!(self.command, Command::Radius { .. }) {
            return Ok(false);
        }
        let free = matches!(self.centre, Centre::Missing) && !matches!(self.shape, Some(Shape::Polygon(_)));
        if free && args.take_with("FROMMEMBER", 1) {
            self.centre = centre_at(view, args.arg()?, self.family)?;
        } else if free && args.take_with("FROMLONLAT", 2) {
            self.centre = Centre::At(point(args.arg()?, args.arg()?, self.family)?);
        } else if matches!(self.centre, Centre::Missing)
            && matches!(self.shape, None | Some(Shape::Polygon(_)))
            && args.take_with("BYPOLYGON", 1)
        {
            self.shape = Some(polygon(args, self.family)?);
        } else if self.shape.is_some() {
            return Ok(false);
        } else if args.take_with("BYRADIUS", 2) {
            let (shape, unit_m) = radius(args, self.family)?;
            (self.shape, self.query.unit_m) = (Some(shape), unit_m);
        } else if args.take_with("BYBOX", 3) {
            let (shape, unit_m) = rectangle(args, self.family)?;
            (self.shape, self.query.unit_m) = (Some(shape), unit_m);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Checks what options demand of each other.
    fn finish(self) -> Result<Query<'a>> {
        let Reader { command, mut query, centre, shape, .. } = self;
        if query.store.is_some() && (query.with_distance || query.with_hash || query.with_coordinates) {
            let what =
                if command == Command::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(CommandError::new(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let name = if command == Command::SearchStore { "geosearchstore" } else { "geosearch" };
        let exactly_one =
            |of: &str| CommandError::new(format!("ERR exactly one of {of} can be specified for {name}"));
        let centre = match (centre, &shape) {
            (_, Some(Shape::Polygon(corners))) => Centre::At(polygon_centre(corners)),
            (Centre::Missing, _) => return Err(exactly_one("FROMMEMBER or FROMLONLAT")),
            (centre, _) => centre,
        };
        let shape = shape.ok_or_else(|| exactly_one("BYRADIUS, BYBOX and BYPOLYGON"))?;
        if query.any && query.count.is_none() {
            return Err(CommandError::fixed("ERR the ANY argument requires COUNT argument"));
        }
        // The nearest come first when only some are wanted.
        if query.count.is_some() && query.order == Order::None && !query.any {
            query.order = Order::Ascending;
        }
        if let Centre::At(centre) = centre {
            query.search = Some(Search { centre, shape });
        }
        Ok(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a Valkey 9.1.2 answers to these arguments behind `GEOSEARCH key`, for a key that is absent.
    #[test]
    fn arguments_and_their_errors() {
        for (line, expected) in [
            ("FROMLONLAT 15 37 BYRADIUS 1 km", ""),
            ("FROMMEMBER a BYBOX 1 2 ft DESC COUNT 3 ANY", ""),
            ("BYPOLYGON 3 1 1 2 2 3 1", ""),
            ("BYPOLYGON 3 1 1 2 2 3 1 BYPOLYGON 3 1 1 2 2 3 1", ""),
            (
                "FROMLONLAT 15 37 ASC COUNT 1",
                "ERR exactly one of BYRADIUS, BYBOX and BYPOLYGON can be specified for geosearch",
            ),
            (
                "BYRADIUS 200 km ASC DESC",
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geosearch",
            ),
            ("FROMMEMBER a FROMLONLAT 1 2 BYRADIUS 1 km", "ERR syntax error"),
            ("FROMLONLAT 1 2 BYRADIUS 1 km BYBOX 1 1 km", "ERR syntax error"),
            ("FROMLONLAT 1 2 BYPOLYGON 3 1 1 2 2 3 1", "ERR syntax error"),
            ("FROMLONLAT 1 2 BYRADIUS -1 foo", "ERR radius cannot be negative"),
            ("FROMLONLAT 1 2 BYRADIUS x km", "ERR need numeric radius"),
            ("FROMLONLAT 1 2 BYBOX 1 -1 foo", "ERR height or width cannot be negative"),
            ("FROMLONLAT 1 2 BYBOX x 1 km", "ERR need numeric width"),
            ("FROMLONLAT 1 2 BYBOX 1 x km", "ERR need numeric height"),
            ("FROMLONLAT 1 2 BYRADIUS 1 km COUNT 0", "ERR COUNT must be > 0"),
            ("FROMLONLAT 1 2 BYRADIUS 1 km ANY", "ERR the ANY argument requires COUNT argument"),
            ("FROMLONLAT 1 2 BYRADIUS 1 km STORE d", "ERR syntax error"),
            ("BYPOLYGON 4 1 1 2 2 3 1", "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"),
            ("BYPOLYGON 9999999999999 1 1 2 2 3 1", "ERR invalid number of vertices"),
        ] {
            let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let error = parse(Command::Search, &argv, 0, None, Family::Redis)
                .err()
                .map_or(Vec::new(), |error| error.0.to_vec());
            assert_eq!(String::from_utf8_lossy(&error), expected, "{line}");
        }
    }
}
