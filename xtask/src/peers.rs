//! The real servers: where they are, and how to get them.
//!
//! They are looked for in `$RUSSET_PEERS`, then in `target/peers`; what is missing is fetched as a Debian
//! source package and built under `target/peers`. Layout: `<peers>/<family>/src/<family>-server`.
//! Invariant: nothing outside `target/` is changed. Callers: bench, diff, upstream, ci.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// One of the two reference servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Family name, also the name of the source package and the prefix of the programs.
    pub name: &'static str,
    /// The version that the comparisons are written for.
    pub version: &'static str,
    /// Debian suites that may carry it, newest first.
    suites: &'static [&'static str],
    make: &'static [&'static str],
}

/// The reference for what both families share.
pub const VALKEY: Peer = Peer {
    name: "valkey",
    version: "9.1.2",
    suites: &["experimental", "sid", "forky", "trixie"],
    make: &["BUILD_TLS=no", "USE_SYSTEMD=no", "MALLOC=jemalloc"],
};

/// The reference for what only Redis has.
pub const REDIS: Peer = Peer {
    name: "redis",
    version: "8.6.3",
    suites: &["experimental", "sid"],
    make: &["BUILD_TLS=no", "USE_SYSTEMD=no", "MALLOC=jemalloc"],
};

impl Peer {
    /// The source tree with its built programs, if it is here already.
    pub fn tree(self) -> Option<PathBuf> {
        roots().into_iter().map(|root| root.join(self.name)).find(|tree| self.server_in(tree).is_file())
    }

    /// The server program, if it is here already.
    pub fn server(self) -> Option<PathBuf> {
        self.tree().map(|tree| self.server_in(&tree))
    }

    /// The server program; fetched and built when it is missing (some minutes).
    pub fn need(self) -> Result<PathBuf> {
        match self.server() {
            Some(found) => Ok(found),
            None => self.build(),
        }
    }

    fn server_in(self, tree: &Path) -> PathBuf {
        tree.join("src").join(format!("{}-server", self.name))
    }

    fn build(self) -> Result<PathBuf> {
        let root = build_root();
        fs::create_dir_all(&root)?;
        let tree = root.join(self.name);
        if !tree.join("src/Makefile").is_file() {
            self.fetch(&root, &tree)?;
        }
        println!("building {} {} under target/peers (some minutes)", self.name, self.version);
        let log = fs::File::create(root.join(format!("{}.log", self.name)))?;
        let jobs = std::thread::available_parallelism().map_or(2, usize::from);
        let status = Command::new("make")
            .arg(format!("-j{jobs}"))
            .args(self.make)
            .current_dir(&tree)
            // Else the programs would take the commit of the checkout around them for their own.
            .env("GIT_CEILING_DIRECTORIES", &root)
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .context("make is missing: apt-get install build-essential")?;
        ensure!(status.success(), "make failed, see target/peers/{}.log", self.name);
        Ok(self.server_in(&tree))
    }

    /// Downloads the newest source package and unpacks it to `tree`.
    fn fetch(self, root: &Path, tree: &Path) -> Result<()> {
        let apt = PrivateApt::new(root, self.suites)?;
        println!("fetching the source package {}", self.name);
        let download = root.join(format!("{}-source", self.name));
        fs::create_dir_all(&download)?;
        apt.run("apt-get", &["source", "--download-only", "-q", self.name], &download)?;
        let upstream = fs::read_dir(&download)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.to_string_lossy().contains(".orig.tar"))
            .with_context(|| format!("no .orig.tar in the source package {}", self.name))?;
        fs::create_dir_all(tree)?;
        let status = Command::new("tar")
            .args(["--strip-components=1", "-xf"])
            .arg(&upstream)
            .current_dir(tree)
            .status()
            .context("tar is missing: apt-get install tar")?;
        ensure!(status.success(), "cannot unpack {}", upstream.display());
        if !upstream.to_string_lossy().contains(self.version) {
            println!("note: {} is not {}", upstream.display(), self.version);
        }
        Ok(())
    }
}

/// An apt that reads its own list of sources, so that the machine's configuration stays as it is.
struct PrivateApt {
    options: Vec<String>,
}

