//! Who a client is to a coordinator: a certificate that the manifest in force has for a user, and its key.

use std::fmt;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use stoa_explain::Explain;

/// A certificate with its key.
pub struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// From PEM: the certificate, then what it is sent with; the key as PKCS #8, SEC 1 or PKCS #1.
    ///
    /// # Errors
    /// [`BadIdentity`] names what can't be read. Whether the two fit shows when a connection is opened.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, BadIdentity> {
        let chain = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| BadIdentity::certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(BadIdentity::certificate("it has none".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| BadIdentity {
            what: "a private key",
            cause: error.to_string(),
        })?;
        Ok(Self { chain, key })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("chain", &self.chain.len())
            .field("key", &"<secret>")
            .finish()
    }
}

/// Why a file is no certificate or no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} in PEM was expected: {cause}")]
pub struct BadIdentity {
    what: &'static str,
    cause: String,
}

impl BadIdentity {
    fn certificate(cause: String) -> Self {
        let what = "a certificate";
        Self { what, cause }
    }
}

impl Explain for BadIdentity {
    fn code(&self) -> &'static str {
        "identity-unreadable"
    }

    fn remedy(&self) -> Option<String> {
        stoa_explain::lookup(self.code()).map(|entry| entry.remedy.to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_no_certificate_or_key_is_named_and_the_key_is_never_shown() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        let (certificate, key) = (pem("CERTIFICATE"), pem("PRIVATE KEY"));
        for (certificate, key, what) in [
            ("", key.as_str(), "a certificate"),
            (key.as_str(), key.as_str(), "a certificate"),
            (certificate.as_str(), certificate.as_str(), "a private key"),
        ] {
            let error = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(what), "{error}");
        }
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(
            format!("{identity:?}"),
            "Identity { chain: 1, key: \"<secret>\" }"
        );
    }
}
