//! Places: sorted sets whose scores are geohashes. Only the commands live here, see [`ds::geohash`] and [`crate::zset`].

mod point;
mod query;
mod search;

use crate::row::{Extract, acl, flag::*, key::*};
use crate::table::CommandRow as Row;

const STORES: u16 = OW | UPDATE | VARIABLE_IN_VALKEY;

pub(crate) const ROWS: &[Row] = &[
    Row::new("geoadd", -5, WRITE | DENYOOM, acl::GEO, &[one(1, RW | UPDATE)], point::geoadd),
    Row::new("geodist", -4, READONLY, acl::GEO, &[one(1, RO | ACCESS)], point::geodist),
    Row::new("geohash", -2, READONLY, acl::GEO, &[one(1, RO | ACCESS)], point::geohash),
    Row::new("geopos", -2, READONLY, acl::GEO, &[one(1, RO | ACCESS)], point::geopos),
    Row::new(
        "georadius",
        -6,
        WRITE | DENYOOM,
        acl::GEO,
        &[one(1, RO | ACCESS), after("STORE", 6, STORES), after("STOREDIST", 6, STORES)],
        search::georadius,
    )
    .extract(Extract::GeoRadius { options: 6 }),
    Row::new("georadius_ro", -6, READONLY, acl::GEO, &[one(1, RO | ACCESS)], search::georadius_ro),
    Row::new(
        "georadiusbymember",
        -5,
        WRITE | DENYOOM,
        acl::GEO,
        &[one(1, RO | ACCESS), after("STORE", 5, STORES), after("STOREDIST", 5, STORES)],
        search::georadiusbymember,
    )
    .extract(Extract::GeoRadius { options: 5 }),
    Row::new(
        "georadiusbymember_ro",
        -5,
        READONLY,
        acl::GEO,
        &[one(1, RO | ACCESS)],
        search::georadiusbymember_ro,
    ),
    Row::new("geosearch", -7, READONLY, acl::GEO, &[one(1, RO | ACCESS)], search::geosearch),
    Row::new(
        "geosearchstore",
        -8,
        WRITE | DENYOOM,
        acl::GEO,
        &[one(1, OW | UPDATE), one(2, RO | ACCESS)],
        search::geosearchstore,
    ),
];
