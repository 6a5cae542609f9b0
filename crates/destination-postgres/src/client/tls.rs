//! TLS with `libpq`'s meaning of `sslmode`, on rustls with ring.

use std::sync::Arc;

use commutator_core::{Error, ErrorKind, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::{Roots, Settings, SslMode};

/// Returns the TLS configuration for these settings.
///
/// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) naming the setting if certificates cannot be used.
pub(super) fn client_config(settings: &Settings) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(settings, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(ErrorKind::Unexpected, "TLS cannot be set up").with_source(e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &settings.certificates.identity {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => {
            let certificates = read_pem(certificates, "sslcert")?;
            let key = PrivateKeyDer::from_pem_slice(key.expose())
                .map_err(|e| invalid("sslkey", "The file holds no private key in PEM").with_source(e))?;
            builder
                .with_client_auth_cert(certificates, key)
                .map_err(|e| invalid("sslkey", "The client's certificate and key cannot be used").with_source(e))?
        }
    };
    // Servers from 17 on want it where TLS begins without asking first (sslnegotiation=direct).
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}

fn read_pem(pem: &[u8], setting: &'static str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<std::result::Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(invalid(setting, "The file holds no certificate in PEM")),
        Err(e) => Err(invalid(setting, "The file holds no certificate in PEM").with_source(e)),
    }
}

fn invalid(setting: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, message).with("setting", setting)
}

/// Verifies what `sslmode` says shall be verified.
#[derive(Debug)]
struct Verifier {
    /// `None` if the certificate is not verified.
    chain: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    /// Whether the certificate must be for the host that was asked for.
    host: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(settings: &Settings, provider: Arc<CryptoProvider>) -> Result<Self> {
        let host = settings.sslmode == SslMode::VerifyFull;
        let roots = match &settings.roots {
            None => return Ok(Self { chain: None, roots: Vec::new(), host, provider }),
            Some(Roots::File(_)) => read_pem(&settings.certificates.roots, "sslrootcert")?,
            Some(Roots::System) => rustls_native_certs::load_native_certs().certs,
        };
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(roots.iter().cloned());
        if added == 0 {
            return Err(invalid("sslrootcert", "There is no root certificate to verify the server with"));
        }
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
            .build()
            .map_err(|e| invalid("sslrootcert", "The root certificates cannot be used").with_source(e))?;
        Ok(Self { chain: Some(chain), roots, host, provider })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        // A self-signed server certificate that is its own root is common with Postgres, and no chain in webpki's eyes.
        if self.roots.iter().any(|root| root == end_entity) {
            if self.host {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The chain is verified before the name, so here it was found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.host => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
