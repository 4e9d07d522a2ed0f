//! Geohashes as the scores of sorted sets: 26 bits of longitude and 26 of latitude, interleaved.
//!
//! The formulas, constants and the order of the searched areas are those of Redis, because members that are not
//! sorted come back in the order of the areas, and distances are compared and printed to the last digit. A search covers the
//! cell of its centre and that cell's eight neighbours, at the deepest step at which nine cells cover the shape.
//! Called by the GEO commands.

const LONGITUDE: (f64, f64) = (-180.0, 180.0);
/// Latitudes of the Web Mercator projection.
const LATITUDE: (f64, f64) = (-85.051_128_78, 85.051_128_78);
const STEPS: u32 = 26;
const EARTH_RADIUS_M: f64 = 6_372_797.560_856;
/// Half of the circumference in the Mercator projection, metres.
const MERCATOR_MAX_M: f64 = 20_037_726.37;

/// A place in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub longitude: f64,
    pub latitude: f64,
}

/// What a search covers, around its centre.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// All within this distance.
    Circle { radius_m: f64 },
    /// A box along the axes.
    Box { width_m: f64, height_m: f64 },
    /// A polygon of three or more corners; the centre is [`polygon_centre`].
    Polygon(Vec<Point>),
}

/// A search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    pub centre: Point,
    pub shape: Shape,
}

/// A cell of the grid: its column and row, and how many steps deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    longitude: u32,
    latitude: u32,
    step: u32,
}

/// A rectangle in degrees.
#[derive(Clone, Copy, Debug)]
struct Rect {
    min: Point,
    max: Point,
}

impl Point {
    /// A point; None outside of the ranges that can be stored.
    pub fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let inside =
            (LONGITUDE.0..=LONGITUDE.1).contains(&longitude) && (LATITUDE.0..=LATITUDE.1).contains(&latitude);
        inside.then_some(Self { longitude, latitude })
    }

    /// The score of the point's cell: 52 bits.
    pub fn to_score(self) -> u64 {
        Cell::of(self, STEPS, LATITUDE).bits()
    }

    /// The middle of the cell with this score. Scores that are no cell's have a place too: see [`cell_bits`].
    pub fn from_score(score: f64) -> Self {
        let score = cell_bits(score);
        let rect = Cell { longitude: gather(score >> 1), latitude: gather(score), step: STEPS }.rect();
        Self {
            longitude: ((rect.min.longitude + rect.max.longitude) / 2.0).clamp(LONGITUDE.0, LONGITUDE.1),
            latitude: ((rect.min.latitude + rect.max.latitude) / 2.0).clamp(LATITUDE.0, LATITUDE.1),
        }
    }

    /// The standard geohash text, whose latitudes reach the poles. Its last character stands for bits that are not kept.
    pub fn to_text(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::of(self, STEPS, (-90.0, 90.0)).bits();
        let mut text = [b'0'; 11];
        for (i, byte) in text.iter_mut().take(10).enumerate() {
            *byte = ALPHABET[(bits >> (52 - 5 * (i + 1))) as usize & 31];
        }
        text
    }

    /// Distance in metres on a sphere.
    pub fn distance_m(self, other: Point) -> f64 {
        Centre::new(self).distance_m(other)
    }
}

/// A point from which distances are measured, with what all of them need.
#[derive(Clone, Copy, Debug)]
struct Centre {
    point: Point,
    /// Radians.
    longitude: f64,
    latitude: f64,
    latitude_cos: f64,
}

impl Centre {
    fn new(point: Point) -> Centre {
        let latitude = point.latitude.to_radians_c();
        Centre { point, longitude: point.longitude.to_radians_c(), latitude, latitude_cos: latitude.cos() }
    }

    fn distance_m(&self, other: Point) -> f64 {
        let half_longitude = ((other.longitude.to_radians_c() - self.longitude) / 2.0).sin();
        if half_longitude == 0.0 {
            return latitude_distance_m(self.point.latitude, other.latitude);
        }
        let to = other.latitude.to_radians_c();
        let half_latitude = ((to - self.latitude) / 2.0).sin();
        let a =
            half_latitude * half_latitude + self.latitude_cos * to.cos() * half_longitude * half_longitude;
        2.0 * EARTH_RADIUS_M * a.sqrt().asin()
    }
}

fn latitude_distance_m(from: f64, to: f64) -> f64 {
    EARTH_RADIUS_M * (to.to_radians_c() - from.to_radians_c()).abs()
}

/// Degrees and radians with the roundings of the C expressions.
trait Degrees {
    fn to_radians_c(self) -> f64;
    fn to_degrees_c(self) -> f64;
}

impl Degrees for f64 {
    fn to_radians_c(self) -> f64 {
        self * (std::f64::consts::PI / 180.0)
    }

