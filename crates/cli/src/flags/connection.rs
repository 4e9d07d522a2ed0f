//! Flags about the connection, input and output.
//! Layout of the help texts is part of the interface: it is printed as it stands.

use super::{Apply::*, Flag, Help::*, apply, clamp, text};
use crate::number;
use crate::options::{Output, Protocol};

/// Rows in the order of the help page.
#[rustfmt::skip]
pub const FLAGS: &[Flag] = &[
    Flag {
        names: &["-h"],
        apply: Value(|o, v| { o.host = text(v); Ok(()) }),
        help: Same(r#"  -h <hostname>      Server hostname (default: 127.0.0.1)."#),
    },
    Flag {
        names: &["-p"],
        apply: Value(apply::port),
        help: Same(r#"  -p <port>          Server port (default: 6379)."#),
    },
    Flag {
        names: &["-t"],
        apply: Value(apply::timeout),
        help: Same(r#"  -t <timeout>       Server connection timeout in seconds (decimals allowed).
                     Default timeout is 0, meaning no limit, depending on the OS."#),
    },
    Flag {
        names: &["-s"],
        apply: Value(|o, v| { o.socket = Some(text(v)); Ok(()) }),
        help: Same(r#"  -s <socket>        Server socket (overrides hostname and port)."#),
    },
    Flag {
        names: &["-a"],
        apply: Value(apply::password),
        help: Differs {
            redis: r#"  -a <password>      Password to use when connecting to the server.
                     You can also use the REDISCLI_AUTH environment
                     variable to pass this password more safely
                     (if both are used, this argument takes precedence)."#,
            valkey: r#"  -a <password>      Password to use when connecting to the server.
                     You can also use the VALKEYCLI_AUTH environment
                     variable to pass this password more safely
                     (if both are used, this argument takes precedence)."#,
        },
    },
    Flag {
        names: &["--user"],
        apply: Value(|o, v| { o.user = Some(text(v)); Ok(()) }),
        help: Same(r#"  --user <username>  Used to send ACL style 'AUTH username pass'. Needs -a."#),
    },
    Flag {
        names: &["--pass"],
        apply: Value(apply::password),
        help: Same(r#"  --pass <password>  Alias of -a for consistency with the new --user option."#),
    },
    Flag {
        names: &["--askpass"],
        apply: Switch(|o| o.askpass = true),
        help: Differs {
            redis: r#"  --askpass          Force user to input password with mask from STDIN.
                     If this argument is used, '-a' and REDISCLI_AUTH
                     environment variable will be ignored."#,
            valkey: r#"  --askpass          Force user to input password with mask from STDIN.
                     If this argument is used, '-a' and VALKEYCLI_AUTH
                     environment variable will be ignored."#,
        },
    },
    Flag {
        names: &["-u"],
        apply: Value(apply::uri),
        help: Differs {
            redis: r#"  -u <uri>           Server URI on format redis://user:password@host:port/dbnum
                     User, password and dbnum are optional. For authentication
                     without a username, use username 'default'. For TLS, use
                     the scheme 'rediss'."#,
            valkey: r#"  -u <uri>           Server URI on format valkey://user:password@host:port/dbnum
                     User, password and dbnum are optional. For authentication
                     without a username, use username 'default'. For TLS, use
                     the scheme 'valkeys'."#,
        },
    },
    Flag {
        names: &["-r"],
        apply: Value(|o, v| { o.repeat = number::leading_i64(v); Ok(()) }),
        help: Same(r#"  -r <repeat>        Execute specified command N times."#),
    },
    Flag {
        names: &["-i"],
        apply: Value(apply::interval),
        help: Differs {
            redis: r#"  -i <interval>      When -r is used, waits <interval> seconds per command.
                     It is possible to specify sub-second times like -i 0.1.
                     This interval is also used in --scan and --stat per cycle.
                     and in --bigkeys, --memkeys, --keystats, and --hotkeys per 100 cycles."#,
            valkey: r#"  -i <interval>      When -r is used, waits <interval> seconds per command.
                     It is possible to specify sub-second times like -i 0.1.
                     This interval is also used in --scan and --stat per cycle.
                     and in --bigkeys, --memkeys, and --hotkeys per 100 cycles."#,
        },
    },
    Flag {
        names: &["-n"],
        apply: Value(|o, v| { o.db = clamp(number::leading_i64(v)); Ok(()) }),
        help: Same(r#"  -n <db>            Database number."#),
    },
    Flag {
        names: &["--name"],
        apply: Value(|o, v| { o.client_name = Some(text(v)); Ok(()) }),
        help: RedisOnly(r#"  --name <name>      Set the client name."#),
    },
    Flag {
        names: &["-2"],
        apply: Switch(|o| apply::protocol(o, Protocol::Resp2)),
        help: Same(r#"  -2                 Start session in RESP2 protocol mode."#),
    },
    Flag {
        names: &["-3"],
        apply: Switch(|o| apply::protocol(o, Protocol::Resp3)),
        help: Same(r#"  -3                 Start session in RESP3 protocol mode."#),
    },
    Flag {
        names: &["-x"],
        apply: Switch(|o| o.stdin_last_arg = true),
        help: Same(r#"  -x                 Read last argument from STDIN (see example below)."#),
    },
    Flag {
        names: &["-X"],
        apply: Value(|o, v| { o.stdin_tag = Some(text(v)); Ok(()) }),
        help: Same(r#"  -X                 Read <tag> argument from STDIN (see example below)."#),
    },
    Flag {
        names: &["-d"],
        apply: Value(|o, v| { o.bulk_delimiter = v.to_vec(); Ok(()) }),
        help: Same(r#"  -d <delimiter>     Delimiter between response bulks for raw formatting (default: \n)."#),
    },
    Flag {
        names: &["-D"],
        apply: Value(|o, v| { o.command_delimiter = v.to_vec(); Ok(()) }),
        help: Same(r#"  -D <delimiter>     Delimiter between responses for raw formatting (default: \n)."#),
    },
    Flag {
        names: &["-c"],
        apply: Switch(|o| o.cluster_mode = true),
        help: Same(r#"  -c                 Enable cluster mode (follow -ASK and -MOVED redirections)."#),
    },
    Flag {
        names: &["-e"],
        apply: Switch(|o| o.error_exit = true),
        help: Same(r#"  -e                 Return exit error code when command execution fails."#),
    },
    Flag {
        names: &["-4"],
        apply: Switch(|o| apply::prefer(o, 4)),
        help: Same(r#"  -4                 Prefer IPv4 over IPv6 on DNS lookup."#),
    },
    Flag {
        names: &["-6"],
        apply: Switch(|o| apply::prefer(o, 6)),
        help: Same(r#"  -6                 Prefer IPv6 over IPv4 on DNS lookup."#),
    },
    Flag {
        names: &["--mptcp"],
        apply: Switch(|o| o.mptcp = true),
        help: ValkeyOnly(r#"  --mptcp            Enable an MPTCP connection."#),
    },
    Flag {
        names: &["--tls"],
        apply: Switch(|o| o.tls.on = true),
        help: Same(r#"  --tls              Establish a secure TLS connection."#),
    },
    Flag {
        names: &["--sni"],
        apply: Value(|o, v| { o.tls.sni = Some(text(v)); Ok(()) }),
        help: Same(r#"  --sni <host>       Server name indication for TLS."#),
    },
    Flag {
        names: &["--cacert"],
        apply: Value(|o, v| { o.tls.cacert = Some(text(v)); Ok(()) }),
        help: Same(r#"  --cacert <file>    CA Certificate file to verify with."#),
    },
    Flag {
        names: &["--cacertdir"],
        apply: Value(|o, v| { o.tls.cacertdir = Some(text(v)); Ok(()) }),
        help: Same(r#"  --cacertdir <dir>  Directory where trusted CA certificates are stored.
                     If neither cacert nor cacertdir are specified, the default
                     system-wide trusted root certs configuration will apply."#),
    },
    Flag {
        names: &["--insecure"],
        apply: Switch(|o| o.tls.insecure = true),
        help: Same(r#"  --insecure         Allow insecure TLS connection by skipping cert validation."#),
    },
    Flag {
        names: &["--cert"],
        apply: Value(|o, v| { o.tls.cert = Some(text(v)); Ok(()) }),
        help: Same(r#"  --cert <file>      Client certificate to authenticate with."#),
    },
    Flag {
        names: &["--key"],
        apply: Value(|o, v| { o.tls.key = Some(text(v)); Ok(()) }),
        help: Same(r#"  --key <file>       Private key file to authenticate with."#),
    },
    Flag {
        names: &["--tls-ciphers"],
        apply: Value(|o, v| { o.tls.ciphers = Some(text(v)); Ok(()) }),
        help: Same(r#"  --tls-ciphers <list> Sets the list of preferred ciphers (TLSv1.2 and below)
                     in order of preference from highest to lowest separated by colon (":").
                     See the ciphers(1ssl) manpage for more information about the syntax of this string."#),
    },
    Flag {
        names: &["--tls-ciphersuites"],
        apply: Value(|o, v| { o.tls.ciphersuites = Some(text(v)); Ok(()) }),
        help: Same(r#"  --tls-ciphersuites <list> Sets the list of preferred ciphersuites (TLSv1.3)
                     in order of preference from highest to lowest separated by colon (":").
                     See the ciphers(1ssl) manpage for more information about the syntax of this string,
                     and specifically for TLSv1.3 ciphersuites."#),
    },
    Flag {
        names: &["--raw"],
        apply: Switch(|o| o.output = Some(Output::Raw)),
        help: Same(r#"  --raw              Use raw formatting for replies (default when STDOUT is
                     not a tty)."#),
    },
    Flag {
        names: &["--no-raw"],
        apply: Switch(|o| o.output = Some(Output::Standard)),
        help: Same(r#"  --no-raw           Force formatted output even when STDOUT is not a tty."#),
    },
    Flag {
        names: &["--quoted-input"],
        apply: Switch(|o| o.quoted_input = true),
        help: Same(r#"  --quoted-input     Force input to be handled as quoted strings."#),
    },
    Flag {
        names: &["--csv"],
        apply: Switch(|o| o.output = Some(Output::Csv)),
        help: Same(r#"  --csv              Output in CSV format."#),
    },
    Flag {
        names: &["--json"],
        apply: Switch(|o| apply::json(o, Output::Json)),
        help: Same(r#"  --json             Output in JSON format (default RESP3, use -2 if you want to use with RESP2)."#),
    },
    Flag {
        names: &["--quoted-json"],
        apply: Switch(|o| apply::json(o, Output::QuotedJson)),
        help: Same(r#"  --quoted-json      Same as --json, but produce ASCII-safe quoted strings, not Unicode."#),
    },
    Flag {
        names: &["--show-pushes"],
        apply: Value(apply::show_pushes),
        help: Same(r#"  --show-pushes <yn> Whether to print RESP3 PUSH messages.  Enabled by default when
                     STDOUT is a tty but can be overridden with --show-pushes no."#),
    },
    Flag {
        names: &["--host"],
        apply: Value(|o, v| { o.host = text(v); Ok(()) }),
        help: Own(r#"  --host <hostname>  Same as -h."#),
    },
    Flag {
        names: &["--port"],
        apply: Value(apply::port),
        help: Own(r#"  --port <port>      Same as -p."#),
    },
    Flag {
        names: &["--verify-hostname"],
        apply: Switch(|o| o.tls.verify_name = true),
        help: Own(r#"  --verify-hostname  With TLS, also require the certificate to name the host."#),
    },
    Flag {
        names: &["--profile"],
        apply: Value(|o, v| { o.profile = Some(text(v)); Ok(()) }),
        help: Own(r#"  --profile <name>   Use the named connection of the profiles file."#),
    },
    Flag {
        names: &["--production"],
        apply: Switch(|o| o.production = true),
        help: Own(r#"  --production       Ask before commands that destroy data."#),
    },
    Flag {
        names: &["--table"],
        apply: Switch(|o| o.table = true),
        help: Own(r#"  --table            Rich replies: tables, trees, pager."#),
    },
    Flag {
        names: &["--color"],
        apply: Value(apply::color),
        help: Own(r#"  --color <when>     always, never or auto (default: auto; NO_COLOR is honoured)."#),
    },
];
