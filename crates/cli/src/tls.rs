//! TLS for the client. Like the classic clients it checks that the certificate's chain ends in a trusted
//! root but not which host it names, unless `--verify-hostname` is given: certificates made for these
//! servers often carry a common name only.

use std::fs;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
};

use crate::options::Tls;

/// A TLS connection over TCP.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Longest handshake when no connection timeout is given: a port that takes connections and says nothing must not
/// hold a script for ever.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Shakes hands on a connected socket, in `limit` altogether.
///
/// # Errors
/// One line saying what is wrong with the files, the peer or its certificate.
pub fn connect(
    settings: &Tls,
    host: &str,
    mut socket: TcpStream,
    limit: Option<Duration>,
) -> Result<TlsStream, String> {
    let config = config(settings)?;
    let name = settings.sni.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name.clone()).map_err(|_| format!("Invalid server name: {name}"))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let until = Instant::now() + limit.unwrap_or(HANDSHAKE_LIMIT);
    while connection.is_handshaking() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("the handshake timed out; does this port speak TLS?".to_owned());
        }
        wait_at_most(&socket, Some(left))?;
        match connection.complete_io(&mut socket) {
            Ok(_) => {}
            // The clock, or a signal: the loop decides.
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(describe(&error)),
        }
    }
    wait_at_most(&socket, None)?;
    Ok(StreamOwned::new(connection, socket))
}

fn wait_at_most(socket: &TcpStream, limit: Option<Duration>) -> Result<(), String> {
    let set = socket.set_read_timeout(limit).and_then(|()| socket.set_write_timeout(limit));
    set.map_err(|error| crate::connection::strerror(&error))
}

fn is_pause(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Says "this port speaks no TLS" in words.
fn describe(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidMessage(_)) => "the server does not speak TLS on this port".to_owned(),
        Some(Error::InvalidCertificate(reason)) => format!("certificate verify failed: {reason}"),
        Some(Error::AlertReceived(alert)) => format!("the server refused: {alert:?}"),
        Some(other) => other.to_string(),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the server closed the connection during the handshake".to_owned()
        }
        None => crate::connection::strerror(error),
    }
}

fn config(settings: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(provider(settings)?);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let verifier: Arc<dyn ServerCertVerifier> = if settings.insecure {
        Arc::new(Chain { inner: None, provider, verify_name: false })
    } else {
        let roots = roots(settings)?;
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| format!("Failed to load CA certificates: {error}"))?;
        Arc::new(Chain { inner: Some(inner), provider, verify_name: settings.verify_name })
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    match (&settings.cert, &settings.key) {
        (Some(cert), Some(key)) => {
            let chain = certificates(cert)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|_| format!("Invalid key file: {key}"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("Invalid client certificate: {error}"))
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err("--cert and --key are needed together".to_owned()),
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let invalid = || format!("Invalid certificate file: {path}");
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(|_| invalid())?.collect();
    found.ok().filter(|chain| !chain.is_empty()).ok_or_else(invalid)
}

fn roots(settings: &Tls) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if let Some(path) = &settings.cacert {
        store.add_parsable_certificates(certificates(path)?);
    }
    if let Some(directory) = &settings.cacertdir {
        let entries = fs::read_dir(directory).map_err(|error| format!("{directory}: {error}"))?;
        for entry in entries.flatten() {
            if let Ok(found) = certificates(&entry.path().to_string_lossy()) {
                store.add_parsable_certificates(found);
            }
        }
    }
    if settings.cacert.is_none() && settings.cacertdir.is_none() {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    Ok(store)
}

/// OpenSSL's names of the suites that exist here.
const SUITES: &[(&str, &str)] = &[
    ("TLS_AES_256_GCM_SHA384", "TLS13_AES_256_GCM_SHA384"),
    ("TLS_AES_128_GCM_SHA256", "TLS13_AES_128_GCM_SHA256"),
    ("TLS_CHACHA20_POLY1305_SHA256", "TLS13_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
];

/// The provider with suites in the order asked for. Names of groups (`HIGH`, `DEFAULT`) leave the order alone.
fn provider(settings: &Tls) -> Result<CryptoProvider, String> {
    let mut provider = ring::default_provider();
    for (list, tls13) in [(&settings.ciphersuites, true), (&settings.ciphers, false)] {
        let Some(list) = list else { continue };
        if list.split(':').any(|name| !name.contains('_') && !name.contains("ECDHE-")) {
            continue;
        }
        let is_kind = |name: &str| name.starts_with("TLS13") == tls13;
        let all = provider.cipher_suites.clone();
        let name_of = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite());
        let mut chosen: Vec<_> = all.iter().filter(|suite| !is_kind(&name_of(suite))).copied().collect();
        let before = chosen.len();
        for name in list.split(':') {
            let ours = SUITES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
            chosen.extend(all.iter().filter(|suite| Some(name_of(suite).as_str()) == ours).copied());
        }
        if chosen.len() == before {
            return Err(format!("Error while configuring ciphers: {list}"));
        }
        provider.cipher_suites = chosen;
    }
    Ok(provider)
}

/// Checks the chain, and the name only when asked. Without `inner` everything passes.
#[derive(Debug)]
struct Chain {
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    verify_name: bool,
}

impl ServerCertVerifier for Chain {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The chain is checked before the name: these two say that it is sound.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.verify_name => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_chosen_by_openssl_names() {
        let names = |settings: &Tls| -> Result<Vec<String>, String> {
            Ok(provider(settings)?.cipher_suites.iter().map(|suite| format!("{:?}", suite.suite())).collect())
        };
        let all = names(&Tls::default()).expect("defaults");
        for (_, ours) in SUITES {
            assert!(all.iter().any(|name| name == ours), "{ours}");
        }
        let one = Tls { ciphersuites: Some("TLS_AES_128_GCM_SHA256".to_owned()), ..Tls::default() };
        let chosen = names(&one).expect("one");
        assert_eq!(chosen.iter().filter(|name| name.starts_with("TLS13")).count(), 1);
        let unknown = Tls { ciphersuites: Some("TLS_NO_SUCH".to_owned()), ..Tls::default() };
        assert!(names(&unknown).is_err());
        let group = Tls { ciphers: Some("HIGH:!aNULL".to_owned()), ..Tls::default() };
        assert_eq!(names(&group), Ok(all));
    }

    #[test]
    fn missing_files_are_told() {
        let settings = |cert: Option<&str>, key: Option<&str>, cacert: Option<&str>| Tls {
            cert: cert.map(str::to_owned),
            key: key.map(str::to_owned),
            cacert: cacert.map(str::to_owned),
            insecure: cacert.is_none(),
            ..Tls::default()
        };
        for (given, expected) in [
            (settings(None, None, Some("/nonexistent")), "Invalid certificate file: /nonexistent"),
            (settings(Some("/nonexistent"), Some("/n"), None), "Invalid certificate file: /nonexistent"),
            (settings(Some("/x"), None, None), "--cert and --key are needed together"),
        ] {
            assert_eq!(config(&given).err().as_deref(), Some(expected));
        }
    }
}