    fn to_degrees_c(self) -> f64 {
        self / (std::f64::consts::PI / 180.0)
    }
}

/// Appends a distance with four decimals.
pub fn format_distance(distance: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{distance:.4}").as_bytes());
}

/// Mean of the corners on the sphere.
pub fn polygon_centre(corners: &[Point]) -> Point {
    let count = corners.len().max(1) as f64;
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for corner in corners {
        let (longitude, latitude) = (corner.longitude.to_radians_c(), corner.latitude.to_radians_c());
        x += latitude.cos() * longitude.cos();
        y += latitude.cos() * longitude.sin();
        z += latitude.sin();
    }
    (x, y, z) = (x / count, y / count, z / count);
    let latitude = z.atan2((x * x + y * y).sqrt());
    Point { longitude: y.atan2(x).to_degrees_c(), latitude: latitude.to_degrees_c() }
}

impl Cell {
    fn of(point: Point, step: u32, latitudes: (f64, f64)) -> Self {
        let index =
            |value: f64, (min, max): (f64, f64)| ((value - min) / (max - min) * (1u64 << step) as f64) as u32;
        Self {
            longitude: index(point.longitude, LONGITUDE),
            latitude: index(point.latitude, latitudes),
            step,
        }
    }

    /// The bits of row and column in turns.
    fn bits(self) -> u64 {
        spread(self.latitude) | spread(self.longitude) << 1
    }

    fn rect(self) -> Rect {
        let corner = |longitude: u32, latitude: u32| {
            let at = |index: u32, (min, max): (f64, f64)| {
                min + f64::from(index) / (1u64 << self.step) as f64 * (max - min)
            };
            Point { longitude: at(longitude, LONGITUDE), latitude: at(latitude, LATITUDE) }
        };
        Rect {
            min: corner(self.longitude, self.latitude),
            // Indices beyond the grid come from scores that are no cell's.
            max: corner(self.longitude.wrapping_add(1), self.latitude.wrapping_add(1)),
        }
    }

    /// The cell some columns to the east and rows to the north, around the edges of the grid.
    fn shifted(self, east: i32, north: i32) -> Self {
        let mask = ((1u64 << self.step) - 1) as u32;
        // Points on the eastern and northern edges of the map have an index beyond the grid; it stays as it is.
        let moved = |index: u32, by: i32| if by == 0 { index } else { index.wrapping_add_signed(by) & mask };
        Self { longitude: moved(self.longitude, east), latitude: moved(self.latitude, north), ..self }
    }

    /// Scores `from..to` of the points in the cell.
    fn scores(self) -> (u64, u64) {
        let shift = 2 * (STEPS - self.step);
        let bits = self.bits();
        (bits << shift, (bits + 1) << shift)
    }
}

/// The bits of a score as the peers have them on x86-64, where a sorted set that is no map is searched like one: negative
/// numbers in two's complement, and the lowest integer for what is beyond the range.
fn cell_bits(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    let signed = |value: f64| if (-HALF..HALF).contains(&value) { value as i64 } else { i64::MIN };
    if score < HALF { signed(score) as u64 } else { signed(score - HALF) as u64 ^ 1 << 63 }
}

/// Moves the bits of `value` to the even positions.
fn spread(value: u32) -> u64 {
    [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ]
    .into_iter()
    .fold(u64::from(value), |bits, (shift, mask): (u32, u64)| (bits | bits << shift) & mask)
}

/// The bits at the even positions.
fn gather(bits: u64) -> u32 {
    [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ]
    .into_iter()
    .fold(bits & 0x5555_5555_5555_5555, |bits, (shift, mask): (u32, u64)| (bits | bits >> shift) & mask)
        as u32
}

/// The step at which cells are about as large as the radius.
fn step_for(radius_m: f64, latitude: f64) -> u32 {
    if radius_m == 0.0 {
        return STEPS;
    }
    let mut step = 1i32;
    let mut range = radius_m;
    while range < MERCATOR_MAX_M {
        range *= 2.0;
        step += 1;
    }
    // One step up, so that the neighbours surely cover what the centre's cell does not; near the poles cells are narrow.
    step -= 2;
    let polar = latitude.abs();
    step -= i32::from(polar > 66.0) + i32::from(polar > 80.0);
    step.clamp(1, STEPS as i32) as u32
}

