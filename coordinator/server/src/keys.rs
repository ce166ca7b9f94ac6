//! Keys by aws-lc-rs: what `mesh` asks for through its port `Keys`.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};
use stoa_mesh::{KeyError, KeyKind, KeyMaterial, Keys};
use zeroize::Zeroizing;

/// The crypto library of the process as a source of keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct AwsLcKeys;

impl Keys for AwsLcKeys {
    fn generate(&self, kind: KeyKind) -> Result<KeyMaterial, KeyError> {
        let failed = |_| KeyError {
            kind,
            cause: "the crypto library generated no key".to_owned(),
        };
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
            pkcs8.map(|pkcs8| Zeroizing::new(pkcs8.as_ref().to_vec()))
        };
        let rsa = |size| {
            let pair = aws_lc_rs::rsa::KeyPair::generate(size)?;
            let pkcs8: Pkcs8V1Der<'_> = pair.as_der()?;
            Ok(Zeroizing::new(pkcs8.as_ref().to_vec()))
        };
        let pkcs8 = match kind {
            KeyKind::EcdsaP256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyKind::EcdsaP384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyKind::EcdsaP521 => ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
            KeyKind::Rsa2048 => rsa(KeySize::Rsa2048),
            KeyKind::Rsa3072 => rsa(KeySize::Rsa3072),
            KeyKind::Rsa4096 => rsa(KeySize::Rsa4096),
            KeyKind::Ed25519 => Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                .map(|pkcs8| Zeroizing::new(pkcs8.as_ref().to_vec())),
            other => return Err(unknown(other)),
        }
        .map_err(failed)?;
        let spki = self.public(kind, &pkcs8)?;
        Ok(KeyMaterial { kind, pkcs8, spki })
    }

    fn signer<'a>(&'a self, key: &'a KeyMaterial) -> Result<Box<dyn SigningKey + 'a>, KeyError> {
        // Secrets of these kinds sign nothing for the mesh, and rcgen has no algorithm for them.
        if !matches!(
            key.kind,
            KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::Ed25519
        ) {
            return Err(unknown(key.kind));
        }
        Ok(Box::new(Loaded::from_pkcs8(key.kind, &key.pkcs8)?))
    }

    fn public(&self, kind: KeyKind, pkcs8: &[u8]) -> Result<Vec<u8>, KeyError> {
        spki(kind, pkcs8)
    }
}

impl AwsLcKeys {
    /// A key of this process, ready to sign.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn load(&self, key: &KeyMaterial) -> Result<impl SigningKey + use<>, KeyError> {
        Loaded::from_pkcs8(key.kind, &key.pkcs8)
    }
}

/// The SubjectPublicKeyInfo (DER) of a private key.
fn spki(kind: KeyKind, pkcs8: &[u8]) -> Result<Vec<u8>, KeyError> {
    let rejected = |error: aws_lc_rs::error::KeyRejected| KeyError {
        kind,
        cause: error.to_string(),
    };
    let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).map_err(rejected)?;
        pair.public_key().as_der().map_err(|_| unwritten(kind))
    };
    let der: PublicKeyX509Der<'_> = match kind {
        KeyKind::EcdsaP256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)?,
        KeyKind::EcdsaP384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING)?,
        KeyKind::EcdsaP521 => ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING)?,
        KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => {
            let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(rejected)?;
            pair.public_key().as_der().map_err(|_| unwritten(kind))?
        }
        KeyKind::Ed25519 => {
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(rejected)?;
            pair.public_key().as_der().map_err(|_| unwritten(kind))?
        }
        other => return Err(unknown(other)),
    };
    Ok(der.as_ref().to_vec())
}

fn unwritten(kind: KeyKind) -> KeyError {
    KeyError {
        kind,
        cause: "the crypto library could not write the public key".to_owned(),
    }
}

fn unknown(kind: KeyKind) -> KeyError {
    KeyError {
        kind,
        cause: "this process makes no keys of that kind".to_owned(),
    }
}

/// A private key ready to sign.
enum Loaded {
    Ecdsa(EcdsaKeyPair, &'static SignatureAlgorithm),
    Ed25519(Ed25519KeyPair),
}

impl Loaded {
    fn from_pkcs8(kind: KeyKind, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let rejected = |error: aws_lc_rs::error::KeyRejected| KeyError {
            kind,
            cause: error.to_string(),
        };
        let ecdsa =
            |algorithm: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8);
        Ok(match kind {
            KeyKind::EcdsaP256 => Self::Ecdsa(
                ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(rejected)?,
                &rcgen::PKCS_ECDSA_P256_SHA256,
            ),
            KeyKind::EcdsaP384 => Self::Ecdsa(
                ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING).map_err(rejected)?,
                &rcgen::PKCS_ECDSA_P384_SHA384,
            ),
            KeyKind::Ed25519 => Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(rejected)?),
            other => return Err(unknown(other)),
        })
    }
}

impl PublicKeyData for Loaded {
    fn der_bytes(&self) -> &[u8] {
        match self {
            Self::Ecdsa(key, _) => key.public_key().as_ref(),
            Self::Ed25519(key) => key.public_key().as_ref(),
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self {
            Self::Ecdsa(_, algorithm) => algorithm,
            Self::Ed25519(_) => &rcgen::PKCS_ED25519,
        }
    }
}

impl SigningKey for Loaded {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        match self {
            Self::Ecdsa(key, _) => key
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| rcgen::Error::RemoteKeyError),
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_key_is_made_and_its_public_half_is_that_of_its_private_one() {
        for kind in KeyKind::ALL {
            let key = AwsLcKeys.generate(kind).unwrap();
            assert_eq!(
                AwsLcKeys.public(kind, &key.pkcs8).unwrap(),
                key.spki,
                "{kind}"
            );
            let other = AwsLcKeys.generate(kind).unwrap();
            assert_ne!(other.spki, key.spki, "{kind}");
        }
    }
}
