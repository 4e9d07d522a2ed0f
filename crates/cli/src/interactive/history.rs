//! The history file, and what must not get into it.

use std::path::{Path, PathBuf};

use super::LineEditor;
use crate::face::Face;
use crate::session::lower;

/// Where lines are kept; `None` keeps nothing.
pub struct File(Option<PathBuf>);

impl File {
    /// Finds and reads the file: the environment's, else a dot file at home. `/dev/null` means none.
    pub fn open(face: Face, editor: &mut LineEditor) -> Self {
        let path = face.env("HISTFILE").filter(|path| !path.is_empty()).map(PathBuf::from).or_else(|| {
            let home = std::env::var_os("HOME")?;
            Some(Path::new(&home).join(face.dot_file("_history")))
        });
        let path = path.filter(|path| path != Path::new("/dev/null"));
        if let Some(path) = &path {
            // There is none before the first line.
            let _ = editor.load_history(path);
        }
        Self(path)
    }

    /// Adds a line here and in the file.
    pub fn add(&self, editor: &mut LineEditor, line: &str) {
        let added = editor.add_history_entry(line).unwrap_or(false);
        if let Some(path) = self.0.as_ref().filter(|_| added) {
            // A read-only home loses history, not the session.
            let _ = editor.append_history(path);
        }
    }
}

/// Settings whose value is a secret.
const SECRET_SETTINGS: &[&str] = &[
    "requirepass",
    "masterauth",
    "masteruser",
    "primaryauth",
    "primaryuser",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
    "sentinel-pass",
    "sentinel-user",
];

/// The line names a password.
#[must_use]
pub fn is_secret(words: &[Vec<u8>]) -> bool {
    let word = |at: usize| lower(words.get(at));
    let any = |names: &[&str]| words.iter().skip(1).any(|word| names.contains(&lower(Some(word)).as_str()));
    match (word(0).as_str(), word(1).as_str()) {
        ("auth", _) | ("acl", "setuser") => true,
        ("hello" | "migrate", _) => any(&["auth", "auth2"]),
        ("config", "set") => any(SECRET_SETTINGS),
        ("sentinel", "set") => any(&["auth-pass", "auth-user"]),
        ("sentinel", "config") => any(&["sentinel-pass", "sentinel-user"]),
        // A count in front, or our own prefix, hides nothing.
        (first, _) if first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && words.len() > 1 => {
            is_secret(&words[1..])
        }
        (":watch", _) => is_secret(&words[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn passwords_stay_out() {
        for (line, secret) in [
            ("AUTH x", true),
            ("acl setuser joe >pw", true),
            ("acl list", false),
            ("hello 3 auth u p", true),
            ("hello 3", false),
            ("config set maxmemory 1 requirepass x", true),
            ("config get requirepass", false),
            ("migrate h 1 k 0 1 auth p", true),
            ("3 auth x", true),
            (":watch 0.5 auth x", true),
            ("set auth x", false),
            ("sentinel set m auth-pass x", true),
        ] {
            let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(is_secret(&words), secret, "{line}");
        }
    }
}
