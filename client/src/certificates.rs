//! The mesh's own certificates: root CA, issuing CA, and the coordinator's TLS leaf, compared with the state bytes.
//!
//! The quote and the state bytes name keys by K; a certificate counts only if its key is the one that is named. The
//! shape of the chain is fixed (leaf or issuing CA under the root), so each link is checked by itself.
//! Source: docs/protocol/attest-1.md, sections 5 and 7; RFC 5280, 4.1 and 4.2 (fields), 6.1 (what must hold).
//! Does not live here: certificates of the hardware's vendor (the verifier of evidence).

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime, alg_id};
use stoa_attestation::channel::{PublicKey, StateBytes, key_id};
use stoa_explain::Explain;
use x509_parser::der_parser::oid;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The chain of a statement, once it was found to be the state bytes'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootFacts {
    /// The root's certificate in DER.
    pub der: Vec<u8>,
    /// K of the root.
    pub key_id: [u8; 32],
    /// End of the root's validity, Unix seconds.
    pub not_after: u64,
}

/// The chain is what the state bytes name: root and issuing CA, or the root alone, or nothing.
///
/// # Errors
/// [`BadChain`] names the certificate and both values.
pub fn check_chain(
    chain: &[Vec<u8>],
    state: &StateBytes,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    now: UnixTime,
) -> Result<Option<RootFacts>, BadChain> {
    let wanted = usize::from(state.root().is_some()) + usize::from(state.issuing().is_some());
    if chain.len() != wanted {
        return Err(BadChain::Length {
            got: chain.len(),
            wanted,
            state: state.state.number(),
        });
    }
    let (Some(root_key), Some(root_der)) = (state.root(), chain.last()) else {
        return Ok(None);
    };
    let root = Certificate::parse("root CA", root_der)?;
    root.check_key(&root_key)?;
    root.check_ca(true)?;
    root.check_signed_by(&root, algorithms)?;
    root.check_dates(now)?;
    if let (Some(issuing_key), [issuing_der, _]) = (state.issuing(), chain) {
        let issuing = Certificate::parse("issuing CA", issuing_der)?;
        issuing.check_key(&issuing_key)?;
        issuing.check_ca(true)?;
        issuing.check_signed_by(&root, algorithms)?;
        issuing.check_dates(now)?;
    }
    Ok(Some(RootFacts {
        der: root_der.clone(),
        key_id: root_key,
        not_after: u64::try_from(root.parsed.validity().not_after.timestamp()).unwrap_or(0),
    }))
}

/// A TLS leaf was issued by this root and is within its validity.
///
/// # Errors
/// [`BadChain`] names what differs.
pub fn check_leaf(
    leaf: &[u8],
    root: &[u8],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    now: UnixTime,
) -> Result<(), BadChain> {
    let root = Certificate::parse("root CA", root)?;
    let leaf = Certificate::parse("TLS leaf", leaf)?;
    leaf.check_ca(false)?;
    leaf.check_signed_by(&root, algorithms)?;
    leaf.check_dates(now)
}

/// The SubjectPublicKeyInfo of a certificate, as its bytes stand there.
///
/// # Errors
/// [`BadChain::Malformed`].
pub fn spki(der: &[u8]) -> Result<Vec<u8>, BadChain> {
    Ok(Certificate::parse("TLS leaf", der)?
        .parsed
        .public_key()
        .raw
        .to_vec())
}

struct Certificate<'a> {
    which: &'static str,
    parsed: X509Certificate<'a>,
}

