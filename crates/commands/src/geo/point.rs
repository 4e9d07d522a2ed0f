//! GEOADD, and what asks for single members: GEOPOS, GEOHASH, GEODIST.

use config::Family;
use ds::geohash::{Point, format_distance};
use ds::num;
use resp::writer::Writer;

use crate::args::{Args, float};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::zset::view::{View, find};
use crate::zset::{AddOptions, Pairs, add};

/// Metres of a unit's name, in any case.
pub(super) fn unit_m(name: &[u8]) -> Result<f64> {
    [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)]
        .into_iter()
        .find(|(unit, _)| name.eq_ignore_ascii_case(unit.as_bytes()))
        .map(|(_, metres)| metres)
        .ok_or(CommandError::fixed("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// A longitude and a latitude.
pub(super) fn point(longitude: &[u8], latitude: &[u8], family: Family) -> Result<Point> {
    let (longitude, latitude) = (float(longitude, family)?, float(latitude, family)?);
    Point::new(longitude, latitude).ok_or_else(|| {
        CommandError::new(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
    })
}

/// The place of a member.
pub(super) fn place(view: View<'_>, name: &[u8]) -> Option<Point> {
    view.score(name).map(Point::from_score)
}

/// Degrees as the peers print them, which reads as the same number: Redis 8 in the shortest way, Valkey (and Redis up to
/// 7) with up to 17 decimals.
fn coordinate(degrees: f64, family: Family) -> String {
    if family == Family::Redis {
        let mut text = Vec::with_capacity(24);
        num::format_f64(degrees, &mut text);
        return String::from_utf8_lossy(&text).into_owned();
    }
    let text = format!("{degrees:.17}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A place as an array of two doubles.
pub(super) fn reply_point(point: Point, family: Family, out: &mut Writer) {
    out.array(2);
    for degrees in [point.longitude, point.latitude] {
        out.double(coordinate(degrees, family).as_bytes());
    }
}

/// A distance with four decimals, a string in both protocols.
pub(super) fn reply_distance(distance: f64, out: &mut Writer) {
    let mut text = Vec::with_capacity(24);
    format_distance(distance, &mut text);
    out.bulk(&text);
}

pub(super) fn geoadd(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut args = Args::new(argv, 2);
    let mut options = AddOptions::default();
    loop {
        if args.take("NX") {
            options.absent = true;
        } else if args.take("XX") {
            options.present = true;
        } else if args.take("CH") {
            options.changed = true;
        } else {
            break;
        }
    }
    let rest = args.rest();
    if rest.is_empty() || !rest.len().is_multiple_of(3) || options.absent && options.present {
        return Err(SYNTAX);
    }
    let mut pairs = Pairs::new();
    for triple in rest.chunks_exact(3) {
        pairs.push((point(triple[0], triple[1], cx.family())?.to_score() as f64, triple[2]));
    }
    let outcome = add(cx, argv[1], options, &pairs)?;
    if outcome.added + outcome.updated > 0 {
        propagate(cx, argv[1], options, &pairs);
    }
    out.int((outcome.added + if options.changed { outcome.updated } else { 0 }) as i64);
    Ok(())
}

/// The journal gets scores: a replica need not compute them as we do.
fn propagate(cx: &mut Cx<'_>, key: &[u8], options: AddOptions, pairs: &[(f64, &[u8])]) {
    if !cx.server.journal.is_recording() {
        return;
    }
    let mut argv: Vec<Vec<u8>> = vec![b"ZADD".to_vec(), key.to_vec()];
    for (given, word) in [(options.absent, b"NX"), (options.present, b"XX"), (options.changed, b"CH")] {
        if given {
            argv.push(word.to_vec());
        }
    }
    for (score, name) in pairs {
        argv.push((*score as u64).to_string().into_bytes());
        argv.push(name.to_vec());
    }
    cx.propagate(&argv);
}

pub(super) fn geopos(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let family = cx.family();
    let view = find(cx, argv[1])?;
    out.array(argv.len() - 2);
    for name in &argv[2..] {
        match view.and_then(|view| place(view, name)) {
            Some(point) => reply_point(point, family, out),
            None => out.null_array(),
        }
    }
    Ok(())
}

pub(super) fn geohash(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let view = find(cx, argv[1])?;
    out.array(argv.len() - 2);
    for name in &argv[2..] {
        match view.and_then(|view| place(view, name)) {
            Some(point) => out.bulk(&point.to_text()),
            None => out.null(),
        }
    }
    Ok(())
}

pub(super) fn geodist(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let unit_m = match argv.get(4) {
        Some(_) if argv.len() > 5 => return Err(SYNTAX),
        Some(unit) => unit_m(unit)?,
        None => 1.0,
    };
    let ends = find(cx, argv[1])?.and_then(|view| Some((place(view, argv[2])?, place(view, argv[3])?)));
    match ends {
        Some((from, to)) => reply_distance(from.distance_m(to) / unit_m, out),
        None => out.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_of_both_families() {
        for (degrees, text) in [
            (13.361389338970184, "13.36138933897018433"),
            (38.1155563954963, "38.11555639549629859"),
            (180.0, "180"),
            (-0.5, "-0.5"),
            (-0.0, "0"),
            (1e-20, "0"),
            (-1e-20, "0"),
        ] {
            assert_eq!(coordinate(degrees, Family::Valkey), text, "{degrees}");
        }
        for (degrees, text) in
            [(13.361389338970184, "13.361389338970184"), (2.682209014892578e-6, "2.682209014892578e-6")]
        {
            assert_eq!(coordinate(degrees, Family::Redis), text);
        }
    }

    #[test]
    fn places_and_units_from_outside() {
        let error = |text: &'static str| Err(CommandError::fixed(text));
        assert_eq!(
            point(b"200", b"100", Family::Redis),
            error("ERR invalid longitude,latitude pair 200.000000,100.000000")
        );
        assert_eq!(point(b"x", b"100", Family::Redis), error("ERR value is not a valid float"));
        assert_eq!(unit_m(b"Km"), Ok(1000.0));
        assert!(unit_m(b"yd").is_err() && unit_m(b"").is_err());
    }
}
