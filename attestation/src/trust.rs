//! What a verification stands on: anchors, signature algorithms, and the memory of signatures already checked.
//!
//! Does not live here: which anchors a deployment uses (its configuration), the checks (`signatures`).

use core::fmt;

use rustls_pki_types::SignatureVerificationAlgorithm;

use crate::invalid::{Chain, Invalid, Role};
use crate::pem;
use crate::signatures::{SignatureMemo, Signatures};
use crate::x509::Certificate;

/// Intel's root for SGX and TDX, as published at
/// <https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.pem>.
const INTEL_ROOT_PEM: &str = include_str!("../roots/intel-sgx-root-ca.pem");

/// A file with a trust anchor, at most.
const ANCHOR_LEN_MAX: usize = 16 * 1024;

/// A root that evidence and collateral may lead to.
#[derive(Clone, PartialEq, Eq)]
pub struct Anchor {
    name: String,
    insecure: bool,
    pub(crate) certificate: Certificate,
}

impl Anchor {
    /// Intel's root, compiled in.
    #[must_use]
    pub fn intel() -> Self {
        Self::parse(INTEL_ROOT_PEM, false).expect("the compiled-in root is read by a test")
    }

    /// A root that the caller brings: whoever holds its key can make evidence that verifies.
    ///
    /// # Errors
    /// The text must be exactly one PEM certificate: of a CA, P-256, its own issuer.
    pub fn insecure_from_pem(text: &str) -> Result<Self, Invalid> {
        Self::parse(text, true)
    }

    /// Whether it came from [`Anchor::insecure_from_pem`].
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.insecure
    }

    /// SHA-256 of the certificate's DER.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.certificate.sha256()
    }

    /// `intel`, or `insecure`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn parse(text: &str, insecure: bool) -> Result<Self, Invalid> {
        if text.len() > ANCHOR_LEN_MAX {
            return Err(Invalid::TooLarge {
                what: "trust anchor",
                len: text.len(),
                limit: ANCHOR_LEN_MAX,
            });
        }
        let chain =
            pem::certificates(text.as_bytes()).map_err(|cause| Invalid::ChainMalformed {
                chain: Chain::Anchor,
                cause,
            })?;
        let [der] = chain.as_slice() else {
            return Err(Invalid::ChainIncomplete {
                chain: Chain::Anchor,
                wanted: 1,
                found: chain.len(),
            });
        };
        let certificate = Certificate::parse(Role::Root, der)?;
        certificate.check_is_ca()?;
        if certificate.subject != certificate.issuer {
            return Err(certificate.differs(
                "issuer",
                &certificate.common_name,
                &certificate.issuer_common_name,
            ));
        }
        Ok(Self {
            name: if insecure { "insecure" } else { "intel" }.to_owned(),
            insecure,
            certificate,
        })
    }

    fn describe(&self) -> String {
        format!("{} ({})", self.name, hex::encode(self.sha256()))
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

/// Everything a verification trusts, as arguments.
#[derive(Clone, Copy)]
pub struct Trust<'a> {
    /// Roots that are accepted.
    pub anchors: &'a [Anchor],
    /// Signature algorithms; ECDSA P-256 with SHA-256 must be among them, others are not used.
    pub algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    /// Signatures known to be good.
    pub seen: &'a dyn SignatureMemo,
}

impl<'a> Trust<'a> {
    pub(crate) fn signatures(&self) -> Result<Signatures<'a>, Invalid> {
        Signatures::new(self.algorithms, self.seen)
    }

    /// The anchor that `root` is: the same name and the same key, and the same bytes or signed by that key. A root may be
    /// issued again; what nobody signed is no root.
    pub(crate) fn anchor_of(
        &self,
        chain: Chain,
        root: &Certificate,
        signatures: &mut Signatures<'_>,
    ) -> Result<&Anchor, Invalid> {
        let anchor = self
            .anchors
            .iter()
            .find(|anchor| {
                anchor.certificate.key == root.key && anchor.certificate.subject == root.subject
            })
            .ok_or_else(|| Invalid::RootUntrusted {
                chain,
                found: hex::encode(root.sha256()),
                anchors: self.describe(),
            })?;
        if anchor.certificate.der != root.der {
            root.check_issued_by(&anchor.certificate, signatures)?;
        }
        Ok(anchor)
    }

    pub(crate) fn describe(&self) -> Vec<String> {
        self.anchors.iter().map(Anchor::describe).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn intels_root_is_the_published_one() {
        let anchor = Anchor::intel();
        assert!(!anchor.is_insecure());
        assert_eq!(anchor.name(), "intel");
        assert_eq!(
            hex::encode(anchor.sha256()),
            "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"
        );
        assert_eq!(anchor.certificate.common_name, "Intel SGX Root CA");
    }

    #[test]
    fn an_anchor_file_is_exactly_one_ca() {
        assert!(
            Anchor::insecure_from_pem(INTEL_ROOT_PEM)
                .unwrap()
                .is_insecure()
        );
        let two = INTEL_ROOT_PEM.repeat(2);
        assert_eq!(
            Anchor::insecure_from_pem(&two),
            Err(Invalid::ChainIncomplete {
                chain: Chain::Anchor,
                wanted: 1,
                found: 2
            })
        );
        assert!(Anchor::insecure_from_pem("").is_err());
        let long = format!("{INTEL_ROOT_PEM}{}", "\n".repeat(ANCHOR_LEN_MAX));
        assert!(matches!(
            Anchor::insecure_from_pem(&long),
            Err(Invalid::TooLarge { .. })
        ));
    }
}