impl<'a> Certificate<'a> {
    fn parse(which: &'static str, der: &'a [u8]) -> Result<Self, BadChain> {
        let malformed = |cause: String| BadChain::Malformed { which, cause };
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes stand behind it", rest.len())));
        }
        if parsed.signature_algorithm != parsed.tbs_certificate.signature {
            return Err(malformed("its two signature algorithms differ".to_owned()));
        }
        let extensions = parsed
            .extensions_map()
            .map_err(|error| malformed(error.to_string()))?;
        let not_understood = extensions.values().find(|extension| {
            extension.critical
                && matches!(
                    extension.parsed_extension(),
                    ParsedExtension::UnsupportedExtension { .. }
                        | ParsedExtension::ParseError { .. }
                )
        });
        if let Some(extension) = not_understood {
            return Err(malformed(format!(
                "critical extension {} is not understood",
                extension.oid
            )));
        }
        Ok(Self { which, parsed })
    }

    fn check_key(&self, wanted: &[u8; 32]) -> Result<(), BadChain> {
        let got = key_id(self.parsed.public_key().raw);
        if got != *wanted {
            return Err(BadChain::Key {
                which: self.which,
                got: hex::encode(got),
                wanted: hex::encode(wanted),
            });
        }
        Ok(())
    }

    fn check_ca(&self, wanted: bool) -> Result<(), BadChain> {
        if self.parsed.is_ca() != wanted {
            return Err(BadChain::Profile {
                which: self.which,
                cause: if wanted { "is no CA" } else { "is a CA" },
            });
        }
        // Without the extension a key may be used for everything (RFC 5280, 4.2.1.3).
        let usage = self.parsed.key_usage().ok().flatten();
        if wanted && usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(BadChain::Profile {
                which: self.which,
                cause: "may not sign certificates (key usage)",
            });
        }
        Ok(())
    }

    fn check_signed_by(
        &self,
        issuer: &Certificate<'_>,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> Result<(), BadChain> {
        if self.parsed.issuer().as_raw() != issuer.parsed.subject().as_raw() {
            return Err(BadChain::Issuer {
                which: self.which,
                got: self.parsed.issuer().to_string(),
                wanted: issuer.parsed.subject().to_string(),
            });
        }
        let Some(PublicKey::P256(point)) = PublicKey::from_spki(issuer.parsed.public_key().raw)
        else {
            return Err(BadChain::Profile {
                which: issuer.which,
                cause: "has no P-256 key",
            });
        };
        if self.parsed.signature_algorithm.algorithm != oid!(1.2.840.10045.4.3.2) {
            return Err(BadChain::Profile {
                which: self.which,
                cause: "is not signed with ECDSA and SHA-256",
            });
        }
        let algorithm = algorithms
            .iter()
            .find(|a| {
                a.public_key_alg_id() == alg_id::ECDSA_P256
                    && a.signature_alg_id() == alg_id::ECDSA_SHA256
            })
            .ok_or(BadChain::AlgorithmMissing)?;
        algorithm
            .verify_signature(
                point,
                self.parsed.tbs_certificate.as_ref(),
                &self.parsed.signature_value.data,
            )
            .map_err(|_| BadChain::Signature {
                which: self.which,
                issuer: issuer.which,
            })
    }

    fn check_dates(&self, now: UnixTime) -> Result<(), BadChain> {
        let validity = self.parsed.validity();
        let (not_before, not_after) = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if at < not_before || at > not_after {
            return Err(BadChain::Dates {
                which: self.which,
                not_before,
                not_after,
                now: now.as_secs(),
            });
        }
        Ok(())
    }
}

/// Why a certificate of the mesh is not the one it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadChain {
    /// More or fewer certificates than the state has.
    #[error("the chain has {got} certificates, in state {state} it has {wanted}")]
    Length {
        /// How many there are.
        got: usize,
        /// How many the state has.
        wanted: usize,
        /// The state's number.
        state: u8,
    },
    /// No certificate in DER.
    #[error("the {which} can't be read: {cause}")]
    Malformed {
        /// Which certificate.
        which: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// Another key than the state bytes name.
    #[error("the {which} has the key {got}, the coordinator signed {wanted}")]
    Key {
        /// Which certificate.
        which: &'static str,
        /// K of its key, hex.
        got: String,
        /// K in the state bytes, hex.
        wanted: String,
    },
    /// A field or extension that does not fit its place.
    #[error("the {which} {cause}")]
    Profile {
        /// Which certificate.
        which: &'static str,
        /// What it is.
        cause: &'static str,
    },
    /// Another issuer.
    #[error("the {which} names {got} as its issuer, wanted {wanted}")]
    Issuer {
        /// Which certificate.
        which: &'static str,
        /// The name in it.
        got: String,
        /// The name of the CA above it.
        wanted: String,
    },
    /// Not signed by the CA above it.
    #[error("the signature on the {which} is not by the {issuer}")]
    Signature {
        /// Which certificate.
        which: &'static str,
        /// Who should have signed.
        issuer: &'static str,
    },
    /// Outside its validity.
    #[error("the {which} is valid from {not_before} to {not_after}, judged at {now}")]
    Dates {
        /// Which certificate.
        which: &'static str,
        /// Unix seconds.
        not_before: i64,
        /// Unix seconds.
        not_after: i64,
        /// Unix seconds.
        now: u64,
    },
    /// The caller's list lacks ECDSA P-256 with SHA-256.
    #[error("the list of signature algorithms has no ECDSA P-256 with SHA-256")]
    AlgorithmMissing,
}

impl Explain for BadChain {
    fn code(&self) -> &'static str {
        match self {
            Self::Dates { .. } => "mesh-certificate-expired",
            Self::AlgorithmMissing => "signature-algorithm-missing",
            _ => "mesh-certificate-differs",
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::Dates { .. } => {
                Some("set this machine's clock; if it is right, tell the operator that a certificate ended".to_owned())
            }
            Self::AlgorithmMissing => None,
            _ => Some(
                "connect straight to the coordinator; if nothing stands in between, treat it as an attack and tell \
                 the operator"
                    .to_owned(),
            ),
        }
    }
}
