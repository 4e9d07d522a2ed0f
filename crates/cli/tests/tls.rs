//! TLS: handshakes that work, that are refused, that meet a port without TLS, and that never end. Certificates are
//! made here.

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use support::Server;
use support::run::run;

/// An authority, and what it signed for a server and a client; as files for the client.
struct Papers {
    directory: PathBuf,
    authority: CertificateDer<'static>,
    server: (CertificateDer<'static>, Vec<u8>),
}

impl Papers {
    fn new(name: &str, server_name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("russet-cli-tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("directory");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("authority");
        let sign = |name: &str| {
            let key = KeyPair::generate().expect("key");
            let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            (params.signed_by(&key, &issuer).expect("certificate"), key)
        };
        let (server, server_key) = sign(server_name);
        let (client, client_key) = sign("client");
        for (file, text) in
            [("ca", issuer.pem()), ("cert", client.pem()), ("key", client_key.serialize_pem())]
        {
            fs::write(directory.join(file), text).expect("file");
        }
        let server = (server.der().clone(), server_key.serialize_der());
        Self { directory, authority: issuer.der().clone(), server }
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).to_string_lossy().into_owned()
    }

    fn start(&self, asks_for_certificate: bool) -> Server {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if asks_for_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.authority.clone()).expect("authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(self.server.1.clone()).expect("key");
        Server::start_tls(builder.with_single_cert(vec![self.server.0.clone()], key).expect("certificate"))
    }
}

impl Drop for Papers {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn handshakes() {
    let papers = Papers::new("good", "localhost");
    let server = papers.start(false);
    let (port, ca) = (server.port.to_string(), papers.file("ca"));
    let directory = Path::new(&papers.directory).to_string_lossy().into_owned();
    let uri = format!("rediss://127.0.0.1:{port}");
    let wide = "x".repeat(100_000);
    for args in [
        vec!["-p", &port, "--tls", "--cacert", &ca],
        vec!["-p", &port, "--tls", "--cacertdir", &directory],
        vec!["-p", &port, "--tls", "--insecure"],
        vec!["-p", &port, "--tls", "--cacert", &ca, "--sni", "localhost", "--verify-hostname"],
        vec!["-p", &port, "--tls", "--cacert", &ca, "--tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
        vec!["-p", &port, "--tls", "--cacert", &ca, "-t", "10"],
        vec!["-u", &uri, "--cacert", &ca],
    ] {
        let ping = run("redis-cli", &[&args[..], &["ping"]].concat(), "", &[]);
        assert_eq!((ping.out.as_str(), ping.err.as_str(), ping.code), ("PONG\n", "", 0), "{args:?}");
        let echo = run("redis-cli", &[&args[..], &["-x", "echo"]].concat(), &wide, &[]);
        assert_eq!((echo.out.trim_end(), echo.err.as_str(), echo.code), (wide.as_str(), "", 0), "{args:?}");
    }
    let input = "*1\r\n$4\r\nPING\r\n".repeat(1000);
    let pipe = run("redis-cli", &["-p", &port, "--tls", "--insecure", "--pipe"], &input, &[]);
    assert!(pipe.out.starts_with("All data transferred."), "{} {}", pipe.out, pipe.err);
    let cut = run("redis-cli", &["-p", &port, "--tls", "--insecure", "cut", "$9\r\nabc"], "", &[]);
    assert_eq!((cut.err.as_str(), cut.code), ("Error: Server closed the connection\n", 1));
}

#[test]
fn certificates_are_checked() {
    let (papers, others) = (Papers::new("mine", "server.example"), Papers::new("other", "localhost"));
    let server = papers.start(false);
    let (port, ca, wrong) = (server.port.to_string(), papers.file("ca"), others.file("ca"));
    // The name is looked at only when asked for, as with the classic clients.
    assert_eq!(run("redis-cli", &["-p", &port, "--tls", "--cacert", &ca, "ping"], "", &[]).out, "PONG\n");
    for args in [&["--cacert", &wrong][..], &["--cacert", &ca, "--sni", "localhost", "--verify-hostname"]] {
        let refused = run("redis-cli", &[&["-p", &port, "--tls"], args, &["ping"]].concat(), "", &[]);
        let start = format!(
            "Could not connect to Redis at 127.0.0.1:{port}: Could not negotiate a TLS connection: certificate verify \
             failed: "
        );
        assert!(refused.err.starts_with(&start), "{}", refused.err);
        assert_eq!((refused.err.lines().count(), refused.code, refused.out.as_str()), (1, 1, ""));
    }
    assert!(!server.saw("CUT"));
}

#[test]
fn client_certificates() {
    let papers = Papers::new("mutual", "localhost");
    let server = papers.start(true);
    let (port, ca) = (server.port.to_string(), papers.file("ca"));
    let (cert, key) = (papers.file("cert"), papers.file("key"));
    let base = ["-p", &port, "--tls", "--cacert", &ca];
    let with = run("redis-cli", &[&base[..], &["--cert", &cert, "--key", &key, "ping"]].concat(), "", &[]);
    assert_eq!((with.out.as_str(), with.err.as_str(), with.code), ("PONG\n", "", 0));
    // In TLS 1.3 the refusal comes after the client's side of the handshake: with the first reply.
    let without = run("redis-cli", &[&base[..], &["ping"]].concat(), "", &[]);
    assert_eq!(
        (without.err.lines().count(), without.code, without.out.as_str()),
        (1, 1, ""),
        "{}",
        without.err
    );
    assert!(!server.saw("NOSUCH"));
}

#[test]
fn mismatch_both_ways() {
    let plain = Server::start();
    let port = plain.port.to_string();
    let line = format!(
        "Could not connect to Redis at 127.0.0.1:{port}: Could not negotiate a TLS connection: the server does not speak \
         TLS on this port\n"
    );
    let tls_to_plain = run("redis-cli", &["-p", &port, "--tls", "--insecure", "ping"], "", &[]);
    assert_eq!((tls_to_plain.err, tls_to_plain.code), (line, 1));

    let papers = Papers::new("mismatch", "localhost");
    let server = papers.start(false);
    let port = server.port.to_string();
    for (name, line) in [
        ("redis-cli", "Error: Protocol error, got \"\\x15\" as reply type byte\n"),
        ("russet-cli", "Error: the server speaks TLS on this port (--tls)\n"),
    ] {
        let plain_to_tls = run(name, &["-p", &port, "ping"], "", &[]);
        assert_eq!((plain_to_tls.err.as_str(), plain_to_tls.code), (line, 1), "{name}");
    }
}

#[test]
fn a_handshake_that_never_ends_times_out() {
    // The system takes the connection; nobody ever answers.
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    let args = ["-p", &port.to_string(), "--tls", "--insecure", "-t", "0.2", "ping"];
    let stalled = run("redis-cli", &args, "", &[]);
    let line = format!(
        "Could not connect to Redis at 127.0.0.1:{port}: Could not negotiate a TLS connection: the handshake timed out; does this port speak TLS?\n"
    );
    assert_eq!((stalled.err, stalled.code), (line, 1));
}
