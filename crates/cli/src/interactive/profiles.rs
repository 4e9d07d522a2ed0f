//! Named connections. The file (`$RUSSETCLI_PROFILES`, else `~/.config/russet/profiles`) has sections:
//!
//! ```text
//! [prod]
//! url = rediss://user@db.example:6380/0
//! password-env = PROD_PASSWORD
//! cacert = /etc/ssl/prod.crt
//! production = yes
//! ```

use std::path::PathBuf;

use crate::options::Options;
use crate::uri;

/// Where profiles are kept.
fn path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("RUSSETCLI_PROFILES") {
        return Some(path.into());
    }
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("russet").join("profiles"))
}

/// Applies the profile that `--profile` names.
///
/// # Errors
/// One line saying what is wrong.
pub fn apply(options: &mut Options) -> Result<(), String> {
    let Some(name) = options.profile.clone() else { return Ok(()) };
    let path = path().ok_or("There is no home directory to find profiles in.")?;
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{}: {}", path.display(), crate::connection::strerror(&error)))?;
    apply_text(options, &name, &text)
}

fn apply_text(options: &mut Options, name: &str, text: &str) -> Result<(), String> {
    let mut inside = false;
    let mut found = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = section.trim() == name;
            found |= inside;
            continue;
        }
        if inside {
            let (key, value) =
                line.split_once('=').ok_or_else(|| format!("profiles, line {}: no '='", number + 1))?;
            set(options, key.trim(), value.trim())
                .map_err(|error| format!("profiles, line {}: {error}", number + 1))?;
        }
    }
    if found { Ok(()) } else { Err(format!("There is no profile '{name}'.")) }
}

fn set(options: &mut Options, key: &str, value: &str) -> Result<(), String> {
    let yes = || matches!(value, "yes" | "true" | "on" | "1");
    let text = || Some(value.to_owned());
    match key {
        "url" | "uri" => {
            let in_argv = options.auth_in_argv;
            uri::apply(options, value)?;
            // The password stands in a file, not in the process list.
            options.auth_in_argv = in_argv;
        }
        "password-env" => options.auth = std::env::var(value).ok(),
        "user" => options.user = text(),
        "cacert" => options.tls.cacert = text(),
        "cert" => options.tls.cert = text(),
        "key" => options.tls.key = text(),
        "sni" => options.tls.sni = text(),
        "verify-hostname" => options.tls.verify_name = yes(),
        "production" => options.production |= yes(),
        "cluster" => options.cluster_mode |= yes(),
        other => return Err(format!("unknown name '{other}'")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Face;

    #[test]
    fn sections_are_applied() {
        let text = "# mine\n[dev]\nurl = redis://d:1\n\n[prod]\nurl = rediss://u:p@h:2/3\nproduction = yes\n";
        let mut options = Options::new(Face::Russet, "");
        apply_text(&mut options, "prod", text).expect("profile");
        assert_eq!((options.host.as_str(), options.port, options.db), ("h", 2, 3));
        assert!(options.tls.on && options.production && !options.auth_in_argv);
        assert!(apply_text(&mut options, "none", text).is_err());
        assert!(apply_text(&mut options, "x", "[x]\nfoo = 1\n").is_err());
        assert!(apply_text(&mut options, "x", "[x]\nfoo\n").is_err());
    }
}
