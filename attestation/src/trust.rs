//! What a verification stands on: anchors, signature algorithms, and the memory of signatures already checked.
//!
//! Does not live here: which anchors a deployment uses (its configuration), the memory itself (the server's).

use core::fmt;

use rustls_pki_types::{SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest, Sha256};

use crate::invalid::{Chain, Invalid, Role};
use crate::pem;
use crate::x509::{Certificate, p256_point};

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

impl Trust<'_> {
    /// The anchor that `root` is: the same name and the same key. The rest of the root's certificate is not looked at.
    pub(crate) fn anchor_of(&self, chain: Chain, root: &Certificate) -> Result<&Anchor, Invalid> {
        self.anchors
            .iter()
            .find(|anchor| {
                anchor.certificate.key == root.key && anchor.certificate.subject == root.subject
            })
            .ok_or_else(|| Invalid::RootUntrusted {
                chain,
                found: hex::encode(root.sha256()),
                anchors: self.describe(),
            })
    }

    pub(crate) fn describe(&self) -> Vec<String> {
        self.anchors.iter().map(Anchor::describe).collect()
    }
}

/// Remembers signatures that were checked and good. Whether a signature is good does not depend on time, so this is sound.
///
/// Keys are SHA-256 over algorithm, public key, message and signature. They are inserted only after the whole
/// verification that needed them succeeded, so that nobody can fill the memory with signatures of his own.
pub trait SignatureMemo: Sync {
    /// Whether that check is known to succeed.
    fn contains(&self, key: &[u8; 32]) -> bool;
    /// Remembers checks that succeeded.
    fn insert(&self, keys: &[[u8; 32]]);
}

/// Remembers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMemo;

impl SignatureMemo for NoMemo {
    fn contains(&self, _key: &[u8; 32]) -> bool {
        false
    }

    fn insert(&self, _keys: &[[u8; 32]]) {}
}

/// A public key on P-256: `04 || x || y`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key([u8; 65]);

impl Key {
    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        p256_point(spki).map(Self)
    }

    /// From `x || y`, as quotes carry it.
    pub(crate) fn from_coordinates(xy: &[u8; 64]) -> Self {
        let mut point = [4; 65];
        point[1..].copy_from_slice(xy);
        Self(point)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The signature checks of one verification.
pub(crate) struct Signatures<'a> {
    algorithm: &'a dyn SignatureVerificationAlgorithm,
    seen: &'a dyn SignatureMemo,
    fresh: Vec<[u8; 32]>,
}

impl<'a> Signatures<'a> {
    pub(crate) fn new(trust: &Trust<'a>) -> Result<Self, Invalid> {
        let algorithm = trust
            .algorithms
            .iter()
            .find(|algorithm| {
                algorithm.public_key_alg_id() == alg_id::ECDSA_P256
                    && algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
            })
            .ok_or(Invalid::AlgorithmMissing {
                passed: trust.algorithms.len(),
            })?;
        Ok(Self {
            algorithm: *algorithm,
            seen: trust.seen,
            fresh: Vec::new(),
        })
    }

    /// ECDSA P-256 with SHA-256; `signature` is DER, as in certificates.
    #[must_use]
    pub(crate) fn check(&mut self, key: &Key, message: &[u8], signature: &[u8]) -> bool {
        let memo_key = memo_key(key, message, signature);
        if self.seen.contains(&memo_key) {
            return true;
        }
        let good = self
            .algorithm
            .verify_signature(&key.0, message, signature)
            .is_ok();
        if good {
            self.fresh.push(memo_key);
        }
        good
    }

    /// The same for `r || s`, as quotes and signed JSON carry it.
    #[must_use]
    pub(crate) fn check_raw(&mut self, key: &Key, message: &[u8], signature: &[u8; 64]) -> bool {
        self.check(key, message, &der_signature(signature))
    }

    /// The whole verification succeeded: its checks may be remembered.
    pub(crate) fn remember(self) {
        if !self.fresh.is_empty() {
            self.seen.insert(&self.fresh);
        }
    }
}

/// Parts are of fixed length or hashed, so no two inputs run together.
fn memo_key(key: &Key, message: &[u8], signature: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"stoa/signature-memo/1 ecdsa-p256-sha256")
        .chain_update(key.0)
        .chain_update(Sha256::digest(message))
        .chain_update(Sha256::digest(signature))
        .finalize()
        .into()
}

/// `r || s` as `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279, 2.2.3).
fn der_signature(raw: &[u8; 64]) -> Vec<u8> {
    let mut body = Vec::with_capacity(70);
    for half in raw.chunks_exact(32) {
        let first = half.iter().position(|b| *b != 0).unwrap_or(half.len() - 1);
        let magnitude = &half[first..];
        let sign = u8::from(magnitude[0] >= 0x80);
        // A P-256 signature is at most 2 * 35 bytes, so every length fits one byte below 0x80.
        body.extend([0x02, magnitude.len() as u8 + sign]);
        body.extend(core::iter::repeat_n(0, sign.into()));
        body.extend(magnitude);
    }
    let mut der = vec![0x30, body.len() as u8];
    der.extend(body);
    der
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

    #[test]
    fn raw_signatures_become_minimal_der() {
        let mut raw = [0; 64];
        assert_eq!(der_signature(&raw), [0x30, 6, 2, 1, 0, 2, 1, 0]);
        raw[31] = 0x7f;
        raw[63] = 0x80;
        assert_eq!(der_signature(&raw), [0x30, 7, 2, 1, 0x7f, 2, 2, 0, 0x80]);
        raw = [0xff; 64];
        let der = der_signature(&raw);
        assert_eq!(der.len(), 2 + 2 * 35);
        assert_eq!(der[..5], [0x30, 70, 2, 33, 0]);
    }
}
