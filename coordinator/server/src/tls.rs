//! TLS of both listeners: provider, suites, groups, verifiers, configurations.
//!
//! TLS 1.3 only. Hybrid key exchange first. No tickets, no resumption, no early data, so that each exporter value
//! comes from a full handshake (docs/protocol/attest-1.md, section 2).

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, SignatureVerificationAlgorithm, UnixTime,
};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CipherSuite, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    ServerConfig, SignatureScheme, client::danger::HandshakeSignatureValid,
};

use crate::start::StartError;

/// Largest client certificate that a handshake looks at, in bytes.
pub const CLIENT_CERTIFICATE_BYTES_MAX: usize = 16 * 1024;
/// Most certificates behind a client's leaf.
pub const CLIENT_CHAIN_LENGTH_MAX: usize = 3;

/// The provider of both listeners, always passed explicitly: the process default is ambiguous as soon as two backends
/// are linked.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    let base = aws_lc_rs::default_provider();
    let mut suites: Vec<_> = base
        .cipher_suites
        .into_iter()
        .filter(|s| s.tls13().is_some())
        .collect();
    // AES-128 first: SHA-384 of the AES-256 suite costs a handshake 10 to 18 % on machines without AVX-512.
    suites.sort_by_key(|s| s.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(CryptoProvider {
        cipher_suites: suites,
        kx_groups: vec![
            aws_lc_rs::kx_group::X25519MLKEM768,
            aws_lc_rs::kx_group::X25519,
            aws_lc_rs::kx_group::SECP256R1,
        ],
        ..base
    })
}

/// The signature algorithms by which evidence and certificates are verified.
#[must_use]
pub fn algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    aws_lc_rs::default_provider()
        .signature_verification_algorithms
        .all
}

/// For https to a collateral service, under the roots that the system trusts.
///
/// # Errors
/// [`StartError::FileUnusable`] if the system has no roots.
pub fn vendor_client() -> Result<Arc<ClientConfig>, StartError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(StartError::FileUnusable {
            what: "trust store",
            path: "of the system".to_owned(),
            cause: found
                .errors
                .first()
                .map_or_else(|| "it is empty".to_owned(), ToString::to_string),
        });
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Bug(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A leaf with its key, as a listener presents it.
pub struct Presented {
    /// Leaf first, then what it is sent with.
    pub chain: Vec<CertificateDer<'static>>,
    /// PKCS #8 of the leaf's key.
    pub key: PrivatePkcs8KeyDer<'static>,
}

/// Configuration of the mesh port for connections that offered `stoa-attest/1`.
///
/// # Errors
/// If key and leaf do not fit.
pub fn attest_config(presented: Presented) -> Result<Arc<ServerConfig>, Error> {
    let provider = provider();
    let verifier = AnyClientCertificate {
        algorithms: provider.signature_verification_algorithms,
        mandatory: true,
    };
    config(
        provider,
        verifier,
        presented,
        &[stoa_proto::path::ALPN_ATTEST],
    )
}

/// Configuration of the client port: curl, browsers, CLI. A client certificate is asked for, not required.
///
/// # Errors
/// If key and leaf do not fit.
pub fn client_config(presented: Presented) -> Result<Arc<ServerConfig>, Error> {
    let provider = provider();
    let verifier = AnyClientCertificate {
        algorithms: provider.signature_verification_algorithms,
        mandatory: false,
    };
    config(provider, verifier, presented, &[b"h2", b"http/1.1"])
}

fn config(
    provider: Arc<CryptoProvider>,
    verifier: AnyClientCertificate,
    presented: Presented,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(presented.chain, PrivateKeyDer::Pkcs8(presented.key))?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Accepts any client certificate, of bounded size, whose key the peer proves to hold.
///
/// Who the peer is follows from its evidence later, or from the manifest's list of users: never from this handshake.
#[derive(Debug)]
struct AnyClientCertificate {
    algorithms: WebPkiSupportedAlgorithms,
    mandatory: bool,
}

impl ClientCertVerifier for AnyClientCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if end_entity.len() > CLIENT_CERTIFICATE_BYTES_MAX
            || intermediates.len() > CLIENT_CHAIN_LENGTH_MAX
        {
            return Err(Error::General(format!(
                "client certificate of {} bytes with {} behind it; at most {CLIENT_CERTIFICATE_BYTES_MAX} and {CLIENT_CHAIN_LENGTH_MAX}",
                end_entity.len(),
                intermediates.len()
            )));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is off".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
