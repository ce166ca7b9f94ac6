//! What a verification stands on: anchors, signature algorithms, and the memory of signatures already checked.
//!
//! Does not live here: which anchors a deployment uses (its configuration), the checks (`signatures`).

use core::fmt;

use rustls_pki_types::SignatureVerificationAlgorithm;

use crate::invalid::{Chain, Invalid, Role};
use crate::pem;
use crate::product::Product;
use crate::signatures::{Algorithm, SignatureMemo, Signatures};
use crate::x509::Certificate;

/// Intel's root for SGX and TDX, as published at
/// <https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.pem>.
const INTEL_ROOT_PEM: &str = include_str!("../roots/intel-sgx-root-ca.pem");

/// AMD's roots for SEV-SNP, one for each product, as published at <https://kdsintf.amd.com/vcek/v1/Milan/cert_chain>
/// and so on (the second certificate).
const AMD_ROOTS_PEM: [(Product, &str); 3] = [
    (Product::Milan, include_str!("../roots/amd-ark-milan.pem")),
    (Product::Genoa, include_str!("../roots/amd-ark-genoa.pem")),
    (Product::Turin, include_str!("../roots/amd-ark-turin.pem")),
];

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

    /// AMD's root of a product, compiled in.
    #[must_use]
    pub fn amd(product: Product) -> Self {
        let (_, pem) = AMD_ROOTS_PEM
            .into_iter()
            .find(|(of, _)| *of == product)
            .expect("a test looks for every product's root");
        Self::parse(pem, false).expect("the compiled-in roots are read by a test")
    }

    /// Every root that is compiled in: Intel's, and AMD's of each product.
    #[must_use]
    pub fn vendors() -> Vec<Self> {
        let amd = Product::ALL.into_iter().map(Self::amd);
        core::iter::once(Self::intel()).chain(amd).collect()
    }

    /// A root that the caller brings: whoever holds its key can make evidence that verifies.
    ///
    /// # Errors
    /// The text must be exactly one PEM certificate: of a CA, its own issuer, with a key on P-256 (which then stands in
    /// Intel's place) or of RSA with 4096 bits (in AMD's).
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

    /// Whose place it takes.
    #[must_use]
    pub fn vendor(&self) -> Vendor {
        match self.certificate.role {
            Role::Ark => Vendor::Amd,
            _ => Vendor::Intel,
        }
    }

    /// `intel`, `amd-milan` and so on, or `insecure`.
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
        // Which vendor's place a root takes, its key says: only AMD's roots are RSA.
        let certificate = Certificate::parse(Role::Root, der)
            .or_else(|intel| Certificate::parse(Role::Ark, der).map_err(|_| intel))?;
        certificate.check_is_ca()?;
        if certificate.subject != certificate.issuer {
            return Err(certificate.differs(
                "issuer",
                &certificate.common_name,
                &certificate.issuer_common_name,
            ));
        }
        let name = match (insecure, certificate.common_name.strip_prefix("ARK-")) {
            (true, _) => "insecure".to_owned(),
            (false, None) => "intel".to_owned(),
            (false, Some(product)) => format!("amd-{}", product.to_lowercase()),
        };
        Ok(Self {
            name,
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

/// Whose evidence a root is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
    /// SGX and TDX.
    Intel,
    /// SEV-SNP.
    Amd,
}

/// Everything a verification trusts, as arguments.
#[derive(Clone, Copy)]
pub struct Trust<'a> {
    /// Roots that are accepted.
    pub anchors: &'a [Anchor],
    /// Signature algorithms; what the evidence's vendor signs with must be among them: ECDSA P-256 with SHA-256 for
    /// Intel, ECDSA P-384 with SHA-384 and RSASSA-PSS with SHA-384 for AMD. Others are not used.
    pub algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    /// Signatures known to be good.
    pub seen: &'a dyn SignatureMemo,
}

impl<'a> Trust<'a> {
    /// For a verification that needs `algorithms`.
    pub(crate) fn signatures(&self, algorithms: &[Algorithm]) -> Result<Signatures<'a>, Invalid> {
        Signatures::new(self.algorithms, algorithms, self.seen)
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
    fn amds_roots_are_the_published_ones() {
        let names: Vec<_> = Anchor::vendors()
            .iter()
            .map(|anchor| (anchor.name().to_owned(), anchor.vendor()))
            .collect();
        let amd = |name: &str| (name.to_owned(), Vendor::Amd);
        let wanted = [
            ("intel".to_owned(), Vendor::Intel),
            amd("amd-milan"),
            amd("amd-genoa"),
            amd("amd-turin"),
        ];
        assert_eq!(names, wanted);
        for (product, sha256) in [
            (
                Product::Milan,
                "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
            ),
            (
                Product::Genoa,
                "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
            ),
            (
                Product::Turin,
                "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
            ),
        ] {
            assert_eq!(hex::encode(Anchor::amd(product).sha256()), sha256);
        }
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
