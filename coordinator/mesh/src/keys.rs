//! The port through which this crate gets private keys and signatures; it makes neither itself.
//!
//! Keys are inputs: they are made before a command is submitted and travel in it, so that `decide` and `apply` never
//! sign and a replay is bit-equal. The server's implementation uses its crypto library, tests use seeded keys.
//!
//! Source of the SPKI layouts: RFC 5480, 2 (ECDSA, named curve, uncompressed point); RFC 8410, 4 (Ed25519);
//! RFC 8017, A.1 (RSA).
//! Does not live here: certificates (`ca`), where private keys are kept (`stored`).

use std::fmt;

use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData,
    SignatureAlgorithm,
};
use stoa_explain::Explain;
use zeroize::Zeroizing;

use crate::patch::Patch;

/// The kinds of keys that a mesh can hold or certify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// ECDSA on NIST P-256, signatures with SHA-256.
    EcdsaP256,
    /// ECDSA on NIST P-384, signatures with SHA-384.
    EcdsaP384,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on NIST P-521, signatures with SHA-512.
    EcdsaP521,
    /// RSA of 2048 bits with the exponent 65537.
    Rsa2048,
    /// RSA of 3072 bits with the exponent 65537.
    Rsa3072,
    /// RSA of 4096 bits with the exponent 65537.
    Rsa4096,
}

impl KeyKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Ed25519,
        Self::EcdsaP521,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// The number of this kind in the stored form; never reused.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::EcdsaP256 => 1,
            Self::EcdsaP384 => 2,
            Self::Ed25519 => 3,
            Self::EcdsaP521 => 4,
            Self::Rsa2048 => 5,
            Self::Rsa3072 => 6,
            Self::Rsa4096 => 7,
        }
    }

    /// The kind of a stored number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// All that stands before the key itself in a SubjectPublicKeyInfo of this kind, and the key's length in bytes.
    fn layout(self) -> (&'static [u8], usize) {
        match self {
            Self::EcdsaP256 => (P256_PREFIX, 65),
            Self::EcdsaP384 => (P384_PREFIX, 97),
            Self::Ed25519 => (ED25519_PREFIX, 32),
            Self::EcdsaP521 => (P521_PREFIX, 133),
            Self::Rsa2048 => (RSA_2048_PREFIX, 270),
            Self::Rsa3072 => (RSA_3072_PREFIX, 398),
            Self::Rsa4096 => (RSA_4096_PREFIX, 526),
        }
    }

    /// What rcgen is told. It has no P-521 without a crypto library of its own: `patch` puts the curve right.
    fn algorithm(self) -> &'static SignatureAlgorithm {
        match self {
            Self::EcdsaP256 => &PKCS_ECDSA_P256_SHA256,
            Self::EcdsaP384 | Self::EcdsaP521 => &PKCS_ECDSA_P384_SHA384,
            Self::Ed25519 => &PKCS_ED25519,
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &PKCS_RSA_SHA256,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP521 => "ECDSA P-521",
            Self::Rsa2048 => "RSA 2048",
            Self::Rsa3072 => "RSA 3072",
            Self::Rsa4096 => "RSA 4096",
        })
    }
}

/// SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING, 0 unused bits.
const P256_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// SEQUENCE { SEQUENCE { ecPublicKey, secp384r1 }, BIT STRING, 0 unused bits.
const P384_PREFIX: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];
/// SEQUENCE { SEQUENCE { ecPublicKey, secp521r1 }, BIT STRING, 0 unused bits.
const P521_PREFIX: &[u8] = &[
    0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
    0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00,
];
/// Where the curve's last byte stands in [`P521_PREFIX`].
const P521_CURVE_AT: usize = 20;
/// SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING, 0 unused bits, of an RSAPublicKey (RFC 8017, A.1.1) of 2048 bits.
const RSA_2048_PREFIX: &[u8] = &[
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00,
];
/// The same of 3072 bits.
const RSA_3072_PREFIX: &[u8] = &[
    0x30, 0x82, 0x01, 0xa2, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x8f, 0x00,
];
/// The same of 4096 bits.
const RSA_4096_PREFIX: &[u8] = &[
    0x30, 0x82, 0x02, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x02, 0x0f, 0x00,
];
/// SEQUENCE { SEQUENCE { Ed25519 }, BIT STRING, 0 unused bits.
const ED25519_PREFIX: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A private key with its public half.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyMaterial {
    /// What kind of key it is.
    pub kind: KeyKind,
    /// The private key, PKCS #8 DER.
    pub pkcs8: Zeroizing<Vec<u8>>,
    /// The SubjectPublicKeyInfo, DER.
    pub spki: Vec<u8>,
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMaterial")
            .field("kind", &self.kind)
            .field("pkcs8", &"<secret>")
            .field("spki", &hex::encode(&self.spki))
            .finish()
    }
}