impl Search {
    /// Half extents of a rectangle that holds the shape, metres: width and height.
    fn extents_m(&self) -> (f64, f64) {
        match &self.shape {
            Shape::Circle { radius_m } => (*radius_m, *radius_m),
            Shape::Box { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
            Shape::Polygon(corners) => {
                let reach = corners.iter().map(|p| self.centre.distance_m(*p)).fold(0.0, f64::max);
                (reach, reach)
            }
        }
    }

    /// The rectangle around the shape, degrees.
    fn bounds(&self) -> Rect {
        let Point { longitude, latitude } = self.centre;
        let (half_width, half_height) = self.extents_m();
        let north = (half_height / EARTH_RADIUS_M).to_degrees_c();
        let east_at =
            |latitude: f64| (half_width / EARTH_RADIUS_M / latitude.to_radians_c().cos()).to_degrees_c();
        let east = if latitude < 0.0 { east_at(latitude - north) } else { east_at(latitude + north) };
        Rect {
            min: Point { longitude: longitude - east, latitude: latitude - north },
            max: Point { longitude: longitude + east, latitude: latitude + north },
        }
    }

    /// Ranges `from..to` of scores that hold all members of the shape, in the order in which they are searched.
    pub fn score_ranges(&self) -> Vec<(u64, u64)> {
        let bounds = self.bounds();
        let radius_m = match &self.shape {
            Shape::Circle { .. } | Shape::Polygon(_) => self.extents_m().0,
            Shape::Box { .. } => {
                let (width, height) = self.extents_m();
                (width * width + height * height).sqrt()
            }
        };
        let mut step = step_for(radius_m, self.centre.latitude);
        let mut cell = Cell::of(self.centre, step, LATITUDE);
        let reach = |east, north| cell.shifted(east, north).rect();
        let too_small = reach(0, 1).max.latitude < bounds.max.latitude
            || reach(0, -1).min.latitude > bounds.min.latitude
            || reach(1, 0).max.longitude < bounds.max.longitude
            || reach(-1, 0).min.longitude > bounds.min.longitude;
        if step > 1 && too_small {
            step -= 1;
            cell = Cell::of(self.centre, step, LATITUDE);
        }
        let own = cell.rect();
        // A side that the centre's own cell reaches beyond needs no neighbour.
        let skip = |east: i32, north: i32| {
            step >= 2
                && (north < 0 && own.min.latitude < bounds.min.latitude
                    || north > 0 && own.max.latitude > bounds.max.latitude
                    || east < 0 && own.min.longitude < bounds.min.longitude
                    || east > 0 && own.max.longitude > bounds.max.longitude)
        };
        const ORDER: [(i32, i32); 9] =
            [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let mut ranges: Vec<(u64, u64)> = Vec::with_capacity(ORDER.len());
        for (east, north) in ORDER {
            if skip(east, north) {
                continue;
            }
            let range = cell.shifted(east, north).scores();
            // In a coarse grid neighbours coincide.
            if !ranges.contains(&range) {
                ranges.push(range);
            }
        }
        ranges
    }

    /// Makes what finding out about many points needs.
    pub fn prepare(&self) -> Inside<'_> {
        Inside { shape: &self.shape, centre: Centre::new(self.centre) }
    }
}

/// A search that is ready to be asked about points.
pub struct Inside<'a> {
    shape: &'a Shape,
    centre: Centre,
}

impl Inside<'_> {
    /// Distance of a point from the centre in metres, if the point lies in the shape.
    pub fn distance_m(&self, point: Point) -> Option<f64> {
        let centre = self.centre.point;
        let north_m = latitude_distance_m(point.latitude, centre.latitude);
        match self.shape {
            Shape::Circle { radius_m } => {
                // No distance is shorter than that along the meridian, but for the roundings.
                if north_m > radius_m * 1.000_001 + 0.001 {
                    return None;
                }
                let distance = self.centre.distance_m(point);
                (distance <= *radius_m).then_some(distance)
            }
            Shape::Box { width_m, height_m } => {
                if north_m > height_m / 2.0 {
                    return None;
                }
                let level = Point { longitude: centre.longitude, latitude: point.latitude };
                (point.distance_m(level) <= width_m / 2.0).then(|| self.centre.distance_m(point))
            }
            Shape::Polygon(corners) => is_inside(corners, point).then(|| self.centre.distance_m(point)),
        }
    }
}

