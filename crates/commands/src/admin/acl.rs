//! ACL, as far as it goes with one user: `default` may do everything, and rules cannot be set yet.

use config::Family;
use resp::writer::Writer;

use super::{LEAD, help, row, show};
use crate::args::int;
use crate::cx::Cx;
use crate::error::{CommandError, Result, wrong_syntax};
use crate::row::{Acl, acl, flag::*};
use crate::table::{CommandRow as Row, table};

const ASK: u64 = NOSCRIPT | LOADING | STALE | SENTINEL;

pub(super) const ROWS: &[Row] = &[
    row("cat", -2, ASK, cat),
    row("deluser", -3, LEAD | SENTINEL, deluser),
    row("dryrun", -4, LEAD | SENTINEL, dryrun),
    row("genpass", -2, ASK, genpass),
    row("getuser", 3, LEAD | SENTINEL, getuser),
    row("help", 2, LOADING | STALE | SENTINEL, show_help),
    row("list", 2, LEAD | SENTINEL, list),
    row("load", 2, LEAD | SENTINEL, no_file),
    row("log", -2, LEAD | SENTINEL, log),
    row("save", 2, LEAD | SENTINEL, no_file),
    row("setuser", -3, LEAD | SENTINEL, setuser),
    row("users", 2, LEAD | SENTINEL, users),
    row("whoami", 2, ASK, whoami),
];

const DEFAULT: &str = "default";
const NO_RULES: CommandError =
    CommandError::fixed("ERR ACL users other than 'default' are not supported by this server yet");
/// Bits of a generated password: as many as fit 1024 hexadecimal digits.
const PASSWORD_BITS: CommandError = CommandError::fixed(
    "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
);

fn show_help(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    match cx.family() {
        Family::Valkey => show(help::ACL, out),
        Family::Redis => {
            let lines: Vec<String> = help::ACL.iter().map(|line| line.replace("rule", "attribute")).collect();
            show(&lines.iter().map(String::as_str).collect::<Vec<_>>(), out)
        }
    }
}

fn whoami(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    out.bulk(DEFAULT.as_bytes());
    Ok(())
}

fn users(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    out.array(1);
    out.bulk(DEFAULT.as_bytes());
    Ok(())
}

fn cat(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let name = match argv {
        [_, _] => {
            out.array(acl::names().len());
            acl::names().for_each(|name| out.bulk(name.as_bytes()));
            return Ok(());
        }
        [_, _, name] => name,
        _ => return Err(wrong_syntax("acl", argv[1])),
    };
    let category = Acl::category(name).ok_or_else(|| {
        CommandError::new(format!("ERR Unknown category '{}'", String::from_utf8_lossy(name)))
    })?;
    let rows = table().rows().iter().filter(|known| known.row.acl.has(category));
    let names: Vec<&str> = rows.map(|known| known.full_name).collect();
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name.as_bytes()));
    Ok(())
}

/// The SHA-256 of the password, as ACL shows it; nothing if none is set.
fn password(cx: &Cx<'_>) -> Option<String> {
    let password = cx.server.config.bytes(config::Directive::Requirepass);
    (!password.is_empty()).then(|| {
        use sha2::Digest;
        sha2::Sha256::digest(&password[..]).iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

/// The flags of the one user.
fn flags(cx: &Cx<'_>, has_password: bool) -> impl Iterator<Item = &'static str> + Clone {
    let known = [("on", true), ("nopass", !has_password), ("sanitize-payload", cx.family() == Family::Redis)];
    known.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag)
}

fn list(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let secret = password(cx);
    let flags: Vec<&str> = flags(cx, secret.is_some()).collect();
    let secret = secret.map(|hash| format!("#{hash} ")).unwrap_or_default();
    out.array(1);
    out.bulk(format!("user {DEFAULT} {} {secret}~* &* +@all", flags.join(" ")).as_bytes());
    Ok(())
}

fn getuser(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if argv[2] != DEFAULT.as_bytes() {
        out.null();
        return Ok(());
    }
    let secret = password(cx);
    let family = cx.family();
    out.map(if family == Family::Redis { 6 } else { 7 });
    out.bulk(b"flags");
    let flags = flags(cx, secret.is_some());
    out.set(flags.clone().count());
    flags.for_each(|flag| out.bulk(flag.as_bytes()));
    out.bulk(b"passwords");
    out.array(usize::from(secret.is_some()));
    secret.iter().for_each(|hash| out.bulk(hash.as_bytes()));
    let rules = [("commands", "+@all"), ("keys", "~*"), ("channels", "&*"), ("databases", "alldbs")];
    for (name, value) in &rules[..if family == Family::Redis { 3 } else { 4 }] {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"selectors");
    out.array(0);
    Ok(())
}

/// There are no secrets to guess from: the bits come from the system's generator.
fn genpass(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let bits = match argv[2..] {
        [] => 256,
        [bits] => int(bits)?,
        _ => return Err(wrong_syntax("acl", argv[1])),
    };
    if !(1..=4096).contains(&bits) {
        return Err(PASSWORD_BITS);
    }
    let digits = (bits as usize).div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    sys::os::random_bytes(&mut bytes)
        .map_err(|_| CommandError::fixed("ERR the system gives no random numbers"))?;
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
    let text: Vec<u8> = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    out.bulk(&text[..digits]);
    Ok(())
}

fn deluser(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if argv[2..].contains(&DEFAULT.as_bytes()) {
        return Err(CommandError::fixed("ERR The 'default' user cannot be removed"));
    }
    out.int(0);
    Ok(())
}

fn dryrun(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let name = String::from_utf8_lossy(argv[2]);
    if argv[2] != DEFAULT.as_bytes() {
        return Err(CommandError::new(format!("ERR User '{name}' not found")));
    }
    let command = String::from_utf8_lossy(argv[3]);
    let found = table()
        .find(argv[3])
        .ok_or_else(|| CommandError::new(format!("ERR Command '{command}' not found")))?;
    if !found.row.accepts(argv.len() - 3) {
        return Err(crate::error::wrong_arity(found.row.name));
    }
    out.ok();
    Ok(())
}

fn log(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    match argv {
        [_, _] => out.array(0),
        [_, _, word] if word.eq_ignore_ascii_case(b"reset") => out.ok(),
        [_, _, count] => {
            int(count)?;
            out.array(0);
        }
        _ => return Err(crate::error::wrong_arity("acl|log")),
    }
    Ok(())
}

fn no_file(cx: &mut Cx<'_>, _: &[&[u8]], _: &mut Writer) -> Result {
    let redis = match cx.family() {
        Family::Redis => "Redis ",
        Family::Valkey => "",
    };
    Err(CommandError::new(format!(
        "ERR This {redis}instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
         command and then issue a CONFIG REWRITE (assuming you have a {redis}configuration file set) in order to store \
         users in the {redis}configuration."
    )))
}

fn setuser(_: &mut Cx<'_>, _: &[&[u8]], _: &mut Writer) -> Result {
    Err(NO_RULES)
}
