//! What logs and MONITOR may show of a command: passwords are not for them.

use std::borrow::Cow;

use config::Directive;
use config::directive::traits;

use crate::table::{Found, table};

const HIDDEN: &[u8] = b"(redacted)";

/// The rows with secrets among their arguments, found once.
struct Secretive {
    auth: u16,
    hello: u16,
    config_set: u16,
    migrate: u16,
}

fn secretive() -> &'static Secretive {
    static ROWS: std::sync::OnceLock<Secretive> = std::sync::OnceLock::new();
    let id = |name: &str| {
        table().rows().iter().position(|known| known.full_name == name).map_or(u16::MAX, |at| at as u16)
    };
    ROWS.get_or_init(|| Secretive {
        auth: id("auth"),
        hello: id("hello"),
        config_set: id("config|set"),
        migrate: id("migrate"),
    })
}

/// The arguments with secrets replaced.
pub fn shown<'a, 'b>(found: Found, argv: &'b [&'a [u8]]) -> Cow<'b, [&'a [u8]]> {
    let rows = secretive();
    let mut shown = Cow::Borrowed(argv);
    if found.id == rows.auth {
        shown.to_mut()[1..].fill(HIDDEN);
    } else if found.id == rows.hello {
        if let Some(at) = argv.iter().position(|arg| arg.eq_ignore_ascii_case(b"AUTH")) {
            shown.to_mut().iter_mut().skip(at + 1).take(2).for_each(|arg| *arg = HIDDEN);
        }
    } else if found.id == rows.migrate {
        let options = argv.iter().enumerate().skip(6);
        let given = |name: &[u8]| options.clone().find(|(_, arg)| arg.eq_ignore_ascii_case(name));
        let (at, secrets) = match (given(b"AUTH"), given(b"AUTH2")) {
            (Some((at, _)), _) => (at + 1, 1),
            (_, Some((at, _))) => (at + 1, 2),
            _ => (argv.len(), 0),
        };
        shown.to_mut().iter_mut().skip(at).take(secrets).for_each(|arg| *arg = HIDDEN);
    } else if found.id == rows.config_set {
        for at in (3..argv.len()).step_by(2) {
            let secret =
                Directive::find(argv[at - 1]).is_some_and(|found| found.row().has(traits::SENSITIVE));
            if secret {
                shown.to_mut()[at] = HIDDEN;
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_and_nothing_else() {
        for (line, expected) in [
            ("auth pass", "auth (redacted)"),
            ("auth user pass", "auth (redacted) (redacted)"),
            ("hello 3 auth user pass setname x", "hello 3 auth (redacted) (redacted) setname x"),
            ("config set timeout 0 requirepass x", "config set timeout 0 requirepass (redacted)"),
            ("config set port", "config set port"),
            ("ping auth pass", "ping auth pass"),
            ("migrate h 1 auth 0 9 copy", "migrate h 1 auth 0 9 copy"),
            ("migrate h 1 k 0 9 copy auth pass", "migrate h 1 k 0 9 copy auth (redacted)"),
            ("migrate h 1 k 0 9 auth2 user pass", "migrate h 1 k 0 9 auth2 (redacted) (redacted)"),
        ] {
            let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let found = table().find(argv[0]).expect("a command");
            let found = argv.get(1).and_then(|word| table().find_sub(found, word)).unwrap_or(found);
            let shown: Vec<_> =
                shown(found, &argv).iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
            assert_eq!(shown.join(" "), expected);
        }
    }
}
