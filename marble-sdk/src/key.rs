//! The marble's key: made in memory, never written, and its first certificate, signed by itself.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, PublicKeyData, SignatureAlgorithm, SigningKey,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::error::SdkError;

/// A P-256 key of this process.
pub(crate) struct MarbleKey {
    pkcs8: Zeroizing<Vec<u8>>,
    pair: EcdsaKeyPair,
}

impl std::fmt::Debug for MarbleKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MarbleKey(<secret>)")
    }
}

impl MarbleKey {
    pub(crate) fn generate() -> Result<Self, SdkError> {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .map_err(|_| SdkError::Bug("the crypto library generated no key".to_owned()))?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8)
            .map_err(|error| SdkError::Bug(format!("the generated key can't be read: {error}")))?;
        Ok(Self { pkcs8, pair })
    }

    /// PKCS #8, for whoever has to hand the key to a program that reads files.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// For rustls.
    pub(crate) fn private_der(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pkcs8.to_vec())
    }

    /// Proves possession in the TLS handshake of an activation, and nothing else.
    pub(crate) fn self_signed(&self) -> Result<CertificateDer<'static>, SdkError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Stoa marble, to be certified");
        params.serial_number = Some(vec![1].into());
        params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(Vec::new());
        let certificate = params.self_signed(self).map_err(|error| {
            SdkError::Bug(format!(
                "a self-signed certificate could not be made: {error}"
            ))
        })?;
        Ok(certificate.der().clone())
    }

    /// ECDSA P-256 with SHA-256, in DER.
    pub(crate) fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SdkError> {
        self.sign(message)
            .map_err(|error| SdkError::Bug(format!("the key could not sign: {error}")))
    }

    /// The key's SubjectPublicKeyInfo, DER.
    pub(crate) fn spki(&self) -> Vec<u8> {
        self.subject_public_key_info()
    }
}

impl PublicKeyData for MarbleKey {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for MarbleKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message)
            .map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.as_ref().to_vec())
    }
}
