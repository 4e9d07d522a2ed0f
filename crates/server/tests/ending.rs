//! How the server ends, and what makes it go on: SHUTDOWN, signals, saves that fail, crashes.
//!
//! Where the real servers are at hand, they must pass the same tests.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use common::*;
use rustix::process::Signal;
use testkit::client::Client;
use testkit::process::{Server, Spec, fresh_dir};

const REFUSED: &str = "-ERR Errors trying to SHUTDOWN. Check logs.";

/// Ours and the real ones.
fn everybody() -> Vec<PathBuf> {
    std::iter::once(PathBuf::from(OURS)).chain(peers()).collect()
}

fn start(binary: &PathBuf, args: &str) -> Server {
    Server::start(&Spec::new(binary).args(args)).expect("start")
}

/// From here on no dump file can get its name: a folder has it.
fn obstruct(server: &Server) {
    fs::create_dir_all(server.dir().join("dump.rdb/inside")).expect("a folder");
}

fn temporary_files(server: &Server) -> usize {
    let names = fs::read_dir(server.dir()).expect("the folder").flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().starts_with("temp-")).count()
}

#[test]
fn a_shutdown_that_cannot_save_is_refused_and_the_server_lives_on() {
    for binary in everybody() {
        let mut server = start(&binary, "");
        let mut client = client(&server);
        assert_eq!(client.call(&["CONFIG", "SET", "save", "1000 1"]).expect("reply").render(), "+OK");
        ok(&mut client, "SET a b");
        obstruct(&server);
        for line in ["SHUTDOWN", "SHUTDOWN SAVE", "SHUTDOWN NOW"] {
            assert_eq!(run(&mut client, line), REFUSED, "{binary:?} {line}");
        }
        // A write is not paused any more, and the signal is no different.
        ok(&mut client, "SET a c");
        for signal in [Signal::TERM, Signal::INT, Signal::INT] {
            let refusals = |server: &Server| server.log().matches("can't exit").count();
            let before = refusals(&server);
            server.signal(signal).expect("signal");
            wait_for("the refusal", || refusals(&server) > before);
        }
        assert_eq!(run(&mut client, "GET a"), "\"c\"");
        assert_eq!(temporary_files(&server), 0);
        client.send(&["SHUTDOWN", "FORCE"]).expect("send");
        assert!(client.read_frame().is_err());
        assert_eq!(server.wait(DEADLINE).expect("the end").code(), Some(0), "{binary:?}");
    }
}

#[test]
fn words_of_shutdown() {
    for binary in everybody() {
        let server = start(&binary, "");
        let mut client = client(&server);
        for (line, reply) in [
            ("SHUTDOWN NOSAVE SAVE", "-ERR syntax error"),
            ("SHUTDOWN SAVE NOSAVE", "-ERR syntax error"),
            ("SHUTDOWN FOO", "-ERR syntax error"),
            ("SHUTDOWN ABORT NOW", "-ERR syntax error"),
            ("SHUTDOWN SAVE ABORT", "-ERR syntax error"),
            ("SHUTDOWN ABORT", "-ERR No shutdown in progress."),
        ] {
            assert_eq!(run(&mut client, line), reply, "{binary:?} {line}");
        }
        let mut server = server;
        client.send(&["SHUTDOWN", "NOSAVE"]).expect("send");
        assert!(client.read_frame().is_err());
        assert_eq!(server.wait(DEADLINE).expect("the end").code(), Some(0), "{binary:?}");
        assert!(!server.dir().join("dump.rdb").exists());
    }
}

/// A primary with a replica that does not take what the primary has written last.
struct Lagging {
    primary: Server,
    replica: Server,
    client: Client,
}

