//! TLS: the provider, the handshake of a Join, and the configurations for mutual TLS within the mesh.
//!
//! TLS 1.3 only, hybrid key exchange first, no resumption.

use std::sync::{Arc, LazyLock};

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SignatureVerificationAlgorithm,
    UnixTime,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{CipherSuite, ClientConfig, Error, RootCertStore, ServerConfig};
use stoa_proto::path::ALPN_ATTEST;

use crate::error::SdkError;

/// Always passed explicitly: the process default is ambiguous as soon as two backends are linked.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let base = aws_lc_rs::default_provider();
    let mut suites: Vec<_> = base
        .cipher_suites
        .into_iter()
        .filter(|s| s.tls13().is_some())
        .collect();
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

/// By which evidence and certificates are verified.
pub(crate) fn algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    signature_algorithms().all
}

/// The same as rustls has them, taken from the provider once.
pub(crate) fn signature_algorithms() -> WebPkiSupportedAlgorithms {
    static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> =
        LazyLock::new(|| aws_lc_rs::default_provider().signature_verification_algorithms);
    *ALGORITHMS
}

/// The client side of a Join's handshake: any server that holds its key; who it is, its evidence says.
pub(crate) fn join_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
) -> Result<ClientConfig, Error> {
    let provider = provider();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_client_auth_cert(chain, PrivateKeyDer::Pkcs8(key))?;
    config.alpn_protocols = vec![ALPN_ATTEST.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A peer of the mesh as client: shows its leaf, wants a server of the same mesh under the name that it asked for.
pub(crate) fn mesh_client(
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    trust: &[CertificateDer<'static>],
) -> Result<ClientConfig, SdkError> {
    let provider = provider();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots(trust)?), Arc::clone(&provider))
            .build()
            .map_err(|error| tls_bug(&error))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| tls_bug(&error))?
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(chain, PrivateKeyDer::Pkcs8(key))
        .map_err(|error| tls_bug(&error))?;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A peer of the mesh as server: shows its leaf, wants a client of the same mesh.
pub(crate) fn mesh_server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    trust: &[CertificateDer<'static>],
) -> Result<ServerConfig, SdkError> {
    let provider = provider();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots(trust)?), Arc::clone(&provider))
            .build()
            .map_err(|error| tls_bug(&error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| tls_bug(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(key))
        .map_err(|error| tls_bug(&error))?;
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// A server that anybody may call, under the mesh's certificate.
pub(crate) fn public_server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
) -> Result<ServerConfig, SdkError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| tls_bug(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(key))
        .map_err(|error| tls_bug(&error))?;
    config.send_tls13_tickets = 0;
    Ok(config)
}

pub(crate) fn roots(trust: &[CertificateDer<'static>]) -> Result<RootCertStore, SdkError> {
    let mut store = RootCertStore::empty();
    for der in trust {
        store
            .add(der.clone())
            .map_err(|error| SdkError::ProvisionMalformed {
                what: "a root of the mesh",
                cause: error.to_string(),
            })?;
    }
    Ok(store)
}

pub(crate) fn tls_bug(error: &dyn std::error::Error) -> SdkError {
    SdkError::Bug(format!("a TLS configuration could not be made: {error}"))
}

/// The methods of rustls' certificate verifiers that judge the signature of a handshake: they depend on the provider and
/// not on whom a verifier believes.
macro_rules! handshake_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &rustls::pki_types::CertificateDer<'_>,
            _dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Err(rustls::Error::General("TLS 1.2 is off".to_owned()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &rustls::pki_types::CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            let algorithms = $crate::tls::signature_algorithms();
            rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            $crate::tls::signature_algorithms().supported_schemes()
        }
    };
}
pub(crate) use handshake_signatures;

/// Accepts any server certificate whose key the server proves to hold.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    handshake_signatures!();
}
