//! The port through which this crate gets private keys and signatures; it makes neither itself.
//!
//! Keys are inputs: they are made before a command is submitted and travel in it, so that `decide` and `apply` never
//! sign and a replay is bit-equal. The server's implementation uses its crypto library, tests use seeded keys.
//!
//! Source of the SPKI layouts: RFC 5480, 2 (ECDSA, named curve, uncompressed point); RFC 8410, 4 (Ed25519).
//! Does not live here: certificates (`ca`), where private keys are kept (`stored`).

use std::fmt;

use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData, SignatureAlgorithm,
};
use stoa_explain::Explain;
use zeroize::Zeroizing;

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
}

impl KeyKind {
    /// The number of this kind in the stored form; never reused.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::EcdsaP256 => 1,
            Self::EcdsaP384 => 2,
            Self::Ed25519 => 3,
        }
    }

    /// The kind of a stored number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::EcdsaP256),
            2 => Some(Self::EcdsaP384),
            3 => Some(Self::Ed25519),
            _ => None,
        }
    }

    /// All that stands before the key itself in a SubjectPublicKeyInfo of this kind, and the key's length in bytes.
    fn layout(self) -> (&'static [u8], usize) {
        match self {
            Self::EcdsaP256 => (P256_PREFIX, 65),
            Self::EcdsaP384 => (P384_PREFIX, 97),
            Self::Ed25519 => (ED25519_PREFIX, 32),
        }
    }

    fn algorithm(self) -> &'static SignatureAlgorithm {
        match self {
            Self::EcdsaP256 => &PKCS_ECDSA_P256_SHA256,
            Self::EcdsaP384 => &PKCS_ECDSA_P384_SHA384,
            Self::Ed25519 => &PKCS_ED25519,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
            Self::Ed25519 => "Ed25519",
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
        [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::Ed25519]
            .into_iter()
            .find_map(|kind| {
                let (prefix, length) = kind.layout();
                let key = spki
                    .strip_prefix(prefix)
                    .filter(|key| key.len() == length)?;
                let compressed = kind != KeyKind::Ed25519 && key.first() != Some(&0x04);
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
        for kind in [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::Ed25519] {
            let (prefix, length) = kind.layout();
            let spki = [prefix, &[0x04], &vec![7; length - 1]].concat();
            let subject = Subject::from_spki(&spki).unwrap();
            assert_eq!(subject.kind(), kind);
            assert_eq!(subject.subject_public_key_info(), spki);
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
