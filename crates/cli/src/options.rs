//! What the flags ask for: one plain struct, filled by `flags::parse`, read by everything else.

use std::time::Duration;

use crate::face::Face;

/// How replies are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Numbered, quoted, for people.
    Standard,
    /// Bare bytes, for scripts.
    Raw,
    /// Comma separated, quoted.
    Csv,
    /// JSON with UTF-8 passed through.
    Json,
    /// JSON with everything not ASCII escaped.
    QuotedJson,
}

/// Protocol asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Say nothing, stay with what the server speaks first.
    Unset,
    /// `-2`
    Resp2,
    /// `-3`: complain when refused.
    Resp3,
    /// RESP3 because JSON wants it: fall back silently.
    PreferResp3,
}

/// What to do instead of running one command or the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The words after the flags, or the prompt when there are none.
    Command,
    /// `--stat`
    Stat,
    /// `--latency`
    Latency,
    /// `--latency-history`
    LatencyHistory,
    /// `--latency-dist`
    LatencyDist,
    /// `--vset-recall KEY`
    VsetRecall(String),
    /// `--lru-test N`
    LruTest(u64),
    /// `--replica`
    Replica,
    /// `--rdb FILE`, `--functions-rdb FILE` (true)
    Rdb(String, bool),
    /// `--pipe`
    Pipe,
    /// `--bigkeys`
    BigKeys,
    /// `--memkeys`
    MemKeys,
    /// `--keystats`
    KeyStats,
    /// `--hotkeys`
    HotKeys,
    /// `--scan`
    Scan,
    /// `--intrinsic-latency SECONDS`
    IntrinsicLatency(u64),
    /// `--test_hint LINE`
    TestHint(String),
    /// `--test_hint_file FILE`
    TestHintFile(String),
    /// `--cluster ...`
    Cluster,
}

/// TLS settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Use TLS at all.
    pub on: bool,
    /// Name for SNI.
    pub sni: Option<String>,
    /// File of trusted certificates.
    pub cacert: Option<String>,
    /// Directory of trusted certificates.
    pub cacertdir: Option<String>,
    /// Accept any certificate.
    pub insecure: bool,
    /// Client certificate.
    pub cert: Option<String>,
    /// Its key.
    pub key: Option<String>,
    /// Cipher list of TLS 1.2, as OpenSSL writes it.
    pub ciphers: Option<String>,
    /// Cipher suites of TLS 1.3.
    pub ciphersuites: Option<String>,
    /// Also require that the certificate names the host (not done by the classic clients).
    pub verify_name: bool,
}

/// Settings of `--cluster`.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Subcommand and its words.
    pub argv: Vec<String>,
    /// `--cluster-replicas`
    pub replicas: u32,
    /// `--cluster-from`
    pub from: Option<String>,
    /// `--cluster-to`
    pub to: Option<String>,
    /// `--cluster-from-user`
    pub from_user: Option<String>,
    /// `--cluster-from-pass`
    pub from_pass: Option<String>,
    /// `--cluster-from-askpass`
    pub from_askpass: bool,
    /// `--cluster-weight NODE=W ...`
    pub weights: Vec<String>,
    /// `--cluster-slots`
    pub slots: u32,
    /// `--cluster-timeout` in ms (0 = default 60000).
    pub timeout_ms: u64,
    /// `--cluster-pipeline` (0 = default 10).
    pub pipeline: u32,
    /// `--cluster-threshold` in percent.
    pub threshold: Option<f64>,
    /// `--cluster-yes`
    pub yes: bool,
    /// `--cluster-simulate`
    pub simulate: bool,
    /// `--cluster-replace`
    pub replace: bool,
    /// `--cluster-copy`
    pub copy: bool,
    /// `--cluster-slave`, `--cluster-replica`
    pub replica: bool,
    /// `--cluster-master-id`, `--cluster-primaries-id`
    pub master_id: Option<String>,
    /// `--cluster-use-empty-masters`
    pub use_empty: bool,
    /// `--cluster-search-multiple-owners`
    pub multiple_owners: bool,
    /// `--cluster-fix-with-unreachable-masters`
    pub fix_unreachable: bool,
    /// `--cluster-only-masters`
    pub only_primaries: bool,
    /// `--cluster-only-replicas`
    pub only_replicas: bool,
    /// `--cluster-use-atomic-slot-migration`
    pub atomic: bool,
}

