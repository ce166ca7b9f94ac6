//! The TLS client: TLS 1.3, aws-lc-rs named explicitly, no resumption, and the server judged by the caller's [`Pin`].
//!
//! A coordinator's leaf chains to the mesh's own root, which no list of public CAs knows and which is learnt from the
//! quote. So the handshake checks what it can, possession of the leaf's key, and the pin if there is one already.

use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Identity, Pin};
use crate::certificates::check_leaf;

/// A configuration, and what its verifier will have to say if it refuses.
///
/// # Errors
/// If key and certificate of the identity do not fit.
pub(super) fn config(
    pin: &Pin,
    identity: Option<&Identity>,
) -> Result<(ClientConfig, Arc<PinnedLeaf>), Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(PinnedLeaf {
        pin: pin.clone(),
        provider: Arc::clone(&provider),
        refusal: Mutex::new(None),
    });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("aws-lc-rs' default provider has suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?
        }
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, verifier))
}

/// Lets servers through as a [`Pin`] says, if they prove their leaf's key.
#[derive(Debug)]
pub(super) struct PinnedLeaf {
    pin: Pin,
    provider: Arc<CryptoProvider>,
    refusal: Mutex<Option<String>>,
}

impl PinnedLeaf {
    /// Why the pin refused; TLS' own errors have no room for it.
    pub(super) fn refusal(&self) -> Option<String> {
        self.refusal.lock().ok().and_then(|refusal| refusal.clone())
    }
}

impl ServerCertVerifier for PinnedLeaf {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Pin::Root(root) = &self.pin {
            let algorithms = self.provider.signature_verification_algorithms.all;
            if let Err(error) = check_leaf(leaf, root, algorithms, now) {
                if let Ok(mut refusal) = self.refusal.lock() {
                    *refusal = Some(error.to_string());
                }
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            leaf,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