impl PrivateApt {
    fn new(root: &Path, suites: &[&str]) -> Result<PrivateApt> {
        let state = root.join("apt");
        for dir in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(state.join(dir))?;
        }
        let (uri, keyring) = debian_mirror()?;
        let options = ["Dir::Etc::sourceparts=-", "APT::Get::List-Cleanup=0"]
            .map(String::from)
            .into_iter()
            .chain([
                format!("Dir::Etc::sourcelist={}", state.join("sources.list").display()),
                format!("Dir::State::lists={}", state.join("lists").display()),
                format!("Dir::Cache={}", state.join("cache").display()),
            ])
            .flat_map(|option| ["-o".to_string(), option])
            .collect();
        let apt = PrivateApt { options };
        // A suite that the mirror does not carry must not spoil the others: each is tried alone.
        let mut known = String::new();
        for suite in suites {
            let entry = format!("deb-src [signed-by={keyring}] {uri} {suite} main\n");
            fs::write(state.join("sources.list"), &entry)?;
            match apt.run("apt-get", &["update", "-q"], root) {
                Ok(()) => known.push_str(&entry),
                // No apt at all, which the next suite does not change.
                Err(error) if error.is::<std::io::Error>() => return Err(error),
                Err(_) => {}
            }
        }
        ensure!(!known.is_empty(), "the package mirror carries none of the suites {suites:?}");
        fs::write(state.join("sources.list"), known)?;
        Ok(apt)
    }

    fn run(&self, program: &str, args: &[&str], dir: &Path) -> Result<()> {
        let output = Command::new(program)
            .args(&self.options)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .output()
            .with_context(|| {
                format!("{program} is missing: this needs a Debian machine, or the servers in $RUSSET_PEERS")
            })?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success()
                && !said.contains("Failed to fetch")
                && !said.contains("does not have a Release"),
            "{program} {args:?}: {}",
            said.trim()
        );
        Ok(())
    }
}

/// The archive that this machine installs from, and the keyring that signs it.
fn debian_mirror() -> Result<(String, String)> {
    let mut texts = vec![fs::read_to_string("/etc/apt/sources.list").unwrap_or_default()];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        texts.extend(paths.iter().filter(|p| is_source_list(p)).filter_map(|p| fs::read_to_string(p).ok()));
    }
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    match texts.iter().find_map(|text| mirror_in(text)) {
        Some(uri) => Ok((uri, keyring.to_string())),
        None => bail!("no Debian archive in /etc/apt: put the servers into $RUSSET_PEERS instead"),
    }
}

fn is_source_list(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "list" || ext == "sources")
}

/// The first archive of the main Debian suites in a `sources.list` or deb822 file.
fn mirror_in(text: &str) -> Option<String> {
    let uri = |word: &&str| word.contains("://");
    text.lines()
        .map(str::trim)
        .filter(|line| line.starts_with("URIs:") || line.starts_with("deb ") || line.starts_with("deb-src "))
        .filter_map(|line| line.split_whitespace().find(uri))
        .find(|uri| uri.trim_end_matches('/').ends_with("/debian"))
        .map(String::from)
}

fn roots() -> Vec<PathBuf> {
    let given = std::env::var_os("RUSSET_PEERS").map(PathBuf::from);
    given.into_iter().chain([build_root()]).collect()
}

fn build_root() -> PathBuf {
    workspace().join("target/peers")
}

/// The root of this repository.
pub fn workspace() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_path_buf).unwrap_or(here)
}

/// `cargo xtask peers`
pub fn run() -> Result<()> {
    for peer in [VALKEY, REDIS] {
        println!("{} {}: {}", peer.name, peer.version, peer.need()?.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::mirror_in;

    #[test]
    fn both_forms_of_source_lists_are_read() {
        let deb822 = "Types: deb\nURIs: http://a.example/debian\nSuites: bookworm\n";
        assert_eq!(mirror_in(deb822).as_deref(), Some("http://a.example/debian"));
        let security = "URIs: http://a.example/debian-security\n";
        assert_eq!(mirror_in(security), None);
        let classic = "# deb http://x/debian\ndeb [signed-by=/k] https://b.example/debian/ sid main\n";
        assert_eq!(mirror_in(classic).as_deref(), Some("https://b.example/debian/"));
    }
}