fn lagging(binary: &PathBuf, timeout_s: u32) -> Lagging {
    let primary = start(binary, &format!("--shutdown-timeout {timeout_s} --repl-diskless-sync-delay 0"));
    let replica = ours(&format!("--replicaof 127.0.0.1 {}", primary.port()));
    let mut client = client(&primary);
    let mut other = self::client(&replica);
    wait_for("the link", || info(&mut other, "master_link_status") == "up");
    let line = format!("ip=127.0.0.1,port={},state=online", replica.port());
    wait_for("the replica", || info(&mut client, "slave0").starts_with(&line));
    replica.signal(Signal::STOP).expect("stop");
    ok(&mut client, "SET a b");
    Lagging { primary, replica, client }
}

fn wait_ending(server: &Server) {
    wait_for("the wait for replicas", || server.log().contains("Waiting for replicas before shutting down"));
}

#[test]
fn a_shutdown_waits_for_replicas_and_can_be_given_up() {
    for binary in everybody() {
        let Lagging { mut primary, replica: _replica, mut client } = lagging(&binary, 10_000);
        let (mut second, mut third) = (self::client(&primary), self::client(&primary));
        client.send(&["SHUTDOWN"]).expect("send");
        wait_ending(&primary);
        // Reads go on, writes wait; another SHUTDOWN joins.
        assert_eq!(run(&mut second, "GET a"), "\"b\"");
        let left = info_number(&mut second, "shutdown_in_milliseconds");
        assert!(0 < left && left <= 10_000_000, "{left}");
        third.send(&["SHUTDOWN"]).expect("send");
        wait_for("both", || info_number(&mut second, "blocked_clients") == 2);
        let mut writer = self::client(&primary);
        writer.send(&["SET", "a", "c"]).expect("send");
        wait_for("all three", || info_number(&mut second, "blocked_clients") == 3);
        assert_eq!(run(&mut second, "GET a"), "\"b\"");
        ok(&mut second, "SHUTDOWN ABORT");
        for client in [&mut client, &mut third] {
            assert_eq!(String::from_utf8_lossy(&client.read_frame().expect("reply")).trim_end(), REFUSED);
        }
        assert_eq!(writer.read_frame().expect("reply"), b"+OK\r\n");
        assert_eq!(run(&mut second, "SHUTDOWN ABORT"), "-ERR No shutdown in progress.");
        assert_eq!(run(&mut second, "GET a"), "\"c\"");
        // NOW hastens one that waits. How the real servers take a second SHUTDOWN after ABORT was not
        // settled: they are not asked.
        if binary.as_os_str() == OURS {
            client.send(&["SHUTDOWN"]).expect("send");
            wait_for("the wait", || !info(&mut second, "shutdown_in_milliseconds").is_empty());
        }
        second.send(&["SHUTDOWN", "NOW"]).expect("send");
        assert_eq!(primary.wait(DEADLINE).expect("the end").code(), Some(0), "{binary:?}");
        assert!(primary.log().contains("0 of 1 replicas are in sync when shutting down"), "{binary:?}");
    }
}

#[test]
fn signals_wait_for_replicas_and_a_second_interrupt_insists() {
    for binary in everybody() {
        // The replica catches up.
        let Lagging { mut primary, replica, .. } = lagging(&binary, 10_000);
        primary.signal(Signal::TERM).expect("signal");
        wait_ending(&primary);
        replica.signal(Signal::CONT).expect("go on");
        assert_eq!(primary.wait(DEADLINE).expect("the end").code(), Some(0), "{binary:?}");
        assert!(primary.log().contains("1 of 1 replicas are in sync"), "{binary:?}");
        // It does not, and time is over.
        let Lagging { mut primary, replica: _replica, .. } = lagging(&binary, 1);
        primary.signal(Signal::INT).expect("signal");
        assert_eq!(primary.wait(DEADLINE).expect("the end").code(), Some(0), "{binary:?}");
        assert!(primary.log().contains("Lagging replica 127.0.0.1"), "{binary:?}");
        // It does not, and somebody insists; SIGTERM does not insist.
        let Lagging { mut primary, replica: _replica, .. } = lagging(&binary, 10_000);
        primary.signal(Signal::TERM).expect("signal");
        wait_ending(&primary);
        primary.signal(Signal::TERM).expect("signal");
        wait_for("the second", || primary.log().matches("Received SIGTERM scheduling").count() == 2);
        primary.signal(Signal::INT).expect("signal");
        assert_eq!(primary.wait(DEADLINE).expect("the end").code(), Some(1), "{binary:?}");
        assert!(primary.log().contains("You insist... exiting now."));
    }
}

