//! Commands about the connection itself.

mod basic;

use crate::row::{Plan, acl, flag::*};
use crate::table::CommandRow as Row;

pub(crate) const ROWS: &[Row] = &[
    Row::new("echo", 2, LOADING | STALE | FAST, acl::CONNECTION, &[], basic::echo).plan(Plan::Connection),
    Row::new("ping", -1, FAST | SENTINEL, acl::CONNECTION, &[], basic::ping).plan(Plan::Connection),
    Row::new("select", 2, LOADING | STALE | FAST, acl::CONNECTION, &[], basic::select).plan(Plan::Connection),
];
