//! Who the other end of a mesh connection is: marble and instance, from its verified certificate.
//!
//! Source: docs/protocol/attest-1.md, section 5 (private extension); SPIFFE X.509-SVID, 2 (one URI).

use rustls::pki_types::CertificateDer;
use stoa_attestation::channel::LeafReceipt;
use stoa_explain::Explain;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A marble, as its leaf names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The manifest's name.
    pub marble: String,
    /// The instance.
    pub instance: [u8; 16],
    /// `spiffe://<trust domain>/<marble>/<instance>`.
    pub spiffe_id: String,
    /// Epoch of the manifest that admitted it.
    pub epoch: u64,
    /// When its evidence was appraised, Unix seconds.
    pub attested_at: u64,
}

impl PeerIdentity {
    /// Reads the leaf of a connection whose chain TLS has verified under the mesh's roots.
    ///
    /// # Errors
    /// [`PeerError`] if the leaf is not a marble's.
    pub fn of(leaf: &CertificateDer<'_>) -> Result<Self, PeerError> {
        let not = |cause: String| PeerError { cause };
        let (_, certificate) =
            X509Certificate::from_der(leaf).map_err(|error| not(error.to_string()))?;
        let receipt = LeafReceipt::from_certificate(&certificate)
            .map_err(|error| not(error.to_string()))?
            .ok_or_else(|| not("it has no receipt of a mesh".to_owned()))?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|error| not(error.to_string()))?;
        let mut uris = names
            .iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some(*uri),
                _ => None,
            });
        let (Some(uri), None) = (uris.next(), uris.next()) else {
            return Err(not("it has not exactly one URI".to_owned()));
        };
        let wanted = format!("/{}/{}", receipt.marble_type, hex::encode(receipt.instance));
        if !uri.starts_with("spiffe://") || !uri.ends_with(&wanted) {
            return Err(not(format!(
                "its URI is {uri}, its extension names {wanted}"
            )));
        }
        Ok(Self {
            marble: receipt.marble_type,
            instance: receipt.instance,
            spiffe_id: uri.to_owned(),
            epoch: receipt.epoch,
            attested_at: receipt.attested_at,
        })
    }
}

/// The leaf is not that of a marble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the peer's certificate names no marble: {cause}")]
pub struct PeerError {
    cause: String,
}

impl Explain for PeerError {
    fn code(&self) -> &'static str {
        "peer-not-a-marble"
    }

    fn remedy(&self) -> Option<String> {
        Some("call or serve marbles of this mesh only".to_owned())
    }
}