#[test]
fn a_signal_while_loading_ends_at_once() {
    let dir = fresh_dir().expect("dir");
    for binary in everybody() {
        let spec = |args: &str| Spec { dir: Some(dir.clone()), ..Spec::new(&binary).args(args) };
        let mut server = Server::start(&spec("--enable-debug-command yes")).expect("start");
        let mut client = client(&server);
        ok(&mut client, "DEBUG POPULATE 2000");
        ok(&mut client, "SAVE");
        server.kill();
        for signal in [Some(Signal::TERM), Some(Signal::INT), None] {
            // It answers while it loads, which takes forty seconds.
            let child = std::process::Command::new(&binary)
                .args(["--port", "0", "--unixsocket", "s", "--loading-process-events-interval-bytes", "1024"])
                .args(["--key-load-delay", "20000"])
                .current_dir(&dir)
                .stdout(fs::File::create(dir.join("loading")).expect("log"))
                .spawn()
                .expect("start");
            let mut child = Ending(child);
            let socket = dir.join("s");
            wait_for("the socket", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
            match signal {
                Some(signal) => {
                    let pid = rustix::process::Pid::from_raw(child.0.id() as i32).expect("a pid");
                    rustix::process::kill_process(pid, signal).expect("signal");
                }
                None => {
                    use std::io::Write;
                    let mut stream = std::os::unix::net::UnixStream::connect(&socket).expect("connect");
                    stream.write_all(b"SHUTDOWN\r\n").expect("send");
                }
            }
            let status = child.0.wait().expect("the end");
            assert_eq!(status.code(), Some(0), "{binary:?} {signal:?}");
            // Nothing was saved over the file.
            assert!(fs::metadata(dir.join("dump.rdb")).expect("the file").len() > 20_000);
            let _ = fs::remove_file(&socket);
        }
        fs::remove_file(dir.join("dump.rdb")).expect("clean up");
    }
    fs::remove_dir_all(&dir).expect("clean up");
}

/// A process that does not outlive the test.
struct Ending(std::process::Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// After a background save that failed, nothing may be written, until one succeeds.
fn refuses_until_it_can_save(server: &Server, mend: Option<&dyn Fn()>, name: &str) {
    let mut client = client(server);
    assert_eq!(client.call(&["CONFIG", "SET", "save", "1000 1"]).expect("reply").render(), "+OK");
    ok(&mut client, "SET a b");
    let ended = |client: &mut Client| info(client, "rdb_bgsave_in_progress") == "0";
    assert_eq!(run(&mut client, "BGSAVE"), "+Background saving started", "{name}");
    wait_for("the end of the save", || ended(&mut client));
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "err", "{name}");
    assert!(info_number(&mut client, "rdb_changes_since_last_save") > 0);
    for line in ["SET a c", "PING", "DEL a"] {
        let reply = run(&mut client, line);
        assert!(reply.starts_with("-MISCONF "), "{name} {line}: {reply}");
    }
    assert_eq!(run(&mut client, "GET a"), "\"b\"");
    ok(&mut client, "CONFIG SET stop-writes-on-bgsave-error no");
    ok(&mut client, "SET a c");
    ok(&mut client, "CONFIG SET stop-writes-on-bgsave-error yes");
    assert_eq!(temporary_files(server), 0, "{name}");
    let Some(mend) = mend else { return };
    mend();
    run(&mut client, "BGSAVE");
    wait_for("the end of the save", || ended(&mut client));
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok", "{name}");
    ok(&mut client, "SET a d");
    assert_eq!(run(&mut client, "PING"), "+PONG");
}

#[test]
fn a_dump_that_does_not_get_its_name_stops_writes() {
    for binary in everybody() {
        let server = start(&binary, "");
        obstruct(&server);
        // SAVE says so, and changes nothing else.
        let mut client = client(&server);
        assert!(run(&mut client, "SAVE").starts_with("-ERR"), "{binary:?}");
        let dump = server.dir().join("dump.rdb");
        refuses_until_it_can_save(
            &server,
            Some(&|| fs::remove_dir_all(&dump).expect("mend")),
            &format!("{binary:?}"),
        );
        assert!(dump.is_file());
        assert!(server.log().contains("Error moving temp DB file"), "{binary:?}");
    }
}

/// Each fsync, that of the dump too, finds the disk full.
#[test]
fn a_full_disk_stops_writes() {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: no strace");
        return;
    }
    for binary in everybody() {
        let dir = fresh_dir().expect("dir");
        let script = dir.join("server");
        let line = format!(
            "#!/bin/sh\nexec strace -D -f -qq -o /dev/null -e trace=fsync,fdatasync -e inject=fsync,fdatasync:error=ENOSPC {} \"$@\"\n",
            binary.display()
        );
        fs::write(&script, line).expect("script");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("script");
        let server = Server::start(&Spec::new(&script)).expect("start");
        refuses_until_it_can_save(&server, None, &format!("{binary:?}"));
        drop(server);
        fs::remove_dir_all(dir).expect("clean up");
    }
}

