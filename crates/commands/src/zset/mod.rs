//! Sorted sets. [`view`] reads them, [`edit`] changes them; each other file holds a group of commands.

mod add;
mod combine;
pub(crate) mod edit;
mod pop;
mod random;
mod range;
mod read;
mod remove;
pub(crate) mod reply;
mod scan;
pub(crate) mod view;

pub(crate) use add::{Options as AddOptions, Pairs, add};
pub(crate) use range::store;

use crate::row::{acl, flag::*, key::*};
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        "bzmpop",
        -5,
        WRITE | BLOCKING,
        acl::SORTEDSET,
        &[counted(2, RW | ACCESS | DELETE)],
        pop::bzmpop,
    ),
    Row::new(
        "bzpopmax",
        -3,
        WRITE | BLOCKING | FAST,
        acl::SORTEDSET,
        &[range(1, -2, 1, RW | ACCESS | DELETE)],
        pop::bzpopmax,
    ),
    Row::new(
        "bzpopmin",
        -3,
        WRITE | BLOCKING | FAST,
        acl::SORTEDSET,
        &[range(1, -2, 1, RW | ACCESS | DELETE)],
        pop::bzpopmin,
    ),
    Row::new("zadd", -4, WRITE | DENYOOM | FAST, acl::SORTEDSET, &[one(1, RW | UPDATE)], add::zadd),
    Row::new("zcard", 2, READONLY | FAST, acl::SORTEDSET, &[one(1, RO)], read::zcard),
    Row::new("zcount", 4, READONLY | FAST, acl::SORTEDSET, &[one(1, RO | ACCESS)], read::zcount),
    Row::new("zdiff", -3, READONLY, acl::SORTEDSET, &[counted(1, RO | ACCESS)], combine::zdiff),
    Row::new(
        "zdiffstore",
        -4,
        WRITE | DENYOOM,
        acl::SORTEDSET,
        &[one(1, OW | UPDATE), counted(2, RO | ACCESS)],
        combine::zdiffstore,
    ),
    Row::new(
        "zincrby",
        4,
        WRITE | DENYOOM | FAST,
        acl::SORTEDSET,
        &[one(1, RW | ACCESS | UPDATE)],
        add::zincrby,
    ),
    Row::new("zinter", -3, READONLY, acl::SORTEDSET, &[counted(1, RO | ACCESS)], combine::zinter),
    Row::new("zintercard", -3, READONLY, acl::SORTEDSET, &[counted(1, RO | ACCESS)], combine::zintercard),
    Row::new(
        "zinterstore",
        -4,
        WRITE | DENYOOM,
        acl::SORTEDSET,
        &[one(1, OW | UPDATE), counted(2, RO | ACCESS)],
        combine::zinterstore,
    ),
    Row::new("zlexcount", 4, READONLY | FAST, acl::SORTEDSET, &[one(1, RO | ACCESS)], read::zlexcount),
    Row::new("zmpop", -4, WRITE, acl::SORTEDSET, &[counted(1, RW | ACCESS | DELETE)], pop::zmpop),
    Row::new("zmscore", -3, READONLY | FAST, acl::SORTEDSET, &[one(1, RO | ACCESS)], read::zmscore),
    Row::new("zpopmax", -2, WRITE | FAST, acl::SORTEDSET, &[one(1, RW | ACCESS | DELETE)], pop::zpopmax),
    Row::new("zpopmin", -2, WRITE | FAST, acl::SORTEDSET, &[one(1, RW | ACCESS | DELETE)], pop::zpopmin),
    Row::new("zrandmember", -2, READONLY, acl::SORTEDSET, &[one(1, RO | ACCESS)], random::zrandmember),
    Row::new("zrange", -4, READONLY, acl::SORTEDSET, &[one(1, RO | ACCESS)], range::zrange),
    Row::new("zrangebylex", -4, READONLY, acl::SORTEDSET, &[one(1, RO | ACCESS)], range::zrangebylex),
    Row::new("zrangebyscore", -4, READONLY, acl::SORTEDSET, &[one(1, RO | ACCESS)], range::zrangebyscore),
    Row::new(
        "zrangestore",
        -5,
        WRITE | DENYOOM,
        acl::SORTEDSET,
        &[one(1, OW | UPDATE), one(2, RO | ACCESS)],
        range::zrangestore,
    ),
    Row::new("zrank", -3, READONLY | FAST, acl::SORTEDSET, &[one(1, RO | ACCESS)], read::zrank),
    Row::new("zrem", -3, WRITE | FAST, acl::SORTEDSET, &[one(1, RW | DELETE)], remove::zrem),
    Row::new("zremrangebylex", 4, WRITE, acl::SORTEDSET, &[one(1, RW | DELETE)], remove::zremrangebylex),
    Row::new("zremrangebyrank", 4, WRITE, acl::SORTEDSET, &[one(1, RW | DELETE)], remove::zremrangebyrank),
    Row::new("zremrangebyscore", 4, WRITE, acl::SORTEDSET, &[one(1, RW | DELETE)], remove::zremrangebyscore),
    Row::new("zrevrange", -4, READONLY, acl::SORTEDSET, &[one(1, RO | ACCESS)], range::zrevrange),
    Row::new("zrevrangebylex", -4, READONLY, acl::SORTEDSET, &[one(1, RO | ACCESS)], range::zrevrangebylex),
    Row::new(
        "zrevrangebyscore",
        -4,
        READONLY,
        acl::SORTEDSET,
        &[one(1, RO | ACCESS)],
        range::zrevrangebyscore,
    ),
    Row::new("zrevrank", -3, READONLY | FAST, acl::SORTEDSET, &[one(1, RO | ACCESS)], read::zrevrank),
    Row::new("zscan", -3, READONLY, acl::SORTEDSET, &[one(1, RO | ACCESS)], scan::zscan),
    Row::new("zscore", 3, READONLY | FAST, acl::SORTEDSET, &[one(1, RO | ACCESS)], read::zscore),
    Row::new("zunion", -3, READONLY, acl::SORTEDSET, &[counted(1, RO | ACCESS)], combine::zunion),
    Row::new(
        "zunionstore",
        -4,
        WRITE | DENYOOM,
        acl::SORTEDSET,
        &[one(1, OW | UPDATE), counted(2, RO | ACCESS)],
        combine::zunionstore,
    ),
];
