//! Which of three names the program answers to. The name decides words (product, environment variables,
//! files) and, together with the terminal, whether the interactive face may show itself.

use std::path::Path;

/// The program's identity, taken from the base name of `argv[0]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Called as `redis-cli`: words of Redis 8.6.3.
    Redis,
    /// Called as `valkey-cli`: words of Valkey 9.1.2.
    Valkey,
    /// Our own name.
    Russet,
}

impl Face {
    /// Looks at the base name of `argv[0]`.
    #[must_use]
    pub fn from_program(argv0: &str) -> Self {
        let name = Path::new(argv0).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.contains("redis-cli") {
            Self::Redis
        } else if name.contains("valkey-cli") {
            Self::Valkey
        } else {
            Self::Russet
        }
    }

    /// The program's name in texts.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-cli",
            Self::Valkey => "valkey-cli",
            Self::Russet => "russet-cli",
        }
    }

    /// The server's name in texts ("Could not connect to ...").
    #[must_use]
    pub fn product(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
            Self::Russet => "Russet",
        }
    }

    /// What `--version` says after the name.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::Redis => "8.6.3",
            Self::Valkey => "9.1.2",
            Self::Russet => env!("CARGO_PKG_VERSION"),
        }
    }

    /// "master" or "primary", as the peer of that name says.
    #[must_use]
    pub fn primary(self) -> &'static str {
        if self == Self::Redis { "master" } else { "primary" }
    }

    /// Plural of [`Face::primary`].
    #[must_use]
    pub fn primaries(self) -> &'static str {
        if self == Self::Redis { "masters" } else { "primaries" }
    }

    /// "slave" or "replica".
    #[must_use]
    pub fn replica(self) -> &'static str {
        if self == Self::Redis { "slave" } else { "replica" }
    }

    /// Plural of [`Face::replica`].
    #[must_use]
    pub fn replicas(self) -> &'static str {
        if self == Self::Redis { "slaves" } else { "replicas" }
    }

    /// First set environment variable of a family: `env("AUTH")` reads `VALKEYCLI_AUTH`, `REDISCLI_AUTH`.
    #[must_use]
    pub fn env(self, suffix: &str) -> Option<String> {
        let prefixes: &[&str] = match self {
            Self::Redis => &["REDISCLI", "VALKEYCLI"],
            Self::Valkey => &["VALKEYCLI", "REDISCLI"],
            Self::Russet => &["RUSSETCLI", "VALKEYCLI", "REDISCLI"],
        };
        prefixes.iter().find_map(|prefix| std::env::var(format!("{prefix}_{suffix}")).ok())
    }

    /// Dot file in the home directory: `.rediscli_history`, `.redisclirc` and kin.
    #[must_use]
    pub fn dot_file(self, suffix: &str) -> String {
        let stem = match self {
            Self::Redis => "rediscli",
            Self::Valkey => "valkeycli",
            Self::Russet => "russetcli",
        };
        format!(".{stem}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_decides() {
        for (argv0, face) in [
            ("/usr/bin/redis-cli", Face::Redis),
            ("valkey-cli", Face::Valkey),
            ("./russet-cli", Face::Russet),
            ("", Face::Russet),
            ("/opt/redis-cli/bin/russet-cli", Face::Russet),
        ] {
            assert_eq!(Face::from_program(argv0), face, "{argv0}");
        }
    }
}
