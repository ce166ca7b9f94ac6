//! Public keys by their SPKI: their name K, which of them may be certified, and what they signed.
//!
//! Signing is the caller's: this module never sees a private key.
//! Does not live here: certificates (`provision`), keys of the platform's vendor (the verifier).
//! Source: docs/protocol/attest-1.md, sections 1 and 3; RFC 5480 (P-256), RFC 8410 (Ed25519) for the SPKIs.

use rustls_pki_types::{AlgorithmIdentifier, SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest, Sha256};

/// SEQUENCE, id-ecPublicKey, prime256v1, BIT STRING of 66 bytes, no unused bits, uncompressed point.
const P256_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// An SPKI of P-256 with an uncompressed point, in bytes.
pub const P256_SPKI_BYTES: usize = 91;
/// SEQUENCE, id-Ed25519, BIT STRING of 33 bytes, no unused bits.
const ED25519_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// An SPKI of Ed25519, in bytes.
pub const ED25519_SPKI_BYTES: usize = 44;

/// `K(spki)`: the name of a key wherever one is named, pins included.
///
/// SHA-256 over the SubjectPublicKeyInfo exactly as its bytes stand in the certificate or message.
#[must_use]
pub fn key_id(spki: &[u8]) -> [u8; 32] {
    Sha256::digest(spki).into()
}

/// A public key of one of the two kinds that the channel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicKey<'a> {
    /// The uncompressed point, 65 bytes; signatures are ECDSA with SHA-256, in DER.
    P256(&'a [u8]),
    /// The 32 bytes of RFC 8032.
    Ed25519(&'a [u8]),
}

impl<'a> PublicKey<'a> {
    /// Reads an SPKI; whether the point is on its curve is judged when a signature is verified.
    ///
    /// `None`: another algorithm or curve, a compressed point, another encoding, or bytes behind it.
    #[must_use]
    pub fn from_spki(spki: &'a [u8]) -> Option<Self> {
        match spki.len() {
            // The point begins with the prefix's last byte, 04 for uncompressed.
            P256_SPKI_BYTES if spki.starts_with(&P256_PREFIX) => {
                Some(Self::P256(&spki[P256_PREFIX.len() - 1..]))
            }
            ED25519_SPKI_BYTES if spki.starts_with(&ED25519_PREFIX) => {
                Some(Self::Ed25519(&spki[ED25519_PREFIX.len()..]))
            }
            _ => None,
        }
    }

    /// Verifies a signature over `message` with the one algorithm that this kind of key has.
    pub(super) fn verify(
        self,
        message: &[u8],
        signature: &[u8],
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> Result<(), NotVerified> {
        let (point, key_kind, signature_kind, name) = match self {
            Self::P256(point) => (
                point,
                alg_id::ECDSA_P256,
                alg_id::ECDSA_SHA256,
                "ECDSA P-256 with SHA-256",
            ),
            Self::Ed25519(point) => (point, alg_id::ED25519, alg_id::ED25519, "Ed25519"),
        };
        let algorithm =
            find(algorithms, key_kind, signature_kind).ok_or(NotVerified::NoAlgorithm { name })?;
        algorithm
            .verify_signature(point, message, signature)
            .map_err(|_| NotVerified::Signature { name })
    }
}

fn find<'a>(
    algorithms: &[&'a dyn SignatureVerificationAlgorithm],
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
) -> Option<&'a dyn SignatureVerificationAlgorithm> {
    algorithms
        .iter()
        .find(|algorithm| {
            algorithm.public_key_alg_id() == key && algorithm.signature_alg_id() == signature
        })
        .copied()
}

/// Why [`PublicKey::verify`] said no; the caller knows whose signature it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotVerified {
    /// The caller's list has no such algorithm: a bug of ours.
    NoAlgorithm { name: &'static str },
    /// The signature is not this key's over this message.
    Signature { name: &'static str },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uncompressed_p256_and_ed25519_keys_are_read() {
        let p256 = [P256_PREFIX.as_slice(), &[1; 64]].concat();
        let ed25519 = [ED25519_PREFIX.as_slice(), &[1; 32]].concat();
        assert!(
            matches!(PublicKey::from_spki(&p256), Some(PublicKey::P256([4, rest @ ..])) if rest == [1; 64])
        );
        assert!(
            matches!(PublicKey::from_spki(&ed25519), Some(PublicKey::Ed25519(key)) if key == [1; 32])
        );
        for spki in [&p256, &ed25519] {
            for index in 0..12 {
                let mut other = spki.clone();
                other[index] ^= 1;
                assert_eq!(PublicKey::from_spki(&other), None, "byte {index} changed");
            }
            assert_eq!(PublicKey::from_spki(&spki[..spki.len() - 1]), None);
            assert_eq!(
                PublicKey::from_spki(&[spki.as_slice(), b"\0"].concat()),
                None
            );
        }
        let mut compressed = p256.clone();
        compressed[26] = 2;
        assert_eq!(PublicKey::from_spki(&compressed), None);
    }
}
