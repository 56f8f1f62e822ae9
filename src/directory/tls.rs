//! TLS to a directory server: which certificates are trusted, and what to say when a check fails (E8).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;

use super::error::{CertificateInfo, DirectoryError};
use super::guard::Stream;
use super::settings::Settings;
use crate::clock::Timestamp;

/// Checks like the web PKI does, and remembers the certificate, so that a failure can name it.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    shown: OnceLock<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let _ = self.shown.set(end_entity.clone().into_owned());
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The time given by whoever asks.
#[derive(Debug)]
struct Given(Timestamp);

impl TimeProvider for Given {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = u64::try_from(self.0.millis()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_millis(millis)))
    }
}

/// How TLS connections are made; read anew from the files for each connection.
pub struct Tls {
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
    ca_file: Option<PathBuf>,
}

impl Tls {
    /// From `source.ca_file` (alone) or the system's roots, and the client certificate.
    pub fn new(settings: &Settings, now: Timestamp) -> Result<Self, DirectoryError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(settings)?), provider.clone())
            .build()
            .map_err(|error| unusable_roots(settings, error.to_string()))?;
        let verifier = Arc::new(Verifier { inner, shown: OnceLock::new() });
        let config = client_config(settings, provider, verifier.clone(), now)?;
        Ok(Self { config: Arc::new(config), verifier, ca_file: settings.ca_file.clone() })
    }

    /// The handshake on an open connection.
    pub async fn handshake(
        &self,
        server: &str,
        host: &str,
        stream: Box<dyn Stream>,
    ) -> Result<(Box<dyn Stream>, Option<CertificateInfo>), DirectoryError> {
        let failed = |check: String, remedy: String, source| DirectoryError::Tls {
            server: server.to_owned(),
            check,
            certificate: self.certificate().map(Box::new),
            remedy,
            source,
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            failed(format!("`{host}` is not a host name"), "correct the host in source.urls".to_owned(), None)
        })?;
        match TlsConnector::from(self.config.clone()).connect(name, stream).await {
            Ok(stream) => Ok((Box::new(stream), self.certificate())),
            Err(error) => {
                let (check, remedy) = self.explain(&error, host);
                Err(failed(check, remedy, Some(error)))
            }
        }
    }

    fn certificate(&self) -> Option<CertificateInfo> {
        self.verifier.shown.get().and_then(|certificate| info(certificate))
    }

    /// Which check failed, and what to do.
    fn explain(&self, error: &io::Error, host: &str) -> (String, String) {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match cause {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                let issuer = self.certificate().map_or_else(|| "an unknown CA".to_owned(), |shown| shown.issuer);
                unknown_issuer(&issuer, self.ca_file.as_deref())
            }
            _ => explain(error, host),
        }
    }
}

/// A certificate whose issuer is not trusted: not in the file that is to say who is, or nowhere on this system.
fn unknown_issuer(issuer: &str, ca_file: Option<&Path>) -> (String, String) {
    let check = format!("the server's certificate was issued by `{issuer}`, a CA that is not trusted");
    match ca_file.map(Path::display) {
        Some(file) => (
            format!("{check}: it is not in source.ca_file `{file}`"),
            "put this CA's certificate into that file, and let the server send its intermediate certificates"
                .to_owned(),
        ),
        None => (
            check,
            "set source.ca_file to this CA's certificate, and let the server send its intermediate certificates"
                .to_owned(),
        ),
    }
}

