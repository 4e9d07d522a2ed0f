//! COMMAND: what this server can do, from the table itself.

use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::introspect::{self, Filter};
use crate::table::{CommandRow, table};

fn rows() -> Vec<&'static CommandRow> {
    table().commands().collect()
}

pub(super) fn command(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    introspect::info::<_, &[u8]>(&rows(), &[], out);
    Ok(())
}

pub(super) fn count(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    introspect::count(&rows(), out);
    Ok(())
}

pub(super) fn info(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    introspect::info(&rows(), &argv[2..], out);
    Ok(())
}

pub(super) fn docs(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    introspect::docs(&rows(), &argv[2..], out);
    Ok(())
}

pub(super) fn list(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let filter = Filter::parse(&argv[2..]).ok_or(SYNTAX)?;
    introspect::list(&rows(), filter, |pattern, name| ds::glob::glob_match(pattern, name, true), out);
    Ok(())
}

fn keys(argv: &[&[u8]], flags: bool, out: &mut Writer) -> Result {
    introspect::getkeys(&rows(), &argv[2..], flags, out)
        .map_err(|text| CommandError::new(format!("ERR {text}")))
}

pub(super) fn getkeys(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    keys(argv, false, out)
}

pub(super) fn getkeysandflags(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    keys(argv, true, out)
}
