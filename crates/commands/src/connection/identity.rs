//! CLIENT ID, SETNAME, GETNAME, SETINFO, CAPA: what a client says about itself.

use resp::writer::Writer;

use crate::args::Args;
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};

/// Names stand in lines of words: nothing but visible ASCII. `what` begins the error.
pub(super) fn check_word(word: &[u8], what: &str) -> Result {
    if word.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(CommandError::new(format!("ERR {what} cannot contain spaces, newlines or special characters.")))
}

pub(super) fn id(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    out.int(cx.session.client.id as i64);
    Ok(())
}

pub(super) fn setname(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    check_word(argv[2], "Client names")?;
    cx.session.client.details().name = argv[2].to_vec();
    out.ok();
    Ok(())
}

pub(super) fn getname(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    match &cx.session.client.details().name[..] {
        [] => out.null(),
        name => out.bulk(name),
    }
    Ok(())
}

pub(super) fn setinfo(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut args = Args::new(argv, 2);
    if args.take("LIB-NAME") {
        check_word(argv[3], &String::from_utf8_lossy(argv[2]))?;
        cx.session.client.details().lib_name = argv[3].to_vec();
    } else if args.take("LIB-VER") {
        check_word(argv[3], &String::from_utf8_lossy(argv[2]))?;
        cx.session.client.details().lib_version = argv[3].to_vec();
    } else {
        let shown = String::from_utf8_lossy(argv[2]);
        return Err(CommandError::new(format!("ERR Unrecognized option '{shown}'")));
    }
    out.ok();
    Ok(())
}

/// Abilities that are not known are for servers of the future.
pub(super) fn capa(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if argv[2..].iter().any(|word| word.eq_ignore_ascii_case(b"redirect")) {
        cx.session.redirects = true;
        cx.session.client.details().capa_redirect = true;
    }
    out.ok();
    Ok(())
}

pub(super) fn import_source(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    // The mode may end before the tool does.
    let may_import = cx.server.config.flag(config::Directive::ImportMode);
    if !may_import && !argv[2].eq_ignore_ascii_case(b"off") {
        return Err(CommandError::fixed("ERR Server is not in import mode"));
    }
    let on = on_or_off(argv[2])?;
    cx.session.import_source = on;
    cx.session.publish();
    out.ok();
    Ok(())
}

/// An argument that is ON or OFF.
pub(super) fn on_or_off(arg: &[u8]) -> Result<bool> {
    match () {
        () if arg.eq_ignore_ascii_case(b"on") => Ok(true),
        () if arg.eq_ignore_ascii_case(b"off") => Ok(false),
        () => Err(SYNTAX),
    }
}