fn roots(settings: &Settings) -> Result<RootCertStore, DirectoryError> {
    let mut roots = RootCertStore::empty();
    let certificates = match &settings.ca_file {
        Some(path) => certificates("source.ca_file", path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(unusable_roots(settings, "it holds no CA certificate".to_owned()));
    }
    Ok(roots)
}

fn unusable_roots(settings: &Settings, says: String) -> DirectoryError {
    match &settings.ca_file {
        Some(path) => DirectoryError::TlsFile { key: "source.ca_file", path: path.clone(), says },
        None => DirectoryError::TlsFile {
            key: "the system's certificates in",
            path: PathBuf::from("/etc/ssl/certs"),
            says: "there is none; install ca-certificates, or set source.ca_file".to_owned(),
        },
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, DirectoryError> {
    let unusable = |error: rustls_pki_types::pem::Error| DirectoryError::TlsFile {
        key,
        path: path.to_owned(),
        says: pem_trouble(&error),
    };
    let all: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(unusable)?.collect::<Result<_, _>>().map_err(unusable)?;
    if all.is_empty() {
        return Err(unusable(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(all)
}

fn pem_trouble(error: &rustls_pki_types::pem::Error) -> String {
    match error {
        rustls_pki_types::pem::Error::Io(error) => match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "this user may not read it; give the user that rosterd runs as the right to read the file and to enter \
                 its folders"
                    .to_owned()
            }
            io::ErrorKind::NotFound => "it does not exist; correct the path".to_owned(),
            _ => format!("{error}; check that it is a file that can be read"),
        },
        rustls_pki_types::pem::Error::NoItemsFound => "it holds nothing of the kind in PEM form".to_owned(),
        other => format!("it is not valid PEM: {other}"),
    }
}

fn client_config(
    settings: &Settings,
    provider: Arc<CryptoProvider>,
    verifier: Arc<Verifier>,
    now: Timestamp,
) -> Result<ClientConfig, DirectoryError> {
    let unusable = |key, path: &Path, says| DirectoryError::TlsFile { key, path: path.to_owned(), says };
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Given(now)))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable_roots(settings, error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some((chain, key)) = &settings.client_certificate else { return Ok(builder.with_no_client_auth()) };
    let certificates = certificates("source.client_cert_file", chain)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| unusable("source.client_key_file", key, pem_trouble(&error)))?;
    builder.with_client_auth_cert(certificates, private).map_err(|error| {
        unusable("source.client_key_file", key, format!("{error}; it has to be the key of source.client_cert_file"))
    })
}

fn info(certificate: &CertificateDer<'_>) -> Option<CertificateInfo> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(CertificateInfo {
        subject: super::codes::printable(&parsed.subject().to_string()),
        issuer: super::codes::printable(&parsed.issuer().to_string()),
        not_after: Timestamp::from_millis(parsed.validity().not_after.timestamp().saturating_mul(1000)),
    })
}

/// Which check failed, and what to do.
fn explain(error: &io::Error, host: &str) -> (String, String) {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let (check, remedy) = match cause {
        Some(rustls::Error::InvalidCertificate(trouble)) => return certificate_trouble(trouble, host),
        Some(rustls::Error::InvalidMessage(_)) => {
            ("the server speaks no TLS on this port", "use ldap:// (with source.starttls = true), or the port of ldaps")
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            let check = format!("the server broke the handshake off ({alert:?})");
            let remedy =
                "look at the server's TLS settings; it may want a client certificate (source.client_cert_file)";
            return (check, remedy.to_owned());
        }
        Some(rustls::Error::PeerIncompatible(why)) => {
            return (
                format!("no common TLS version or cipher ({why:?})"),
                "the server has to offer TLS 1.2".to_owned(),
            );
        }
        Some(other) => return (other.to_string(), "look at the server's TLS settings".to_owned()),
        None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => (
            "the server closed the connection during the handshake",
            "it may speak no TLS on this port: use ldap:// (with source.starttls = true), or the port of ldaps",
        ),
        None => ("the connection broke during the handshake", "check the network and the server"),
    };
    (check.to_owned(), remedy.to_owned())
}

fn moment(at: UnixTime) -> Timestamp {
    Timestamp::from_millis(i64::try_from(at.as_secs().saturating_mul(1000)).unwrap_or(i64::MAX))
}

fn certificate_trouble(trouble: &CertificateError, host: &str) -> (String, String) {
    let (check, remedy) = match trouble {
        CertificateError::ExpiredContext { time, not_after } => {
            let (clock, end) = (moment(*time), moment(*not_after));
            let check =
                format!("the server's certificate has expired: it ended {end}, this machine's clock says {clock}");
            (check, "if the clock is wrong, set it (timedatectl); else renew the certificate")
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let (clock, begin) = (moment(*time), moment(*not_before));
            let check = format!(
                "the server's certificate is not valid yet: it begins {begin}, this machine's clock says {clock}"
            );
            (check, "if the clock is wrong, set it (timedatectl); else replace the certificate")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("the server's certificate is not for the name `{host}`"),
            "use a name the certificate has in source.urls, or give the server a certificate with this name",
        ),
        CertificateError::Revoked => ("the server's certificate is revoked".to_owned(), "replace it"),
        other => (format!("the server's certificate is not valid: {other}"), "replace it"),
    };
    (check, remedy.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E8: a file that may not be read is not called missing.
    #[test]
    fn a_file_is_missing_or_may_not_be_read() {
        let says = |kind: io::ErrorKind| pem_trouble(&rustls_pki_types::pem::Error::Io(kind.into()));
        assert!(says(io::ErrorKind::PermissionDenied).starts_with("this user may not read it; give the user"));
        assert!(says(io::ErrorKind::NotFound).starts_with("it does not exist"));
    }
}
