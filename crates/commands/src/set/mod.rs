//! Sets. [`view`] reads them, [`edit`] changes them; each other file holds a group of commands.

mod change;
mod combine;
pub(crate) mod edit;
mod load;
mod random;
mod read;
mod scan;
pub(crate) mod view;

pub(crate) use load::loaded;

use crate::row::{acl, flag::*, key::*};
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new("sadd", -3, WRITE | DENYOOM | FAST, acl::SET, &[one(1, RW | INSERT)], change::sadd),
    Row::new("scard", 2, READONLY | FAST, acl::SET, &[one(1, RO)], read::scard),
    Row::new("sdiff", -2, READONLY, acl::SET, &[range(1, -1, 1, RO | ACCESS)], combine::sdiff),
    Row::new(
        "sdiffstore",
        -3,
        WRITE | DENYOOM,
        acl::SET,
        &[one(1, OW | UPDATE), range(2, -1, 1, RO | ACCESS)],
        combine::sdiffstore,
    ),
    Row::new("sinter", -2, READONLY, acl::SET, &[range(1, -1, 1, RO | ACCESS)], combine::sinter),
    Row::new("sintercard", -3, READONLY, acl::SET, &[counted(1, RO | ACCESS)], combine::sintercard),
    Row::new(
        "sinterstore",
        -3,
        WRITE | DENYOOM,
        acl::SET,
        &[one(1, OW | UPDATE), range(2, -1, 1, RO | ACCESS)],
        combine::sinterstore,
    ),
    Row::new("sismember", 3, READONLY | FAST, acl::SET, &[one(1, RO)], read::sismember),
    Row::new("smembers", 2, READONLY, acl::SET, &[one(1, RO | ACCESS)], read::smembers),
    Row::new("smismember", -3, READONLY | FAST, acl::SET, &[one(1, RO | ACCESS)], read::smismember),
    Row::new(
        "smove",
        4,
        WRITE | FAST,
        acl::SET,
        &[one(1, RW | ACCESS | DELETE), one(2, RW | INSERT)],
        change::smove,
    ),
    Row::new("spop", -2, WRITE | FAST, acl::SET, &[one(1, RW | ACCESS | DELETE)], random::spop),
    Row::new("srandmember", -2, READONLY, acl::SET, &[one(1, RO | ACCESS)], random::srandmember),
    Row::new("srem", -3, WRITE | FAST, acl::SET, &[one(1, RW | DELETE)], change::srem),
    Row::new("sscan", -3, READONLY, acl::SET, &[one(1, RO | ACCESS)], scan::sscan),
    Row::new("sunion", -2, READONLY, acl::SET, &[range(1, -1, 1, RO | ACCESS)], combine::sunion),
    Row::new(
        "sunionstore",
        -3,
        WRITE | DENYOOM,
        acl::SET,
        &[one(1, OW | UPDATE), range(2, -1, 1, RO | ACCESS)],
        combine::sunionstore,
    ),
];
