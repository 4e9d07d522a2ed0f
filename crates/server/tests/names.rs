//! What the server calls itself, by the name that it is called by, and the title of its process.

mod common;

use common::*;
use testkit::client::Client;
use testkit::process::Server;

/// What HELLO, INFO and LOLWUT say: the server's name and version, the fields of its mode, the last words.
fn introduction(client: &mut Client) -> (String, Vec<String>, String) {
    let hello = run(client, "HELLO 2");
    let info = client.words("INFO server").expect("INFO").text();
    let modes = info.lines().filter_map(|line| line.split_once(':')).map(|(field, _)| field);
    let modes = modes.filter(|field| field.ends_with("_mode")).map(str::to_owned).collect();
    let picture = client.words("LOLWUT 5 1").expect("LOLWUT").text();
    let words = picture.trim_end().lines().last().unwrap_or_default().to_owned();
    (hello, modes, words)
}

#[test]
fn the_name_decides() {
    let cases: [(&str, &str, &str, &str, &[&str]); 3] = [
        ("redis-server", "", "Redis", "8.6.3", &["redis_mode", "server_mode"]),
        ("valkey-server", "", "Valkey", "9.1.2", &["server_mode"]),
        ("valkey-server", "--extended-redis-compatibility yes", "Redis", "7.2.4", &["redis_mode"]),
    ];
    for (name, args, product, version, fields) in cases {
        let server = called(name, args);
        let (hello, modes, words) = introduction(&mut client(&server));
        for part in [product.to_lowercase().as_str(), version] {
            assert!(hello.contains(part), "{name} {args}: {part}: {hello}");
        }
        assert_eq!(modes, fields, "{name} {args}");
        assert!(words.ends_with(&format!("{product} ver. {version}")), "{name} {args}: {words}");
        let first = if name.starts_with("valkey") { "Valkey is starting" } else { "Redis is starting" };
        assert!(server.log().contains(first), "{name}");
    }
}

/// The words of the process's title.
fn title(server: &Server) -> String {
    let bytes = std::fs::read(format!("/proc/{}/cmdline", server.pid())).expect("read");
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned()
}

#[test]
fn the_title_follows_its_template() {
    let server = ours("");
    let port = server.port();
    assert_eq!(title(&server), format!("{OURS} 127.0.0.1:{port}"));
    let mut client = client(&server);
    ok(
        &mut client,
        "CONFIG SET proc-title-template {port}/{tls-port}{unixsocket}{server-mode}({config-file})x",
    );
    assert_eq!(title(&server), format!("{port}/0(-)x"));
    let refused = run(&mut client, "CONFIG SET proc-title-template {invalid-var}");
    assert!(refused.ends_with("template format is invalid or contains unknown variables"), "{refused}");
    // The environment has moved, not gone.
    let long = "y".repeat(1 << 20);
    ok(&mut client, &format!("CONFIG SET proc-title-template {long}"));
    assert!(long.starts_with(&title(&server)));
    let plain = ours("--set-proc-title no");
    assert!(title(&plain).contains("\0--port\0"));
}
