//! What is kept secret, so that it is wiped when dropped and never shown.
//!
//! Does not live here: making secrets (`secrets`, `derive`), private keys (`keys`).

use std::fmt;

use zeroize::Zeroizing;

use crate::ca::Certified;

/// A secret, made.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A symmetric key.
    Symmetric(Zeroizing<Vec<u8>>),
    /// A certificate of the mesh with its private key.
    Certificate(Certified),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symmetric(_) => f.write_str("Symmetric(<secret>)"),
            Self::Certificate(certified) => f.debug_tuple("Certificate").field(certified).finish(),
        }
    }
}

/// The value of a secret as a user sets it or reads it.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// A symmetric key, or plain bytes; never empty.
    Bytes(Zeroizing<Vec<u8>>),
    /// A certificate, of whatever CA.
    Certificate {
        /// DER.
        certificate: Vec<u8>,
        /// Its SubjectPublicKeyInfo, DER.
        spki: Vec<u8>,
        /// Its private key, PKCS #8 DER, if it was given.
        private: Option<Zeroizing<Vec<u8>>>,
    },
}

impl SecretValue {
    /// What a user reads of a secret that the coordinator made.
    pub(crate) fn of(secret: &Secret) -> Self {
        match secret {
            Secret::Symmetric(bytes) => Self::Bytes(bytes.clone()),
            Secret::Certificate(certified) => Self::Certificate {
                certificate: certified.certificate().der().to_vec(),
                spki: certified.certificate().spki().to_vec(),
                private: Some(certified.key().pkcs8.clone()),
            },
        }
    }

    /// How many bytes it keeps.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Certificate {
                certificate,
                spki,
                private,
            } => certificate.len() + spki.len() + private.as_ref().map_or(0, |key| key.len()),
        }
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(_) => f.write_str("Bytes(<secret>)"),
            Self::Certificate { certificate, .. } => f
                .debug_struct("Certificate")
                .field("certificate", &format_args!("{} bytes", certificate.len()))
                .field("private", &"<secret>")
                .finish_non_exhaustive(),
        }
    }
}

/// 32 random bytes, made at founding, from which the secrets of single instances are derived.
#[derive(Clone, PartialEq, Eq)]
pub struct DerivationSecret(pub(crate) Zeroizing<[u8; 32]>);

impl fmt::Debug for DerivationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
