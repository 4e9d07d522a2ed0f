//! Lists.
use crate::table::CommandRow as Row;
pub(crate) const ROWS: &[Row] = &[];
