//! A holder's private recovery key, and encrypting for a coordinator's upload key.
//!
//! RSA-OAEP with SHA-256, MGF1-SHA-256 and an empty label; RSA PKCS #1 v1.5 with SHA-256 (RFC 8017, 7.1 and 8.2).

use std::path::Path;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use crate::failure::{Failure, Refused};

/// Decrypts and signs; never printed.
pub(super) struct HolderKey {
    pub(super) spki: Vec<u8>,
    decrypting: OaepPrivateDecryptingKey,
    signing: KeyPair,
    path: String,
}

impl HolderKey {
    pub(super) fn from_pem(pem: &[u8], path: &Path) -> Result<Self, Refused> {
        let path = path.display().to_string();
        let unfit = |cause: String| Refused::HolderKeyUnfit {
            path: path.clone(),
            cause,
        };
        let der =
            PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|error| unfit(error.to_string()))?;
        let der = der.secret_pkcs8_der();
        let key =
            PrivateDecryptingKey::from_pkcs8(der).map_err(|error| unfit(error.to_string()))?;
        let spki: PublicKeyX509Der<'_> = key
            .public_key()
            .as_der()
            .map_err(|_| unfit("its public half can't be written".to_owned()))?;
        Ok(Self {
            spki: spki.as_ref().to_vec(),
            decrypting: OaepPrivateDecryptingKey::new(key)
                .map_err(|_| unfit("it can't decrypt".to_owned()))?,
            signing: KeyPair::from_pkcs8(der).map_err(|error| unfit(error.to_string()))?,
            path,
        })
    }

    pub(super) fn decrypt(&self, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let mut out = Zeroizing::new(vec![0; self.decrypting.min_output_size()]);
        let decrypted = self
            .decrypting
            .decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut out, None);
        let len = decrypted
            .map_err(|_| Refused::HolderKeyUnfit {
                path: self.path.clone(),
                cause: "the share in the recovery file is not encrypted for it".to_owned(),
            })?
            .len();
        out.truncate(len);
        Ok(out)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| Refused::HolderKeyUnfit {
                path: self.path.clone(),
                cause: "it can't sign".to_owned(),
            })?;
        Ok(signature)
    }
}

/// Encrypts for an upload key (SPKI, DER).
pub(super) fn encrypt(spki: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Failure> {
    let key = PublicEncryptingKey::from_der(spki)
        .map_err(|error| unusable(error.to_string()))
        .and_then(|key| {
            OaepPublicEncryptingKey::new(key).map_err(|_| unusable("it can't encrypt".to_owned()))
        })?;
    let mut out = vec![0; key.ciphertext_size()];
    let len = key
        .encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut out, None)
        .map_err(|_| unusable("it can't encrypt".to_owned()))?
        .len();
    out.truncate(len);
    Ok(out)
}

/// Bytes of a member of the coordinator's answer.
pub(super) fn decoded(text: &str) -> Result<Vec<u8>, Failure> {
    STANDARD
        .decode(text)
        .map_err(|error| unusable(error.to_string()))
}

fn unusable(cause: String) -> Failure {
    Refused::UploadKeyUnusable { cause }.into()
}
