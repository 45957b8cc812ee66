//! TLS of the HTTP server, and of the client that checks on it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use tokio_rustls::TlsAcceptor;

use crate::error::Error;
use crate::settings::{HttpTls, TlsFiles};

/// How often the files are read again: what renews certificates replaces them.
const RENEWED_EVERY: Duration = Duration::from_secs(60);

/// The server's side.
pub(crate) struct Tls {
    files: TlsFiles,
    acceptor: TlsAcceptor,
    read: Instant,
}

impl Tls {
    /// Reads the files of the settings; nothing if there are none.
    pub(crate) fn new(settings: &HttpTls) -> Result<Option<Self>, Error> {
        let Some(files) = settings.files() else { return Ok(None) };
        let acceptor = acceptor(&files).map_err(Error::Usage)?;
        Ok(Some(Tls { files, acceptor, read: Instant::now() }))
    }

    /// For the next connection.
    pub(super) fn acceptor(&mut self) -> TlsAcceptor {
        if self.read.elapsed() >= RENEWED_EVERY {
            self.read = Instant::now();
            match acceptor(&self.files) {
                Ok(acceptor) => self.acceptor = acceptor,
                Err(error) => tracing::warn!("HTTP goes on with its earlier certificate: {error}"),
            }
        }
        self.acceptor.clone()
    }
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates("http.tls.certificate", &files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unread("http.tls.key", &files.key, &error))?;
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("http.tls: {error}"))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = authorities(path)?;
            // Probes show no certificate: what they may see is decided by the path.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.map_err(|error| unread("http.tls.client_ca", path, &error))?)
        }
    };
    let config = builder.with_single_cert(chain, key).map_err(|error| {
        let (certificate, key) = (files.certificate.display(), files.key.display());
        format!("http.tls.key: {key} is not the key of http.tls.certificate ({certificate}): {error}")
    })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if found.is_empty() => Err(unread(setting, path, &"there is no certificate in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(unread(setting, path, &error)),
    }
}

fn unread(setting: &str, path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{setting}: the file {} cannot be used: {error}; it must be PEM", path.display())
}

/// For requests to other instances of the application, which have the same settings: both show certificates of `client_ca`.
/// Nothing if that is not set.
pub(crate) fn client(settings: &HttpTls) -> Result<Option<ClientConfig>, Error> {
    match settings.files() {
        Some(TlsFiles { certificate, key, client_ca: Some(client_ca) }) => {
            client_with(&certificate, &key, &client_ca).map(Some).map_err(Error::Usage)
        }
        _ => Ok(None),
    }
}

fn client_with(certificate: &Path, key: &Path, client_ca: &Path) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| format!("http.tls: {error}"))?;
    let chain = certificates("http.tls.certificate", certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unread("http.tls.key", key, &error))?;
    let config = builder.with_root_certificates(authorities(client_ca)?).with_client_auth_cert(chain, private);
    config.map_err(|error| unread("http.tls.key", key, &error))
}

fn authorities(client_ca: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("http.tls.client_ca", client_ca)? {
        roots.add(certificate).map_err(|error| unread("http.tls.client_ca", client_ca, &error))?;
    }
    Ok(roots)
}

/// For the check of the process on this machine. It shows no secret, and asks whether somebody answers: so any
/// certificate will do, as for Kubernetes' probes.
pub(crate) fn probe() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let verifier = Arc::new(AnyCertificate(provider));
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
