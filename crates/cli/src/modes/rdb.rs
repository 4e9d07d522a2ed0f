//! `--rdb FILE`, `--functions-rdb FILE`: a dump of the server over the replication protocol.

use std::fs::File;
use std::io::Write;

use super::replica::{Ending, Transfer, replconf};
use super::{Context, Failure};
use crate::connection::{Connection, strerror};
use crate::face::Face;
use crate::{emit, warn};

/// Runs the mode; `-` writes to stdout.
pub fn run(context: &mut Context, path: &str, functions: bool) -> Result<(), Failure> {
    fetch(&mut context.connection, context.options.face, path, functions)
}

/// Fetches a dump into `path`.
///
/// # Errors
/// The server's or the file's, in the peers' words.
pub fn fetch(connection: &mut Connection, face: Face, path: &str, functions: bool) -> Result<(), Failure> {
    replconf(connection, "capa", "eof")?;
    replconf(connection, "rdb-only", "1")?;
    if functions && !replconf(connection, "rdb-filter-only", "functions")? {
        return Err(Failure("Failed requesting functions only RDB from server, aborting".to_owned()));
    }
    let mut transfer = Transfer::start(connection, b"SYNC\r\n")?;
    let ending = transfer.announcement(face)?;
    let primary = face.primary();
    let total = match &ending {
        Ending::Length(length) => {
            warn!("SYNC sent to {primary}, writing {length} bytes to '{path}'\n");
            Some(*length)
        }
        Ending::Mark(_) => {
            warn!("SYNC sent to {primary}, writing bytes of bulk transfer until EOF marker to '{path}'\n");
            None
        }
    };
    let mut file = match path {
        "-" => None,
        path => {
            let opened = File::create(path);
            Some(opened.map_err(|error| Failure(format!("Error opening '{path}': {}", strerror(&error))))?)
        }
    };
    let bar = super::progress::bar(total, true);
    let bytes = transfer.payload(&ending, &mut |piece| {
        bar.inc(piece.len() as u64);
        match &mut file {
            Some(file) => file
                .write_all(piece)
                .map_err(|error| Failure(format!("Error writing data to file: {}", strerror(&error)))),
            None => {
                emit::out(piece);
                Ok(())
            }
        }
    })?;
    bar.finish_and_clear();
    match &file {
        Some(file) => file
            .sync_all()
            .map_err(|error| Failure(format!("Fail to fsync '{path}': {}", strerror(&error))))?,
        None => emit::flush(),
    }
    match ending {
        Ending::Length(_) => warn!("Transfer finished with success.\n"),
        Ending::Mark(_) => warn!("Transfer finished with success after {bytes} bytes\n"),
    }
    Ok(())
}
