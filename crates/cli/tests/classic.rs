//! The classic face end to end: arguments and input in, bytes and exit code out. The expected texts are those
//! of redis-cli 8.6.3 and valkey-cli 9.1.2.

mod support;

use support::Server;
use support::run::run;

#[test]
fn formats() {
    let server = Server::start();
    let port = server.port.to_string();
    let nested = "*3\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n-ERR x\r\n";
    let map = "%2\r\n+a\r\n:1\r\n+b\r\n*2\r\n:1\r\n#t\r\n";
    for (flags, frame, expected) in [
        (vec![], nested, "1\na\n\nERR x\n\n"),
        (vec!["--no-raw"], nested, "1) (integer) 1\n2) 1) \"a\"\n   2) (nil)\n3) (error) ERR x\n"),
        (vec!["--csv"], nested, "1,\"a\",NULL,ERROR,\"ERR x\"\n"),
        (vec!["--json", "-2"], nested, "[1,[\"a\",null],error:\"ERR x\"]\n"),
        (vec![], map, "a 1\nb 1\n(true)\n"),
        (vec!["--no-raw"], map, "1# a => (integer) 1\n2# b => \n   1) (integer) 1\n   2) (true)\n"),
        (vec!["--json", "-2"], map, "{\"a\":1,\"b\":[1,true]}\n"),
        (vec!["--quoted-json", "-2"], "$2\r\n\"\n\r\n", "\"\\\\\"\\\\n\"\n"),
        (vec!["-d", ",", "-D", ";"], "*2\r\n:1\r\n:2\r\n", "1,2;"),
        (vec!["--no-raw"], ",1.5\r\n", "(double) 1.5\n"),
        (vec!["--no-raw"], "*0\r\n", "(empty array)\n"),
    ] {
        let mut args = vec!["-p", &port];
        args.extend(&flags);
        args.extend(["frame", frame]);
        let run = run("redis-cli", &args, "", &[]);
        assert_eq!((run.out.as_str(), run.code), (expected, 0), "{flags:?} {}", frame.escape_default());
    }
}

#[test]
fn one_shot() {
    let server = Server::start();
    let port = server.port.to_string();
    let cli = |args: &[&str], input: &str| run("redis-cli", &[&["-p", &port], args].concat(), input, &[]);
    assert_eq!(cli(&["-x", "set", "k"], "from stdin\n").out, "OK\n");
    assert_eq!(cli(&["get", "k"], "").out, "from stdin\n\n");
    assert_eq!(cli(&["-X", "TAG", "set", "TAG", "v"], "k2").out, "OK\n");
    assert_eq!(cli(&["--quoted-input", "get", "\"\\x6b2\""], "").out, "v\n");
    assert_eq!(cli(&["-r", "3", "ping"], "").out, "PONG\nPONG\nPONG\n");
    let error = cli(&["-e", "nosuch"], "");
    assert_eq!((error.err.as_str(), error.code), ("ERR unknown command 'NOSUCH'\n", 1));
    assert_eq!(cli(&["nosuch"], "").code, 0);
    assert_eq!(cli(&["--scan"], "").out, "user:1\n");
}

#[test]
fn prompt_without_terminal() {
    let server = Server::start();
    let port = server.port.to_string();
    let lines = "set k \"a b\"\n2 get k\nget \"open\n:foo\nnosuch\nquit\nping\n";
    let plain = run("redis-cli", &["-p", &port], lines, &[]);
    assert_eq!(
        plain.out,
        "OK\na b\na b\nInvalid argument(s)\nunknown redis-cli internal command ':foo'\nERR unknown command 'NOSUCH'\n\n"
    );
    let faked = run("valkey-cli", &["-p", &port], "get k\nget \"\"'k'\n:get pubsub\n", &[("FAKETTY", "1")]);
    assert_eq!(faked.out, "\"a b\"\n\"a b\"\n0\n");
}

#[test]
fn environment_and_names() {
    let server = Server::start();
    server.state.lock().expect("lock").password = Some("pw".to_owned());
    let port = server.port.to_string();
    for (name, variable) in
        [("redis-cli", "REDISCLI_AUTH"), ("valkey-cli", "VALKEYCLI_AUTH"), ("russet-cli", "RUSSETCLI_AUTH")]
    {
        let run = run(name, &["-p", &port, "ping"], "", &[(variable, "pw")]);
        assert_eq!((run.out.as_str(), run.err.as_str()), ("PONG\n", ""), "{name}");
    }
    assert_eq!(run("redis-cli", &["--version"], "", &[]).out, "redis-cli 8.6.3\n");
    assert_eq!(run("valkey-cli", &["-v"], "", &[]).out, "valkey-cli 9.1.2\n");
    assert!(
        run("redis-cli", &["--help"], "", &[])
            .out
            .starts_with("redis-cli 8.6.3\n\nUsage: redis-cli [OPTIONS]")
    );
    let unknown = run("redis-cli", &["--foo"], "", &[]);
    assert_eq!(
        (unknown.err.as_str(), unknown.code),
        ("Unrecognized option or bad number of args for: '--foo'\n", 1)
    );
}

#[test]
fn pipe_counts_replies() {
    let server = Server::start();
    let port = server.port.to_string();
    // The empty line in front of the closing ECHO is no request to this server: it hangs up, which is told.
    let input = "*1\r\n$4\r\nPING\r\n".repeat(1000) + "*1\r\n$3\r\nBAD\r\n";
    let run = run("redis-cli", &["-p", &port, "--pipe", "--pipe-timeout", "1"], &input, &[]);
    assert!(run.out.starts_with("All data transferred. Waiting for the last reply...\n"), "{}", run.out);
    assert!(run.err.contains("ERR unknown command 'BAD'"), "{}", run.err);
    assert_eq!(run.code, 1);
}