#[test]
fn crashes_leave_a_report() {
    for (line, signal, text) in [
        ("DEBUG PANIC", 6, "Guru Meditation: DEBUG PANIC called"),
        ("DEBUG ASSERT", 6, "=== ASSERTION FAILED ==="),
        ("DEBUG SEGFAULT", 11, "crashed by signal: 11"),
        ("SIGABRT", 6, "crashed by signal: 6"),
        ("SIGFPE", 8, "crashed by signal: 8"),
    ] {
        let mut server = ours("--enable-debug-command yes");
        let mut client = client(&server);
        match line {
            "SIGABRT" => server.signal(Signal::ABORT).expect("signal"),
            "SIGFPE" => server.signal(Signal::FPE).expect("signal"),
            line => {
                client.send(&line.split(' ').collect::<Vec<_>>()).expect("send");
                assert!(client.read_frame().is_err(), "{line}");
            }
        }
        assert_eq!(server.wait(DEADLINE).expect("the end").signal(), Some(signal), "{line}");
        let log = server.log();
        for part in [
            "=== REDIS BUG REPORT START: Cut & paste starting from here ===",
            text,
            "------ STACK TRACE ------",
            "=== REDIS BUG REPORT END. Make sure to include from START to END. ===",
        ] {
            assert_eq!(log.matches(part).count(), 1, "{line}: {part}\n{log}");
        }
    }
    let mut server = ours("--crash-log-enabled no");
    server.signal(Signal::SEGV).expect("signal");
    assert_eq!(server.wait(DEADLINE).expect("the end").signal(), Some(11));
    assert!(!server.log().contains("BUG REPORT"));
}

#[test]
fn what_is_reloaded_replaces_or_joins_what_is_there() {
    for binary in everybody() {
        let server = start(&binary, "--enable-debug-command yes");
        let mut client = client(&server);
        let keys = |client: &mut Client| run(client, "MGET a b");
        ok(&mut client, "SET a 1");
        ok(&mut client, "DEBUG RELOAD");
        assert_eq!(keys(&mut client), "[\"1\", nil-bulk]", "{binary:?}");
        ok(&mut client, "SET b 2");
        ok(&mut client, "SET a 3");
        ok(&mut client, "DEBUG RELOAD NOSAVE NOFLUSH MERGE");
        assert_eq!(keys(&mut client), "[\"1\", \"2\"]", "{binary:?}");
        ok(&mut client, "DEBUG RELOAD NOSAVE");
        assert_eq!(keys(&mut client), "[\"1\", nil-bulk]", "{binary:?}");
        let refused = "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
        assert_eq!(run(&mut client, "DEBUG RELOAD FOO"), refused, "{binary:?}");
    }
}
