//! TLS over a connection: the certificates that this system trusts, and nothing else.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::exchange::Io;
use super::failure::{Failure, Kind};

/// Made once: reading the system's certificates takes milliseconds.
static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();

/// Speaks TLS with `host` over `stream`.
pub(super) async fn handshake(stream: TcpStream, host: &str) -> Result<Box<dyn Io>, Failure> {
    let config = CONFIG.get_or_init(config).clone().map_err(|why| Failure::new(Kind::Broken, why))?;
    let name = ServerName::try_from(host.to_string())
        .map_err(|_| Failure::new(Kind::Broken, format!("'{host}' is no name that a certificate could have")))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|e| {
        // What rustls refuses stays refused; a connection that breaks is another matter.
        let kind = if e.kind() == std::io::ErrorKind::InvalidData { Kind::Broken } else { Kind::Unreachable };
        Failure::new(kind, format!("no TLS connection: {e}"))
    })?;
    Ok(Box::new(stream))
}

fn config() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or(String::new(), |e| format!(" ({e})"));
        return Err(format!(
            "this system trusts no certificate{why}; install ca-certificates, or name a file of them in SSL_CERT_FILE"
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS cannot be set up: {e}"))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
