//! The same invocations given to a real client and to ours must print the same bytes and exit alike.
//!
//! Compares with the real clients and servers that stand in `$RUSSET_PEERS`, and says so where there are none.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use testkit::process::{Server, Spec};

type Seen = (String, String, Option<i32>);

fn run(program: &str, name: &str, args: &[&str], input: &str, env: &[(&str, &str)]) -> Seen {
    let mut command = Command::new(program);
    command.arg0(name).args(args).env_remove("FAKETTY").env("TERM", "dumb").envs(env.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("client starts");
    // A client may end without reading.
    let _ = child.stdin.take().expect("stdin").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("client ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (without_commit(text(output.stdout)), text(output.stderr), output.status.code())
}

/// A client that was built inside some git checkout names that checkout's commit behind its version.
fn without_commit(text: String) -> String {
    match (text.find(" (git:"), text.rfind(')')) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &text[..from], &text[to + 1..]),
        _ => text,
    }
}

const MODES: &[&[&str]] = &[
    &[],
    &["-3"],
    &["--no-raw"],
    &["--no-raw", "-3"],
    &["--csv"],
    &["--csv", "-3"],
    &["--json"],
    &["--json", "-2"],
    &["--quoted-json"],
    &["-d", ",", "-D", ";"],
];

const COMMANDS: &[&[&str]] = &[
    &["hgetall", "h"],
    &["lrange", "l", "0", "-1"],
    &["smembers", "s"],
    &["zrange", "z", "0", "-1", "withscores"],
    &["xrange", "st", "-", "+"],
    &["mget", "h", "none"],
    &["hgetall", "none"],
    &["config", "get", "maxmemory*"],
    &["command", "info", "get"],
    &["info", "keyspace"],
    &["nosuch"],
    &["-e", "nosuch"],
    &["eval", "return {1,{2,{3,'x'},{}},redis.error_reply('FOO bar'),redis.status_reply('ok')}", "0"],
    &["eval", "redis.setresp(3); return {map={a={map={x={1,2},y={}}},b={double=1.5},c=true}}", "0"],
    &["help", "get"],
    &["quit"],
];

const LINES: &[&str] = &[
    "ping\nset a 1\nget a\nnosuch\n\n  \nget \"open\n3 get a\nmulti\nget a\nexec\nselect 3\nget a\n",
    "0 ping\n99999999999999999999 ping\n2\n2x ping\n",
    "multi\nget a extra\nexec\nexec\ndiscard\nquit\nping\n",
    "subscribe ch\nget a\nping\nreset\nping\n",
    ":set hints\n:set foo\n:foo\nrestart\n",
    "clear\n",
    "connect 127.0.0.1 1\nping\n",
];

const FLAGS: &[&[&str]] = &[
    &["--foo"],
    &["-p"],
    &["-p", "70000"],
    &["-t", "abc"],
    &["-2", "-3"],
    &["-c", "-s", "/x"],
    &["-x", "-X", "t"],
    &["-4", "-6"],
    &["--ldb"],
    &["-u", "http://foo"],
    &["-s", "/nonexistent", "ping"],
    &["-p", "1", "ping"],
    &["--version"],
    &["--cluster", "help"],
    &["--cluster", "foo"],
    &["--cluster", "create"],
];

/// Walks over all keys; only Redis' client has the last one.
const WALKS: &[&[&str]] = &[&["--scan"], &["--bigkeys"], &["--memkeys"], &["--keystats"]];

/// A program of a family, as `cargo xtask peers` lays them out.
fn peer(family: &str, tool: &str) -> Option<String> {
    let dir = std::path::PathBuf::from(std::env::var_os("RUSSET_PEERS")?);
    let name = format!("{family}-{tool}");
    let found = [dir.join(&name), dir.join(family).join("src").join(&name)].into_iter().find(|p| p.is_file());
    found.map(|path| path.display().to_string())
}

#[test]
fn same_bytes_and_codes() {
    for family in ["redis", "valkey"] {
        match (peer(family, "cli"), peer(family, "server")) {
            (Some(client), Some(server)) => {
                let server = Server::start(&Spec::new(server)).expect("a real server");
                compare(&client, &server.port().to_string());
            }
            _ => eprintln!("left out: no {family}-cli and {family}-server in $RUSSET_PEERS"),
        }
    }
}

fn compare(peer: &str, port: &str) {
    let name = peer.rsplit('/').next().expect("name").to_owned();
    let ours = env!("CARGO_BIN_EXE_russet-cli");
    let setup = "flushall\nhset h a 1 b 2\nrpush l \"a\\xff\" \"q\\\"x\" 1,2\nsadd s one\nzadd z 1.5 a 2 b\nxadd st 1-1 f v\n";
    run(peer, &name, &["-p", port], setup, &[]);
    let mut differing = Vec::new();
    let mut check = |args: &[&str], input: &str, env: &[(&str, &str)]| {
        let (theirs, own) = (run(peer, &name, args, input, env), run(ours, &name, args, input, env));
        if theirs != own {
            differing.push(format!("{args:?} {input:?}\n  theirs {theirs:?}\n  ours   {own:?}"));
        }
    };
    for mode in MODES {
        for command in COMMANDS {
            check(&[&["-p", port], *mode, *command].concat(), "", &[]);
        }
    }
    for lines in LINES {
        check(&["-p", port], lines, &[]);
        check(&["-p", port], lines, &[("FAKETTY", "1")]);
    }
    for walk in WALKS.iter().filter(|walk| name == "redis-cli" || walk[0] != "--keystats") {
        check(&[&["-p", port], *walk].concat(), "", &[]);
    }
    for flags in FLAGS {
        check(flags, "", &[]);
    }
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}