/// Everything the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name we answer to.
    pub face: Face,
    /// `argv[0]` as typed.
    pub argv0: String,
    /// `-h`
    pub host: String,
    /// `-p`
    pub port: u16,
    /// `-s`
    pub socket: Option<String>,
    /// `-t`: connect timeout.
    pub timeout: Option<Duration>,
    /// `-a`, `--pass`, the URI or the environment.
    pub auth: Option<String>,
    /// `--user` or the URI.
    pub user: Option<String>,
    /// `--askpass`
    pub askpass: bool,
    /// `--no-auth-warning`
    pub no_auth_warning: bool,
    /// A password stood in `argv`.
    pub auth_in_argv: bool,
    /// `-n`
    pub db: u32,
    /// `--name`
    pub client_name: Option<String>,
    /// `-r`; negative = for ever.
    pub repeat: i64,
    /// `-i`
    pub interval: Duration,
    /// `-2`, `-3`
    pub protocol: Protocol,
    /// `-2` and `-3` were both given.
    pub conflicting_protocols: bool,
    /// `-4` and `-6` were both given.
    pub conflicting_ip: bool,
    /// `-4`, `-6`
    pub prefer_ipv: Option<u8>,
    /// `--mptcp` (accepted; plain TCP is used where the system lacks it)
    pub mptcp: bool,
    /// `-x`
    pub stdin_last_arg: bool,
    /// `-X TAG`
    pub stdin_tag: Option<String>,
    /// `-d`
    pub bulk_delimiter: Vec<u8>,
    /// `-D`
    pub command_delimiter: Vec<u8>,
    /// `-c`
    pub cluster_mode: bool,
    /// `-e`
    pub error_exit: bool,
    /// Explicit output, `None` = by the terminal.
    pub output: Option<Output>,
    /// `--quoted-input`
    pub quoted_input: bool,
    /// `--show-pushes`
    pub show_pushes: Option<bool>,
    /// `--eval FILE`
    pub eval: Option<String>,
    /// `--ldb`
    pub ldb: bool,
    /// `--ldb-sync-mode`
    pub ldb_sync: bool,
    /// `--pattern`
    pub pattern: Option<Vec<u8>>,
    /// `--count`
    pub count: u64,
    /// `--cursor`
    pub cursor: u64,
    /// `--top`
    pub top: usize,
    /// `--hotkeys-count`
    pub hotkeys_count: usize,
    /// `--memkeys-samples`, `--keystats-samples`; 0 = server's default.
    pub memory_samples: i64,
    /// `--pipe-timeout` in seconds.
    pub pipe_timeout: i64,
    /// `--vset-recall-count`
    pub vset_count: u64,
    /// `--vset-recall-ef`
    pub vset_ef: u64,
    /// `--vset-recall-ele`
    pub vset_elements: u64,
    /// `--verbose`
    pub verbose: bool,
    /// TLS.
    pub tls: Tls,
    /// `--cluster`
    pub cluster: Cluster,
    /// What to do.
    pub mode: Mode,
    /// Words after the flags, bytes as typed.
    pub words: Vec<Vec<u8>>,
    /// `--production`: ask before destructive commands.
    pub production: bool,
    /// `--table`: rich replies even under a classic name.
    pub table: bool,
    /// `--color always|never|auto`
    pub color: Option<bool>,
    /// `--profile NAME`
    pub profile: Option<String>,
}

impl Options {
    /// The defaults for a name.
    #[must_use]
    pub fn new(face: Face, argv0: &str) -> Self {
        Self {
            face,
            argv0: argv0.to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 6379,
            socket: None,
            timeout: None,
            auth: None,
            user: None,
            askpass: false,
            no_auth_warning: false,
            auth_in_argv: false,
            db: 0,
            client_name: None,
            repeat: 1,
            interval: Duration::ZERO,
            protocol: Protocol::Unset,
            conflicting_protocols: false,
            conflicting_ip: false,
            prefer_ipv: None,
            mptcp: false,
            stdin_last_arg: false,
            stdin_tag: None,
            bulk_delimiter: b"\n".to_vec(),
            command_delimiter: b"\n".to_vec(),
            cluster_mode: false,
            error_exit: false,
            output: None,
            quoted_input: false,
            show_pushes: None,
            eval: None,
            ldb: false,
            ldb_sync: false,
            pattern: None,
            count: 10,
            cursor: 0,
            top: 10,
            hotkeys_count: 16,
            memory_samples: 0,
            pipe_timeout: 30,
            vset_count: 100,
            vset_ef: 500,
            vset_elements: 1,
            verbose: false,
            tls: Tls::default(),
            cluster: Cluster::default(),
            mode: Mode::Command,
            words: Vec::new(),
            production: false,
            table: false,
            color: None,
            profile: None,
        }
    }

    /// `host:port` or the socket, as error texts write it.
    #[must_use]
    pub fn target_text(&self) -> String {
        self.socket.clone().unwrap_or_else(|| format!("{}:{}", self.host, self.port))
    }
}
