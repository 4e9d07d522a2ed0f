//! Lists.
//!
//! A list that is one small listpack stands in its entry; a larger one is a [`ds::list::List`]. [`store`] hides the
//! difference from the handlers, which are in files by what they do.

mod blocking;
mod edit;
mod moves;
mod pop;
mod push;
mod read;
mod store;

pub(crate) use store::{ListRef, create};

use crate::error::{Result, SYNTAX};
use crate::row::{acl, flag::*, key::*};
use crate::table::CommandRow as Row;

const TAKE: u16 = RW | ACCESS | DELETE;
const MOVE_KEYS: &[crate::row::KeySpec] = &[one(1, TAKE), one(2, RW | INSERT)];

pub(crate) const ROWS: &[Row] = &[
    Row::new("blmove", 6, WRITE | DENYOOM | BLOCKING, acl::LIST, MOVE_KEYS, blocking::blmove),
    Row::new("blmpop", -5, WRITE | BLOCKING, acl::LIST, &[counted(2, TAKE)], blocking::blmpop),
    Row::new("blpop", -3, WRITE | BLOCKING, acl::LIST, &[range(1, -2, 1, TAKE)], blocking::blpop),
    Row::new("brpop", -3, WRITE | BLOCKING, acl::LIST, &[range(1, -2, 1, TAKE)], blocking::brpop),
    Row::new("brpoplpush", 4, WRITE | DENYOOM | BLOCKING, acl::LIST, MOVE_KEYS, blocking::brpoplpush),
    Row::new("lindex", 3, READONLY, acl::LIST, &[one(1, RO | ACCESS)], read::lindex),
    Row::new("linsert", 5, WRITE | DENYOOM, acl::LIST, &[one(1, RW | INSERT)], edit::linsert),
    Row::new("llen", 2, READONLY | FAST, acl::LIST, &[one(1, RO)], read::llen),
    Row::new("lmove", 5, WRITE | DENYOOM, acl::LIST, MOVE_KEYS, moves::lmove),
    Row::new("lmpop", -4, WRITE, acl::LIST, &[counted(1, TAKE)], pop::lmpop),
    Row::new("lpop", -2, WRITE | FAST, acl::LIST, &[one(1, TAKE)], pop::lpop),
    Row::new("lpos", -3, READONLY, acl::LIST, &[one(1, RO | ACCESS)], read::lpos),
    Row::new("lpush", -3, WRITE | DENYOOM | FAST, acl::LIST, &[one(1, RW | INSERT)], push::lpush),
    Row::new("lpushx", -3, WRITE | DENYOOM | FAST, acl::LIST, &[one(1, RW | INSERT)], push::lpushx),
    Row::new("lrange", 4, READONLY, acl::LIST, &[one(1, RO | ACCESS)], read::lrange),
    Row::new("lrem", 4, WRITE, acl::LIST, &[one(1, RW | DELETE)], edit::lrem),
    Row::new("lset", 4, WRITE | DENYOOM, acl::LIST, &[one(1, RW | UPDATE)], edit::lset),
    Row::new("ltrim", 4, WRITE, acl::LIST, &[one(1, RW | DELETE)], edit::ltrim),
    Row::new("rpop", -2, WRITE | FAST, acl::LIST, &[one(1, TAKE)], pop::rpop),
    Row::new("rpoplpush", 3, WRITE | DENYOOM, acl::LIST, MOVE_KEYS, moves::rpoplpush),
    Row::new("rpush", -3, WRITE | DENYOOM | FAST, acl::LIST, &[one(1, RW | INSERT)], push::rpush),
    Row::new("rpushx", -3, WRITE | DENYOOM | FAST, acl::LIST, &[one(1, RW | INSERT)], push::rpushx),
];

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Left,
    Right,
}

impl Side {
    /// LEFT or RIGHT.
    fn parse(word: &[u8]) -> Result<Side> {
        match word {
            word if word.eq_ignore_ascii_case(b"left") => Ok(Side::Left),
            word if word.eq_ignore_ascii_case(b"right") => Ok(Side::Right),
            _ => Err(SYNTAX),
        }
    }

    /// The command that pops here.
    fn pop_command(self) -> &'static [u8] {
        match self {
            Side::Left => b"LPOP",
            Side::Right => b"RPOP",
        }
    }

    fn pop_event(self) -> &'static str {
        match self {
            Side::Left => "lpop",
            Side::Right => "rpop",
        }
    }

    fn push_event(self) -> &'static str {
        match self {
            Side::Left => "lpush",
            Side::Right => "rpush",
        }
    }
}
