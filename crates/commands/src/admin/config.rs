//! CONFIG: the server's directives, read and changed.

use config::directive::traits;
use config::{Access, Directive, Refusal, SetError};
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::server::LogLevel;

/// Index of `local` among the words of the `enable-...` directives.
const LOCAL: usize = 2;

/// Whether a directive of the kind no, yes, local lets this client in.
pub(super) fn is_enabled(cx: &Cx<'_>, directive: Directive) -> bool {
    match cx.server.config.choice(directive) {
        0 => false,
        LOCAL => cx.session.is_local,
        _ => true,
    }
}

pub(super) fn get(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let matches = |pattern: &[u8], name: &[u8]| ds::glob::glob_match(pattern, name, true);
    let found = cx.server.config.get(&argv[2..], matches);
    out.map(found.len());
    for (name, value) in found {
        out.bulk(name.as_bytes());
        out.bulk(&value);
    }
    Ok(())
}

/// Brings about what changed directives mean. The shell answers for what it has to do, such as to listen elsewhere.
fn apply(cx: &Cx<'_>, changed: &[Directive]) -> std::result::Result<(), Refusal> {
    cx.server.apply_config();
    for &directive in changed {
        cx.server.shell().reconfigure(directive).map_err(|reason| Refusal { directive, reason })?;
    }
    Ok(())
}

pub(super) fn set(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    if !argv.len().is_multiple_of(2) {
        return Err(SYNTAX);
    }
    let pairs: Vec<(&[u8], &[u8])> = argv[2..].chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let access = Access {
        protected: is_enabled(cx, Directive::EnableProtectedConfigs),
        loading: cx.server.is_loading(),
    };
    let result = cx.server.config.set(&pairs, access, &mut |changed| apply(cx, changed));
    let changed = result.map_err(|error| match error {
        SetError::Loading => CommandError::fixed("LOADING Redis is loading the dataset in memory"),
        SetError::Refused(text) => CommandError::new(format!("ERR {text}")),
    })?;
    if changed.contains(&Directive::Dir)
        && let Ok(dir) = std::env::current_dir()
    {
        cx.server.config.note_dir(dir.to_string_lossy().as_bytes());
    }
    for directive in changed.iter().filter(|directive| !directive.row().has(traits::SENSITIVE)) {
        let value = cx.server.config.shown(*directive);
        let text = String::from_utf8_lossy(&value);
        cx.server.log(LogLevel::Verbose, &format!("CONFIG SET {} '{text}'", directive.row().name));
    }
    out.ok();
    Ok(())
}

pub(super) fn resetstat(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    cx.server.workers.iter().for_each(|worker| worker.reset());
    cx.server.errors.reset();
    out.ok();
    Ok(())
}

pub(super) fn rewrite(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let file = cx.server.config_file.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    if file.is_empty() {
        return Err(CommandError::fixed("ERR The server is running without a config file"));
    }
    match cx.server.shell().rewrite_config() {
        Ok(()) => {
            cx.server.log(LogLevel::Notice, "CONFIG REWRITE executed with success.");
            out.ok();
            Ok(())
        }
        Err(reason) => {
            cx.server.log(LogLevel::Warning, &format!("CONFIG REWRITE failed: {reason}"));
            Err(CommandError::new(format!("ERR Rewriting config file: {reason}")))
        }
    }
}