/// Who makes and uses private keys: the caller's crypto library.
pub trait Keys: Send + Sync {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError`] if the library can't make keys of this kind.
    fn generate(&self, kind: KeyKind) -> Result<KeyMaterial, KeyError>;

    /// A signer for `key`, in the shape that rcgen asks for.
    ///
    /// # Errors
    /// [`KeyError`] if the private key can't be read.
    fn signer<'a>(
        &'a self,
        key: &'a KeyMaterial,
    ) -> Result<Box<dyn rcgen::SigningKey + 'a>, KeyError>;

    /// The SubjectPublicKeyInfo (DER) computed from the private key `pkcs8` (PKCS #8 DER), never from anything stored beside it.
    ///
    /// # Errors
    /// [`KeyError`] if the private key can't be read.
    fn public(&self, kind: KeyKind, pkcs8: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// Why a key could not be made, read or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} key: {cause}")]
pub struct KeyError {
    /// The kind of key that was asked for.
    pub kind: KeyKind,
    /// What the crypto library said; never a key.
    pub cause: String,
}

impl Explain for KeyError {
    fn code(&self) -> &'static str {
        "key-not-usable"
    }

    fn remedy(&self) -> Option<String> {
        None
    }
}

/// A public key that can be certified: its SPKI taken apart, and exactly the same bytes again when rcgen puts it together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    kind: KeyKind,
    key: Vec<u8>,
}

impl Subject {
    /// Takes an SPKI (DER) apart; `None` if it is not exactly one of the layouts of [`KeyKind`].
    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        KeyKind::ALL.into_iter().find_map(|kind| {
            let (prefix, length) = kind.layout();
            let key = spki
                .strip_prefix(prefix)
                .filter(|key| key.len() == length)?;
            let ecdsa = matches!(
                kind,
                KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521
            );
            let compressed = ecdsa && key.first() != Some(&0x04);
            (!compressed).then(|| Self {
                kind,
                key: key.to_vec(),
            })
        })
    }

    /// What kind of key it is.
    pub(crate) fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The curve that rcgen writes in the place of one that it does not know.
    pub(crate) fn curve_to_patch(&self) -> Option<Patch> {
        let (prefix, _) = self.kind.layout();
        let right = [prefix, &self.key].concat();
        let mut written = right.clone();
        // The identifiers of P-384 and P-521 differ in their last byte (RFC 5480, 2.1.1.1).
        *written.get_mut(P521_CURVE_AT)? = 0x22;
        (self.kind == KeyKind::EcdsaP521).then(|| Patch::new(written, right))
    }
}

impl PublicKeyData for Subject {
    fn der_bytes(&self) -> &[u8] {
        &self.key
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.kind.algorithm()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_spki_of_each_kind_comes_out_as_it_went_in() {
        for kind in KeyKind::ALL {
            let (prefix, length) = kind.layout();
            let spki = [prefix, &[0x04], &vec![7; length - 1]].concat();
            let subject = Subject::from_spki(&spki).unwrap();
            assert_eq!(subject.kind(), kind);
            let written = subject.subject_public_key_info();
            match subject.curve_to_patch() {
                None => assert_eq!(written, spki),
                Some(patch) => {
                    assert_eq!(kind, KeyKind::EcdsaP521);
                    assert_eq!(patch.applied(&written).unwrap(), spki);
                }
            }
            assert_eq!(KeyKind::from_number(kind.number()), Some(kind));
        }
    }

    #[test]
    fn refuses_compressed_points_other_lengths_and_other_algorithms() {
        let good = [P256_PREFIX, &[0x04], &[7; 64]].concat();
        assert!(Subject::from_spki(&good).is_some());
        let mut compressed = good.clone();
        compressed[P256_PREFIX.len()] = 0x02;
        assert!(Subject::from_spki(&compressed).is_none());
        assert!(Subject::from_spki(&good[..good.len() - 1]).is_none());
        assert!(Subject::from_spki(&[&good[..], &[0]].concat()).is_none());
        let mut other = good;
        other[10] ^= 1;
        assert!(Subject::from_spki(&other).is_none());
    }

    #[test]
    fn debug_of_a_key_shows_no_private_byte() {
        let key = KeyMaterial {
            kind: KeyKind::EcdsaP256,
            pkcs8: Zeroizing::new(vec![0xab; 4]),
            spki: vec![1, 2],
        };
        let shown = format!("{key:?}");
        assert_eq!(
            shown,
            r#"KeyMaterial { kind: EcdsaP256, pkcs8: "<secret>", spki: "0102" }"#
        );
    }
}
