//! Commands on keys of any type, and on whole databases.
//!
//! - [`delete`]: DEL, UNLINK, EXISTS, TOUCH, TYPE. - [`expire`]: setting, asking and removing expiries.
//! - [`moving`]: RENAME, COPY, MOVE. - [`walk`]: SCAN, KEYS, RANDOMKEY, DBSIZE. - [`flush`]: FLUSHDB, FLUSHALL, SWAPDB.
//! - [`object`]: OBJECT. - [`restore`]: DUMP and RESTORE.
//!
//! [`migrate`] is MIGRATE.

mod delete;
mod expire;
pub(crate) use expire::Condition;
pub(crate) use object::encoding_name;
mod flush;
pub mod migrate;
mod moving;
mod object;
mod restore;
mod walk;

use crate::row::{Extract, Plan, acl, flag::*, key::*};
use crate::table::CommandRow as Row;

const KEYSPACE: u64 = acl::KEYSPACE;
const DANGEROUS: u64 = acl::DANGEROUS;

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        "copy",
        -3,
        WRITE | DENYOOM,
        KEYSPACE,
        &[one(1, RO | ACCESS), one(2, OW | UPDATE)],
        moving::copy,
    ),
    Row::new("dbsize", 1, READONLY | FAST, KEYSPACE, &[], walk::dbsize).plan(Plan::Walk),
    Row::new("del", -2, WRITE, KEYSPACE, &[range(1, -1, 1, RM | DELETE)], delete::del),
    Row::new("dump", 2, READONLY, KEYSPACE, &[one(1, RO | ACCESS)], restore::dump),
    Row::new("exists", -2, READONLY | FAST, KEYSPACE, &[range(1, -1, 1, RO)], delete::exists),
    Row::new("expire", -3, WRITE | FAST, KEYSPACE, &[one(1, RW | UPDATE)], expire::expire),
    Row::new("expireat", -3, WRITE | FAST, KEYSPACE, &[one(1, RW | UPDATE)], expire::expireat),
    Row::new("expiretime", 2, READONLY | FAST, KEYSPACE, &[one(1, RO | ACCESS)], expire::expiretime),
    Row::new("flushall", -1, WRITE | ALL_DBS, KEYSPACE | DANGEROUS, &[], flush::flushall),
    Row::new("flushdb", -1, WRITE, KEYSPACE | DANGEROUS, &[], flush::flushdb),
    Row::new("keys", 2, READONLY, KEYSPACE | DANGEROUS, &[], walk::keys).plan(Plan::Walk),
    Row::new(
        "migrate",
        -6,
        WRITE,
        KEYSPACE | DANGEROUS,
        &[one(3, RW | ACCESS | DELETE), after_range("KEYS", -2, -1, 0, RW | ACCESS | DELETE | INCOMPLETE)],
        migrate::migrate,
    )
    .extract(Extract::Migrate),
    Row::new("move", 3, WRITE | FAST, KEYSPACE, &[one(1, RW | ACCESS | UPDATE)], moving::move_key),
    Row::container(
        "object",
        -2,
        0,
        0,
        &[
            Row::new("encoding", 3, READONLY, KEYSPACE, &[one(2, RO)], object::encoding),
            Row::new("freq", 3, READONLY, KEYSPACE, &[one(2, RO)], object::freq),
            Row::new("help", 2, LOADING | STALE, KEYSPACE, &[], object::help).plan(Plan::Connection),
            Row::new("idletime", 3, READONLY, KEYSPACE, &[one(2, RO)], object::idletime),
            Row::new("refcount", 3, READONLY, KEYSPACE, &[one(2, RO)], object::refcount),
        ],
    ),
    Row::new("persist", 2, WRITE | FAST, KEYSPACE, &[one(1, RW | UPDATE)], expire::persist),
    Row::new("pexpire", -3, WRITE | FAST, KEYSPACE, &[one(1, RW | UPDATE)], expire::pexpire),
    Row::new("pexpireat", -3, WRITE | FAST, KEYSPACE, &[one(1, RW | UPDATE)], expire::pexpireat),
    Row::new("pexpiretime", 2, READONLY | FAST, KEYSPACE, &[one(1, RO | ACCESS)], expire::pexpiretime),
    Row::new("pttl", 2, READONLY | FAST, KEYSPACE, &[one(1, RO | ACCESS)], expire::pttl),
    Row::new("randomkey", 1, READONLY | TOUCHES_ARBITRARY_KEYS, KEYSPACE, &[], walk::randomkey)
        .plan(Plan::Walk),
    Row::new(
        "rename",
        3,
        WRITE,
        KEYSPACE,
        &[one(1, RW | ACCESS | DELETE), one(2, OW | UPDATE)],
        moving::rename,
    ),
    Row::new(
        "renamenx",
        3,
        WRITE | FAST,
        KEYSPACE,
        &[one(1, RW | ACCESS | DELETE), one(2, OW | INSERT)],
        moving::renamenx,
    ),
    Row::new("restore", -4, WRITE | DENYOOM, KEYSPACE | DANGEROUS, &[one(1, OW | UPDATE)], restore::restore),
    Row::new(
        "restore-asking",
        -4,
        WRITE | DENYOOM | ASKING,
        KEYSPACE | DANGEROUS,
        &[one(1, OW | UPDATE)],
        restore::restore,
    ),
    Row::new("scan", -2, READONLY | TOUCHES_ARBITRARY_KEYS, KEYSPACE, &[], walk::scan).plan(Plan::Walk),
    Row::new("swapdb", 3, WRITE | FAST, KEYSPACE | DANGEROUS, &[], flush::swapdb),
    Row::new("touch", -2, READONLY | FAST, KEYSPACE, &[range(1, -1, 1, RO)], delete::touch),
    Row::new("ttl", 2, READONLY | FAST, KEYSPACE, &[one(1, RO | ACCESS)], expire::ttl),
    Row::new("type", 2, READONLY | FAST, KEYSPACE, &[one(1, RO)], delete::type_of),
    Row::new("unlink", -2, WRITE | FAST, KEYSPACE, &[range(1, -1, 1, RM | DELETE)], delete::unlink),
];
