//! The interactive face in a pseudo terminal: what one types, and what the screen then shows.

mod support;

use support::Server;
use support::terminal::{Terminal, home};

struct Session {
    server: Server,
    terminal: Terminal,
    home: std::path::PathBuf,
}

impl Session {
    fn start(name: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let server = Server::start();
        let home = home(name);
        let port = server.port.to_string();
        let args = [&["-p", &port], args].concat();
        let mut terminal = Terminal::start_with(env!("CARGO_BIN_EXE_russet-cli"), &args, &home, env);
        terminal.expect(&format!("127.0.0.1:{port}> "));
        Self { server, terminal, home }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

#[test]
fn completion_of_commands_and_live_keys() {
    let mut session = Session::start("completion", &[], &[]);
    let terminal = &mut session.terminal;
    terminal.send("hgeta\t");
    terminal.expect("hgetall ");
    terminal.send("us\t");
    terminal.expect("hgetall user:1");
    terminal.send("\r");
    // The reply is a table; text in UTF-8 stays text.
    let screen = terminal.expect("(2 rows)");
    assert!(screen.contains("│ name  ┆ Zoë"), "{screen}");
    terminal.prompt();
    terminal.send("config re\t\t");
    terminal.expect("rewrite");
    terminal.send("\x03");
    terminal.prompt();
    terminal.send("set k v exa\t");
    terminal.expect("set k v exat");
    terminal.send("\x03");
    terminal.prompt();
    assert_eq!(terminal.leave(), 0);
    assert!(session.server.saw("SCAN"), "keys come from the server");
}

#[test]
fn hints_come_from_the_server_or_the_copy() {
    let mut session = Session::start("hints", &[], &[]);
    let terminal = &mut session.terminal;
    assert!(!session.server.saw("COMMAND"), "the first prompt does not wait for documentation");
    terminal.send("set k v ");
    terminal.expect("[NX|XX");
    assert!(session.server.saw("COMMAND"));
    terminal.send("\x03");
    terminal.prompt();
    terminal.run(":set nohints", ":set nohints");
    terminal.send("getrange k \x03");
    terminal.expect("getrange k");
    terminal.prompt();
    let screen = terminal.run("ping", "PONG");
    assert!(!screen.contains("start end"), "{screen}");
    assert_eq!(terminal.leave(), 0);

    // What the server documents, it also hints.
    let mut session = Session::start("served-hints", &[], &[]);
    session.server.script(
        "COMMAND DOCS",
        "*2\r\n$4\r\nfrob\r\n*6\r\n$7\r\nsummary\r\n$2\r\nxx\r\n$5\r\ngroup\r\n$7\r\ngeneric\r\n$9\r\narguments\r\n\
         *1\r\n*6\r\n$4\r\nname\r\n$6\r\nwidget\r\n$4\r\ntype\r\n$6\r\nstring\r\n$12\r\ndisplay_text\r\n$6\r\nwidget\r\n",
    );
    session.terminal.send("frob ");
    session.terminal.expect("frob widget");
}

#[test]
fn ctrl_c_cancels_the_line_and_the_running_command() {
    let mut session = Session::start("cancel", &[], &[]);
    let (server, terminal) = (&session.server, &mut session.terminal);
    terminal.send("flushall\x03");
    terminal.prompt();
    assert!(!server.saw("FLUSHALL"));
    terminal.send("brpop nokey 0\r");
    terminal.wait("the blocked command", |_| server.saw("BRPOP"));
    terminal.send("\x03");
    terminal.expect("(cancelled)");
    terminal.prompt();
    terminal.run("ping", "PONG");
    // What `:peek` asks is a running command too.
    server.script("TYPE stuck", "");
    terminal.send(":peek stuck\r");
    terminal.wait("the question", |_| server.saw("TYPE"));
    terminal.send("\x03");
    terminal.expect("(no answer)");
    terminal.prompt();
    terminal.run("ping", "PONG");
    assert_eq!(terminal.leave(), 0);
}

#[test]
fn ctrl_c_gets_past_a_server_that_never_answers() {
    let server = Server::start();
    server.script("HELLO 3", "");
    let home = home("mute");
    let mut terminal = Terminal::start(&["-p", &server.port.to_string()], &home);
    terminal.wait("the greeting", |_| server.saw("HELLO"));
    terminal.send("\x03");
    terminal.expect("not connected> ");
    // The next command tries again.
    terminal.run("ping", "PONG");
    assert_eq!(terminal.leave(), 0);
    std::fs::remove_dir_all(home).expect("remove");
}

#[test]
fn the_guard_asks_in_production() {
    let server = Server::start();
    let home = home("guard");
    let mut terminal = Terminal::start(&["-p", &server.port.to_string(), "--production"], &home);
    terminal.expect(&format!("PRODUCTION 127.0.0.1:{}> ", server.port));
    for line in ["flushall", "3 flushall", ":watch 1 flushall"] {
        terminal.send(&format!("{line}\r"));
        terminal.expect("Type 'yes' to run it:");
        terminal.send("no\r");
        terminal.expect("Not run.");
        terminal.prompt();
    }
    assert!(!server.saw("FLUSHALL"));
    terminal.run("ping", "PONG");
    terminal.send("flushall\r");
    terminal.expect("Type 'yes' to run it:");
    terminal.send("yes\r");
    terminal.expect("OK");
    terminal.prompt();
    assert!(server.saw("FLUSHALL"));
    assert_eq!(terminal.leave(), 0);
    std::fs::remove_dir_all(home).expect("remove");
}

#[test]
fn the_guard_stands_before_a_single_command_too() {
    let server = Server::start();
    let home = home("guard-once");
    let profiles = home.join("profiles");
    let text = format!("[prod]\nurl = redis://127.0.0.1:{}\nproduction = yes\n", server.port);
    std::fs::write(&profiles, text).expect("profiles");
    let env = [("RUSSETCLI_PROFILES", profiles.to_str().expect("path"))];
    for (answer, code) in [("no\r", 1), ("yes\r", 0)] {
        let args = ["--profile", "prod", "flushall"];
        let mut terminal = Terminal::start_with(env!("CARGO_BIN_EXE_russet-cli"), &args, &home, &env);
        terminal.expect(&format!("This is production: prod (127.0.0.1:{})", server.port));
        terminal.send(answer);
        assert_eq!(terminal.code(), code);
        assert_eq!(server.saw("FLUSHALL"), code == 0);
    }
    std::fs::remove_dir_all(home).expect("remove");
}

#[test]
fn live_views_end_without_leaving() {
    let mut session = Session::start("live", &[], &[]);
    let (server, terminal) = (&session.server, &mut session.terminal);
    terminal.send("subscribe ch\r");
    terminal.expect("Live view: Ctrl-C returns to the prompt.");
    terminal.expect("subscribe ch (1 in all)");
    for text in ["hello there", "and again"] {
        server.publish(text);
        terminal.expect(&format!("ch: {text}"));
    }
    terminal.send("\x03");
    terminal.expect("back at the prompt");
    terminal.prompt();
    terminal.run("ping", "PONG");

    terminal.send("monitor\r");
    terminal.expect("OK");
    for line in ["1700000000.000001 [0 127.0.0.1:1] \"SET\" \"a\"", "1700000000.000002 [0 lua] \"GET\" \"b\""]
    {
        server.tell(&format!("+{line}\r\n"));
        terminal.expect(line);
    }
    terminal.send("\x03");
    terminal.expect("(cancelled)");
    terminal.prompt();
    // A fresh connection: what MONITOR still sends to the old one is not taken for a reply.
    server.tell("+1700000000.000003 [0 late]\r\n");
    terminal.run("get k", "(nil)");
    assert_eq!(terminal.leave(), 0);
}

#[test]
fn watch_runs_again_and_again() {
    let mut session = Session::start("watch", &[], &[]);
    let (server, terminal) = (&session.server, &mut session.terminal);
    server.script("GET k", "$5\r\nfirst\r\n");
    server.script("GET k", "$6\r\nsecond\r\n");
    terminal.send(":watch 0.05 get k\r");
    terminal.expect("get k: every 0.1 s, turn");
    // The scripted values are used up and the third one stays.
    terminal.expect("(nil)");
    terminal.send("\x03");
    terminal.prompt();
    assert!(server.log().iter().filter(|name| *name == "GET").count() >= 3);
    let raw = terminal.raw_text();
    assert!(raw.contains("first") && raw.contains("second"), "{raw:?}");
    terminal.run(":watch", ":watch [SECONDS] COMMAND");
    assert_eq!(terminal.leave(), 0);
}

#[test]
fn peek_shows_a_key() {
    let mut session = Session::start("peek", &[], &[]);
    let terminal = &mut session.terminal;
    let screen = terminal.run(":peek user:1", "Zoë");
    for text in
        ["type      hash", "ttl       90.0 s", "length    2 elements", "memory    100", "encoding  listpack"]
    {
        assert!(screen.contains(text), "{text} is not on\n{screen}");
    }
    session.server.script("TYPE gone", "+none\r\n");
    terminal.run(":peek gone", "(no such key)");
    assert_eq!(terminal.leave(), 0);
}

#[test]
fn settings_change_modes() {
    let mut session = Session::start("settings", &[], &[]);
    let terminal = &mut session.terminal;
    let screen = terminal.run(":set", "format of replies");
    assert!(screen.contains("table    on") && screen.contains("timing   off"), "{screen}");
    terminal.run(":set timing", ":set timing");
    terminal.run("ping", " ms)");
    terminal.run(":set notiming", ":set notiming");
    for (format, reply) in [
        ("json", r#"["name","Zoë","mail","z@x.y"]"#),
        ("csv", r#""name","Zo\xc3\xab","mail","z@x.y""#),
        ("standard", r#"2) "Zo\xc3\xab""#),
        ("table", "│ name  ┆ Zoë"),
    ] {
        terminal.run(&format!(":set {format}"), &format!(":set {format}"));
        terminal.run("hgetall user:1", reply);
    }
    terminal.run(":set nosuch", "preference 'nosuch'");
    assert_eq!(terminal.leave(), 0);
}

#[test]
fn what_is_taller_than_the_screen_is_paged() {
    let mut session = Session::start("pager", &[], &[("PAGER", "sed s/^/paged:/")]);
    let terminal = &mut session.terminal;
    terminal.run("ping", "PONG");
    assert!(!terminal.raw_text().contains("paged:"));
    terminal.run("tall", "line 59");
    assert!(terminal.raw_text().contains("paged:"), "{}", terminal.raw_text());
    let paged = terminal.raw_text().matches("paged:").count();
    terminal.run(":set nopager", ":set nopager");
    terminal.run("tall", "line 59");
    assert_eq!(terminal.raw_text().matches("paged:").count(), paged);
    assert_eq!(terminal.leave(), 0);
}

#[test]
fn history_is_kept_without_passwords() {
    let mut session = Session::start("history", &[], &[]);
    let terminal = &mut session.terminal;
    terminal.run("auth secret", "WRONGPASS");
    terminal.run("get remembered", "(nil)");
    // Ctrl-R finds it, Enter runs it.
    terminal.send("\x12memb");
    terminal.expect("get remembered");
    terminal.send("\r");
    terminal.expect("(nil)");
    terminal.prompt();
    assert_eq!(terminal.leave(), 0);
    let history = std::fs::read_to_string(session.home.join(".russetcli_history")).expect("history");
    assert!(history.contains("get remembered") && !history.contains("secret"), "{history}");
}

#[test]
fn scripts_may_span_lines() {
    let mut session = Session::start("lines", &[], &[]);
    let terminal = &mut session.terminal;
    terminal.send("set script \"return\r");
    terminal.send("1\"\r");
    terminal.expect("OK");
    terminal.prompt();
    terminal.run("get script", "\"return\\n1\"");
    assert_eq!(terminal.leave(), 0);
}

#[test]
fn the_prompt_tells_where_one_is() {
    let server = Server::start();
    let home = home("prompt");
    server.script("ROLE", "*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:1\r\n$9\r\nconnected\r\n:0\r\n");
    let mut terminal = Terminal::start(&["-p", &server.port.to_string()], &home);
    let prompt = format!("127.0.0.1:{}", server.port);
    terminal.expect(&format!("{prompt}(replica)> "));
    terminal.run("select 3", &format!("{prompt}[3](replica)> "));
    server.script("MULTI", "+OK\r\n");
    terminal.run("multi", &format!("{prompt}[3](replica)(TX)> "));
    server.script("EXEC", "*0\r\n");
    terminal.run("exec", &format!("{prompt}[3](replica)> "));
    let help = terminal.run("help getrange", "GETRANGE key start end");
    assert!(help.contains("summary:") && help.contains("group: string"), "{help}");
    assert_eq!(terminal.leave(), 0);
    std::fs::remove_dir_all(home).expect("remove");
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let mut session = Session::start("dumb", &[], &[("TERM", "dumb")]);
    session.terminal.run("hgetall user:1", "2) \"Zo\\xc3\\xab\"");
    session.terminal.send("quit\r");
    assert_eq!(session.terminal.code(), 0);
    assert!(!session.terminal.raw_text().contains('\x1b'), "{:?}", session.terminal.raw_text());
}

#[test]
fn no_color_means_none() {
    let mut session = Session::start("colour", &[], &[("NO_COLOR", "1")]);
    session.terminal.run("ping", "PONG");
    assert!(!session.terminal.raw_text().contains("\x1b[36m"), "{:?}", session.terminal.raw_text());
    let mut session = Session::start("colours", &[], &[]);
    session.terminal.run("ping", "PONG");
    assert!(session.terminal.raw_text().contains("\x1b[36m"));
}

#[test]
fn long_work_shows_progress_on_a_terminal() {
    let server = Server::start();
    let home = home("progress");
    let port = server.port.to_string();
    let dump = home.join("dump").to_string_lossy().into_owned();
    for (args, end, bar) in [
        (vec!["--bigkeys"], "Sampled 1 keys in the keyspace!", "/5 "),
        (vec!["--memkeys"], "Sampled 1 keys in the keyspace!", "/5 "),
        (vec!["--keystats"], "", "/5 "),
        (vec!["--scan"], "user:1", "/s"),
        (vec!["--rdb", &dump], "Transfer finished with success.", "5 B"),
    ] {
        let args = [&["-p", &port], &args[..]].concat();
        let mut terminal = Terminal::start(&args, &home);
        let raw = terminal.drain();
        assert_eq!(terminal.code(), 0, "{args:?} {raw}");
        assert!(raw.contains(end), "{args:?} {raw:?}");
        assert!(raw.contains(bar), "no bar of {args:?} in {raw:?}");
    }
    let input = home.join("input");
    std::fs::write(&input, "*1\r\n$4\r\nPING\r\n".repeat(50_000)).expect("input");
    let client = env!("CARGO_BIN_EXE_russet-cli");
    let line = format!("exec {client} -p {port} --pipe --pipe-timeout 1 < {}", input.display());
    let mut terminal = Terminal::start_with("/bin/sh", &["-c", &line], &home, &[]);
    let raw = terminal.drain();
    assert!(raw.contains("KiB"), "no bar of --pipe in {raw:?}");
    std::fs::remove_dir_all(home).expect("remove");
}

#[test]
fn load_and_latency_draw_sparklines() {
    let server = Server::start();
    let home = home("spark");
    let port = server.port.to_string();
    for args in [&["--stat", "-i", "0.05"][..], &["--latency"]] {
        let mut terminal = Terminal::start(&[&["-p", &port], args].concat(), &home);
        terminal.wait("a sparkline", |screen| screen.contains(['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']));
        terminal.send("\x03");
        terminal.code();
    }
    std::fs::remove_dir_all(home).expect("remove");
}
