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

/// 32 random bytes, made at founding, from which the secrets of single instances are derived.
#[derive(Clone, PartialEq, Eq)]
pub struct DerivationSecret(pub(crate) Zeroizing<[u8; 32]>);

impl fmt::Debug for DerivationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