/// Whether a ray from the point to the east crosses the outline an odd number of times.
fn is_inside(corners: &[Point], point: Point) -> bool {
    let Some(mut before) = corners.last() else { return false };
    let mut inside = false;
    for corner in corners {
        let crosses = (corner.latitude > point.latitude) != (before.latitude > point.latitude);
        if crosses {
            let slope = (before.longitude - corner.longitude) / (before.latitude - corner.latitude);
            inside ^= point.longitude < corner.longitude + slope * (point.latitude - corner.latitude);
        }
        before = corner;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::format_f64;
    use proptest::prelude::*;

    fn point(longitude: f64, latitude: f64) -> Point {
        Point::new(longitude, latitude).expect("in range")
    }

    fn stored(longitude: f64, latitude: f64) -> Point {
        Point::from_score(point(longitude, latitude).to_score() as f64)
    }

    /// GEOPOS, GEOHASH and ZSCORE of a Redis 8.6.3.
    #[test]
    fn points_of_a_real_server() {
        for (longitude, latitude, position, text, score) in [
            (
                13.361389,
                38.115556,
                "13.361389338970184 38.1155563954963",
                "sqc8b49rny0",
                3_479_099_956_230_698,
            ),
            (0.0, 0.0, "2.682209014892578e-6 1.2673605809254695e-6", "s0000000000", 3_377_699_720_527_872),
            (-180.0, -85.05112878, "-179.99999731779099 -85.05112751263943", "00bh0hbj200", 0),
            (180.0, 85.05112878, "180 85.05112878", "bp05b5048p0", 13_510_798_882_111_488),
        ] {
            let point = point(longitude, latitude);
            assert_eq!(point.to_score(), score);
            let stored = Point::from_score(score as f64);
            let mut out = Vec::new();
            format_f64(stored.longitude, &mut out);
            out.push(b' ');
            format_f64(stored.latitude, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), position);
            assert_eq!(String::from_utf8_lossy(&stored.to_text()), text);
        }
        assert_eq!(Point::new(180.1, 0.0), None);
        assert_eq!(Point::new(0.0, 85.06), None);
        assert_eq!(Point::new(f64::NAN, 0.0), None);
    }

    /// GEODIST and GEORADIUS of a Redis 8.6.3, GEOSEARCH BYPOLYGON of a Valkey 9.1.2.
    #[test]
    fn distances_of_a_real_server() {
        let (palermo, catania) = (stored(13.361389, 38.115556), stored(15.087269, 37.502669));
        let text = |distance: f64| {
            let mut out = Vec::new();
            format_distance(distance, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(text(palermo.distance_m(catania)), "166274.1516");
        assert_eq!(text(palermo.distance_m(catania) / 1000.0), "166.2742");
        assert_eq!(text(palermo.distance_m(palermo)), "0.0000");
        let search = Search { centre: point(15.0, 37.0), shape: Shape::Circle { radius_m: 200_000.0 } };
        let found = [palermo, catania].map(|p| search.prepare().distance_m(p).map(|d| text(d / 1000.0)));
        assert_eq!(found, [Some("190.4424".into()), Some("56.4413".into())]);
        let corners = vec![point(12.0, 36.0), point(16.0, 36.0), point(16.0, 39.0)];
        let search = Search { centre: polygon_centre(&corners), shape: Shape::Polygon(corners) };
        assert_eq!(search.prepare().distance_m(palermo), None);
        assert_eq!(search.prepare().distance_m(catania).map(text).as_deref(), Some("66688.5283"));
    }

    fn place() -> impl Strategy<Value = Point> {
        prop_oneof![
            (-180.0..180.0, -85.0..85.0),
            (179.9..180.0, -85.0..85.0),
            (-180.0..-179.9, 84.9..85.0),
            (-180.0..180.0, 80.0..85.0),
        ]
        .prop_map(|(longitude, latitude): (f64, f64)| Point { longitude, latitude })
    }

    proptest! {
        #[test]
        fn scores_keep_places(place in place()) {
            let stored = Point::from_score(place.to_score() as f64);
            prop_assert!(place.distance_m(stored) < 0.6);
            prop_assert_eq!(stored.to_score(), place.to_score());
        }

        /// The ranges hold every point of a circle that crosses neither the poles nor the date line.
        #[test]
        fn ranges_cover_the_circle(
            centre in (-120.0..120.0, -60.0..60.0),
            exponent in 0.0..5.5f64,
            angle in 0.0..std::f64::consts::TAU,
            part in 0.0..1.0f64,
        ) {
            let centre = point(centre.0, centre.1);
            let radius_m = 10f64.powf(exponent);
            let search = Search { centre, shape: Shape::Circle { radius_m } };
            let north = (radius_m * part * angle.sin() / EARTH_RADIUS_M).to_degrees_c();
            let east = (radius_m * part * angle.cos() / EARTH_RADIUS_M).to_degrees_c() / centre.latitude.to_radians_c().cos();
            let place = point(centre.longitude + east, centre.latitude + north);
            let score = place.to_score();
            if search.prepare().distance_m(Point::from_score(score as f64)).is_some() {
                prop_assert!(search.score_ranges().iter().any(|(from, to)| (*from..*to).contains(&score)));
            }
        }

        /// Whatever a client asks for, there are at most nine ranges, all within 52 bits.
        #[test]
        fn ranges_are_sane(centre in place(), width_m in 0.0..1e9f64, height_m in 0.0..1e9f64) {
            for shape in [Shape::Box { width_m, height_m }, Shape::Circle { radius_m: width_m }] {
                let ranges = Search { centre, shape }.score_ranges();
                prop_assert!((1..=9).contains(&ranges.len()));
                prop_assert!(ranges.iter().all(|(from, to)| from < to && *to <= 1 << 52));
            }
        }
    }
}
